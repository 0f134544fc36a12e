//! What waits for the writer, and how it is told what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::{Fault, Hand, not_written};
use crate::journal::JournalError;

/// A piece of work that waits for the writer.
pub(super) trait Job: Send {
    fn weight(&self) -> usize;
    /// Does it, and keeps the result; an error says that its writes shall not stay. It may have to be done again.
    fn perform(&mut self, hand: &Hand<'_>) -> Result<(), JournalError>;
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

    fn perform(&mut self, hand: &Hand<'_>) -> Result<(), JournalError> {
        self.result = match catch_unwind(AssertUnwindSafe(|| (self.work)(hand))) {
            Ok(result) => result.map_err(|fault| not_written(&fault)),
            Err(_) => Err(not_written(&"a fault of this program, which the log shows")),
        };
        self.result.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, committed: Result<(), JournalError>) {
        // Who no longer waits does not want to know.
        let _ = self.answer.send(committed.and(self.result));
    }
}
