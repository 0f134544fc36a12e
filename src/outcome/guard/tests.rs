use super::*;

const PERSON: &str = "Return-Path: <ann@customer.example>\r\nFrom: Ann <ann@customer.example>\r\nTo: support@msp.example\r\n\
    Subject: Printer\r\nMessage-ID: <1@customer.example>\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n";

struct Asked<'a> {
    header: &'a str,
    dmarc: &'a str,
    received: &'a str,
    without: WithoutReturnPath,
}

const ASKED: Asked<'_> = Asked {
    header: PERSON,
    dmarc: "none",
    received: "2026-11-23T09:00:05Z",
    without: WithoutReturnPath::Never,
};

/// The address that may be told, or the word that forbids it.
fn answer(asked: &Asked<'_>) -> String {
    let own = ["support@msp.example", "help@msp.example"]
        .map(|text| AddrSpec::parse(text).unwrap())
        .into();
    let guard = Guard {
        own: &own,
        without_return_path: asked.without,
        max_age: Duration::from_secs(3 * 24 * 3600),
    };
    let message = Message::read(format!("{}\r\nIt is on fire.\r\n", asked.header).as_bytes());
    let (received, now) = (asked.received.parse().unwrap(), "2026-11-23T10:00:00Z".parse().unwrap());
    match guard.allows(&message, asked.dmarc, received, now) {
        Ok(address) => address.to_string(),
        Err(reason) => {
            assert!(!reason.to_string().is_empty());
            reason.word().to_owned()
        }
    }
}

fn check(header: &str, expected: &str) {
    assert_eq!(answer(&Asked { header, ..ASKED }), expected, "{header}");
}

fn check_return_path(path: &str, expected: &str) {
    check(&PERSON.replacen("<ann@customer.example>", path, 1), expected);
}

fn check_added(field: &str, expected: &str) {
    check(&format!("{PERSON}{field}\r\n"), expected);
}

#[test]
fn a_person_is_told_at_the_return_path() {
    check(PERSON, "ann@customer.example");
    check_return_path("<Ann+Inbox@Mail.Customer.example>", "ann+inbox@mail.customer.example");
    check_return_path(
        "<SRS0=ab=cd=customer.example=ann@forwarder.example>",
        "srs0=ab=cd=customer.example=ann@forwarder.example",
    );
}

#[test]
fn a_null_return_path_is_never_answered() {
    check_return_path("<>", "null_return_path");
}

#[test]
fn a_missing_return_path_is_answered_to_the_author_only_where_chosen() {
    let header = PERSON.split_once("\r\n").unwrap().1;
    check(header, "no_return_path");
    let chosen = |header| {
        answer(&Asked {
            header,
            without: WithoutReturnPath::Author,
            ..ASKED
        })
    };
    assert_eq!(chosen(header), "ann@customer.example");
    assert_eq!(
        chosen("From: Ann <ann at customer>\r\nSubject: x\r\n"),
        "not_an_address"
    );
    assert_eq!(
        chosen(&PERSON.replacen("<ann@customer.example>", "<>", 1)),
        "null_return_path"
    );
}

#[test]
fn a_return_path_that_is_no_address_is_not_answered() {
    check_return_path("<ann at customer>", "not_an_address");
}

#[test]
fn automatic_list_and_bulk_mail_is_not_answered() {
    for field in [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated",
        "List-Id: <news.shop.example>",
        "Precedence: bulk",
        "Precedence: list",
        "Precedence: junk",
    ] {
        check_added(field, "automatic");
    }
    check_added("Auto-Submitted: no", "ann@customer.example");
}

#[test]
fn junk_is_not_answered() {
    check_added("X-Spam-Flag: YES", "junk");
    check_added("X-Spam-Flag: NO", "ann@customer.example");
}

#[test]
fn who_asks_for_no_answer_gets_none() {
    for value in ["All", "NDR", "OOF, AutoReply", "DR, RN, NRN, OOF, AutoReply", "dr;all"] {
        check_added(&format!("X-Auto-Response-Suppress: {value}"), "response_suppressed");
    }
    for value in ["DR, RN, NRN", "None", "DR", ""] {
        check_added(&format!("X-Auto-Response-Suppress: {value}"), "ann@customer.example");
    }
}

#[test]
fn we_never_write_to_ourselves() {
    check_return_path("<support@msp.example>", "own_address");
    check_return_path("<help+return@MSP.example>", "own_address");
    check(
        &PERSON.replace("From: Ann <ann@customer.example>", "From: Help <help@msp.example>"),
        "own_address",
    );
    check_added("Sender: support@msp.example", "own_address");
    check_return_path("<supporter@msp.example>", "supporter@msp.example");
}

#[test]
fn programs_and_unread_addresses_are_not_answered() {
    for local in [
        "noreply",
        "no-reply",
        "No_Reply",
        "no.reply",
        "donotreply",
        "do-not-reply",
        "shop-noreply",
        "noreply+42",
        "noreply-7",
        "MAILER-DAEMON",
        "mailer_daemon",
        "postmaster",
        "news-request",
        "owner-news",
        "news-owner",
        "bounce",
        "bounces+17",
        "bounce-4-ann=customer.example",
        "news-bounces",
        "autoreply",
        "auto-reply",
        "double-bounce",
    ] {
        check_return_path(&format!("<{local}@shop.example>"), "no_reply_address");
    }
    for local in [
        "ann.bounceman",
        "reply",
        "owner",
        "request",
        "replying-norbert",
        "post.master",
        "bouncer",
    ] {
        check_return_path(&format!("<{local}@shop.example>"), &format!("{local}@shop.example"));
    }
    check(
        &PERSON.replace("From: Ann <ann@", "From: Shop <no-reply@"),
        "no_reply_address",
    );
}

#[test]
fn a_sender_whose_dmarc_failed_is_not_answered() {
    for (dmarc, expected) in [
        ("fail", "dmarc_failed"),
        ("FAIL", "dmarc_failed"),
        ("pass", "ann@customer.example"),
        ("none", "ann@customer.example"),
        ("temperror", "ann@customer.example"),
    ] {
        assert_eq!(answer(&Asked { dmarc, ..ASKED }), expected, "{dmarc}");
    }
}

#[test]
fn nobody_is_told_about_an_old_message() {
    let dated = |date: &str, received| {
        let header = PERSON.replace("Mon, 23 Nov 2026 09:00:00 +0000", date);
        answer(&Asked {
            header: &header,
            received,
            ..ASKED
        })
    };
    let (told, old) = ("ann@customer.example", "too_old");
    assert_eq!(
        dated("Mon, 23 Nov 2026 09:00:00 +0000", "2026-11-20T09:59:00Z"),
        old,
        "by the internal date"
    );
    assert_eq!(
        dated("Fri, 20 Nov 2026 10:00:00 +0000", "2026-11-23T09:00:00Z"),
        told,
        "just young enough"
    );
    assert_eq!(
        dated("Fri, 20 Nov 2026 09:59:59 +0000", "2026-11-23T09:00:00Z"),
        old,
        "by the Date field"
    );
    assert_eq!(
        dated("Mon, 02 Mar 2015 10:00:00 +0000", "2026-11-23T09:00:00Z"),
        old,
        "a mailbox that was moved"
    );
    assert_eq!(
        dated("Thu, 01 Jan 1970 00:00:00 +0000", "2026-11-23T09:00:00Z"),
        told,
        "a clock that was never set"
    );
    assert_eq!(
        dated("Sun, 23 Nov 2036 09:00:00 +0000", "2026-11-23T09:00:00Z"),
        told,
        "a clock that runs ahead"
    );
    assert_eq!(dated("no date", "2026-11-23T09:00:00Z"), told, "no date at all");
}

#[test]
fn the_sentence_names_what_forbids_it() {
    for (reason, expected) in [
        (Unsafe::Automatic("List-Id".into()), "it is automatic mail (List-Id)"),
        (
            Unsafe::NoReplyAddress("no-reply@shop.example".into()),
            "nobody reads no-reply@shop.example",
        ),
        (
            Unsafe::TooOld(Duration::from_secs(4 * 24 * 3600)),
            "it is 4 days old, more than [bounce] max_age",
        ),
        (
            Unsafe::TooOld(Duration::from_secs(3 * 3600)),
            "it is 3 hours old, more than [bounce] max_age",
        ),
        (
            Unsafe::TooOld(Duration::from_secs(90)),
            "it is 1 minutes old, more than [bounce] max_age",
        ),
    ] {
        assert_eq!(reason.to_string(), expected);
    }
}
