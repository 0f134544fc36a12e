use super::*;

const ORIGINAL: &str = "Return-Path: <ann@customer.example>\r\nFrom: Ann <ann@customer.example>\r\nTo: support@msp.example\r\n\
    Subject: Printer on fire\r\nMessage-ID: <2@customer.example>\r\nReferences: <0@customer.example> <1@customer.example>\r\n\
    \r\nPlease help.\r\n";

const EXPECTED: &str = "\
From: \"Example Support\" <support@msp.example>\r\n\
To: <ann@customer.example>\r\n\
Subject: Undeliverable: Printer on fire\r\n\
Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
Message-ID: <bounce.17.1@mx.msp.example>\r\n\
In-Reply-To: <2@customer.example>\r\n\
References: <0@customer.example> <1@customer.example> <2@customer.example>\r\n\
Auto-Submitted: auto-replied\r\n\
X-Auto-Response-Suppress: All\r\n\
MIME-Version: 1.0\r\n\
Content-Type: multipart/report; report-type=\"delivery-status\";\r\n \
boundary=\"report_bounce171mxmspexample_0\"\r\n\
\r\n\
--report_bounce171mxmspexample_0\r\n\
Content-Type: text/plain; charset=\"utf-8\"\r\n\
Content-Transfer-Encoding: 7bit\r\n\
\r\n\
Dear Ann,\r\n\
we do not know you yet.\r\n\
\r\n\
--report_bounce171mxmspexample_0\r\n\
Content-Type: message/delivery-status\r\n\
Content-Transfer-Encoding: 7bit\r\n\
\r\n\
Reporting-MTA: dns; mx.msp.example\r\n\
Arrival-Date: Mon, 23 Nov 2026 09:59:00 +0000\r\n\
\r\n\
Final-Recipient: rfc822; support@msp.example\r\n\
Action: failed\r\n\
Status: 5.3.0\r\n\
\r\n\
--report_bounce171mxmspexample_0\r\n\
Content-Type: text/rfc822-headers\r\n\
Content-Transfer-Encoding: 7bit\r\n\
\r\n\
Return-Path: <ann@customer.example>\r\n\
From: Ann <ann@customer.example>\r\n\
To: support@msp.example\r\n\
Subject: Printer on fire\r\n\
Message-ID: <2@customer.example>\r\n\
References: <0@customer.example> <1@customer.example>\r\n\
\r\n\
--report_bounce171mxmspexample_0--\r\n";

/// What a test says about a bounce; everything else is as in the first golden.
struct Given<'a> {
    original: &'a [u8],
    text: &'a str,
    from: NameAddr,
    to: &'a str,
    include: Include,
    final_recipient: &'a str,
    hostname: &'a str,
    message_id: &'a str,
}

impl Default for Given<'_> {
    fn default() -> Self {
        Given {
            original: ORIGINAL.as_bytes(),
            text: "Dear Ann,\nwe do not know you yet.",
            from: NameAddr {
                name: "Example Support".into(),
                address: "support@msp.example".into(),
            },
            to: "ann@customer.example",
            include: Include::Headers,
            final_recipient: "support@msp.example",
            hostname: "mx.msp.example",
            message_id: "bounce.17.1@mx.msp.example",
        }
    }
}

impl Given<'_> {
    fn compose(&self) -> Vec<u8> {
        let original = Message::read(self.original);
        Bounce {
            original: &original,
            original_octets: self.original,
            text: self.text,
            from: &self.from,
            to: &AddrSpec::parse(self.to).unwrap(),
            include: self.include,
            final_recipient: self.final_recipient,
            hostname: self.hostname,
            message_id: self.message_id,
            arrival: "2026-11-23T09:59:00Z".parse().unwrap(),
            now: "2026-11-23T10:00:00Z".parse().unwrap(),
        }
        .compose()
    }
}

/// Compares whole mails: `edits` turn the first golden into the expected one.
fn check(given: &Given<'_>, edits: &[(&str, &str)]) {
    let mut expected = EXPECTED.to_owned();
    for (from, to) in edits {
        assert!(expected.contains(from), "the golden has no {from:?}");
        expected = expected.replace(from, to);
    }
    let octets = given.compose();
    assert_eq!(String::from_utf8_lossy(&octets), expected);
    assert_lines_can_travel(&octets);
}

fn assert_lines_can_travel(octets: &[u8]) {
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\r\n").expect("every line ends with CRLF");
        assert!(text.len() <= 998 && !text.contains(&b'\r') && !text.contains(&0));
    }
}

const RETURNED: &str = "Return-Path: <ann@customer.example>\r\nFrom: Ann <ann@customer.example>\r\nTo: support@msp.example\r\n\
    Subject: Printer on fire\r\nMessage-ID: <2@customer.example>\r\nReferences: <0@customer.example> <1@customer.example>\r\n\
    \r\n--";

#[test]
fn a_bounce_is_a_report_of_three_parts() {
    check(&Given::default(), &[]);
}

#[test]
fn the_same_arguments_give_the_same_octets() {
    assert_eq!(Given::default().compose(), Given::default().compose());
}

#[test]
fn the_whole_message_is_returned_where_chosen() {
    let whole = RETURNED.replace("\r\n\r\n--", "\r\n\r\nPlease help.\r\n\r\n--");
    check(
        &Given {
            include: Include::Message,
            ..Given::default()
        },
        &[("text/rfc822-headers", "message/rfc822"), (RETURNED, &whole)],
    );
}

#[test]
fn nothing_is_returned_where_chosen() {
    let part = format!(
        "--report_bounce171mxmspexample_0\r\nContent-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{RETURNED}"
    );
    check(
        &Given {
            include: Include::None,
            ..Given::default()
        },
        &[(&part, "--")],
    );
}

#[test]
fn a_message_without_ids_and_subject_is_no_reply_to_anything() {
    let bare = "From: ann@customer.example\r\n";
    check(
        &Given {
            original: bare.as_bytes(),
            ..Given::default()
        },
        &[
            ("Undeliverable: Printer on fire", "Undeliverable mail"),
            ("In-Reply-To: <2@customer.example>\r\n", ""),
            (
                "References: <0@customer.example> <1@customer.example> <2@customer.example>\r\n",
                "",
            ),
            (RETURNED, "From: ann@customer.example\r\n\r\n--"),
        ],
    );
}

#[test]
fn letters_beyond_ascii_are_encoded() {
    let original = ORIGINAL.replace("Printer on fire", "Drucker brennt für Jürgen");
    let encoded = "Subject: Drucker brennt f=C3=BCr J=C3=BCrgen\r\n";
    check(
        &Given {
            original: original.as_bytes(),
            text: "Liebe Frau Müller",
            from: NameAddr {
                name: "Müller Support".into(),
                address: "hilfe@müller.example".into(),
            },
            to: "ann@bücher.example",
            final_recipient: "hilfe@müller.example",
            ..Given::default()
        },
        &[
            (
                "From: \"Example Support\" <support@msp.example>",
                "From: =?utf-8?Q?M=C3=BCller_Support?= <hilfe@xn--mller-kva.example>",
            ),
            (
                "To: <ann@customer.example>\r\nSubject: ",
                "To: <ann@xn--bcher-kva.example>\r\nSubject: ",
            ),
            (
                "Undeliverable: Printer on fire",
                "=?utf-8?Q?Undeliverable:_Drucker_brennt_f=C3=BCr_J=C3=BCrgen?=",
            ),
            (
                "7bit\r\n\r\nDear Ann,\r\nwe do not know you yet.",
                "quoted-printable\r\n\r\nLiebe Frau M=C3=BCller",
            ),
            ("rfc822; support@msp.example", "rfc822; hilfe@xn--mller-kva.example"),
            (
                "rfc822-headers\r\nContent-Transfer-Encoding: 7bit",
                "rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable",
            ),
            ("Subject: Printer on fire\r\n", encoded),
        ],
    );
}

#[test]
fn an_internationalized_mailbox_is_named_in_ascii() {
    assert_eq!(
        typed_address("jürgen+x@bücher.example"),
        "utf-8; j\\x{FC}rgen\\x{2B}x@xn--bcher-kva.example"
    );
}

#[test]
fn the_original_can_not_close_a_part_that_holds_it() {
    let original = ORIGINAL.replace(
        "Please help.",
        "--report_bounce171mxmspexample_0--\r\n--report_bounce171mxmspexample_1",
    );
    let octets = Given {
        original: original.as_bytes(),
        include: Include::Message,
        ..Given::default()
    }
    .compose();
    let mail = String::from_utf8(octets).unwrap();
    assert!(mail.contains("boundary=\"report_bounce171mxmspexample_2\""));
    assert_eq!(mail.matches("\r\n--report_bounce171mxmspexample_2").count(), 4);
}

/// The names of the fields of the header section, in order.
fn field_names(octets: &[u8]) -> Vec<String> {
    let mail = String::from_utf8_lossy(octets);
    let header = mail.split("\r\n\r\n").next().unwrap();
    header
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect()
}

#[test]
fn no_value_can_add_a_field() {
    let wanted = field_names(&Given::default().compose());
    let evil = "x\r\nBcc: all@example.org\r\n\r\n<b>body</b>\u{2028}\u{85}\n.\r\n";
    let mut original = Message::read(ORIGINAL.as_bytes());
    original.subject = evil.into();
    original.message_id = format!("2@c.example>{evil}");
    original.references = vec![
        "0@c.example".into(),
        evil.into(),
        "with space@c.example".into(),
        "ü@c.example".into(),
        "a".repeat(2000),
    ];
    let from = NameAddr {
        name: format!("\"{evil}\\"),
        address: format!("support@msp.example{evil}"),
    };
    let bounce = Bounce {
        original: &original,
        original_octets: ORIGINAL.as_bytes(),
        text: evil,
        from: &from,
        to: &AddrSpec::parse("\"a b\\\"c\"@customer.example").unwrap(),
        include: Include::Headers,
        final_recipient: evil,
        hostname: evil,
        message_id: &format!("17@msp.example>{evil}"),
        arrival: Timestamp::UNIX_EPOCH,
        now: Timestamp::UNIX_EPOCH,
    };
    let octets = bounce.compose();
    let expected: Vec<String> = wanted.into_iter().filter(|name| name != "In-Reply-To").collect();
    assert_eq!(field_names(&octets), expected);
    assert_lines_can_travel(&octets);
    assert!(octets.is_ascii());
    let mail = String::from_utf8(octets).unwrap();
    assert!(mail.contains("References: <0@c.example>\r\n"));
    assert!(mail.contains("Reporting-MTA: dns; localhost\r\n"));
    let machine = mail
        .split("message/delivery-status\r\n")
        .nth(1)
        .unwrap()
        .split("\r\n--")
        .next()
        .unwrap();
    assert_eq!(machine.lines().filter(|line| line.starts_with("Bcc")).count(), 0);
    assert_eq!(machine.lines().filter(|line| line.contains(": ")).count(), 6);
}

#[test]
fn a_long_thread_keeps_both_ends_of_its_references() {
    let ids: Vec<String> = (0..500).map(|number| format!("<{number}@customer.example>")).collect();
    let original = format!(
        "Message-ID: <last@customer.example>\r\nReferences: {}\r\n\r\n",
        ids.join("\r\n ")
    );
    let octets = Given {
        original: original.as_bytes(),
        include: Include::None,
        ..Given::default()
    }
    .compose();
    let mail = String::from_utf8(octets).unwrap();
    let references = mail
        .split("\r\nReferences: ")
        .nth(1)
        .unwrap()
        .split("\r\nAuto-Submitted")
        .next()
        .unwrap();
    let kept: Vec<&str> = references.split_whitespace().collect();
    assert_eq!(
        (kept.len(), kept[0], kept[19], kept[20], kept[39]),
        (
            40,
            "<0@customer.example>",
            "<19@customer.example>",
            "<481@customer.example>",
            "<last@customer.example>"
        )
    );
}

#[test]
fn a_server_without_8bitmime_gets_the_header_alone() {
    let original = ORIGINAL.replace(
        "Please help.",
        "Bitte, für Jürgen.\r\n\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
    );
    let eight_bit = Given {
        original: original.as_bytes(),
        include: Include::Message,
        ..Given::default()
    };
    let seven_bit = Given {
        include: Include::Headers,
        original: original.as_bytes(),
        ..Given::default()
    };
    assert!(!eight_bit.compose().is_ascii());
    let mail = eight_bit.compose();
    let header = &mail[..memchr::memmem::find(&mail, b"\r\n\r\n").unwrap()];
    assert!(
        header.ends_with(b"\r\nContent-Transfer-Encoding: 8bit"),
        "the mail as a whole is 8-bit too"
    );
    assert_eq!(
        String::from_utf8(for_seven_bit(&eight_bit.compose()).unwrap()).unwrap(),
        String::from_utf8(seven_bit.compose()).unwrap()
    );
    assert_eq!(for_seven_bit(&seven_bit.compose()), None);
    assert_eq!(for_seven_bit("Subject: ü\r\n\r\nü\r\n".as_bytes()), None);
}
