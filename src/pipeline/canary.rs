//! The canary's way: sent through `[smtp]`, met again where the mailbox shows it, late or lost if it is not. What was
//! sent and not met is kept in the journal, so that a restart knows its own mail, and nothing that was met twice.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

use super::{
    JOURNAL_AGAIN, World, report,
    states::{Sort, Thing, Urgency},
};
use crate::{
    clock,
    config::{CanaryConfig, MailboxName},
    generation::Generation,
    hex::hex,
    journal::{JournalError, Letter, Work, node::Duty},
    message::{Message, address::AddrSpec},
    outcome::{
        Reason, canary,
        smtp::{Smtp, SmtpError},
    },
    when,
};

mod known;

use known::{Known, Out};

/// Without anything to do the loop looks so often.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// One that could not be sent is followed by the next after this time, or earlier.
const AGAIN: Duration = Duration::from_secs(60);
/// A mailbox that can not be read is looked at again after this time.
const READABLE_AGAIN: Duration = Duration::from_secs(2);
/// So many attempts at a message are looked at.
const ATTEMPTS: usize = 100;

/// How the canaries of all mailboxes fare.
#[derive(Debug, Default)]
pub struct Canaries {
    flights: Mutex<BTreeMap<MailboxName, Flight>>,
    /// Whoever changes what the journal knows of them.
    turn: tokio::sync::Mutex<()>,
}

/// How the canary of a mailbox fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flight {
    pub last_sent: Option<Timestamp>,
    /// When one was met last.
    pub last_seen: Option<Timestamp>,
    /// How long that one took.
    pub round_trip: Option<Duration>,
    /// The newest one of this process, while it is waited for.
    waited_for: Option<Timestamp>,
    /// When the next one is tried, where the last one did not leave.
    again: Option<Timestamp>,
}

impl Flight {
    /// When the next one leaves, where one left before; `None`: now.
    fn next(&self, every: Duration) -> Option<Timestamp> {
        self.again.or(self.last_sent.map(|sent| sent + every))
    }
}

impl Canaries {
    fn flights(&self) -> MutexGuard<'_, BTreeMap<MailboxName, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of every mailbox that one was sent to.
    pub fn all(&self) -> BTreeMap<MailboxName, Flight> {
        self.flights().clone()
    }

    fn of(&self, mailbox: &MailboxName) -> Flight {
        self.flights().get(mailbox).copied().unwrap_or_default()
    }

    fn change(&self, mailbox: &MailboxName, change: impl FnOnce(&mut Flight)) {
        change(self.flights().entry(mailbox.clone()).or_default());
    }
}

/// The loop.
pub async fn run(world: &World) {
    let mut mended = world.bells.mended.subscribe();
    loop {
        mended.mark_unchanged();
        let turned = tokio::select! {
            turned = turn(world) => turned,
            // One that is leaving is not waited for: the next process sends its own.
            () = world.stop.cancelled() => return,
        };
        let next = turned.unwrap_or_else(|error| {
            tracing::error!("no canary is sent: {error}");
            world.clock.now() + AGAIN
        });
        tokio::select! {
            () = clock::sleep_until(&world.clock, next) => {}
            Ok(()) = mended.changed() => {}
            () = world.stop.cancelled() => return,
        }
    }
}

/// Does what is due; says when there is something to do again.
async fn turn(world: &World) -> Result<Timestamp, JournalError> {
    let generation = world.generation.load_full();
    let wanted = generation.config.canary.as_ref();
    let mailboxes = wanted.into_iter().flat_map(|canary| &canary.mailboxes);
    let is_watched = |name: &MailboxName| {
        generation
            .config
            .mailboxes
            .get(name)
            .is_some_and(|mailbox| mailbox.enabled)
    };
    let mailboxes: BTreeMap<_, _> = mailboxes.filter(|(name, _)| is_watched(name)).collect();
    // One that another node watches is that one's.
    let is_elsewhere = |name: &MailboxName| world.journal.is_shared() && world.state.checked(name).is_none();
    let (others, mailboxes): (BTreeMap<_, _>, BTreeMap<_, _>) =
        mailboxes.into_iter().partition(|(name, _)| is_elsewhere(name));
    // One that comes back is not late for the time that it was away.
    world.canary.flights().retain(|name, _| mailboxes.contains_key(name));
    for thing in world.state.troubled_before(Timestamp::MAX) {
        if let Thing::Canary(mailbox) = &thing
            && others.contains_key(mailbox)
        {
            world.state.well(&thing, world.clock.now());
        } else if let Thing::Canary(mailbox) = &thing
            && !mailboxes.contains_key(mailbox)
        {
            report::over(world, &thing, "no canary is sent there any more").await;
        }
    }
    let mut next = world.clock.now() + LOOK_AGAIN;
    let Some(canary) = wanted else { return Ok(next) };
    for (mailbox, to) in mailboxes {
        next = next.min(look_after(world, &generation, canary, mailbox, to).await?);
    }
    Ok(next)
}

/// Misses the one that is late, and sends the next one; says when there is something to do again.
async fn look_after(
    world: &World,
    generation: &Generation,
    canary: &CanaryConfig,
    mailbox: &MailboxName,
    to: &AddrSpec,
) -> Result<Timestamp, JournalError> {
    if world.canary.of(mailbox).last_sent.is_none() {
        recall(world, mailbox).await?;
    }
    let now = world.clock.now();
    // Before its first look nobody knows what lies there. While it can not be read that is what operators hear of, and
    // one that is under way says nothing.
    if world.state.is_well(&Thing::Mailbox(mailbox.clone())) != Some(true) {
        world.canary.change(mailbox, |flight| flight.waited_for = None);
        return Ok(now + READABLE_AGAIN);
    }
    if world.journal.is_shared() {
        meet_elsewhere(world, mailbox).await?;
    }
    let flight = world.canary.of(mailbox);
    if let Some(sent) = flight.waited_for.filter(|sent| now >= *sent + canary.within) {
        world.canary.change(mailbox, |flight| flight.waited_for = None);
        let reason = format!(
            "the mail that was sent to {to} at {} did not come within {}; look at its way there, and at junk and quarantine",
            sent.strftime("%H:%M:%S UTC"),
            when::length(canary.within)
        );
        report::trouble_again(
            world,
            Thing::Canary(mailbox.clone()),
            reason,
            Sort::Hampered,
            Urgency::Now,
        )
        .await;
    }
    let is_mine = world.may(&Duty::Mailbox(mailbox.clone()));
    if is_mine && flight.next(canary.every).is_none_or(|next| now >= next) {
        send(world, generation, canary, mailbox, to).await?;
    }
    let flight = world.canary.of(mailbox);
    let late = flight.waited_for.map(|sent| sent + canary.within);
    let next = if is_mine {
        flight.next(canary.every).unwrap_or(now)
    } else {
        now + READABLE_AGAIN
    };
    Ok(late.map_or(next, |late| late.min(next)))
}

/// Another node may have had the one in hand that is waited for.
async fn meet_elsewhere(world: &World, mailbox: &MailboxName) -> Result<(), JournalError> {
    let known = Known::of(world, mailbox).await?;
    let flight = world.canary.of(mailbox);
    let is_met = |sent: &Timestamp| known.out.iter().all(|out| out.sent != *sent || out.met.is_some());
    if known.last_seen > flight.last_seen {
        recall(world, mailbox).await?;
    }
    if flight.waited_for.as_ref().is_some_and(is_met) {
        world.canary.change(mailbox, |flight| flight.waited_for = None);
        report::well(world, Thing::Canary(mailbox.clone())).await;
    }
    Ok(())
}

/// A restart sends no more than a process that goes on.
async fn recall(world: &World, mailbox: &MailboxName) -> Result<(), JournalError> {
    let known = Known::of(world, mailbox).await?;
    world.canary.change(mailbox, |flight| {
        flight.last_sent = known.last_sent;
        flight.last_seen = known.last_seen;
        flight.round_trip = known.round_trip_ms.map(Duration::from_millis);
    });
    Ok(())
}

async fn send(
    world: &World,
    generation: &Generation,
    canary: &CanaryConfig,
    mailbox: &MailboxName,
    to: &AddrSpec,
) -> Result<(), JournalError> {
    let (now, mark) = (world.clock.now(), mark());
    change(world, mailbox, |known| {
        known.last_sent = Some(now);
        known.out.push(Out {
            mark: mark.clone(),
            sent: now,
            met: None,
        });
    })
    .await?;
    // Before it leaves: it may be there before the SMTP server says that it has it.
    world.canary.change(mailbox, |flight| {
        flight.last_sent = Some(now);
        flight.waited_for = Some(now);
        flight.again = None;
    });
    let composed = canary::Canary {
        from: generation.config.bounce.from.as_ref(),
        to,
        hostname: &world.hostname,
        mark: &mark,
        now,
    };
    let letter = Letter {
        return_path: None,
        recipients: vec![to.to_string()],
        octets: composed.compose().into(),
        not_after: None,
    };
    let Err(error) = hand_over(world, generation, &letter).await else {
        tracing::debug!(mailbox = mailbox.0, "a canary was sent to {to}");
        return Ok(());
    };
    let reason = format!("the mail to {to} did not leave: {error}");
    let again = world.clock.now() + canary.every.min(AGAIN);
    world.canary.change(mailbox, |flight| flight.again = Some(again));
    if !error.is_unanswered() {
        world.canary.change(mailbox, |flight| flight.waited_for = None);
        change(world, mailbox, |known| known.out.retain(|out| out.mark != mark)).await?;
    }
    report::trouble_again(
        world,
        Thing::Canary(mailbox.clone()),
        reason,
        Sort::Hampered,
        Urgency::IfItLasts,
    )
    .await;
    Ok(())
}

/// Changes what the journal knows of a mailbox's canaries, and leaves out what need not be known any more.
async fn change(world: &World, mailbox: &MailboxName, change: impl Fn(&mut Known)) -> Result<(), JournalError> {
    let _turn = world.canary.turn.lock().await;
    loop {
        let (mut known, read) = Known::read(world, mailbox).await?;
        known.forget(world, world.clock.now()).await?;
        change(&mut known);
        if known.keep(world, mailbox, read).await? {
            return Ok(());
        }
    }
}

async fn hand_over(world: &World, generation: &Generation, letter: &Letter) -> Result<(), SmtpError> {
    let smtp = generation.config.smtp.as_ref();
    let smtp = smtp.expect("a configuration with a canary has an [smtp]");
    let smtp = Smtp::new(smtp, &world.sign_ins)?.named(&world.hostname);
    let sent = smtp.send(letter).await;
    smtp.close().await;
    sent.map(drop)
}

/// Nobody guesses it.
fn mark() -> String {
    let mut octets = [0; 16];
    SystemRandom::new()
        .fill(&mut octets)
        .expect("the system gives random octets");
    hex(&octets)
}

/// Whether the message is a canary of ours that is met for the first time; if it is, that is noted. Of two that are
/// alike the second is a message like any other, and so is one of another mailbox.
pub(super) async fn meet(world: &World, work: &Work, message: &Message) -> bool {
    let Some(mark) = canary::mark_of(message) else {
        return false;
    };
    loop {
        match recognise(world, work, mark).await {
            Ok(is_it) => return is_it,
            Err(error) => {
                // Its rules shall not see it because the journal can not be asked just now.
                tracing::error!(
                    id = work.claim.entry.0,
                    "whether it is a canary is not known yet: {error}"
                );
                tokio::time::sleep(JOURNAL_AGAIN).await;
            }
        }
    }
}

async fn recognise(world: &World, work: &Work, mark: &str) -> Result<bool, JournalError> {
    let (mailbox, entry) = (&work.place.mailbox, work.claim.entry);
    let turn = world.canary.turn.lock().await;
    let (mut known, read) = Known::read(world, mailbox).await?;
    let Some(out) = known.out.iter_mut().find(|out| out.mark == mark) else {
        // One that runs again stays what it was.
        let before = world.journal.last_attempts(entry, ATTEMPTS).await?;
        return Ok(before.iter().any(|(_, reason)| reason == Reason::Canary.word()));
    };
    if let Some(met) = out.met {
        return Ok(met == entry);
    }
    out.met = Some(entry);
    let (sent, now) = (out.sent, world.clock.now());
    let took = Duration::try_from(now.duration_since(sent)).unwrap_or_default();
    known.last_seen = Some(now);
    known.round_trip_ms = u64::try_from(took.as_millis()).ok();
    if !known.keep(world, mailbox, read).await? {
        drop(turn);
        return Box::pin(recognise(world, work, mark)).await;
    }
    // One that is sent there no more comes to an end in the journal alone.
    if let Some(flight) = world.canary.flights().get_mut(mailbox) {
        flight.last_seen = Some(now);
        flight.round_trip = Some(took);
        if flight.waited_for == Some(sent) {
            flight.waited_for = None;
        }
    }
    let within = world
        .generation
        .load()
        .config
        .canary
        .as_ref()
        .map(|canary| canary.within);
    // One that comes late shows that mail comes, but not that all is well.
    if within.is_none_or(|within| took <= within) {
        report::well(world, Thing::Canary(mailbox.clone())).await;
    }
    Ok(true)
}
