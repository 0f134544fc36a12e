//! How the things that notices are about stand, when their report is made.

use std::collections::HashMap;

use jiff::SignedDuration;

use crate::{
    config::Config,
    journal::Notice,
    outcome::report::{Lasts, Standing},
    pipeline::{World, states::Thing},
};

/// A notice and the end of what it tells of may bear the same time.
const BESIDE: SignedDuration = SignedDuration::from_secs(1);

/// By topic. Of a trouble that was over before a restart nothing is known.
pub(super) fn of(world: &World, config: &Config, notices: &[Notice]) -> HashMap<String, Standing> {
    let mut standings: HashMap<String, Standing> = HashMap::new();
    for name in config.mailboxes.keys() {
        for thing in [Thing::Mailbox, Thing::Settling, Thing::Canary] {
            let standing = Standing {
                mailbox: Some(name.clone()),
                trouble: None,
            };
            standings.insert(thing(name.clone()).to_string(), standing);
        }
    }
    let now = world.clock.now();
    let first = notices.iter().map(|notice| notice.at).min().unwrap_or(now);
    // What goes on comes last, and what was over before and began anew does not count.
    for span in world.state.spans(first - BESIDE, now + BESIDE) {
        let standing = standings.entry(span.thing.to_string()).or_default();
        standing.mailbox = span.thing.mailbox().cloned();
        standing.trouble = Some(span.until.map_or(Lasts::Yes, Lasts::OverSince));
    }
    standings
}
