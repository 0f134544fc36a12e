//! A message that was handed over by `process` instead of being fetched: the same journal, the same workers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, time::Instant};

use super::{
    World,
    lane::Held,
    log_reception, outbox,
    work::{Crew, InHand},
};
use crate::{
    config::{Config, Deduplicate, MailboxName},
    hex::hex,
    journal::{Change, Entry, EntryId, JournalError, Place, Receipt, Received, Spot, Work},
    message::Message,
    outcome::{Outcome, Reason},
};

/// So long the caller waits for an outcome before the message counts as deferred; an MTA's pipe waits for minutes.
const PATIENCE: Duration = Duration::from_secs(60);

/// At a stop the caller waits so long, within the time in which what is in hand may finish.
const PATIENCE_AT_A_STOP: Duration = Duration::from_secs(7);
/// What a caller hears then.
pub const STOPS: &str = "the daemon stops";

/// What became of a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Processed {
    /// Its number in the journal; 0 where it did not come so far.
    pub id: i64,
    /// An outcome's word, `"deferred"`, or `"refused"` where the daemon could not take it.
    pub outcome: String,
    /// Why.
    pub reason: String,
}

impl Processed {
    /// The message was not taken.
    pub fn refused(reason: impl Into<String>) -> Processed {
        Processed {
            id: 0,
            outcome: "refused".to_owned(),
            reason: reason.into(),
        }
    }

    /// The message is in the journal and has no outcome yet.
    fn deferred(entry: EntryId, reason: &str) -> Processed {
        Processed {
            id: entry.0,
            outcome: "deferred".to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// A message is kept up to this many times `max_message_size`: whoever hands it over has let it go by then. A larger
/// one stays with him.
const KEPT: u64 = 2;

/// How many octets are taken for this mailbox; `None` where there is no such mailbox.
pub fn largest(config: &Config, mailbox: &MailboxName) -> Option<u64> {
    let mailbox = config.mailboxes.get(mailbox)?;
    Some(mailbox.max_message_size.saturating_mul(KEPT))
}

/// Takes the message through its rules, and says what became of it.
pub async fn process(
    world: &Arc<World>,
    crew: &Crew,
    mailbox: &MailboxName,
    (octets, held): (Bytes, Held),
) -> Processed {
    if !world.generation.load().config.mailboxes.contains_key(mailbox) {
        return Processed::refused(format!("there is no [mailbox.{mailbox}]"));
    }
    let processed = async {
        let entry = take(world, crew, mailbox, (octets, held)).await?;
        tokio::select! {
            processed = became(world, entry, PATIENCE) => processed,
            () = stop_is_near(world) => Ok(Processed::deferred(entry, STOPS)),
        }
    };
    processed
        .await
        .unwrap_or_else(|error: JournalError| Processed::refused(error.to_string()))
}

/// What has no outcome yet and is handed over again, by an MTA that was told to come again. Where no daemon runs nobody
/// else takes it up: it has its turn now, and the caller hears what became of it. `None`: it is another message.
pub async fn again(
    world: &Arc<World>,
    crew: &Crew,
    mailbox: &MailboxName,
    octets: &[u8],
) -> Result<Option<Processed>, JournalError> {
    let fingerprint = Message::read(octets).fingerprint();
    let Some(entry) = world.journal.handed(mailbox, fingerprint).await? else {
        return Ok(None);
    };
    // One that is not deferred is in line anyway.
    world.journal.write(Change::Reopened { entry }).await?;
    let (_, nothing_else) = mpsc::channel(1);
    tokio::select! {
        drained = crew.drain(nothing_else, None) => drained?,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    became(world, entry, Duration::ZERO).await.map(Some)
}

async fn take(
    world: &Arc<World>,
    crew: &Crew,
    mailbox: &MailboxName,
    (octets, held): (Bytes, Held),
) -> Result<EntryId, JournalError> {
    let message = Message::read(&octets);
    let received = received(world, mailbox, &message, octets.clone());
    let (place, internal_date) = (received.place.clone(), received.internal_date);
    let (end, from) = (received.end.clone(), received.from.clone());
    match world.journal.write(Change::Received(Box::new(received))).await? {
        Receipt::New(entry, received, claim) => {
            if let Some((outcome, reason)) = end {
                log_reception(entry, mailbox, &from, (outcome.word(), &reason));
                world.bells.report.notify_one();
            } else if let Some(claim) = claim {
                let work = Work::first(claim, place, internal_date, received);
                let message = Some(Box::new(message));
                crew.take(InHand {
                    work,
                    octets,
                    message,
                    held,
                });
            } else {
                world.bells.work.notify_one();
            }
            Ok(entry)
        }
        Receipt::Duplicate { entry, of } => {
            log_reception(entry, mailbox, &from, ("duplicate", &format!("a copy of message {of}")));
            Ok(entry)
        }
        Receipt::Known(entry) | Receipt::Moved(entry) => Ok(entry),
        other => unreachable!("no answer to a reception: {other:?}"),
    }
}

fn received(world: &World, mailbox: &MailboxName, message: &Message, octets: Bytes) -> Received {
    let now = world.clock.now();
    let generation = world.generation.load();
    let config = generation.config.mailboxes.get(mailbox);
    let digest: [u8; 32] = Sha256::digest(&octets).into();
    let size = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    let too_large = config.is_some_and(|config| size > config.max_message_size);
    // The second of two handings-over of the same octets is told by its fingerprint, as in a mailbox.
    let key = format!("{}.{}", now.as_microsecond(), hex(&digest[..8]));
    Received {
        place: Place {
            mailbox: mailbox.clone(),
            folder: String::new(),
            spot: Spot::Handed { key },
        },
        internal_date: now,
        size,
        octets,
        from: message.author.address.clone(),
        subject: message.subject.clone(),
        message_id: message.message_id.clone(),
        fingerprint: message.fingerprint(),
        digest,
        header_digest: digest,
        author_key: message.author_key(),
        thread_key: message.thread_key(),
        deduplicate: config.map_or(Deduplicate::Off, |config| config.deduplicate),
        end: too_large.then(|| (Outcome::Failed, Reason::TooLarge.word().to_owned())),
        claim: true,
    }
}

/// When a stop leaves no time to wait for an outcome.
async fn stop_is_near(world: &World) {
    world.stop.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(PATIENCE_AT_A_STOP) => {}
        () = world.hurry.cancelled() => {}
    }
}

/// Waits until the message has an outcome or comes again later, but no longer than that.
async fn became(world: &Arc<World>, id: EntryId, patience: Duration) -> Result<Processed, JournalError> {
    let until = Instant::now() + patience;
    let mut wait = Duration::from_millis(2);
    let mut was_sent = false;
    loop {
        let entry = world.journal.entry(id).await?;
        let waits_for_its_bounce = |entry: &Entry| entry.letters.iter().any(|(_, _, state, _)| state == "waiting");
        if !was_sent && entry.as_ref().is_some_and(waits_for_its_bounce) {
            outbox::pass(world, &world.stop, None).await?;
            was_sent = true;
            continue;
        }
        match entry.map(|entry| entry.row) {
            Some(row) if row.outcome == "pending" && Instant::now() < until => {}
            Some(row) if row.outcome != "pending" => {
                return Ok(Processed {
                    id: id.0,
                    outcome: row.outcome,
                    reason: row.reason,
                });
            }
            _ => return Ok(Processed::deferred(id, "")),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_millis(200));
    }
}
