//! The bounce: a delivery status notification (RFC 3464) in a multipart/report (RFC 6522). Pure: the same
//! arguments give the same octets, so that a repeat after a crash is the same mail with the same Message-ID.
//!
//! Three parts: the operator's text, the machine's part, and what is returned of the original. Nothing of an
//! error's text and nothing of Halo stands in it.

use jiff::Timestamp;
use mail_builder::{MessageBuilder, headers::content_type::ContentType, mime::MimePart};

use super::field;
use crate::{
    config::Include,
    message::{
        Message,
        address::{AddrSpec, NameAddr},
    },
};

mod original;

use original::Returned;

/// "Other or undefined mail system status" (RFC 3463, section 3.4): the message has arrived, and the system
/// behind the mailbox does not take it. 5.1.x would tell the sender that the address is wrong.
const STATUS: &str = "5.3.0";

/// Everything a bounce is made of.
#[derive(Debug, Clone, Copy)]
pub struct Bounce<'a> {
    /// The message that is returned.
    pub original: &'a Message,
    /// As it came.
    pub original_octets: &'a [u8],
    /// What the sender reads: the operator's text, rendered.
    pub text: &'a str,
    /// `[bounce].from`.
    pub from: &'a NameAddr,
    /// Whom the guard allows to be told.
    pub to: &'a AddrSpec,
    /// What is returned of the original.
    pub include: Include,
    /// The address of our mailbox. The envelope's recipient is not known to us (RFC 3461 is for servers), so
    /// there is no Original-Recipient.
    pub final_recipient: &'a str,
    /// This machine, as Reporting-MTA.
    pub hostname: &'a str,
    /// Without angle brackets; made from the journal's id, so that a repeat carries the same.
    pub message_id: &'a str,
    /// When the original came in.
    pub arrival: Timestamp,
    /// The Date of the bounce.
    pub now: Timestamp,
}

impl Bounce<'_> {
    /// The mail, with CRLF line ends. All of it is ASCII but for a message that is returned whole and has 8-bit
    /// octets, and an address whose local part is not ASCII (RFC 6532).
    pub fn compose(&self) -> Vec<u8> {
        let text = field::body(self.text);
        let machine = self.delivery_status();
        let returned = Returned::of(self.original_octets, self.include);
        let boundary = field::boundary(
            "report",
            self.message_id,
            &[text.as_bytes(), machine.as_bytes(), returned.octets()],
        );

        let mut parts = vec![
            MimePart::new(ContentType::new("text/plain").attribute("charset", "utf-8"), text),
            MimePart::new("message/delivery-status", machine.as_bytes()).transfer_encoding("7bit"),
        ];
        parts.extend(returned.part());
        let media_type = ContentType::new("multipart/report")
            .attribute("report-type", "delivery-status")
            .attribute("boundary", boundary);
        let mut report = MimePart::new(media_type, parts);
        // What holds 8-bit octets says so itself (RFC 2045, section 6.4); a part that says "7bit" or nothing does not.
        if !returned.octets().is_ascii() {
            report = report.transfer_encoding("8bit");
        }

        let mut octets = Vec::new();
        self.header().body(report).serialize(&mut octets);
        octets
    }

    fn header(&self) -> MessageBuilder<'_> {
        let mut builder = MessageBuilder::new()
            .from(field::name_addr(self.from))
            .to(field::addresses([self.to.as_str()]))
            .subject(field::text(&self.subject()))
            .date(field::date(self.now))
            .message_id(field::own_id(self.message_id));
        if let Some(id) = field::ids([self.original.message_id.as_str()]) {
            builder = builder.in_reply_to(id);
        }
        if let Some(ids) = field::references(self.original) {
            builder = builder.references(ids);
        }
        builder
            .header("Auto-Submitted", field::word("auto-replied"))
            .header("X-Auto-Response-Suppress", field::word("All"))
    }

    fn subject(&self) -> String {
        match field::line(&self.original.subject) {
            subject if subject.is_empty() => "Undeliverable mail".to_owned(),
            subject => format!("Undeliverable: {subject}"),
        }
    }

    /// RFC 3464, section 2: the fields of the message, a blank line, those of the one recipient. Without a
    /// Diagnostic-Code: no server has refused anything.
    fn delivery_status(&self) -> String {
        format!(
            "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n\r\nFinal-Recipient: {}\r\nAction: failed\r\nStatus: {STATUS}\r\n",
            field::host(self.hostname),
            field::date(self.arrival).to_rfc822(),
            typed_address(self.final_recipient),
        )
    }
}

/// An address with its type: `rfc822`, or `utf-8` in its 7-bit form (RFC 6533, section 3).
fn typed_address(address: &str) -> String {
    let address = field::ascii_domain(address);
    if address.is_ascii() {
        return format!("rfc822; {address}");
    }
    let escaped = |c: char| match c {
        '!'..='~' if !"\\+=".contains(c) => c.to_string(),
        _ => format!("\\x{{{:X}}}", u32::from(c)),
    };
    format!("utf-8; {}", address.chars().map(escaped).collect::<String>())
}

/// The same bounce for a server that takes no 8-bit mail (RFC 6152): the header is returned instead of the whole
/// message. `None` where `octets` are no bounce of ours that returns one.
pub fn for_seven_bit(octets: &[u8]) -> Option<Vec<u8>> {
    let (header, body) = octets.split_at(memchr::memmem::find(octets, b"\r\n\r\n")?);
    let boundary = own_boundary(header)?;
    let opening =
        memchr::memmem::find(body, &[b"\r\n--", boundary, original::EIGHT_BIT_PART].concat())? + 4 + boundary.len();
    let ending = [b"\r\n--", boundary, b"--\r\n"].concat();
    let original = body[opening + original::EIGHT_BIT_PART.len()..].strip_suffix(ending.as_slice())?;
    let header = header
        .strip_suffix(b"\r\nContent-Transfer-Encoding: 8bit")
        .unwrap_or(header);

    let mut part = Vec::new();
    Returned::of(original, Include::Headers).part()?.write_part(&mut part);
    Some([header, &body[..opening], b"\r\n", &part, &ending].concat()).filter(|octets| octets.is_ascii())
}

/// The boundary that our own header names; it is the last parameter of its Content-Type.
fn own_boundary(header: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::rfind(header, b"boundary=")?;
    let value = header[at + b"boundary=".len()..]
        .split(|octet| *octet == b'\r')
        .next()?;
    Some(
        value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""))
            .unwrap_or(value),
    )
}

#[cfg(test)]
mod tests;
