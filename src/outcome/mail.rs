//! A mail that a step sends. Pure: the same arguments give the same octets.

use jiff::Timestamp;
use mail_builder::{MessageBuilder, headers::content_type::ContentType, mime::MimePart};

use super::field;
use crate::message::{
    Message,
    address::{AddrSpec, NameAddr},
};

/// Everything a mail is made of but its files.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// `[bounce].from`.
    pub from: &'a NameAddr,
    pub to: &'a [AddrSpec],
    pub subject: &'a str,
    /// Empty: there is none.
    pub text: &'a str,
    /// The same.
    pub html: &'a str,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// The message that it answers, where it does.
    pub answers: Option<&'a Message>,
    /// Its Date.
    pub now: Timestamp,
}

/// A file of it.
pub struct File<'a> {
    pub name: &'a str,
    /// A plain media type.
    pub content_type: &'a str,
    pub octets: Vec<u8>,
}

impl Mail<'_> {
    /// The mail, with CRLF line ends and in ASCII but for addresses. The files come one after the other, so that one
    /// at a time is in memory; what is not any more a mail of `longest` octets is none.
    pub fn compose<'a>(&self, files: impl Iterator<Item = File<'a>>, longest: usize) -> Option<Vec<u8>> {
        let (text, html) = (field::body(self.text), field::body(self.html));
        let written = [text.as_bytes(), html.as_bytes()];
        let boundary = field::boundary("mixed", self.message_id, &written);
        let ending = format!("\r\n--{boundary}--\r\n");
        let mixed = ContentType::new("multipart/mixed").attribute("boundary", boundary.clone());
        let body = MimePart::new(mixed, vec![self.body(text.clone(), html.clone())]);
        let mut octets = Vec::new();
        self.header().body(body).serialize(&mut octets);
        octets.truncate(octets.len() - ending.len());
        for file in files {
            let part = MimePart::new(ContentType::new(file.content_type), file.octets);
            octets.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
            part.attachment(field::line(file.name)).write_part(&mut octets);
            if octets.len() > longest {
                return None;
            }
        }
        octets.extend_from_slice(ending.as_bytes());
        (octets.len() <= longest).then_some(octets)
    }

    fn header(&self) -> MessageBuilder<'_> {
        let mut builder = MessageBuilder::new()
            .from(field::name_addr(self.from))
            .to(field::addresses(self.to.iter().map(AddrSpec::as_str)))
            .subject(field::text(self.subject))
            .date(field::date(self.now))
            .message_id(field::own_id(self.message_id));
        let answered = self
            .answers
            .and_then(|original| field::ids([original.message_id.as_str()]));
        if let Some(id) = answered {
            builder = builder.in_reply_to(id);
        }
        if let Some(ids) = self.answers.and_then(field::references) {
            builder = builder.references(ids);
        }
        // RFC 3834, section 5.
        let submitted = if self.answers.is_some() {
            "auto-replied"
        } else {
            "auto-generated"
        };
        builder
            .header("Auto-Submitted", field::word(submitted))
            .header("X-Auto-Response-Suppress", field::word("All"))
    }

    fn body(&self, text: String, html: String) -> MimePart<'static> {
        let boundary = field::boundary("alternative", self.message_id, &[text.as_bytes(), html.as_bytes()]);
        let part = |kind: &'static str, text: String| {
            MimePart::new(ContentType::new(kind).attribute("charset", "utf-8"), text)
        };
        let (has_text, has_html) = (!self.text.trim().is_empty(), !self.html.trim().is_empty());
        match (has_text, has_html) {
            (true, true) => MimePart::new(
                ContentType::new("multipart/alternative").attribute("boundary", boundary),
                vec![part("text/plain", text), part("text/html", html)],
            ),
            (false, true) => part("text/html", html),
            _ => part("text/plain", text),
        }
    }
}
