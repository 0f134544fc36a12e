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
const LONGEST: Duration = Duration::from_secs(10 * 60);
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
        while woke.is_none() || !begun {
            let answering = if begun { sent.until(until + GRACE) } else { sent.clone() };
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
        let patience = self.wire.patience();
        let answering = sent.until(Instant::now() + patience);
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
