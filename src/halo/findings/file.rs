//! The file of a connection's findings in the state folder: JSON for people, replaced whole, its owner's alone.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use url::{Url, form_urlencoded};

use super::Findings;
use crate::{class::Class, config::ConnectionName, crash::Step, draft};

/// Why there is no use in the file. Nothing stops because of it: the defaults hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FindingsError {
    #[error("{path} can not be read: {reason}; remove it, or run halo-intake halo probe again")]
    Unreadable { path: String, reason: String },
    #[error(
        "{path} is about {found}, and the connection's url is {wanted}; remove it, or run halo-intake halo probe again"
    )]
    OfAnotherUrl {
        path: String,
        found: String,
        wanted: String,
    },
    #[error("{path} can not be written: {reason}")]
    NotWritten { path: String, reason: String },
}

impl FindingsError {
    /// All of them are for the admin.
    pub fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Where the findings of that connection lie.
pub fn path(state_dir: &Path, name: &ConnectionName) -> PathBuf {
    // A name may hold a slash, and nothing else may lead out of the folder.
    let name: String = form_urlencoded::byte_serialize(name.0.as_bytes()).collect();
    state_dir.join(format!("halo-{name}.json"))
}

/// What was found at that connection; none where nobody probed it.
pub fn load(state_dir: &Path, name: &ConnectionName, url: &Url) -> Result<Option<Findings>, FindingsError> {
    let path = path(state_dir, name);
    let unreadable = |reason: String| FindingsError::Unreadable {
        path: path.display().to_string(),
        reason,
    };
    let octets = match std::fs::read(&path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let findings: Findings = serde_json::from_slice(&octets).map_err(|error| unreadable(error.to_string()))?;
    if findings.url != *url {
        return Err(FindingsError::OfAnotherUrl {
            path: path.display().to_string(),
            found: findings.url.to_string(),
            wanted: url.to_string(),
        });
    }
    Ok(Some(findings))
}

/// The file to be, opened before anything is asked: a folder that can't be written to shall not cost a probe.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    draft: draft::Draft,
}

impl Draft {
    /// Opens it; makes the folder where it is missing.
    pub fn begin(state_dir: &Path, name: &ConnectionName) -> Result<Draft, FindingsError> {
        let path = path(state_dir, name);
        let draft = draft::Draft::begin(&path).map_err(|error| not_written(&path, &error))?;
        Ok(Draft { path, draft })
    }

    /// Puts the findings in the place of the earlier ones; gives the path.
    pub fn keep(self, findings: &Findings) -> Result<PathBuf, FindingsError> {
        let path = self.path;
        let text = serde_json::to_string_pretty(findings).map_err(io::Error::from);
        let kept = text.and_then(|text| self.draft.keep(format!("{text}\n").as_bytes(), Step::Findings));
        kept.map_err(|error| not_written(&path, &error))?;
        Ok(path)
    }
}

fn not_written(path: &Path, error: &io::Error) -> FindingsError {
    FindingsError::NotWritten {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::halo::findings::{Answer, PAGE_CAP, tests::found};

    fn name() -> ConnectionName {
        ConnectionName("main".into())
    }

    #[test]
    fn what_is_kept_is_found_again_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = folder.path().join("state");
        let findings = found(&[(PAGE_CAP, Answer::Count(100))]);
        assert_eq!(load(&state_dir, &name(), &findings.url), Ok(None));
        let path = Draft::begin(&state_dir, &name()).unwrap().keep(&findings).unwrap();
        assert_eq!(path, state_dir.join("halo-main.json"));
        assert_eq!(load(&state_dir, &name(), &findings.url), Ok(Some(findings.clone())));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(state_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(&state_dir).unwrap().count(), 1, "no draft is left");
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .contains("\n      \"answer\": 100,\n")
        );
    }

    #[test]
    fn a_draft_that_is_given_up_leaves_the_earlier_findings() {
        let folder = tempfile::tempdir().unwrap();
        let findings = found(&[]);
        let begin = || Draft::begin(folder.path(), &name()).unwrap();
        begin().keep(&findings).unwrap();
        drop(begin());
        assert_eq!(load(folder.path(), &name(), &findings.url), Ok(Some(findings)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_file_and_one_of_another_url_are_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let findings = found(&[]);
        Draft::begin(folder.path(), &name()).unwrap().keep(&findings).unwrap();
        let other = "https://other.example".parse().unwrap();
        let error = load(folder.path(), &name(), &other).unwrap_err().to_string();
        assert!(
            error.contains("is about https://halo.example/, and the connection's url is https://other.example/"),
            "{error}"
        );
        std::fs::write(path(folder.path(), &name()), "{\"url\": 7}").unwrap();
        let error = load(folder.path(), &name(), &findings.url).unwrap_err().to_string();
        assert!(
            error.contains("halo-main.json can not be read: ") && error.contains("halo probe again"),
            "{error}"
        );
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let path = path(Path::new("/state"), &ConnectionName("../x y".into()));
        assert_eq!(path, Path::new("/state/halo-..%2Fx+y.json"));
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_said_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = Draft::begin(&folder.path().join("file/state"), &name()).unwrap_err();
        assert!(matches!(error, FindingsError::NotWritten { .. }), "{error}");
    }
}
