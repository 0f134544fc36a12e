//! Faults to come: which requests they are for, and what goes wrong with those.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which requests are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pattern {
    /// Empty: any.
    pub method: String,
    /// How the path begins, for example `/api/users` or `/auth/token`: piece by piece, upper and lower case are one.
    pub path: String,
}

impl Pattern {
    /// Requests of that method below that path.
    pub fn of(method: &str, path: &str) -> Pattern {
        Pattern {
            method: method.into(),
            path: path.into(),
        }
    }

    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        // As the path is routed: `//api/Users/` is `/api/users`, and `/api/user` is another one.
        let pieces = |path| str::split(path, '/').filter(|piece: &&str| !piece.is_empty());
        let mut asked = pieces(path);
        let begins = pieces(&self.path).all(|piece| asked.next().is_some_and(|it| it.eq_ignore_ascii_case(piece)));
        begins && (self.method.is_empty() || self.method.eq_ignore_ascii_case(method))
    }
}

/// Something that goes wrong with the next requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests are meant.
    #[serde(default)]
    pub on: Pattern,
    /// How many of them.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether the request is carried out before it goes wrong.
    #[serde(default)]
    pub after: bool,
    /// What goes wrong.
    pub mishap: Mishap,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Goes wrong once, before anything is done.
    pub fn once(method: &str, path: &str, mishap: Mishap) -> Fault {
        Fault {
            on: Pattern::of(method, path),
            times: 1,
            after: false,
            mishap,
        }
    }

    /// The same after it was done.
    pub fn after(self) -> Fault {
        Fault { after: true, ..self }
    }

    /// The same several times.
    pub fn times(self, times: u32) -> Fault {
        Fault { times, ..self }
    }
}

/// How a request goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mishap {
    /// A status with an exception as .NET writes them that says `message`; a 429 says it as the switch `rate_body` has it.
    Status {
        /// The HTTP status.
        status: u16,
        /// Empty: an empty body.
        #[serde(default)]
        message: String,
    },
    /// A gateway's page.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// The connection closes without an answer.
    Drop,
    /// The connection closes in the middle of the answer.
    Half,
    /// The connection closes in the middle of the answer's header.
    HalfHeader,
    /// That answer, whatever was asked.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Header fields.
        #[serde(default)]
        fields: BTreeMap<String, String>,
        /// As it is.
        #[serde(default)]
        body: String,
    },
    /// JSON that is so long.
    Long {
        /// In MiB.
        mib: usize,
    },
    /// JSON that never comes to an end, bit by bit.
    Endless,
    /// The answer takes so long.
    Delay {
        /// In milliseconds.
        ms: u64,
    },
    /// A success that shows no id.
    NoId,
}

impl Mishap {
    /// Whether it is one that can be answered.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Mishap::Status { status, .. } | Mishap::Html { status } => (200..600).contains(status),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_matched_piece_by_piece() {
        for (pattern, path, expected) in [
            ("/api/users", "/api/users", true),
            ("/api/users", "//API//Users/12/", true),
            ("api/users/", "/api/users/12", true),
            ("/api/user", "/api/users", false),
            ("/api/users/1", "/api/users/12", false),
            ("/api/users", "/api", false),
            ("", "/api", true),
            ("/", "/", true),
        ] {
            assert_eq!(
                Pattern::of("GET", pattern).matches("get", path),
                expected,
                "{pattern} {path}"
            );
        }
        assert!(!Pattern::of("POST", "/api").matches("GET", "/api"));
    }
}
