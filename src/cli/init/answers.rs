//! What was answered so far: keys and values in the words of the configuration, read by the program's own reading.

use std::path::Path;

use toml_edit::{InlineTable, Value};

use crate::{
    cli::{Failure, Status},
    config::{
        Config, HaloConfig, MailboxConfig, MailboxSource, OAuthConfig, SignIn, SmtpConfig, document::Document,
        fault::Fault, load,
    },
    secret::{Secret, SecretString},
};

/// The name of the only connection.
pub const HALO: &str = "halo.main";

/// The answers, in the order in which they were given.
#[derive(Clone, Default)]
pub struct Answers {
    tables: Vec<(String, Vec<(String, Value)>)>,
    /// The secrets that were typed, for as long as they are nowhere else.
    pub typed: Vec<Typed>,
}

/// A secret that was typed, and the key that it belongs to.
#[derive(Clone)]
pub struct Typed {
    pub table: String,
    pub key: String,
    /// What it is called wherever it will be.
    pub name: String,
    pub value: SecretString,
}

/// Where secrets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    File,
    Credential,
    Env,
}

impl Answers {
    /// Sets a key; the table is "" for those above all tables.
    pub fn set(&mut self, table: &str, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let keys = match self.tables.iter_mut().position(|(name, _)| name == table) {
            Some(at) => &mut self.tables[at].1,
            None => &mut self.tables.push_mut((table.to_owned(), Vec::new())).1,
        };
        match keys.iter_mut().find(|(name, _)| name == key) {
            Some((_, before)) => *before = value,
            None => keys.push((key.to_owned(), value)),
        }
    }

    /// Takes a key away.
    pub fn unset(&mut self, table: &str, key: &str) {
        for (_, keys) in self.tables.iter_mut().filter(|(name, _)| name == table) {
            keys.retain(|(name, _)| name != key);
        }
        self.typed
            .retain(|typed| (typed.table.as_str(), typed.key.as_str()) != (table, key));
    }

    /// Takes a table away, with those below it.
    pub fn forget(&mut self, table: &str) {
        let below = format!("{table}.");
        let is_it = |name: &str| name == table || name.starts_with(&below);
        self.tables.retain(|(name, _)| !is_it(name));
        self.typed.retain(|typed| !is_it(&typed.table));
    }

    /// Sets a key to a secret that was typed. Until all is written it stands for a credential.
    pub fn set_secret(&mut self, table: &str, key: &str, name: &str, value: SecretString) {
        self.unset(table, key);
        self.set(table, key, reference("credential", name));
        self.typed.push(Typed {
            table: table.to_owned(),
            key: key.to_owned(),
            name: name.to_owned(),
            value,
        });
    }

    /// The secret that was typed for this key.
    pub fn secret(&self, table: &str, key: &str) -> Option<&SecretString> {
        let typed = self.typed.iter().find(|typed| typed.table == table && typed.key == key);
        typed.map(|typed| &typed.value)
    }

    /// Says where all secrets will be: in a file each of this folder, as credentials, in variables.
    pub fn keep_secrets(&mut self, source: Source, folder: &Path) {
        for typed in self.typed.clone() {
            let value = match source {
                Source::File => reference("file", &folder.join(&typed.name).display().to_string()),
                Source::Credential => reference("credential", &typed.name),
                Source::Env => reference("env", &variable(&typed.name)),
            };
            self.set(&typed.table, &typed.key, value);
        }
    }

    /// The keys of a table in their order; none where nothing of it was answered.
    pub fn keys(&self, table: &str) -> &[(String, Value)] {
        let found = self.tables.iter().find(|(name, _)| name == table);
        found.map_or(&[], |(_, keys)| keys)
    }

    /// A text, or a number as text, that was answered.
    pub fn text(&self, table: &str, key: &str) -> Option<String> {
        let (_, value) = self.keys(table).iter().find(|(name, _)| name == key)?;
        value
            .as_str()
            .map(str::to_owned)
            .or_else(|| value.as_integer().map(|number| number.to_string()))
    }

    /// All of it without a word of explanation.
    pub fn toml(&self) -> String {
        let keys = |keys: &[(String, Value)]| -> String {
            keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
        };
        let mut text = keys(self.keys(""));
        for (name, entries) in self
            .tables
            .iter()
            .filter(|(name, entries)| !name.is_empty() && !entries.is_empty())
        {
            text.push_str(&format!("[{name}]\n{}", keys(entries)));
        }
        text
    }

    /// What the program has against the value of this key, warnings too.
    pub fn fault(&self, table: &str, key: &str) -> Option<String> {
        let path = if table.is_empty() {
            key.to_owned()
        } else {
            format!("{table}.{key}")
        };
        let is_here = |fault: &&Fault| {
            let rest = fault.path.strip_prefix(&path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.draft().faults.iter().find(is_here).map(said)
    }

    /// The mailbox as the daemon will have it.
    pub fn mailbox(&self) -> Result<MailboxConfig, Failure> {
        let found = self.config()?.mailboxes.pop_first();
        found.map(|(_, mailbox)| mailbox).ok_or_else(|| self.unusable())
    }

    /// The connection to Halo.
    pub fn halo(&self) -> Result<HaloConfig, Failure> {
        let found = self.config()?.halo.pop_first();
        found.map(|(_, halo)| halo).ok_or_else(|| self.unusable())
    }

    /// Where letters leave.
    pub fn smtp(&self) -> Result<SmtpConfig, Failure> {
        self.config()?.smtp.ok_or_else(|| self.unusable())
    }

    /// All that can be understood so far, with the secrets that were typed.
    pub fn config(&self) -> Result<Config, Failure> {
        let mut config = self.draft().config.ok_or_else(|| self.unusable())?;
        for secret in secrets(&mut config) {
            if let Secret::Credential(name) = secret
                && let Some(typed) = self.typed.iter().find(|typed| typed.name == *name)
            {
                *secret = Secret::Literal(typed.value.clone());
            }
        }
        Ok(config)
    }

    fn draft(&self) -> load::Draft {
        let document = Document::parse("the answers".to_owned(), self.toml());
        load::of_documents(document.map(|document| vec![document]), &[])
    }

    /// Each answer was asked for until nothing was wrong with it, so whatever is wrong now is wrong with us.
    fn unusable(&self) -> Failure {
        let faults: Vec<String> = self.draft().faults.iter().map(said).collect();
        let text = format!(
            "the answers make no configuration, which is a bug of init; nothing was written: {}",
            faults.join("; ")
        );
        Failure::new(Status::Broken, text)
    }
}

fn said(fault: &Fault) -> String {
    if fault.remedy.is_empty() {
        fault.problem.clone()
    } else {
        format!("{}; {}", fault.problem, fault.remedy)
    }
}

/// `{ file = "…" }` and its like.
pub fn reference(source: &str, name: &str) -> InlineTable {
    InlineTable::from_iter([(source, name)])
}

/// The variable of a secret.
pub fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// Every secret that a configuration of ours can name.
fn secrets(config: &mut Config) -> Vec<&mut Secret> {
    let of_mailboxes = config
        .mailboxes
        .values_mut()
        .filter_map(|mailbox| match &mut mailbox.source {
            MailboxSource::Imap(imap) => Some(&mut imap.sign_in),
            MailboxSource::Maildir { .. } => None,
        });
    let of_smtp = config.smtp.as_mut().and_then(|smtp| smtp.login.as_mut());
    let sign_ins = of_mailboxes.chain(of_smtp.map(|(_, sign_in)| sign_in));
    let of_halo = config.halo.values_mut().map(|halo| &mut halo.client_secret);
    sign_ins.flat_map(of_sign_in).chain(of_halo).collect()
}

fn of_sign_in(sign_in: &mut SignIn) -> Vec<&mut Secret> {
    match sign_in {
        SignIn::Password(secret) => vec![secret],
        SignIn::OAuth(oauth) => {
            let OAuthConfig {
                client_secret,
                refresh_token,
                service_account,
                ..
            } = &mut **oauth;
            [client_secret, refresh_token, service_account]
                .into_iter()
                .filter_map(Option::as_mut)
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret;

    fn answers() -> Answers {
        let mut answers = Answers::default();
        answers.set("mailbox.support", "host", "imap.example.com");
        answers.set("mailbox.support", "username", "support@example.com");
        answers.set_secret(
            "mailbox.support",
            "password",
            "support-imap",
            SecretString::from("hunter2"),
        );
        answers
    }

    #[test]
    fn a_value_is_judged_by_the_programs_own_reading() {
        let check = |key: &str, value: Value, expected: Option<&str>| {
            let mut answers = answers();
            answers.set("mailbox.support", key, value);
            let fault = answers.fault("mailbox.support", key);
            let begins = fault
                .as_deref()
                .zip(expected)
                .is_some_and(|(fault, part)| fault.contains(part));
            assert!(begins || fault.is_none() && expected.is_none(), "{key}: {fault:?}");
        };
        check("host", "imap.example.com".into(), None);
        check(
            "host",
            "imap.example.com:993".into(),
            Some("the port has a key of its own"),
        );
        check("port", 70_000.into(), Some("70000"));
        check("tls", "none".into(), Some("in clear text"));
        check("settle.completed", reference("move_to", "INBOX").into(), Some("INBOX"));
    }

    #[test]
    fn a_secret_that_was_typed_is_used_and_never_written() {
        let mut answers = answers();
        let MailboxSource::Imap(imap) = answers.mailbox().unwrap().source else {
            panic!("a Maildir");
        };
        let SignIn::Password(password) = imap.sign_in else {
            panic!("no password")
        };
        assert_eq!(password.open().unwrap().expose_secret(), "hunter2");
        for (source, expected) in [
            (Source::File, "password = { file = \"/etc/s/support-imap\" }\n"),
            (Source::Credential, "password = { credential = \"support-imap\" }\n"),
            (Source::Env, "password = { env = \"SUPPORT_IMAP\" }\n"),
        ] {
            answers.keep_secrets(source, Path::new("/etc/s"));
            let toml = answers.toml();
            assert!(toml.contains(expected) && !toml.contains("hunter2"), "{toml}");
        }
        answers.unset("mailbox.support", "password");
        assert!(answers.typed.is_empty());
    }
}
