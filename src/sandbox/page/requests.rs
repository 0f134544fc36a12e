//! The last requests, newest first: each opens to what was sent and what was answered.

use super::html::{around, details, element, link};
use crate::sandbox::{log::LoggedRequest, state::World};

/// So many are shown.
const MOST: usize = 40;

pub(super) fn section(world: &World) -> String {
    let entries = world.log().last(MOST);
    let rows: String = entries.iter().rev().map(|entry| request(&entry.begun())).collect();
    let html = if rows.is_empty() {
        element("p", "faint", "Nothing was asked so far.")
    } else {
        around("div", "card list", &rows)
            + &around(
                "p",
                "faint",
                &link("/sandbox/requests?last=100", "the last 100 as JSON, whole"),
            )
    };
    super::section("The last requests", &html)
}

fn request(request: &LoggedRequest) -> String {
    let query: Vec<String> = request
        .query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let asked = format!("{} {}", request.method, request.path);
    let asked = if query.is_empty() {
        asked
    } else {
        format!("{asked}?{}", query.join("&"))
    };
    let (class, status) = match request.status {
        0 => ("chip bad", "no answer".to_owned()),
        status @ 200..400 => ("chip good", status.to_string()),
        status => ("chip bad", status.to_string()),
    };
    let summary = [
        element("span", class, status),
        element("code", "", asked),
        element("span", "faint", request.at.strftime("%H:%M:%S UTC")),
        element("span", "bad", &request.reason),
    ];
    let sent = match request.content_type.as_str() {
        "" => "sent".to_owned(),
        content_type => format!("sent as {content_type}"),
    };
    let parts = [(sent.as_str(), &request.raw), ("answered", &request.answer)];
    let parts = parts.iter().filter(|(_, text)| !text.is_empty());
    let parts: String = parts
        .map(|(title, text)| element("p", "faint", title) + &element("div", "text", text))
        .collect();
    let nothing = || element("p", "faint", "Neither the request nor the answer has a body.");
    details(&summary, if parts.is_empty() { nothing() } else { parts }.as_str())
}
