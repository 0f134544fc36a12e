//! Who must not be answered, when it matters: with a partner that answers, with a flood, with forged senders.

use crate::{
    promise::{Delivered, Promise},
    world::World,
};

/// Everything bounces, with words that the message brings along.
const BOUNCE: &str = r#"
[[rule]]
name = "turned away"

  [[rule.action]]
  type = "bounce"
  message = "Your mail {{ email.subject }} was not taken, {{ email.from.display }}."
"#;

/// Letters to anybody but operators, as an MTA on the other side delivers them.
fn letters(world: &World, from: usize) -> Vec<String> {
    let mails = world.sink.mails();
    let told = mails.iter().filter(|mail| mail.rcpt_to != ["ops@desk.example"]);
    told.skip(from)
        .map(|mail| {
            let octets = String::from_utf8_lossy(&mail.octets).replace("\r\n", "\n");
            format!("Return-Path: <{}>\n{octets}", mail.mail_from)
        })
        .collect()
}

/// Two programs answer each other for ever.
#[test]
fn two_programs_that_answer_each_other_stop_after_one_letter() {
    let ours = World::new(BOUNCE);
    let theirs = World::new(BOUNCE);
    theirs.more("[mailbox.support]\naddresses = [\"help@other.example\"]\n[bounce]\nfrom = \"help@other.example\"\n");
    ours.mail("Help <help@other.example>", "An announcement");
    let (mut from_us, mut from_them) = (0, 0);
    for round in 0.. {
        assert!(round < 5, "they go on and on");
        ours.once();
        let new = letters(&ours, from_us);
        from_us += new.len();
        new.iter().for_each(|letter| theirs.deliver(letter));
        theirs.once();
        let answers = letters(&theirs, from_them);
        from_them += answers.len();
        answers.iter().for_each(|letter| ours.deliver(letter));
        if answers.is_empty() {
            break;
        }
    }
    assert_eq!((from_us, from_them), (1, 0));
    let (outcome, reason) = theirs.only();
    assert_eq!(outcome, "failed");
    assert!(reason.starts_with("null_return_path"), "{reason}");
}

/// The same with a program that looks like a person: it answers whatever comes, with a return path and without a sign.
#[test]
fn a_program_that_answers_as_if_it_were_a_person_is_told_within_the_limit() {
    const LIMIT: usize = 2;
    let world = World::new(BOUNCE);
    world.more(&format!("[bounce]\nlimit_per_sender = \"{LIMIT} per 1d\"\n"));
    let robot = "Ann <ann@robot.example>";
    world.mail(robot, "Hello 0");
    for round in 1..=LIMIT + 2 {
        world.once();
        // It answers the bounce, and wherever it got none it writes again by itself.
        world.mail(robot, &format!("Re: Hello {round}"));
    }
    world.once();
    assert_eq!(letters(&world, 0).len(), LIMIT);
    let limited = world
        .log()
        .iter()
        .filter(|row| {
            row["outcome"] == "failed"
                && row["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.starts_with("bounce_limit"))
        })
        .count();
    assert_eq!(limited, LIMIT + 3 - LIMIT);
}

#[test]
fn a_thousand_messages_of_one_sender_make_one_letter_and_one_report() {
    const MESSAGES: usize = 1000;
    let world = World::new(BOUNCE);
    for number in 0..MESSAGES {
        world.mail("Ann <ann@stranger.example>", &format!("Alarm {number}"));
    }
    world.once();
    assert_eq!(letters(&world, 0).len(), 1);
    let outcomes = world.outcomes();
    let count = |wanted: &str| outcomes.iter().filter(|(_, outcome)| outcome == wanted).count();
    assert_eq!((count("bounced"), count("failed")), (1, MESSAGES - 1));
    let reports = world.told().iter().filter(|to| *to == "ops@desk.example").count();
    assert_eq!(reports, 1, "many of one sender are reported as one");
    assert_eq!(world.folder("INBOX").len(), 0);
}

#[test]
fn who_did_not_write_is_not_told() {
    let mut world = World::new(BOUNCE);
    world.mailbox = "trusted_authserv_ids = [\"mx.desk.example\"]".to_owned();
    let forged = "Authentication-Results: mx.desk.example; dmarc=fail header.from=victim.example\n";
    // A spammer writes a result of its own below the one that our server wrote.
    let and_covered =
        format!("{forged}Authentication-Results: mx.desk.example; dmarc=pass header.from=victim.example\n");
    let mut delivered = Vec::new();
    for number in 0..20 {
        let victim = format!("v{number}@victim.example");
        let fields = if number % 2 == 0 { forged } else { &and_covered };
        let subject = format!("Offer {number}");
        world.mail_with(&victim, &subject, fields);
        delivered.push(Delivered::new(&victim, &subject, "failed"));
    }
    world.once();
    Promise::new(delivered).holds(&world);
}

/// The field names of a letter, of its own header and of its parts.
fn field_names(octets: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(octets).into_owned();
    let header = text.split("\r\n\r\n").next().unwrap_or_default();
    let lines = header.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines
        .map(|line| line.split(':').next().unwrap_or_default().to_owned())
        .collect()
}

/// What leaves for one mail: envelope and field names of each letter.
fn leaves(header: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let world = World::new(BOUNCE);
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    // Told within the limit, and once more: operators hear of that one in a digest.
    for number in 0..2 {
        world.deliver(&format!(
            "Return-Path: <eve@stranger.example>\nDate: {date}\nX-Number: {number}\n{header}\nText {number}.\n"
        ));
    }
    world.once();
    let mails = world.sink.mails().into_iter();
    mails.map(|mail| (mail.rcpt_to, field_names(&mail.octets))).collect()
}

#[test]
fn nothing_in_a_mail_adds_a_field_or_a_recipient_to_what_leaves() {
    let harmless = leaves(
        "From: Eve <eve@stranger.example>\nTo: Desk <support@desk.example>\nSubject: A question\nMessage-ID: <1@stranger.example>\nReferences: <0@stranger.example>\n",
    );
    assert_eq!(harmless.len(), 2, "{harmless:?}");
    // "\r\nBcc: all@victim.example\r\n" in each way that a field can carry it.
    let word = "=?utf-8?Q?x=0D=0ABcc:_all@victim.example=0D=0A=0D=0A.=0D=0AMAIL?=";
    let base64 = "=?utf-8?B?eA0KQmNjOiBhbGxAdmljdGltLmV4YW1wbGUNCg0K?=";
    for evil in [
        word,
        base64,
        "x\rBcc: all@victim.example\r",
        "x\u{85}Bcc: all@victim.example",
        "x\u{2028}Bcc: all@victim.example",
        "x\0Bcc: all",
    ] {
        let left = leaves(&format!(
            "From: {evil} <eve@stranger.example>\nTo: {evil} <support@desk.example>\nCc: {evil}\nSubject: {evil}\nMessage-ID: <1@stranger.example>\nReferences: <0@stranger.example> {evil}\nReply-To: {evil}\nX-{evil}: y\n"
        ));
        assert_eq!(left, harmless, "{evil:?}");
    }
}
