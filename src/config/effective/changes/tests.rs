//! What two configurations differ in, as a person reads it.

use crate::config::{
    effective::{Salt, changes},
    load::load,
};

const MAIN: &str = r#"
        state_dir = "/var/lib/halo-intake"
        [mailbox.support]
        host = "imap.example.com"
        username = "support@example.com"
        password = "hunter2"
        settle.completed = "seen"
        [halo.main]
        url = "https://example.halopsa.com"
        client_id = "intake"
        client_secret = { credential = "halo-secret" }
        [report]
        to = ["ops@example.com"]
        [[rule]]
        name = "A"
        when = "true"
        action = [{ type = "stop" }]
        [[rule]]
        name = "B"
        action = [{ type = "create_halo_user", client = 12 }]
        [[rule]]
        name = "C"
        action = [{ type = "stop" }]
    "#;

/// The changes from `MAIN` to what becomes of it by these replacements.
fn check(replaced: &[(&str, &str)], expected: &[&str]) {
    check_from(MAIN, replaced, expected);
}

fn check_from(main: &str, replaced: &[(&str, &str)], expected: &[&str]) {
    let salt = Salt::new().unwrap();
    let effective = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("halo-intake.toml");
        std::fs::write(&path, text).unwrap();
        load(&path, &[]).written.effective(&salt)
    };
    let changed = replaced.iter().fold(main.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not there");
        text.replacen(from, to, 1)
    });
    let found = changes(&effective(main), &effective(&changed));
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected);
    assert!(!serde_json::to_string(&found).unwrap().contains("hunter"));
}

#[test]
fn the_same_settings_written_otherwise_differ_in_nothing() {
    check(&[], &[]);
    check(&[("[report]", "# a comment\n[report]\nevery = \"15m\"")], &[]);
}

#[test]
fn each_key_shows_what_it_was_and_is_and_what_that_means() {
    check(
        &[
            ("/var/lib/halo-intake", "/srv/intake"),
            ("password =", "folder = \"Support\"\npassword ="),
            ("\"seen\"", "{ move_to = \"Done\" }"),
            ("client_id = \"intake\"", "client_id = \"other\""),
        ],
        &[
            "connection main: client_id: \"intake\" → \"other\"; it is signed in to anew",
            "mailbox support: folder: \"INBOX\" → \"Support\"; its messages are read anew, as at a first start: \
             backlog says what becomes of them",
            "mailbox support: settle.completed: \"seen\" → { move_to = \"Done\" }; for messages that are settled from now on",
            "state_dir: \"/var/lib/halo-intake\" → \"/srv/intake\"; at the next start",
        ],
    );
}

#[test]
fn a_secret_has_changed_and_shows_nothing_else() {
    let signed = "it is signed in to anew";
    check(
        &[("hunter2", "hunter3")],
        &[&format!("mailbox support: password: changed; {signed}")],
    );
    check(
        &[("\"hunter2\"", "{ env = \"IMAP\" }")],
        &[&format!("mailbox support: password: changed; {signed}")],
    );
    check(
        &[("\"halo-secret\"", "\"other\"")],
        &[&format!(
            "connection main: client_secret: {{ credential = \"halo-secret\" }} → {{ credential = \"other\" }}; {signed}"
        )],
    );
}

#[test]
fn a_mailbox_that_comes_or_goes_is_one_change() {
    let other = "[mailbox.drop]\ntype = \"maildir\"\npath = \"/var/mail/drop\"\n[report]";
    check(
        &[("[report]", other)],
        &["mailbox drop: added; it is watched, and its first start is as backlog says"],
    );
    check(
        &[("[mailbox.support]", "[mailbox.other]")],
        &[
            "mailbox other: added; it is watched, and its first start is as backlog says",
            "mailbox support: removed; it is no longer watched; what was received is finished",
        ],
    );
}

#[test]
fn fields_of_steps_show_what_they_were_and_are_and_no_key_of_a_request() {
    let anew = "deferred messages that stopped in it begin it anew";
    let request = r#"{ type = "http_request", url = "https://a.example/hunter4", headers = { x-key = "hunter5" }, json = { token = "hunter6", text = "a" } }"#;
    let other = request
        .replace("hunter4", "hunter7")
        .replace("hunter5", "hunter8")
        .replace("hunter6", "hunter9")
        .replace("\"a\"", "\"b\"");
    let each = |step: &str| format!("type = \"for_each\", items = \"email.to\", action = [{step}]");
    let step = "type = \"create_halo_user\", client = 12";
    let lines = |old: &str, new: &str, expected: &[String]| {
        let main = MAIN.replace(step, &each(old));
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check_from(&main, &[(&each(old), &each(new))], &expected);
    };
    let at = "rule B: step 1 (for_each): step 1";
    lines(
        request,
        &other,
        &[
            format!("{at} (http_request): headers: changed; {anew}"),
            format!("{at} (http_request): json: text: \"a\" → \"b\"; {anew}"),
            format!("{at} (http_request): json: token: changed; {anew}"),
            format!("{at} (http_request): url: changed; {anew}"),
        ],
    );
    // The difference is shown, however far behind it stands.
    let long = |end: &str| format!("{{ type = \"set\", value = \"{}{end}\" }}", "long ".repeat(50));
    let kept = "long ".repeat(4);
    lines(
        &long("ago"),
        &long("since"),
        &[format!("{at} (set): value: …{kept}ago\" → …{kept}since\"; {anew}")],
    );
}

#[test]
fn rules_come_go_move_and_change_in_parts() {
    let anew = "deferred messages that stopped in it begin it anew";
    check(
        &[("\"true\"", "\"false\""), ("client = 12", "client = 15")],
        &[
            &format!("rule A: when: \"true\" → \"false\"; {anew}"),
            &format!("rule B: step 1 (create_halo_user): client: 12 → 15; {anew}"),
        ],
    );
    check(
        &[("name = \"A\"", "name = \"D\"")],
        &[
            "rule A: removed; deferred messages that stopped in it go on with the next rule",
            "rule D: added; by another name it is another rule: what it began for deferred messages under the former one \
             is not known, and a ticket is made again",
        ],
    );
    check(
        &[("name = \"C\"", "enabled = false\nname = \"C\"")],
        &["rule C: enabled: added, false; it rests"],
    );
    let first = "[[rule]]\n        name = \"A\"\n        when = \"true\"\n        action = [{ type = \"stop\" }]\n";
    let last = "name = \"C\"\n        action = [{ type = \"stop\" }]\n";
    check(
        &[(first, ""), (last, &format!("{last}{first}"))],
        &["rule A: moved, 1 → 3"],
    );
}
