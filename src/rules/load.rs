//! What a message costs in requests to Halo, as far as the rules alone can tell. Pure.

use super::{Rule, RuleSet, Step};
use crate::config::{Config, ConnectionName, MailboxName, fault::Fault};

/// The requests that a message takes at one connection at most, as `action::Cost` counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Where nobody is made: steps that make a user or a client and have a condition do not run.
    pub known: u32,
    /// Where every step runs, and who can be made is.
    pub new: u32,
    /// Beside `known`, for each turn of a `for_each`.
    pub known_each: u32,
    /// Beside `new`, for each turn of a `for_each`.
    pub new_each: u32,
}

/// Where a step stands.
#[derive(Clone, Copy)]
struct Within {
    for_each: bool,
    condition: bool,
}

impl RuleSet {
    /// The load of a message in the mailbox whose rules ask most: every rule for it matches.
    pub fn load(&self, config: &Config, connection: &ConnectionName) -> Load {
        let of = |mailbox: &MailboxName| {
            let mut load = Load::default();
            for rule in self.rules.iter().filter(|rule| is_for(rule, mailbox)) {
                let within = Within {
                    for_each: false,
                    condition: false,
                };
                load.add(&rule.steps, connection, within);
            }
            load
        };
        let loads = config.mailboxes.keys().map(of);
        loads.fold(Load::default(), |most, load| Load {
            known: most.known.max(load.known),
            new: most.new.max(load.new),
            known_each: most.known_each.max(load.known_each),
            new_each: most.new_each.max(load.new_each),
        })
    }

    /// A warning for each connection at which one message may need more requests than its window has.
    pub(super) fn warn_of_low_rates(&self, config: &Config, faults: &mut Vec<Fault>) {
        for (name, halo) in &config.halo {
            let load = self.load(config, name);
            let most = load.new.saturating_add(load.new_each);
            if most > halo.rate.count.get() {
                let problem = format!(
                    "{:?} is fewer requests than one message can need, which are {most}",
                    halo.rate.to_string()
                );
                let remedy = "such a message waits for the next window; allow more where Halo does";
                let path = crate::config::fault::join("halo", &name.0);
                faults.push(Fault::at(format!("{path}.rate"), problem, remedy).as_warning());
            }
        }
    }
}

fn is_for(rule: &Rule, mailbox: &MailboxName) -> bool {
    rule.mailboxes.as_ref().is_none_or(|names| names.contains(mailbox))
}

impl Load {
    fn add(&mut self, steps: &[Step], connection: &ConnectionName, within: Within) {
        for step in steps {
            let condition = within.condition || step.when.is_some();
            let inner = Within {
                for_each: true,
                condition,
            };
            self.add(&step.steps, connection, inner);
            if step.connection.as_ref() != Some(connection) {
                continue;
            }
            let cost = step.kind.row().cost;
            let (known, new) = if within.for_each {
                (&mut self.known_each, &mut self.new_each)
            } else {
                (&mut self.known, &mut self.new)
            };
            if cost.creates == 0 || !condition {
                *known = known.saturating_add(cost.looks);
            }
            *new = new.saturating_add(cost.looks + cost.creates);
        }
    }
}
