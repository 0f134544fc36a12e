//! What is made ready side by side goes on in the order in which it came: messages of one author, and those of one
//! conversation, keep their order by it.

use tokio::sync::oneshot;

/// Those who wait for each other. A line has no end: whoever comes stands behind all before.
#[derive(Default)]
pub(super) struct Line {
    last: Option<oneshot::Receiver<()>>,
}

/// Somebody's turn; it is over when this is dropped.
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _over: oneshot::Sender<()>,
}

impl Line {
    /// The turn behind all that were given.
    pub fn turn(&mut self) -> Turn {
        let (over, is_over) = oneshot::channel();
        Turn {
            before: self.last.replace(is_over),
            _over: over,
        }
    }
}

impl Turn {
    /// Waits until all turns before this one are over.
    pub async fn comes(&mut self) {
        if let Some(before) = &mut self.before {
            // Nothing is ever sent: it is over when the other end is dropped.
            let _ = before.await;
            self.before = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Poll};

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn each_waits_for_those_before_it_whoever_is_ready_first() {
        let mut line = Line::default();
        let (mut first, mut second, mut third) = (line.turn(), line.turn(), line.turn());
        first.comes().await;
        waits(&mut second).await;
        drop(first);
        second.comes().await;
        waits(&mut third).await;
        drop(second);
        third.comes().await;
    }

    async fn waits(turn: &mut Turn) {
        assert_eq!(poll!(pin!(turn.comes())), Poll::Pending);
    }
}
