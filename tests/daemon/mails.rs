//! Mails of steps: to whom they may go, what they hold, and each of them once.

use halo_intake::{message::Message, sandbox::smtp_sink::Received};

use crate::{mail::text, world::World};

/// A rule of one mail, with these further lines.
fn rule(further: &str) -> String {
    format!("[[rule]]\nname = \"mails\"\n[[rule.action]]\ntype = \"send_email\"\n{further}\n")
}

const TO_THE_AUTHOR: &str = r#"
to = "{{ email.from.address }}"
subject = "Re: {{ email.topic }}"
text = "We have it."
"#;

/// The mails, without reports.
fn mails(world: &World) -> Vec<Received> {
    let mails = world.sink.mails().into_iter();
    mails.filter(|mail| mail.rcpt_to != ["ops@desk.example"]).collect()
}

fn field(mail: &Received, name: &str) -> String {
    Message::read(&mail.octets).headers(name).collect::<Vec<_>>().join("|")
}

#[test]
fn a_mail_to_people_who_are_written_out_holds_what_the_rule_says() {
    let further = r#"
to = "Ops <ops@team.example>, {{ 'it@team.example' if email.subject else '' }}"
subject = "New: {{ email.subject }}"
text = "From {{ email.from.address }}:\n{{ email.body }}"
html = "<p>{{ email.body | escape_html }}</p>"
attach = "email.attachments"
store_as = "sent"

[[rule.action]]
type = "create_halo_client"
client_name = "sent {{ custom.sent.message_id }}"
"#;
    let world = World::new(&rule(further));
    let subject = "=?utf-8?Q?Gr=C3=BC=C3=9Fe=0D=0ABcc:_eve@other.example?=";
    let fields = "Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n";
    let parts = "--b\nContent-Type: text/plain\n\nA < b\n--b\nContent-Type: text/x-log; name=\"a\"\n\
                 Content-Disposition: attachment; filename=\"n\u{f6}tes\u{202e}.txt\"\n\nmixed_halointake\n--b--\n";
    world.deliver(&text("ann@stranger.example", subject, fields).replace("The text of this mail.\n", parts));
    world.once();
    assert_eq!(world.only(), ("completed".to_owned(), String::new()));
    let [mail] = &mails(&world)[..] else {
        panic!("there is not one: {:?}", mails(&world));
    };
    assert_eq!(mail.mail_from, "support@desk.example");
    assert_eq!(mail.rcpt_to, ["it@team.example", "ops@team.example"]);
    assert!(mail.octets.is_ascii());
    let read = Message::read(&mail.octets);
    assert_eq!(read.subject, "New: Grüße Bcc: eve@other.example");
    for (name, expected) in [
        ("Bcc", ""),
        ("In-Reply-To", ""),
        ("Auto-Submitted", "auto-generated"),
        ("From", "\"Example Desk\" <support@desk.example>"),
    ] {
        assert_eq!(field(mail, name), expected, "{name}");
    }
    assert_eq!(read.text.trim(), "From ann@stranger.example:\nA < b");
    assert_eq!(read.html.trim(), "<p>A &lt; b</p>");
    let [file] = &read.attachments[..] else {
        panic!("there is not one file: {:?}", read.attachments);
    };
    assert_eq!(
        (file.name.as_str(), file.content_type.as_str()),
        ("nötes.txt", "text/x-log")
    );
    assert_eq!(read.attachment(&mail.octets, 0), Some(b"mixed_halointake".to_vec()));
    let clients = world.sandbox.clients().into_iter();
    let names: Vec<_> = clients
        .filter_map(|client| client["name"].as_str().map(str::to_owned))
        .collect();
    assert!(names.contains(&format!("sent {}", read.message_id)), "{names:?}");
    // It was sent, and is not sent again.
    let ran = world.run(&["retry", "1"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(mails(&world).len(), 1);
}

#[test]
fn an_answer_goes_to_its_author_once_in_a_while() {
    let world = World::new(&rule(TO_THE_AUTHOR));
    world.deliver(&text(
        "Ann <ann@stranger.example>",
        "Printer",
        "References: <before@story.example>\n",
    ));
    world.once();
    world.mail("ann@stranger.example", "Another");
    world.once();
    let log = world.log();
    assert_eq!(log[0]["outcome"], "completed");
    let reason = "send_email: bounce_limit: ann@stranger.example was told already, up to [bounce] limit_per_sender";
    assert_eq!(
        (&log[1]["outcome"], &log[1]["reason"]),
        (&"failed".into(), &reason.into())
    );
    let [mail] = &mails(&world)[..] else {
        panic!("there is not one: {:?}", mails(&world));
    };
    assert_eq!(
        (mail.mail_from.as_str(), &mail.rcpt_to[..]),
        ("", &["ann@stranger.example".to_owned()][..])
    );
    assert_eq!(field(mail, "Auto-Submitted"), "auto-replied");
    let references = field(mail, "References");
    assert!(references.starts_with("<before@story.example> <"), "{references}");
    assert!(references.ends_with(&field(mail, "In-Reply-To")), "{references}");
}

#[test]
fn nobody_is_told_who_must_not_be() {
    let world = World::new(&rule(TO_THE_AUTHOR));
    let to = |to: &str| rule(&TO_THE_AUTHOR.replace("{{ email.from.address }}", to));
    for (rules, from, fields, expected) in [
        (
            rule(TO_THE_AUTHOR),
            "ann@stranger.example",
            "Auto-Submitted: auto-replied\n",
            "automatic: ",
        ),
        (
            rule(TO_THE_AUTHOR),
            "bob@stranger.example",
            "X-Spam-Flag: YES\n",
            "junk: ",
        ),
        (
            rule(TO_THE_AUTHOR),
            "noreply@stranger.example",
            "",
            "no_reply_address: ",
        ),
        (
            rule(TO_THE_AUTHOR),
            "ann@stranger.example",
            "Authentication-Results: mx.desk.example; dmarc=fail\n",
            "dmarc_failed: ",
        ),
        (
            rule(TO_THE_AUTHOR),
            "max@stranger.example",
            "X-Auto-Response-Suppress: All\n",
            "response_suppressed: ",
        ),
        (
            to("{{ email.headers['x-to'] }}"),
            "eve@stranger.example",
            "X-To: support@desk.example\n",
            "own_address: ",
        ),
        (
            to("support+x@desk.example"),
            "eve@stranger.example",
            "",
            "own_address: ",
        ),
        (
            to("{{ email.headers['x-to'] }}"),
            "eve@stranger.example",
            "X-To: a@a.example, b@b.example\n",
            "to \"a@a",
        ),
        (
            to("{{ email.headers['x-to'] }}"),
            "eve@stranger.example",
            "X-To: nobody\n",
            "to \"nobody\"",
        ),
    ] {
        let mut world = World::new(&rules);
        world.mailbox = "trusted_authserv_ids = [\"mx.desk.example\"]".to_owned();
        world.mail_with(from, "Hello", fields);
        world.once();
        let (outcome, reason) = world.only();
        assert_eq!(outcome, "failed", "{reason}");
        assert!(reason.starts_with(&format!("send_email: {expected}")), "{reason}");
        assert_eq!(mails(&world), []);
    }
    // Without a return path nobody knows whom a message is from.
    let without = text("ann@stranger.example", "Hello", "").replace("Return-Path: <ann@stranger.example>\n", "");
    world.deliver(&without);
    world.once();
    assert!(
        world.only().1.starts_with("send_email: no_return_path: "),
        "{:?}",
        world.only()
    );
    assert_eq!(mails(&world), []);
}

#[test]
fn what_becomes_of_a_mail_is_not_what_becomes_of_its_message() {
    let further = "to = \"it@team.example\"\nsubject = \"Hello\"\ntext = \"Hello\"\n[[rule.action]]\ntype = \"bounce\"\nwhen = \"email.subject == 'Back'\"\n";
    let world = World::new(&rule(further));
    let refusal = ("team.example".to_owned(), "550 5.1.1 unknown".to_owned());
    world.sink.switch(|switches| switches.rcpt = Some(refusal));
    world.mail("ann@stranger.example", "Stay");
    world.mail("bob@stranger.example", "Back");
    world.once();
    let mut outcomes = world.outcomes();
    outcomes.sort();
    let expected = [("Back", "bounced"), ("Stay", "completed")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(outcomes, expected);
    let told = world.told();
    assert_eq!(
        told.iter().filter(|to| *to == "bob@stranger.example").count(),
        1,
        "{told:?}"
    );
    let reports = world
        .sink
        .mails()
        .into_iter()
        .filter(|mail| mail.rcpt_to == ["ops@desk.example"]);
    let reports: String = reports.map(|mail| Message::read(&mail.octets).text).collect();
    assert!(reports.contains("\nmail of send_email, "), "{reports}");
    assert!(
        reports.contains("halo-intake show 1") && reports.contains("halo-intake show 2"),
        "{reports}"
    );
    assert!(
        reports.contains("the mail to it@team.example did not leave: "),
        "{reports}"
    );
    // Run again, it is sent again, for nobody has had it.
    world.sink.switch(|switches| switches.rcpt = None);
    assert_eq!(world.run(&["retry", "--outcome", "completed"]).status, 0);
    assert_eq!(
        mails(&world)
            .iter()
            .filter(|mail| mail.rcpt_to == ["it@team.example"])
            .count(),
        1
    );
}

#[test]
fn a_mail_waits_for_its_server_and_not_its_message_for_the_mail() {
    let world = World::new(&rule(
        "to = \"it@team.example\"\nsubject = \"Hello\"\ntext = \"Hello\"\n",
    ));
    world.sink.switch(|switches| switches.down = true);
    world.mail("ann@stranger.example", "Stay");
    world.run(&["run", "--once"]);
    assert_eq!(world.only().0, "completed");
    world.sink.switch(|switches| switches.down = false);
    world.once();
    assert_eq!(mails(&world).len(), 1);
}

#[test]
fn a_mail_that_is_too_long_is_not_sent() {
    let world = World::new(&rule(
        "to = \"it@team.example\"\nsubject = \"Hello\"\ntext = \"Hello\"\nattach = \"email.attachments\"\n",
    ));
    let fields = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n";
    let file = format!("{}\n", "QUJD".repeat(19)).repeat(350_000);
    let parts = format!(
        "--b\nContent-Type: text/plain\n\nHello\n--b\nContent-Type: application/x-a\nContent-Disposition: attachment\n\
         Content-Transfer-Encoding: base64\n\n{file}--b--\n"
    );
    world.deliver(&text("ann@stranger.example", "Big", fields).replace("The text of this mail.\n", &parts));
    world.once();
    let reason = "send_email: the mail is longer than 25 MiB; attach less";
    assert_eq!(world.only(), ("failed".to_owned(), reason.to_owned()));
    assert_eq!(mails(&world), []);
}

#[test]
fn a_dry_run_says_whom_it_would_tell_and_tells_nobody() {
    let world = World::new(&rule(TO_THE_AUTHOR));
    let path = world.folder.join("message.eml");
    for (from, expected) in [
        (
            "ann@stranger.example",
            "asks the mail \"Re: Hello\" to ann@stranger.example   [simulated]",
        ),
        (
            "noreply@stranger.example",
            "fails: no_reply_address: nothing is sent to noreply@stranger.example",
        ),
    ] {
        std::fs::write(&path, text(from, "Hello", "")).unwrap();
        let ran = world.run(&["explain", path.to_str().unwrap()]);
        assert!(ran.status == 0 && ran.stdout.contains(expected), "{}", ran.stdout);
    }
    assert_eq!(world.sink.mails(), []);
}
