//! Fetching messages without setting `\Seen`: small ones many to a command, large ones piece by piece.

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
    mailbox::{Batch, Fetched, Listed, MailboxError, Share, Withheld, room},
};

/// A larger message comes in pieces, so that no more than a piece is held twice. Each of them waits for everything that is
/// under way, and for a round trip a piece.
const LARGE: u64 = 3 << 20;
const PIECE: u64 = 1 << 20;
/// So many commands are under way at once.
const AHEAD: usize = 4;
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
}

/// Small messages that were asked for by a command that is under way.
struct Asked {
    /// With the size that each was listed with.
    left: BTreeMap<u32, u64>,
    share: Share,
}

/// A message that is asked for by itself.
struct Alone {
    uid: u32,
    size: u64,
    share: Share,
}

impl Imap {
    /// Many small messages by one command, large ones by themselves. What did not come that way, and is still
    /// there, is asked for by itself: one message that a server can't give holds up no other.
    ///
    /// More is asked for while the server still answers, so that neither waits for the other across the line.
    pub(super) async fn fetch_all(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        header_only: bool,
        to: mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Vec<Withheld>, MailboxError> {
        let validity = self.opened().await?.validity;
        let (mut sent, mut asked) = (Vec::new(), Vec::new());
        let (mut alone, mut withheld) = (Vec::new(), Vec::new());
        loop {
            let next = match asked.len() {
                0 if alone.is_empty() => batches.recv().await,
                1..AHEAD if alone.is_empty() => batches.try_recv().ok(),
                _ => None,
            };
            if let Some(batch) = next {
                let (together, by_itself) = divide(batch, validity, header_only, asked.is_empty());
                alone.extend(by_itself);
                for (set, some) in together {
                    sent.push(self.ask_together(&set, header_only).await?);
                    asked.push(some);
                }
            } else if !asked.is_empty() {
                let left = self.hear(validity, &mut sent, &mut asked, &to).await?;
                alone.extend(left);
            } else if !alone.is_empty() {
                withheld.extend(
                    self.fetch_each(validity, std::mem::take(&mut alone), header_only, &to)
                        .await?,
                );
            } else {
                return Ok(withheld);
            }
        }
    }

    async fn ask_together(&mut self, set: &UidSet, header_only: bool) -> Result<Sent, MailboxError> {
        let section = if header_only {
            format!("BODY.PEEK[HEADER]<0.{LONGEST_HEADER}>")
        } else {
            "BODY.PEEK[]".to_owned()
        };
        self.wire.expect_literals(tolerated(LARGE.max(LONGEST_HEADER)));
        let command = format!("UID FETCH {set} (UID INTERNALDATE RFC822.SIZE {section})");
        self.wire.send(&command, None).await
    }

    /// One answer to what is under way. Where a command is done, gives what did not come by it: a refusal is no news here.
    async fn hear(
        &mut self,
        validity: u32,
        sent: &mut Vec<Sent>,
        asked: &mut Vec<Asked>,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Vec<Alone>, MailboxError> {
        let shown = match self.wire.reply_to(sent, shown).await? {
            (_, Reply::Done(completion)) if completion.is_passing() => return Err(completion.refused()),
            (number, Reply::Done(_)) => {
                sent.remove(number);
                return Ok(asked.remove(number).each());
            }
            (_, Reply::Untagged(Some(shown))) => shown,
            (_, Reply::Untagged(None) | Reply::Continue(_)) => return Ok(Vec::new()),
        };
        let of = asked.iter_mut().find(|some| some.left.contains_key(&shown.uid));
        // Without octets it is news about flags, or a message that is just being expunged (RFC 2180, 4.1.3).
        if let (Some(some), Some(octets)) = (of, shown.octets) {
            let listed = some.left.remove(&shown.uid).unwrap_or_default();
            let share = some.share.split(octets.len());
            let fetched = fetched(
                validity,
                shown.uid,
                shown.internal_date,
                shown.size.unwrap_or(listed),
                octets,
            );
            deliver(to, fetched, share).await?;
        }
        Ok(Vec::new())
    }

    /// Each by itself, as far as it is still there.
    async fn fetch_each(
        &mut self,
        validity: u32,
        mut those: Vec<Alone>,
        header_only: bool,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Vec<Withheld>, MailboxError> {
        if those.len() > 1 {
            let uids: Vec<u32> = those.iter().map(|one| one.uid).collect();
            let there = self.lying_there(&uids).await?;
            those.retain(|one| there.contains(&one.uid));
        }
        let mut withheld = Vec::new();
        for one in those {
            let uid = one.uid;
            if let Some(reason) = self.fetch_alone(validity, one, header_only, to).await? {
                let spot = Spot::Uid { validity, uid };
                withheld.push(Withheld { spot, reason });
            }
        }
        Ok(withheld)
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

    /// One message, piece by piece: whatever size the server claims, no more than a piece is waited for.
    /// Gives the reason where it is there and does not come.
    async fn fetch_alone(
        &mut self,
        validity: u32,
        Alone {
            uid,
            size: listed,
            mut share,
        }: Alone,
        header_only: bool,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Option<String>, MailboxError> {
        self.wire.expect_literals(tolerated(PIECE));
        let section = if header_only { "HEADER" } else { "" };
        let longest = if header_only { LONGEST_HEADER } else { tolerated(listed) };
        let mut whole = room(if header_only { 0 } else { listed });
        let (mut internal_date, mut size) = (None, listed);
        loop {
            let had = octets_in(&whole);
            let items = if had == 0 {
                "UID INTERNALDATE RFC822.SIZE"
            } else {
                "UID"
            };
            let command = format!("UID FETCH {uid} ({items} BODY.PEEK[{section}]<{had}.{PIECE}>)");
            let piece = match self.fetch_piece(&command, uid).await? {
                Piece::Octets(shown) => shown,
                Piece::Gone => return Ok(None),
                Piece::Refused(reason) => return Ok(Some(reason)),
            };
            internal_date = internal_date.or(piece.internal_date);
            size = piece.size.unwrap_or(size);
            // Beyond the end some servers say "" and others NIL.
            let octets = piece.octets.unwrap_or_default();
            whole.extend_from_slice(&octets);
            let had = octets_in(&whole);
            // A piece may be shorter than what was asked for, since some servers cap it: the end is where nothing
            // comes, or where the size is reached.
            let is_whole = if header_only {
                octets_in(&octets) < PIECE || had >= longest
            } else {
                octets.is_empty() || (octets_in(&octets) < PIECE && had >= size)
            };
            if is_whole {
                let share = share.split(whole.len());
                deliver(to, fetched(validity, uid, internal_date, size, whole.into()), share).await?;
                return Ok(None);
            }
            if had > longest {
                let reason = format!("it was listed with {listed} octets, and the server goes on beyond {had}");
                return Ok(Some(reason));
            }
        }
    }

    async fn fetch_piece(&mut self, command: &str, uid: u32) -> Result<Piece, MailboxError> {
        let sent = self.wire.send(command, None).await?;
        let mut piece = None;
        let completion = loop {
            match self.wire.reply(&sent, shown).await? {
                Reply::Done(completion) => break completion,
                Reply::Untagged(Some(shown)) if shown.uid == uid && shown.answers => piece = Some(shown),
                Reply::Untagged(_) | Reply::Continue(_) => {}
            }
        };
        if let Some(shown) = piece.filter(|_| completion.status == "OK") {
            return Ok(Piece::Octets(shown));
        }
        if completion.is_passing() {
            return Err(completion.refused());
        }
        // Neither an OK without octets nor a refusal says whether the message is still there.
        if is_gone(&completion) || self.lying_there(&[uid]).await?.is_empty() {
            return Ok(Piece::Gone);
        }
        Ok(Piece::Refused(match completion.status {
            "OK" => "the server lists it and sends no octets of it".to_owned(),
            _ => completion.refused().to_string(),
        }))
    }
}

/// What a question for a piece was answered with.
enum Piece {
    Octets(Shown),
    /// Nobody has this UID any more.
    Gone,
    /// It is there; why it does not come.
    Refused(String),
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
    };
    for attribute in attributes {
        match attribute {
            AttributeValue::InternalDate(text) => shown.internal_date = internal_date(text),
            AttributeValue::BodySection { data, .. } => {
                shown.answers = true;
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

/// What is asked for together, a set for each command, and what is by itself: large ones, and one that is the only one
/// where nothing is under way.
fn divide(batch: Batch, validity: u32, header_only: bool, is_first: bool) -> (Vec<(UidSet, Asked)>, Vec<Alone>) {
    let Batch { wanted, mut share } = batch;
    let of_now = |listed: &Listed| match listed.spot {
        Spot::Uid { validity: of, uid } if of == validity => Some((uid, listed.size)),
        _ => None,
    };
    let mut left: BTreeMap<u32, u64> = wanted.iter().filter_map(of_now).collect();
    let is_alone = is_first && left.len() == 1;
    let alone = left.extract_if(.., |_, size| is_alone || (!header_only && *size > LARGE));
    let alone: Vec<Alone> = alone
        .map(|(uid, size)| Alone {
            uid,
            size,
            share: share.split(usize::try_from(size).unwrap_or(usize::MAX)),
        })
        .collect();
    let uids: Vec<u32> = left.keys().copied().collect();
    let mut asked = Vec::new();
    let mut sets = sets(&uids).into_iter().peekable();
    while let Some(set) = sets.next() {
        let left: BTreeMap<u32, u64> = set.uids.iter().map(|uid| (*uid, left[uid])).collect();
        let share = match sets.peek() {
            Some(_) => share.split(usize::try_from(left.values().sum::<u64>()).unwrap_or(usize::MAX)),
            None => std::mem::take(&mut share),
        };
        asked.push((set, Asked { left, share }));
    }
    (asked, alone)
}

impl Asked {
    /// What is left of them, each by itself.
    fn each(mut self) -> Vec<Alone> {
        let alone = |(uid, size): (u32, u64)| Alone {
            uid,
            size,
            share: self.share.split(usize::try_from(size).unwrap_or(usize::MAX)),
        };
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
