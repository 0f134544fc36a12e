//! Actions as they are listed and read: HTML and bodies of mails only where they are asked for.

use serde_json::{Value, json};

use super::{FIELDS, OPENING, detail, dress};
use crate::sandbox::{
    attachments,
    listing::Query,
    moment,
    record::{self, Record, flag, number, text},
    reply::Reply,
    resource::whole_id,
    state::Store,
    switches::Switches,
};

/// `GET /api/Actions?ticket_id=`
pub(in crate::sandbox) fn list(store: &Store, query: &Query, switches: &Switches) -> Reply {
    let Some(ticket) = query.number("ticket_id") else {
        return match switches.actions_without_ticket {
            200 => listed(0, Vec::new()),
            http_status => Reply::empty(http_status),
        };
    };
    let actions = store.threads.get(&ticket).map(|thread| thread.actions.values());
    let wanted = actions.into_iter().flatten().filter(|action| is_wanted(action, query));
    let most = query.number("count").and_then(|count| usize::try_from(count).ok());
    let rows = wanted.map(|action| in_list(store, action, query, switches));
    listed(ticket, rows.take(most.unwrap_or(usize::MAX)).collect())
}

fn listed(ticket: i64, rows: Vec<Value>) -> Reply {
    Reply::json(
        200,
        json!({ "ticket_id": ticket, "record_count": rows.len(), "actions": rows }),
    )
}

fn is_wanted(action: &Record, query: &Query) -> bool {
    let is_mail = !text(action, "emaildirection").is_empty() || number(action, "id") == OPENING;
    !(flag(action, "hiddenfromuser") && query.is_on("excludeprivate"))
        && (is_mail || !query.is_on("conversationonly"))
        && (flag(action, "important") || !query.is_on("importantonly"))
        && (number(action, "who_agentid") > 0 || !query.is_on("agentonly"))
        && moment::is_within(
            text(action, "datetime"),
            ["startdate", "enddate"].map(|name| query.text(name)),
        )
}

fn in_list(store: &Store, action: &Record, query: &Query, switches: &Switches) -> Value {
    let mut row = record::in_list(FIELDS, action, true, &[]);
    dress(&mut row, action, switches);
    strip(&mut row, query.is_on("includehtmlnote"), &["note_html"]);
    strip(
        &mut row,
        query.is_on("includehtmlemail"),
        &["emailbody", "emailbody_html"],
    );
    if query.is_on("includeattachments") {
        row["attachments"] = attachments::rows(store, number(action, "ticket_id"), Some(number(action, "id"))).into();
    }
    row
}

fn strip(row: &mut Value, is_asked_for: bool, fields: &[&str]) {
    if let (false, Some(row)) = (is_asked_for, row.as_object_mut()) {
        fields.iter().for_each(|field| drop(row.remove(*field)));
    }
}

/// `GET /api/Actions/{id}?ticket_id=`; with `mostrecent=true` the last one.
pub(in crate::sandbox) fn read(store: &Store, id: &str, query: &Query, switches: &Switches) -> Reply {
    let id = match whole_id(id) {
        Ok(id) => id,
        Err(reply) => return reply,
    };
    let thread = query.number("ticket_id").and_then(|ticket| store.threads.get(&ticket));
    let found = thread.and_then(|thread| {
        if query.is_on("mostrecent") {
            thread.actions.values().next_back()
        } else {
            thread.actions.get(&id)
        }
    });
    let Some(action) = found else {
        return Reply::empty(404);
    };
    let mut shown = detail(action, switches);
    strip(
        &mut shown,
        query.is_on("includeemail"),
        &["emailbody", "emailbody_html"],
    );
    Reply::json(200, shown)
}
