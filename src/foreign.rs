//! The words of other programs on their way into our sentences: one line, bounded, without control characters.

use std::error::Error;

use reqwest::StatusCode;

/// So much of a fault of the network is worth reading.
const LONGEST_FAULT: usize = 300;

/// One line of at most `longest` characters.
pub fn cut(text: &str, longest: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `503 Service Unavailable`
pub fn status_line(http_status: u16) -> String {
    let status = StatusCode::from_u16(http_status).ok();
    let name = status.and_then(|status| status.canonical_reason());
    name.map_or_else(|| http_status.to_string(), |name| format!("{http_status} {name}"))
}

/// What lies at the bottom of an error, without the layers that only say that something failed.
pub fn root_of(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    cut(&innermost.to_string(), LONGEST_FAULT)
}
