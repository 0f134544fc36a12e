//! The report to operators: one digest of what they have not heard of yet. Pure: the same notices give the same
//! octets.

use std::collections::HashMap;

use jiff::Timestamp;
use mail_builder::{MessageBuilder, headers::content_type::ContentType, mime::MimePart};

use super::field;
use crate::{
    journal::{EntryId, Notice, Row},
    message::address::{AddrSpec, NameAddr},
};

/// How many messages are named; an outage of a day must not make a mail that nobody can open.
const MAX_MESSAGES: usize = 100;
/// How many messages of another topic are named: many suppressed bounces to one sender are one thing.
const MAX_MESSAGES_OF_A_TOPIC: usize = 5;
/// How many topics are named, and how many texts of one.
const MAX_TOPICS: usize = 30;
const MAX_TEXTS: usize = 3;
/// The topic of messages that failed; every other topic says itself what it is about.
const FAILED: &str = "failed";

/// Everything a digest is made of.
#[derive(Debug, Clone, Copy)]
pub struct Digest<'a> {
    /// Oldest first; at least one.
    pub notices: &'a [Notice],
    /// The messages they are about; one that retention has dropped is missing.
    pub rows: &'a HashMap<EntryId, Row>,
    /// `[bounce].from`; without it, `halo-intake@` this machine.
    pub from: Option<&'a NameAddr>,
    /// `[report].to`.
    pub to: &'a [AddrSpec],
    /// This machine.
    pub hostname: &'a str,
    /// Without angle brackets; made from the number of the last notice, so that a repeat carries the same.
    pub message_id: &'a str,
    /// The Date of the mail.
    pub now: Timestamp,
}

/// The notices of one topic.
struct Topic<'a> {
    name: &'a str,
    notices: Vec<&'a Notice>,
}

impl Digest<'_> {
    /// The mail, with CRLF line ends and in ASCII.
    pub fn compose(&self) -> Vec<u8> {
        let host = field::host(self.hostname);
        let ours = NameAddr {
            name: "halo-intake".to_owned(),
            address: super::ours(self.hostname),
        };
        let topics = self.topics();
        let text = MimePart::new(
            ContentType::new("text/plain").attribute("charset", "utf-8"),
            self.text(&topics, host),
        );
        let mut octets = Vec::new();
        MessageBuilder::new()
            .from(field::name_addr(self.from.unwrap_or(&ours)))
            .to(field::addresses(self.to.iter().map(AddrSpec::as_str)))
            .subject(field::text(&subject(&topics)))
            .date(field::date(self.now))
            .message_id(field::own_id(self.message_id))
            .header("Auto-Submitted", field::word("auto-generated"))
            .header("X-Auto-Response-Suppress", field::word("All"))
            .body(text)
            .serialize(&mut octets);
        octets
    }

    /// Failed messages first, then the other topics in the order they came up.
    fn topics(&self) -> Vec<Topic<'_>> {
        let mut topics: Vec<Topic<'_>> = Vec::new();
        let mut place: HashMap<&str, usize> = HashMap::new();
        for notice in self.notices {
            let at = *place.entry(&notice.topic).or_insert(topics.len());
            if at == topics.len() {
                topics.push(Topic {
                    name: &notice.topic,
                    notices: Vec::new(),
                });
            }
            topics[at].notices.push(notice);
        }
        topics.sort_by_key(|topic| topic.name != FAILED);
        topics
    }

    fn text(&self, topics: &[Topic<'_>], host: &str) -> String {
        let mut text = format!("{} on {host}:\n", summary(topics));
        let mut room = MAX_MESSAGES;
        for topic in topics.iter().take(MAX_TOPICS) {
            text.push_str(&self.section(topic, &mut room));
        }
        if topics.len() > MAX_TOPICS {
            text.push_str(&format!(
                "\nAnd {} other things; see: journalctl -u halo-intake\n",
                topics.len() - MAX_TOPICS
            ));
        }
        field::body(&text)
    }

    /// The messages of a topic one by one while there is room; what is about no message as a few texts.
    fn section(&self, topic: &Topic<'_>, room: &mut usize) -> String {
        let mut text = format!("\n{}\n", heading(topic));
        let (about, plain): (Vec<&Notice>, Vec<&Notice>) =
            topic.notices.iter().partition(|notice| notice.entry.is_some());
        for reason in last_texts(&plain) {
            text.push_str(&format!("  {reason}\n"));
        }
        let most = if topic.name == FAILED {
            MAX_MESSAGES
        } else {
            MAX_MESSAGES_OF_A_TOPIC
        };
        let named = about.len().min(most).min(*room);
        *room -= named;
        for (notice, entry) in about
            .iter()
            .take(named)
            .filter_map(|notice| Some((notice, notice.entry?)))
        {
            text.push_str(&self.message(notice, entry));
        }
        let left = &about[named..];
        if let Some(since) = left.iter().map(|notice| self.since(notice)).min() {
            text.push_str(&format!(
                "\n  and {} more: halo-intake log --outcome failed --since {since}\n",
                left.len()
            ));
        }
        text
    }

    /// When the message of a notice came, to the second before.
    fn since(&self, notice: &Notice) -> Timestamp {
        let row = notice.entry.and_then(|entry| self.rows.get(&entry));
        let at = row.map_or(notice.at, |row| row.time);
        Timestamp::from_second(at.as_second()).unwrap_or(at)
    }

    fn message(&self, notice: &Notice, entry: EntryId) -> String {
        let mut text = format!("\n  message {entry}");
        if let Some(row) = self.rows.get(&entry) {
            text.push_str(&format!(" in {}, {}\n", field::line(&row.mailbox.0), minute(row.time)));
            text.push_str(&format!("    from     {}\n", or_none(&row.from)));
            text.push_str(&format!("    subject  {}\n", or_none(&row.subject)));
        } else {
            text.push('\n');
        }
        text.push_str(&format!("    reason   {}\n", field::line(&notice.text)));
        text.push_str(&format!(
            "    halo-intake show {entry}\n    halo-intake retry {entry}\n"
        ));
        text
    }
}

/// `3 messages failed`, `connection main`, or the first and how many others.
fn subject(topics: &[Topic<'_>]) -> String {
    format!("halo-intake: {}", summary(topics))
}

fn summary(topics: &[Topic<'_>]) -> String {
    let Some((first, others)) = topics.split_first() else {
        return "nothing to report".to_owned();
    };
    let said = match (first.name, first.notices.len()) {
        (FAILED, 1) => "1 message failed".to_owned(),
        (FAILED, count) => format!("{count} messages failed"),
        (name, _) => field::line(name),
    };
    match others {
        [] => said,
        [other] => format!("{said}, and {}", field::line(other.name)),
        _ => format!("{said}, and {} other things", others.len()),
    }
}

fn heading(topic: &Topic<'_>) -> String {
    let name = if topic.name == FAILED {
        "messages failed".to_owned()
    } else {
        field::line(topic.name)
    };
    match topic.notices.as_slice() {
        [one] => format!("{name}, {}", minute(one.at)),
        [first, .., last] => format!(
            "{name}: {} times, {} to {}",
            topic.notices.len(),
            minute(first.at),
            minute(last.at)
        ),
        [] => name,
    }
}

/// The last few different texts, oldest first.
fn last_texts(notices: &[&Notice]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for notice in notices.iter().rev() {
        let text = field::line(&notice.text);
        if !texts.contains(&text) {
            texts.push(text);
        }
        if texts.len() == MAX_TEXTS {
            break;
        }
    }
    texts.reverse();
    texts
}

fn or_none(text: &str) -> String {
    Some(field::line(text))
        .filter(|line| !line.is_empty())
        .unwrap_or_else(|| "(none)".to_owned())
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
