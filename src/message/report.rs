//! A delivery report that came back to us (RFC 3464).

use super::{
    header::{self, Header},
    identity,
    part::Part,
};

/// How much of the machine's part, and of the returned header, is read.
const MAX_REPORT: usize = 64 * 1024;
/// How many recipients are looked at for one that failed.
const MAX_RECIPIENTS: usize = 1_000;

/// What a delivery report says of the first recipient that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In lower case.
    pub final_recipient: String,
    /// Such as `5.1.1` (RFC 3463).
    pub status: String,
    /// What the refusing server said.
    pub diagnostic: String,
    /// Of the message it is about, without angle brackets.
    pub original_message_id: String,
}

impl Report {
    /// Reads the report out of the parts of a multipart/report.
    pub fn read(message: &[u8], parts: &[Part]) -> Option<Report> {
        let is_status = |part: &&Part| {
            matches!(
                part.content_type.value.as_str(),
                "message/delivery-status" | "message/global-delivery-status"
            )
        };
        let status = window(message, parts.iter().find(is_status)?);
        let mut report = recipient(&status);
        report.original_message_id = parts
            .iter()
            .find_map(|part| returned_message_id(message, part))
            .unwrap_or_default();
        Some(report)
    }

    /// A few lines for a person: whom it is about and what became of it.
    pub fn text(&self) -> String {
        let became = match self.status.chars().next() {
            Some('2') => "was delivered",
            Some('4') => "is not delivered yet",
            _ => "could not be delivered",
        };
        let to = match self.final_recipient.as_str() {
            "" => String::new(),
            address => format!(" to {address}"),
        };
        let mut text = format!("A message{to} {became}.");
        let more = [
            ("Status", &self.status),
            ("The server said", &self.diagnostic),
            ("Message-ID", &self.original_message_id),
        ];
        for (label, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!("\n{label}: {value}"));
        }
        text
    }
}

fn window(message: &[u8], part: &Part) -> Vec<u8> {
    let mut octets = part.decoded(message, MAX_REPORT).into_owned();
    octets.truncate(MAX_REPORT);
    octets
}

/// The first recipient that failed, else the first that waits, else the first one; groups of fields stand apart by
/// blank lines.
fn recipient(status: &[u8]) -> Report {
    let mut rest = status;
    let mut found: Option<(u8, Report)> = None;
    for _ in 0..MAX_RECIPIENTS {
        rest = rest.trim_ascii_start();
        let section = header::octets(rest);
        if section.is_empty() {
            break;
        }
        rest = &rest[section.len()..];
        let group = Header::read(section);
        if group.find("Final-Recipient").is_none() && group.find("Original-Recipient").is_none() {
            continue;
        }
        let delivery_action = group.raw("Action").split([' ', '(', ';']).next().unwrap_or("");
        let rank = match delivery_action.to_ascii_lowercase().as_str() {
            "failed" => 0,
            "delayed" => 1,
            _ => 2,
        };
        if found.as_ref().is_none_or(|(known, _)| rank < *known) {
            found = Some((rank, of_group(&group)));
        }
        if rank == 0 {
            break;
        }
    }
    found.map(|(_, report)| report).unwrap_or_default()
}

fn of_group(group: &Header) -> Report {
    let recipient = ["Final-Recipient", "Original-Recipient"]
        .map(|name| typed(group.raw(name)))
        .into_iter()
        .find(|text| !text.is_empty());
    Report {
        final_recipient: recipient.unwrap_or_default().trim_matches(['<', '>']).to_lowercase(),
        status: group.raw("Status").split([' ', '(']).next().unwrap_or("").to_owned(),
        diagnostic: typed(group.find("Diagnostic-Code").map_or("", |field| field.value.as_str())),
        original_message_id: String::new(),
    }
}

/// The text behind a type: `rfc822; ann@example.org`, `smtp; 550 no such user`.
fn typed(text: &str) -> String {
    match text.split_once(';') {
        Some((kind, rest)) if kind.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            rest.trim().to_owned()
        }
        _ => text.trim().to_owned(),
    }
}

/// The Message-ID of the message that is returned, whole or its header alone.
fn returned_message_id(message: &[u8], part: &Part) -> Option<String> {
    let is_returned = matches!(
        part.content_type.value.as_str(),
        "message/rfc822"
            | "message/global"
            | "text/rfc822-headers"
            | "message/rfc822-headers"
            | "message/global-headers"
    );
    let octets = is_returned.then(|| window(message, part))?;
    let id = identity::message_id(Header::read(header::octets(&octets)).raw("Message-ID"));
    Some(id).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipient_that_failed_is_found() {
        let status = b"Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; bob@example.org\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n\
                       Final-Recipient: RFC822;<Ann@Example.org>\r\nAction: Failed\r\nStatus: 5.1.1 (bad)\r\nDiagnostic-Code: smtp; 550 no\r\n such user\r\n";
        let expected = Report {
            final_recipient: "ann@example.org".into(),
            status: "5.1.1".into(),
            diagnostic: "550 no such user".into(),
            original_message_id: String::new(),
        };
        assert_eq!(recipient(status), expected);
    }

    #[test]
    fn what_failed_comes_before_what_waits_and_that_before_the_rest() {
        let group =
            |address: &str, action: &str| format!("Final-Recipient: rfc822; {address}\r\nAction: {action}\r\n\r\n");
        let (good, late, bad) = (
            group("a@example.org", "relayed"),
            group("b@example.org", "Delayed (again)"),
            group("c@example.org", "failed(x)"),
        );
        for (status, expected) in [
            (good.clone() + &late + &bad, "c@example.org"),
            (good.clone() + &late, "b@example.org"),
            (good, "a@example.org"),
        ] {
            assert_eq!(recipient(status.as_bytes()).final_recipient, expected, "{status}");
        }
    }

    #[test]
    fn a_report_is_told_in_a_few_lines() {
        let report = Report {
            final_recipient: "ann@example.org".into(),
            status: "5.1.1".into(),
            diagnostic: "550 no such user".into(),
            original_message_id: "a@b".into(),
        };
        assert_eq!(
            report.text(),
            "A message to ann@example.org could not be delivered.\nStatus: 5.1.1\nThe server said: 550 no such user\nMessage-ID: a@b"
        );
        assert_eq!(Report::default().text(), "A message could not be delivered.");
        let waits = Report {
            status: "4.4.1".into(),
            ..Report::default()
        };
        assert_eq!(waits.text(), "A message is not delivered yet.\nStatus: 4.4.1");
    }

    #[test]
    fn an_empty_report_is_poor_not_wrong() {
        assert_eq!(recipient(b""), Report::default());
        assert_eq!(recipient(b"no fields at all"), Report::default());
    }
}
