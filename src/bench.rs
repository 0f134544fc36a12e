//! What a benchmark calls of the parts that are private otherwise.

use futures_util::FutureExt;
use jiff::Timestamp;

use crate::{
    config::MailboxName,
    effect::{
        Bare, Effects,
        simulated::{Assume, Lookups, Simulated},
    },
    expression::Shared,
    generation::Generation,
    run::{self, End, Setting},
};

/// Takes a message through the rules as an attempt does: `email` into the scope, each condition, the trace of each. How
/// many rules were asked, and how many of them matched; their steps may ask nothing of the world.
///
/// # Panics
///
/// Where a step waits for the world, or the message comes to no outcome.
pub fn through(generation: &Generation, mailbox: &MailboxName, email: &Shared) -> (usize, usize) {
    let setting = Setting {
        rules: &generation.rules,
        config: &generation.config,
        mailbox,
        email,
        id: 1,
        attempt: 1,
        hostname: "mx.example",
        now: Timestamp::UNIX_EPOCH,
        origin: String::new(),
    };
    let world = Simulated::new(Lookups::Assumed(Assume::Known), None);
    let mut effects = Effects::new(&world, &Bare, None, Vec::new());
    let through = run::through(&setting, None, &mut effects).now_or_never();
    let through = through.expect("nothing is asked of the world");
    match through.end {
        End::Concluded { matched, .. } => (through.trace.rules.len(), matched.len()),
        end => panic!("{end:?}"),
    }
}
