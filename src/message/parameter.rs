//! Fields with parameters: Content-Type and Content-Disposition (RFC 2045, RFC 2183, RFC 2231).

use std::collections::BTreeMap;

use super::{charset, header::one_line, transfer, word};

/// How much of such a field is read, and how many parameters: enough for a long name in many sections.
const MAX_FIELD: usize = 16 * 1024;
const MAX_PARAMETERS: usize = 200;

/// A value and its parameters, such as `text/plain; charset=utf-8`.
#[derive(Debug, Clone, Default)]
pub struct Parameterized {
    /// What stands before the first semicolon, in lower case, without white space and comments.
    pub value: String,
    parameters: BTreeMap<String, Parameter>,
}

/// One parameter, in the sections of RFC 2231.
#[derive(Debug, Clone, Default)]
struct Parameter {
    plain: Option<String>,
    /// By number; `true` where the section is percent encoded.
    sections: BTreeMap<u32, (bool, String)>,
}

impl Parameterized {
    /// Reads a raw field body.
    pub fn read(raw: &str) -> Parameterized {
        let mut raw = raw;
        if raw.len() > MAX_FIELD {
            raw = &raw[..raw.floor_char_boundary(MAX_FIELD)];
        }
        let mut pieces = split(raw).into_iter();
        let value: String = pieces.next().unwrap_or_default();
        let mut field = Parameterized {
            value: value
                .split('(')
                .next()
                .unwrap_or("")
                .chars()
                .filter(|c| !c.is_whitespace() && *c != '"')
                .collect::<String>()
                .to_lowercase(),
            parameters: BTreeMap::new(),
        };
        for piece in pieces.take(MAX_PARAMETERS) {
            if let Some((name, value)) = piece.split_once('=') {
                field.add(name.trim(), unquoted(value.trim()));
            }
        }
        field
    }

    fn add(&mut self, name: &str, value: String) {
        let (name, encoded) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        let section = name
            .split_once('*')
            .and_then(|(name, number)| Some((name, number.parse::<u32>().ok()?)));
        let (name, number) = section.map_or((name, None), |(name, number)| (name, Some(number)));
        let parameter = self.parameters.entry(name.to_ascii_lowercase()).or_default();
        match number {
            None if !encoded => parameter.plain = parameter.plain.take().or(Some(value)),
            _ => {
                parameter
                    .sections
                    .entry(number.unwrap_or(0))
                    .or_insert((encoded, value));
            }
        }
    }

    /// The parameter as text, decoded by RFC 2231, or by RFC 2047 as many send it.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let parameter = self.parameters.get(name)?;
        let text = if parameter.sections.is_empty() {
            word::decode(parameter.plain.as_deref()?)
        } else {
            parameter.joined()
        };
        Some(one_line(&text))
    }
}

impl Parameter {
    /// The sections in order; the first one may name the charset of all: `utf-8'en'…`.
    fn joined(&self) -> String {
        let mut octets = Vec::new();
        let mut label = "";
        for (index, (encoded, value)) in self.sections.values().enumerate() {
            let mut value = value.as_str();
            if index == 0 && *encoded {
                // Only the first two apostrophes are marks; a name may hold more.
                let mut marks = value.splitn(3, '\'');
                if let (Some(charset), Some(_), Some(rest)) = (marks.next(), marks.next(), marks.next()) {
                    (label, value) = (charset, rest);
                }
            }
            if *encoded {
                octets.extend(transfer::percent(value.as_bytes()))
            } else {
                octets.extend(value.bytes())
            }
        }
        word::decode(&charset::decoded(&octets, label))
    }
}

/// Cuts at semicolons outside quotes.
fn split(raw: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in raw.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

/// A quoted string's text, or a token up to what ends it.
fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"') else {
        return value.trim_end_matches('"').to_owned();
    };
    let mut text = String::new();
    let mut characters = inside.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            // Windows paths come unescaped; only what needs it is taken for an escape.
            '\\' if matches!(characters.peek(), Some('"' | '\\')) => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, name: &str, expected: Option<&str>) {
        assert_eq!(Parameterized::read(raw).parameter(name).as_deref(), expected, "{raw}");
    }

    #[test]
    fn values_and_plain_parameters_are_read() {
        assert_eq!(
            Parameterized::read("Text/Plain (comment); charset=x").value,
            "text/plain"
        );
        check("text/plain; charset=\"utf-8\"; format=flowed", "charset", Some("utf-8"));
        check("text/plain; CHARSET = utf-8", "charset", Some("utf-8"));
        check("multipart/mixed; boundary=\"a;b=\\\"c\"", "boundary", Some("a;b=\"c"));
        check("multipart/mixed; boundary==_x=", "boundary", Some("=_x="));
        check("text/plain;;", "charset", None);
    }

    #[test]
    fn sections_are_joined_and_decoded() {
        check(
            "attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt",
            "filename",
            Some("Grüße.txt"),
        );
        check(
            "attachment; filename*1*=%BC.txt; filename*0*=utf-8''Gr%C3",
            "filename",
            Some("Grü.txt"),
        );
        check(
            "attachment; filename*0=\"long \"; filename*1=\"name.txt\"",
            "filename",
            Some("long name.txt"),
        );
        check(
            "attachment; filename=\"x.txt\"; filename*=iso-8859-1''%FC.txt",
            "filename",
            Some("ü.txt"),
        );
    }

    #[test]
    fn an_apostrophe_in_the_name_stays() {
        check(
            "attachment; filename*=utf-8''O'Brien.txt",
            "filename",
            Some("O'Brien.txt"),
        );
        check("attachment; filename*=O%27Brien.txt", "filename", Some("O'Brien.txt"));
    }

    #[test]
    fn encoded_words_in_parameters_are_decoded_though_they_should_not_be_there() {
        check(
            "attachment; filename=\"=?utf-8?q?Gr=C3=BC=C3=9Fe.txt?=\"",
            "filename",
            Some("Grüße.txt"),
        );
    }
}
