//! A report as it is posted to a webhook: names for programs, and a text that chats show as it is.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Content, Digest, FAILED, SUPPRESSED, Sheet, Standing, paragraph::bounded};
use crate::{config::WebhookFormat, journal::Notice, outcome::field};

/// How many notices of one topic stand in a digest, and how many at all: each has its message in the journal.
const MAX_OF_A_TOPIC: usize = 25;
const MAX_NOTICES: usize = 100;
/// Chats cut or refuse what is longer than some 4,000 characters.
const MAX_TEXT: usize = 3500;

impl Sheet<'_> {
    /// The body of the request.
    pub fn post(&self, content: &impl Content, format: WebhookFormat) -> Vec<u8> {
        let body = match format {
            WebhookFormat::Json => self.names(content),
            WebhookFormat::Text => json!({ "text": chat(&content.text()) }),
            WebhookFormat::Teams => card(&content.summary(), &content.text()),
        };
        body.to_string().into_bytes()
    }

    fn names(&self, content: &impl Content) -> Value {
        let mut names = Map::new();
        names.insert("kind".to_owned(), content.kind().into());
        names.insert("report".to_owned(), self.id.into());
        names.insert("host".to_owned(), field::host(self.hostname).into());
        names.insert("at".to_owned(), self.now.to_string().into());
        names.insert("summary".to_owned(), content.summary().into());
        names.insert("text".to_owned(), chat(&content.text()).into());
        names.extend(content.data());
        Value::Object(names)
    }
}

/// The notices of a digest by their names, the first of each topic, and how many there are.
pub(super) fn notices(digest: &Digest<'_>) -> Map<String, Value> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut named = Vec::new();
    for notice in digest.notices {
        let count = seen.entry(topic(&notice.topic)).or_default();
        *count += 1;
        if *count <= MAX_OF_A_TOPIC && named.len() < MAX_NOTICES {
            named.push(by_names(digest, notice));
        }
    }
    let left_off = digest.notices.len() - named.len();
    Map::from_iter([
        ("notices".to_owned(), named.into()),
        ("left_off".to_owned(), left_off.into()),
    ])
}

/// Of bounces that were not sent there is one topic for each sender.
fn topic(topic: &str) -> &str {
    if topic.starts_with(SUPPRESSED) {
        SUPPRESSED
    } else {
        topic
    }
}

fn by_names(digest: &Digest<'_>, notice: &Notice) -> Value {
    let row = notice.entry.and_then(|entry| digest.rows.get(&entry));
    let commands = notice.entry.map_or(Vec::new(), |entry| {
        vec![
            format!("halo-intake show {entry}"),
            format!("halo-intake retry {entry}"),
        ]
    });
    let line = |text: &str| field::line(text);
    let standing = digest.standings.get(&notice.topic);
    let mailbox = row.map(|row| &row.mailbox);
    let mailbox = mailbox.or(standing.and_then(|standing| standing.mailbox.as_ref()));
    json!({
        "topic": match topic(&notice.topic) {
            FAILED => "failed".to_owned(),
            SUPPRESSED => "bounce suppressed".to_owned(),
            topic => line(topic),
        },
        "text": bounded(&notice.text),
        "at": notice.at.to_string(),
        "lasts": standing.and_then(Standing::lasts),
        "id": notice.entry,
        "mailbox": mailbox.map(|name| line(&name.0)),
        "from": row.map(|row| line(&row.from)),
        "subject": row.map(|row| line(&row.subject)),
        "commands": commands,
    })
}

/// The text as a block of code: nothing in it is markup, calls a person or hides where a link leads.
fn chat(text: &str) -> String {
    format!("```\n{}```", harmless(&cut(text)))
}

/// What begins a mention or a link in some chat even within code.
fn harmless(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›").replace('`', "'")
}

/// The first lines, and where the rest is.
fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = text.char_indices().nth(MAX_TEXT).map_or(text.len(), |(end, _)| end);
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}\n…\nThe rest: halo-intake log --outcome failed\n", &text[..end])
}

/// An Adaptive Card: each line a text of its own, since a card would join them. Its markdown knows links, so that none
/// may come about.
fn card(summary: &str, text: &str) -> Value {
    let line = |text: &str| harmless(text).replace("](", "] (");
    let title = json!({ "type": "TextBlock", "text": line(summary), "weight": "Bolder", "wrap": true });
    let text = cut(text);
    let lines = text.lines().skip(1).map(|text| {
        let spacing = if text.is_empty() { "Small" } else { "None" };
        // A card leaves out white space at the beginning of a line, and a text of nothing.
        let indent = text.len() - text.trim_start().len();
        let shown = format!("{}{}", "\u{a0}".repeat(indent.max(1)), line(text.trim_start()));
        json!({ "type": "TextBlock", "text": shown, "fontType": "Monospace", "wrap": true, "spacing": spacing })
    });
    let body: Vec<Value> = std::iter::once(title).chain(lines).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}
