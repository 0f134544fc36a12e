//! A value that never prints: where it comes from is configuration, what it is is read when it is used.

use serde::{Deserialize, Serialize};

pub use secrecy::{ExposeSecret, SecretString};

/// Where a secret comes from; opened when it is used, not before.
#[derive(Clone)]
pub enum Secret {
    /// Written into the file itself.
    Literal(SecretString),
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "PATH" }`; one trailing newline is no part of it.
    File(std::path::PathBuf),
    /// `{ credential = "NAME" }` below systemd's `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// A secret by its name, which may be shown: what it is stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "PATH" }`
    File(std::path::PathBuf),
    /// `{ credential = "NAME" }`
    Credential(String),
}

impl From<Source> for Secret {
    fn from(source: Source) -> Secret {
        match source {
            Source::Env(name) => Secret::Env(name),
            Source::File(path) => Secret::File(path),
            Source::Credential(name) => Secret::Credential(name),
        }
    }
}

/// Why a secret can not be opened; names the source, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment has no {name}; set it, or name another source for the secret")]
    NoVariable { name: String },
    #[error(
        "the secret file {path} can not be read: {reason}; write one there that the program may read, or name another source for the secret"
    )]
    NoFile { path: String, reason: String },
    #[error("there is no credential {name}: {reason}; the unit needs LoadCredential={name}:PATH")]
    NoCredential { name: String, reason: String },
}

impl Secret {
    /// Reads the value from where it is; for the moment of its use, not to be kept.
    pub fn open(&self) -> Result<SecretString, SecretError> {
        let read = |path: &std::path::Path| {
            std::fs::read_to_string(path)
                .map(|text| {
                    SecretString::from(
                        text.strip_suffix('\n')
                            .map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t))
                            .to_owned(),
                    )
                })
                .map_err(|error| error.to_string())
        };
        match self {
            Secret::Literal(value) => Ok(value.clone()),
            Secret::Env(name) => std::env::var(name)
                .map(SecretString::from)
                .map_err(|_| SecretError::NoVariable { name: name.clone() }),
            Secret::File(path) => read(path).map_err(|reason| SecretError::NoFile {
                path: path.display().to_string(),
                reason,
            }),
            Secret::Credential(name) => std::env::var_os("CREDENTIALS_DIRECTORY")
                .ok_or_else(|| "CREDENTIALS_DIRECTORY is not set".to_owned())
                .and_then(|folder| read(&std::path::Path::new(&folder).join(name)))
                .map_err(|reason| SecretError::NoCredential {
                    name: name.clone(),
                    reason,
                }),
        }
    }
}

/// Two are the same when they are written the same: a reload has to notice a secret that was replaced in the file.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        match (self, other) {
            (Secret::Literal(one), Secret::Literal(other)) => one.expose_secret() == other.expose_secret(),
            (Secret::Env(one), Secret::Env(other)) => one == other,
            (Secret::File(one), Secret::File(other)) => one == other,
            (Secret::Credential(one), Secret::Credential(other)) => one == other,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Literal(_) => f.write_str("Secret(written in the configuration)"),
            Secret::Env(name) => write!(f, "Secret(env {name})"),
            Secret::File(path) => write!(f, "Secret(file {})", path.display()),
            Secret::Credential(name) => write!(f, "Secret(credential {name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_of_a_file_is_no_part_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (written, expected) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", "")] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(
                Secret::File(path.clone()).open().unwrap().expose_secret(),
                expected,
                "{written:?}"
            );
        }
    }

    #[test]
    fn a_secret_that_can_not_be_opened_says_which_and_what_to_do() {
        for (secret, expected) in [
            (
                Secret::Env("HALO_INTAKE_NO_SUCH".into()),
                "the environment has no HALO_INTAKE_NO_SUCH; set it",
            ),
            (
                Secret::File("/no/such/secret".into()),
                "the secret file /no/such/secret can not be read: ",
            ),
            (Secret::Credential("imap".into()), "there is no credential imap: "),
        ] {
            let text = secret.open().unwrap_err().to_string();
            assert!(text.starts_with(expected) && text.contains("; "), "{text}");
        }
    }

    #[test]
    fn a_secret_that_was_replaced_is_another_one() {
        let literal = |text: &str| Secret::Literal(SecretString::from(text));
        assert_eq!(literal("hunter2"), literal("hunter2"));
        assert_ne!(literal("hunter2"), literal("hunter3"));
        assert_ne!(literal("imap"), Secret::Credential("imap".into()));
        assert_ne!(Secret::Env("A".into()), Secret::Env("B".into()));
    }

    #[test]
    fn nothing_prints_the_value() {
        let secret = Secret::Literal(SecretString::from("hunter2"));
        assert_eq!(format!("{secret:?}"), "Secret(written in the configuration)");
        assert_eq!(secret.open().unwrap().expose_secret(), "hunter2");
    }
}
