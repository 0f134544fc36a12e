//! What can be asked of Halo.

use serde::{Deserialize, Serialize};

use crate::{
    config::ConnectionName,
    halo::{
        ClientId, ListQuery, NewClient, NewUser, Reference, TicketId, UserId,
        choice::List,
        fault::Named,
        ticket::{NewAction, NewFile, NewTicket, TicketFields, TicketQuery},
    },
    journal::{CreationKey, Folding},
    message::address::AddrSpec,
};

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

impl Ask {
    /// Whether it changes the world.
    pub fn writes(&self) -> bool {
        match self {
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
    pub fn kind(&self) -> &'static str {
        match self {
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
    pub fn creation(&self, connection: &ConnectionName) -> Option<CreationKey> {
        let (kind, key) = match self {
            Ask::EnsureUser { user } => ("user", user.emailaddress.as_str().to_owned()),
            Ask::EnsureClient { client } => ("client", client.name.trim().to_lowercase()),
            Ask::CreateTicket { ticket } => ("ticket", ticket.marker.clone()),
            Ask::AddAction { action } => ("action", action.marker.clone()),
            Ask::AttachFile { file } => ("file", format!("{} {} {}", file.ticket, file.number, file.marker)),
            _ => return None,
        };
        Some(CreationKey {
            connection: connection.clone(),
            kind: kind.to_owned(),
            key,
        })
    }

    /// The client, the site or the choice that it looks for.
    pub fn named(&self) -> Option<Named> {
        match self {
            Ask::Clients { client } => Some(Named::Client(client.clone())),
            Ask::Sites { client, site } => Some(Named::Site(*client, site.clone())),
            Ask::Choices { list, choice } => Some(Named::Choice(*list, choice.clone())),
            _ => None,
        }
    }

    /// What it asks, for people.
    pub fn describe(&self) -> String {
        match self {
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
        }
    }
}
