//! Tickets of one connection: how one is looked for before it is made again, and what is sent.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::json;

use super::{
    TicketId, answer,
    api::{Api, Picture, Request},
    client::{Calls, HaloError},
    http::Answer,
    listing::{self, ACTIONS, ATTACHMENTS, TICKETS},
    ticket::{Action, File, LONGEST_SUMMARY, NewAction, NewFile, NewTicket, Ticket, TicketFields},
    verdict::{self, is_halos, without},
    wire::{self, Query},
};
use crate::crash::Step;

/// Tickets of which the row shows no marker are read so many in detail, the newest first.
const MOST_DETAILS: usize = 20;

type Result<T> = std::result::Result<T, HaloError>;

/// The ticket of that number; none where Halo has none.
pub(super) async fn by_id(api: &Api, id: TicketId, calls: &Calls) -> Result<Option<Ticket>> {
    let request = one(id);
    let answer = api.answer(&request, calls).await?;
    // A number from a subject: Halo may refuse it as no number, and the application may not see each ticket.
    let is_no_ticket = verdict::is_no_record(&request, &answer) || matches!(answer.http_status, 400 | 403);
    if is_no_ticket && is_halos(&answer.body) {
        return Ok(None);
    }
    let value = api.classed(&request, answer)?;
    let ticket = wire::ticket(&value).filter(|ticket| ticket.id == id);
    ticket
        .map(Some)
        .ok_or_else(|| without(&request, "ticket with that id", &value))
}

/// The tickets that bear the marker of this one, by id. Where tickets can not be filtered by it, those that it may be are
/// looked at: the newest of its user, and the newest of all.
pub(super) async fn with_marker(api: &Api, new: &NewTicket, calls: &Calls) -> Result<Vec<Ticket>> {
    let findings = api.findings.load();
    let known = findings.as_ref().and_then(|findings| findings.third_party_id_filter());
    let of_user = new
        .fields
        .user
        .map(|user| wire::newest_tickets("user_id", user.to_string()));
    let by_marker = || wire::newest_tickets("third_party_id_string", new.marker.clone());
    let queries = match known {
        Some(true) => vec![by_marker()],
        // The filter may be none, and then the newest of all are listed.
        _ => Some(by_marker()).into_iter().chain(of_user).collect(),
    };
    for query in queries {
        let found = marked_in(api, query, new, calls).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Those of this list that bear the marker; rows that do not show it are read in detail where they may be it.
async fn marked_in(api: &Api, query: Query, new: &NewTicket, calls: &Calls) -> Result<Vec<Ticket>> {
    let listing = listing::one(api, TICKETS, query, calls).await?;
    let summary: String = new.fields.summary.chars().take(LONGEST_SUMMARY).collect();
    let (mut found, mut details) = (Vec::new(), 0);
    for row in listing.rows.iter().filter_map(wire::ticket) {
        let ticket = match wire::marker(&row) {
            Some(_) => Some(row),
            None if row.summary != summary.trim() || details == MOST_DETAILS => None,
            None => {
                details += 1;
                by_id(api, row.id, calls).await?
            }
        };
        found.extend(ticket.filter(|ticket| wire::marker(ticket) == Some(&new.marker)));
    }
    found.sort_by_key(|ticket| ticket.id);
    Ok(found)
}

pub(super) async fn create(api: &Api, new: &NewTicket, calls: &Calls) -> Result<Ticket> {
    let request = creation(new);
    let answer = api.ask(&request, calls).await?;
    let ticket = wire::single(&answer).and_then(wire::ticket);
    ticket.ok_or_else(|| without(&request, "ticket with an id", &answer))
}

pub(super) async fn change(api: &Api, id: TicketId, fields: &TicketFields, calls: &Calls) -> Result<Ticket> {
    let request = change_of(id, fields);
    let answer = api.ask(&request, calls).await?;
    let ticket = wire::single(&answer).and_then(wire::ticket);
    let ticket = ticket.filter(|ticket| ticket.id == id);
    ticket.ok_or_else(|| without(&request, "such ticket with its id", &answer))
}

/// The actions of the ticket that are the same as this one: of the same mail, or with the same note, by number.
pub(super) async fn same_actions(api: &Api, new: &NewAction, calls: &Calls) -> Result<Vec<Action>> {
    let query = vec![("ticket_id", new.ticket.to_string())];
    let rows = listing::every(api, ACTIONS, query, calls).await?;
    let actions = rows.iter().filter_map(wire::action);
    let mut same: Vec<Action> = actions.filter(|action| is_same(action, new)).collect();
    same.sort_by_key(|action| action.id);
    Ok(same)
}

fn is_same(action: &Action, new: &NewAction) -> bool {
    let is_of_ticket = action.ticket_id == new.ticket;
    let message_id = new.mail.as_ref().map_or("", |mail| mail.message_id.as_str());
    let of_action = wire::message_id_of(action);
    if !message_id.is_empty() && !of_action.is_empty() {
        // The same words in another mail are another entry.
        return is_of_ticket && of_action == message_id;
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    is_of_ticket && action.outcome_id == Some(new.outcome) && words(&action.note) == words(&new.note.plain)
}

pub(super) async fn add_action(api: &Api, new: &NewAction, calls: &Calls) -> Result<Action> {
    let request = addition(new);
    let answer = api.ask(&request, calls).await?;
    let action = wire::single(&answer).and_then(wire::action);
    let action = action.filter(|action| action.ticket_id == new.ticket);
    action.ok_or_else(|| without(&request, "action with its number", &answer))
}

/// The files of the ticket, or of the action of it, that have this name and size, by id.
pub(super) async fn same_files(api: &Api, new: &NewFile, calls: &Calls) -> Result<Vec<File>> {
    let mut query = vec![("ticket_id", new.ticket.to_string())];
    if let Some(action) = new.action {
        query.push(("action_id", action.to_string()));
    }
    let rows = listing::every(api, ATTACHMENTS, query, calls).await?;
    let files = rows.iter().filter_map(wire::file);
    let is_same = |file: &File| file.filename == new.name && file.filesize.is_none_or(|size| size == new.size);
    let mut same: Vec<File> = files.filter(is_same).collect();
    same.sort_by_key(|file| file.id);
    Ok(same)
}

pub(super) async fn attach(api: &Api, new: &NewFile, octets: &[u8], calls: &Calls) -> Result<File> {
    let request = attachment(new, octets);
    let answer = api.ask(&request, calls).await?;
    let file = wire::single(&answer).and_then(wire::file);
    file.ok_or_else(|| without(&request, "attachment with an id", &answer))
}

fn refused(request: &Request, answer: &Answer) -> HaloError {
    HaloError::Refused {
        method: request.method().to_owned(),
        path: request.path().to_owned(),
        status: answer.http_status,
        reason: answer::sentence(answer.http_status, &answer.body),
    }
}

/// Uploads a picture of a text; gives its address.
pub(super) async fn upload(api: &Api, new: &NewFile, octets: Vec<u8>, calls: &Calls) -> Result<String> {
    let request = uploading(new, octets);
    let answer = api.answer(&request, calls).await?;
    // One source alone knows of this path (fact sheet, 7.2): where a tenant has it not, pictures go as files.
    if matches!(answer.http_status, 401 | 403 | 404 | 405) && is_halos(&answer.body) {
        return Err(refused(&request, &answer));
    }
    let value = api.classed(&request, answer)?;
    wire::link(&value).ok_or_else(|| without(&request, "link to the picture", &value))
}

/// The request for one ticket.
pub(super) fn one(id: TicketId) -> Request {
    Request::get(format!("{}/{id}", TICKETS.path)).with(vec![("includedetails", "true".to_owned())])
}

/// The request that creates a ticket.
pub(super) fn creation(new: &NewTicket) -> Request {
    Request::post(Step::CreateTicket, TICKETS.path, wire::new_ticket(new))
}

/// The request that changes a ticket.
pub(super) fn change_of(id: TicketId, fields: &TicketFields) -> Request {
    Request::post(Step::ChangeTicket, TICKETS.path, wire::changed_ticket(id, fields)).naming_a_record()
}

/// The request that adds an action.
pub(super) fn addition(new: &NewAction) -> Request {
    Request::post(Step::AddAction, ACTIONS.path, wire::new_action(new)).naming_a_record()
}

/// The request that attaches a file; the trace shows how long it is in the place of what it holds.
pub(super) fn attachment(new: &NewFile, octets: &[u8]) -> Request {
    let body = |base64: &str| wire::new_file((new.ticket, new.action), (&new.name, &new.content_type), base64);
    let mut shown = body("");
    shown[0]["data_base64"] = json!(format!("({} octets)", new.size));
    Request::post(Step::AttachFile, ATTACHMENTS.path, body(&STANDARD.encode(octets)))
        .shown_as(shown)
        .naming_a_record()
}

/// The request that uploads a picture.
pub(super) fn uploading(new: &NewFile, octets: Vec<u8>) -> Request {
    let picture = Picture {
        ticket: new.ticket,
        key: format!("{:016x}", fastrand::u64(..)),
        name: new.name.clone(),
        content_type: new.content_type.clone(),
        octets: Bytes::from(octets),
    };
    Request::upload(Step::UploadPicture, "/Attachment/image", picture)
}
