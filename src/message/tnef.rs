//! `winmail.dat`: what Outlook wraps a message in (MS-OXTNEF), unpacked to its texts and files.
//!
//! The files' octets stay where they are; what is kept of each is its place. Whatever breaks off ends the reading there,
//! and what was read before it counts. A message within is one file and is not looked into.

mod compressed;
mod property;
mod rtf;
mod stream;

use std::ops::Range;

use super::{charset, header::one_line, html};
use property::{Property, properties};
use rtf::Rtf;
use stream::{Attribute, Stream};

/// How many files are listed.
const MAX_FILES: usize = 1_000;
/// How much of each text is kept.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tnef {
    /// Empty where there is none.
    pub text: String,
    /// Empty where there is none.
    pub html: String,
    pub files: Vec<File>,
}

/// A file in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// Without folders and control characters; empty where there is none.
    pub name: String,
    /// In lower case; empty where nothing says so.
    pub content_type: String,
    /// Without angle brackets; empty where there is none.
    pub content_id: String,
    /// Where its octets lie.
    pub octets: Range<usize>,
}

/// Texts in the forms they came in.
#[derive(Default)]
struct Texts {
    codepage: u32,
    html_codepage: u32,
    plain: String,
    html: Range<usize>,
    rtf: Range<usize>,
}

impl Tnef {
    /// Unpacks it; nothing where it is none.
    pub fn read(octets: &[u8]) -> Option<Tnef> {
        let mut tnef = Tnef::default();
        let mut texts = Texts::default();
        for (attribute, place) in Stream::of(octets)? {
            match attribute {
                Attribute::Codepage => texts.codepage = stream::number(&octets[place]).unwrap_or(0),
                Attribute::Body => texts.plain = ended(&charset::decoded(&octets[place], label(texts.codepage))),
                Attribute::MessageProperties => {
                    for (property, value) in properties(octets, place) {
                        texts.take(property, octets, value);
                    }
                }
                Attribute::File => {
                    if tnef.files.len() == MAX_FILES {
                        break;
                    }
                    tnef.files.push(File::default());
                }
                other => {
                    if let Some(file) = tnef.files.last_mut() {
                        file.take(other, octets, place, texts.codepage);
                    }
                }
            }
        }
        // A file without octets is a picture of one in the text, or was cut.
        tnef.files
            .retain(|file| !file.octets.is_empty() || !file.name.is_empty());
        (tnef.text, tnef.html) = texts.read(octets);
        Some(tnef)
    }
}

impl Texts {
    fn take(&mut self, property: Property, octets: &[u8], place: Range<usize>) {
        match property {
            Property::Text { is_wide } => self.plain = text(&octets[place], is_wide, self.codepage),
            Property::Html => self.html = place,
            Property::Rtf => self.rtf = place,
            Property::InternetCodepage => self.html_codepage = stream::number(&octets[place]).unwrap_or(0),
            _ => {}
        }
    }

    fn read(self, octets: &[u8]) -> (String, String) {
        let rtf = compressed::decompressed(&octets[self.rtf.clone()]).map(|rtf| rtf::read(&rtf));
        let page = &octets[self.html.clone()];
        let named = || html::meta_charset(page).unwrap_or_default();
        let mut html = match label(self.html_codepage) {
            "" => charset::decoded(page, &named()),
            label => charset::decoded(page, label),
        }
        .into_owned();
        let mut plain = self.plain;
        match rtf {
            Some(Rtf::Html(wrapped)) if html.trim().is_empty() => html = wrapped,
            Some(Rtf::Text(text)) if plain.trim().is_empty() => plain = text,
            _ => {}
        }
        (clean(&plain), clean(&html))
    }
}

impl File {
    fn take(&mut self, attribute: Attribute, octets: &[u8], place: Range<usize>, codepage: u32) {
        match attribute {
            Attribute::FileName if self.name.is_empty() => self.name = name(&text(&octets[place], false, codepage)),
            Attribute::FileOctets => self.octets = place,
            Attribute::FileProperties => {
                for (property, value) in properties(octets, place) {
                    self.take_property(property, octets, value, codepage);
                }
            }
            _ => {}
        }
    }

    fn take_property(&mut self, property: Property, octets: &[u8], place: Range<usize>, codepage: u32) {
        let text = |is_wide| one_line(&text(&octets[place.clone()], is_wide, codepage));
        match property {
            Property::FileName { is_wide } => self.name = name(&text(is_wide)),
            // The title of a message within.
            Property::DisplayName { is_wide } if self.name.is_empty() => self.name = name(&text(is_wide)),
            Property::MediaType { is_wide } => self.content_type = text(is_wide).to_lowercase(),
            Property::ContentId { is_wide } => text(is_wide)
                .trim_matches(['<', '>', ' '])
                .clone_into(&mut self.content_id),
            Property::FileOctets => self.octets = place,
            Property::FileObject => {
                self.octets = place.start.saturating_add(property::OBJECT_KIND).min(place.end)..place.end;
                if stream::is_one(&octets[self.octets.clone()]) {
                    "application/ms-tnef".clone_into(&mut self.content_type);
                }
            }
            _ => {}
        }
    }
}

/// Text ends at the first zero.
fn ended(text: &str) -> String {
    text.split('\0').next().unwrap_or("").to_owned()
}

fn text(octets: &[u8], is_wide: bool, codepage: u32) -> String {
    if !is_wide {
        return ended(&charset::decoded(octets, label(codepage)));
    }
    let units = octets
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    ended(
        &char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect::<String>(),
    )
}

fn name(text: &str) -> String {
    let name = one_line(text.rsplit(['/', '\\']).next().unwrap_or(""));
    name[..name.floor_char_boundary(255)].to_owned()
}

/// Lines end in line feeds; no other control characters, and not more than is kept.
fn clean(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.retain(|c| matches!(c, '\n' | '\t') || !c.is_control());
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

/// The charset of a codepage of Windows; empty where it is unknown.
fn label(codepage: u32) -> &'static str {
    match codepage {
        65001 => "utf-8",
        1250 => "windows-1250",
        1251 => "windows-1251",
        1252 => "windows-1252",
        1253 => "windows-1253",
        1254 => "windows-1254",
        1255 => "windows-1255",
        1256 => "windows-1256",
        1257 => "windows-1257",
        1258 => "windows-1258",
        874 => "windows-874",
        932 => "shift_jis",
        936 => "gb18030",
        949 => "windows-949",
        950 => "big5",
        20866 => "koi8-r",
        28591 => "iso-8859-1",
        28592 => "iso-8859-2",
        28595 => "iso-8859-5",
        28597 => "iso-8859-7",
        28599 => "iso-8859-9",
        28605 => "iso-8859-15",
        50220 => "iso-2022-jp",
        54936 => "gb18030",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
