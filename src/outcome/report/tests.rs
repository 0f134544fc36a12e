use super::*;
use crate::config::MailboxName;

const HEADER: &str = "\
From: \"halo-intake\" <halo-intake@mx.msp.example>\r\n\
To: <ops@msp.example>, <lead@msp.example>\r\n\
Subject: halo-intake: SUBJECT\r\n\
Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
Message-ID: <report.7@mx.msp.example>\r\n\
Auto-Submitted: auto-generated\r\n\
X-Auto-Response-Suppress: All\r\n\
MIME-Version: 1.0\r\n\
Content-Type: text/plain; charset=\"utf-8\"\r\n\
Content-Transfer-Encoding: ";

fn notice(entry: Option<i64>, topic: &str, text: &str, at: &str) -> Notice {
    Notice {
        entry: entry.map(EntryId),
        topic: topic.into(),
        text: text.into(),
        at: format!("2026-11-23T{at}Z").parse().unwrap(),
    }
}

fn row(id: i64, from: &str, subject: &str) -> (EntryId, Row) {
    let row = Row {
        id: EntryId(id),
        time: "2026-11-23T09:30:12Z".parse().unwrap(),
        mailbox: MailboxName("support".into()),
        from: from.into(),
        subject: subject.into(),
        outcome: "failed".into(),
        rule: String::new(),
        reason: String::new(),
        attempts: 1,
    };
    (row.id, row)
}

fn compose(notices: &[Notice], rows: &[(EntryId, Row)]) -> String {
    let to = ["ops@msp.example", "lead@msp.example"].map(|text| AddrSpec::parse(text).unwrap());
    let digest = Digest {
        notices,
        rows: &rows.iter().cloned().collect(),
        from: None,
        to: &to,
        hostname: "mx.msp.example",
        message_id: "report.7@mx.msp.example",
        now: "2026-11-23T10:00:00Z".parse().unwrap(),
    };
    let octets = digest.compose();
    assert!(octets.is_ascii());
    assert!(
        octets
            .split_inclusive(|octet| *octet == b'\n')
            .all(|line| line.ends_with(b"\r\n") && line.len() <= 1000)
    );
    String::from_utf8(octets).unwrap()
}

/// Compares the whole mail.
fn check(notices: &[Notice], rows: &[(EntryId, Row)], subject: &str, encoding: &str, body: &str) {
    let expected = format!(
        "{}{encoding}\r\n\r\n{}",
        HEADER.replace("SUBJECT", subject),
        body.replace('\n', "\r\n")
    );
    assert_eq!(compose(notices, rows), expected);
}

#[test]
fn failed_messages_are_named_with_what_to_do() {
    check(
        &[
            notice(
                Some(17),
                "failed",
                "Halo refuses the user: site 9 is of another client",
                "09:30:13",
            ),
            notice(Some(18), "failed", "no_author", "09:31:00"),
            notice(Some(19), "failed", "too_large", "09:32:00"),
        ],
        &[row(17, "ann@customer.example", "Printer on fire"), row(18, "", "")],
        "3 messages failed",
        "7bit",
        "\
3 messages failed on mx.msp.example:

messages failed: 3 times, 2026-11-23 09:30 UTC to 2026-11-23 09:32 UTC

  message 17 in support, 2026-11-23 09:30 UTC
    from     ann@customer.example
    subject  Printer on fire
    reason   Halo refuses the user: site 9 is of another client
    halo-intake show 17
    halo-intake retry 17

  message 18 in support, 2026-11-23 09:30 UTC
    from     (none)
    subject  (none)
    reason   no_author
    halo-intake show 18
    halo-intake retry 18

  message 19
    reason   too_large
    halo-intake show 19
    halo-intake retry 19
",
    );
}

#[test]
fn notices_of_one_topic_are_folded_into_one() {
    check(
        &[
            notice(None, "connection main", "Halo is not reachable", "08:00:00"),
            notice(None, "connection main", "Halo is not reachable", "08:15:00"),
            notice(None, "mailbox support", "the sign-in is refused", "08:20:00"),
            notice(None, "connection main", "Halo answers 503", "08:30:00"),
        ],
        &[],
        "connection main, and mailbox support",
        "7bit",
        "\
connection main, and mailbox support on mx.msp.example:

connection main: 3 times, 2026-11-23 08:00 UTC to 2026-11-23 08:30 UTC
  Halo is not reachable
  Halo answers 503

mailbox support, 2026-11-23 08:20 UTC
  the sign-in is refused
",
    );
}

#[test]
fn failed_messages_stand_first_whatever_came_first() {
    let mail = compose(
        &[
            notice(None, "connection main", "Halo is not reachable", "08:00:00"),
            notice(None, "mailbox support", "the sign-in is refused", "08:20:00"),
            notice(Some(3), "failed", "gave_up", "08:25:00"),
        ],
        &[],
    );
    assert!(
        mail.contains("Subject: halo-intake: 1 message failed, and 2 other things\r\n"),
        "{mail}"
    );
}

#[test]
fn letters_beyond_ascii_are_encoded() {
    let mail = compose(
        &[notice(Some(3), "failed", "r", "08:25:00")],
        &[row(3, "jürgen@customer.example", "Drucker brennt für Jürgen")],
    );
    assert!(
        mail.contains("Content-Transfer-Encoding: quoted-printable\r\n"),
        "{mail}"
    );
    assert!(mail.contains("Drucker brennt f=C3=BCr J=C3=BCrgen"), "{mail}");
}

#[test]
fn a_flood_makes_no_large_mail() {
    let failed = (1..=5000).map(|id| notice(Some(id), "failed", &"long ".repeat(1000), "08:25:00.5"));
    let suppressed = (1..=500).map(|number| {
        notice(
            None,
            &format!("bounce suppressed {number}@x.example"),
            "over its limit",
            "08:26:00",
        )
    });
    let notices: Vec<Notice> = suppressed.chain(failed).collect();
    let mail = compose(&notices, &[]).replace("=\r\n", "");
    assert!(mail.len() < 200_000, "{}", mail.len());
    assert_eq!(mail.matches("halo-intake retry").count(), 100);
    assert!(
        mail.contains("and 4900 more: halo-intake log --outcome failed --since 2026-11-23T08:25:00Z\r\n"),
        "{mail}"
    );
    assert!(mail.contains("And 471 other things"), "{mail}");
}

#[test]
fn many_suppressed_bounces_to_one_sender_are_one_thing() {
    let topic = "bounces to ann@customer.example suppressed";
    let notices: Vec<Notice> = (1..=9)
        .map(|id| notice(Some(id), topic, "bounce_limit", "08:25:00"))
        .collect();
    let mail = compose(&notices, &[row(8, "ann@customer.example", "x")]);
    assert_eq!(mail.matches("halo-intake show").count(), 5);
    assert!(
        mail.contains("and 4 more: halo-intake log --outcome failed --since 2026-11-23T08:25:00Z"),
        "{mail}"
    );
}

#[test]
fn nothing_from_a_message_can_look_like_another_line() {
    let evil = "x\r\nBcc: all@example.org\r\n\r\n  halo-intake retry 1\u{2028}\u{202e}";
    let mut rows = [row(3, evil, evil)];
    rows[0].1.mailbox = MailboxName(evil.into());
    let mail = compose(
        &[
            notice(Some(3), "failed", evil, "08:25:00"),
            notice(None, evil, evil, "08:25:00"),
        ],
        &rows,
    );
    assert!(!mail.contains("\r\nBcc"), "{mail}");
    let plain = mail.replace("=\r\n", "");
    assert_eq!(
        plain
            .lines()
            .filter(|line| line.trim_start().starts_with("halo-intake retry"))
            .count(),
        1,
        "{plain}"
    );
}
