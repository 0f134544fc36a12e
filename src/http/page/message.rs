//! One message: what became of it and why, and what it says.

use axum::{
    Extension,
    extract::{Path, RawQuery, State},
};
use bytes::Bytes;
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Answer, Site,
    query::Query,
    refusal::Refusal,
    sheet::{Sheet, Tab},
    trace, words,
};
use crate::{
    count::counted,
    http::access::Caller,
    journal::{Entry, EntryId, JournalError, Spot},
    message::{Attachment, HeaderField, Message, address::NameAddr},
    outcome::Outcome,
    task,
};

/// So much of the text is shown; the rest is in the message as it came.
const LONGEST_TEXT: usize = 20_000;
/// So many recipients, attachments and header fields.
const MOST_RECIPIENTS: usize = 20;
const MOST_ATTACHMENTS: usize = 100;
const MOST_FIELDS: usize = 200;
const LONGEST_FIELD: usize = 2_000;
/// Whoever let it run again sees what becomes of it: the browser asks again after so many seconds.
const AGAIN: u32 = 2;

/// What is shown of a message that is still kept as it came.
struct Content {
    to: (Vec<NameAddr>, usize),
    cc: (Vec<NameAddr>, usize),
    text: String,
    is_whole: bool,
    has_html: bool,
    attachments: (Vec<Attachment>, usize),
    fields: (Vec<HeaderField>, usize),
    cut: Vec<&'static str>,
}

/// The id in an address.
pub fn id(text: &str) -> Result<EntryId, Refusal> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit());
    let id = text.parse().ok().filter(|_| is_plain);
    id.map(EntryId).ok_or_else(|| Refusal::no_message(text))
}

/// `GET /message/ID`
pub async fn page(
    State(site): State<Site>,
    Extension(caller): Extension<Caller>,
    Path(written): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let entry = id(&written)?;
    let now = site.0.world.clock.now();
    let found = site
        .look(move |journal| async move {
            let Some(found) = journal.entry(entry).await? else {
                return Ok(None);
            };
            let content = match journal.octets(entry).await? {
                Some(octets) => Some(off_the_runtime(move || Content::read(&octets)).await?),
                None => None,
            };
            Ok(Some((found, content)))
        })
        .await?;
    let (entry, content) = found.ok_or_else(|| Refusal::no_message(&written))?;
    let before = Query::of(query.as_deref()).text("again").parse().ok();
    let subject = words::line(entry.row.title());
    let sheet = Sheet {
        again: before.filter(|before| goes_on(&entry, *before)).map(|_| AGAIN),
        ..Sheet::new(&subject, Tab::None, &caller)
    };
    Ok(sheet.around(&html! {
        p .faint { a href="/log" { "Log" } " / message " code { (entry.row.id) } }
        h1 { bdi { (subject) } }
        (verdict(&entry, now))
        (again(&entry, &caller, content.is_some()))
        (facts(&entry, content.as_ref(), now))
        (said(&entry, content.as_ref()))
        (trace::attempts(&entry, now))
        @if let Some(content) = &content { (header(content)) }
    }))
}

/// Whether a message that had so many attempts when somebody let it run again has not come to anything since.
fn goes_on(entry: &Entry, before: u32) -> bool {
    let row = &entry.row;
    row.outcome == "pending" || (row.outcome == "deferred" && row.attempts <= before)
}

/// Reads a message: a large one takes a while.
pub async fn off_the_runtime<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, JournalError> {
    task::blocking(read).await.map_err(|error| JournalError::NotRead {
        reason: error.to_string(),
    })
}

impl Content {
    fn read(octets: &Bytes) -> Content {
        let message = Message::read(octets);
        let (text, is_whole) = words::cut(&message.body, LONGEST_TEXT);
        Content {
            text: words::lines(text),
            is_whole,
            has_html: !message.html.trim().is_empty(),
            to: first(message.to, MOST_RECIPIENTS),
            cc: first(message.cc, MOST_RECIPIENTS),
            attachments: first(message.attachments, MOST_ATTACHMENTS),
            fields: first(message.header_fields, MOST_FIELDS),
            cut: message.cut,
        }
    }
}

/// The first ones, and how many there are besides.
fn first<T>(mut all: Vec<T>, most: usize) -> (Vec<T>, usize) {
    let more = all.len().saturating_sub(most);
    all.truncate(most);
    (all, more)
}

/// What became of it, in one line and a reason.
fn verdict(entry: &Entry, now: Timestamp) -> Markup {
    let row = &entry.row;
    html! {
        p .verdict {
            (words::outcome(&row.outcome, row.attempts))
            " from " bdi { strong { (words::line(row.author())) } }
            ", received " (words::time(row.time, now))
            @if !row.rule.is_empty() { ", by rule " strong { (words::line(&row.rule)) } }
        }
        @if !row.reason.is_empty() { p .reason { bdi { (words::line(&row.reason)) } } }
        @if let Some(due) = entry.due { p { "It comes again " (words::time(due, now)) } }
    }
}

/// The form that lets it run again, or how one comes to it.
fn again(entry: &Entry, caller: &Caller, is_kept: bool) -> Markup {
    let id = entry.row.id;
    let (title, what) = match Outcome::of_word(&entry.row.outcome) {
        Some(_) => (
            "Run it again …",
            "Its rules run again from the start, and it is settled anew in its mailbox.",
        ),
        None => ("Try it now …", "It is tried now, not only when it is due."),
    };
    html! {
        @if entry.row.outcome == "pending" {
            p .faint { "It is in hand, or it has its turn next." }
        } @else if !is_kept {
            p .faint { "It can not run again: it is no longer kept as it came." }
        } @else if let Caller::Session { proof } = caller {
            details .again {
                summary { (title) }
                form method="post" action={ "/message/" (id) "/retry" } {
                    input type="hidden" name="proof" value=(proof);
                    p { (what) }
                    p { button { (title.trim_end_matches(" …")) } }
                }
            }
        } @else if *caller == Caller::Program {
            p .faint {
                "A program lets it run again by " code { "POST /message/" (id) "/retry" }
                " with its token; in a browser, whoever signs in has a button here."
            }
        } @else {
            p .faint {
                "To let it run again from here, [http] needs a token: " code { "token = { credential = \"http-token\" }" }
                ". On the machine itself " code { "halo-intake retry " (id) } " does it."
            }
        }
    }
}

fn facts(entry: &Entry, content: Option<&Content>, now: Timestamp) -> Markup {
    let row = &entry.row;
    let place = format!("{} {}", row.mailbox, entry.place.folder);
    html! {
        dl .facts {
            dt { "Mailbox" } dd { (words::line(place.trim())) }
            @if let Some(content) = content {
                (people("To", &content.to))
                (people("Cc", &content.cc))
            }
            dt { "Arrived" } dd { (words::time(entry.internal_date, now)) }
            @if !entry.message_id.is_empty() { dt { "Message-ID" } dd { code { (words::line(&entry.message_id)) } } }
            dt { "Size" } dd { (words::size(entry.size)) }
            dt { "Requests to Halo" } dd { (row.calls) }
            dt { "Settled" } dd { (settled(entry, now)) }
            @for (id, to, state, reason) in &entry.letters {
                dt { "Letter " (id.0) }
                dd {
                    "to " bdi { (words::line(&to.join(", "))) } ", " (state)
                    @if !reason.is_empty() { ": " (words::line(reason)) }
                }
            }
            @if let Some(content) = content {
                @if !content.cut.is_empty() { dt { "Cut by bounds" } dd { (content.cut.join(", ")) } }
            }
        }
    }
}

fn people(name: &str, (people, more): &(Vec<NameAddr>, usize)) -> Markup {
    html! {
        @if !people.is_empty() {
            dt { (name) }
            dd {
                @for (place, person) in people.iter().enumerate() {
                    @if place > 0 { ", " }
                    bdi { (words::line(&full(person))) }
                }
                @if *more > 0 { " … and " (more) " more" }
            }
        }
    }
}

/// `Ann Lee <ann@acme.example>`
fn full(person: &NameAddr) -> String {
    if person.name.is_empty() {
        person.address.clone()
    } else {
        format!("{} <{}>", person.name, person.address)
    }
}

fn settled(entry: &Entry, now: Timestamp) -> Markup {
    html! {
        @match (&entry.settled, &entry.settle_again, &entry.place.spot) {
            (Some((at, how)), ..) => { (words::line(how)) ", " (words::time(*at, now)) }
            (None, _, Spot::Handed { .. }) => { "It lies in no mailbox." }
            (None, Some((at, reason)), _) if !reason.is_empty() => {
                "Not yet: " (words::line(reason)) "; again " (words::time(*at, now))
            }
            _ => { "Not yet." }
        }
    }
}

/// Its text, its HTML in a frame that may do nothing, and the names of its attachments.
fn said(entry: &Entry, content: Option<&Content>) -> Markup {
    let id = entry.row.id;
    html! {
        section aria-labelledby="said" {
            h2 #said { "What it says" }
            @match content {
                None => { p .faint { "It is no longer kept as it came." } }
                Some(content) => {
                    @if content.text.trim().is_empty() { p .faint { "It has no text." } }
                    @else { pre .text dir="auto" tabindex="0" { (content.text) } }
                    @if !content.is_whole { p { "The text is cut here; the message as it came has all of it." } }
                    @if content.has_html {
                        details {
                            summary { "As it was formatted" }
                            p .faint { "Pictures from elsewhere are not loaded, and links lead nowhere." }
                            iframe src={ "/message/" (id) "/html" } title="The message as it was formatted" sandbox=""
                                referrerpolicy="no-referrer" loading="lazy" {}
                        }
                    }
                    (attachments(&content.attachments))
                    p { a href={ "/message/" (id) "/raw" } download { "The message as it came" } " (" (words::size(entry.size)) ")" }
                }
            }
        }
    }
}

fn attachments((attachments, more): &(Vec<Attachment>, usize)) -> Markup {
    html! {
        @if !attachments.is_empty() {
            h3 { "Attachments" }
            ul .files {
                @for file in attachments {
                    li {
                        bdi { @if file.name.is_empty() { "(no name)" } @else { (words::line(&file.name)) } }
                        " " span .faint {
                            (words::line(&file.content_type)) ", " (words::size(file.size))
                            @if file.inline { ", shown in the text" }
                        }
                    }
                }
                @if *more > 0 { li { "… and " (more) " more" } }
            }
        }
    }
}

fn header(content: &Content) -> Markup {
    let (fields, more) = &content.fields;
    html! {
        section aria-labelledby="header" {
            h2 #header { "Header" }
            details {
                summary { (counted(fields.len() + more, "field")) }
                dl .facts.header {
                    @for field in fields {
                        dt { (words::line(words::cut(&field.name, 100).0)) }
                        dd { bdi { (words::line(words::cut(&field.value, LONGEST_FIELD).0)) } }
                    }
                }
                @if *more > 0 { p { "… and " (more) " more" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number() {
        assert_eq!(id("17").ok(), Some(EntryId(17)));
        for text in ["", "-1", "+1", "1e3", "17x", "99999999999999999999", "<b>"] {
            assert!(id(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_a_large_message_a_part_is_shown() {
        let to = (0..1_000)
            .map(|n| format!("a{n}@acme.example"))
            .collect::<Vec<_>>()
            .join(", ");
        let text = "word ".repeat(20_000);
        let octets = Bytes::from(format!("From: a@b.example\r\nTo: {to}\r\n\r\n{text}\r\n"));
        let content = Content::read(&octets);
        assert_eq!((content.to.0.len(), content.to.1), (MOST_RECIPIENTS, 980));
        assert_eq!((content.text.chars().count(), content.is_whole), (LONGEST_TEXT, false));
    }
}
