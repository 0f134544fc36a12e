//! Reports to operators, by mail and by webhook: above all one digest of what they have not heard of yet. Pure: the same
//! notices give the same octets.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use mail_builder::{MessageBuilder, headers::content_type::ContentType, mime::MimePart};
use serde_json::{Map, Value};

use super::field;
use crate::{
    count::counted,
    journal::{EntryId, Notice, Row, or_no_author},
    message::{
        Message,
        address::{AddrSpec, NameAddr},
    },
};

mod paragraph;
mod post;
mod standing;
mod summary;

use paragraph::{bounded, paragraph};
pub use standing::{Lasts, Standing};
pub use summary::{Summary, Troubled};

/// How many messages are named; an outage of a day must not make a mail that nobody can open.
const MAX_MESSAGES: usize = 100;
/// How many messages of one fault are named, and how many of its texts that are about no message. Faults themselves
/// are as few as what the configuration names, and are never left out.
const MAX_MESSAGES_OF_A_FAULT: usize = 5;
const MAX_TEXTS: usize = 3;
/// How many senders are named for each reason why a sender was not told, and how many messages of one of them.
const MAX_SENDERS: usize = 10;
const MAX_MESSAGES_OF_A_SENDER: usize = 10;
/// So many characters of what is wrong stand in the subject, where it is one thing.
const MAX_IN_SUBJECT: usize = 70;
/// The field by which a report is known again, should it come back to a mailbox that is watched.
const MARK: &str = "X-Halo-Intake";
const MARK_OF_A_REPORT: &str = "report";
/// The topic of messages that failed, and how that of bounces that were not sent begins, before whom they were to tell.
/// Every other topic is a fault, and says itself of what.
const FAILED: &str = "failed";
const SUPPRESSED: &str = "bounce suppressed ";

/// What stands in a report, whatever its way.
pub trait Content {
    /// What kind of report it is, in one word for programs.
    fn kind(&self) -> &'static str;
    /// One line: the subject of the mail.
    fn summary(&self) -> String;
    /// The text of the mail.
    fn text(&self) -> String;
    /// What programs read beside these.
    fn data(&self) -> Map<String, Value>;
}

/// A report on its way.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// `[bounce].from`; without it, `halo-intake@` this machine.
    pub from: Option<&'a NameAddr>,
    /// `[report].to`.
    pub to: &'a [AddrSpec],
    /// This machine.
    pub hostname: &'a str,
    /// Without angle brackets; a repeat carries the same.
    pub id: &'a str,
    /// The Date of the mail.
    pub now: Timestamp,
}

/// What operators have not heard of yet.
#[derive(Debug, Clone, Copy)]
pub struct Digest<'a> {
    /// Oldest first; at least one.
    pub notices: &'a [Notice],
    /// The messages they are about; one that retention has dropped is missing.
    pub rows: &'a HashMap<EntryId, Row>,
    /// By topic, how what they are about stands now.
    pub standings: &'a HashMap<String, Standing>,
    /// This machine.
    pub hostname: &'a str,
}

/// Whether a message is a report that was sent from this machine by one of `own` addresses. What becomes of it is never
/// reported in turn, or each report would tell of the one before.
pub fn is_own(message: &Message, own: &HashSet<AddrSpec>, hostname: &str) -> bool {
    let is_marked = message.headers(MARK).any(|mark| mark.trim() == MARK_OF_A_REPORT);
    let from_here = message
        .message_id
        .rsplit_once('@')
        .is_some_and(|(_, host)| host.eq_ignore_ascii_case(hostname));
    let author = &message.author;
    let by_us =
        author.address == super::ours(hostname) || author.addr_spec().is_some_and(|author| own.contains(&author));
    is_marked && from_here && by_us
}

/// The notices by what they are about.
#[derive(Default)]
struct Sorted<'a> {
    /// In the order they came up, with their topics.
    faults: Vec<(&'a str, Vec<&'a Notice>)>,
    failed: Vec<&'a Notice>,
    suppressed: Vec<&'a Notice>,
}

impl Sheet<'_> {
    /// The mail, with CRLF line ends and in ASCII.
    pub fn mail(&self, content: &impl Content) -> Vec<u8> {
        let ours = NameAddr {
            name: "halo-intake".to_owned(),
            address: super::ours(self.hostname),
        };
        let text = MimePart::new(
            ContentType::new("text/plain").attribute("charset", "utf-8"),
            content.text(),
        );
        let mut octets = Vec::new();
        MessageBuilder::new()
            .from(field::name_addr(self.from.unwrap_or(&ours)))
            .to(field::addresses(self.to.iter().map(AddrSpec::as_str)))
            .subject(field::text(&format!("halo-intake: {}", content.summary())))
            .date(field::date(self.now))
            .message_id(field::own_id(self.id))
            .header(MARK, field::word(MARK_OF_A_REPORT))
            .header("Auto-Submitted", field::word("auto-generated"))
            .header("X-Auto-Response-Suppress", field::word("All"))
            .body(text)
            .serialize(&mut octets);
        octets
    }
}

impl Content for Digest<'_> {
    fn kind(&self) -> &'static str {
        "digest"
    }

    fn summary(&self) -> String {
        let sorted = Sorted::of(self.notices);
        match sorted.only_fault() {
            Some((topic, last)) => format!("{}: {}", field::line(topic), beginning(&last.text)),
            None => sorted.summary(self.standings),
        }
    }

    fn text(&self) -> String {
        let sorted = Sorted::of(self.notices);
        let host = field::host(self.hostname);
        let mut text = if sorted.is_one_thing() {
            // Its heading says what it is.
            format!("halo-intake on {host}:\n")
        } else {
            format!("{} on {host}:\n", sorted.summary(self.standings))
        };
        for (topic, notices) in &sorted.faults {
            text.push_str(&self.fault(topic, notices));
        }
        if !sorted.failed.is_empty() {
            text.push_str(&self.failed(&sorted.failed));
        }
        if !sorted.suppressed.is_empty() {
            text.push_str(&self.suppressed(&sorted.suppressed));
        }
        let ended = sorted.failed.iter().chain(&sorted.suppressed);
        if let Some(since) = ended.map(|notice| self.since(notice)).min() {
            text.push_str(&format!(
                "\nAll messages that failed since then:\n  halo-intake log --outcome failed --since {since} --limit all\n"
            ));
        }
        field::body(&text)
    }

    fn data(&self) -> Map<String, Value> {
        post::notices(self)
    }
}

impl Digest<'_> {
    /// What is about no message as a few texts, the messages one by one.
    fn fault(&self, topic: &str, notices: &[&Notice]) -> String {
        let standing = self.standings.get(topic).map_or(String::new(), Standing::words);
        let mut text = format!("\n{}\n{standing}", heading(&field::line(topic), notices));
        let (about, plain): (Vec<&Notice>, Vec<&Notice>) = notices.iter().partition(|notice| notice.entry.is_some());
        for reason in last_texts(&plain) {
            text.push_str(&paragraph("  ", reason));
        }
        text + &self.messages(&about, MAX_MESSAGES_OF_A_FAULT)
    }

    fn failed(&self, notices: &[&Notice]) -> String {
        let heading = heading(&numbered("messages failed", notices), notices);
        format!("\n{heading}\n{}", self.messages(notices, MAX_MESSAGES))
    }

    /// By the reason why nobody was told, and below it by whom it would have been: one sender is one thing.
    fn suppressed(&self, notices: &[&Notice]) -> String {
        let mut reasons: BTreeMap<&str, BTreeMap<&str, Vec<&Notice>>> = BTreeMap::new();
        for notice in notices {
            let word = notice.text.split([':', ';']).next().unwrap_or_default();
            let sender = notice.topic.strip_prefix(SUPPRESSED).unwrap_or_default();
            reasons.entry(word).or_default().entry(sender).or_default().push(notice);
        }
        let mut text = format!("\n{}\n", heading(&numbered("failed and not bounced", notices), notices));
        for (word, senders) in reasons {
            let count: usize = senders.values().map(Vec::len).sum();
            text.push_str(&format!("\n  {}: {}\n", field::line(word), counted(count, "message")));
            for (sender, notices) in senders.iter().take(MAX_SENDERS) {
                text.push_str(&self.sender(sender, notices));
            }
            if senders.len() > MAX_SENDERS {
                text.push_str(&format!("\n    and {} more senders\n", senders.len() - MAX_SENDERS));
            }
        }
        text
    }

    fn sender(&self, sender: &str, notices: &[&Notice]) -> String {
        let entries = notices.iter().filter_map(|notice| notice.entry);
        let ids: Vec<String> = entries
            .take(MAX_MESSAGES_OF_A_SENDER)
            .map(|entry| entry.to_string())
            .collect();
        let mut text = format!(
            "\n    {} from {}\n",
            counted(notices.len(), "message"),
            field::line(or_no_author(sender))
        );
        if let Some(last) = notices.last() {
            text.push_str(&paragraph("      reason   ", &last.text));
        }
        if let Some(id) = ids.first() {
            text.push_str(&format!("      halo-intake show {id}\n"));
            text.push_str(&format!("      halo-intake retry {}\n", ids.join(" ")));
        }
        if notices.len() > ids.len() {
            text.push_str(&format!("      and {} more\n", notices.len() - ids.len()));
        }
        text
    }

    /// The first `most` messages, and how many more there are.
    fn messages(&self, notices: &[&Notice], most: usize) -> String {
        let named = notices.iter().take(most);
        let mut text: String = named
            .filter_map(|notice| Some(self.message(notice, notice.entry?)))
            .collect();
        if notices.len() > most {
            text.push_str(&format!("\n  and {} more\n", notices.len() - most));
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
            text.push_str(&format!("    from     {}\n", field::line(row.author())));
            text.push_str(&format!("    subject  {}\n", field::line(row.title())));
        } else {
            text.push('\n');
        }
        text.push_str(&paragraph("    reason   ", &notice.text));
        text.push_str(&format!(
            "    halo-intake show {entry}\n    halo-intake retry {entry}\n"
        ));
        text
    }
}

impl<'a> Sorted<'a> {
    fn of(notices: &'a [Notice]) -> Sorted<'a> {
        let mut sorted = Sorted::default();
        for notice in notices {
            match notice.topic.as_str() {
                FAILED => sorted.failed.push(notice),
                topic if topic.starts_with(SUPPRESSED) => sorted.suppressed.push(notice),
                topic => sorted.add_fault(topic, notice),
            }
        }
        sorted
    }

    fn add_fault(&mut self, topic: &'a str, notice: &'a Notice) {
        match self.faults.iter_mut().find(|(known, _)| *known == topic) {
            Some((_, notices)) => notices.push(notice),
            None => self.faults.push((topic, vec![notice])),
        }
    }

    /// Whether there is one section.
    fn is_one_thing(&self) -> bool {
        let of_messages = [&self.failed, &self.suppressed];
        self.faults.len() + of_messages.iter().filter(|notices| !notices.is_empty()).count() == 1
    }

    /// Where there is one fault and no message: what it is of, and the last word of it.
    fn only_fault(&self) -> Option<(&'a str, &'a Notice)> {
        match self.faults.as_slice() {
            [(topic, notices)] if self.failed.is_empty() && self.suppressed.is_empty() => {
                notices.last().map(|last| (*topic, *last))
            }
            _ => None,
        }
    }

    /// `connection main (over); 12 messages failed, 9 of them not bounced`.
    fn summary(&self, standings: &HashMap<String, Standing>) -> String {
        let is_over = |topic: &str| standings.get(topic).and_then(Standing::lasts) == Some(false);
        let name = |topic: &str| format!("{}{}", field::line(topic), if is_over(topic) { " (over)" } else { "" });
        let names: Vec<String> = self.faults.iter().map(|(topic, _)| name(topic)).collect();
        let faults = match names.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [one, other] => Some(format!("{one} and {other}")),
            [one, other, more @ ..] => Some(format!("{one}, {other} and {} more", more.len())),
        };
        let messages = |notices: &[&Notice]| notices.iter().filter_map(|notice| notice.entry).collect::<HashSet<_>>();
        let (failed, suppressed) = (messages(&self.failed), messages(&self.suppressed));
        let ended = match (failed.union(&suppressed).count(), suppressed.len()) {
            (0, _) => None,
            (count, 0) => Some(format!("{} failed", counted(count, "message"))),
            (count, of_them) if count == of_them => {
                Some(format!("{} failed and not bounced", counted(count, "message")))
            }
            (count, of_them) => Some(format!(
                "{} failed, {of_them} of them not bounced",
                counted(count, "message")
            )),
        };
        match (faults, ended) {
            (Some(faults), Some(ended)) => format!("{faults}; {ended}"),
            (faults, ended) => faults.or(ended).unwrap_or_else(|| "nothing to report".to_owned()),
        }
    }
}

/// `connection main, 2026-11-23 08:00 UTC to 2026-11-23 08:30 UTC`.
fn heading(name: &str, notices: &[&Notice]) -> String {
    match notices {
        [one] => format!("{name}, {}", minute(one.at)),
        [first, .., last] => format!("{name}, {} to {}", minute(first.at), minute(last.at)),
        [] => name.to_owned(),
    }
}

/// `messages failed: 3`.
fn numbered(name: &str, notices: &[&Notice]) -> String {
    match notices.len() {
        1 => name.to_owned(),
        count => format!("{name}: {count}"),
    }
}

/// The last few different texts, oldest first.
fn last_texts<'a>(notices: &[&'a Notice]) -> Vec<&'a str> {
    let mut texts: Vec<&str> = Vec::new();
    for notice in notices.iter().rev() {
        if !texts.contains(&notice.text.as_str()) {
            texts.push(&notice.text);
        }
        if texts.len() == MAX_TEXTS {
            break;
        }
    }
    texts.reverse();
    texts
}

/// The first words of a text.
fn beginning(text: &str) -> String {
    let text = bounded(text);
    let Some((end, _)) = text.char_indices().nth(MAX_IN_SUBJECT) else {
        return text;
    };
    let end = text[..end].rfind(' ').unwrap_or(end);
    format!("{} ...", text[..end].trim_end())
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
