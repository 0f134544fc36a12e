//! A message by itself: piece by piece, so that no more than a piece is held twice.

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{LONGEST_HEADER, PIECE, Shown, deliver, fetched, is_gone, octets_in, shown, tolerated};
use crate::{
    journal::Spot,
    mailbox::{
        Fetched, MailboxError, Share, Withheld,
        imap::{Imap, wire::Reply},
        room,
    },
};

/// A message that is asked for by itself, and what came of it.
pub(super) struct Alone {
    pub(super) uid: u32,
    /// In octets; what the listing says.
    pub(super) listed: u64,
    /// What the server says with the octets.
    size: u64,
    share: Share,
    internal_date: Option<Timestamp>,
    octets: Vec<u8>,
    pub(super) is_whole: bool,
}

impl Alone {
    pub(super) fn new(uid: u32, listed: u64, share: Share) -> Alone {
        Alone {
            uid,
            listed,
            size: listed,
            share,
            internal_date: None,
            octets: Vec::new(),
            is_whole: false,
        }
    }

    /// The command for the piece that begins there.
    pub(super) fn command(&self, at: u64, header_only: bool) -> String {
        let uid = self.uid;
        let section = if header_only { "HEADER" } else { "" };
        let items = if at == 0 { "UID INTERNALDATE RFC822.SIZE" } else { "UID" };
        format!("UID FETCH {uid} ({items} BODY.PEEK[{section}]<{at}.{PIECE}>)")
    }

    fn had(&self) -> u64 {
        octets_in(&self.octets)
    }

    pub(super) fn make_room(&mut self) {
        if self.octets.is_empty() {
            self.octets = room(self.listed);
        }
    }

    /// One of the pieces that were asked for all at once. What does not begin where the octets end is asked for again.
    pub(super) fn take_ahead(&mut self, piece: Shown) {
        let octets = piece.octets.as_deref().map_or(0, octets_in);
        if !self.is_whole && octets <= PIECE && piece.origin == Some(self.had()) {
            self.take(piece, false);
        }
    }

    /// The next piece. It may be shorter than what was asked for, since some servers cap it: the end is where nothing comes,
    /// or where the size is reached.
    fn take(&mut self, piece: Shown, header_only: bool) {
        self.internal_date = self.internal_date.or(piece.internal_date);
        self.size = piece.size.unwrap_or(self.size);
        // Beyond the end some servers say "" and others NIL.
        let octets = piece.octets.unwrap_or_default();
        self.octets.extend_from_slice(&octets);
        let is_short = octets_in(&octets) < PIECE;
        self.is_whole = if header_only {
            is_short || self.had() >= LONGEST_HEADER
        } else {
            octets.is_empty() || (is_short && self.had() >= self.size)
        };
    }

    pub(super) async fn deliver(
        mut self,
        validity: u32,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<(), MailboxError> {
        let share = self.share.split(self.octets.len());
        let fetched = fetched(validity, self.uid, self.internal_date, self.size, self.octets.into());
        deliver(to, fetched, share).await
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

impl Imap {
    /// Each by itself, as far as it is still there.
    pub(super) async fn fetch_each(
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

    /// One message, piece by piece: whatever size the server claims, no more than a piece is waited for.
    /// Gives the reason where it is there and does not come.
    async fn fetch_alone(
        &mut self,
        validity: u32,
        mut one: Alone,
        header_only: bool,
        to: &mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Option<String>, MailboxError> {
        self.wire.expect_literals(tolerated(PIECE));
        let listed = one.listed;
        let longest = if header_only { LONGEST_HEADER } else { tolerated(listed) };
        if !header_only {
            one.make_room();
        }
        while !one.is_whole {
            let command = one.command(one.had(), header_only);
            match self.fetch_piece(&command, one.uid).await? {
                Piece::Octets(shown) => one.take(shown, header_only),
                Piece::Gone => return Ok(None),
                Piece::Refused(reason) => return Ok(Some(reason)),
            }
            if !one.is_whole && one.had() > longest {
                let had = one.had();
                let reason = format!("it was listed with {listed} octets, and the server goes on beyond {had}");
                return Ok(Some(reason));
            }
        }
        one.deliver(validity, to).await?;
        Ok(None)
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
