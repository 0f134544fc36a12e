//! `show`: messages in full.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Common, Ended, Failure, Format, Status, log,
    print::{self, Paging},
    runtime,
};
use crate::{
    clock::Clock,
    count::counted,
    generation::Generation,
    journal::{self, Attempt, Entry, EntryId, Journal, Opening, Spot},
    message::Message,
    pipeline::attempt::email_of,
    run::trace::Trace,
    when,
};

/// Shows one message in full, or several
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The IDs of the messages, as log lists them
    #[arg(required = true, value_name = "ID", value_parser = log::id)]
    ids: Vec<EntryId>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Writes the message as it came, and nothing else
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    #[command(flatten)]
    paging: Paging,
}

impl Show {
    /// Shows each that is there, and says of the others that they are not.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation_to_read()?;
        common.begin_logging("warn")?;
        if let ([_, _, ..], true) = (&self.ids[..], self.raw) {
            return Err(Failure::new(Status::Usage, "--raw writes one message; name one ID"));
        }
        let journal = journal::open(&generation.config, Clock::system(), Opening::Look)?;
        let (runtime, mut unknown, mut pager) = (runtime()?, Vec::new(), None);
        for (number, id) in self.ids.iter().copied().enumerate() {
            let read = async { Ok::<_, Failure>((journal.entry(id).await?, journal.octets(id).await?)) };
            let (Some(entry), octets) = runtime.block_on(read)? else {
                unknown.push(log::unknown(id));
                continue;
            };
            if self.raw {
                return raw(octets.as_ref());
            }
            if self.format == Format::Json {
                print::json_line(&as_json(&entry, octets.as_ref(), &generation))?;
                continue;
            }
            pager.get_or_insert_with(|| self.paging.begin());
            if number > 0 {
                writeln!(std::io::stdout(), "\n")?;
            }
            print_entry(&entry, octets.as_ref(), &generation)?;
        }
        drop(pager);
        if unknown.is_empty() {
            Ok(Status::Done)
        } else {
            Err(Failure::new(Status::Usage, unknown.join("\n")))
        }
    }
}

fn raw(octets: Option<&Bytes>) -> Ended {
    let octets = octets.ok_or_else(|| Failure::new(Status::Unavailable, "its octets are no longer kept"))?;
    std::io::stdout().lock().write_all(octets)?;
    Ok(Status::Done)
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
    let read = octets.map(|octets| (Message::read(octets), octets.len()));
    value["email"] = read
        .as_ref()
        .map(|(message, size)| email_of(message, &entry.place, entry.internal_date, *size, generation).json())
        .into();
    value["cut"] = read.map(|(message, _)| message.cut).into();
    let traces = traces(entry);
    value["calls_ms"] = json!(traces.iter().flatten().map(asked_for).sum::<u64>());
    let attempts = entry.attempts.iter().zip(&traces).map(|(attempt, trace)| {
        json!({
            "number": attempt.number, "began": attempt.began, "ended": attempt.ended, "result": attempt.result,
            "reason": attempt.reason, "calls": trace.as_ref().map(|trace| trace.counted()),
            "calls_ms": trace.as_ref().map(asked_for), "trace": attempt.trace,
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

/// What happened in each attempt; `None` where that is no longer kept.
fn traces(entry: &Entry) -> Vec<Option<Trace>> {
    let attempts = entry.attempts.iter();
    attempts
        .map(|attempt| serde_json::from_value(attempt.trace.clone()).ok())
        .collect()
}

/// How long all its requests took together, in milliseconds.
fn asked_for(trace: &Trace) -> u64 {
    trace.calls().map(|call| call.took_ms).sum()
}

/// `3 requests to Halo, 140 ms`
fn calls(count: u64, traces: &[Option<Trace>]) -> String {
    let requests = counted(count, "request");
    let took = Duration::from_millis(traces.iter().flatten().map(asked_for).sum());
    match traces.iter().all(Option::is_some) {
        true if count > 0 => format!("{requests} to Halo, {}", when::length(took)),
        // How long those took of which the trace was dropped nobody knows any more.
        _ => format!("{requests} to Halo"),
    }
}

fn print_entry(entry: &Entry, octets: Option<&Bytes>, generation: &Generation) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let traces = traces(entry);
    print_summary(&mut out, entry)?;
    line(&mut out, "calls", &calls(entry.row.calls, &traces))?;
    if let Some(octets) = octets {
        let message = Message::read(octets);
        line(&mut out, "cut", &message.cut.join(", "))?;
        writeln!(out, "\n{}", print::heading("header"))?;
        for field in &message.header_fields {
            writeln!(out, "  {}: {}", print::plain(&field.name), print::plain(&field.value))?;
        }
        writeln!(out, "\n{}", print::heading("context"))?;
        print::print_value(&mut out, "email", &context(entry, octets, &message, generation))?;
    }
    for (attempt, trace) in entry.attempts.iter().zip(&traces) {
        print_attempt(&mut out, attempt, trace)?;
    }
    Ok(())
}

fn print_summary(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    let row = &entry.row;
    writeln!(out, "{}", print::heading(&format!("message {}", row.id)))?;
    line(out, "outcome", &print::outcome(&row.outcome))?;
    line(out, "reason", &print::plain(&row.reason))?;
    line(out, "rule", &print::plain(&row.rule))?;
    line(
        out,
        "mailbox",
        &print::plain(&format!("{} {}", row.mailbox, entry.place.folder)),
    )?;
    line(out, "from", &print::plain(row.author()))?;
    line(out, "subject", &print::plain(row.title()))?;
    line(out, "message-id", &print::plain(&entry.message_id))?;
    line(out, "arrived", &utc(entry.internal_date))?;
    line(out, "received", &utc(row.time))?;
    line(out, "size", &format!("{} octets", entry.size))?;
    line(out, "due", &entry.due.map(utc).unwrap_or_default())?;
    line(out, "settled", &print::plain(&settled(entry)))?;
    for (id, to, state, reason) in &entry.letters {
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        let text = format!("{} to {}, {state}{reason}", id.0, to.join(", "));
        line(out, "letter", &print::plain(&text))?;
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &str, text: &str) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    writeln!(out, "{name:<10} {}", text.trim_end())
}

fn settled(entry: &Entry) -> String {
    match (&entry.settled, &entry.settle_again, &entry.place.spot) {
        (Some((at, how)), ..) => format!("{how}, {}", utc(*at)),
        (None, _, Spot::Handed { .. }) => "it lies in no mailbox".to_owned(),
        (None, Some((at, reason)), _) if !reason.is_empty() => format!("not yet: {reason}; again {}", utc(*at)),
        _ => "not yet".to_owned(),
    }
}

fn print_attempt(out: &mut impl Write, attempt: &Attempt, trace: &Option<Trace>) -> std::io::Result<()> {
    let took = when::length(attempt.ended.duration_since(attempt.began).unsigned_abs());
    let result = print::outcome(&attempt.result);
    let began = format!("attempt {} at {}, {took}", attempt.number, utc(attempt.began));
    writeln!(out, "\n{}: {result}", print::heading(&began))?;
    line(out, "reason", &print::plain(&attempt.reason))?;
    let Some(kept) = trace else { return Ok(()) };
    let count = u64::try_from(kept.counted()).unwrap_or(u64::MAX);
    line(out, "calls", &calls(count, std::slice::from_ref(trace)))?;
    print::print_trace(out, kept)
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The value of `email`, without what is printed as the header already.
fn context(entry: &Entry, octets: &Bytes, message: &Message, generation: &Generation) -> Value {
    let mut email = email_of(message, &entry.place, entry.internal_date, octets.len(), generation).json();
    if let Some(fields) = email.as_object_mut() {
        fields.retain(|name, _| !["headers", "header_list"].contains(&name.as_str()));
    }
    email
}
