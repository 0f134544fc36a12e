//! The steps a rule is made of: one table says what each is called, which fields it takes and what it stores;
//! it feeds the checker, the errors and the manual.

use crate::{
    config::ConnectionName,
    expression::shape::Shape,
    halo::{choice::List, fault::Fault},
};

pub mod add_halo_action;
pub mod attach_files_to_halo_ticket;
pub mod create_halo_client;
pub mod create_halo_ticket;
pub mod create_halo_ticket_from_email;
pub mod create_halo_user;
pub mod fields;
pub mod find_halo_user_and_client;
pub mod fold;
pub mod from_email;
pub mod http_request;
pub mod query;
pub mod query_tickets;
mod resolve;
pub mod send_email;
mod table;
pub mod ticket_fields;
pub mod update_halo_ticket;
pub mod update_halo_ticket_from_email;

pub use fields::{Fields, Rendered};
pub use table::TABLE;

/// Why a step did not work, cut by what the run does next.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// For good: `on_error` decides.
    #[error("{reason}")]
    Failed {
        /// One sentence naming the field, the expression and the value, or what Halo said.
        reason: String,
    },
    /// For now: the message comes back, not before `not_before` where that is set.
    #[error("{reason}")]
    Later {
        /// What happened.
        reason: String,
        /// Coming back earlier would be of no use.
        not_before: Option<jiff::Timestamp>,
    },
    /// A limit that the operator set is reached: the message waits for its turn, and its clock stands still.
    #[error("{reason}")]
    Held {
        /// Which limit.
        reason: String,
        /// When its turn comes.
        until: jiff::Timestamp,
    },
    /// A fault of the connection: its messages wait as long as it lasts, their clock stands still.
    #[error("{reason}")]
    Connection {
        /// Which connection.
        connection: ConnectionName,
        /// What of it, for whoever waits for its end.
        fault: Fault,
        /// What is wrong and what to do.
        reason: String,
        /// When it goes on, where Halo said so.
        until: Option<jiff::Timestamp>,
    },
    /// Only in a dry run: what nobody knows without asking.
    #[error("can not be told without asking: {what}")]
    Unknown {
        /// The question.
        what: String,
    },
}

impl StepError {
    /// A failure for good.
    pub fn failed(reason: impl Into<String>) -> StepError {
        StepError::Failed { reason: reason.into() }
    }
}

/// What a step does; its word is the `type` in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    CreateHaloUser,
    FindHaloUserAndClient,
    QueryHaloUsers,
    QueryHaloClients,
    QueryHaloSites,
    CreateHaloClient,
    QueryHaloTickets,
    CreateHaloTicket,
    CreateHaloTicketFromEmail,
    UpdateHaloTicket,
    UpdateHaloTicketFromEmail,
    AddHaloAction,
    AttachFilesToHaloTicket,
    SendEmail,
    HttpRequest,
    Set,
    ForEach,
    Bounce,
    Stop,
    StopAll,
}

/// How a field is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text expression.
    Text,
    /// A client or site: an id, an exact name, or `{ name = "…" }`; a text expression.
    Reference,
    /// Something of this list that the tenant has set up: a number, an exact name, or `{ name = "…" }`; a text expression.
    Choice(List),
    /// A number that Halo gave, above 0; a text expression.
    Id,
    /// `true` or `false`, or a text expression that renders one of the two.
    Truth,
    /// A whole number from 1 up to this one, or a text expression that renders one.
    Count(u32),
    /// A duration with its unit, written literally.
    Duration,
    /// One of these words, written literally.
    Word(&'static [&'static str]),
    /// A table of text expressions.
    Table,
    /// A text expression whose server is literal.
    Url,
    /// A table of text expressions and secrets.
    Headers,
    /// A table with text expressions in it, or one that renders JSON.
    Json,
    /// Statuses of HTTP, written literally.
    Statuses,
    /// An expression without braces whose value is taken as it is.
    Expression,
    /// A name for a variable, written literally.
    Name,
}

/// One field of a step.
#[derive(Debug)]
pub struct Field {
    /// The key in a configuration.
    pub name: &'static str,
    /// How it is written and read.
    pub kind: FieldKind,
    /// Whether it must be written.
    pub required: bool,
    /// What stands in its place when it is not written; empty: nothing.
    pub default: &'static str,
    /// One sentence for the manual.
    pub doc: &'static str,
}

/// A row of the table of steps.
#[derive(Debug)]
pub struct Row {
    /// What it does.
    pub kind: Kind,
    /// The `type` in a configuration.
    pub word: &'static str,
    /// Whether it asks Halo, and so takes `halo`.
    pub asks_halo: bool,
    /// What it costs there.
    pub cost: Cost,
    /// Its own fields; `name`, `when`, `halo`, `on_error` and `store_as` are every step's.
    pub fields: &'static [Field],
    /// One sentence for the manual.
    pub doc: &'static str,
}

/// How many requests a step sends at most, as a rule: nothing goes wrong, no listing has a second page, and the
/// connection's directory knows agents, clients, sites and mail domains, which all messages share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Whatever comes of it: what it looks up, and a ticket's own requests.
    pub looks: u32,
    /// Further ones where it makes a user or a client.
    pub creates: u32,
}

/// The largest page that Halo gives, whatever is asked (fact sheet, 2.4).
pub const LARGEST_PAGE: u32 = 100;

impl Kind {
    /// Its row in the table.
    pub fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.kind == self).expect("every kind has a row")
    }

    /// The row with that `type`.
    pub fn of_word(word: &str) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.word == word)
    }

    /// Whether it makes what bears a mark, by which it is found when the step is repeated.
    pub fn is_marked(self) -> bool {
        matches!(
            self,
            Kind::CreateHaloTicket
                | Kind::CreateHaloTicketFromEmail
                | Kind::UpdateHaloTicketFromEmail
                | Kind::AddHaloAction
                | Kind::AttachFilesToHaloTicket
                | Kind::SendEmail
                | Kind::HttpRequest
        )
    }

    /// The names of `email` that its code reads; its fields say by themselves what they read.
    pub fn reads(self) -> &'static [&'static str] {
        match self {
            Kind::CreateHaloTicketFromEmail | Kind::UpdateHaloTicketFromEmail => from_email::READS,
            _ => &[],
        }
    }

    /// The shape of what the step stores; `set` and `for_each` depend on how they are written.
    pub fn result_shape(self) -> Shape {
        match self {
            Kind::CreateHaloUser => create_halo_user::result_shape(),
            Kind::FindHaloUserAndClient => find_halo_user_and_client::result_shape(),
            Kind::QueryHaloUsers => query::result_shape("users", fields::user_shape()),
            Kind::QueryHaloClients => query::result_shape("clients", fields::client_shape()),
            Kind::QueryHaloSites => query::result_shape("sites", fields::site_shape()),
            Kind::CreateHaloClient => create_halo_client::result_shape(),
            Kind::QueryHaloTickets => query::result_shape("tickets", ticket_fields::ticket_shape()),
            Kind::CreateHaloTicket => create_halo_ticket::result_shape(),
            Kind::CreateHaloTicketFromEmail => create_halo_ticket_from_email::result_shape(),
            Kind::UpdateHaloTicket => ticket_fields::ticket_shape(),
            Kind::UpdateHaloTicketFromEmail => update_halo_ticket_from_email::result_shape(),
            Kind::AddHaloAction => add_halo_action::action_shape(),
            Kind::AttachFilesToHaloTicket => attach_files_to_halo_ticket::result_shape(),
            Kind::SendEmail => send_email::result_shape(),
            Kind::HttpRequest => http_request::result_shape(),
            Kind::Set => Shape::Text,
            Kind::ForEach => Shape::list(Shape::Any),
            Kind::Bounce | Kind::Stop | Kind::StopAll => Shape::Any,
        }
    }
}
