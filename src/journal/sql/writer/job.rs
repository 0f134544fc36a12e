//! What waits for the writer, and how it is told what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::{Hand, not_written};
use crate::journal::{JournalError, sql::database::Fault};

/// A piece of work that waits for the writer.
pub(super) trait Job: Send {
    fn weight(&self) -> usize {
        0
    }
    /// Whether nothing comes after it for a while.
    fn rests(&self) -> bool {
        false
    }
    /// Does it, and keeps the result; an error says that its writes shall not stay. It may have to be done again.
    fn perform(&mut self, hand: &Hand<'_>) -> Result<(), Fault>;
    /// Gives the result back, once it is known whether the commit was made.
    fn answer(self: Box<Self>, committed: Result<(), JournalError>);
}

pub(super) type Told<T> = oneshot::Receiver<Result<T, JournalError>>;

/// A job, and where its result comes.
pub(super) fn job<T, F>(weight: usize, work: F) -> (Box<dyn Job>, Told<T>)
where
    F: Fn(&Hand<'_>) -> Result<T, Fault> + Send + 'static,
    T: Send + 'static,
{
    let (answer, told) = oneshot::channel();
    (
        Box::new(Task {
            weight,
            work,
            result: Err(not_written(&"it was not begun")),
            answer,
        }),
        told,
    )
}

struct Task<F, T> {
    weight: usize,
    work: F,
    result: Result<T, JournalError>,
    answer: oneshot::Sender<Result<T, JournalError>>,
}

impl<F, T> Job for Task<F, T>
where
    F: Fn(&Hand<'_>) -> Result<T, Fault> + Send,
    T: Send,
{
    fn weight(&self) -> usize {
        self.weight
    }

    fn perform(&mut self, hand: &Hand<'_>) -> Result<(), Fault> {
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(hand)));
        let heard = hand.db.heard();
        let of_ours = |_| {
            Err(Fault::Refused(
                "a fault of this program, which the log shows".to_owned(),
            ))
        };
        let done = done.unwrap_or_else(of_ours).and_then(|done| heard.map(|()| done));
        let (result, told) = match done {
            Ok(result) => (Ok(result), Ok(())),
            Err(fault) => (Err(not_written(&fault)), Err(fault)),
        };
        self.result = result;
        told
    }

    fn answer(self: Box<Self>, committed: Result<(), JournalError>) {
        // Who no longer waits does not want to know.
        let _ = self.answer.send(committed.and(self.result));
    }
}

/// Nothing comes for a while.
pub(super) struct Rest;

impl Job for Rest {
    fn rests(&self) -> bool {
        true
    }

    fn perform(&mut self, _: &Hand<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn answer(self: Box<Self>, _: Result<(), JournalError>) {}
}
