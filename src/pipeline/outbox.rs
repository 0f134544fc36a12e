//! The fourth loop: what is to be told leaves through the outbox, so neither a crash nor a dead SMTP server loses
//! or doubles it.

use std::time::Duration;

use super::{World, pause, report};
use crate::{
    class::Class,
    generation::Generation,
    journal::{Change, DueLetter, JournalError},
    outcome::{
        Reason,
        smtp::{Smtp, SmtpError},
    },
    retry::Backoff,
};

/// So many letters are taken up at a time.
const BATCH: usize = 50;
/// Without any bell the loop looks so often.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// A letter that the server puts off is tried again for so long (RFC 5321, 4.5.4.1: 4 to 5 days).
const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 3600);

/// The loop.
pub async fn run(world: &World) {
    loop {
        if let Err(error) = pass(world, false).await {
            tracing::error!("{error}");
        }
        let wait = match world.journal.next_due().await {
            Ok(Some(due)) => {
                let until = Duration::try_from(due.duration_since(world.clock.now())).unwrap_or_default();
                until.clamp(Duration::from_millis(200), LOOK_AGAIN)
            }
            _ => LOOK_AGAIN,
        };
        if !pause(&world.bells.outbox, wait, &world.stop).await {
            return;
        }
    }
}

/// Sends what is due, or with `all` everything once; says how many letters are still waiting after it.
pub async fn pass(world: &World, all: bool) -> Result<usize, JournalError> {
    let mut waiting = 0;
    let begun = world.clock.now();
    loop {
        let letters = world.journal.letters(BATCH, all.then_some(begun)).await?;
        if letters.is_empty() {
            return Ok(waiting);
        }
        let generation = world.generation.load_full();
        let smtp = generation
            .config
            .smtp
            .as_ref()
            .map(|smtp| Smtp::new(smtp).map(|smtp| smtp.named(&world.hostname)));
        let count = letters.len();
        for (sent, letter) in letters.into_iter().enumerate() {
            match send(world, &generation, smtp.as_ref(), letter).await? {
                Sent::Done => {}
                Sent::PutOff => waiting += 1,
                // Nothing else will leave now: the rest waits with it.
                Sent::NoWayOut => return Ok(waiting + count - sent),
            }
        }
    }
}

enum Sent {
    Done,
    PutOff,
    NoWayOut,
}

async fn send(
    world: &World,
    generation: &Generation,
    smtp: Option<&Result<Smtp, SmtpError>>,
    due: DueLetter,
) -> Result<Sent, JournalError> {
    let sent = match smtp {
        None => {
            tracing::warn!("letters wait: there is no [smtp]");
            return Ok(Sent::NoWayOut);
        }
        Some(Err(error)) => Err((error.class(), error.to_string())),
        Some(Ok(smtp)) => smtp
            .send(&due.letter)
            .await
            .map_err(|error| (error.class(), error.to_string())),
    };
    let waited = Duration::try_from(world.clock.now().duration_since(due.since)).unwrap_or_default();
    match sent {
        Ok(_) => {
            tracing::info!(
                letter = due.id.0,
                message_id = due.entry.map(|entry| entry.0),
                to = due.letter.recipients.join(", "),
                "sent"
            );
            world.journal.write(Change::LetterTaken { letter: due.id }).await?;
            ring(world, &due).await?;
            Ok(Sent::Done)
        }
        Err((class, reason)) if class == Class::Permanent || waited > GIVE_UP_AFTER => {
            tracing::warn!(
                letter = due.id.0,
                message_id = due.entry.map(|entry| entry.0),
                reason,
                "refused"
            );
            let reason = format!("{}: {reason}", Reason::BounceRefused.word());
            world
                .journal
                .write(Change::LetterRefused { letter: due.id, reason })
                .await?;
            world.bells.report.notify_one();
            ring(world, &due).await?;
            Ok(Sent::Done)
        }
        Err((class, reason)) => {
            let backoff: Backoff = generation.config.retry.backoff;
            let at = world.clock.now() + backoff.delay(due.attempts + 1, fastrand::f64());
            tracing::warn!(letter = due.id.0, reason, due = %at, "put off");
            if class == Class::Credentials && world.state.connection_has_trouble("smtp", reason.clone()) {
                report::note(world, None, "smtp".to_owned(), reason.clone()).await;
            }
            world
                .journal
                .write(Change::LetterDeferred {
                    letter: due.id,
                    due: at,
                    reason,
                })
                .await?;
            Ok(if class == Class::Permanent {
                Sent::PutOff
            } else {
                Sent::NoWayOut
            })
        }
    }
}

/// The message that the letter bounced has ended now.
async fn ring(world: &World, due: &DueLetter) -> Result<(), JournalError> {
    if let Some(entry) = due.entry
        && let Some(entry) = world.journal.entry(entry).await?
    {
        world.bells.settle(&entry.place.mailbox).notify_one();
        world.bells.work.notify_one();
    }
    Ok(())
}
