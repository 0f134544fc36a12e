//! The sandbox's actions: notes and replies, numbered within their ticket.

use serde_json::{Value, json};

use super::{
    agents, attachments,
    listing::Query,
    markup, moment,
    posted::Posted,
    record::{self, Field, Kind, Record, detail_only, flag, number, row, sent_only, text},
    reference,
    reply::Reply,
    resource::{fits, whole_id},
    state::{Store, Thread, new_guid},
    switches::{Switches, WhoType},
    tickets,
};

mod reading;

pub(super) use reading::{list, read};

/// The agent of an action that is no agent's.
const NO_AGENT: i64 = -1;
/// The number of the action that a ticket begins with.
pub(super) const OPENING: i64 = 1;

/// The fields of an action.
pub(super) const FIELDS: &[Field] = &[
    row("ticket_id", Kind::Whole),
    row("id", Kind::Whole),
    row("outcome", Kind::Text),
    row("outcome_id", Kind::Whole),
    row("who", Kind::Text),
    row("who_type", Kind::Whole),
    row("who_agentid", Kind::Whole),
    row("datetime", Kind::Date),
    row("note", Kind::Text),
    row("note_html", Kind::Text),
    row("actionby_application_id", Kind::Text),
    row("actionby_agent_id", Kind::Whole),
    row("actionby_user_id", Kind::Whole),
    row("on_behalf_of", Kind::Whole),
    row("hiddenfromuser", Kind::Flag),
    row("important", Kind::Flag),
    row("old_status", Kind::Whole),
    row("new_status", Kind::Whole),
    row("attachment_count", Kind::Whole),
    row("timetaken", Kind::Decimal),
    row("emaildirection", Kind::Text).at_most(1),
    row("emailfrom", Kind::Text),
    row("emailto", Kind::Text),
    row("emailcc", Kind::Text),
    row("emailsubject", Kind::Text),
    row("emailbody", Kind::Text),
    row("emailbody_html", Kind::Text),
    row("dateemailed", Kind::Date),
    row("email_message_id", Kind::Text),
    row("actioninternetmessageid", Kind::Text),
    row("guid", Kind::Text),
    detail_only("internet_message_id", Kind::Text).at_most(100),
    detail_only("mailentryid", Kind::Text).at_most(1000),
    detail_only("emailtolistall", Kind::Text),
    detail_only("emailimportance", Kind::Text),
    detail_only("whowith", Kind::Text),
    sent_only("new_agent", Kind::Whole),
    sent_only("new_team", Kind::Text),
    sent_only("new_priority", Kind::Whole),
    sent_only("sendemail", Kind::Flag),
    sent_only("attachments", Kind::List),
];

/// `DELETE /api/Actions/{id}?ticket_id=`
pub(super) fn delete(store: &mut Store, id: &str, query: &Query) -> Reply {
    let id = match whole_id(id) {
        Ok(id) => id,
        Err(reply) => return reply,
    };
    let ticket = query.number("ticket_id").unwrap_or(0);
    let removed = store
        .threads
        .get_mut(&ticket)
        .and_then(|thread| thread.actions.remove(&id));
    if removed.is_none() {
        return Reply::empty(404);
    }
    attachments::forget(store, (ticket, id));
    tickets::touch(store, ticket);
    tickets::count(store, ticket);
    Reply::json(200, json!({ "id": id }))
}

/// `POST /api/Actions`
pub(super) fn write(store: &mut Store, posted: &Posted<'_>) -> Reply {
    posted.write(FIELDS, |action, place| {
        write_one(store, (action, place), posted.switches)
    })
}

fn write_one(store: &mut Store, (mut action, place): (Record, usize), switches: &Switches) -> Result<Value, Reply> {
    let (ticket, id) = (number(&action, "ticket_id"), number(&action, "id"));
    if ticket == 0 {
        let path = format!("[{place}].ticket_id");
        return Err(Reply::unbound(&path, "An action needs a ticket_id."));
    }
    let thread = store.threads.get(&ticket).ok_or_else(|| Reply::empty(404))?;
    if id != 0 && !thread.actions.contains_key(&id) {
        return Err(Reply::empty(404));
    }
    fits(FIELDS, &action)?;
    attachments::check_inline(&action, switches)?;
    markup::pair(&mut action, "note", "note_html");
    if id == 0 {
        outcome(&mut action)?;
        let id = add(store, action);
        return Ok(shown(store, (ticket, id), switches));
    }
    if action.contains_key("outcome") || action.contains_key("outcome_id") {
        outcome(&mut action)?;
    }
    change(store, (ticket, id), action);
    Ok(shown(store, (ticket, id), switches))
}

/// The outcome by its id or its name; those of the system are nobody's to choose.
fn outcome(action: &mut Record) -> Result<(), Reply> {
    let name = text(action, "outcome").trim().to_owned();
    let id = action.get("outcome_id").and_then(Value::as_i64);
    if name.is_empty() && id.is_none() {
        return Err(Reply::exception(400, "An Outcome must be entered for this Action"));
    }
    let is_meant = |outcome: &&reference::Outcome| match id {
        Some(id) => outcome.id == id,
        None => outcome.name.eq_ignore_ascii_case(&name),
    };
    let known = reference::OUTCOMES
        .iter()
        .filter(|outcome| !outcome.is_of_system)
        .find(is_meant)
        .ok_or_else(|| Reply::exception(400, "You do not have access to this Action at the moment"))?;
    action.insert("outcome".into(), json!(known.name));
    action.insert("outcome_id".into(), json!(known.id));
    action.entry("hiddenfromuser").or_insert(json!(known.is_private));
    Ok(())
}

/// Adds an action and does with its ticket what it says.
pub(super) fn add(store: &mut Store, mut action: Record) -> i64 {
    let ticket = number(&action, "ticket_id");
    let old_status = store
        .tickets
        .get(&ticket)
        .map_or(0, |ticket| number(ticket, "status_id"));
    sign(&mut action);
    action.insert("old_status".into(), json!(old_status));
    action.entry("new_status").or_insert(json!(old_status));
    let inline = action.remove("attachments").unwrap_or_default();
    move_ticket(store, &action);
    let thread = store.threads.entry(ticket).or_default();
    let id = number_next(thread, &mut action);
    thread.actions.insert(id, action);
    attachments::take_inline(store, (ticket, id), &inline);
    tickets::touch(store, ticket);
    tickets::settle(store, ticket);
    id
}

fn number_next(thread: &mut Thread, action: &mut Record) -> i64 {
    thread.given_out += 1;
    action.insert("id".into(), json!(thread.given_out));
    thread.given_out
}

/// When it was and whose it is, as far as it does not say so itself: the application's, or a customer's where it names one.
fn sign(action: &mut Record) {
    let (who_agentid, agent) = if is_customers(action) {
        (NO_AGENT, 0)
    } else {
        (agents::APPLICATION_AGENT, agents::APPLICATION_AGENT)
    };
    for (field, value) in [
        ("datetime", json!(moment::now())),
        ("who", json!(agents::APPLICATION)),
        ("who_agentid", json!(who_agentid)),
        ("actionby_agent_id", json!(agent)),
    ] {
        action.entry(field).or_insert(value);
    }
    action.insert("actionby_application_id".into(), json!(agents::APPLICATION));
    action.insert("guid".into(), json!(new_guid()));
}

fn is_customers(action: &Record) -> bool {
    number(action, "actionby_user_id") > 0
}

/// The kind of its author, by the numbers of the switch, unless it says a number itself.
fn dress(shown: &mut Value, action: &Record, switches: &Switches) {
    if !action.contains_key("who_type") {
        let agent = match switches.who_type {
            WhoType::AgentIs1 => 1,
            WhoType::UserIs1 => 0,
        };
        shown["who_type"] = json!(agent + i64::from(is_customers(action)));
    }
}

fn move_ticket(store: &mut Store, action: &Record) {
    let Some(ticket) = store.tickets.get_mut(&number(action, "ticket_id")) else {
        return;
    };
    for (field, new) in [
        ("status_id", "new_status"),
        ("agent_id", "new_agent"),
        ("team", "new_team"),
        ("priority_id", "new_priority"),
    ] {
        if let Some(value) = action.get(new) {
            ticket.insert(field.to_owned(), value.clone());
        }
    }
}

/// Changes what was sent; the first action is the body of its ticket.
fn change(store: &mut Store, (ticket, id): (i64, i64), mut action: Record) {
    let inline = action.remove("attachments").unwrap_or_default();
    move_ticket(store, &action);
    if let (OPENING, Some(ticket)) = (id, store.tickets.get_mut(&ticket)) {
        for (field, of_ticket) in [("note", "details"), ("note_html", "details_html")] {
            if let Some(value) = action.get(field) {
                ticket.insert(of_ticket.to_owned(), value.clone());
            }
        }
    }
    let known = store.threads.get_mut(&ticket);
    if let Some(known) = known.and_then(|thread| thread.actions.get_mut(&id)) {
        known.extend(action);
    }
    attachments::take_inline(store, (ticket, id), &inline);
    tickets::touch(store, ticket);
    tickets::settle(store, ticket);
}

/// What Halo's own intake writes on the first action: it is a mail of the ticket's user.
fn by_customer(ticket: &Record) -> Record {
    let fields = [
        ("who", json!(text(ticket, "user_name"))),
        ("actionby_user_id", json!(number(ticket, "user_id"))),
        ("emaildirection", json!("I")),
        ("emailfrom", json!(text(ticket, "user_email"))),
        ("emailsubject", json!(text(ticket, "summary"))),
    ];
    Record::from_iter(fields.map(|(field, value)| (field.to_owned(), value)))
}

/// Writes a ticket's first action, or writes it again as the ticket now is.
pub(super) fn open(store: &mut Store, ticket_id: i64) {
    let Store { tickets, threads, .. } = store;
    let Some(ticket) = tickets.get(&ticket_id) else { return };
    let thread = threads.entry(ticket_id).or_default();
    if thread.given_out == 0 {
        let mut opening = Record::from_iter([
            ("ticket_id".to_owned(), json!(ticket_id)),
            ("outcome".to_owned(), json!(reference::OPENED.name)),
            ("outcome_id".to_owned(), json!(reference::OPENED.id)),
            ("datetime".to_owned(), json!(text(ticket, "dateoccurred"))),
            ("old_status".to_owned(), json!(number(ticket, "status_id"))),
            ("new_status".to_owned(), json!(number(ticket, "status_id"))),
            ("email_message_id".to_owned(), json!(text(ticket, "email_message_id"))),
        ]);
        if flag(ticket, tickets::OPENED_BY_CUSTOMER) {
            opening.extend(by_customer(ticket));
        }
        sign(&mut opening);
        let id = number_next(thread, &mut opening);
        thread.actions.insert(id, opening);
    }
    if let Some(opening) = thread.actions.get_mut(&OPENING) {
        opening.insert("note".into(), json!(text(ticket, "details")));
        opening.insert("note_html".into(), json!(text(ticket, "details_html")));
    }
}

fn shown(store: &Store, (ticket, id): (i64, i64), switches: &Switches) -> Value {
    let action = store.threads.get(&ticket).and_then(|thread| thread.actions.get(&id));
    action.map(|action| detail(action, switches)).unwrap_or_default()
}

/// All that is shown of an action.
fn detail(action: &Record, switches: &Switches) -> Value {
    let mut shown = record::detail(FIELDS, action);
    dress(&mut shown, action, switches);
    shown
}

/// Every action of a ticket, by number.
pub(super) fn all(store: &Store, ticket: i64, switches: &Switches) -> Vec<Value> {
    let thread = store.threads.get(&ticket);
    let actions = thread.into_iter().flat_map(|thread| thread.actions.values());
    actions.map(|action| detail(action, switches)).collect()
}

/// The last actions of a ticket, and how many there are before them.
pub(super) fn last(store: &Store, ticket: i64, count: usize) -> (usize, Vec<Value>) {
    let actions = store.threads.get(&ticket).map(|thread| &thread.actions);
    let earlier = actions.map_or(0, |actions| actions.len().saturating_sub(count));
    let last = actions.into_iter().flat_map(|actions| actions.values().skip(earlier));
    (earlier, last.map(|action| record::detail(FIELDS, action)).collect())
}

/// The field of an action that says how many attachments it has.
pub(super) fn count(store: &mut Store, (ticket, id): (i64, i64)) {
    let attached = attachments::rows(store, ticket, Some(id)).len();
    let thread = store.threads.get_mut(&ticket);
    if let Some(action) = thread.and_then(|thread| thread.actions.get_mut(&id)) {
        action.insert("attachment_count".into(), json!(attached));
    }
}
