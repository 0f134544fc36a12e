//! The sandbox's tickets. The body of a ticket is its first action, which comes with it.

use serde_json::{Value, json};

use super::{
    actions, attachments, markup, moment,
    record::{Field, Kind, Record, detail_only, flag, number, row, sent_only, text},
    reference,
    reply::Reply,
    resource::{LAST_UPDATE, Resource, missing},
    state::{LARGEST_ID, Store, new_guid},
    switches::{CustomerOpening, Switches},
    whose,
};

mod list;

/// Says whether the first action is a mail of the ticket's user; the switch decides it, or whoever lays the ticket.
pub(super) const OPENED_BY_CUSTOMER: &str = "_opened_by_customer";

/// The fields of a ticket. Its `site_id` is no float, and rows show no name of a status.
pub(super) const FIELDS: &[Field] = &[
    row("id", Kind::Whole),
    row("dateoccurred", Kind::Date),
    row("summary", Kind::Text).at_most(4000),
    row("details", Kind::Text),
    row("status_id", Kind::Whole),
    row("tickettype_id", Kind::Whole),
    row("sla_id", Kind::Whole),
    row("priority_id", Kind::Whole),
    row("client_id", Kind::Loose),
    row("client_name", Kind::Text),
    row("site_id", Kind::Whole),
    row("site_name", Kind::Text),
    row("user_id", Kind::Whole),
    row("user_name", Kind::Text),
    row("user_email", Kind::Text),
    row("reportedby", Kind::Text),
    row("team", Kind::Text),
    row("team_id", Kind::Whole),
    row("agent_id", Kind::Whole),
    row("category_1", Kind::Text),
    row("category_2", Kind::Text),
    row("category_3", Kind::Text),
    row("category_4", Kind::Text),
    row("impact", Kind::Whole),
    row("urgency", Kind::Whole),
    row("source", Kind::Whole),
    row("attachment_count", Kind::Whole),
    row("hasbeenclosed", Kind::Flag),
    row("dateclosed", Kind::Date),
    row("merged_into_id", Kind::Whole),
    row("inactive", Kind::Flag),
    row("lastactiondate", Kind::Date),
    row(LAST_UPDATE, Kind::Date),
    row("lastincomingemail", Kind::Date),
    row("deadlinedate", Kind::Date),
    row("fixbydate", Kind::Date),
    row("respondbydate", Kind::Date),
    row("emailtolist", Kind::Text),
    row("emailcclist", Kind::Text),
    row("email_message_id", Kind::Text),
    row("third_party_id_string", Kind::Text),
    row("guid", Kind::Text),
    row("use", Kind::Text),
    row("customfields", Kind::List),
    detail_only("details_html", Kind::Text),
    detail_only("internet_message_id", Kind::Text).at_most(100),
    detail_only("mailentryid", Kind::Text).at_most(1000),
    detail_only("mailboxid", Kind::Whole),
    detail_only("deleted", Kind::Flag),
    sent_only("userlookup", Kind::Object),
    sent_only("attachments", Kind::List),
    sent_only("sendack", Kind::Flag),
    sent_only("_novalidate", Kind::Flag),
    sent_only("_recover", Kind::Flag),
    sent_only(OPENED_BY_CUSTOMER, Kind::Flag),
];

/// `/api/Tickets`
pub(super) const RESOURCE: Resource = Resource {
    key: "tickets",
    fields: FIELDS,
    rows: |store| &store.tickets,
    table: |store| &mut store.tickets,
    is_wanted: list::is_wanted,
    admit,
    add,
    settle,
    delete,
    hidden,
    dress: |_, _| {},
};

/// New ones are numbered from here.
const FIRST_NEW_ID: i64 = 3001;

fn admit(store: &Store, mut sent: Record, known: Option<&Record>, switches: &Switches) -> Result<Record, Reply> {
    if let Some(lookup) = sent.remove("userlookup") {
        let id = lookup["id"].as_i64().ok_or_else(Reply::nowhere)?;
        sent.entry("user_id").or_insert(json!(id));
    }
    sent.remove(OPENED_BY_CUSTOMER);
    if known.is_none() {
        complete(&sent, switches)?;
        sent.insert(OPENED_BY_CUSTOMER.into(), json!(is_from_mail(&sent, switches)));
    }
    if sent.remove("_recover").is_some_and(|recover| recover == true) {
        sent.extend(["inactive", "deleted"].map(|field| (field.to_owned(), json!(false))));
    }
    let moves = ["client_id", "site_id", "user_id"]
        .iter()
        .any(|field| sent.contains_key(*field));
    if known.is_none() || moves {
        let mut whole = known.cloned().unwrap_or_default();
        whole.extend(sent.clone());
        whose::check(store, &whole, switches)?;
    }
    attachments::check_inline(&sent, switches)?;
    markup::pair(&mut sent, "details", "details_html");
    if let (Some(known), Some(fields)) = (known, sent.get_mut("customfields")) {
        keep_others(known, fields);
    }
    Ok(sent)
}

/// What a new ticket must have; texts stand beside their HTML.
fn complete(ticket: &Record, switches: &Switches) -> Result<(), Reply> {
    if text(ticket, "summary").trim().is_empty() {
        return Err(missing("Symptom", "FAULTS"));
    }
    let is_given = |field: &str| match ticket.get(field) {
        None => false,
        Some(value) => *value != json!("") && *value != json!(0),
    };
    let is_missing = |field: &&String| !is_given(field) && !is_given(&format!("{field}_html"));
    match switches.mandatory_fields.iter().find(is_missing) {
        Some(field) if !flag(ticket, "_novalidate") => Err(Reply::exception(
            400,
            &format!("Please complete the mandatory field {field}"),
        )),
        _ => Ok(()),
    }
}

/// Whether a new ticket counts as one that came by mail.
fn is_from_mail(ticket: &Record, switches: &Switches) -> bool {
    match switches.customer_opening {
        CustomerOpening::Never => false,
        CustomerOpening::EmailMessageId => !text(ticket, "email_message_id").is_empty(),
        CustomerOpening::Source => number(ticket, "source") == reference::EMAIL,
    }
}

/// Custom fields that were not sent stay as they are.
fn keep_others(known: &Record, sent: &mut Value) {
    let (Some(older), Some(sent)) = (known.get("customfields").and_then(Value::as_array), sent.as_array_mut()) else {
        return;
    };
    let is_same = |a: &Value, b: &Value| ["id", "name"].iter().any(|key| !a[key].is_null() && a[key] == b[key]);
    let others: Vec<Value> = older
        .iter()
        .filter(|field| !sent.iter().any(|new| is_same(field, new)))
        .cloned()
        .collect();
    sent.splice(0..0, others);
}

/// Adds a ticket with its first action; an id that is given is kept, and what is missing is filled in.
pub(super) fn add(store: &mut Store, mut ticket: Record) -> i64 {
    let id = match number(&ticket, "id") {
        0 => next_number(store),
        id => id,
    };
    let now = json!(moment::now());
    ticket.insert("id".into(), json!(id));
    ticket.insert("use".into(), json!("ticket"));
    ticket.insert("guid".into(), json!(new_guid()));
    ticket.insert(LAST_UPDATE.into(), now.clone());
    for (field, value) in [
        ("dateoccurred", now),
        ("status_id", json!(reference::NEW)),
        ("tickettype_id", json!(1)),
        ("sla_id", json!(1)),
        ("priority_id", json!(3)),
        ("agent_id", json!(1)),
    ] {
        ticket.entry(field).or_insert(value);
    }
    markup::pair(&mut ticket, "details", "details_html");
    store.tickets.insert(id, ticket);
    settle(store, id);
    id
}

/// The number after the last one, or where there is none after it the first that is free.
fn next_number(store: &Store) -> i64 {
    let after = store
        .tickets
        .last_key_value()
        .map_or(0, |(id, _)| id + 1)
        .max(FIRST_NEW_ID);
    let is_free = |id: &i64| !store.tickets.contains_key(id) && !store.promised.contains(id);
    let mut numbers = (after..=LARGEST_ID).chain(FIRST_NEW_ID..after);
    numbers.find(is_free).unwrap_or(after)
}

/// Brings names, the state and the first action in line.
pub(super) fn settle(store: &mut Store, id: i64) {
    let Some(mut ticket) = store.tickets.get(&id).cloned() else {
        return;
    };
    whose::fill(store, &mut ticket);
    name_team(&mut ticket);
    close_or_open(&mut ticket);
    let inline = ticket.remove("attachments").unwrap_or_default();
    store.tickets.insert(id, ticket);
    actions::open(store, id);
    attachments::take_inline(store, (id, actions::OPENING), &inline);
    count(store, id);
}

/// The name of a team counts where both were sent.
fn name_team(ticket: &mut Record) {
    let known = match (text(ticket, "team"), number(ticket, "team_id")) {
        ("", 0) => Some((1, reference::TEAMS[0].1)),
        ("", id) => reference::TEAMS.iter().find(|team| team.0 == id).copied(),
        (name, _) => reference::TEAMS.iter().find(|team| team.1 == name).copied(),
    };
    if let Some((id, name)) = known {
        ticket.insert("team_id".into(), json!(id));
        ticket.insert("team".into(), json!(name));
    }
}

/// A ticket is closed by its status and open again by another one.
fn close_or_open(ticket: &mut Record) {
    let is_closed = number(ticket, "status_id") == reference::CLOSED;
    if is_closed != flag(ticket, "hasbeenclosed") {
        let closed = if is_closed {
            moment::now()
        } else {
            moment::NONE.to_owned()
        };
        ticket.insert("hasbeenclosed".into(), json!(is_closed));
        ticket.insert("dateclosed".into(), json!(closed));
    }
}

/// What a ticket says of its actions and attachments.
pub(super) fn count(store: &mut Store, id: i64) {
    let attached = attachments::of_ticket(store, id).count();
    let Store { tickets, threads, .. } = store;
    let (Some(ticket), Some(thread)) = (tickets.get_mut(&id), threads.get(&id)) else {
        return;
    };
    let dates = |of: &dyn Fn(&Record) -> bool| {
        let dates = thread.actions.values().filter(|action| of(action));
        dates
            .map(|action| text(action, "datetime"))
            .max()
            .unwrap_or(moment::NONE)
    };
    let is_incoming = |action: &Record| text(action, "emaildirection") == "I";
    let (last, incoming) = (json!(dates(&|_| true)), json!(dates(&is_incoming)));
    ticket.insert("lastactiondate".into(), last);
    ticket.insert("lastincomingemail".into(), incoming);
    ticket.insert("attachment_count".into(), json!(attached));
}

/// Something happened to it, so that whoever asks for changes is told of it.
pub(super) fn touch(store: &mut Store, id: i64) {
    if let Some(ticket) = store.tickets.get_mut(&id) {
        ticket.insert(LAST_UPDATE.into(), json!(moment::now()));
    }
}

/// A deleted ticket can still be read, and `_recover` brings it back.
fn delete(store: &mut Store, id: i64) {
    if let Some(ticket) = store.tickets.get_mut(&id) {
        ticket.extend(["inactive", "deleted"].map(|field| (field.to_owned(), json!(true))));
    }
}

fn hidden(switches: &Switches) -> &'static [&'static str] {
    if switches.message_id_in_rows {
        &[]
    } else {
        &["email_message_id"]
    }
}
