//! HTML of strangers as a ticket may show it.
//!
//! It is written anew: only known elements with known attributes come out, each closed again, every value in quotes and
//! every other `<` as text. So whatever the document does to a reader of HTML, what comes out says nothing else. What is
//! left out of an element is its tag; its text stays, but for what nobody sees (scripts, styles).

mod style;

use std::fmt::Write;

use super::{
    content_id,
    token::{Attributes, Token, Tokens},
};

/// A larger document is shown as text.
const MAX_LENGTH: usize = 2 * 1024 * 1024;
/// So is one that nests deeper, or whose outcome is larger.
const MAX_OPEN: usize = 250;
const MAX_WRITTEN: usize = 4 * 1024 * 1024;
/// A longer value of a plain attribute is none.
const MAX_VALUE: usize = 200;
/// A longer address leads nowhere.
const MAX_URL: usize = 8 * 1024;

/// Pictures that lie on somebody's server, who learns when they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RemotePictures {
    /// Those by `https`.
    #[default]
    Keep,
    /// Their description stands in their place.
    Drop,
}

/// Elements that come out, and attributes that they may have beside the general ones.
const ELEMENTS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("abbr", &[]),
    ("address", &[]),
    ("article", &[]),
    ("b", &[]),
    ("big", &[]),
    ("blockquote", &[]),
    ("br", &[]),
    ("caption", &[]),
    ("center", &[]),
    ("cite", &[]),
    ("code", &[]),
    ("col", &["span"]),
    ("colgroup", &["span"]),
    ("dd", &[]),
    ("del", &[]),
    ("div", &[]),
    ("dl", &[]),
    ("dt", &[]),
    ("em", &[]),
    ("font", &["color", "face", "size"]),
    ("footer", &[]),
    ("h1", &[]),
    ("h2", &[]),
    ("h3", &[]),
    ("h4", &[]),
    ("h5", &[]),
    ("h6", &[]),
    ("header", &[]),
    ("hr", &["size", "noshade"]),
    ("i", &[]),
    ("img", &["src", "alt"]),
    ("ins", &[]),
    ("kbd", &[]),
    ("li", &["value"]),
    ("main", &[]),
    ("mark", &[]),
    ("ol", &["start", "type"]),
    ("p", &[]),
    ("pre", &[]),
    ("q", &[]),
    ("s", &[]),
    ("samp", &[]),
    ("section", &[]),
    ("small", &[]),
    ("span", &[]),
    ("strike", &[]),
    ("strong", &[]),
    ("sub", &[]),
    ("sup", &[]),
    ("table", &["border", "cellpadding", "cellspacing"]),
    ("tbody", &[]),
    ("td", &["colspan", "rowspan", "nowrap"]),
    ("tfoot", &[]),
    ("th", &["colspan", "rowspan", "nowrap"]),
    ("thead", &[]),
    ("tr", &[]),
    ("tt", &[]),
    ("u", &[]),
    ("ul", &["type"]),
    ("var", &[]),
    ("wbr", &[]),
];
/// Attributes of any element. Neither `id` nor `class`: those are the page's that shows it.
const GENERAL: &[&str] = &[
    "align", "bgcolor", "dir", "height", "lang", "style", "title", "valign", "width",
];
/// Elements without an end.
const VOID: &[&str] = &["br", "col", "hr", "img", "wbr"];
/// Elements that end where one of the second list begins, unless one of the third stands between.
const ENDING: &[(&[&str], &[&str], &[&str])] = &[
    (
        &["p"],
        &[
            "p",
            "div",
            "table",
            "ul",
            "ol",
            "blockquote",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "pre",
        ],
        &["td", "th", "div", "li"],
    ),
    (&["li"], &["li"], &["ul", "ol"]),
    (&["dt", "dd"], &["dt", "dd"], &["dl"]),
    (
        &["td", "th"],
        &["td", "th", "tr", "tbody", "tfoot", "thead"],
        &["table"],
    ),
    (&["tr"], &["tr", "tbody", "tfoot", "thead"], &["table"]),
];
/// Elements that an end tag within them does not reach beyond, unless it is one of a table's.
const WALLS: &[&str] = &["td", "th", "table", "caption"];
const OF_TABLES: &[&str] = &["td", "th", "tr", "table", "tbody", "thead", "tfoot", "caption"];

/// The document with nothing in it that runs, loads, covers or leads astray. `inline` gives the address of the picture of
/// a Content-ID, where there is one. A document too large or too deep becomes its text.
pub fn safe_html(html: &str, pictures: RemotePictures, mut inline: impl FnMut(&str) -> Option<String>) -> String {
    let written = Writer::write(html, pictures, &mut inline);
    written.unwrap_or_else(|| text_to_html(&super::to_text(html)))
}

/// Plain text as HTML: what would be markup is text, lines stay lines, indentation stays.
pub fn text_to_html(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| {
        let escaped = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        escaped.replace('\t', "    ").replace("  ", " &nbsp;")
    });
    lines.collect::<Vec<_>>().join("<br>\n")
}

struct Writer<'a> {
    written: String,
    open: Vec<&'static str>,
    pictures: RemotePictures,
    inline: &'a mut dyn FnMut(&str) -> Option<String>,
}

impl<'a> Writer<'a> {
    fn write(
        html: &str,
        pictures: RemotePictures,
        inline: &'a mut dyn FnMut(&str) -> Option<String>,
    ) -> Option<String> {
        let mut writer = Writer {
            written: String::new(),
            open: Vec::new(),
            pictures,
            inline,
        };
        for token in Tokens::of(Some(html).filter(|html| html.len() <= MAX_LENGTH)?) {
            match token {
                Token::Text(text) => writer.text(text),
                Token::Open(name, tag) => writer.open(&name, tag),
                Token::Close(name) => writer.close(&name),
            }
            if writer.open.len() > MAX_OPEN || writer.written.len() > MAX_WRITTEN {
                return None;
            }
        }
        writer.close_to(0);
        Some(writer.written)
    }

    /// Text and values keep their entities, which never become markup again.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.written.push_str("&lt;"),
                '>' => self.written.push_str("&gt;"),
                '"' => self.written.push_str("&quot;"),
                '\0' => {}
                other => self.written.push(other),
            }
        }
    }

    fn open(&mut self, name: &str, tag: &str) {
        let Some((name, own)) = ELEMENTS.iter().copied().find(|(known, _)| *known == name) else {
            return;
        };
        self.end_before(name);
        if name == "img" {
            return self.picture(tag, own);
        }
        write!(self.written, "<{name}").expect("a text takes everything");
        self.attributes(tag, own);
        self.written.push('>');
        if !VOID.contains(&name) {
            self.open.push(name);
        }
    }

    /// A picture that can not be shown leaves its description.
    fn picture(&mut self, tag: &str, own: &[&str]) {
        let of = |name: &str| Attributes::of(tag).find(|(other, _)| other.eq_ignore_ascii_case(name));
        let (_, source) = of("src").unwrap_or_default();
        match self.source(source.trim()) {
            Some(url) => {
                self.written.push_str("<img");
                self.value("src", &url);
                self.attributes(tag, own);
                self.written.push('>');
            }
            None => {
                let (_, alt) = of("alt").unwrap_or_default();
                if !alt.trim().is_empty() {
                    self.text(&format!(" [{}] ", alt.trim()));
                }
            }
        }
    }

    fn source(&mut self, source: &str) -> Option<String> {
        let (scheme, rest) = source.split_once(':')?;
        match scheme.to_ascii_lowercase().as_str() {
            "cid" => (self.inline)(&content_id(rest)),
            "https" if self.pictures == RemotePictures::Keep && source.len() <= MAX_URL => Some(source.to_owned()),
            // The octets of a picture itself.
            "data" => is_picture(rest).then(|| source.to_owned()),
            _ => None,
        }
    }

    fn attributes(&mut self, tag: &str, own: &[&str]) {
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in Attributes::of(tag) {
            let known = GENERAL
                .iter()
                .chain(own)
                .copied()
                .find(|known| known.eq_ignore_ascii_case(name));
            let Some(name) = known.filter(|known| *known != "src" && !seen.contains(known)) else {
                continue;
            };
            seen.push(name);
            match name {
                "href" if leads_out(value.trim()) => {
                    self.value("href", value.trim());
                    self.written
                        .push_str(" target=\"_blank\" rel=\"noopener noreferrer nofollow\"");
                }
                "href" => {}
                "style" => {
                    let style = style::safe(value);
                    if !style.is_empty() {
                        self.value("style", &style);
                    }
                }
                "alt" | "title" => self.value(name, &value[..value.floor_char_boundary(MAX_URL)]),
                // As many columns as that are asked for to keep a browser busy.
                "colspan" | "rowspan" | "span" if value.trim().len() > 3 => {}
                _ if is_plain(value) => self.value(name, value.trim()),
                _ => {}
            }
        }
    }

    fn value(&mut self, name: &str, value: &str) {
        write!(self.written, " {name}=\"").expect("a text takes everything");
        self.text(value);
        self.written.push('"');
    }

    /// Ends what can not hold an element of that name.
    fn end_before(&mut self, name: &str) {
        for (ended, _, behind) in ENDING.iter().filter(|(_, by, _)| by.contains(&name)) {
            let within = self
                .open
                .iter()
                .rposition(|open| behind.contains(open))
                .map_or(0, |wall| wall + 1);
            if let Some(at) = self.open[within..].iter().position(|open| ended.contains(open)) {
                self.close_to(within + at);
            }
        }
    }

    fn close(&mut self, name: &str) {
        let of_table = OF_TABLES.contains(&name);
        let wall = |open: &&'static str| {
            if of_table {
                *open == "table"
            } else {
                WALLS.contains(open)
            }
        };
        let within = self
            .open
            .iter()
            .rposition(|open| wall(open) && *open != name)
            .map_or(0, |at| at + 1);
        if let Some(at) = self.open[within..].iter().rposition(|open| *open == name) {
            self.close_to(within + at);
        }
    }

    fn close_to(&mut self, depth: usize) {
        for name in self.open.split_off(depth).into_iter().rev() {
            write!(self.written, "</{name}>").expect("a text takes everything");
        }
    }
}

/// Its scheme stands there in plain letters: no entity makes another one of it.
fn leads_out(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    url.len() <= MAX_URL && matches!(scheme.as_deref(), Some("http" | "https" | "mailto" | "tel"))
}

/// `image/png;base64,…`; no SVG, which is a document.
fn is_picture(data: &str) -> bool {
    let Some((kind, octets)) = data.split_once(";base64,") else {
        return false;
    };
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=') || b.is_ascii_whitespace();
    matches!(
        kind,
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/bmp"
    ) && octets.bytes().all(is_base64)
}

fn is_plain(value: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || " #%.,-+'".contains(c);
    value.len() <= MAX_VALUE && value.chars().all(is_plain)
}

#[cfg(test)]
mod tests;
