//! The token of the page, which nobody opens before somebody signs in.

use super::Report;
use crate::{class::Class, config::Config, http};

impl Report {
    /// Whether it is there, and long enough.
    pub(super) fn page(&mut self, config: &Config) {
        match config.http.as_ref().and_then(http::token) {
            None => {}
            Some(Ok(())) => self.good("http", "its token can be used"),
            Some(Err(reason)) => self.bad("http", &reason, Class::Permanent),
        }
    }
}
