//! What systemd is told: ready, reloading, stopping, a status line, and a watchdog fed by progress.

use std::{sync::Arc, time::Duration};

use sd_notify::NotifyState;

use crate::{
    config::MailboxName,
    pipeline::{
        World,
        states::{Reading, States, Thing},
    },
};

/// The status line is brought up to date so often, and whenever something becomes well or bad.
const LOOK: Duration = Duration::from_secs(1);
/// What becomes well or bad within this time is told at once: of a server, all its mailboxes do.
const GATHER: Duration = Duration::from_millis(20);
/// A journal that has not taken a change after so long feeds no watchdog.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(10);
/// How far a mailbox is that holds fewer messages is over before anybody reads it.
const WORTH_A_WORD: usize = 1000;
/// A status line names so many troubles, and so much of each.
const TROUBLES: usize = 3;
const LONGEST_TROUBLE: usize = 160;

/// Tells systemd how things are until the daemon stops.
pub(super) async fn beat(world: Arc<World>) {
    let watchdog = sd_notify::watchdog_enabled();
    let mut said = String::new();
    let mut fed = tokio::time::Instant::now();
    loop {
        let (status, is_settled) = status(&world);
        let line = NotifyState::Status(&status);
        if is_settled && world.state.becomes_ready() {
            // In one word: whoever waits for the start reads no line of before it.
            tell(&[NotifyState::Ready, line]);
        } else if status != said {
            tell(&[line]);
        }
        said = status;
        if let Some(every) = watchdog
            && fed.elapsed() >= every / 3
            && is_alive(&world).await
        {
            tell(&[NotifyState::Watchdog]);
            fed = tokio::time::Instant::now();
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = gathered(&world) => {}
            () = world.stop.cancelled() => {
                tell(&[NotifyState::Stopping]);
                return;
            }
        }
    }
}

async fn gathered(world: &World) {
    world.state.changed.notified().await;
    tokio::time::sleep(GATHER).await;
}

/// A reload begins; readiness is told again when it is over. Before the first readiness there is none to tell.
pub(super) fn reloading(world: &World) {
    if world.state.is_ready()
        && let Ok(at) = NotifyState::monotonic_usec_now()
    {
        tell(&[NotifyState::Reloading, at]);
    }
}

/// A reload is over.
pub(super) fn reloaded(world: &World) {
    if world.state.is_ready() {
        tell(&[NotifyState::Ready]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd was not told: {error}");
    }
}

/// A line for people, and whether a mailbox was reached or every one of them has said why not; of those that are this
/// node's to watch, once that is known. One that is not begun with is among them.
fn status(world: &World) -> (String, bool) {
    let generation = world.generation.load();
    let watched = world.leases.mailboxes();
    let is_enabled = |name: &&MailboxName| {
        generation
            .config
            .mailboxes
            .get(*name)
            .is_some_and(|config| config.enabled)
    };
    let (line, is_settled) = line(watched.iter().flatten().filter(is_enabled), &world.state);
    (line, is_settled && watched.is_some())
}

fn line<'a>(mailboxes: impl Iterator<Item = &'a MailboxName>, state: &States) -> (String, bool) {
    let (mut count, mut well, mut known) = (0, 0, 0);
    let mut reading = String::new();
    for mailbox in mailboxes {
        let now = state.reading(mailbox);
        let is_well = state.is_well(&Thing::Mailbox(mailbox.clone())).or(now.map(|_| true));
        count += 1;
        known += usize::from(is_well.is_some());
        well += usize::from(is_well == Some(true));
        if let Some(Reading { done, of }) = now.filter(|now| now.of >= WORTH_A_WORD) {
            reading += &format!("; {mailbox}: reading, {} of {}", grouped(done), grouped(of));
        }
    }
    let mut line = format!("{well} of {count} mailboxes are well{reading}");
    for (thing, trouble) in state.troubles().iter().take(TROUBLES) {
        let text = format!("; {thing}: {}", trouble.reason);
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        line.extend(printable.take(LONGEST_TROUBLE));
    }
    (line, well > 0 || known == count)
}

/// `12,000`
fn grouped(number: usize) -> String {
    let (digits, mut text) = (number.to_string(), String::new());
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Progress is that the journal takes changes and the loop that takes up work turns. A Halo, a mailbox or a database server
/// that is down is no reason to be started again.
async fn is_alive(world: &World) -> bool {
    let takes_changes = world.journal.is_shared() || world.takes_a_change(JOURNAL_PATIENCE).await.is_ok();
    takes_changes && world.state.is_turning()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::node::{Duty, Lease},
        pipeline::work::tests::world,
    };

    #[tokio::test]
    async fn a_mailbox_that_is_not_begun_with_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (world, support) = (world(folder.path()), MailboxName("support".to_owned()));
        assert!(!status(&world).1, "what is to be watched is not known");
        let (duty, token) = (Duty::Mailbox(support.clone()), 1);
        world.leases.replace(&[Lease { duty, token }]);
        assert_eq!(status(&world), ("0 of 1 mailboxes are well".to_owned(), false));
        world.state.well(&Thing::Mailbox(support), world.clock.now());
        assert_eq!(status(&world), ("1 of 1 mailboxes are well".to_owned(), true));
        world.leases.replace(&[]);
        assert_eq!(status(&world), ("0 of 0 mailboxes are well".to_owned(), true));
    }

    #[test]
    fn a_mailbox_is_well_as_soon_as_it_is_reached_and_says_how_far_it_is() {
        let (states, support) = (States::default(), MailboxName("support".to_owned()));
        let check = |expected: &str, is_settled: bool| {
            assert_eq!(line([&support].into_iter(), &states), (expected.to_owned(), is_settled));
        };
        check("0 of 1 mailboxes are well", false);
        states.reaches(&support, 30_000);
        check("1 of 1 mailboxes are well; support: reading, 0 of 30,000", true);
        states.read(&support, 12_000);
        check("1 of 1 mailboxes are well; support: reading, 12,000 of 30,000", true);
        states.has_read(&support);
        states.well(&Thing::Mailbox(support.clone()), jiff::Timestamp::UNIX_EPOCH);
        check("1 of 1 mailboxes are well", true);
        states.reaches(&support, 3);
        check("1 of 1 mailboxes are well", true);
    }

    #[test]
    fn large_numbers_are_grouped() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
