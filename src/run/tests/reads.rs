//! What the rules read is built, and what they do not read is not: each name of the table by each kind of expression.

use super::*;
use crate::{
    action::from_email::READS,
    context::{self, Arrival, table::EMAIL},
};

const MESSAGE: &str = "Return-Path: <bounces@letters.example>\r\nFrom: Ann Lee <ann@letters.example>\r\nSender: desk@letters.example\r\n\
    Reply-To: reply@letters.example\r\nTo: a@desk.example\r\nCc: b@desk.example\r\nSubject: Re: Printer [ID:0000012]\r\n\
    Message-ID: <1@letters.example>\r\nIn-Reply-To: <0@letters.example>\r\nReferences: <0@letters.example>\r\n\
    Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nAuto-Submitted: auto-replied\r\nX-Spam-Flag: YES\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nNew text\r\n-- \r\nAnn\r\n\
    --b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nfile\r\n--b--\r\n";

/// The value of `email` with everything, and with what these rules read.
fn emails(generation: &Generation) -> (Shared, Shared) {
    let message = Message::read(MESSAGE.as_bytes());
    let arrival = Arrival {
        mailbox: "support",
        folder: "INBOX",
        uid: 7,
        received: Timestamp::UNIX_EPOCH,
        size: 700,
        trusted_authserv_ids: &[],
        subject_tags: &[("[ID:".to_owned(), "]".to_owned())],
    };
    let read = context::email_as_read(&message, &arrival, &generation.rules.reads);
    (context::email(&message, &arrival), read)
}

fn names(email: &Shared) -> Vec<String> {
    let mut names: Vec<_> = email.json_map().keys().cloned().collect();
    names.sort_unstable();
    names
}

/// What the steps of the only rule gave, and how it was decided.
fn trace(generation: Generation, email: Shared) -> Value {
    let mut way = Way {
        generation,
        script: Script::default(),
        email,
        attempt: 0,
    };
    let trace = way.attempt(None).trace;
    let steps: Vec<_> = trace.rules[0]
        .steps
        .iter()
        .map(|step| (&step.result, &step.when, &step.error))
        .collect();
    json!((&trace.rules[0].condition, steps))
}

/// The rules read that name alone, and they find what they find where everything is built.
#[track_caller]
fn check_reads(name: &str, rules: &str) {
    let rules = rules.replace("NAME", name);
    let load = || load(&rules);
    let (whole, read) = emails(&load());
    let mut expected = vec!["auth", "subject", name];
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(names(&read), expected, "{rules}");
    assert_eq!(trace(load(), read), trace(load(), whole), "{rules}");
}

fn set(value: &str) -> String {
    format!("[[rule.action]]\ntype = \"set\"\nvalue = '''{value}'''\nstore_as = \"x\"\n")
}

#[test]
fn a_name_that_any_expression_reads_is_built() {
    let shown = "{{ email.NAME | json_encode }}";
    for name in EMAIL.iter().map(|fact| fact.name) {
        let when = format!("when = \"email.NAME\"\n{}", set("x"));
        check_reads(name, &rule("r", &when));
        check_reads(name, &rule("r", &set(shown)));
        check_reads(name, &rule("r", &set("{{ email[\"NAME\"] | json_encode }}")));
        check_reads(name, &rule("r", &set("{% if email.NAME is defined %}there{% endif %}")));
        check_reads(
            name,
            &rule(
                "r",
                &set("{% for x in [email.NAME] %}{{ x | json_encode }}{% endfor %}"),
            ),
        );
        check_reads(
            name,
            &rule(
                "r",
                &set("{% set y = [email.NAME for x in [1]] %}{{ y | json_encode }}"),
            ),
        );
        check_reads(
            name,
            &rule("r", &format!("{}when = \"email.NAME is defined\"\n", set("x"))),
        );
        let table = "[[rule.action]]\ntype = \"set\"\nvalues = { a = '''{{ email.NAME | json_encode }}''' }\nstore_as = \"x\"\n";
        check_reads(name, &rule("r", table));
        let inner = set("{{ item | json_encode }}").replace("rule.action", "rule.action.action");
        check_reads(
            name,
            &rule(
                "r",
                &format!("[[rule.action]]\ntype = \"for_each\"\nitems = \"[email.NAME]\"\n{inner}"),
            ),
        );
        let inner = set(shown).replace("rule.action", "rule.action.action");
        check_reads(
            name,
            &rule(
                "r",
                &format!("[[rule.action]]\ntype = \"for_each\"\nitems = \"[1]\"\n{inner}"),
            ),
        );
    }
}

#[test]
fn email_as_a_whole_is_every_name() {
    let ways = [
        "{{ email | json_encode }}",
        "{% set e = email %}{{ e.html }}",
        "{% for name, value in email %}{{ name }}{% endfor %}",
        "{{ email | get(key=\"html\") }}",
        "{% if meta.id %}{% set email = {\"html\": 1} %}{% endif %}{{ [email] | json_encode }}",
        "{{ email[meta.rule] }}",
    ];
    for value in ways {
        let generation = load(&rule("r", &set(value)));
        let (whole, read) = emails(&generation);
        assert_eq!(read, whole, "{value}");
    }
}

#[test]
fn what_rules_at_rest_and_other_roots_read_is_not_built() {
    let resting = rule("rests", &format!("enabled = false\n{}", set("{{ email.html }}")));
    let runs = rule("r", &set("{{ meta.id }} {{ global.x }}"));
    let stores = rule("s", &set("x").replace("store_as = \"x\"", "store_as = \"global.x\""));
    let generation = load(&(resting + &stores + &runs));
    assert_eq!(
        names(&emails(&generation).1),
        ["auth", "subject"],
        "and the subject by bounce.message"
    );
}

#[test]
fn a_step_that_is_made_of_the_message_has_what_its_code_reads() {
    let step = "[[rule.action]]\ntype = \"create_halo_ticket_from_email\"\n";
    let generation = load(&rule("r", step));
    let (whole, read) = emails(&generation);
    for name in READS.iter().chain(&["auth"]) {
        assert_eq!(read.get(name), whole.get(name), "{name}");
        assert!(whole.get(name).is_some(), "{name} is in the table");
    }
    assert!(read.get("html").is_none());
}
