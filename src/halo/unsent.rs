//! Requests as they would be sent, for a dry run: built by the code that sends them, and noted instead.

use super::{
    ClientId, ListQuery, NewClient, NewUser, Reference, SiteId, TicketId, UserId,
    api::Request,
    choice::List,
    choices,
    client::Call,
    listing::{self, AGENTS, CLIENTS, Route, SITES, TICKETS, USERS},
    mailboxes, places,
    ticket::{NewAction, NewFile, NewTicket, TicketFields, TicketQuery},
    tickets, users,
    wire::{self, Query},
};
use crate::message::address::AddrSpec;

/// Whose word stands for Halo's where a write is not sent.
const SIMULATED: &str = "simulated";
/// Whose word stands for Halo's where a question is not asked.
const ASSUMED: &str = "assumed";

/// The request that would create the user.
pub fn create_user(user: &NewUser) -> Call {
    users::creation(user).unsent(SIMULATED)
}

/// The request that would make the user active again.
pub fn reactivate_user(user: UserId) -> Call {
    users::reactivation(user).unsent(SIMULATED)
}

/// The request that would create the client with its first site.
pub fn create_client(client: &NewClient) -> Call {
    places::creation(client).unsent(SIMULATED)
}

/// The first page of the search for an address, in each of its spellings.
pub fn users_with_address(address: &AddrSpec) -> Vec<Call> {
    let queries = users::search_queries(address);
    queries.map(|query| first_page(USERS, query)).collect()
}

/// The list of agents, in which an address is looked for.
pub fn agents() -> Call {
    Request::get(AGENTS.path).unsent(ASSUMED)
}

/// The client of that id, or the first page of the search for that name.
pub fn client(client: &Reference) -> Call {
    match client {
        Reference::Id(id) => places::client_by_id(ClientId(*id)).unsent(ASSUMED),
        Reference::Name(name) => first_page(CLIENTS, places::search_query(None, name)),
    }
}

/// The site of that id, or the first page of the search for that name.
pub fn site(client: Option<ClientId>, site: &Reference) -> Call {
    match site {
        Reference::Id(id) => places::site_by_id(SiteId(*id)).unsent(ASSUMED),
        Reference::Name(name) => first_page(SITES, places::search_query(client, name)),
    }
}

/// One page of users, as a step asks for it.
pub fn query_users(query: &ListQuery) -> Call {
    asked(USERS, wire::page_query(query))
}

/// One page of clients, as a step asks for it.
pub fn query_clients(query: &ListQuery) -> Call {
    asked(CLIENTS, wire::page_query(query))
}

/// One page of sites, as a step asks for it.
pub fn query_sites(query: &ListQuery) -> Call {
    asked(SITES, wire::page_query(query))
}

/// The request for the user of that id.
pub fn user(user: UserId) -> Call {
    users::one(user).unsent(ASSUMED)
}

/// The request for the whole list.
pub fn choices(list: List) -> Call {
    choices::request(list).unsent(ASSUMED)
}

/// The request for Halo's own mailboxes.
pub fn mailboxes() -> Call {
    mailboxes::request().unsent(ASSUMED)
}

/// The request for the ticket of that number.
pub fn ticket(ticket: TicketId) -> Call {
    tickets::one(ticket).unsent(ASSUMED)
}

/// One page of tickets, as a step asks for it.
pub fn query_tickets(query: &TicketQuery) -> Call {
    asked(TICKETS, wire::ticket_query(query))
}

/// The request that would create the ticket.
pub fn create_ticket(new: &NewTicket) -> Call {
    tickets::creation(new).unsent(SIMULATED)
}

/// The request that would change the ticket.
pub fn change_ticket(id: TicketId, fields: &TicketFields) -> Call {
    tickets::change_of(id, fields).unsent(SIMULATED)
}

/// The request that would add the action.
pub fn add_action(new: &NewAction) -> Call {
    tickets::addition(new).unsent(SIMULATED)
}

/// The request that would attach the file.
pub fn attach_file(new: &NewFile) -> Call {
    tickets::attachment(new, b"").unsent(SIMULATED)
}

/// The request that would upload the picture.
pub fn upload_picture(new: &NewFile) -> Call {
    tickets::uploading(new, Vec::new()).unsent(SIMULATED)
}

fn first_page(route: Route, query: Query) -> Call {
    asked(route, listing::page(query, 1))
}

fn asked(route: Route, query: Query) -> Call {
    Request::get(route.path).with(query).unsent(ASSUMED)
}
