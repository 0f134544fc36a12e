//! How long answers are kept and how long is waited: the figures of one connection, in one place.

use std::time::Duration;

use crate::retry::Backoff;

/// The lifetimes and waits of a connection. Operators don't set them; a test shortens them.
#[derive(Debug, Clone)]
pub struct Times {
    /// After a 429; longer where Halo says so.
    pub hold: Backoff,
    /// A longer hold is handed to the caller at once, instead of being waited for.
    pub patience: Duration,
    /// Refused credentials are not sent again before this has passed.
    pub rejected: Duration,
    /// A token is replaced so long before it expires.
    pub refresh_early: Duration,
    /// Clients and sites, by id and by name.
    pub places: Duration,
    /// Users by address; `Freshness::Cached` promises at most a minute.
    pub users: Duration,
    /// The list of agents.
    pub agents: Duration,
    /// The mail domains of a site or a client, which cost a request each.
    pub mail_domains: Duration,
    /// That there is no such thing: somebody may be creating it now.
    pub absent: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            hold: Backoff {
                first: Duration::from_secs(5),
                longest: Duration::from_secs(60),
            },
            patience: Duration::from_secs(30),
            rejected: Duration::from_secs(60),
            refresh_early: Duration::from_secs(60),
            places: Duration::from_secs(10 * 60),
            users: Duration::from_secs(60),
            agents: Duration::from_secs(10 * 60),
            mail_domains: Duration::from_secs(6 * 60 * 60),
            absent: Duration::from_secs(60),
        }
    }
}
