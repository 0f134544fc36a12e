//! The first loop, one for each mailbox: what is new there comes into the journal, and from there at once to the
//! workers. New is what the journal does not know, never what is unseen.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesOrdered};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    World,
    lane::{Held, Lane, kib},
    log_reception, report,
    states::{Thing, Urgency},
    work::{self, InHand},
};
use crate::{
    class::Class,
    config::{Backlog, Deduplicate, MailboxConfig, MailboxName, MailboxSource, Watch},
    journal::{Change, JournalError, PACKED_APART, Place, Position, Receipt, Received, Spot, Work},
    mailbox::{self, Fetched, Listed, Mailbox, MailboxError, Selected, Woke, position},
    message::Message,
    outcome::{Outcome, Reason},
    retry::Backoff,
};

/// So many messages are fetched by one command at most.
const BATCH: usize = 500;
/// And so many octets, unless one message alone is larger.
const BATCH_OCTETS: u64 = 4 * 1024 * 1024;
/// So many receptions wait for the disk at once; they share commits.
const IN_FLIGHT: usize = 256;
/// With more than this at the first start an operator has to say what the backlog means.
const LARGEST_UNASKED_BACKLOG: u32 = 500;
/// What is read of a header at most, for the memory that many of them take.
const HEADER: usize = 16 * 1024;
/// Where no worker is free within this time, messages go by way of the journal instead: workers who wait for Halo
/// shall not keep the server waiting in the midst of its answer.
const WORKER_WITHIN: Duration = Duration::from_millis(500);
/// Reconnecting after errors; every mailbox with its own spread.
const RECONNECT: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};
/// Refused credentials are tried again slowly: servers lock accounts.
const CREDENTIALS: Backoff = Backoff {
    first: Duration::from_secs(60),
    longest: Duration::from_secs(900),
};

/// Why a mailbox could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The server, the line, the credentials.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// The journal; nothing is fetched that can not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody said what to do with it.
    #[error(
        "{count} messages are there at the first start; say backlog = \"process\" or \"skip\" in [mailbox.{mailbox}]"
    )]
    Backlog {
        /// Which mailbox.
        mailbox: MailboxName,
        /// How many messages.
        count: u32,
    },
}

impl ReceiveError {
    /// What the daemon does about it.
    pub fn class(&self) -> Class {
        match self {
            ReceiveError::Mailbox(error) => error.class(),
            ReceiveError::Journal(error) => error.class(),
            ReceiveError::Backlog { .. } => Class::Credentials,
        }
    }
}

/// A watched mailbox.
pub struct Watched {
    /// What all loops share.
    pub world: Arc<World>,
    /// Its name.
    pub name: MailboxName,
    /// As it was when the watch began.
    pub config: MailboxConfig,
    /// To the workers.
    pub hand: mpsc::Sender<InHand>,
    /// What of this mailbox may be in hand at once.
    pub lane: Lane,
    /// Cancelled when this mailbox is no longer watched.
    pub stop: CancellationToken,
}

impl Watched {
    /// The loop: connects, takes what is new, waits for more; reconnects after errors.
    pub async fn run(&self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let Err(error) = self.session(&mut failures).await else {
                return;
            };
            failures += 1;
            self.note_trouble(&error).await;
            let backoff = if error.class() == Class::Credentials {
                CREDENTIALS
            } else {
                RECONNECT
            };
            tokio::select! {
                () = tokio::time::sleep(backoff.delay(failures, fastrand::f64())) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// The pass of `run --once`.
    pub async fn once(&self) {
        let taken = async {
            let mut session = mailbox::open(&self.name, &self.config).await?;
            self.pass(session.as_mut()).await
        };
        match taken.await {
            Ok(()) => self.note_well().await,
            Err(error) => self.note_trouble(&error).await,
        }
    }

    async fn session(&self, failures: &mut u32) -> Result<(), ReceiveError> {
        let mut session = mailbox::open(&self.name, &self.config).await?;
        loop {
            self.pass(session.as_mut()).await?;
            *failures = 0;
            self.note_well().await;
            let until = tokio::time::Instant::now() + self.config.poll_interval;
            match session
                .wait(self.config.watch == Watch::Idle, until, &self.stop)
                .await?
            {
                Woke::News | Woke::Deadline => {}
                Woke::Stopped => return Ok(()),
            }
        }
    }

    /// Takes everything that is new.
    async fn pass(&self, session: &mut dyn Mailbox) -> Result<(), ReceiveError> {
        let selected = session.select().await?;
        let journal = &self.world.journal;
        let before = journal.position(&self.name, self.folder()).await?;
        let skipping = match before {
            Some(position) if position.validity == selected.validity => None,
            Some(position) => {
                self.note_changed_validity(position, selected).await;
                None
            }
            None => self.backlog(selected).await?,
        };
        let plan = position::plan(before.as_ref(), &selected);
        for range in position::windows(&plan, &selected) {
            let listed = session.list(range).await?;
            let highest = listed.iter().filter_map(|listed| uid(&listed.spot)).max().unwrap_or(0);
            let spots = listed.iter().map(|listed| listed.spot.clone()).collect();
            let unknown = journal.unknown(&self.name, self.folder(), spots).await?;
            let unknown: std::collections::HashSet<Spot> = unknown.into_iter().collect();
            let wanted: Vec<Listed> = listed
                .into_iter()
                .filter(|listed| unknown.contains(&listed.spot))
                .collect();
            self.take(session, wanted, skipping).await?;
            let next_uid = match range {
                mailbox::Range::Uids { to: u32::MAX, .. } => highest.saturating_add(1),
                mailbox::Range::Uids { to, .. } => to,
                mailbox::Range::Everything => 0,
            };
            self.position(selected.validity, next_uid).await?;
        }
        if before.is_none() {
            self.position(selected.validity, selected.uid_next.max(1)).await?;
        }
        Ok(())
    }

    async fn position(&self, validity: u32, next_uid: u32) -> Result<(), JournalError> {
        let (mailbox, folder) = (self.name.clone(), self.folder().to_owned());
        self.world
            .journal
            .write(Change::Positioned {
                mailbox,
                folder,
                validity,
                next_uid,
            })
            .await
            .map(drop)
    }

    /// At the first start: below which UID messages are only noted, not processed.
    async fn backlog(&self, selected: Selected) -> Result<Option<Skipping>, ReceiveError> {
        match self.config.backlog {
            Some(Backlog::Process) => return Ok(None),
            None if selected.exists <= LARGEST_UNASKED_BACKLOG => return Ok(None),
            None => {
                return Err(ReceiveError::Backlog {
                    mailbox: self.name.clone(),
                    count: selected.exists,
                });
            }
            Some(Backlog::Skip) => {}
        }
        // Kept before the first message is noted: mail that comes while this is interrupted is no backlog.
        let name = format!("backlog {} {} {}", self.name, self.folder(), selected.validity);
        let known = self.world.journal.kept(&name).await?;
        let skipping = match known.and_then(|value| serde_json::from_value(value).ok()) {
            Some(skipping) => skipping,
            None => {
                let skipping = Skipping {
                    below_uid: selected.uid_next,
                    before: self.world.clock.now(),
                };
                self.world
                    .journal
                    .write(Change::Kept {
                        name,
                        value: json!(skipping),
                    })
                    .await?;
                skipping
            }
        };
        tracing::info!(
            mailbox = self.name.0,
            messages = selected.exists,
            "the backlog is skipped"
        );
        Ok(Some(skipping))
    }

    /// Fetches in batches bounded by number and octets.
    async fn take(
        &self,
        session: &mut dyn Mailbox,
        wanted: Vec<Listed>,
        skipping: Option<Skipping>,
    ) -> Result<(), ReceiveError> {
        let is_header_only = |listed: &Listed| {
            listed.size > self.config.max_message_size || skipping.is_some_and(|skipping| skipping.covers(&listed.spot))
        };
        let mut rest = wanted.as_slice();
        while let Some(first) = rest.first() {
            let header_only = is_header_only(first);
            let mut octets = 0;
            let belongs = |listed: &&Listed| {
                octets += listed.size;
                is_header_only(listed) == header_only && (header_only || octets <= BATCH_OCTETS)
            };
            let length = rest.iter().take(BATCH).take_while(belongs).count().max(1);
            let (batch, later) = rest.split_at(length);
            rest = later;
            self.batch(session, batch, header_only, skipping).await?;
            if self.stop.is_cancelled() {
                return Err(MailboxError::Lost {
                    reason: "the daemon stops".to_owned(),
                }
                .into());
            }
        }
        Ok(())
    }

    async fn batch(
        &self,
        session: &mut dyn Mailbox,
        batch: &[Listed],
        header_only: bool,
        skipping: Option<Skipping>,
    ) -> Result<(), ReceiveError> {
        let size = |listed: &Listed| {
            if header_only {
                HEADER
            } else {
                usize::try_from(listed.size).unwrap_or(usize::MAX)
            }
        };
        let share = tokio::select! {
            share = self.lane.memory(batch.iter().map(size)) => share,
            () = self.stop.cancelled() => return Ok(()),
        };
        let (to, fetched) = mpsc::channel(16);
        let (fetching, keeping) = tokio::join!(
            session.fetch(batch, header_only, to),
            self.keep(fetched, share, header_only, skipping)
        );
        keeping?;
        fetching?;
        Ok(())
    }

    /// Writes what is fetched, in its order, many in one commit, and hands over what is runnable.
    async fn keep(
        &self,
        mut fetched: mpsc::Receiver<Fetched>,
        mut share: OwnedSemaphorePermit,
        header_only: bool,
        skipping: Option<Skipping>,
    ) -> Result<(), ReceiveError> {
        let mut writes = FuturesOrdered::new();
        let mut kept = Ok(());
        let (mut place, mut is_crowded) = (None, header_only);
        loop {
            tokio::select! {
                free = self.lane.place(), if place.is_none() && !header_only => (place, is_crowded) = (Some(free), false),
                () = tokio::time::sleep(WORKER_WITHIN), if place.is_none() && !is_crowded => is_crowded = true,
                received = fetched.recv(), if writes.len() < IN_FLIGHT && kept.is_ok() && (place.is_some() || is_crowded) => {
                    let Some(fetched) = received else { break };
                    // Written alone, so that packing it can not let a later one pass.
                    let is_large = fetched.octets.len() >= PACKED_APART;
                    if is_large {
                        kept = self.hand_over_all(&mut writes, kept).await;
                    }
                    let memory = share.split(usize::try_from(kib(fetched.octets.len())).unwrap_or(0));
                    let held = Held { place: place.take(), memory };
                    writes.push_back(self.write(fetched, held, header_only, skipping));
                    if is_large {
                        kept = self.hand_over_all(&mut writes, kept).await;
                    }
                }
                Some(done) = writes.next() => kept = kept.and(self.hand_over(done).await),
                else => break,
            }
        }
        self.hand_over_all(&mut writes, kept).await
    }

    /// Hands over what is still to be written. One that can not be written does not stop the others, which may be
    /// in hand by now: nobody would work on them before the next start.
    async fn hand_over_all(
        &self,
        writes: &mut FuturesOrdered<impl Future<Output = Kept>>,
        before: Result<(), ReceiveError>,
    ) -> Result<(), ReceiveError> {
        let mut kept = before;
        while let Some(done) = writes.next().await {
            kept = kept.and(self.hand_over(done).await);
        }
        kept
    }

    async fn write(&self, fetched: Fetched, held: Held, header_only: bool, skipping: Option<Skipping>) -> Kept {
        let message = Message::read(&fetched.octets);
        let octets = fetched.octets.clone();
        let end = header_only.then(|| match skipping {
            Some(_) => (Outcome::Ignored, Reason::Backlog.word().to_owned()),
            None => (Outcome::Failed, Reason::TooLarge.word().to_owned()),
        });
        let received = self.received(&message, fetched, end.clone(), held.place.is_some());
        let place = received.place.clone();
        let internal_date = received.internal_date;
        let receipt = self.world.journal.write(Change::Received(Box::new(received))).await;
        Kept {
            receipt,
            place,
            internal_date,
            octets,
            message,
            held,
            end,
        }
    }

    fn received(&self, message: &Message, fetched: Fetched, end: Option<(Outcome, String)>, claim: bool) -> Received {
        let header_only = end.is_some();
        Received {
            place: Place {
                mailbox: self.name.clone(),
                folder: self.folder().to_owned(),
                spot: fetched.spot,
            },
            internal_date: fetched.internal_date,
            size: fetched.size,
            digest: Sha256::digest(&fetched.octets).into(),
            octets: if header_only { Bytes::new() } else { fetched.octets },
            from: message.author.address.clone(),
            subject: message.subject.clone(),
            message_id: message.message_id.clone(),
            fingerprint: message.fingerprint(),
            author_key: message.author_key(),
            thread_key: message.thread_key(),
            deduplicate: if header_only {
                Deduplicate::Off
            } else {
                self.config.deduplicate
            },
            end,
            claim,
        }
    }

    async fn hand_over(&self, kept: Kept) -> Result<(), ReceiveError> {
        let bells = &self.world.bells;
        match kept.receipt? {
            Receipt::New(entry, _) if kept.end.is_some() => self.ended_at_once(entry, &kept.end).await?,
            Receipt::New(_, Some(claim)) => {
                let work = Work {
                    claim,
                    place: kept.place,
                    internal_date: kept.internal_date,
                    received: self.world.clock.now(),
                    attempt: 1,
                    waited: Duration::ZERO,
                    deferred: None,
                    run: None,
                    intents: Vec::new(),
                };
                let (octets, message, held) = (kept.octets, Some(kept.message), kept.held);
                if self
                    .hand
                    .send(InHand {
                        work,
                        octets,
                        message,
                        held,
                    })
                    .await
                    .is_err()
                {
                    // The workers are gone, since the daemon stops.
                    work::release(&self.world, claim).await;
                }
            }
            Receipt::Duplicate { entry, of } => {
                log_reception(entry, &self.name, "duplicate", &format!("a copy of message {of}"));
                bells.settle(&self.name).notify_one();
            }
            Receipt::Moved(_) | Receipt::Known(_) => bells.settle(&self.name).notify_one(),
            _ => bells.work.notify_one(),
        }
        Ok(())
    }

    /// What ends with its reception: a skipped backlog is left where it lies, what is too large is reported.
    async fn ended_at_once(
        &self,
        entry: crate::journal::EntryId,
        end: &Option<(Outcome, String)>,
    ) -> Result<(), ReceiveError> {
        let Some((outcome, reason)) = end else { return Ok(()) };
        log_reception(entry, &self.name, outcome.word(), reason);
        if *outcome == Outcome::Ignored {
            self.world
                .journal
                .write(Change::Settled {
                    entry,
                    how: "left alone".to_owned(),
                })
                .await?;
        } else {
            self.world.bells.report.notify_one();
            self.world.bells.settle(&self.name).notify_one();
        }
        Ok(())
    }

    fn folder(&self) -> &str {
        match &self.config.source {
            MailboxSource::Imap(imap) => &imap.folder,
            MailboxSource::Maildir { .. } => "",
        }
    }

    fn thing(&self) -> Thing {
        Thing::Mailbox(self.name.clone())
    }

    async fn note_well(&self) {
        report::well(&self.world, self.thing()).await;
    }

    async fn note_trouble(&self, error: &ReceiveError) {
        if self.stop.is_cancelled() {
            return;
        }
        tracing::warn!(mailbox = self.name.0, "{error}");
        let urgency = match error.class() {
            Class::Transient => Urgency::IfItLasts,
            _ => Urgency::Now,
        };
        report::trouble(&self.world, self.thing(), error.to_string(), true, urgency).await;
    }

    async fn note_changed_validity(&self, before: Position, now: Selected) {
        let text = format!(
            "the server numbered folder {:?} anew (UIDVALIDITY {} is now {}); its messages are compared with the journal",
            self.folder(),
            before.validity,
            now.validity
        );
        tracing::warn!(mailbox = self.name.0, "{text}");
        report::note(&self.world, self.thing().to_string(), text).await;
    }
}

/// A message whose reception is on disk, or is not.
struct Kept {
    receipt: Result<Receipt, JournalError>,
    place: Place,
    internal_date: jiff::Timestamp,
    octets: Bytes,
    message: Message,
    held: Held,
    end: Option<(Outcome, String)>,
}

/// What counts as backlog: by UID, or in a Maildir everything of the first look.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Skipping {
    below_uid: u32,
    before: jiff::Timestamp,
}

impl Skipping {
    fn covers(&self, spot: &Spot) -> bool {
        uid(spot).is_none_or(|uid| self.below_uid == 0 || uid < self.below_uid)
    }
}

fn uid(spot: &Spot) -> Option<u32> {
    match spot {
        Spot::Uid { uid, .. } => Some(*uid),
        Spot::File { .. } | Spot::Handed { .. } => None,
    }
}
