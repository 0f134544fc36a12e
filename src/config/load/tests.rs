//! Layers and what comes of them, and that no secret is in what is said of a draft.

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
