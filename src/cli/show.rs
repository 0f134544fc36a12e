//! `show`: one message in full.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Common, Ended, Failure, Format, Status, print, runtime};
use crate::{
    clock::Clock,
    generation::Generation,
    journal::{Entry, EntryId, Journal, sqlite::Sqlite},
    message::Message,
    pipeline::work::email_of,
    run::trace::Trace,
};

/// Shows one message in full
#[derive(Debug, clap::Args)]
pub struct Show {
    /// As log lists it
    id: i64,
    /// How it looks
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Writes the message as it came, and nothing else
    #[arg(long, conflicts_with = "format")]
    raw: bool,
}

impl Show {
    /// Shows.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("warn")?;
        let journal = Sqlite::open(&generation.config.state_dir, Clock::system(), false)?;
        let id = EntryId(self.id);
        let (entry, octets) =
            runtime()?.block_on(async { Ok::<_, Failure>((journal.entry(id).await?, journal.octets(id).await?)) })?;
        let entry = entry.ok_or_else(|| {
            Failure::new(
                Status::Usage,
                format!("there is no message {id}; halo-intake log lists them"),
            )
        })?;
        if self.raw {
            let octets = octets.ok_or_else(|| Failure::new(Status::Unavailable, "its octets are no longer kept"))?;
            std::io::Write::write_all(&mut std::io::stdout().lock(), &octets)?;
            return Ok(Status::Done);
        }
        match self.format {
            Format::Json => print::json_line(&as_json(&entry, octets.as_ref(), &generation))?,
            Format::Table => print_entry(&entry, octets.as_ref())?,
        }
        Ok(Status::Done)
    }
}

fn as_json(entry: &Entry, octets: Option<&Bytes>, generation: &Generation) -> Value {
    let mut value = serde_json::to_value(&entry.row).expect("a row is plain data");
    value["place"] = json!(entry.place);
    value["message_id"] = json!(entry.message_id);
    value["internal_date"] = json!(entry.internal_date);
    value["size"] = json!(entry.size);
    value["due"] = json!(entry.due);
    value["settled"] = json!(
        entry
            .settled
            .as_ref()
            .map(|(at, how)| json!({ "time": at, "how": how }))
    );
    value["email"] = octets
        .map(|octets| {
            email_of(
                &Message::read(octets),
                &entry.place,
                entry.internal_date,
                octets.len(),
                generation,
            )
        })
        .into();
    let attempts = entry.attempts.iter().map(|attempt| {
        json!({
            "number": attempt.number, "began": attempt.began, "ended": attempt.ended, "result": attempt.result,
            "reason": attempt.reason, "trace": attempt.trace,
        })
    });
    value["attempts_made"] = attempts.collect();
    value["intents"] = json!(entry.intents);
    let letters = entry
        .letters
        .iter()
        .map(|(id, to, state, reason)| json!({ "id": id, "to": to, "state": state, "reason": reason }));
    value["letters"] = letters.collect();
    value
}

fn print_entry(entry: &Entry, octets: Option<&Bytes>) -> Result<(), Failure> {
    let row = &entry.row;
    let line = |name: &str, text: &str| {
        if !text.is_empty() {
            println!("{name:<10} {}", print::plain(text));
        }
    };
    println!("message {}", row.id);
    line("outcome", &row.outcome);
    line("reason", &row.reason);
    line("rule", &row.rule);
    line("mailbox", &format!("{} {}", row.mailbox, entry.place.folder));
    line("from", &row.from);
    line("subject", &row.subject);
    line("message-id", &entry.message_id);
    line("arrived", &entry.internal_date.to_string());
    line("received", &row.time.to_string());
    line("size", &format!("{} octets", entry.size));
    line("due", &entry.due.map(|due| due.to_string()).unwrap_or_default());
    let settled = entry.settled.as_ref().map(|(at, how)| format!("{how}, {at}"));
    line("settled", settled.as_deref().unwrap_or("not yet"));
    for (id, to, state, reason) in &entry.letters {
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        line("letter", &format!("{} to {}, {state}{reason}", id.0, to.join(", ")));
    }
    if let Some(octets) = octets {
        println!("\nheader");
        Message::read(octets)
            .header_fields
            .iter()
            .for_each(|field| println!("  {}: {}", print::plain(&field.name), print::plain(&field.value)));
    }
    for attempt in &entry.attempts {
        let took = attempt.ended.duration_since(attempt.began);
        println!(
            "\nattempt {} at {}, {took:#}: {}",
            attempt.number, attempt.began, attempt.result
        );
        line("reason", &attempt.reason);
        if let Ok(trace) = serde_json::from_value::<Trace>(attempt.trace.clone()) {
            print::print_trace(&trace)?;
        }
    }
    Ok(())
}
