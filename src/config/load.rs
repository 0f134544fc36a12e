//! Loading: from the path of a file and the environment to a draft of the configuration with all its faults.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use ::config::{Value, ValueKind};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{
    Config, ConnectionName, MailboxName, RuleSource,
    document::{Document, beside},
    effective::{Written, is_secret},
    fault::{Fault, PlacedFault},
    layers::{Layer, environment as layer_of_environment, merged, written},
    place::Places,
    rule_source::rules,
    sections,
};
use crate::hex::hex;

mod found;

pub use found::{Found, find};

/// The configuration as far as it could be read, with everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Draft {
    /// To be used only where no fault is more than a warning: what could not be understood is left out of it,
    /// or replaced by its built-in default. `None` where a file could not be read at all.
    pub config: Option<Config>,
    /// The rules of all files in their order, the faulty ones too.
    pub rules: Vec<RuleSource>,
    /// Every mailbox that is named, the faulty ones too.
    pub mailboxes: Vec<MailboxName>,
    /// Every connection that is named, the faulty ones too.
    pub connections: Vec<ConnectionName>,
    /// All that is wrong, warnings among it.
    pub faults: Vec<Fault>,
    /// The version of the configuration: over the merged tree without its secrets, the same for the same settings.
    /// Empty where a file could not be read.
    pub digest: String,
    /// The merged tree and the rules, for what differs from another one.
    pub written: Written,
    places: Places,
}

impl Draft {
    /// The fault with its file, line and column.
    pub fn place(&self, fault: &Fault) -> PlacedFault {
        self.places.find(fault).1
    }

    /// All faults and `more` of them with their places, in the order of the files.
    pub fn placed(&self, more: &[Fault]) -> Vec<PlacedFault> {
        let mut found: Vec<_> = self
            .faults
            .iter()
            .chain(more)
            .map(|fault| self.places.find(fault))
            .collect();
        found.sort_by_key(|(order, _)| *order);
        found.into_iter().map(|(_, placed)| placed).collect()
    }

    /// Whether a file or the environment writes something at `path`, understood or not.
    pub fn mentions(&self, path: &str) -> bool {
        self.places.mentions(path)
    }

    /// Whether nothing in it is worse than a warning.
    pub fn is_sound(&self) -> bool {
        self.config.is_some() && self.faults.iter().all(|fault| fault.warning)
    }
}

/// Loads the file at `path`, `conf.d/*.toml` beside it and the environment over the built-in defaults.
pub fn load(path: &Path, environment: &[(String, String)]) -> Draft {
    of_documents(read_all(path), environment)
}

/// The draft of a file that is not there yet: its text, with `conf.d` beside it and the environment.
pub(crate) fn of_text(path: &Path, text: String, environment: &[(String, String)]) -> Draft {
    let read = || {
        let mut documents = vec![Document::parse(path.display().to_string(), text)?];
        for file in beside(path)? {
            documents.push(Document::read(&file)?);
        }
        Ok(documents)
    };
    of_documents(read(), environment)
}

/// The draft of the files that were read, or of what is wrong with them.
pub(crate) fn of_documents(documents: Result<Vec<Document>, Vec<Fault>>, environment: &[(String, String)]) -> Draft {
    let documents = match documents {
        Ok(documents) => documents,
        // With a file missing, whatever else seems wrong may be set right in it.
        Err(faults) => {
            return Draft {
                faults,
                ..Draft::default()
            };
        }
    };
    let mut draft = Draft {
        places: Places {
            documents,
            ..Places::default()
        },
        ..Draft::default()
    };
    let (mut layers, written_rules) = draft.open_documents();
    let (of_environment, variables) = layer_of_environment(&written(&layers), environment);
    draft.refuse_rules_of(&variables);
    draft.places.variables = variables;
    layers.push(of_environment);
    let tree = merged(&layers, &written(&layers), &state_dir(environment));
    draft.read(&tree, &written_rules);
    draft.written = Written {
        tree: json(&tree),
        rules: written_rules,
    };
    draft.digest = digest(&draft.written);
    draft
}

impl Draft {
    /// The tree of each file as a layer, its rules apart: lists of rules append where other lists replace.
    fn open_documents(&mut self) -> (Vec<Layer>, Vec<Json>) {
        let (mut layers, mut rules) = (Vec::new(), Vec::new());
        for (number, document) in self.places.documents.iter().enumerate() {
            let (mut tree, faults) = document.tree();
            self.faults.extend(faults);
            match tree.shift_remove("rule") {
                None => {}
                Some(Json::Array(list)) => {
                    self.places.rules.extend((0..list.len()).map(|index| (number, index)));
                    rules.extend(list);
                }
                Some(_) => {
                    let remedy = "write [[rule]] with two brackets, since rules are a list";
                    self.faults.push(Fault::at("rule", "rule is not a list", remedy));
                }
            }
            layers.push(Layer::of_file(&document.file, tree));
        }
        (layers, rules)
    }

    /// Rules are a list in an order, which variables can not give them.
    fn refuse_rules_of(&mut self, variables: &[(Vec<String>, String)]) {
        for (_, name) in variables.iter().filter(|(path, _)| path[0] == "rule") {
            let problem = "rules can not be set by the environment";
            self.faults.push(Fault::placed(
                format!("${name}"),
                problem,
                "write them into the file or into conf.d",
            ));
        }
    }

    /// Reads the merged tree and the rules.
    fn read(&mut self, tree: &Value, written_rules: &[Json]) {
        let ValueKind::Table(root) = &tree.kind else { return };
        let faults = RefCell::new(std::mem::take(&mut self.faults));
        let sections = sections::read(root, &faults);
        let place = |path: &str| self.places.find(&Fault::at(path, "", "")).1.place;
        self.rules = rules(written_rules, &sections.mailboxes, &place, &faults);
        self.config = sections.config;
        self.mailboxes = sections.mailboxes;
        self.connections = sections.connections;
        self.faults = faults.into_inner();
        if written_rules.is_empty() {
            let fault = Fault::at(
                "rule",
                "there is no rule, so every message is ignored",
                "add a [[rule]]",
            );
            self.faults.push(fault.as_warning());
        }
    }
}

/// The file and those beside it; what can not be read of them, all together.
fn read_all(path: &Path) -> Result<Vec<Document>, Vec<Fault>> {
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    let mut files = vec![path.to_owned()];
    match beside(path) {
        Ok(further) => files.extend(further),
        Err(found) => faults.extend(found),
    }
    for file in files {
        match Document::read(&file) {
            Ok(document) => documents.push(document),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(documents) } else { Err(faults) }
}

/// The first folder that systemd gave the service, else one beside the working directory.
fn state_dir(environment: &[(String, String)]) -> String {
    let given = variable(environment, "STATE_DIRECTORY").and_then(|list| list.split(':').next());
    given.unwrap_or("./state").to_owned()
}

fn variable<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = environment.iter().find(|(key, _)| key == name)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// The first 16 digits of the SHA-256 over tree and rules, keys in order, written secrets left out.
fn digest(written: &Written) -> String {
    let mut text = String::new();
    canonical(&written.tree, "", &mut text);
    written.rules.iter().for_each(|rule| canonical(rule, "", &mut text));
    hex(&Sha256::digest(text)[..8])
}

fn canonical(value: &Json, key: &str, text: &mut String) {
    match value {
        Json::Object(map) => {
            text.push('{');
            for (key, value) in map.iter().collect::<BTreeMap<_, _>>() {
                text.push_str(&format!("{key:?}:"));
                canonical(value, key, text);
                text.push(',');
            }
            text.push('}');
        }
        Json::Array(list) => {
            text.push('[');
            list.iter().for_each(|item| {
                canonical(item, "", text);
                text.push(',');
            });
            text.push(']');
        }
        _ if is_secret(key) => text.push_str("secret"),
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn json(value: &Value) -> Json {
    match &value.kind {
        ValueKind::Table(table) => Json::Object(table.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
        ValueKind::Array(list) => Json::Array(list.iter().map(json).collect()),
        ValueKind::Boolean(flag) => Json::Bool(*flag),
        ValueKind::I64(number) => Json::from(*number),
        ValueKind::Float(number) => Json::from(*number),
        ValueKind::String(text) => Json::String(text.clone()),
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::config::{MailboxSource, Tls};

    const MAIN: &str = r#"
        [mailbox.Support]
        host = "imap.example.com"
        username = "support@example.com"
        password = "hunter2"
        [halo.main]
        url = "https://example.halopsa.com/api/"
        client_id = "intake"
        client_secret = { credential = "halo-secret" }
        [report]
        to = ["ops@example.com", "boss@example.com"]
        [[rule]]
        name = "A"
        action = [{ type = "stop" }]
    "#;

    /// Loads files, the first being the main one and the others lying in `conf.d`.
    fn load_files(main: &str, further: &[(&str, &str)], environment: &[(&str, &str)]) -> Draft {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("halo-intake.toml"), main).unwrap();
        fs::create_dir(folder.path().join("conf.d")).unwrap();
        for (name, text) in further {
            fs::write(folder.path().join("conf.d").join(name), text).unwrap();
        }
        let environment: Vec<_> = environment
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        load(&folder.path().join("halo-intake.toml"), &environment)
    }

    fn sound(draft: Draft) -> Config {
        assert!(draft.is_sound(), "{:?}", draft.faults);
        draft.config.unwrap()
    }

    fn imap(config: &Config) -> &crate::config::ImapConfig {
        match &config.mailboxes[&MailboxName("Support".into())].source {
            MailboxSource::Imap(imap) => imap,
            MailboxSource::Maildir { .. } => panic!("a Maildir"),
        }
    }

    #[test]
    fn later_layers_win_tables_merge_and_rules_append() {
        let first = "[mailbox.Support]\nport = 1\ntls = 'starttls'\n[[rule]]\nname = 'B'\naction = [{ type = 'stop' }]";
        let second = "report.to = ['night@example.com']\n[mailbox.Support]\nport = 2\n[[rule]]\nname = 'C'\naction = [{ type = 'stop' }]";
        let draft = load_files(
            MAIN,
            &[
                ("20.toml", second),
                ("10.toml", first),
                (".30.toml", "not read"),
                ("40.txt", "not read"),
            ],
            &[("HALO_INTAKE__MAILBOX__SUPPORT__USERNAME", "other@example.com")],
        );
        let names: Vec<_> = draft
            .rules
            .iter()
            .map(|rule| (rule.path.as_str(), rule.name.as_str()))
            .collect();
        assert_eq!(names, [("rule[0]", "A"), ("rule[1]", "B"), ("rule[2]", "C")]);
        let config = sound(draft);
        let imap = imap(&config);
        assert_eq!(
            (imap.port, imap.tls, imap.username.as_str()),
            (2, Tls::Starttls, "other@example.com")
        );
        assert_eq!(config.report.to.len(), 1);
        assert_eq!(
            config.halo[&ConnectionName("main".into())].url.as_str(),
            "https://example.halopsa.com/"
        );
    }

    #[test]
    fn a_value_that_may_be_a_table_is_replaced_whole() {
        let draft = load_files(
            MAIN,
            &[(
                "10.toml",
                "[halo.main]\nclient_secret = { file = '/a' }\n[mailbox.Support]\nsettle.failed = 'seen'",
            )],
            &[
                ("HALO_INTAKE__MAILBOX__SUPPORT__PASSWORD__ENV", "SUPPORT"),
                ("HALO_INTAKE__MAILBOX__SUPPORT__SETTLE__FAILED__MOVE_TO", "Failed"),
            ],
        );
        let config = sound(draft);
        assert_eq!(format!("{:?}", imap(&config).sign_in), "Password(Secret(env SUPPORT))");
        assert_eq!(
            format!("{:?}", config.halo[&ConnectionName("main".into())].client_secret),
            "Secret(file /a)"
        );
        let settle = &config.mailboxes[&MailboxName("Support".into())].settle;
        assert_eq!(format!("{settle:?}"), "{Failed: MoveTo(\"Failed\")}");
    }

    #[test]
    fn the_environment_writes_numbers_flags_and_lists_as_text() {
        let config = sound(load_files(
            MAIN,
            &[],
            &[
                ("HALO_INTAKE__MAILBOX__SUPPORT__PORT", "1993"),
                ("HALO_INTAKE__MAILBOX__SUPPORT__ENABLED", "false"),
                ("HALO_INTAKE__REPORT__TO", "a@example.com, b@example.com"),
                ("HALO_INTAKE__RETRY__FIRST", "1s"),
                ("HALO_INTAKE_LOG", "debug"),
                ("HALO_INTAKE_CONFIG", "elsewhere"),
                ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
            ],
        ));
        assert_eq!(imap(&config).port, 1993);
        assert!(!config.mailboxes[&MailboxName("Support".into())].enabled);
        assert_eq!(config.report.to.len(), 2);
        assert_eq!(config.retry.backoff.first, Duration::from_secs(1));
        assert_eq!(config.state_dir, Path::new("/var/lib/a"));
    }

    #[test]
    fn the_port_follows_the_protection() {
        for (kind, port) in [("implicit", 993), ("starttls", 143)] {
            let config = sound(load_files(MAIN, &[], &[("HALO_INTAKE__MAILBOX__SUPPORT__TLS", kind)]));
            assert_eq!(imap(&config).port, port);
        }
        for (kind, port) in [("implicit", 465), ("starttls", 587), ("none", 25)] {
            let smtp = format!("[smtp]\nhost = '::1'\ntls = '{kind}'");
            assert_eq!(
                sound(load_files(MAIN, &[("10.toml", &smtp)], &[])).smtp.unwrap().port,
                port
            );
        }
    }

    #[test]
    fn a_faulty_configuration_still_says_what_it_can() {
        let draft = load_files(
            MAIN,
            &[(
                "10.toml",
                "[mailbox.broken]\n[retry]\nfirst = 'soon'\nlongest = '7m'\n[smtp]\n[bounce]\nfrom = 'x'",
            )],
            &[],
        );
        assert!(!draft.is_sound());
        assert_eq!(
            draft.mailboxes,
            [MailboxName("Support".into()), MailboxName("broken".into())]
        );
        assert_eq!(draft.connections, [ConnectionName("main".into())]);
        assert!(draft.mentions("smtp") && draft.mentions("bounce.from") && !draft.mentions("http"));
        let config = draft.config.unwrap();
        assert_eq!(config.mailboxes.len(), 1);
        assert_eq!(config.retry.backoff.first, Duration::from_secs(5));
        assert_eq!(config.retry.backoff.longest, Duration::from_secs(420));
        assert!(config.smtp.is_none());
    }

    #[test]
    fn steps_keep_their_fields_in_order_and_a_fault_within_one_finds_its_file() {
        let further = "[[rule]]\nname = 'B'\n[[rule.action]]\ntype = 'for_each'\nitems = 'x'\nas = 'y'\n\
                       [[rule.action.action]]\ntype = 'set'\nvalues = { b = 1, a = '''\n12\n34''' }";
        let draft = load_files(MAIN, &[("10.toml", further)], &[]);
        let step = &draft.rules[1].actions[0];
        assert_eq!(
            step.fields,
            [
                ("items".to_owned(), Json::from("x")),
                ("as".to_owned(), Json::from("y"))
            ]
        );
        let inner = &step.actions[0];
        assert_eq!(
            (inner.path.as_str(), inner.kind.as_str()),
            ("rule[1].action[0].action[0]", "set")
        );
        assert_eq!(inner.fields[0].1.to_string(), r#"{"b":1,"a":"12\n34"}"#);
        let fault = Fault::at(format!("{}.values.a", inner.path), "", "").within(4);
        assert!(
            draft.place(&fault).place.ends_with("conf.d/10.toml:11:2"),
            "{}",
            draft.place(&fault).place
        );
    }

    #[test]
    fn the_digest_is_that_of_the_settings_without_their_secrets() {
        let digest = |main: &str| load_files(main, &[], &[]).digest;
        let plain = digest(MAIN);
        assert_eq!(plain.len(), 16);
        assert_eq!(plain, digest(&MAIN.replace("hunter2", "hunter3")));
        assert_eq!(plain, digest(&format!("# a comment\n{MAIN}")));
        assert_ne!(plain, digest(&MAIN.replace("\"stop\"", "\"stop_all\"")));
        assert_ne!(plain, digest(&MAIN.replace("intake", "intake2")));
        assert_ne!(
            plain,
            digest(&MAIN.replace("credential = \"halo-secret\"", "credential = \"other\""))
        );
    }

    #[test]
    fn nothing_of_a_draft_prints_a_secret() {
        let draft = load_files(MAIN, &[], &[("HALO_INTAKE__HALO__MAIN__CLIENT_SECRET", "hunter2")]);
        assert!(!format!("{draft:?}").contains("hunter2"));
    }
}
