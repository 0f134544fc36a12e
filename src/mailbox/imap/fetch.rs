//! Fetching messages without setting `\Seen`: small ones many to a command, large ones piece by piece. More is asked for
//! while the server still answers, so that neither waits for the other across the line.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use imap_proto::{AttributeValue, Response};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{
    Imap,
    completion::Completion,
    size_of, uid_of,
    uid_set::{UidSet, sets},
    wire::{Reply, Sent},
};
use crate::{
    journal::Spot,
    mailbox::{Batch, Fetched, Listed, MailboxError, Share, Withheld},
};

mod alone;

use alone::Alone;

/// A larger message comes in pieces, so that no more than a piece is held twice.
const LARGE: u64 = 3 << 20;
const PIECE: u64 = 1 << 20;
/// So many commands are under way at once before another one is begun; and so many for the pieces of one message.
const AHEAD: usize = 8;
const PIECES_AHEAD: usize = 64;
/// No header that a person's mail has is longer.
const LONGEST_HEADER: u64 = 1 << 20;

/// One message as a FETCH answer shows it.
struct Shown {
    uid: u32,
    internal_date: Option<Timestamp>,
    size: Option<u64>,
    /// It answers a question for octets, though maybe with none (NIL); else it is news about flags.
    answers: bool,
    octets: Option<Bytes>,
    /// Where in the message they begin.
    origin: Option<u64>,
}

/// What is under way: the commands, what each of them asks for, and the large messages that pieces are asked of.
#[derive(Default)]
struct UnderWay {
    sent: Vec<Sent>,
    asked: Vec<Asked>,
    large: BTreeMap<u32, Alone>,
}

enum Asked {
    Together(Together),
    /// A piece of this one.
    Piece(u32),
}

/// Small messages that are asked for by one command.
struct Together {
    /// With the size that each was listed with.
    left: BTreeMap<u32, u64>,
    share: Share,
}

impl Imap {
    /// Many small messages by one command, large ones by themselves. What did not come that way, and is still
    /// there, is asked for by itself: one message that a server can't give holds up no other.
    pub(super) async fn fetch_all(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        header_only: bool,
        to: mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Vec<Withheld>, MailboxError> {
        let validity = self.opened().await?.validity;
        let mut under_way = UnderWay::default();
        let (mut alone, mut withheld) = (Vec::new(), Vec::new());
        loop {
            let may_ask = under_way.sent.len() < AHEAD && alone.is_empty();
            tokio::select! {
                biased;
                Some(batch) = batches.recv(), if may_ask => {
                    alone.extend(self.ask(batch, validity, header_only, &mut under_way).await?);
                }
                reply = self.wire.reply_to(&under_way.sent, shown), if !under_way.sent.is_empty() => {
                    alone.extend(under_way.hear(reply?, validity, &to).await?);
                }
                else => {
                    if alone.is_empty() {
                        return Ok(withheld);
                    }
                    let those = std::mem::take(&mut alone);
                    withheld.extend(self.fetch_each(validity, those, header_only, &to).await?);
                }
            }
        }
    }

    /// Asks for these together, for each large one by its pieces. Gives the one that is to be asked for by itself.
    async fn ask(
        &mut self,
        batch: Batch,
        validity: u32,
        header_only: bool,
        under_way: &mut UnderWay,
    ) -> Result<Option<Alone>, MailboxError> {
        let Divided { together, large, only } = divide(batch, validity, header_only, under_way.sent.is_empty());
        self.wire.expect_literals(tolerated(LARGE.max(LONGEST_HEADER)));
        for (set, some) in together {
            under_way.sent.push(self.ask_together(&set, header_only).await?);
            under_way.asked.push(Asked::Together(some));
        }
        for mut one in large {
            one.make_room();
            for piece in (0..=one.listed / PIECE).take(PIECES_AHEAD) {
                let command = one.command(piece * PIECE, false);
                under_way.sent.push(self.wire.send(&command, None).await?);
                under_way.asked.push(Asked::Piece(one.uid));
            }
            under_way.large.insert(one.uid, one);
        }
        Ok(only)
    }

    async fn ask_together(&mut self, set: &UidSet, header_only: bool) -> Result<Sent, MailboxError> {
        let section = if header_only {
            format!("BODY.PEEK[HEADER]<0.{LONGEST_HEADER}>")
        } else {
            "BODY.PEEK[]".to_owned()
        };
        let command = format!("UID FETCH {set} (UID INTERNALDATE RFC822.SIZE {section})");
        self.wire.send(&command, None).await
    }

    /// Those of `uids` that the server still lists; the others were expunged by somebody else.
    pub(super) async fn lying_there(&mut self, uids: &[u32]) -> Result<BTreeSet<u32>, MailboxError> {
        let wanted: BTreeSet<u32> = uids.iter().copied().collect();
        let mut there = BTreeSet::new();
        for set in sets(uids) {
            let note = |response: &Response<'_>| {
                if let Response::Fetch(_, attributes) = response {
                    there.extend(uid_of(attributes).filter(|uid| wanted.contains(uid)));
                }
            };
            let answer = self.wire.ask(&format!("UID FETCH {set} (UID)"), note).await?;
            if answer.status != "OK" && !is_gone(&answer) {
                return Err(answer.refused());
            }
        }
        Ok(there)
    }
}

impl UnderWay {
    /// Takes an answer. Where a command is done, gives what did not come by it: a refusal is no news here.
    async fn hear(
        &mut self,
        (number, reply): (usize, Reply<Option<Shown>>),
        validity: u32,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Vec<Alone>, MailboxError> {
        match reply {
            Reply::Done(completion) if completion.is_passing() => Err(completion.refused()),
            Reply::Done(_) => self.done(number, validity, to).await,
            Reply::Untagged(Some(shown)) => self.take(shown, validity, to).await.map(|()| Vec::new()),
            Reply::Untagged(None) | Reply::Continue(_) => Ok(Vec::new()),
        }
    }

    async fn take(
        &mut self,
        shown: Shown,
        validity: u32,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<(), MailboxError> {
        if let Some(one) = self.large.get_mut(&shown.uid) {
            one.take_ahead(shown);
            return Ok(());
        }
        let mut together = self.asked.iter_mut().filter_map(|asked| match asked {
            Asked::Together(some) => Some(some),
            Asked::Piece(_) => None,
        });
        let of = together.find(|some| some.left.contains_key(&shown.uid));
        // Without octets it is news about flags, or a message that is just being expunged (RFC 2180, 4.1.3).
        if let (Some(some), Some(octets)) = (of, shown.octets) {
            let listed = some.left.remove(&shown.uid).unwrap_or_default();
            let share = some.share.split(octets.len());
            let size = shown.size.unwrap_or(listed);
            let fetched = fetched(validity, shown.uid, shown.internal_date, size, octets);
            deliver(to, fetched, share).await?;
        }
        Ok(())
    }

    async fn done(
        &mut self,
        number: usize,
        validity: u32,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Vec<Alone>, MailboxError> {
        self.sent.remove(number);
        let uid = match self.asked.remove(number) {
            Asked::Together(some) => return Ok(some.each()),
            Asked::Piece(uid) => uid,
        };
        let is_of_it = |asked: &Asked| matches!(asked, Asked::Piece(of) if *of == uid);
        if self.asked.iter().any(is_of_it) {
            return Ok(Vec::new());
        }
        match self.large.remove(&uid) {
            Some(one) if one.is_whole => one.deliver(validity, to).await.map(|()| Vec::new()),
            one => Ok(one.into_iter().collect()),
        }
    }
}

fn octets_in(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

/// RFC822.SIZE is an estimate on some servers (Exchange); beyond this it is a lie.
fn tolerated(size: u64) -> u64 {
    size.saturating_add(size / 2).saturating_add(64 * 1024)
}

/// RFC 5530, 3: some of the messages were expunged by somebody else.
pub(super) fn is_gone(completion: &Completion) -> bool {
    completion.status == "NO" && matches!(completion.code.as_str(), "EXPUNGEISSUED" | "NONEXISTENT")
}

fn shown(response: &Response<'_>) -> Option<Shown> {
    let Response::Fetch(_, attributes) = response else {
        return None;
    };
    let uid = uid_of(attributes)?;
    let mut shown = Shown {
        uid,
        internal_date: None,
        size: size_of(attributes),
        answers: false,
        octets: None,
        origin: None,
    };
    for attribute in attributes {
        match attribute {
            AttributeValue::InternalDate(text) => shown.internal_date = internal_date(text),
            AttributeValue::BodySection { data, index, .. } => {
                shown.answers = true;
                shown.origin = index.map(u64::from);
                shown.octets = data.as_deref().map(Bytes::copy_from_slice);
            }
            _ => {}
        }
    }
    Some(shown)
}

/// RFC 9051, 9: `date-time`, whose day may begin with a space.
fn internal_date(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%d-%b-%Y %H:%M:%S %z", text.trim_start()).ok()
}

fn fetched(validity: u32, uid: u32, internal_date: Option<Timestamp>, size: u64, octets: Bytes) -> Fetched {
    Fetched {
        spot: Spot::Uid { validity, uid },
        // Where the server knows no date, the moment at which we meet the message is the nearest to it.
        internal_date: internal_date.unwrap_or_else(Timestamp::now),
        size,
        octets,
    }
}

async fn deliver(to: &mpsc::Sender<(Fetched, Share)>, fetched: Fetched, share: Share) -> Result<(), MailboxError> {
    let gone = |_| MailboxError::Lost {
        reason: "nobody takes the fetched messages any more".to_owned(),
    };
    to.send((fetched, share)).await.map_err(gone)
}

/// How messages are asked for.
struct Divided {
    /// A set for each command.
    together: Vec<(UidSet, Together)>,
    /// By pieces that are asked for all at once.
    large: Vec<Alone>,
    /// The only one where nothing is under way.
    only: Option<Alone>,
}

fn divide(batch: Batch, validity: u32, header_only: bool, is_first: bool) -> Divided {
    let Batch { wanted, mut share } = batch;
    let of_now = |listed: &Listed| match listed.spot {
        Spot::Uid { validity: of, uid } if of == validity => Some((uid, listed.size)),
        _ => None,
    };
    let mut left: BTreeMap<u32, u64> = wanted.iter().filter_map(of_now).collect();
    let mut alone = |(uid, size)| Alone::new(uid, size, share.split(usize::try_from(size).unwrap_or(usize::MAX)));
    let is_large = |size: u64| !header_only && size > LARGE;
    let large: Vec<Alone> = left.extract_if(.., |_, size| is_large(*size)).map(&mut alone).collect();
    let only = match left.len() {
        1 if is_first && large.is_empty() => left.pop_first().map(&mut alone),
        _ => None,
    };
    let uids: Vec<u32> = left.keys().copied().collect();
    let mut together = Vec::new();
    let mut sets = sets(&uids).into_iter().peekable();
    while let Some(set) = sets.next() {
        let left: BTreeMap<u32, u64> = set.uids.iter().map(|uid| (*uid, left[uid])).collect();
        let share = match sets.peek() {
            Some(_) => share.split(usize::try_from(left.values().sum::<u64>()).unwrap_or(usize::MAX)),
            None => std::mem::take(&mut share),
        };
        together.push((set, Together { left, share }));
    }
    Divided { together, large, only }
}

impl Together {
    /// What is left of them, each by itself.
    fn each(mut self) -> Vec<Alone> {
        let share = &mut self.share;
        let alone = |(uid, size)| Alone::new(uid, size, share.split(usize::try_from(size).unwrap_or(usize::MAX)));
        self.left.into_iter().map(alone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates_are_read_with_their_zone() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(internal_date(text).map(|time| time.to_string()).as_deref(), expected);
        };
        check("17-Jul-2026 02:44:25 -0700", Some("2026-07-17T09:44:25Z"));
        check(" 7-Feb-2026 22:00:00 +0100", Some("2026-02-07T21:00:00Z"));
        check("", None);
        check("yesterday", None);
    }
}
