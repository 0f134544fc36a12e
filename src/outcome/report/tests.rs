use super::*;
use crate::config::{MailboxName, WebhookFormat};

const HEADER: &str = "\
From: \"halo-intake\" <halo-intake@mx.msp.example>\r\n\
To: <ops@msp.example>, <lead@msp.example>\r\n\
Subject: halo-intake: SUBJECT\r\n\
Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
Message-ID: <report.7@mx.msp.example>\r\n\
X-Halo-Intake: report\r\n\
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
        calls: 0,
    };
    (row.id, row)
}

fn sheet(to: &[AddrSpec]) -> Sheet<'_> {
    Sheet {
        from: None,
        to,
        hostname: "mx.msp.example",
        id: "report.7@mx.msp.example",
        now: "2026-11-23T10:00:00Z".parse().unwrap(),
    }
}

/// What is known beside the notices: two of mailboxes, one of them over.
fn standings() -> HashMap<String, Standing> {
    let standing = |name: &str, trouble| Standing {
        mailbox: Some(MailboxName(name.into())),
        trouble: Some(trouble),
    };
    let over = Lasts::OverSince("2026-11-23T09:10:00Z".parse().unwrap());
    HashMap::from([
        ("mailbox sales".to_owned(), standing("sales", Lasts::Yes)),
        ("mailbox billing".to_owned(), standing("billing", over)),
    ])
}

fn compose(notices: &[Notice], rows: &[(EntryId, Row)]) -> String {
    let to = ["ops@msp.example", "lead@msp.example"].map(|text| AddrSpec::parse(text).unwrap());
    let digest = Digest {
        notices,
        rows: &rows.iter().cloned().collect(),
        standings: &standings(),
        hostname: "mx.msp.example",
    };
    let octets = sheet(&to).mail(&digest);
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
halo-intake on mx.msp.example:

messages failed: 3, 2026-11-23 09:30 UTC to 2026-11-23 09:32 UTC

  message 17 in support, 2026-11-23 09:30 UTC
    from     ann@customer.example
    subject  Printer on fire
    reason   Halo refuses the user: site 9 is of another client
    halo-intake show 17
    halo-intake retry 17

  message 18 in support, 2026-11-23 09:30 UTC
    from     (no author)
    subject  (no subject)
    reason   no_author
    halo-intake show 18
    halo-intake retry 18

  message 19
    reason   too_large
    halo-intake show 19
    halo-intake retry 19

All messages that failed since then:
  halo-intake log --outcome failed --since 2026-11-23T09:30:12Z --limit all
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
        "connection main and mailbox support",
        "7bit",
        "\
connection main and mailbox support on mx.msp.example:

connection main, 2026-11-23 08:00 UTC to 2026-11-23 08:30 UTC
  Halo is not reachable
  Halo answers 503

mailbox support, 2026-11-23 08:20 UTC
  the sign-in is refused
",
    );
}

#[test]
fn a_trouble_lasts_or_is_over_when_the_report_is_made() {
    check(
        &[
            notice(None, "mailbox sales", "the sign-in is refused", "08:20:00"),
            notice(None, "mailbox billing", "the sign-in is refused", "08:30:00"),
            notice(None, "mailbox billing", "the mailbox is well again", "09:10:00"),
        ],
        &[],
        "mailbox sales and mailbox billing (over)",
        "7bit",
        "\
mailbox sales and mailbox billing (over) on mx.msp.example:

mailbox sales, 2026-11-23 08:20 UTC
  it lasts
  the sign-in is refused

mailbox billing, 2026-11-23 08:30 UTC to 2026-11-23 09:10 UTC
  over since 2026-11-23 09:10 UTC
  the sign-in is refused
  the mailbox is well again
",
    );
}

#[test]
fn a_report_of_one_thing_says_in_its_subject_what_is_wrong() {
    let text = "waits until backlog is \"process\" or \"skip\" in [mailbox.sales], and a reload where a service runs: 6 messages are there";
    let notices = [notice(None, "mailbox sales", text, "08:20:00")];
    let digest = Digest {
        notices: &notices,
        rows: &HashMap::new(),
        standings: &standings(),
        hostname: "mx.msp.example",
    };
    assert_eq!(
        digest.summary(),
        "mailbox sales: waits until backlog is \"process\" or \"skip\" in [mailbox.sales], and a ..."
    );
    let names: Value = serde_json::from_slice(&sheet(&[]).post(&digest, WebhookFormat::Json)).unwrap();
    let notice = &names["notices"][0];
    assert_eq!((&notice["mailbox"], &notice["lasts"]), (&"sales".into(), &true.into()));
}

/// The headings and the commands: what is there, in order.
fn outline(mail: &str) -> Vec<String> {
    let body = mail.split_once("\r\n\r\n").unwrap().1.replace("=\r\n", "");
    let lines = body
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty() && !line.starts_with("    "));
    lines
        .map(|line| line.split([',', ':']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn faults_of_connections_stand_first_however_many_messages_failed_before() {
    let mut notices: Vec<Notice> = (1..=40)
        .map(|id| {
            let topic = format!("bounce suppressed h{id}@stranger.example");
            notice(Some(id), &topic, "no_return_path: its sender is not told", "08:00:00")
        })
        .collect();
    notices.push(notice(Some(41), "failed", "gave_up", "08:01:00"));
    notices.push(notice(None, "connection main", "Halo refuses the sign-in", "08:02:00"));
    notices.push(notice(None, "mailbox support", "the sign-in is refused", "08:03:00"));
    notices.push(notice(None, "smtp", "it is not reachable", "08:04:00"));
    let mail = compose(&notices, &[]);
    assert_eq!(
        outline(&mail),
        [
            "connection main",
            "  Halo refuses the sign-in",
            "mailbox support",
            "  the sign-in is refused",
            "smtp",
            "  it is not reachable",
            "messages failed",
            "  message 41",
            "failed and not bounced",
            "  no_return_path",
            "All messages that failed since then",
            "  halo-intake log --outcome failed --since 2026-11-23T08"
        ]
    );
    assert_eq!(
        crate::message::Message::read(mail.as_bytes()).subject,
        "halo-intake: connection main, mailbox support and 1 more; 41 messages failed, 40 of them not bounced"
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
            Some(10_000 + number),
            &format!("bounce suppressed {number}@x.example"),
            "over its limit",
            "08:26:00",
        )
    });
    let notices: Vec<Notice> = suppressed.chain(failed).collect();
    let mail = compose(&notices, &[]).replace("=\r\n", "");
    assert!(mail.len() < 200_000, "{}", mail.len());
    assert_eq!(mail.matches("    halo-intake retry").count(), 100 + 10);
    assert!(mail.contains("\r\n  and 4900 more\r\n"), "{mail}");
    assert!(mail.contains("\r\n    and 490 more senders\r\n"), "{mail}");
    assert!(
        mail.contains("halo-intake log --outcome failed --since 2026-11-23T08:25:00Z --limit all\r\n"),
        "{mail}"
    );
}

#[test]
fn bounces_that_were_not_sent_are_one_section_by_reason_and_sender() {
    let ann = "bounce suppressed ann@customer.example";
    let bob = "bounce suppressed bob@customer.example";
    let mut notices: Vec<Notice> = (1..=12)
        .map(|id| notice(Some(id), ann, "bounce_limit: no such client", "08:25:00"))
        .collect();
    notices.push(notice(Some(20), bob, "bounce_limit: no such site", "08:26:00"));
    notices.push(notice(Some(21), bob, "too_old; no such site", "08:27:00"));
    check(
        &notices,
        &[row(1, "ann@customer.example", "x")],
        "14 messages failed and not bounced",
        "7bit",
        "\
halo-intake on mx.msp.example:

failed and not bounced: 14, 2026-11-23 08:25 UTC to 2026-11-23 08:27 UTC

  bounce_limit: 13 messages

    12 messages from ann@customer.example
      reason   bounce_limit: no such client
      halo-intake show 1
      halo-intake retry 1 2 3 4 5 6 7 8 9 10
      and 2 more

    1 message from bob@customer.example
      reason   bounce_limit: no such site
      halo-intake show 20
      halo-intake retry 20

  too_old: 1 message

    1 message from bob@customer.example
      reason   too_old; no such site
      halo-intake show 21
      halo-intake retry 21

All messages that failed since then:
  halo-intake log --outcome failed --since 2026-11-23T08:25:00Z --limit all
",
    );
}

#[test]
fn a_report_is_known_again_and_nothing_else_is_taken_for_one() {
    let mail = compose(&[notice(Some(3), "failed", "r", "08:25:00")], &[]);
    let own = HashSet::from([AddrSpec::parse("support@msp.example").unwrap()]);
    let check = |mail: &str, expected| {
        let message = Message::read(mail.as_bytes());
        assert_eq!(is_own(&message, &own, "mx.msp.example"), expected, "{mail}");
    };
    check(&mail, true);
    check(&mail.replace("halo-intake@mx.msp.example", "support@msp.example"), true);
    check(
        &mail.replace("halo-intake@mx.msp.example", "ann@customer.example"),
        false,
    );
    check(&mail.replace("X-Halo-Intake: report\r\n", ""), false);
    check(
        &mail.replace("<report.7@mx.msp.example>", "<7@mx.other.example>"),
        false,
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

#[test]
fn a_flood_of_failures_makes_a_small_report_by_either_way() {
    let notices: Vec<Notice> = (1..=10_000)
        .map(|id| match id % 2 {
            0 => notice(Some(id), "failed", &"gave_up: Halo says no. ".repeat(40), "08:00:00"),
            _ => {
                let topic = format!("bounce suppressed h{id}@stranger.example");
                notice(Some(id), &topic, "no_return_path: its sender is not told", "08:00:00")
            }
        })
        .collect();
    let rows = (1..=10_000).map(|id| row(id, "ann@stranger.example", &"A long subject ".repeat(40)));
    let digest = Digest {
        notices: &notices,
        rows: &rows.collect(),
        standings: &HashMap::new(),
        hostname: "mx.msp.example",
    };
    let (mail, names) = (sheet(&[]).mail(&digest), sheet(&[]).post(&digest, WebhookFormat::Json));
    assert!(mail.len() < 200_000, "{} octets of mail", mail.len());
    assert!(names.len() < 60_000, "{} octets of JSON", names.len());
    let names: Value = serde_json::from_slice(&names).unwrap();
    assert_eq!(names["summary"], "10000 messages failed, 5000 of them not bounced");
    assert_eq!(
        (names["notices"].as_array().unwrap().len(), &names["left_off"]),
        (50, &9950.into())
    );
    // Microsoft Teams takes no more than 28 KB.
    let card = sheet(&[]).post(&digest, WebhookFormat::Teams);
    assert!(card.len() < 28_000, "{} octets of a card", card.len());
}

/// The keys of all objects, but those that are somebody's names.
fn keys(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_name_that_is_posted_stands_in_the_manual() {
    const MANUAL: &str = include_str!("../../../docs/reports.md");
    let digest = Digest {
        notices: &[notice(Some(17), "failed", "gave_up", "08:00:00")],
        rows: &[row(17, "ann@customer.example", "A question")].into(),
        standings: &HashMap::new(),
        hostname: "mx.msp.example",
    };
    let at = "2026-11-23T10:00:00Z".parse().unwrap();
    let support = MailboxName("support".into());
    let day = crate::journal::Day {
        came: [(support.clone(), [("completed".to_owned(), 1)].into())].into(),
        created: [("user".to_owned(), 1)].into(),
        ..Default::default()
    };
    let troubled = Troubled {
        thing: "smtp".to_owned(),
        since: at,
        until: None,
    };
    let summary = Summary {
        from: at,
        until: at,
        timezone: &jiff::tz::TimeZone::UTC,
        day: &day,
        watched: &[],
        canaries: &BTreeMap::new(),
        troubles: &[troubled],
        troubles_since: None,
        rules: &std::collections::BTreeMap::new(),
        rules_since: None,
        hostname: "mx.msp.example",
    };
    let bodies = [
        sheet(&[]).post(&digest, WebhookFormat::Json),
        sheet(&[]).post(&summary, WebhookFormat::Json),
    ];
    let mut found = std::collections::BTreeSet::new();
    for body in bodies {
        keys(&serde_json::from_slice(&body).unwrap(), &mut found);
    }
    assert!(found.len() > 20, "{found:?}");
    let stands = |key: &String| MANUAL.contains(&format!("`{key}`"));
    let missing: Vec<_> = found.iter().filter(|key| !stands(key) && **key != support.0).collect();
    assert!(missing.is_empty(), "docs/reports.md does not tell of {missing:?}");
}
