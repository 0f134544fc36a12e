//! What a step may ask of the world, as data. A step has no other way out, so a dry run uses the code of a
//! real one: only the performer differs.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    action::StepError,
    config::ConnectionName,
    halo::{
        ClientId, ListQuery, NewClient, NewUser, Reference, TicketId, UserId,
        choice::List,
        client::{Call, Calls},
        fault::Named,
        ticket::{NewAction, NewFile, NewTicket, TicketFields, TicketQuery},
    },
    journal::{Claim, CreationKey, Folding, Intent},
    message::address::AddrSpec,
};

mod creatable;
mod flood;
pub mod live;
pub mod simulated;

/// One question to the world or one write to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Which Halo.
    pub connection: ConnectionName,
    /// What is asked of it.
    pub ask: Ask,
}

/// What can be asked of Halo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Users with exactly this address, active ones first: `Vec<User>`.
    UsersWithAddress { address: AddrSpec },
    /// The agent with this address: `Option<Agent>`.
    AgentWithAddress { address: AddrSpec },
    /// Clients of this id or exact name: `Vec<Client>`.
    Clients { client: Reference },
    /// Sites of this id or exact name, within a client where one is given: `Vec<Site>`.
    Sites { client: Option<ClientId>, site: Reference },
    /// Clients whose name differs from this one in upper and lower case at most, active or not: `Vec<Client>`.
    ClientsAlike { name: String },
    /// The same of sites: `Vec<Site>`.
    SitesAlike { client: Option<ClientId>, name: String },
    /// The client's main site: `Option<Site>`.
    MainSite { client: ClientId },
    /// Sites whose mail domain this is: `Vec<Site>`.
    SitesOfDomain { domain: String },
    /// Clients whose domain or website this is: `Vec<Client>`.
    ClientsOfDomain { domain: String },
    /// `Page<User>`
    QueryUsers { query: ListQuery },
    /// `Page<Client>`
    QueryClients { query: ListQuery },
    /// `Page<Site>`
    QuerySites { query: ListQuery },
    /// The user of that id: `Option<User>`.
    User { user: UserId },
    /// What a tenant has set up under that number or exact name: `Vec<Choice>`.
    Choices { list: List, choice: Reference },
    /// The same whose name differs from this one in upper and lower case at most, in use or not: `Vec<Choice>`.
    ChoicesAlike { list: List, name: String },
    /// The addresses that Halo itself writes from, folded: `Vec<String>`.
    HaloMailboxes,
    /// The ticket of that number, in whatever state it is: `Option<Ticket>`.
    Ticket { ticket: TicketId },
    /// `Page<Ticket>`
    QueryTickets { query: TicketQuery },
    /// The tickets that the conversation of these messages has become, those of the first message first: our journal
    /// knows them, `Vec<TicketId>`.
    TicketsOfConversation { keys: Vec<String> },
    /// Whether somebody with this address has written to the ticket, as our journal knows it: `bool`.
    TookPart { ticket: TicketId, address: AddrSpec },
    /// Our journal keeps that these messages belong to the ticket, and that somebody wrote one: `()`.
    Join {
        ticket: TicketId,
        keys: Vec<String>,
        author: Option<AddrSpec>,
    },
    /// Our journal is told of messages of one kind that make one ticket: `Standing` where the message asks, else `()`.
    Fold { folding: Folding },
    /// The user with that address, found or created: `Ensured<User>`.
    EnsureUser { user: NewUser },
    /// An inactive user becomes active again: `User`.
    ReactivateUser { user: UserId },
    /// The client with that name, found or created: `Ensured<Client>`.
    EnsureClient { client: NewClient },
    /// The ticket with that marker, created where it is not yet: `Ensured<Ticket>`.
    CreateTicket { ticket: NewTicket },
    /// What is said is changed, the rest stays: `Ticket`.
    ChangeTicket { ticket: TicketId, fields: TicketFields },
    /// An entry of a ticket, added once: `Ensured<Action>`.
    AddAction { action: NewAction },
    /// A file of the message, attached once: `Ensured<File>`.
    AttachFile { file: NewFile },
    /// A picture of the message, to stand in a text: its address, `String`.
    UploadPicture { file: NewFile },
}

/// What the message that a step is about holds, as far as it is not in its context.
pub trait Enclosed: Send + Sync {
    /// The octets of an attachment, decoded; none where there is no such one. Read when they are asked for, so that one
    /// attachment is in memory at a time.
    fn octets(&self, number: usize) -> Option<Vec<u8>>;

    /// Its text as HTML that is safe to show: all of it, or what was newly written. `picture` gives the address of the
    /// picture with that Content-ID; where it gives none, the picture is left out.
    fn html(&self, extent: Extent, picture: &mut dyn FnMut(&str) -> Option<String>) -> String;
}

/// How much of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What was newly written.
    Visible,
}

/// What was found or created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ensured<T> {
    /// The record.
    pub record: T,
    /// Whether it was there before.
    pub existed: bool,
}

/// A message that encloses nothing.
#[cfg(test)]
pub(crate) struct Bare;

#[cfg(test)]
impl Enclosed for Bare {
    fn octets(&self, _: usize) -> Option<Vec<u8>> {
        None
    }

    fn html(&self, _: Extent, _: &mut dyn FnMut(&str) -> Option<String>) -> String {
        String::new()
    }
}

impl Effect {
    /// Whether it changes the world.
    pub fn writes(&self) -> bool {
        match self.ask {
            Ask::EnsureUser { .. }
            | Ask::ReactivateUser { .. }
            | Ask::EnsureClient { .. }
            | Ask::CreateTicket { .. }
            | Ask::ChangeTicket { .. }
            | Ask::AddAction { .. }
            | Ask::AttachFile { .. }
            | Ask::UploadPicture { .. } => true,
            Ask::UsersWithAddress { .. }
            | Ask::AgentWithAddress { .. }
            | Ask::Clients { .. }
            | Ask::Sites { .. }
            | Ask::ClientsAlike { .. }
            | Ask::SitesAlike { .. }
            | Ask::MainSite { .. }
            | Ask::SitesOfDomain { .. }
            | Ask::ClientsOfDomain { .. }
            | Ask::QueryUsers { .. }
            | Ask::QueryClients { .. }
            | Ask::QuerySites { .. }
            | Ask::User { .. }
            | Ask::Choices { .. }
            | Ask::ChoicesAlike { .. }
            | Ask::HaloMailboxes
            | Ask::Ticket { .. }
            | Ask::QueryTickets { .. }
            | Ask::TicketsOfConversation { .. }
            | Ask::TookPart { .. } => false,
            // Kept in the journal without an intent: to keep it again is no other thing.
            Ask::Join { .. } | Ask::Fold { .. } => false,
        }
    }

    /// What of it is told apart within a step, in a word.
    fn kind(&self) -> &'static str {
        match &self.ask {
            Ask::EnsureUser { .. } => "user",
            Ask::ReactivateUser { .. } => "reactivated",
            Ask::EnsureClient { .. } => "client",
            Ask::CreateTicket { .. } => "ticket",
            Ask::ChangeTicket { .. } => "change",
            Ask::AddAction { .. } => "action",
            Ask::AttachFile { .. } => "file",
            Ask::UploadPicture { .. } => "picture",
            _ => "",
        }
    }

    /// The thing that it creates; one creation of a thing at a time, whoever asks.
    pub fn creation(&self) -> Option<CreationKey> {
        let (kind, key) = match &self.ask {
            Ask::EnsureUser { user } => ("user", user.emailaddress.as_str().to_owned()),
            Ask::EnsureClient { client } => ("client", client.name.trim().to_lowercase()),
            Ask::CreateTicket { ticket } => ("ticket", ticket.marker.clone()),
            Ask::AddAction { action } => ("action", action.marker.clone()),
            Ask::AttachFile { file } => ("file", format!("{} {} {}", file.ticket, file.number, file.marker)),
            _ => return None,
        };
        Some(CreationKey {
            connection: self.connection.clone(),
            kind: kind.to_owned(),
            key,
        })
    }

    /// The client, the site or the choice that it looks for.
    pub fn named(&self) -> Option<Named> {
        match &self.ask {
            Ask::Clients { client } => Some(Named::Client(client.clone())),
            Ask::Sites { client, site } => Some(Named::Site(*client, site.clone())),
            Ask::Choices { list, choice } => Some(Named::Choice(*list, choice.clone())),
            _ => None,
        }
    }

    /// What it would ask of Halo, for people.
    pub fn describe(&self) -> String {
        let what = match &self.ask {
            Ask::UsersWithAddress { address } => format!("users with the address {address}"),
            Ask::AgentWithAddress { address } => format!("an agent with the address {address}"),
            Ask::Clients { client } => format!("the client {client}"),
            Ask::Sites {
                client: Some(client),
                site,
            } => format!("the site {site} of client {client}"),
            Ask::Sites { client: None, site } => format!("the site {site}"),
            Ask::ClientsAlike { name } => format!("clients with a name like {name:?}"),
            Ask::SitesAlike { name, .. } => format!("sites with a name like {name:?}"),
            Ask::MainSite { client } => format!("the main site of client {client}"),
            Ask::SitesOfDomain { domain } => format!("sites with the mail domain {domain}"),
            Ask::ClientsOfDomain { domain } => format!("clients with the domain {domain}"),
            Ask::QueryUsers { .. } => "a page of users".to_owned(),
            Ask::QueryClients { .. } => "a page of clients".to_owned(),
            Ask::QuerySites { .. } => "a page of sites".to_owned(),
            Ask::EnsureUser { user } => {
                format!(
                    "create the user {} <{}> at client {}, site {}",
                    user.name, user.emailaddress, user.client_id, user.site_id
                )
            }
            Ask::ReactivateUser { user } => format!("make user {user} active again"),
            Ask::EnsureClient { client } => format!("create the client {:?}", client.name),
            Ask::User { user } => format!("the user {user}"),
            Ask::Choices { list, choice } => format!("the {list} {choice}"),
            Ask::ChoicesAlike { list, name } => format!("what is a {list} with a name like {name:?}"),
            Ask::HaloMailboxes => "Halo's own mailboxes".to_owned(),
            Ask::Ticket { ticket } => format!("the ticket {ticket}"),
            Ask::QueryTickets { .. } => "a page of tickets".to_owned(),
            Ask::TicketsOfConversation { .. } => "the tickets of the conversation".to_owned(),
            Ask::TookPart { ticket, address } => format!("whether {address} has written to the ticket {ticket}"),
            Ask::Join { ticket, .. } => format!("remember that the message belongs to the ticket {ticket}"),
            Ask::Fold { folding } => folding.describe(),
            Ask::CreateTicket { ticket } => format!("create the ticket {:?}", ticket.fields.summary),
            Ask::ChangeTicket { ticket, .. } => format!("change the ticket {ticket}"),
            Ask::AddAction { action } => format!("add an action to the ticket {}", action.ticket),
            Ask::AttachFile { file } => format!("attach {:?} to the ticket {}", file.name, file.ticket),
            Ask::UploadPicture { file } => format!("upload the picture {:?} of the ticket {}", file.name, file.ticket),
        };
        format!("{}: {what}", self.connection)
    }
}

/// What the world said, and how it was asked.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The shape is the effect's.
    pub value: Value,
    /// Where the answer is only assumed or simulated, or not the whole truth: how.
    pub assumed: Option<String>,
}

/// For whom an effect is performed.
#[derive(Clone)]
pub struct Asking<'a> {
    /// `None` in a dry run.
    pub claim: Option<Claim>,
    /// Names the effect within the run, for the journal's intents.
    pub step: &'a str,
    /// Where the requests are noted.
    pub calls: &'a Calls,
    /// The files of the message.
    pub enclosed: &'a dyn Enclosed,
}

/// Who performs effects: for real, or simulated.
pub trait Performer: Send + Sync {
    /// Does it, or says what it would do.
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>>;
}

/// An effect as the trace keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectTrace {
    /// Which Halo.
    pub connection: ConnectionName,
    /// What was asked, for people.
    pub effect: String,
    /// The requests that went out; none where a cache knew.
    pub calls: Vec<Call>,
    /// `"simulated"`, `"assumed …"`, `"recorded"`: where the answer is not fresh from Halo; or what it leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The answer, or null where it failed.
    pub answer: Value,
    /// The client, site or choice of that name, where it was looked for and is there exactly once; for this process alone.
    #[serde(skip)]
    pub found: Option<Named>,
}

/// A step's only way to the world: asks through the performer, gives recorded answers back, keeps the trace.
pub struct Effects<'a> {
    performer: &'a dyn Performer,
    enclosed: &'a dyn Enclosed,
    claim: Option<Claim>,
    recorded: HashMap<String, Intent>,
    step: String,
    /// So many of each kind, in this step.
    writes: HashMap<&'static str, u32>,
    trace: Vec<EffectTrace>,
}

impl<'a> Effects<'a> {
    /// `recorded` are the intents of earlier attempts, by their step.
    pub fn new(
        performer: &'a dyn Performer,
        enclosed: &'a dyn Enclosed,
        claim: Option<Claim>,
        recorded: Vec<Intent>,
    ) -> Effects<'a> {
        let recorded = recorded
            .into_iter()
            .map(|intent| (intent.step.clone(), intent))
            .collect();
        Effects {
            performer,
            enclosed,
            claim,
            recorded,
            step: String::new(),
            writes: HashMap::new(),
            trace: Vec::new(),
        }
    }

    /// A step begins; `step` names it within the message.
    pub fn begin(&mut self, step: String) {
        self.step = step;
        self.writes.clear();
        self.trace.clear();
    }

    /// The action with this mark that an earlier attempt began to add, whatever came of it.
    pub fn begun_action(&self, marker: &str) -> Option<NewAction> {
        let effects = self
            .recorded
            .values()
            .filter_map(|intent| serde_json::from_value::<Effect>(intent.effect.clone()).ok());
        effects.into_iter().find_map(|effect| match effect.ask {
            Ask::AddAction { action } if action.marker == marker => Some(action),
            _ => None,
        })
    }

    /// The message that the step is about.
    pub fn enclosed(&self) -> &'a dyn Enclosed {
        self.enclosed
    }

    /// What the step asked so far.
    pub fn take_trace(&mut self) -> Vec<EffectTrace> {
        std::mem::take(&mut self.trace)
    }

    /// Asks. A write that was answered in an earlier attempt is not repeated: its answer is given back.
    pub async fn ask<T: DeserializeOwned>(&mut self, effect: Effect) -> Result<T, StepError> {
        let key = if effect.writes() {
            // By its kind: another attempt may have to make no user, and the ticket is the first one still.
            let count = self.writes.entry(effect.kind()).or_insert(0);
            *count += 1;
            format!("{}#{}{count}", self.step, effect.kind())
        } else {
            self.step.clone()
        };
        if let Some(answer) = self.recorded_answer(&key, &effect) {
            self.note(&effect, Vec::new(), Some("recorded".to_owned()), answer.clone());
            return read(answer, &effect);
        }
        let calls = Calls::default();
        let asking = Asking {
            claim: self.claim,
            step: &key,
            calls: &calls,
            enclosed: self.enclosed,
        };
        let answered = self.performer.perform(&effect, asking).await;
        match answered {
            Ok(answer) => {
                self.note(&effect, calls.take(), answer.assumed, answer.value.clone());
                read(answer.value, &effect)
            }
            Err(error) => {
                self.note(&effect, calls.take(), None, Value::Null);
                Err(error)
            }
        }
    }

    fn recorded_answer(&self, key: &str, effect: &Effect) -> Option<Value> {
        let intent = self.recorded.get(key).filter(|_| effect.writes())?;
        let same = serde_json::from_value::<Effect>(intent.effect.clone()).is_ok_and(|earlier| earlier == *effect);
        intent.answer.clone().filter(|answer| same && !answer.is_null())
    }

    fn note(&mut self, effect: &Effect, calls: Vec<Call>, from: Option<String>, answer: Value) {
        self.trace.push(EffectTrace {
            connection: effect.connection.clone(),
            effect: effect.describe(),
            calls,
            from,
            found: effect
                .named()
                .filter(|_| answer.as_array().is_some_and(|rows| rows.len() == 1)),
            answer,
        });
    }
}

fn read<T: DeserializeOwned>(answer: Value, effect: &Effect) -> Result<T, StepError> {
    serde_json::from_value(answer).map_err(|error| {
        StepError::failed(format!(
            "the answer to {} is of another shape: {error}",
            effect.describe()
        ))
    })
}
