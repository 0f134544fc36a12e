//! From the mailbox into the journal: a batch is fetched and written at once, and what may run is handed over.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesOrdered};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{
    BATCH, BATCH_OCTETS, ReceiveError, Skipping, Watched,
    line::{Line, Turn},
};
use crate::{
    clock,
    config::Deduplicate,
    journal::{self, Change, EntryId, JournalError, Place, Receipt, Received, Settled, Spot, Work},
    mailbox::{Batch, Fetched, Listed, Mailbox, Share},
    message::Message,
    outcome::{Outcome, Reason},
    pipeline::{
        lane::Held,
        log_reception, measure,
        work::{self, InHand},
    },
};

/// So many receptions wait for the disk at once; they share commits.
const IN_FLIGHT: usize = 256;
/// And so many octets, for what is made of them takes memory as well; a message that is larger goes to the disk alone.
const IN_FLIGHT_OCTETS: usize = 1024 * 1024;
/// What is read of a header at most, for the memory that many of them take.
const HEADER: usize = 16 * 1024;
/// Where no worker is free within this time, or no memory, messages go by way of the journal instead: workers who wait for Halo
/// shall not keep the server waiting in the midst of its answer.
const WORKER_WITHIN: Duration = Duration::from_millis(500);

impl Watched {
    /// Fetches and keeps these, all whole or of all the header. Gives those that are there and did not come.
    pub(super) async fn take_alike(
        &self,
        session: &mut dyn Mailbox,
        wanted: &[Listed],
        header_only: bool,
        skipping: Option<Skipping>,
    ) -> Result<Vec<Listed>, ReceiveError> {
        if !header_only {
            self.world.bells.coming(&self.name).notify_one();
        }
        let (give, batches) = mpsc::channel(1);
        let (to, fetched) = mpsc::channel(16);
        let (fetching, keeping, ()) = tokio::join!(
            session.fetch(batches, header_only, to),
            self.keep(fetched, header_only, skipping),
            self.give(wanted, header_only, give)
        );
        let came = keeping?;
        self.note_read(wanted.len().saturating_sub(came.len()));
        self.settle_doubts(&came).await?;
        let missing = |listed: &&Listed| !came.contains(&listed.spot);
        match fetching {
            Ok(withheld) => {
                let withheld = withheld
                    .iter()
                    .map(|withheld| (&withheld.spot, withheld.reason.as_str()));
                let spots = self.doubt(withheld).await?;
                let is_withheld = |listed: &&Listed| spots.contains(&listed.spot);
                Ok(wanted.iter().filter(is_withheld).cloned().collect())
            }
            Err(error) => {
                // They come in order, so it broke at the first that is missing, if it is the message's fault at all.
                if let Some(first) = wanted.iter().find(missing) {
                    self.doubt([(&first.spot, error.to_string().as_str())].into_iter())
                        .await?;
                }
                Err(error.into())
            }
        }
    }

    /// Gives them out in batches bounded by number and octets, each when so much may be asked for ahead; until the stop, or
    /// until nobody takes them any more.
    async fn give(&self, wanted: &[Listed], header_only: bool, to: mpsc::Sender<Batch>) {
        let size = |listed: &Listed| match header_only {
            true => HEADER,
            false => usize::try_from(listed.size).unwrap_or(usize::MAX),
        };
        let mut rest = wanted;
        while !rest.is_empty() {
            let mut octets = 0;
            let belongs = |listed: &&Listed| {
                octets += listed.size;
                header_only || octets <= BATCH_OCTETS
            };
            let length = rest.iter().take(BATCH).take_while(belongs).count().max(1);
            let (batch, later) = rest.split_at(length);
            rest = later;
            let share = tokio::select! {
                share = self.lane.ahead(batch.iter().map(size)) => share,
                () = self.stop.cancelled() => return,
                () = to.closed() => return,
            };
            let wanted = batch.to_vec();
            if to.send(Batch { wanted, share }).await.is_err() {
                return;
            }
        }
    }

    /// Writes what is fetched, in its order, many in one commit, and hands over what is runnable. Gives what came.
    async fn keep(
        &self,
        mut fetched: mpsc::Receiver<(Fetched, Share)>,
        header_only: bool,
        skipping: Option<Skipping>,
    ) -> Result<HashSet<Spot>, ReceiveError> {
        let (mut writes, mut in_flight, mut line) = (FuturesOrdered::new(), 0, Line::default());
        let octets = |done: &Kept| done.octets.len();
        let (mut kept, mut came) = (Ok(()), HashSet::new());
        let (mut here, mut is_crowded) = (None::<(Fetched, Share)>, header_only);
        loop {
            let held = tokio::select! {
                biased;
                held = self.room(&mut here), if here.is_some() && kept.is_ok() && !header_only => Some(held),
                () = patience(is_crowded), if here.is_some() && kept.is_ok() => None,
                Some(done) = writes.next() => {
                    in_flight -= octets(&done);
                    kept = kept.and(self.hand_over(done).await);
                    continue;
                }
                Some(next) = fetched.recv(), if here.is_none() && writes.len() < IN_FLIGHT && kept.is_ok() => {
                    here = Some(next);
                    continue;
                }
                else => break,
            };
            let Some((fetched, asked)) = here.take() else { continue };
            is_crowded = held.is_none();
            let held = held.unwrap_or(Held {
                place: None,
                memory: asked,
            });
            came.insert(fetched.spot.clone());
            self.note_read(1);
            let length = fetched.octets.len();
            while in_flight + length > IN_FLIGHT_OCTETS
                && let Some(done) = writes.next().await
            {
                in_flight -= octets(&done);
                kept = kept.and(self.hand_over(done).await);
            }
            in_flight += length;
            writes.push_back(self.write(fetched, held, header_only, skipping, line.turn()));
        }
        // One that can not be written does not stop the others, which may be in hand by now: nobody would work on them before
        // the next start.
        while let Some(done) = writes.next().await {
            kept = kept.and(self.hand_over(done).await);
        }
        kept.map(|()| came)
    }

    /// Waits for a worker for the message that is here.
    async fn room(&self, here: &mut Option<(Fetched, Share)>) -> Held {
        match here {
            Some((fetched, asked)) => self.lane.room(fetched.octets.len(), asked).await,
            None => Held::default(),
        }
    }

    async fn write(
        &self,
        fetched: Fetched,
        held: Held,
        header_only: bool,
        skipping: Option<Skipping>,
        turn: Turn,
    ) -> Kept {
        let message = Box::new(Message::read(&fetched.octets));
        let octets = fetched.octets.clone();
        let end = header_only.then(|| match skipping {
            Some(_) => (Outcome::Ignored, Reason::Backlog.word().to_owned()),
            None => (Outcome::Failed, Reason::TooLarge.word().to_owned()),
        });
        let received = self.received(&message, fetched, end.clone(), held.place.is_some());
        let place = received.place.clone();
        let internal_date = received.internal_date;
        let receipt = self.tell_in_turn(Change::Received(Box::new(received)), turn).await;
        Kept {
            receipt,
            place,
            internal_date,
            octets,
            from: message.author.address.clone(),
            message,
            held,
            end,
        }
    }

    /// A large one takes longer to be compressed than those behind it.
    async fn tell_in_turn(&self, change: Change, mut turn: Turn) -> Result<Receipt, JournalError> {
        let packed = journal::pack(self.world.under(self.duty(), change)).await;
        turn.comes().await;
        let written = self.world.journal.enter(packed?).await;
        drop(turn);
        self.heed(written?.await)
    }

    fn received(&self, message: &Message, fetched: Fetched, end: Option<(Outcome, String)>, claim: bool) -> Received {
        let header_only = end.is_some();
        let header = header_of(&fetched.octets);
        let mut digest = Sha256::new_with_prefix(header);
        let header_digest = digest.clone().finalize().into();
        Received {
            place: Place {
                mailbox: self.name.clone(),
                folder: self.folder().to_owned(),
                spot: fetched.spot,
            },
            // A Maildir has it to the nanosecond.
            internal_date: clock::as_kept(fetched.internal_date),
            size: fetched.size,
            digest: if header_only {
                header_digest
            } else {
                digest.update(&fetched.octets[header.len()..]);
                digest.finalize().into()
            },
            header_digest,
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
            Receipt::New(entry, ..) if kept.end.is_some() => {
                self.ended_at_once(entry, &kept.from, kept.internal_date, &kept.end)
                    .await?;
            }
            Receipt::New(_, received, Some(claim)) => {
                let work = Work::first(claim, kept.place, kept.internal_date, received);
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
                let reason = format!("a copy of message {of}");
                log_reception(entry, &self.name, &kept.from, ("duplicate", &reason));
                self.measure(entry, Outcome::Duplicate.word(), kept.internal_date);
                bells.settle(&self.name).notify_one();
            }
            Receipt::Stale => {}
            // It waits for its turn behind another one, or for a free worker.
            Receipt::New(entry, _, None) => {
                self.world.queued.put(entry, kept.octets, kept.message);
                bells.work.notify_one();
            }
            Receipt::Moved(_) | Receipt::Known(_) => bells.settle(&self.name).notify_one(),
            _ => bells.work.notify_one(),
        }
        Ok(())
    }

    fn measure(&self, entry: EntryId, outcome: &str, internal_date: Timestamp) {
        let now = self.world.clock.now();
        measure::outcome(&self.world, entry, outcome, (internal_date, now));
    }

    /// What ends with its reception: a skipped backlog is left where it lies, what is too large is reported.
    pub(super) async fn ended_at_once(
        &self,
        entry: EntryId,
        from: &str,
        internal_date: Timestamp,
        end: &Option<(Outcome, String)>,
    ) -> Result<(), ReceiveError> {
        let Some((outcome, reason)) = end else { return Ok(()) };
        log_reception(entry, &self.name, from, (outcome.word(), reason));
        self.measure(entry, outcome.word(), internal_date);
        if *outcome == Outcome::Ignored {
            self.tell(Change::Settled {
                entry,
                attempts: 0,
                settled: Settled::staying("left alone"),
            })
            .await?;
        } else {
            self.world.bells.report.notify_one();
            self.world.bells.settle(&self.name).notify_one();
        }
        Ok(())
    }
}

/// How long a worker is waited for; not again where none was free just now.
async fn patience(is_crowded: bool) {
    if !is_crowded {
        tokio::time::sleep(WORKER_WITHIN).await;
    }
}

/// The header as the server cuts it out; some leave the empty line off that ends it.
fn header_of(octets: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(octets, b"\r\n\r\n").unwrap_or(octets.len());
    octets[..end].trim_ascii_end()
}

/// A message whose reception is on disk, or is not.
struct Kept {
    receipt: Result<Receipt, JournalError>,
    place: Place,
    internal_date: Timestamp,
    octets: Bytes,
    /// The author's address.
    from: String,
    message: Box<Message>,
    held: Held,
    end: Option<(Outcome, String)>,
}
