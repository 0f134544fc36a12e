//! The metrics that are read anew for each scrape.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::process::Process;
use crate::{
    config::{MailboxConfig, MailboxName},
    generation::Generation,
    halo::client::Halo,
    journal::{
        Survey, Way,
        node::{NodeState, Nodes},
    },
    mailbox,
    metrics::{Metric, Samples},
    outcome::Outcome,
    pipeline::{
        World,
        states::{Sort, Thing, Trouble},
    },
};

/// What may become of letters by each way.
const KNOWN_LETTERS: [(Way, &str); 8] = [
    (Way::Mail, "taken"),
    (Way::Mail, "refused"),
    (Way::Mail, "unanswered"),
    (Way::Mail, "outdated"),
    (Way::Mail, "suppressed"),
    (Way::Webhook, "taken"),
    (Way::Webhook, "refused"),
    (Way::Webhook, "unanswered"),
];

/// What a scrape is written from.
pub(super) struct Read {
    pub world: Arc<World>,
    /// `None`: the journal could not be read.
    pub survey: Option<Survey>,
    pub nodes: Option<Nodes>,
    pub process: Process,
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").finish_non_exhaustive()
    }
}

impl Read {
    /// Writes the samples of one metric.
    pub(super) fn write(&self, metric: Metric, samples: Samples<'_>) -> fmt::Result {
        use Metric as M;
        match metric {
            M::ArrivalToOutcome | M::ReceptionToOutcome => {
                for outcome in Outcome::ALL {
                    self.world.meters().know(metric, &[outcome.word()]);
                }
                samples.counted()
            }
            M::Attempts => samples.counted(),
            M::HaloRequests | M::HaloCalls | M::HaloTooMany | M::HaloRetries | M::HaloUnanswered => samples.counted(),
            M::Created => samples.counted(),
            M::Letters => {
                for (way, result) in KNOWN_LETTERS {
                    self.world.meters().add(M::Letters, &[way.word(), result], 0);
                }
                samples.counted()
            }
            M::MessagesSeen
            | M::Messages
            | M::RuleMatches
            | M::OldestOpen
            | M::Unsettled
            | M::OutboxLetters
            | M::OutboxOldest
            | M::JournalReadable
            | M::JournalCommits
            | M::JournalRows
            | M::JournalSize => self.journal(metric, samples),
            M::CanaryTime | M::CanaryRoundTrip => self.canaries(metric, samples),
            M::CheckAge
            | M::CheckInterval
            | M::MailboxConnected
            | M::MailboxIdle
            | M::FirstReadingMessages
            | M::FirstReadingDone => self.mailboxes(metric, samples),
            M::HaloConnected
            | M::PaceSlots
            | M::PaceWindow
            | M::PaceUsed
            | M::PaceWaiting
            | M::PaceHold
            | M::HaloTokenAge
            | M::HaloTokenLeft => self.halos(metric, samples),
            M::TokenAge | M::TokenLeft | M::SecretExpiry => self.sign_ins(metric, samples),
            M::Nodes | M::Duties | M::OpenDuties => self.nodes(metric, samples),
            M::Troubles | M::WorkTurn | M::Build | M::Configuration | M::ReloadSuccessful | M::ReloadTime => {
                self.program(metric, samples)
            }
            M::ProcessCpu | M::ProcessMemory | M::ProcessFiles | M::ProcessMostFiles | M::ProcessStart => {
                of_process(metric, samples, &self.process)
            }
        }
    }

    fn journal(&self, metric: Metric, mut samples: Samples<'_>) -> fmt::Result {
        if metric == Metric::JournalReadable {
            return samples.truth(&[], self.survey.is_some());
        }
        if metric == Metric::JournalCommits {
            let times = self.world.journal.commit_times();
            return times.map_or(Ok(()), |times| samples.histogram(&times));
        }
        let Some(survey) = &self.survey else { return Ok(()) };
        match metric {
            Metric::MessagesSeen => self.of_each(survey, |mailbox| {
                let seen = survey.totals.get(mailbox).map_or(0, |totals| totals.seen);
                samples.one(&[&mailbox.0], seen)
            }),
            Metric::Messages => self.of_each(survey, |mailbox| {
                let totals = survey.totals.get(mailbox);
                Outcome::words().try_for_each(|word| {
                    let count = totals.and_then(|totals| totals.by_state.get(word));
                    samples.one(&[&mailbox.0, word], count.copied().unwrap_or(0))
                })
            }),
            Metric::RuleMatches => {
                let mut rules = survey.rules.iter();
                rules.try_for_each(|(rule, count)| samples.one(&[rule], count.matched))
            }
            Metric::OldestOpen => self.of_each(survey, |mailbox| {
                let oldest = survey.oldest_open.get(mailbox);
                samples.time(&[&mailbox.0], self.since(oldest.copied()))
            }),
            Metric::Unsettled => self.of_each(survey, |mailbox| {
                samples.one(&[&mailbox.0], survey.unsettled.get(mailbox).copied().unwrap_or(0))
            }),
            Metric::OutboxLetters => Way::ALL.into_iter().try_for_each(|way| {
                let waiting = survey.letters.get(&way).map_or(0, |waiting| waiting.count);
                samples.one(&[way.word()], waiting)
            }),
            Metric::OutboxOldest => Way::ALL.into_iter().try_for_each(|way| {
                let oldest = survey.letters.get(&way).map(|waiting| waiting.oldest);
                samples.time(&[way.word()], self.since(oldest))
            }),
            Metric::JournalRows => samples.one(&[], survey.rows),
            _ => samples.one(&[], survey.octets),
        }
    }

    fn nodes(&self, metric: Metric, mut samples: Samples<'_>) -> fmt::Result {
        if metric == Metric::Duties {
            return samples.one(&[], self.world.leases.count() as u64);
        }
        let Some(nodes) = &self.nodes else { return Ok(()) };
        if metric == Metric::OpenDuties {
            return samples.one(&[], nodes.open.len() as u64);
        }
        NodeState::ALL.into_iter().try_for_each(|state| {
            let count = nodes.nodes.iter().filter(|node| node.state == state).count();
            samples.one(&[state.word()], count as u64)
        })
    }

    /// The watched mailboxes, and those that the journal knows of.
    fn of_each(&self, survey: &Survey, mut write: impl FnMut(&MailboxName) -> fmt::Result) -> fmt::Result {
        let generation = self.world.generation.load();
        let watched = watched(&generation).map(|(name, _)| name);
        let all: BTreeSet<&MailboxName> = watched.chain(survey.totals.keys()).collect();
        all.into_iter().try_for_each(&mut write)
    }

    fn since(&self, then: Option<Timestamp>) -> Duration {
        let age = then.map(|then| self.world.clock.now().duration_since(then));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }

    fn mailboxes(&self, metric: Metric, mut samples: Samples<'_>) -> fmt::Result {
        let state = &self.world.state;
        let generation = self.world.generation.load();
        // What another node watches, that one tells of.
        let is_here = |name| !self.world.journal.is_shared() || state.checked(name).is_some();
        for (name, config) in watched(&generation).filter(|(name, _)| is_here(name)) {
            let (reading, labels) = (state.reading(name), [name.0.as_str()]);
            let is_connected = || {
                let is_well = state.is_well(&Thing::Mailbox(name.clone()));
                is_well.unwrap_or(reading.is_some()) || state.waits(name)
            };
            let first = reading.filter(|reading| reading.of > 0);
            match (metric, first) {
                (Metric::CheckAge, _) => {
                    if let Some(checked) = state.checked(name) {
                        samples.time(&labels, checked.silent_for())?;
                    }
                }
                (Metric::CheckInterval, _) => samples.time(&labels, mailbox::check_interval(config))?,
                (Metric::MailboxConnected, _) => samples.truth(&labels, is_connected())?,
                (Metric::MailboxIdle, _) => samples.truth(&labels, reading.is_none() && is_connected())?,
                (Metric::FirstReadingMessages, Some(reading)) => samples.one(&labels, reading.of as u64)?,
                (Metric::FirstReadingDone, Some(reading)) => samples.one(&labels, reading.done as u64)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn canaries(&self, metric: Metric, mut samples: Samples<'_>) -> fmt::Result {
        for (mailbox, flight) in self.world.canary.all() {
            let Some((seen, took)) = flight.last_seen.zip(flight.round_trip) else {
                continue;
            };
            let labels = [mailbox.0.as_str()];
            match metric {
                Metric::CanaryTime => {
                    let since_1970 = Duration::try_from(seen.as_duration()).unwrap_or_default();
                    samples.time(&labels, since_1970)?;
                }
                _ => samples.time(&labels, took)?,
            }
        }
        Ok(())
    }

    fn halos(&self, metric: Metric, mut samples: Samples<'_>) -> fmt::Result {
        for halo in self.world.halos.all() {
            let labels = [halo.name().0.as_str()];
            match metric {
                Metric::HaloConnected => {
                    let is_well = self.world.state.is_well(&Thing::Connection(halo.name().clone()));
                    samples.truth(&labels, is_well != Some(false))?;
                }
                Metric::HaloTokenAge | Metric::HaloTokenLeft => {
                    token(metric, &mut samples, &labels, halo.token_times())?
                }
                _ => pace(metric, &mut samples, &labels, &halo)?,
            }
        }
        Ok(())
    }

    fn sign_ins(&self, metric: Metric, mut samples: Samples<'_>) -> fmt::Result {
        if metric != Metric::SecretExpiry {
            for (mailbox, age, life) in self.world.sign_ins.token_times() {
                token(metric, &mut samples, &whose(mailbox.as_ref()), Some((age, life)))?;
            }
            return Ok(());
        }
        for (_, oauth) in self.world.generation.load().config.sign_ins() {
            let end = oauth.client_secret_expires.and_then(|last| {
                let end = last.checked_add(1.day()).ok()?;
                TimeZone::UTC.to_timestamp(end.at(0, 0, 0, 0)).ok()
            });
            if let Some(end) = end {
                let seconds = Duration::try_from(end.as_duration()).unwrap_or_default();
                samples.time(&whose(oauth.mailbox.as_ref()), seconds)?;
            }
        }
        Ok(())
    }

    fn program(&self, metric: Metric, mut samples: Samples<'_>) -> fmt::Result {
        let state = &self.world.state;
        match metric {
            Metric::Troubles => {
                let troubles = state.troubles();
                let of = |kind: &str| {
                    let is_one =
                        |(thing, trouble): &&(Thing, Trouble)| thing.kind() == kind && trouble.sort != Sort::Waits;
                    troubles.iter().filter(is_one).count()
                };
                let mut kinds = Thing::KINDS.into_iter();
                kinds.try_for_each(|kind| samples.one(&[kind], of(kind) as u64))
            }
            Metric::WorkTurn => samples.time(&[], state.since_turn()),
            Metric::Build => samples.one(&[env!("CARGO_PKG_VERSION")], 1),
            Metric::Configuration => samples.one(&[&self.world.generation.load().digest], 1),
            Metric::ReloadSuccessful => samples.truth(&[], state.is_well(&Thing::Configuration) != Some(false)),
            _ => {
                let loaded = state.loaded().map(Timestamp::as_duration);
                let loaded = loaded.and_then(|loaded| Duration::try_from(loaded).ok());
                loaded.map_or(Ok(()), |loaded| samples.time(&[], loaded))
            }
        }
    }
}

fn watched(generation: &Generation) -> impl Iterator<Item = (&MailboxName, &MailboxConfig)> {
    generation.config.mailboxes.iter().filter(|(_, config)| config.enabled)
}

/// Whose sign-in it is.
fn whose(mailbox: Option<&MailboxName>) -> [&str; 2] {
    mailbox.map_or(["smtp", ""], |mailbox| ["mailbox", &mailbox.0])
}

fn token(
    metric: Metric,
    samples: &mut Samples<'_>,
    labels: &[&str],
    times: Option<(Duration, Duration)>,
) -> fmt::Result {
    let Some((age, life)) = times else { return Ok(()) };
    match metric {
        Metric::HaloTokenAge | Metric::TokenAge => samples.time(labels, age),
        _ => samples.number(labels, life.as_secs_f64() - age.as_secs_f64()),
    }
}

fn pace(metric: Metric, samples: &mut Samples<'_>, labels: &[&str], halo: &Halo) -> fmt::Result {
    let (used, waiting) = halo.pace_used();
    match metric {
        Metric::PaceSlots => samples.one(labels, used.slots as u64),
        Metric::PaceWindow => samples.time(labels, used.per),
        Metric::PaceUsed => samples.one(labels, used.used as u64),
        Metric::PaceWaiting => samples.one(labels, waiting as u64),
        _ => samples.time(labels, used.held),
    }
}

fn of_process(metric: Metric, mut samples: Samples<'_>, process: &Process) -> fmt::Result {
    match metric {
        Metric::ProcessCpu => samples.time(&[], process.cpu),
        Metric::ProcessMemory => samples.one(&[], process.resident),
        Metric::ProcessFiles => samples.one(&[], process.open_files),
        Metric::ProcessMostFiles => match process.most_files {
            Some(most) => samples.one(&[], most),
            None => samples.number(&[], f64::INFINITY),
        },
        _ => samples.number(&[], process.started),
    }
}
