//! The octets as they came and what was read from them, once. Reading never fails: bad mail gives a poorer
//! message, never an error.
//!
//! mail-parser reads parts, parameters, transfer encodings, charsets, dates and addresses; html2text makes text of HTML.
//! What is ours stands before or behind them: bounds, since all of this comes from strangers, and mends for the faults
//! of mail-parser 0.11.9, each beside a sentence that names it.

pub mod address;
mod attachment;
mod auth;
mod author;
mod automatic;
mod body;
mod calendar;
mod charset;
mod date;
mod header;
pub(crate) mod html;
mod identity;
mod original;
mod parameter;
mod part;
mod report;
mod split;
mod subject;
pub(crate) mod tnef;
mod transfer;
mod word;

use std::panic::catch_unwind;

use address::{NameAddr, list};
use author::Author;
use body::Body;
use header::Header;
use html::Mark;
use jiff::Timestamp;
use part::Parts;
use split::Occasion;
use subject::Prefix;

pub use attachment::Attachment;
pub use auth::Auth;
pub use calendar::{Attendee, Invitation, Method};
pub use header::HeaderField;
pub use html::{RemotePictures, safe_html, text_to_html};
pub use report::Report;
pub use split::Split;
pub use subject::{ticket_ids, topic};
pub use transfer::TransferEncoding;

/// How many mailboxes of To, and of Cc, are kept.
const MAX_RECIPIENTS: usize = 1_000;
/// Bounds behind which the author, the text or the parts may be others than they seem.
const DECISIVE: &[&str] = &["header_section", "header_fields", "nesting", "parts", "panic"];

/// A message as it was read.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The author by `product.md`, 4: From, else Sender, Reply-To, Return-Path.
    pub author: NameAddr,
    /// Which field the author came from: `"from"`, `"sender"`, `"reply-to"`, `"return-path"` or empty.
    pub author_source: &'static str,
    /// How many mailboxes From names; where it is not one, the author can not be relied on.
    pub author_count: usize,
    /// Who sent it for the author; empty where no field says so.
    pub sender: NameAddr,
    /// The first mailbox that answers should go to; empty where no field says so.
    pub reply_to: NameAddr,
    /// By the topmost Return-Path.
    pub return_path: ReturnPath,
    /// Groups flattened.
    pub to: Vec<NameAddr>,
    /// Groups flattened.
    pub cc: Vec<NameAddr>,
    /// Decoded, on one line.
    pub subject: String,
    /// Without angle brackets; empty where there is none.
    pub message_id: String,
    /// Without angle brackets.
    pub in_reply_to: Vec<String>,
    /// Without angle brackets, the oldest first.
    pub references: Vec<String>,
    /// What the author's program wrote.
    pub date: Option<Timestamp>,
    /// Every field, in order.
    pub header_fields: Vec<HeaderField>,
    /// What a person would read: the text part, else the HTML part as text.
    pub body: String,
    /// The body told apart.
    pub split: Split,
    /// The text parts themselves.
    pub text: String,
    /// The HTML parts themselves.
    pub html: String,
    /// Everything that is not the body, inline pictures too.
    pub attachments: Vec<Attachment>,
    /// The server took it for junk.
    pub junk: bool,
    /// The invitation, or the answer to one, that it brings.
    pub invitation: Option<Invitation>,
    /// The delivery report that it is.
    pub report: Option<Report>,
    /// Whom a forwarded message was first from, as its text says: nobody vouches for it.
    pub original_sender: Option<NameAddr>,
    /// What bounds cut, each once: `"header_section"`, `"parts"`, `"text"`, …; `"panic"` where reading broke off.
    pub cut: Vec<&'static str>,
    automatic: Option<String>,
    fingerprint: [u8; 32],
}

/// Where failures are reported (RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ReturnPath {
    /// The message shows no such field.
    #[default]
    Missing,
    /// `<>`: nobody is to be told.
    Null,
    /// Somebody; the address may be unusable.
    To(NameAddr),
}

impl Message {
    /// Reads a message. Bounded in time, depth and memory whatever the octets are.
    pub fn read(octets: &[u8]) -> Message {
        let whole = catch_unwind(|| Message::assemble(octets, true));
        // A fault of ours or of a crate costs the body, or at worst all but the identity, never the message.
        let message = whole.or_else(|_| {
            catch_unwind(|| Message {
                cut: vec!["panic"],
                ..Message::assemble(octets, false)
            })
        });
        message.unwrap_or_else(|_| Message {
            cut: vec!["panic"],
            fingerprint: identity::fingerprint_of_all(octets),
            ..Message::default()
        })
    }

    /// About how many octets its texts take in memory.
    pub fn text_octets(&self) -> usize {
        let split = &self.split;
        let texts = [
            &self.body,
            &self.text,
            &self.html,
            &split.visible,
            &split.quoted,
            &split.signature,
        ];
        let of_body: usize = texts.iter().map(|text| text.len()).sum();
        // As it was written, decoded, and what is made of it.
        let of_header: usize = self.header_fields.iter().map(|field| 3 * field.raw.len()).sum();
        of_body + of_header
    }

    fn assemble(octets: &[u8], with_body: bool) -> Message {
        let section = header::octets(octets);
        let header = Header::read(section);
        let parts = if with_body {
            Parts::find(octets, &header, section.len()..octets.len())
        } else {
            Parts::default()
        };
        let body = Body::read(octets, &parts.parts);

        let mut message = Message::of_header(header);
        for bound in parts.cut.into_iter().chain(body.cut) {
            if !message.cut.contains(&bound) {
                message.cut.push(bound);
            }
        }
        let content_type = message.content_type();
        message.report = (content_type == "multipart/report")
            .then(|| Report::read(octets, &parts.parts))
            .flatten();
        message.invitation = Invitation::find(octets, &parts.parts);
        let occasion = message.occasion();
        let found = split::of(&body.body, &body.marks, occasion);
        message.split = found.split;
        (message.body, message.text, message.html, message.attachments) =
            (body.body, body.text, body.html, body.attachments);
        message.say_what_it_is();

        message.original_sender = original::sender(&message, octets, occasion, found.first);
        message.automatic = automatic::sign(&message, &content_type);
        message.fingerprint = message.identify(octets);
        message
    }

    /// Where there is no text for a person, that of the invitation or the report is one.
    fn say_what_it_is(&mut self) {
        let invitation = self.invitation.as_ref().map(Invitation::text);
        let said = invitation.or_else(|| self.report.as_ref().map(Report::text));
        if let Some(said) = said.filter(|_| self.body.trim().is_empty()) {
            self.split.visible.clone_from(&said);
            self.body = said;
        }
    }

    /// All that the header alone says.
    fn of_header(header: Header) -> Message {
        let return_path = author::return_path(&header);
        let Author { author, source, count } = Author::find(&header, &return_path);
        let first = |name: &str| {
            list::parse(header.raw(name), 1)
                .0
                .into_iter()
                .next()
                .unwrap_or_default()
        };
        let mut cut: Vec<_> = header.cut.into_iter().collect();
        Message {
            author,
            author_source: source,
            author_count: count,
            sender: first("Sender"),
            reply_to: first("Reply-To"),
            return_path,
            to: recipients(&header, "To", &mut cut),
            cc: recipients(&header, "Cc", &mut cut),
            subject: header
                .find("Subject")
                .map(|field| field.value.clone())
                .unwrap_or_default(),
            message_id: identity::message_id(header.raw("Message-ID")),
            in_reply_to: identity::message_ids(header.raw("In-Reply-To")),
            references: identity::message_ids(header.raw("References")),
            date: date::parse(header.raw("Date")),
            junk: automatic::is_junk(&header.fields),
            header_fields: header.fields,
            cut,
            ..Message::default()
        }
    }

    /// What the header says about text of others in the body.
    fn occasion(&self) -> Occasion {
        let prefix = subject::prefix(&self.subject);
        let refers = !self.in_reply_to.is_empty() || !self.references.is_empty();
        Occasion {
            answers: refers || prefix == Some(Prefix::Answer),
            forwards: prefix == Some(Prefix::Forward),
        }
    }

    /// The HTML without what is quoted at its end. Elements may be left open. It is the whole where answers stand
    /// between or below what is quoted, or where no element of a known program tells where that begins.
    pub fn visible_html(&self) -> &str {
        let read = html::marked(&self.html);
        let found = split::of(&read.text, &read.marks, self.occasion());
        let begins = |placed: &&html::Placed| {
            found.ends.is_some_and(|ends| placed.line >= ends)
                && matches!(placed.mark, Mark::Quoted | Mark::Rest | Mark::Perhaps)
        };
        let place = read
            .marks
            .iter()
            .find(begins)
            .map_or(self.html.len(), |placed| placed.place);
        &self.html[..self.html.floor_char_boundary(place)]
    }

    fn content_type(&self) -> String {
        let raw = self
            .header_fields
            .iter()
            .find(|field| field.is("Content-Type"))
            .map_or("", |field| field.raw.as_str());
        parameter::Parameterized::read(raw).value
    }

    fn identify(&self, octets: &[u8]) -> [u8; 32] {
        if self.message_id.is_empty() {
            return identity::fingerprint_of_all(octets);
        }
        let content = identity::Content {
            message_id: &self.message_id,
            author: &self.author.address,
            date: self.header("Date").unwrap_or(""),
            subject: &self.subject,
            body: &self.body,
        };
        content.fingerprint()
    }

    /// SHA-256 of Message-ID, author, date, subject and body; of all octets but trace fields where there is no
    /// Message-ID.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// What an attachment holds, decoded and unpacked; none where there is no such one. `octets` are those that were read.
    pub fn attachment(&self, octets: &[u8], number: usize) -> Option<Vec<u8>> {
        Some(self.attachments.get(number)?.contents(octets))
    }

    /// What keeps messages of one author in order; empty where there is none.
    pub fn author_key(&self) -> String {
        self.author.address.clone()
    }

    /// What keeps messages of one conversation in order: the first Message-ID of its thread.
    pub fn thread_key(&self) -> String {
        let first = self.references.first().or(self.in_reply_to.first());
        first.unwrap_or(&self.message_id).clone()
    }

    /// The bound it passes, where what was read is not enough to act upon; a long text that was cut is.
    pub fn passed_bound(&self) -> Option<&'static str> {
        self.cut.iter().copied().find(|bound| DECISIVE.contains(bound))
    }

    /// The sign that no person wrote it just now, if there is one (RFC 3834 and its kin).
    pub fn automatic(&self) -> Option<&str> {
        self.automatic.as_deref()
    }

    /// The first field of that name, decoded, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_fields
            .iter()
            .find(|field| field.is(name))
            .map(|field| field.value.as_str())
    }

    /// Every field of that name, decoded, ignoring case, in order.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.header_fields
            .iter()
            .filter(move |field| field.is(name))
            .map(|field| field.value.as_str())
    }

    /// What a server named in `trusted` found about the author (RFC 8601).
    pub fn auth(&self, trusted: &[String]) -> Auth {
        let author = match (self.author_count, self.author_source) {
            (2.., _) => auth::Author::Several,
            (_, "from") => auth::Author::One(self.author.domain()),
            _ => auth::Author::Uncertain,
        };
        Auth::read(&self.header_fields, trusted, author)
    }
}

fn recipients(header: &Header, name: &str, cut: &mut Vec<&'static str>) -> Vec<NameAddr> {
    let mut mailboxes = Vec::new();
    for field in header.fields.iter().filter(|field| field.is(name)) {
        let (more, had_more) = list::parse(&field.raw, MAX_RECIPIENTS - mailboxes.len());
        mailboxes.extend(more);
        if had_more {
            cut.push("recipients");
            break;
        }
    }
    mailboxes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_fingerprint_whatever_the_way_did_to_it() {
        let first = "Received: from a\r\nMessage-ID: <a@b.example>\r\nFrom: Ann <ann@example.org>\r\nSubject: Gr=?utf-8?q?=C3=BC?=n\r\n\
                     Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße an alle\r\n";
        let second = "Received: from b\r\nReceived: from a\r\nFrom: ann@example.org\r\nMessage-Id: <a@b.example>\r\nSubject: =?iso-8859-1?q?Gr=FCn?=\r\n\
                      Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
                      Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe an=\r\n  alle\r\n";
        let fingerprint = |text: &str| Message::read(text.as_bytes()).fingerprint();
        assert_eq!(fingerprint(first), fingerprint(second));
        assert_ne!(fingerprint(first), fingerprint(&first.replace("an alle", "an all")));
        assert_ne!(fingerprint(first), fingerprint(&first.replace("10:00", "11:00")));
    }

    #[test]
    fn a_reply_and_the_message_it_answers_share_their_thread() {
        let key = |header: &str| Message::read(format!("{header}\r\n\r\n").as_bytes()).thread_key();
        assert_eq!(key("Message-ID: <a@b>"), "a@b");
        assert_eq!(key("Message-ID: <c@d>\r\nIn-Reply-To: <a@b>"), "a@b");
        assert_eq!(
            key("Message-ID: <e@f>\r\nIn-Reply-To: <c@d>\r\nReferences: <a@b> <c@d>"),
            "a@b"
        );
        assert_eq!(key("Subject: x"), "");
    }
}
