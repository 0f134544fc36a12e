//! The journal, where it is in a database of its own.

use super::Report;
use crate::{config::Config, journal};

impl Report {
    /// Nothing is made there: that is for the daemon, which may have it just now.
    pub(super) fn journal(&mut self, config: &Config) {
        let Some(address) = &config.journal else { return };
        match journal::inspect(address) {
            Ok((place, awaits)) => {
                let awaits = awaits.map_or(String::new(), |what| format!("; {what}"));
                self.good("journal", &format!("{place}: signed in{awaits}"));
            }
            Err(error) => self.bad("journal", &error.to_string(), error.class()),
        }
    }
}
