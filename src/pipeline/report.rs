//! What operators hear of: notices are gathered in the journal and leave together, at most one digest in
//! `[report].every`.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use serde_json::json;

use super::{World, pause};
use crate::{
    journal::{Change, EntryId, JournalError, Letter, Notice, Row},
    outcome::report::Digest,
};

/// Under this name the journal keeps when the last digest was made.
const LAST: &str = "report last";
/// Without any bell the loop looks so often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Notes something that operators shall hear of.
pub async fn note(world: &World, entry: Option<EntryId>, topic: String, text: String) {
    let notice = Notice {
        entry,
        topic,
        text,
        at: world.clock.now(),
    };
    if let Err(error) = world.journal.write(Change::Noticed(notice)).await {
        tracing::error!("{error}");
    }
    world.bells.report.notify_one();
}

/// The loop.
pub async fn run(world: &World) {
    loop {
        if let Err(error) = pass(world, false).await {
            tracing::error!("{error}");
        }
        if !pause(&world.bells.report, LOOK_AGAIN, &world.stop).await {
            return;
        }
    }
}

/// Makes a digest of what was noticed where one is due; `now`: whether due or not.
pub async fn pass(world: &World, now: bool) -> Result<(), JournalError> {
    let generation = world.generation.load_full();
    let report = &generation.config.report;
    if report.to.is_empty() || generation.config.smtp.is_none() {
        return Ok(());
    }
    let notices = world.journal.notices().await?;
    let Some((upto, _)) = notices.last() else { return Ok(()) };
    let upto = *upto;
    let at = world.clock.now();
    if !now && !is_due(world, report.every, at).await? {
        return Ok(());
    }
    let notices: Vec<Notice> = notices.into_iter().map(|(_, notice)| notice).collect();
    let rows = rows_of(world, &notices).await?;
    let digest = Digest {
        notices: &notices,
        rows: &rows,
        from: generation.config.bounce.from.as_ref(),
        to: &report.to,
        hostname: &world.hostname,
        message_id: &format!("report.{upto}.{}@{}", at.as_microsecond(), world.hostname),
        now: at,
    };
    let letter = Letter {
        // Whatever becomes of the report, nobody is told of that in turn.
        return_path: None,
        recipients: report.to.iter().map(ToString::to_string).collect(),
        octets: digest.compose(),
    };
    world.journal.write(Change::Reported { upto, letter }).await?;
    world
        .journal
        .write(Change::Kept {
            name: LAST.to_owned(),
            value: json!(at),
        })
        .await?;
    world.bells.outbox.notify_one();
    Ok(())
}

/// The messages that the notices are about.
async fn rows_of(world: &World, notices: &[Notice]) -> Result<HashMap<EntryId, Row>, JournalError> {
    let mut rows = HashMap::new();
    for entry in notices.iter().filter_map(|notice| notice.entry) {
        if !rows.contains_key(&entry)
            && let Some(found) = world.journal.entry(entry).await?
        {
            rows.insert(entry, found.row);
        }
    }
    Ok(rows)
}

/// The first digest leaves at once; the next gather for a while.
async fn is_due(world: &World, every: Duration, now: Timestamp) -> Result<bool, JournalError> {
    let last: Option<Timestamp> = world
        .journal
        .kept(LAST)
        .await?
        .and_then(|value| serde_json::from_value(value).ok());
    Ok(last.is_none_or(|last| Duration::try_from(now.duration_since(last)).unwrap_or_default() >= every))
}
