//! Filters on texts as a whole.

use std::fmt::Write;

use tera::Value;

use super::{Input, full_text, is_nothing, json};
use crate::{
    expression::budget::{MOST_TEXT, Stop},
    message::html,
};

type Made = Result<Value, Stop>;

/// In capital letters.
pub fn upper(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(text.to_uppercase())
}

/// In small letters.
pub fn lower(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(text.to_lowercase())
}

/// The first letter large, the others small.
pub fn capitalize(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    input.made(first + &letters.as_str().to_lowercase())
}

/// Each word's first letter large; an apostrophe begins no word.
pub fn title(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let mut made = String::with_capacity(text.len());
    let mut begins = true;
    for letter in text.chars() {
        if begins {
            made.extend(letter.to_uppercase());
        } else {
            made.extend(letter.to_lowercase());
        }
        begins = !letter.is_alphanumeric() && letter != '\'' && letter != '’';
    }
    input.made(made)
}

/// Without white space or `pat` at both ends.
pub fn trim(input: &mut Input<'_>) -> Made {
    trimmed(input, true, true)
}

/// Without white space or `pat` at the start.
pub fn trim_start(input: &mut Input<'_>) -> Made {
    trimmed(input, true, false)
}

/// Without white space or `pat` at the end.
pub fn trim_end(input: &mut Input<'_>) -> Made {
    trimmed(input, false, true)
}

fn trimmed(input: &mut Input<'_>, start: bool, end: bool) -> Made {
    let text = input.text()?;
    let pat = input.text_argument("pat")?.filter(|pat| !pat.is_empty());
    let mut made: &str = &text;
    if start {
        made = pat
            .as_deref()
            .map_or_else(|| made.trim_start(), |pat| made.trim_start_matches(pat));
    }
    if end {
        made = pat
            .as_deref()
            .map_or_else(|| made.trim_end(), |pat| made.trim_end_matches(pat));
    }
    input.made(made.to_owned())
}

/// With each `from` replaced by `to`; what it grows to is known before it is made.
pub fn replace(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let from = input.text_argument("from")?.unwrap_or_default();
    let to = input.text_argument("to")?.unwrap_or_default();
    if from.is_empty() {
        return input.made(text.into_owned());
    }
    let found = text.matches(&*from).count();
    let length = text.len() - found * from.len() + found.saturating_mul(to.len());
    input.run.charge_text(length)?;
    Ok(Value::from(text.replace(&*from, &to)))
}

/// The first characters.
pub fn truncate(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let length = usize::try_from(input.whole_argument("length")?.unwrap_or(0)).unwrap_or(0);
    let end = input.text_argument("end")?;
    match text.char_indices().nth(length) {
        Some((at, _)) => input.made(format!("{}{}", &text[..at], end.as_deref().unwrap_or("…"))),
        None => input.made(text.into_owned()),
    }
}

/// Lines moved in.
pub fn indent(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let width = usize::try_from(input.whole_argument("width")?.unwrap_or(4))
        .unwrap_or(0)
        .min(1000);
    let (first, blank) = (input.truth_argument("first"), input.truth_argument("blank"));
    let margin = " ".repeat(width);
    let mut made = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            made.push('\n');
        }
        if (number > 0 || first) && (blank || !line.trim().is_empty()) {
            made.push_str(&margin);
        }
        made.push_str(line);
        if made.len() > MOST_TEXT {
            break;
        }
    }
    input.made(made)
}

/// With `<br>` for ends of lines.
pub fn newlines_to_br(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(text.replace("\r\n", "\n").replace(['\n', '\r'], "<br>"))
}

/// Written for HTML.
pub fn escape_html(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let mut made = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\'' => made.push_str("&#39;"),
            _ => made.push(letter),
        }
    }
    input.made(made)
}

/// The text of an HTML document, as `email.body` has it.
pub fn strip_html(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(html::to_text(&text).trim().to_owned())
}

/// Percent-encoded; only what RFC 3986, section 2.3 calls unreserved stays.
pub fn urlencode(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let mut made = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            made.push(char::from(octet));
        } else {
            write!(made, "%{octet:02X}").expect("a String takes everything");
        }
    }
    input.made(made)
}

/// The parts between `pat`.
pub fn split(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let pat = input.text_argument("pat")?.unwrap_or_default();
    if pat.is_empty() {
        return Err(Stop::Failed("split takes a pat that is not empty".to_owned()));
    }
    // One more than is admitted is enough to be told so.
    let parts = text.split(&*pat).take(super::MOST_ITEMS + 1).map(Value::from).collect();
    input.made_list(parts)
}

/// How many words.
pub fn wordcount(input: &mut Input<'_>) -> Made {
    Ok(Value::from(input.text()?.split_whitespace().count()))
}

/// Any value as text.
pub fn str(input: &mut Input<'_>) -> Made {
    let text = full_text(input.value, input.run)?;
    Ok(Value::from(&*text))
}

/// Any value as JSON.
pub fn json_encode(input: &mut Input<'_>) -> Made {
    let text = json(input.value)?;
    input.made(text)
}

/// Another value for what is empty.
pub fn default(input: &mut Input<'_>) -> Made {
    let value = input.value;
    let empty = is_nothing(value) || value.len() == Some(0) || (input.truth_argument("boolean") && !value.is_truthy());
    Ok(if empty {
        input.argument("value").cloned().unwrap_or_else(Value::none)
    } else {
        value.clone()
    })
}
