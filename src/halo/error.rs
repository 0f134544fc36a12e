//! What can go wrong with a request to Halo, cut by what its reader does next.

use std::time::Duration;

use super::fault::{Fault, Permission};
use crate::{class::Class, config::ConnectionName};

/// What can go wrong with a request to Halo.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HaloError {
    /// Halo says no to this request: 400, 413.
    #[error("Halo answers {method} {path} with {status}: {reason}")]
    Refused {
        method: String,
        path: String,
        status: u16,
        reason: String,
    },
    /// 5xx, a timeout, half an answer. `uncertain`: a write may have happened.
    #[error("{method} {path} has no usable answer from Halo: {reason}")]
    NoAnswer {
        method: String,
        path: String,
        reason: String,
        uncertain: bool,
    },
    /// Halo can not be reached: the request was not sent, or something else than Halo's API answers.
    #[error("Halo can not be reached at {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// What is sent can not be counted, so nothing is.
    #[error("nothing is sent to Halo while its requests can not be counted: {reason}")]
    Uncounted { reason: String },
    /// 429: the connection holds still.
    #[error("Halo asks to slow down (429): {reason}")]
    TooMany {
        reason: String,
        retry_after: Option<Duration>,
    },
    /// Nobody is signed in: the credentials are refused, or there are none to be sent.
    #[error("{reason}; {remedy}")]
    Credentials {
        connection: ConnectionName,
        reason: String,
        remedy: String,
    },
    /// A permission is missing (403, or 401 with a token that is new).
    #[error("Halo refuses the connection {connection}: {reason}; {remedy}")]
    Forbidden {
        connection: ConnectionName,
        permission: Permission,
        reason: String,
        remedy: String,
    },
}

impl HaloError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            HaloError::Refused { .. } => Class::Permanent,
            HaloError::NoAnswer { .. }
            | HaloError::Unreachable { .. }
            | HaloError::Uncounted { .. }
            | HaloError::TooMany { .. } => Class::Transient,
            HaloError::Credentials { .. } | HaloError::Forbidden { .. } => Class::Credentials,
        }
    }
    /// What of the connection is at fault, where it is: its messages wait, their clock stands still.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            HaloError::Refused { .. } | HaloError::NoAnswer { .. } | HaloError::Uncounted { .. } => None,
            HaloError::Unreachable { .. } => Some(Fault::Unreachable),
            HaloError::TooMany { .. } => Some(Fault::Held),
            HaloError::Credentials { .. } => Some(Fault::Credentials),
            HaloError::Forbidden { permission, .. } => Some(Fault::Forbidden(permission.clone())),
        }
    }

    /// Whether Halo refuses for the user, the site or the client that was named, as `Please select a valid
    /// Client/Site/User` does.
    pub(super) fn speaks_of_people(&self) -> bool {
        let HaloError::Refused {
            status: 400, reason, ..
        } = self
        else {
            return false;
        };
        let reason = reason.to_lowercase();
        ["client", "site", "user"].iter().any(|word| reason.contains(word))
    }

    /// Whether it is a fault of the connection.
    pub fn is_of_connection(&self) -> bool {
        self.fault().is_some()
    }

    /// How long the connection holds still, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            HaloError::TooMany { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
