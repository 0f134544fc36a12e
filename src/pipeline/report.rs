//! What operators hear of: notices are gathered in the journal and leave together, at most one digest in
//! `[report].every`.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    World,
    outbox::{reports_by, webhook},
    states::{Over, Sort, Thing, Urgency},
};
use crate::{
    generation::Generation,
    journal::{Change, EntryId, JournalError, Letter, Notice, Queue, Report, Row, Way, node::Duty},
    outcome::report::{Content, Digest, Sheet},
};

mod standing;
mod summary;

/// Under names that begin so the journal keeps what operators know of.
const TOLD: &str = "told ";
/// Without any bell the loop looks so often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A digest that was refused for good is made again after this time at the earliest: somebody has to change
/// something first.
const AFTER_REFUSAL: Duration = Duration::from_secs(3600);

/// A trouble that operators know of.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub thing: Thing,
    /// The digest of the configuration under which it was met.
    pub config: String,
}

/// Notes something that operators shall hear of.
pub async fn note(world: &World, topic: String, text: String) {
    let notice = Notice {
        entry: None,
        topic,
        text,
        at: world.clock.now(),
    };
    keep(world, Change::Noticed(notice)).await;
    world.bells.report.notify_one();
}

/// Something is wrong with a thing. Operators hear of it once, also across restarts; says whether they do now, and
/// then the log says it as well.
pub async fn trouble(world: &World, thing: Thing, reason: String, sort: Sort, urgency: Urgency) -> bool {
    let now = world.clock.now();
    let state = &world.state;
    if !state.trouble(&thing, reason.clone(), sort, urgency, now) {
        return false;
    }
    log_first(world, &thing, &reason);
    let told = told_of(world, &thing);
    if !tell(world, &thing, reason, told).await {
        state.untold(&thing);
    }
    true
}

/// The same of what is tried again and again: the log says at once what is new, and the rest at debug.
pub async fn trouble_again(world: &World, thing: Thing, reason: String, sort: Sort, urgency: Urgency) {
    let is_known = world.state.is_known(&thing, &reason);
    if trouble(world, thing.clone(), reason.clone(), sort, urgency).await {
        return;
    }
    log_again(world, &thing, &reason, is_known);
}

/// The same of what operators hear by a notice of its own: it makes no other, and they hear of its end.
pub async fn trouble_heard(world: &World, thing: Thing, reason: String) {
    let (state, now) = (&world.state, world.clock.now());
    let is_known = state.is_known(&thing, &reason);
    let is_news = state.trouble(&thing, reason.clone(), Sort::Waits, Urgency::Now, now);
    // Only now, so that the report of that notice knows that the trouble goes on.
    world.bells.report.notify_one();
    if !is_news {
        return log_again(world, &thing, &reason, is_known);
    }
    // Somebody asked for it, so it is no error.
    log_again(world, &thing, &reason, false);
    let change = Change::Kept {
        name: format!("{TOLD}{thing}"),
        value: told_of(world, &thing),
    };
    if !keep(world, change).await {
        state.untold(&thing);
    }
}

fn log_first(world: &World, thing: &Thing, reason: &str) {
    let (mailbox, connection) = fields(thing);
    tracing::error!(mailbox, connection, "{thing}: {reason}");
    world.state.logs(thing);
}

fn log_again(world: &World, thing: &Thing, reason: &str, is_known: bool) {
    let (mailbox, connection) = fields(thing);
    if is_known {
        tracing::debug!(mailbox, connection, "{thing}: {reason}");
    } else {
        tracing::warn!(mailbox, connection, "{thing}: {reason}");
    }
    world.state.logs(thing);
}

/// What a line says of whose trouble it is.
fn fields(thing: &Thing) -> (Option<&str>, Option<&str>) {
    let mailbox = thing.mailbox().map(|mailbox| mailbox.0.as_str());
    (mailbox, thing.connection().map(|connection| connection.0.as_str()))
}

/// A thing is well. The log says it where it had trouble, and operators hear of it where they have heard of that.
pub async fn well(world: &World, thing: Thing) {
    let text = thing.well_again();
    over(world, &thing, text).await;
}

/// The same, in other words.
pub async fn over(world: &World, thing: &Thing, text: &str) {
    let over = world.state.well(thing, world.clock.now());
    if over == Over::Nothing {
        return;
    }
    let (mailbox, connection) = fields(thing);
    tracing::info!(mailbox, connection, "{thing}: {text}");
    if over == Over::Told && !tell(world, thing, text.to_owned(), Value::Null).await {
        world.state.recall(thing.clone());
    }
}

/// What is kept of a trouble that operators know of.
fn told_of(world: &World, thing: &Thing) -> Value {
    json!(Told {
        thing: thing.clone(),
        config: world.generation.load().digest.clone(),
    })
}

/// What operators were told of and not of its end.
pub(super) async fn told(world: &World) -> Result<Vec<Told>, JournalError> {
    let kept = world.journal.kept_under(TOLD).await?;
    let told = kept.into_iter().map(|(_, value)| serde_json::from_value(value));
    Ok(told.filter_map(Result::ok).collect())
}

/// The notice and the knowledge that it was written share a commit, so that neither is there without the other. Where
/// another node has told it already, operators need not hear it twice.
async fn tell(world: &World, thing: &Thing, text: String, value: Value) -> bool {
    let name = format!("{TOLD}{thing}");
    if world.journal.is_shared()
        && let Ok(told) = world.journal.kept(&name).await
        && told.is_some() != value.is_null()
    {
        return true;
    }
    let notice = Notice {
        entry: None,
        topic: thing.to_string(),
        text,
        at: world.clock.now(),
    };
    let is_kept = keep(world, Change::Told { notice, name, value }).await;
    world.bells.report.notify_one();
    is_kept
}

async fn keep(world: &World, change: Change) -> bool {
    let written = world.journal.write(change).await;
    let unkept = |error: &JournalError| tracing::error!("operators can not be told: {error}");
    written.inspect_err(unkept).is_ok()
}

/// The loop. It posts to the webhook as well: what waits there, waits for nobody else.
pub async fn run(world: &World, stop: &CancellationToken) {
    loop {
        if let Err(error) = pass(world, false).await {
            tracing::error!("no report can be made: {error}");
        }
        if let Err(error) = webhook::pass(world, stop, None).await {
            tracing::error!("no report can be posted: {error}");
        }
        let longest = world.until_due(Queue::Letters(Way::Webhook), LOOK_AGAIN).await;
        if !world.pause(stop, &world.bells.report, longest).await {
            return;
        }
    }
}

/// Makes a digest of what was noticed where one is due; `now`: whether due or not. Each way has its own, so that
/// neither waits for the other.
pub async fn pass(world: &World, now: bool) -> Result<(), JournalError> {
    let generation = world.generation.load_full();
    let ways = generation.config.report_ways();
    summary::pass(world, &generation, &ways).await?;
    for way in &ways {
        // What comes up while one waits leaves in the next: days without a server make no pile of them.
        if world.journal.report_waits(*way).await? {
            continue;
        }
        if now || is_due(world, *way, generation.config.report.every).await? {
            digest(world, &generation, *way, ways.len() == 1).await?;
        }
    }
    Ok(())
}

async fn digest(world: &World, generation: &Generation, way: Way, alone: bool) -> Result<(), JournalError> {
    let at = world.clock.now();
    let notices = world.journal.notices(way).await?;
    let Some((upto, _)) = notices.last() else { return Ok(()) };
    let upto = *upto;
    let notices: Vec<Notice> = notices.into_iter().map(|(_, notice)| notice).collect();
    let rows = rows_of(world, &notices).await?;
    let digest = Digest {
        notices: &notices,
        rows: &rows,
        standings: &standing::of(world, &generation.config, &notices),
        hostname: &world.hostname,
    };
    let report = Report {
        way,
        letter: letter(world, generation, way, &digest, format!("report.{upto}"), at),
        upto,
        alone,
        name: last(way),
        value: json!(at),
    };
    leave(world, report).await
}

/// What leaves by this way; `id` is one of its own, so that a repeat carries the same.
fn letter(
    world: &World,
    generation: &Generation,
    way: Way,
    content: &impl Content,
    id: String,
    at: Timestamp,
) -> Letter {
    let config = &generation.config;
    let sheet = Sheet {
        from: config.bounce.from.as_ref(),
        to: &config.report.to,
        hostname: &world.hostname,
        id: &format!("{id}.{}@{}", at.as_microsecond(), world.hostname),
        now: at,
    };
    let octets = match (way, &config.report.webhook) {
        (Way::Webhook, Some(webhook)) => sheet.post(content, webhook.format),
        _ => sheet.mail(content),
    };
    Letter {
        // Whatever becomes of the report, nobody is told of that in turn.
        return_path: None,
        recipients: match way {
            Way::Mail => config.report.to.iter().map(ToString::to_string).collect(),
            Way::Webhook => Vec::new(),
        },
        octets: octets.into(),
        not_after: None,
    }
}

async fn leave(world: &World, report: Report) -> Result<(), JournalError> {
    let reported = world.under(Duty::Outbox, Change::Reported(Box::new(report)));
    world.journal.write(reported).await?;
    world.bells.outbox.notify_one();
    Ok(())
}

/// Under this name the journal keeps when the last digest was made.
fn last(way: Way) -> String {
    match way {
        Way::Mail => "report last".to_owned(),
        Way::Webhook => "report last webhook".to_owned(),
    }
}

/// The messages that the notices are about.
async fn rows_of(world: &World, notices: &[Notice]) -> Result<HashMap<EntryId, Row>, JournalError> {
    let entries: BTreeSet<EntryId> = notices.iter().filter_map(|notice| notice.entry).collect();
    let rows = world.journal.rows_of(entries.into_iter().collect()).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The first digest leaves at once; the next gather for a while, and longer where the last one was refused.
async fn is_due(world: &World, way: Way, every: Duration) -> Result<bool, JournalError> {
    let was_refused = world.state.is_well(&reports_by(way)) == Some(false);
    let every = if was_refused { every.max(AFTER_REFUSAL) } else { every };
    let last: Option<Timestamp> = world
        .journal
        .kept(&last(way))
        .await?
        .and_then(|value| serde_json::from_value(value).ok());
    let since = |last| Duration::try_from(world.clock.now().duration_since(last)).unwrap_or_default();
    Ok(last.is_none_or(|last| since(last) >= every))
}

#[cfg(test)]
mod tests;
