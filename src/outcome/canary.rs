//! The canary: a mail of our own that shows, when it is met in its mailbox, that mail comes. Pure.

use jiff::Timestamp;
use mail_builder::{MessageBuilder, headers::content_type::ContentType, mime::MimePart};

use super::field;
use crate::message::{
    Message,
    address::{AddrSpec, NameAddr},
};

/// Holds what nobody else knows before it is there.
const MARK: &str = "X-Halo-Intake-Canary";

/// A canary that is to leave.
#[derive(Debug, Clone, Copy)]
pub struct Canary<'a> {
    /// `[bounce].from`; without it, `halo-intake@` this machine.
    pub from: Option<&'a NameAddr>,
    pub to: &'a AddrSpec,
    /// This machine.
    pub hostname: &'a str,
    /// Letters and digits; of no other mail.
    pub mark: &'a str,
    pub now: Timestamp,
}

impl Canary<'_> {
    /// The mail, with CRLF line ends and in ASCII. It says of itself that nobody is to answer it (RFC 3834).
    pub fn compose(&self) -> Vec<u8> {
        let ours = NameAddr {
            name: "halo-intake".to_owned(),
            address: super::ours(self.hostname),
        };
        let text = format!(
            "This mail shows whether mail to {} comes. halo-intake on {} sent it, and\n\
             has nothing to do with it but to note that it is there.\n",
            self.to,
            field::host(self.hostname)
        );
        let mut octets = Vec::new();
        MessageBuilder::new()
            .from(field::name_addr(self.from.unwrap_or(&ours)))
            .to(field::addresses([self.to.as_str()]))
            .subject(field::text("halo-intake: does mail come?"))
            .date(field::date(self.now))
            .message_id(field::own_id(&format!(
                "canary.{}@{}",
                self.now.as_microsecond(),
                field::host(self.hostname)
            )))
            .header(MARK, mail_builder::headers::raw::Raw::new(self.mark.to_owned()))
            .header("Auto-Submitted", field::word("auto-generated"))
            .header("X-Auto-Response-Suppress", field::word("All"))
            .body(MimePart::new(
                ContentType::new("text/plain").attribute("charset", "utf-8"),
                field::body(&text),
            ))
            .serialize(&mut octets);
        octets
    }
}

/// What the message says that it is the canary of, where it says so once.
pub fn mark_of(message: &Message) -> Option<&str> {
    let mut marks = message.headers(MARK);
    let mark = marks.next()?.trim();
    marks.next().is_none().then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_an_automatic_mail_that_is_known_by_its_mark() {
        let canary = Canary {
            from: None,
            to: &AddrSpec::parse("support@msp.example").unwrap(),
            hostname: "mx.msp.example",
            mark: "00ff",
            now: "2026-11-23T10:00:00Z".parse().unwrap(),
        };
        let octets = canary.compose();
        assert!(octets.is_ascii());
        let message = Message::read(&octets);
        assert_eq!(mark_of(&message), Some("00ff"));
        assert!(message.automatic().is_some());
        let twice = [b"X-Halo-Intake-Canary: 0\r\n", octets.as_slice()].concat();
        assert_eq!(mark_of(&Message::read(&twice)), None);
        assert_eq!(mark_of(&Message::read(b"Subject: x\r\n\r\nx")), None);
    }
}
