//! Tasks, all of one type. tokio's own code is made anew for each type of future, for both of its schedulers, and for each
//! type of work on a thread: so a hundred of them are half a mebibyte of program, held at rest.

use futures_util::FutureExt;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::task::TaskTracker;

/// A piece of work did not come to its end: by a panic, which was printed by its hook, or since the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it broke off, by a fault of the program or since the process ends")]
pub struct BrokenOff;

/// Begins a task.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work.boxed())
}

/// Begins one of these tasks.
pub fn spawn_in(tasks: &TaskTracker, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tasks.spawn(work.boxed())
}

/// What comes of this. Once begun it goes on to its end, also where nobody waits for it any more.
pub async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, BrokenOff> {
    let (tell, told) = oneshot::channel();
    spawn(async move {
        let _ = tell.send(work.await);
    });
    told.await.map_err(|_| BrokenOff)
}

/// The same of what waits for a disk or computes for long, on a thread where it holds up no other task.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BrokenOff> {
    let (tell, told) = oneshot::channel();
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        let _ = tell.send(work());
    });
    tokio::task::spawn_blocking(work);
    told.await.map_err(|_| BrokenOff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_breaks_off_is_told_to_whoever_waits() {
        assert_eq!(apart(async { 1 }).await, Ok(1));
        assert_eq!(
            apart::<()>(async { panic!("the test wants it so") }).await,
            Err(BrokenOff)
        );
        assert_eq!(blocking(|| 2).await, Ok(2));
        assert_eq!(blocking::<()>(|| panic!("the test wants it so")).await, Err(BrokenOff));
    }
}
