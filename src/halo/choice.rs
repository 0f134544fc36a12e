//! What a tenant has set up for its tickets to be given: types, statuses, priorities, teams and the like.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::alike::NamedRecord;

/// A list that a tenant sets up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    TicketType,
    Status,
    Priority,
    Team,
    Agent,
    Category,
    Source,
    Impact,
    Urgency,
    /// What an action may be.
    Outcome,
}

impl List {
    /// All of them.
    pub const ALL: &[List] = &[
        List::TicketType,
        List::Status,
        List::Priority,
        List::Team,
        List::Agent,
        List::Category,
        List::Source,
        List::Impact,
        List::Urgency,
        List::Outcome,
    ];

    /// What one of its rows is, for people.
    pub fn word(self) -> &'static str {
        match self {
            List::TicketType => "ticket type",
            List::Status => "status",
            List::Priority => "priority",
            List::Team => "team",
            List::Agent => "agent",
            List::Category => "category",
            List::Source => "source",
            List::Impact => "impact",
            List::Urgency => "urgency",
            List::Outcome => "outcome",
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One row of such a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The number that a ticket or an action refers to it by.
    pub id: i64,
    /// Its name; of a category the whole way to it, `"Hardware>Printer"`.
    pub name: String,
    /// Whether it is out of use.
    pub inactive: bool,
}

impl NamedRecord for Choice {
    fn number(&self) -> i64 {
        self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn is_inactive(&self) -> bool {
        self.inactive
    }
}
