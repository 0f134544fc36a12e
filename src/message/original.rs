//! Whom a forwarded message was first from.
//!
//! It is what the forwarding person's text or attachment says: nobody vouches for it, as a server may for the author.
//! An answer quotes in the same way; so only what says that it forwards is believed, and nothing where it is in doubt.

use super::{
    Message,
    address::{NameAddr, list},
    header::{self, Header},
    split::{Boundary, Occasion},
};

/// How much of an attached message is read for its author.
const MAX_NESTED_HEADER: usize = 64 * 1024;

/// The author of the message that is forwarded in the text, or as the one attachment.
pub fn sender(message: &Message, octets: &[u8], occasion: Occasion, first: Option<Boundary>) -> Option<NameAddr> {
    // Who passes a message on in this way leaves it its author (RFC 5322, 3.6.6).
    if message.header("Resent-From").is_some() {
        return None;
    }
    let found = match first {
        Some(first) if first.forwards || occasion.forwards => only(&cleaned(&first.from)),
        Some(_) => None,
        None => attached(message, octets, occasion),
    };
    found.filter(|found| found.addr_spec().is_some() && found.address != message.author.address)
}

/// The mailbox that is named, if it is one alone.
fn only(text: &str) -> Option<NameAddr> {
    let (mailboxes, _) = list::parse(text, 2);
    <[NameAddr; 1]>::try_from(mailboxes).ok().map(|[one]| one)
}

/// Outlook writes `Ann [mailto:ann@example.org]`, and `Ann <ann@example.org<mailto:ann@example.org>>` in plain text.
fn cleaned(text: &str) -> String {
    let text = text.replace("[mailto:", "<").replace(']', ">");
    match text.split_once("<mailto:") {
        Some((before, _)) if before.contains('@') => before.trim_end().to_owned(),
        _ => text,
    }
}

/// The author of the attached message, where nothing else is attached.
fn attached(message: &Message, octets: &[u8], occasion: Occasion) -> Option<NameAddr> {
    let mut attachments = message.attachments.iter().filter(|one| !one.inline);
    let only_one = attachments.next().filter(|_| attachments.next().is_none())?;
    let forwards = occasion.forwards || message.body.trim().is_empty();
    if only_one.content_type != "message/rfc822" || !forwards || message.report.is_some() {
        return None;
    }
    let nested = octets.get(only_one.octets.clone())?;
    let nested = only_one.encoding.decode(&nested[..nested.len().min(MAX_NESTED_HEADER)]);
    only(Header::read(header::octets(&nested)).raw("From"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, more: &str, body: &str, expected: Option<(&str, &str)>) {
        let mail = format!(
            "From: Bob <bob@acme.example>\r\nSubject: {subject}\r\n{more}\r\n{}",
            body.replace('\n', "\r\n")
        );
        let found = Message::read(mail.as_bytes()).original_sender;
        let found = found.as_ref().map(|one| (one.name.as_str(), one.address.as_str()));
        assert_eq!(found, expected, "{subject}");
    }

    const ANN: Option<(&str, &str)> = Some(("Ann Lee", "ann@example.org"));
    const OUTLOOK: &str =
        "Please help.\n\nFrom: Ann Lee <Ann@example.org>\nSent: Monday\nTo: Bob\nSubject: Printer\n\nHi";

    #[test]
    fn the_subject_tells_a_forwarded_message_from_an_answer() {
        for subject in ["FW: Printer", "WG: AW: Printer", "[EXT] TR: Printer", "RV: x", "I: x"] {
            check(subject, "", OUTLOOK, ANN);
        }
        for subject in ["RE: Printer", "AW: WG: Printer", "Printer"] {
            check(subject, "", OUTLOOK, None);
        }
    }

    #[test]
    fn a_text_that_says_so_is_enough() {
        for lead in [
            "---------- Forwarded message ---------",
            "-------- Weitergeleitete Nachricht --------",
            "Begin forwarded message:\n",
        ] {
            for sign in ["", "> "] {
                let body = format!(
                    "{lead}\n{sign}From: Ann Lee <ann@example.org>\n{sign}Date: Monday\n{sign}Subject: x\n{sign}\n{sign}Hi"
                );
                check("x", "", &body, ANN);
            }
        }
        let german = "-------- Weitergeleitete Nachricht --------\nBetreff: \tx\nDatum: \tMontag\nVon: \tAnn Lee <ann@example.org>\nAn: \tBob\n\nHi";
        check("x", "", german, ANN);
    }

    #[test]
    fn outlooks_ways_to_write_an_address_are_read() {
        for from in [
            "Ann Lee [mailto:ann@example.org]",
            "Ann Lee <ann@example.org<mailto:ann@example.org>>",
            "\"Ann Lee\" <ann@example.org>",
            "*Ann Lee* <ann@example.org>",
        ] {
            let body = OUTLOOK
                .replace("Ann Lee <Ann@example.org>", from)
                .replace("*Ann Lee*", "Ann Lee");
            check("FW: x", "", &body, ANN);
        }
    }

    #[test]
    fn what_is_in_doubt_is_nobody() {
        check("FW: x", "", &OUTLOOK.replace("Ann@example.org", "Ann"), None);
        check(
            "FW: x",
            "",
            &OUTLOOK.replace("<Ann@example.org>", "<a@b.example>, <c@d.example>"),
            None,
        );
        check(
            "FW: x",
            "",
            &OUTLOOK.replace("Ann@example.org", "bob@acme.example"),
            None,
        );
        check("FW: x", "Resent-From: cy@acme.example\r\n", OUTLOOK, None);
        check("FW: x", "", "Ann <ann@example.org> wrote:\n> Hi", None);
        check("FW: x", "", "See above.", None);
        let quoted = "Yes.\n\nOn 23.11.2026 10:00, Cy wrote:\n> ---------- Forwarded message ---------\n> From: Ann <ann@example.org>";
        check("x", "", quoted, None);
    }

    #[test]
    fn a_message_that_is_attached_alone_is_forwarded() {
        let nested = "From: Ann Lee <ann@example.org>\nSubject: y\n\nHi";
        let kind = "Content-Type: message/rfc822\r\n";
        check("x", kind, nested, ANN);
        check("x", kind, "Subject: y\n\nHi", None);
        let beside = |text: &str, more: &str| {
            format!("--b\n\n{text}\n--b\nContent-Type: message/rfc822\n\n{nested}\n{more}--b--\n",)
        };
        let mixed = "Content-Type: multipart/mixed; boundary=b\r\n";
        check("Fwd: x", mixed, &beside("Please help.", ""), ANN);
        check("x", mixed, &beside("Is this spam?", ""), None);
        let picture = "--b\nContent-Type: image/png; name=a.png\n\nx\n";
        check("Fwd: x", mixed, &beside("", picture), None);
    }
}
