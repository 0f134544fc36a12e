//! What is attached: names, kinds and places, never the octets.

use std::ops::Range;

use super::{
    header::{self, Header, one_line},
    part::Part,
    tnef::{File, Tnef},
    transfer::TransferEncoding,
};

/// How many attachments are listed.
const MAX_ATTACHMENTS: usize = 1_000;
/// How much of an attached message is read for its subject.
const MAX_NESTED_HEADER: usize = 64 * 1024;

/// A part that is not the text, without its octets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attachment {
    /// The file name, without folders and control characters; empty where there is none.
    pub name: String,
    /// In lower case, without parameters.
    pub content_type: String,
    /// In octets, decoded.
    pub size: u64,
    /// A picture that the HTML shows: nothing that the author attached.
    pub inline: bool,
    /// Without angle brackets; empty where there is none.
    pub content_id: String,
    /// Where the encoded octets of its part lie in the message.
    pub octets: Range<usize>,
    /// How they are encoded.
    pub encoding: TransferEncoding,
    /// Which of the decoded octets are its own, where it was unpacked; nothing where all are.
    pub within: Option<Range<usize>>,
}

impl Attachment {
    /// Its octets, decoded and unpacked, out of the message that it was found in.
    pub fn contents(&self, message: &[u8]) -> Vec<u8> {
        let decoded = self
            .encoding
            .decode(message.get(self.octets.clone()).unwrap_or_default());
        match self.within.clone() {
            Some(within) => decoded.get(within).unwrap_or_default().to_vec(),
            None => decoded.into_owned(),
        }
    }
}

/// A part that is attached, and what it was unpacked to where it is a `winmail.dat`.
pub struct Attached<'a> {
    part: &'a Part,
    pub unpacked: Option<Tnef>,
}

impl<'a> Attached<'a> {
    /// Unpacks it, whatever it is called, where it says what it is.
    pub fn of(part: &'a Part, message: &[u8]) -> Attached<'a> {
        let kind = part.content_type.value.as_str();
        let is_wrapped = matches!(kind, "application/ms-tnef" | "application/vnd.ms-tnef")
            || part.file_name().eq_ignore_ascii_case("winmail.dat");
        let unpack = || Tnef::read(&part.encoding.decode(&message[part.octets.clone()]));
        let unpacked = is_wrapped.then(unpack).flatten();
        // What nothing was found in stays as it is.
        Attached {
            part,
            unpacked: unpacked.filter(|tnef| *tnef != Tnef::default()),
        }
    }
}

/// All that is attached, in order, and whether there was more. `is_shown` tells
/// whether the HTML shows a picture of that Content-ID.
pub fn list(message: &[u8], attached: &[Attached<'_>], is_shown: &dyn Fn(&str) -> bool) -> (Vec<Attachment>, bool) {
    let mut attachments = Vec::new();
    for one in attached {
        match &one.unpacked {
            None => attachments.push(one.part.attachment(message, is_shown)),
            Some(tnef) => attachments.extend(tnef.files.iter().map(|file| one.part.unpacked(file, is_shown))),
        }
        if attachments.len() > MAX_ATTACHMENTS {
            attachments.truncate(MAX_ATTACHMENTS);
            return (attachments, true);
        }
    }
    (attachments, false)
}

impl Part {
    fn attachment(&self, message: &[u8], is_shown: &dyn Fn(&str) -> bool) -> Attachment {
        let mut name = self.file_name();
        if name.is_empty() && self.content_type.value == "message/rfc822" {
            name = format!("{}.eml", self.nested_subject(message));
        }
        Attachment {
            name,
            content_type: self.content_type.value.clone(),
            size: u64::try_from(self.encoding.size(&message[self.octets.clone()])).unwrap_or(u64::MAX),
            inline: !self.content_id.is_empty() && is_shown(&self.content_id),
            content_id: one_line(&self.content_id),
            octets: self.octets.clone(),
            encoding: self.encoding,
            within: None,
        }
    }

    /// The subject of an attached message, fit for a file name.
    fn nested_subject(&self, message: &[u8]) -> String {
        let octets = self.decoded(message, MAX_NESTED_HEADER);
        let nested = Header::read(header::octets(&octets[..octets.len().min(MAX_NESTED_HEADER)]));
        let subject = nested.find("Subject").map_or("", |field| field.value.as_str());
        let name: String = subject
            .chars()
            .map(|c| if "/\\:*?\"<>|".contains(c) { '_' } else { c })
            .take(100)
            .collect();
        if name.trim().is_empty() {
            "message".to_owned()
        } else {
            name.trim().to_owned()
        }
    }

    fn unpacked(&self, file: &File, is_shown: &dyn Fn(&str) -> bool) -> Attachment {
        let content_type = if file.content_type.is_empty() {
            "application/octet-stream"
        } else {
            &file.content_type
        };
        Attachment {
            name: file.name.clone(),
            content_type: content_type.to_owned(),
            size: u64::try_from(file.octets.len()).unwrap_or(u64::MAX),
            inline: !file.content_id.is_empty() && is_shown(&file.content_id),
            content_id: file.content_id.clone(),
            octets: self.octets.clone(),
            encoding: self.encoding,
            within: Some(file.octets.clone()),
        }
    }
}
