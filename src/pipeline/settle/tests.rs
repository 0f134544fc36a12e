//! A connection that fails in the midst of a round.

use futures_util::future::BoxFuture;
use tokio::{sync::mpsc, time::Instant};

use super::*;
use crate::{
    journal::Spot,
    mailbox::{Batch, Fetched, Listed, Selected, Share, Withheld, Woke},
    outcome::Outcome,
    pipeline::work,
};

type Answer<'a, T> = BoxFuture<'a, Result<T, MailboxError>>;

/// A connection that is open, and over which nothing comes any more.
struct Cut;

fn lost<'a, T: 'a>() -> Answer<'a, T> {
    let reason = "the connection is cut".to_owned();
    Box::pin(async { Err(MailboxError::Lost { reason }) })
}

impl Mailbox for Cut {
    fn select(&mut self) -> Answer<'_, Selected> {
        lost()
    }

    fn list(&mut self, _: Range) -> Answer<'_, Vec<Listed>> {
        lost()
    }

    fn fetch(
        &mut self,
        _: mpsc::Receiver<Batch>,
        _: bool,
        _: mpsc::Sender<(Fetched, Share)>,
    ) -> Answer<'_, Vec<Withheld>> {
        lost()
    }

    fn wait<'a>(&'a mut self, _: bool, _: Instant, _: &'a CancellationToken) -> Answer<'a, Woke> {
        lost()
    }

    fn settle<'a>(&'a mut self, _: &'a [Spot], _: &'a Settle) -> Answer<'a, Vec<Settling>> {
        lost()
    }
}

#[tokio::test]
async fn a_round_that_fails_leaves_its_connection_and_the_next_has_another() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    std::fs::write(folder.path().join("new/one"), "x").unwrap();
    let world = work::tests::world(folder.path());
    work::tests::receive(&world, "one").await;
    work::tests::drain(&world).await;
    let name = MailboxName("support".to_owned());
    let mut config = world.generation.load().config.mailboxes[&name].clone();
    config.settle.insert(Outcome::Completed, Settle::Seen);
    let settler = Settler {
        stop: world.stop.clone(),
        world,
        name,
        config,
    };
    let cut = Session {
        folder: String::new(),
        mailbox: Box::new(Cut),
    };
    let mut course = Course {
        session: Some(cut),
        ..Course::default()
    };
    assert!(settler.round(&mut course).await.is_err());
    assert!(settler.round(&mut course).await.unwrap(), "over another connection");
    assert!(folder.path().join("cur/one:2,S").exists());
}
