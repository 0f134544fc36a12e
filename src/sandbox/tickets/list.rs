//! Which tickets a list holds.

use crate::sandbox::{
    listing::Query,
    moment,
    record::{Record, flag, number, text},
    state::Store,
    switches::Switches,
};

/// Parameters that name numbers, and the fields they are compared with.
const NUMBERED: &[(&str, &str)] = &[
    ("ticketids", "id"),
    ("search_id", "id"),
    ("client_id", "client_id"),
    ("client_ids", "client_id"),
    ("site_id", "site_id"),
    ("user_id", "user_id"),
    ("agent_id", "agent_id"),
    ("agent", "agent_id"),
    ("status_id", "status_id"),
    ("status", "status_id"),
    ("requesttype_id", "tickettype_id"),
    ("requesttype", "tickettype_id"),
    ("priority", "priority_id"),
    ("team", "team_id"),
];

/// Parameters that name a piece of a text.
const WORDED: &[(&str, &str)] = &[
    ("search_summary", "summary"),
    ("search_details", "details"),
    ("search_reportedby", "reportedby"),
    ("search_user_name", "user_name"),
    ("username", "user_name"),
    ("team_name", "team"),
];

pub(super) fn is_wanted(store: &Store, ticket: &Record, query: &Query, switches: &Switches) -> bool {
    has_state(ticket, query)
        && NUMBERED
            .iter()
            .all(|(name, field)| query.is_of(name, number(ticket, field)))
        && WORDED
            .iter()
            .all(|(name, field)| query.is_in(name, text(ticket, field)))
        && is_within_dates(ticket, query)
        && is_third_partys(ticket, query, switches)
        && is_searched(store, ticket, query)
}

/// Deleted, closed, with attachments: as far as it is asked for.
fn has_state(ticket: &Record, query: &Query) -> bool {
    let is_closed = flag(ticket, "hasbeenclosed");
    let is_there = if query.is_on("deleted") {
        flag(ticket, "deleted")
    } else {
        query.wants(flag(ticket, "inactive"))
    };
    is_there
        && !(is_closed && query.is_on("open_only"))
        && (is_closed || !query.is_on("closed_only"))
        && (number(ticket, "attachment_count") > 0 || !query.is_on("withattachments"))
}

/// `search` looks at the number, the texts and whom it is from; with `searchactions` at the notes, too.
fn is_searched(store: &Store, ticket: &Record, query: &Query) -> bool {
    let id = number(ticket, "id");
    let digits = id.to_string();
    let mut texts = vec![digits.as_str()];
    texts.extend(["summary", "details", "reportedby", "user_name", "user_email"].map(|field| text(ticket, field)));
    if query.is_on("searchactions")
        && let Some(thread) = store.threads.get(&id)
    {
        texts.extend(thread.actions.values().map(|action| text(action, "note")));
    }
    query.is_found_in(&texts)
}

/// `datesearch` names the date that `startdate` and `enddate` bound.
fn is_within_dates(ticket: &Record, query: &Query) -> bool {
    let named = query.text("datesearch").to_ascii_lowercase();
    let at = text(ticket, if named.is_empty() { "dateoccurred" } else { &named });
    moment::is_within(at, ["startdate", "enddate"].map(|name| query.text(name)))
}

fn is_third_partys(ticket: &Record, query: &Query, switches: &Switches) -> bool {
    let wanted = query.text("third_party_id_string");
    wanted.is_empty() || !switches.third_party_id_filter || wanted == text(ticket, "third_party_id_string")
}
