//! Tickets, their actions and their files, as we use them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ActionId, AgentId, ClientId, Reference, SiteId, TicketId, UserId};

/// The longest summary that is shown whole (fact sheet, 5.1), in characters.
pub const LONGEST_SUMMARY: usize = 255;

/// The same text twice, as Halo keeps both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Text {
    pub plain: String,
    /// Empty: the plain text as HTML.
    pub html: String,
}

impl Text {
    /// Whether there is nothing of either.
    pub fn is_empty(&self) -> bool {
        self.plain.trim().is_empty() && self.html.trim().is_empty()
    }
}

/// A field that the tenant has added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomField {
    /// Its number or its name.
    pub field: Reference,
    pub value: String,
}

/// What may be set on a ticket. What is none or empty is left as it is, and in a new ticket to Halo.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TicketFields {
    pub summary: String,
    pub details: Text,
    pub client: Option<ClientId>,
    pub site: Option<SiteId>,
    pub user: Option<UserId>,
    pub ticket_type: Option<i64>,
    pub status: Option<i64>,
    pub priority: Option<i64>,
    /// By its name: the number of a team is younger than many an instance (fact sheet, 5.1).
    pub team: String,
    pub agent: Option<AgentId>,
    /// The whole way to it: `"Hardware>Printer"`.
    pub category: String,
    pub source: Option<i64>,
    pub impact: Option<i64>,
    pub urgency: Option<i64>,
    pub custom_fields: Vec<CustomField>,
}

/// The mail that a ticket or an action is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    pub from: String,
    /// Separated by `"; "`, as Halo has it.
    pub to: String,
    pub cc: String,
    pub subject: String,
    /// Without angle brackets; may be empty.
    pub message_id: String,
    pub date: Option<Timestamp>,
    /// All of it: the note of an action holds what was newly written.
    pub body: Text,
}

/// What a ticket is created from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewTicket {
    /// Kept with the ticket, and told from every other one: by it the ticket is found before it is made again.
    pub marker: String,
    pub fields: TicketFields,
    pub mail: Option<Mail>,
    /// Whether Halo acknowledges it to the user by mail.
    pub acknowledge: bool,
}

/// A ticket as Halo shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    pub id: TicketId,
    pub summary: String,
    pub client_id: Option<ClientId>,
    pub client_name: String,
    pub site_id: Option<SiteId>,
    pub user_id: Option<UserId>,
    pub user_name: String,
    pub status_id: Option<i64>,
    pub closed: bool,
    pub deleted: bool,
    /// It has become part of this one.
    pub merged_into_id: Option<TicketId>,
    #[serde(default)]
    pub raw: Value,
}

/// What an action is added from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewAction {
    pub ticket: TicketId,
    /// Tells it from every other action that is added; Halo has no place for it.
    pub marker: String,
    /// The number of what kind of action it is.
    pub outcome: i64,
    pub note: Text,
    pub hidden_from_user: bool,
    /// Whether Halo sends it to the user by mail.
    pub send_email: bool,
    /// What becomes of the ticket with it.
    pub status: Option<i64>,
    /// Whose entry it is, where it is not the application's.
    pub user: Option<UserId>,
    /// Their name.
    pub who: String,
    pub mail: Option<Mail>,
}

/// An action as Halo shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    pub ticket_id: TicketId,
    pub outcome: String,
    pub outcome_id: Option<i64>,
    pub note: String,
    #[serde(default)]
    pub raw: Value,
}

/// A file of the message that is to be attached. What it holds is read when it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewFile {
    pub ticket: TicketId,
    /// Tells what is attached now from what another step attaches; Halo has no place for it.
    pub marker: String,
    /// The action that it came with.
    pub action: Option<ActionId>,
    /// Which of the message's attachments it is, from 0.
    pub number: usize,
    pub name: String,
    pub content_type: String,
    /// In octets.
    pub size: u64,
}

/// An attachment as Halo shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    pub id: i64,
    pub filename: String,
    /// In octets, as far as Halo says.
    pub filesize: Option<u64>,
    #[serde(default)]
    pub raw: Value,
}

/// One page of tickets, as `query_halo_tickets` asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketQuery {
    pub search: String,
    pub client: Option<ClientId>,
    pub site: Option<SiteId>,
    pub user: Option<UserId>,
    pub ticket_type: Option<i64>,
    pub status: Option<i64>,
    pub agent: Option<AgentId>,
    pub open_only: bool,
    /// 1 to 100: Halo gives no more (fact sheet, 2.4).
    pub page_size: u32,
    /// From 1.
    pub page_no: u32,
    pub order_by: String,
    pub order_descending: bool,
}
