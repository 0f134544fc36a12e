//! Fetching messages without setting `\Seen`: small ones many to a command, large ones piece by piece.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use imap_proto::{AttributeValue, Response};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Imap, completion::Completion, size_of, uid_of, uid_set::sets, wire::Reply};
use crate::{
    journal::Spot,
    mailbox::{Fetched, Listed, MailboxError},
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
    pub(super) async fn fetch_all(
        &mut self,
        wanted: &[Listed],
        header_only: bool,
        to: mpsc::Sender<Fetched>,
    ) -> Result<(), MailboxError> {
        let current = self.opened().await?.validity;
        let of_now = |listed: &Listed| match listed.spot {
            Spot::Uid { validity, uid } if validity == current => Some((uid, listed.size)),
            _ => None,
        };
        let mut sizes: BTreeMap<u32, u64> = wanted.iter().filter_map(of_now).collect();
        let large = sizes
            .extract_if(.., |_, size| !header_only && *size > LARGE)
            .collect::<Vec<_>>();
        let mut refused = self.fetch_small(current, &mut sizes, header_only, &to).await?;
        for (uid, size) in large {
            refused = self.fetch_in_pieces(current, uid, size, &to).await?.or(refused);
        }
        // Told last, so that one message that the server can't give holds up no other.
        refused.map_or(Ok(()), |completion| Err(completion.refused()))
    }

    /// Takes what came out of `left`. A batch that the server refuses is asked for one by one.
    async fn fetch_small(
        &mut self,
        validity: u32,
        left: &mut BTreeMap<u32, u64>,
        header_only: bool,
        to: &mpsc::Sender<Fetched>,
    ) -> Result<Option<Completion>, MailboxError> {
        let uids: Vec<u32> = left.keys().copied().collect();
        let mut refused = None;
        for set in sets(&uids) {
            if self.fetch_set(validity, &set, left, header_only, to).await?.is_some() {
                let again: Vec<u32> = uids.iter().copied().filter(|uid| left.contains_key(uid)).collect();
                for uid in again {
                    refused = self
                        .fetch_set(validity, &uid.to_string(), left, header_only, to)
                        .await?
                        .or(refused);
                    left.remove(&uid);
                }
            }
        }
        Ok(refused)
    }

    /// `Some`: the server refused; what came before that was sent nevertheless.
    async fn fetch_set(
        &mut self,
        validity: u32,
        set: &str,
        left: &mut BTreeMap<u32, u64>,
        header_only: bool,
        to: &mpsc::Sender<Fetched>,
    ) -> Result<Option<Completion>, MailboxError> {
        let (section, longest) = if header_only {
            (format!("BODY.PEEK[HEADER]<0.{LONGEST_HEADER}>"), LONGEST_HEADER)
        } else {
            ("BODY.PEEK[]".to_owned(), left.values().copied().max().unwrap_or(0))
        };
        self.wire.expect_literals(tolerated(longest));
        let sent = self
            .wire
            .send(
                &format!("UID FETCH {set} (UID INTERNALDATE RFC822.SIZE {section})"),
                None,
            )
            .await?;
        loop {
            let shown = match self.wire.reply(&sent, shown).await? {
                Reply::Done(completion) if completion.status == "OK" || is_gone(&completion) => return Ok(None),
                Reply::Done(completion) => return Ok(Some(completion)),
                Reply::Untagged(Some(shown)) => shown,
                Reply::Untagged(None) | Reply::Continue => continue,
            };
            // Without octets it is news about flags, or a message that is just being expunged (RFC 2180, 4.1.3).
            let (Some(octets), Some(listed)) = (shown.octets, left.remove(&shown.uid)) else {
                continue;
            };
            let size = shown.size.unwrap_or(listed);
            deliver(to, validity, shown.uid, shown.internal_date, size, octets).await?;
        }
    }

    /// `Some`: the server refused.
    async fn fetch_in_pieces(
        &mut self,
        validity: u32,
        uid: u32,
        listed: u64,
        to: &mpsc::Sender<Fetched>,
    ) -> Result<Option<Completion>, MailboxError> {
        self.wire.expect_literals(tolerated(PIECE));
        let mut whole = BytesMut::new();
        let (mut internal_date, mut size) = (None, listed);
        loop {
            let had = octets_in(&whole);
            if had > tolerated(listed) {
                let reason = format!("UID {uid} was listed with {listed} octets, and the server goes on beyond {had}");
                return Err(MailboxError::Lost { reason });
            }
            let items = if had == 0 {
                "UID INTERNALDATE RFC822.SIZE"
            } else {
                "UID"
            };
            let command = format!("UID FETCH {uid} ({items} BODY.PEEK[]<{had}.{PIECE}>)");
            let piece = match self.fetch_piece(&command, uid).await? {
                Piece::Octets(shown) => shown,
                Piece::Gone => return Ok(None),
                Piece::Refused(completion) => return Ok(Some(completion)),
            };
            internal_date = internal_date.or(piece.internal_date);
            size = piece.size.unwrap_or(size);
            // Beyond the end some servers say "" and others NIL.
            let octets = piece.octets.unwrap_or_default();
            whole.extend_from_slice(&octets);
            if octets_in(&octets) < PIECE {
                deliver(to, validity, uid, internal_date, size, whole.freeze()).await?;
                return Ok(None);
            }
        }
    }

    async fn fetch_piece(&mut self, command: &str, uid: u32) -> Result<Piece, MailboxError> {
        let sent = self.wire.send(command, None).await?;
        let mut piece = Piece::Gone;
        loop {
            match self.wire.reply(&sent, shown).await? {
                Reply::Done(completion) if completion.status == "OK" => return Ok(piece),
                Reply::Done(completion) if is_gone(&completion) => return Ok(Piece::Gone),
                Reply::Done(completion) => return Ok(Piece::Refused(completion)),
                Reply::Untagged(Some(shown)) if shown.uid == uid && shown.answers => piece = Piece::Octets(shown),
                Reply::Untagged(_) | Reply::Continue => {}
            }
        }
    }
}

/// What a question for a piece was answered with.
enum Piece {
    Octets(Shown),
    /// Nobody has this UID any more.
    Gone,
    Refused(Completion),
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
