//! Waiting for news: IDLE (RFC 2177) as a hint, with an end in time beside it.
//!
//! An IDLE connection may die without a word, so it is broken off again and again, and the answer to DONE, which
//! has a deadline, shows whether anybody is still there.

use std::time::Duration;

use imap_proto::{MailboxDatum, Response};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Imap,
    wire::{Reply, Sent},
};
use crate::mailbox::{MailboxError, Woke};

/// RFC 2177 allows 29 minutes; routers forget a silent connection sooner.
pub(in crate::mailbox) const LONGEST: Duration = Duration::from_secs(10 * 60);
/// How long the answer to DONE may take at most: it needs no work of the server. Whoever is silent for longer is gone,
/// and with the default `poll_interval` that is noticed well within two minutes.
const ANSWER: Duration = Duration::from_secs(30);
/// The wait's own end comes first.
const GRACE: Duration = Duration::from_secs(1);
/// How long a stop waits for the answer to DONE.
const FAREWELL: Duration = Duration::from_millis(500);

impl Imap {
    pub(super) async fn wait_for_news(
        &mut self,
        idle: bool,
        until: Instant,
        stop: &CancellationToken,
    ) -> Result<Woke, MailboxError> {
        let until = until.min(Instant::now() + LONGEST);
        self.wire.rest();
        // EXISTS may have come with the answer to another command.
        if self.wire.take_news() {
            return Ok(Woke::News);
        }
        if stop.is_cancelled() {
            return Ok(Woke::Stopped);
        }
        if idle && self.wire.can("IDLE") && self.selected.is_some() {
            let woke = self.idle(until, stop).await?;
            if let Some(woke) = woke {
                return Ok(woke);
            }
            // It is announced, and the server refuses it: then there is polling alone.
            self.wire.forget("IDLE");
        }
        tokio::select! {
            () = sleep_until(until) => Ok(Woke::Deadline),
            () = stop.cancelled() => Ok(Woke::Stopped),
        }
    }

    /// `None`: the server does not do it.
    async fn idle(&mut self, until: Instant, stop: &CancellationToken) -> Result<Option<Woke>, MailboxError> {
        // The deadline holds for the `+` alone; from then on the server may be silent until `until`.
        let sent = self.wire.send("IDLE", Some(self.wire.patience())).await?;
        let mut begun = false;
        let mut woke = None;
        let waiting = sent.within(until.saturating_duration_since(Instant::now()) + GRACE);
        while woke.is_none() || !begun {
            let answering = if begun { waiting.clone() } else { sent.clone() };
            let reply = tokio::select! {
                reply = self.wire.reply(&answering, is_exists) => reply,
                () = sleep_until(until), if begun => {
                    woke = Some(Woke::Deadline);
                    continue;
                }
                () = stop.cancelled() => {
                    woke = Some(Woke::Stopped);
                    break;
                }
            };
            match reply? {
                Reply::Continue(_) => begun = true,
                Reply::Done(completion) if !begun && !completion.is_passing() => return Ok(None),
                // Refused for now, or ended by the server, which only DONE may do.
                Reply::Done(completion) => return Err(completion.refused()),
                Reply::Untagged(true) => woke = Some(Woke::News),
                Reply::Untagged(false) => {}
            }
        }
        let woke = woke.unwrap_or(Woke::Deadline);
        self.wire.write(b"DONE\r\n").await?;
        self.end_idle(&sent, woke).await.map(Some)
    }

    async fn end_idle(&mut self, sent: &Sent, woke: Woke) -> Result<Woke, MailboxError> {
        let patience = self.wire.patience().min(ANSWER);
        let answering = sent.within(patience);
        let ended = async {
            loop {
                if let Reply::Done(completion) = self.wire.reply(&answering, |_| ()).await? {
                    return completion.accepted();
                }
            }
        };
        if woke == Woke::Stopped {
            // Nothing is lost when the server is slow: the connection ends now.
            let _ = timeout(FAREWELL, ended).await;
            return Ok(Woke::Stopped);
        }
        ended.await?;
        let late = self.wire.take_news();
        Ok(if late { Woke::News } else { woke })
    }
}

fn is_exists(response: &Response<'_>) -> bool {
    matches!(response, Response::MailboxData(MailboxDatum::Exists(_)))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Patience, connect},
        *,
    };

    /// `poll_interval` as it stands in the defaults.
    fn poll_interval() -> Duration {
        let defaults: toml_edit::DocumentMut = include_str!("../../config/defaults.toml").parse().unwrap();
        let text = defaults["mailbox"]["*"]["poll_interval"].as_str().unwrap();
        text.parse::<jiff::SignedDuration>().unwrap().unsigned_abs()
    }

    #[test]
    fn a_line_that_dies_without_a_word_is_noticed_within_two_minutes() {
        let two_minutes = Duration::from_secs(120);
        // In IDLE: it is broken off, and nobody answers. With any other command: nobody answers.
        assert!(poll_interval().min(LONGEST) + GRACE + ANSWER < two_minutes);
        assert!(Patience::default().command < two_minutes);
        // However long `poll_interval` is, the system asks the other side.
        assert!(connect::KEEPALIVE < two_minutes);
    }
}
