//! `fold_by`: messages of one kind make one ticket, which counts them and gets a note of many at once.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Fields, StepError,
    from_email::{self, At, Letter},
    resolve,
    ticket_fields::ticket_value,
};
use crate::{
    config::unit::parse_duration,
    effect::{Ask, Effect, Effects, Ensured, Readable},
    halo::{
        TicketId,
        choice::List,
        ticket::{Action, LONGEST_SUMMARY, NewAction, Text, Ticket, TicketFields},
    },
    hex::hex,
    journal::{Batch, Fellow, Folding, Standing},
};

/// A key that is longer is kept as its digest; in octets.
const LONGEST_KEY: usize = 200;
/// Of a message in a note; in characters.
const LONGEST_LINE: usize = 300;

/// A message among those of its kind.
pub struct Fold {
    fellow: Fellow,
    within: Duration,
}

impl Fold {
    /// None where the rule folds nothing, or not this message.
    pub fn of(fields: &Fields, letter: &Letter<'_>) -> Result<Option<Fold>, StepError> {
        let by = fields.text("fold_by");
        if by.is_empty() {
            return Ok(None);
        }
        let within = parse_duration(&fields.text("fold_within"))
            .map_err(|problem| fields.wrong("fold_within", &problem, "it needs a duration such as \"1h\""))?;
        let fellow = Fellow {
            key: key(by),
            mark: letter.mark.clone(),
        };
        Ok(Some(Fold { fellow, within }))
    }

    /// What the step stores where the message is one more of its kind; none where it is the first, and makes the ticket.
    pub async fn join(
        &self,
        fields: &Fields,
        letter: &Letter<'_>,
        at: &At<'_>,
        effects: &mut Effects<'_>,
    ) -> Result<Option<Value>, StepError> {
        let mut fold_error = String::new();
        loop {
            let came = Folding::Came {
                fellow: self.fellow.clone(),
                line: line(letter),
                within: self.within,
            };
            match tell::<Standing>(came, at, effects).await? {
                Standing::First => return Ok(None),
                Standing::Noted { ticket, count } => {
                    remember(&ticket, letter, at, effects).await?;
                    return Ok(Some(folded(ticket, count, fold_error)));
                }
                Standing::Waits { until } => {
                    let reason = "it is one of many of its kind and waits for the note that names it".to_owned();
                    return Err(StepError::Held { reason, until });
                }
                Standing::Writes(batch) => match self.note(&batch, fields, at, effects).await? {
                    Some(error) => fold_error = error,
                    None => return Ok(None),
                },
            }
        }
    }

    /// The ticket takes up the others from now on.
    pub async fn made(&self, ticket: &Ticket, at: &At<'_>, effects: &mut Effects<'_>) -> Result<(), StepError> {
        let mut ticket = ticket_value(ticket);
        ticket["raw"] = json!({});
        let fellow = self.fellow.clone();
        tell(Folding::Made { fellow, ticket }, at, effects).await
    }

    /// There is no ticket of it: the next one is the first.
    pub async fn leave(&self, at: &At<'_>, effects: &mut Effects<'_>) -> Result<(), StepError> {
        let fellow = self.fellow.clone();
        tell(Folding::Left { fellow }, at, effects).await
    }

    /// Writes the note, and the count into the ticket's summary; gives what Halo refuses of the latter. None where the
    /// ticket is closed or gone: then the message is the first of another one.
    async fn note(
        &self,
        batch: &Batch,
        fields: &Fields,
        at: &At<'_>,
        effects: &mut Effects<'_>,
    ) -> Result<Option<String>, StepError> {
        let id = TicketId(batch.ticket["id"].as_i64().unwrap_or_default());
        let found = from_email::follow(id, at, effects).await?;
        let Some(ticket) = found.filter(|ticket| !ticket.closed) else {
            let (fellow, fold) = (self.fellow.clone(), batch.fold);
            tell::<Standing>(Folding::Renewed { fellow, fold }, at, effects).await?;
            return Ok(None);
        };
        let outcome = resolve::choice(fields, ("fold_outcome", List::Outcome), false, at.connection, effects).await?;
        let outcome = outcome.ok_or_else(|| fields.wrong("fold_outcome", "is empty", "it is needed"))?;
        let action = NewAction {
            ticket: ticket.id,
            marker: format!("{} batch {}", batch.mark, batch.number),
            outcome: outcome.id,
            note: Text {
                plain: note_text(batch),
                html: String::new(),
            },
            hidden_from_user: true,
            send_email: false,
            status: None,
            user: None,
            who: String::new(),
            mail: None,
        };
        let connection = at.connection.clone();
        let ask = Ask::AddAction { action };
        let _: Ensured<Action> = effects.ask(Effect::Halo { connection, ask }).await?;
        // Merged with another one: that has a summary of its own.
        let error = if ticket.id == id {
            count_in_summary(&ticket, batch.before + batch.count, at, effects).await?
        } else {
            String::new()
        };
        let (fold, number) = (batch.fold, batch.number);
        tell::<()>(Folding::Noted { fold, batch: number }, at, effects).await?;
        Ok(Some(error))
    }
}

/// An answer to it finds the ticket. Its author has no part there by it, as by an answer that was let in, and what it
/// refers to stays where it belongs: anybody may write a mail of a kind.
async fn remember(
    ticket: &Value,
    letter: &Letter<'_>,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<(), StepError> {
    let (Some(id), Some(key)) = (ticket["id"].as_i64(), letter.own_key()) else {
        return Ok(());
    };
    let ask = Ask::Join {
        ticket: TicketId(id),
        keys: vec![key],
        author: None,
    };
    let connection = at.connection.clone();
    effects.ask(Effect::Halo { connection, ask }).await
}

async fn tell<T: Readable>(folding: Folding, at: &At<'_>, effects: &mut Effects<'_>) -> Result<T, StepError> {
    let connection = at.connection.clone();
    let ask = Ask::Fold { folding };
    effects.ask(Effect::Halo { connection, ask }).await
}

/// The note is there: where Halo refuses the summary, nothing is lost but the count in it.
async fn count_in_summary(
    ticket: &Ticket,
    count: u64,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<String, StepError> {
    let fields = TicketFields {
        summary: counted(&ticket.summary, count),
        ..TicketFields::default()
    };
    let connection = at.connection.clone();
    let ask = Ask::ChangeTicket {
        ticket: ticket.id,
        fields,
    };
    match effects.ask::<Ticket>(Effect::Halo { connection, ask }).await {
        Ok(_) => Ok(String::new()),
        Err(StepError::Failed { reason }) => Ok(reason),
        Err(other) => Err(other),
    }
}

/// As it is shown now, somebody may have rewritten it, with this count in the place of an earlier one.
fn counted(summary: &str, count: u64) -> String {
    let is_count = |rest: &str| {
        let digits = rest.strip_suffix(')').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit())
    };
    let bare = match summary.trim_end().rsplit_once(" (×") {
        Some((bare, rest)) if is_count(rest) => bare,
        _ => summary.trim_end(),
    };
    let count = format!(" (×{count})");
    let room = LONGEST_SUMMARY.saturating_sub(count.chars().count());
    bare.chars().take(room).chain(count.chars()).collect()
}

fn key(by: String) -> String {
    if by.len() <= LONGEST_KEY {
        return by;
    }
    format!("sha256:{}", hex(&Sha256::digest(by)))
}

/// When it came, from whom, and its subject.
fn line(letter: &Letter<'_>) -> String {
    let received = letter.text(&["received"]).parse::<Timestamp>();
    let received = received.map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let (from, subject) = (letter.text(&["from", "address"]), letter.text(&["subject"]));
    let line = format!("{} {from}: {subject}", received.unwrap_or_default());
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(LONGEST_LINE).collect()
}

fn note_text(batch: &Batch) -> String {
    let (first, last) = (batch.before + 1, batch.before + batch.count);
    let head = if first == last {
        format!("1 more message of this kind, number {first}:")
    } else {
        format!("{} more messages of this kind, numbers {first} to {last}:", batch.count)
    };
    let shown = u64::try_from(batch.lines.len()).unwrap_or_default();
    let mut text = format!("{head}\n\n{}", batch.lines.join("\n"));
    if batch.count > shown {
        text.push_str(&format!("\nand {} more", batch.count - shown));
    }
    text
}

/// What the step stores for a message that is one more.
fn folded(ticket: Value, count: u64, fold_error: String) -> Value {
    json!({
        "ticket": ticket, "existed": true, "user": null, "client": null, "matched_by": "",
        "created_user": false, "user_error": "", "folded": true, "count": count, "fold_error": fold_error,
        "files": [], "left_out": [], "files_error": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_bears_one_count_at_its_end_and_is_not_cut_there() {
        for (summary, expected) in [
            ("Disk full", "Disk full (×500)"),
            ("Disk full (×2)", "Disk full (×500)"),
            ("Disk (×2) full", "Disk (×2) full (×500)"),
            ("Disk full (×many)", "Disk full (×many) (×500)"),
        ] {
            assert_eq!(counted(summary, 500), expected);
        }
        let long = counted(&"x".repeat(300), 500);
        assert_eq!(long.chars().count(), LONGEST_SUMMARY);
        assert!(long.ends_with("x (×500)"), "{long}");
        assert_eq!(counted(&long, 500), long);
    }

    #[test]
    fn a_note_names_the_first_and_counts_the_others() {
        let mut batch = Batch {
            fold: 1,
            number: 1,
            mark: "halo-intake:1".to_owned(),
            ticket: Value::Null,
            before: 1,
            count: 1,
            lines: vec!["a@b.example: Disk full".to_owned()],
        };
        assert_eq!(
            note_text(&batch),
            "1 more message of this kind, number 2:\n\na@b.example: Disk full"
        );
        (batch.before, batch.count) = (500, 451);
        assert_eq!(
            note_text(&batch),
            "451 more messages of this kind, numbers 501 to 951:\n\na@b.example: Disk full\nand 450 more"
        );
    }

    #[test]
    fn a_long_key_is_kept_as_its_digest() {
        assert_eq!(key("disk".to_owned()), "disk");
        let (one, other) = (key("x".repeat(201)), key("x".repeat(202)));
        assert_eq!(one.len(), 71);
        assert_ne!(one, other);
    }
}
