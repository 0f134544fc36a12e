//! The outbox: what becomes of each letter, so that neither a crash nor a dead SMTP server loses or doubles it.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    JOURNAL_AGAIN, World, finish, measure, report,
    states::{Sort, Thing, Urgency},
};
use crate::{
    class::Class,
    generation::Generation,
    journal::{Change, DueLetter, JournalError, Way, node::Duty},
    outcome::{
        Reason,
        smtp::{Smtp, SmtpError},
    },
};

pub mod webhook;

/// So many letters are taken up at a time.
const BATCH: usize = 50;

/// A letter that was handed over without an answer is handed over so often again, and then never more: each may be a
/// copy that its recipient gets.
const MOST_REPEATS: u32 = 2;
/// The steps of the scale that such a repeat waits for more than another one: what breaks a server off does not mend
/// itself in seconds.
const STEPS_FOR_A_REPEAT: u32 = 4;

/// What a pass left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Letters that were to leave and are still waiting.
    pub waiting: usize,
    /// The server takes nothing at all just now.
    pub no_way_out: bool,
}

/// Sends what is due, until the stop; with `tried_before` what was not tried since then, due or not.
pub async fn pass(
    world: &World,
    stop: &CancellationToken,
    tried_before: Option<Timestamp>,
) -> Result<Left, JournalError> {
    let _one_at_a_time = world.outbox.lock().await;
    let mut left = Left::default();
    loop {
        let letters = world.journal.letters(Way::Mail, BATCH, tried_before).await?;
        if letters.is_empty() {
            return Ok(left);
        }
        let generation = world.generation.load_full();
        let smtp = generation.config.smtp.as_ref();
        let smtp = smtp.map(|smtp| Smtp::new(smtp, &world.sign_ins).map(|smtp| smtp.named(&world.hostname)));
        let goes_on = batch(world, stop, (&generation, smtp.as_ref()), letters, &mut left).await;
        if let Some(Ok(smtp)) = &smtp {
            smtp.close().await;
        }
        if !goes_on? {
            return Ok(left);
        }
    }
}

/// Sends these; says whether there is a way out for more.
async fn batch(
    world: &World,
    stop: &CancellationToken,
    (generation, smtp): (&Generation, Option<&Result<Smtp, SmtpError>>),
    letters: Vec<DueLetter>,
    left: &mut Left,
) -> Result<bool, JournalError> {
    let count = letters.len();
    for (number, letter) in letters.into_iter().enumerate() {
        // A letter that has begun to leave is not broken off: nobody would know whether it was taken.
        if stop.is_cancelled() || !world.may(&Duty::Outbox) {
            left.waiting += count - number;
            return Ok(false);
        }
        match send(world, generation, smtp, letter).await? {
            Sent::Done => {}
            Sent::PutOff => left.waiting += 1,
            Sent::NoWayOut => {
                left.waiting += count - number;
                left.no_way_out = true;
                return Ok(false);
            }
        }
    }
    Ok(true)
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
    if due.letter.not_after.is_some_and(|end| end < world.clock.now()) {
        return outdated(world, &due).await;
    }
    let error = match smtp {
        None => {
            tracing::warn!("letters wait, since there is no [smtp]");
            return Ok(Sent::NoWayOut);
        }
        Some(Err(error)) => error,
        Some(Ok(smtp)) => match smtp.send(&due.letter).await {
            Ok(_) => return taken(world, Way::Mail, &due).await,
            Err(error) => &{ error },
        },
    };
    failed(world, generation, Way::Mail, &due, &Failure::from(error)).await
}

/// Why a letter did not leave, whatever its way.
struct Failure {
    reason: String,
    class: Class,
    /// It was handed over and was perhaps taken.
    is_unanswered: bool,
    /// Waiting for this is waiting for a change of mind about the letter.
    counts: bool,
    /// Another letter may leave all the same.
    is_of_this_letter: bool,
    /// The server asks for so much time.
    asks_for: Duration,
}

impl From<&SmtpError> for Failure {
    fn from(error: &SmtpError) -> Failure {
        Failure {
            reason: error.to_string(),
            class: error.class(),
            is_unanswered: error.is_unanswered(),
            counts: error.counts(),
            is_of_this_letter: error.is_of_this_letter(),
            asks_for: Duration::ZERO,
        }
    }
}

async fn failed(
    world: &World,
    generation: &Generation,
    way: Way,
    due: &DueLetter,
    failure: &Failure,
) -> Result<Sent, JournalError> {
    if failure.class == Class::Permanent {
        return refused(world, way, due, failure.reason.clone()).await;
    }
    if failure.is_unanswered && due.unanswered >= MOST_REPEATS {
        return unanswered(world, way, due, failure).await;
    }
    let retry = &generation.config.retry;
    let waited = retry.backoff.waited(due.waited, due.deferred, world.clock.now());
    if failure.counts && waited >= retry.give_up_after {
        let reason = format!("not taken within [retry] give_up_after: {}", failure.reason);
        return refused(world, way, due, reason).await;
    }
    put_off(world, generation, way, due, failure, waited).await
}

async fn taken(world: &World, way: Way, due: &DueLetter) -> Result<Sent, JournalError> {
    keep(world, due, Change::LetterTaken { letter: due.id }).await?;
    measure::letter(world, way, "taken");
    finish::bounced(world, due).await?;
    let (letter, id, to) = (due.id.0, id(due), due.letter.recipients.join(", "));
    match way {
        Way::Mail => tracing::info!(letter, id, to, "{} to {to} was taken by the SMTP server", named(due)),
        Way::Webhook => tracing::info!(letter, "{} was taken by the webhook", named(due)),
    }
    report::well(world, way_out(way)).await;
    if due.entry.is_none() {
        report::well(world, reports_by(way)).await;
        world.bells.report.notify_one();
    }
    ring(world, due).await?;
    Ok(Sent::Done)
}

/// What has trouble where no letter leaves by this way.
fn way_out(way: Way) -> Thing {
    match way {
        Way::Mail => Thing::Smtp,
        Way::Webhook => Thing::Webhook,
    }
}

/// What has trouble where reports by this way are refused.
pub(super) fn reports_by(way: Way) -> Thing {
    match way {
        Way::Mail => Thing::Report,
        Way::Webhook => Thing::Webhook,
    }
}

async fn refused(world: &World, way: Way, due: &DueLetter, reason: String) -> Result<Sent, JournalError> {
    let Some(entry) = due.entry else {
        return report_refused(world, way, due, reason).await;
    };
    tracing::warn!(
        letter = due.id.0,
        id = entry.0,
        reason,
        "{} is refused: {reason}",
        named(due)
    );
    let reason = if due.is_of_step {
        reason
    } else {
        format!("{}: {reason}", Reason::BounceRefused.word())
    };
    let letter = due.id;
    end(world, way, due, "refused", Change::LetterRefused { letter, reason }).await
}

/// It was perhaps taken, and never leaves again.
async fn unanswered(world: &World, way: Way, due: &DueLetter, failure: &Failure) -> Result<Sent, JournalError> {
    let (letter, times) = (due.id, due.unanswered + 1);
    let error = &failure.reason;
    let said = format!("handed over {times} times and perhaps taken, so it is not sent again: {error}");
    let reason = if due.is_of_step {
        said
    } else {
        format!("{}: {said}", Reason::BounceUnanswered.word())
    };
    tracing::error!(
        letter = letter.0,
        id = id(due),
        reason,
        "{} was perhaps sent: {reason}",
        named(due)
    );
    if due.entry.is_none() {
        let text = format!("a report was handed over {times} times and perhaps taken: {error}");
        report::trouble(world, way_out(way), text, Sort::Hampered, Urgency::Now).await;
    }
    end(
        world,
        way,
        due,
        "unanswered",
        Change::LetterUnanswered { letter, reason },
    )
    .await
}

/// Nobody is told so late any more.
async fn outdated(world: &World, due: &DueLetter) -> Result<Sent, JournalError> {
    let why = Reason::BounceTooOld;
    let (letter, reason) = (due.id, format!("{}: {}", why.word(), why.sentence()));
    tracing::warn!(
        letter = letter.0,
        id = id(due),
        reason,
        "{} is not sent any more: {reason}",
        named(due)
    );
    end(
        world,
        Way::Mail,
        due,
        "outdated",
        Change::LetterOutdated { letter, reason },
    )
    .await
}

/// Writes what became of a letter until it is on disk: nothing else leaves before, and it does not leave again because
/// the disk is full. At a stop the error.
async fn keep(world: &World, due: &DueLetter, change: Change) -> Result<(), JournalError> {
    let change = world.under(Duty::Outbox, change);
    // One that is another node's by now is told by that one.
    while let Err(error) = world.journal.write(change.clone()).await {
        let (letter, id, named) = (due.id.0, id(due), named(due));
        tracing::error!(
            letter,
            id,
            "what became of {named} is written again in a second: {error}"
        );
        tokio::select! {
            () = tokio::time::sleep(JOURNAL_AGAIN) => {}
            () = world.stop.cancelled() => return Err(error),
        }
    }
    Ok(())
}

/// The letter is out of the outbox without having been taken.
async fn end(world: &World, way: Way, due: &DueLetter, result: &str, change: Change) -> Result<Sent, JournalError> {
    keep(world, due, change).await?;
    measure::letter(world, way, result);
    finish::bounced(world, due).await?;
    world.bells.report.notify_one();
    ring(world, due).await?;
    Ok(Sent::Done)
}

/// Nobody is told by a way that it is refused there: the log and the status line say it, and the other way, where there
/// is one.
async fn report_refused(world: &World, way: Way, due: &DueLetter, said: String) -> Result<Sent, JournalError> {
    let letter = due.id;
    let receiver = match way {
        Way::Mail => "[report] to",
        Way::Webhook => "[report] webhook",
    };
    let reason = format!("the report to {receiver} is refused: {said}");
    tracing::error!(letter = letter.0, "letter {}: {reason}", letter.0);
    report::trouble(world, reports_by(way), reason, Sort::Hampered, Urgency::Now).await;
    keep(world, due, Change::LetterRefused { letter, reason: said }).await?;
    measure::letter(world, way, "refused");
    Ok(Sent::Done)
}

async fn put_off(
    world: &World,
    generation: &Generation,
    way: Way,
    due: &DueLetter,
    failure: &Failure,
    waited: Duration,
) -> Result<Sent, JournalError> {
    let backoff = generation.config.retry.backoff;
    let failures = if failure.is_unanswered {
        STEPS_FOR_A_REPEAT * (due.unanswered + 1)
    } else {
        due.attempts + 1
    };
    let again = world.clock.now() + backoff.delay(failures, fastrand::f64()).max(failure.asks_for);
    let (letter, reason) = (due.id, failure.reason.clone());
    let (id, named) = (id(due), named(due));
    // The level of a line is fixed where it stands.
    if failures.is_power_of_two() {
        tracing::warn!(letter = letter.0, id, reason, due = %format_args!("{again:.0}"), "{named} is put off until {again:.0}: {reason}");
    } else {
        tracing::debug!(letter = letter.0, id, reason, due = %format_args!("{again:.0}"), "{named} is put off until {again:.0}: {reason}");
    }
    let change = Change::LetterDeferred {
        letter,
        due: again,
        reason: reason.clone(),
        unanswered: failure.is_unanswered,
        counts: failure.counts,
        waited,
    };
    keep(world, due, change).await?;
    if failure.is_of_this_letter {
        return Ok(Sent::PutOff);
    }
    let is_refused = failure.class == Class::Credentials;
    let urgency = if is_refused { Urgency::Now } else { Urgency::IfItLasts };
    report::trouble(world, way_out(way), reason, Sort::of(is_refused), urgency).await;
    Ok(Sent::NoWayOut)
}

/// The message that a letter is about.
fn id(due: &DueLetter) -> Option<i64> {
    due.entry.map(|entry| entry.0)
}

/// The letter as a line names it.
fn named(due: &DueLetter) -> String {
    match due.entry {
        Some(entry) if due.is_of_step => format!("letter {}, sent by a step for message {entry},", due.id.0),
        Some(entry) => format!("letter {}, the bounce of message {entry},", due.id.0),
        None => format!("letter {}, a report,", due.id.0),
    }
}

/// The message that the letter bounced has ended now.
async fn ring(world: &World, due: &DueLetter) -> Result<(), JournalError> {
    for row in world.journal.rows_of(due.entry.into_iter().collect()).await? {
        world.bells.settle(&row.mailbox).notify_one();
        world.bells.work.notify_one();
    }
    Ok(())
}
