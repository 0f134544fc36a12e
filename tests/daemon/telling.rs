//! Who is told what: the bounce on the wire, and those that must not be sent.

use crate::world::World;

const BOUNCE: &str = "[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\nmessage = \"Dear {{ email.from.display }}, we can not take {{ email.subject }}.\"\n";

#[test]
fn a_bounce_is_a_delivery_status_notification_with_a_null_return_path() {
    let world = World::with_dovecot(BOUNCE);
    world.mail("Ann Lee <ann@stranger.example>", "A {{ 7 * 7 }} question");
    world.once();

    assert_eq!(world.only().0, "bounced");
    let mails = world.sink.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].mail_from.as_str(), mails[0].rcpt_to.as_slice()),
        ("", &["ann@stranger.example".to_owned()][..])
    );
    let text = String::from_utf8(mails[0].octets.clone()).unwrap();
    for expected in [
        "multipart/report",
        "report-type=\"delivery-status\"",
        "Auto-Submitted: auto-replied",
        "Final-Recipient: rfc822; support@desk.example",
        "Action: failed",
        "Dear Ann Lee, we can not take A {{ 7 * 7 }} question.",
        "In-Reply-To: <",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
}

#[test]
fn the_built_in_text_names_the_message_as_a_person_would() {
    let world = World::new("[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\n");
    world.more("[bounce]\nmax_age = \"9000d\"\nlimit_per_sender = \"9 per 1h\"\n");
    let fields = "Return-Path: <ann@stranger.example>\nFrom: ann@stranger.example\nMessage-ID:";
    world.deliver(&format!(
        "{fields} <1@b.example>\nDate: Mon, 23 Nov 2026 10:00:05 +0100\nSubject: Printer\n\nx\n"
    ));
    world.deliver(&format!("{fields} <2@b.example>\n\nx\n"));
    world.once();
    let texts = world
        .sink
        .mails()
        .into_iter()
        .map(|mail| mail.octets)
        .collect::<Vec<_>>()
        .concat();
    let texts = String::from_utf8(texts).unwrap();
    for line in [
        "your message \"Printer\" of 2026-11-23 09:00 UTC reached us,\r\n",
        "your message without a subject reached us,\r\n",
    ] {
        assert!(texts.contains(line), "{line:?} is not in:\n{texts}");
    }
}

/// A message that must not be bounced ends as failed, with the word for why.
fn check_untold(from: &str, fields: &str, word: &str) {
    let world = World::new(BOUNCE);
    world.mail_with(from, "A question", fields);
    world.once();
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed", "{word}");
    assert!(reason.contains(word), "{word:?} is not in {reason:?}");
    assert_eq!(world.told(), ["ops@desk.example"], "{word}");
}

#[test]
fn a_bounce_that_must_not_be_sent_leaves_the_message_failed_and_reported() {
    check_untold(
        "Ann <ann@stranger.example>",
        "Auto-Submitted: auto-generated\n",
        "automatic",
    );
    check_untold(
        "Ann <ann@stranger.example>",
        "List-Id: <friends.stranger.example>\n",
        "automatic",
    );
    check_untold(
        "Ann <ann@stranger.example>",
        "X-Auto-Response-Suppress: All\n",
        "response_suppressed",
    );
    check_untold("Ann <ann@stranger.example>", "X-Spam-Flag: YES\n", "junk");
    check_untold("Us <support@desk.example>", "", "own_address");
    check_untold("Robot <no-reply@stranger.example>", "", "no_reply_address");
}

#[test]
fn a_message_without_a_return_path_bounces_only_where_its_author_may_be_told() {
    let mail = "Date: Mon, 23 Nov 2026 10:00:00 +0000\nFrom: Ann <ann@stranger.example>\nSubject: A question\nMessage-ID: <a@b.example>\n\nx\n";
    for (word, outcome) in [("never", "failed"), ("author", "bounced")] {
        let world = World::new(BOUNCE);
        world.more(&format!(
            "[bounce]\nwithout_return_path = \"{word}\"\nmax_age = \"9000d\"\n"
        ));
        world.deliver(mail);
        world.once();
        assert_eq!(world.only().0, outcome, "{word}: {:?}", world.only());
    }
}

#[test]
fn a_sender_is_told_once_within_the_limit() {
    let world = World::new(BOUNCE);
    for number in 1..=4 {
        world.mail("Ann Lee <ann@stranger.example>", &format!("Question {number}"));
    }
    world.once();
    let told = world.told();
    assert_eq!(
        told.iter().filter(|to| *to == "ann@stranger.example").count(),
        1,
        "{told:?}"
    );
    let mut outcomes: Vec<String> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["bounced", "failed", "failed", "failed"]);
    assert_eq!(
        told.iter().filter(|to| *to == "ops@desk.example").count(),
        1,
        "one digest for all"
    );
}

#[test]
fn a_dead_smtp_server_defers_the_bounce_and_loses_nothing() {
    let world = World::new(BOUNCE);
    world.sink.switch(|switches| switches.down = true);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.only().0, "deferred");

    world.sink.switch(|switches| switches.down = false);
    world.once();
    assert_eq!(world.only().0, "bounced");
    assert_eq!(world.told(), ["ann@stranger.example"]);
    assert_eq!(world.folder("Bounced").len(), 1);
}

#[test]
fn nobody_is_told_of_a_message_that_has_grown_too_old_in_the_outbox() {
    let world = World::new(BOUNCE);
    world.sink.switch(|switches| switches.down = true);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.only().0, "deferred");

    world.later(4 * 24 * 3600);
    assert_eq!(world.run(&["run", "--once"]).status, 75, "the report waits");
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed", "{reason}");
    assert!(
        reason.starts_with("too_old: its bounce could not leave within [bounce] max_age; the step bounce says so"),
        "{reason}"
    );

    world.sink.switch(|switches| switches.down = false);
    world.once();
    assert_eq!(world.told(), ["ops@desk.example"]);
}

#[test]
fn a_report_that_comes_back_to_a_watched_mailbox_is_not_reported_again() {
    let world = World::new(BOUNCE);
    world.mail("Robot <no-reply@stranger.example>", "A question");
    world.once();
    assert_eq!(world.only().0, "failed");
    let report = String::from_utf8(world.sink.mails()[0].octets.clone()).unwrap();
    world.deliver(&format!("Return-Path: <>\n{}", report.replace("\r\n", "\n")));
    world.once();
    let log = world.log();
    assert_eq!(
        (log[1]["outcome"].as_str(), log[1]["reason"].as_str()),
        (Some("ignored"), Some("own_report"))
    );
    assert_eq!(world.told(), ["ops@desk.example"]);
}

#[test]
fn while_a_report_waits_no_other_one_is_made() {
    let world = World::new(BOUNCE);
    world.sink.switch(|switches| switches.down = true);
    for number in 1..=4 {
        world.mail("Robot <no-reply@stranger.example>", &format!("Question {number}"));
        assert_eq!(world.run(&["run", "--once"]).status, 75);
    }
    world.sink.switch(|switches| switches.down = false);
    world.once();
    assert_eq!(world.told(), ["ops@desk.example", "ops@desk.example"]);
    let texts: Vec<String> = world
        .sink
        .mails()
        .into_iter()
        .map(|mail| String::from_utf8(mail.octets).unwrap())
        .collect();
    assert!(texts[0].contains("halo-intake retry 1\r\n"), "{}", texts[0]);
    assert!(texts[1].contains("halo-intake retry 2 3 4\r\n"), "{}", texts[1]);
}

#[test]
fn a_refused_bounce_leaves_the_message_failed_and_operators_hear_of_it() {
    let world = World::new(BOUNCE);
    world.sink.switch(|switches| {
        switches.rcpt = Some((
            "ann@stranger.example".to_owned(),
            "550 5.1.1 no such mailbox".to_owned(),
        ))
    });
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed", "{reason}");
    assert!(reason.contains("550"), "{reason}");
    assert_eq!(world.told(), ["ops@desk.example"]);
}

#[test]
fn a_refused_report_is_told_in_the_log_and_loses_nothing() {
    let world = World::new(BOUNCE);
    let refusal = ("ops@desk.example".to_owned(), "550 5.7.1 not from here".to_owned());
    world.sink.switch(|switches| switches.rcpt = Some(refusal));
    world.mail_with("Ann <ann@stranger.example>", "A question", "Precedence: list\n");
    let ran = world.run(&["run", "--once"]);
    assert_eq!(ran.status, 75, "what operators have not heard is left: {ran:?}");
    assert!(
        ran.stderr.contains("the report to [report] to is refused"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("550 5.7.1 not from here"), "{}", ran.stderr);

    world.sink.switch(|switches| switches.rcpt = None);
    world.once();
    let mail = String::from_utf8(world.sink.mails()[0].octets.clone()).unwrap();
    assert!(mail.contains("halo-intake show 1"), "{mail}");
}

#[test]
fn with_bounce_an_outage_bounces_nobody() {
    use halo_intake::sandbox::{Fault, Mishap};
    let rules = "[[rule]]\nname = \"r\"\n[[rule.action]]\ntype = \"create_halo_user\"\nclient = 12\nsite = 21\non_error = \"bounce\"\n";
    let world = World::new(rules);
    world.sandbox.set(|switches| {
        switches.faults = vec![
            Fault::once(
                "",
                "/api/users",
                Mishap::Status {
                    status: 503,
                    message: String::new(),
                },
            )
            .times(1000),
        ]
    });
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.only().0, "deferred");
    assert!(world.told().is_empty());

    world.sandbox.set(|switches| switches.faults.clear());
    world.once();
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

/// Tries until the message has waited for longer than give_up_after, at most twice the longest wait at a time; what it
/// is then.
fn after_days_of(world: &World) -> (String, String) {
    world.more("[retry]\nfirst = \"1h\"\nlongest = \"1h\"\ngive_up_after = \"4h\"\n[bounce]\nmax_age = \"90d\"\n");
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    for tries in 0..10 {
        world.later(tries * 86_400);
        world.run(&["run", "--once"]);
    }
    world.only()
}

#[test]
fn a_letter_that_is_put_off_for_longer_than_give_up_after_is_given_up() {
    let world = World::new(BOUNCE);
    world.sink.switch(|switches| {
        switches.rcpt = Some(("ann@stranger.example".to_owned(), "450 4.2.0 greylisted".to_owned()))
    });
    let (outcome, reason) = after_days_of(&world);
    assert_eq!(outcome, "failed", "{reason}");
    assert!(
        reason.starts_with("bounce_refused: not taken within [retry] give_up_after: ")
            && reason.contains("450 4.2.0 greylisted"),
        "{reason}"
    );
    let tried = |line: &&String| line.starts_with("RCPT TO:<ann@");
    assert_eq!(world.sink.commands().iter().filter(tried).count(), 5, "1 h each");
    assert_eq!(world.told(), ["ops@desk.example"]);
}

#[test]
fn an_outage_and_a_refused_password_never_give_a_letter_up() {
    for down in [true, false] {
        let world = World::new(BOUNCE);
        world.sink.switch(|switches| {
            switches.down = down;
            switches.login = Some(("intake".to_owned(), "another".to_owned()));
        });
        assert_eq!(after_days_of(&world).0, "deferred");
        world
            .sink
            .switch(|switches| (switches.down, switches.login) = (false, None));
        world.once();
        assert_eq!(world.only().0, "bounced");
    }
}

#[test]
fn a_server_that_never_answers_for_a_letter_is_handed_it_three_times_and_no_more() {
    let world = World::new(BOUNCE);
    world.sink.switch(|switches| switches.drops_before_answer = true);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    for status in [75, 75] {
        assert_eq!(world.run(&["run", "--once"]).status, status);
        assert_eq!(world.only().0, "deferred");
    }
    world.run(&["run", "--once"]);
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed", "{reason}");
    assert!(
        reason.starts_with("bounce_unanswered: handed over 3 times and perhaps taken, so it is not sent again: "),
        "{reason}"
    );

    world.sink.switch(|switches| switches.drops_before_answer = false);
    world.once();
    assert_eq!(world.run(&["retry", "1"]).status, 0);
    world.once();
    assert!(
        world.only().1.starts_with("bounce_unanswered: the step bounce says so"),
        "{:?}",
        world.only()
    );
    let to_ann = |to: &&String| *to == "ann@stranger.example";
    assert_eq!(world.told().iter().filter(to_ann).count(), 3);
}

#[test]
fn a_recipient_that_is_put_off_holds_up_no_other_letter() {
    let world = World::new(BOUNCE);
    world.sink.switch(|switches| {
        switches.rcpt = Some(("ann@stranger.example".to_owned(), "450 4.2.0 greylisted".to_owned()))
    });
    world.mail("Ann Lee <ann@stranger.example>", "Put off");
    world.mail("Bob Lee <bob@stranger.example>", "Sent");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.told(), ["bob@stranger.example"]);
    world.sink.switch(|switches| switches.rcpt = None);
    world.once();
    assert_eq!(world.told(), ["bob@stranger.example", "ann@stranger.example"]);
}
