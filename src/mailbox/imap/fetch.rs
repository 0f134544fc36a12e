//! Fetching messages without setting `\Seen`: small ones many to a command, large ones piece by piece.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use imap_proto::{AttributeValue, Response};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Imap, completion::Completion, size_of, uid_of, uid_set::sets, wire::Reply};
use crate::{
    journal::Spot,
    mailbox::{Fetched, Listed, MailboxError, Withheld},
};

/// A larger message comes in pieces, so that no more than a piece is held twice.
const LARGE: u64 = 1 << 20;
const PIECE: u64 = 1 << 20;
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

impl Imap {
    /// Many small messages by one command, large ones by themselves. What did not come that way, and is still
    /// there, is asked for by itself: one message that a server can't give holds up no other.
    pub(super) async fn fetch_all(
        &mut self,
        wanted: &[Listed],
        header_only: bool,
        to: mpsc::Sender<Fetched>,
    ) -> Result<Vec<Withheld>, MailboxError> {
        let validity = self.opened().await?.validity;
        let of_now = |listed: &Listed| match listed.spot {
            Spot::Uid { validity: of, uid } if of == validity => Some((uid, listed.size)),
            _ => None,
        };
        let mut left: BTreeMap<u32, u64> = wanted.iter().filter_map(of_now).collect();
        let mut alone: BTreeMap<u32, u64> = left
            .extract_if(.., |_, size| !header_only && *size > LARGE)
            .collect::<BTreeMap<_, _>>();
        if left.len() > 1 {
            self.fetch_together(validity, &mut left, header_only, &to).await?;
            let uids: Vec<u32> = left.keys().copied().collect();
            let there = self.lying_there(&uids).await?;
            left.retain(|uid, _| there.contains(uid));
        }
        alone.append(&mut left);
        let mut withheld = Vec::new();
        for (uid, size) in alone {
            if let Some(reason) = self.fetch_alone(validity, (uid, size), header_only, &to).await? {
                let spot = Spot::Uid { validity, uid };
                withheld.push(Withheld { spot, reason });
            }
        }
        Ok(withheld)
    }

    /// Takes what came out of `left`. A refusal is no news here: who did not come is asked for by itself.
    async fn fetch_together(
        &mut self,
        validity: u32,
        left: &mut BTreeMap<u32, u64>,
        header_only: bool,
        to: &mpsc::Sender<Fetched>,
    ) -> Result<(), MailboxError> {
        let uids: Vec<u32> = left.keys().copied().collect();
        for set in sets(&uids) {
            let (section, longest) = if header_only {
                (format!("BODY.PEEK[HEADER]<0.{LONGEST_HEADER}>"), LONGEST_HEADER)
            } else {
                ("BODY.PEEK[]".to_owned(), left.values().copied().max().unwrap_or(0))
            };
            self.wire.expect_literals(tolerated(longest));
            let command = format!("UID FETCH {set} (UID INTERNALDATE RFC822.SIZE {section})");
            let sent = self.wire.send(&command, None).await?;
            loop {
                let shown = match self.wire.reply(&sent, shown).await? {
                    Reply::Done(completion) if completion.is_passing() => return Err(completion.refused()),
                    Reply::Done(_) => break,
                    Reply::Untagged(Some(shown)) => shown,
                    Reply::Untagged(None) | Reply::Continue(_) => continue,
                };
                // Without octets it is news about flags, or a message that is just being expunged (RFC 2180, 4.1.3).
                let Some(octets) = shown.octets else { continue };
                let Some(listed) = left.remove(&shown.uid) else {
                    continue;
                };
                let size = shown.size.unwrap_or(listed);
                deliver(to, validity, shown.uid, shown.internal_date, size, octets).await?;
            }
        }
        Ok(())
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
        (uid, listed): (u32, u64),
        header_only: bool,
        to: &mpsc::Sender<Fetched>,
    ) -> Result<Option<String>, MailboxError> {
        self.wire.expect_literals(tolerated(PIECE));
        let section = if header_only { "HEADER" } else { "" };
        let longest = if header_only { LONGEST_HEADER } else { tolerated(listed) };
        let mut whole = BytesMut::new();
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
                deliver(to, validity, uid, internal_date, size, whole.freeze()).await?;
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

async fn deliver(
    to: &mpsc::Sender<Fetched>,
    validity: u32,
    uid: u32,
    internal_date: Option<Timestamp>,
    size: u64,
    octets: Bytes,
) -> Result<(), MailboxError> {
    // Where the server knows no date, the moment at which we meet the message is the nearest to it.
    let internal_date = internal_date.unwrap_or_else(Timestamp::now);
    let fetched = Fetched {
        spot: Spot::Uid { validity, uid },
        internal_date,
        size,
        octets,
    };
    let gone = |_| MailboxError::Lost {
        reason: "nobody takes the fetched messages any more".to_owned(),
    };
    to.send(fetched).await.map_err(gone)
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
