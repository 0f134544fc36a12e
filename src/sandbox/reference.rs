//! What the sandbox's tenant is set up with: types, statuses, priorities, teams, outcomes, categories, look-ups,
//! mailboxes. Small samples, as bare arrays.

use serde_json::{Value, json};

use super::{listing::Query, reply::Reply, resource::whole_id};

/// The status that new tickets have.
pub(super) const NEW: i64 = 1;
/// The status that closes a ticket.
pub(super) const CLOSED: i64 = 9;

/// The source of tickets that came by mail, as `Lookup?lookupid=22` names it.
pub(super) const EMAIL: i64 = 1;

/// The teams, by id and name.
pub(super) const TEAMS: &[(i64, &str)] = &[(1, "1st Line"), (2, "2nd Line"), (3, "Projects")];

/// What an action may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub id: i64,
    pub name: &'static str,
    /// Whether its actions are hidden from users unless they say otherwise.
    pub is_private: bool,
    /// Whether only the system makes such actions.
    pub is_of_system: bool,
}

/// What a ticket begins with.
pub(super) const OPENED: Outcome = Outcome {
    id: 1,
    name: "Opened",
    is_private: false,
    is_of_system: true,
};

/// The outcomes; 0, 7 and 16 have the ids that they have wherever they were seen.
pub(super) const OUTCOMES: &[Outcome] = &[
    shared(0, "Email Update"),
    OPENED,
    Outcome {
        is_private: true,
        ..shared(7, "Private Note")
    },
    shared(16, "Email User"),
    shared(17, "Note"),
];

const fn shared(id: i64, name: &'static str) -> Outcome {
    Outcome {
        id,
        name,
        is_private: false,
        is_of_system: false,
    }
}

/// `GET /api/{kind}` and `GET /api/{kind}/{id}`, if there is such a kind.
pub(super) fn answer(kind: &str, rest: &[&str], query: &Query) -> Option<Reply> {
    let listed = rows(kind, query)?;
    Some(match rest {
        [] => Reply::json(200, Value::Array(listed)),
        [id] => read(kind, id, query),
        _ => Reply::empty(404),
    })
}

/// One of all, also of those that a list hides: by its id, and a priority by its number as well.
fn read(kind: &str, id: &str, query: &Query) -> Reply {
    let every = ["showall", "showhidden"].map(|name| (name.to_owned(), "true".to_owned()));
    let every = Query(every.into_iter().chain(query.0.clone()).collect());
    let rows = rows(kind, &every).unwrap_or_default();
    let is_it = |row: &&Value| match (&row["id"], whole_id(id)) {
        (Value::String(guid), _) if guid.eq_ignore_ascii_case(id) => true,
        (Value::String(_), Ok(number)) => row["priorityid"] == number,
        (own, Ok(number)) => *own == number,
        _ => false,
    };
    match (rows.iter().find(is_it), whole_id(id)) {
        (Some(row), _) => Reply::json(200, row.clone()),
        (None, Ok(_)) => Reply::empty(404),
        (None, Err(reply)) => reply,
    }
}

/// Whether there is such a kind.
pub(super) fn is_known(kind: &str) -> bool {
    rows(kind, &Query::default()).is_some()
}

fn rows(kind: &str, query: &Query) -> Option<Vec<Value>> {
    Some(match kind {
        "tickettype" => ticket_types(query),
        "status" => statuses(query),
        "priority" => priorities(query),
        "team" => TEAMS.iter().map(|(id, name)| team(*id, name)).collect(),
        "outcome" => outcomes(query),
        "category" => categories(),
        "lookup" => lookups(query),
        "mailbox" => mailboxes(),
        _ => return None,
    })
}

fn ticket_types(query: &Query) -> Vec<Value> {
    let kind = |id: i64, name: &str, of: &str, can_select: bool, inactive: bool| json!({ "id": id, "name": name, "use": of, "agentscanselect": can_select, "inactive": inactive, "sla_id": 1 });
    let all = [
        kind(1, "Incident", "tickets", true, false),
        kind(2, "Service Request", "tickets", true, false),
        kind(3, "Alert", "tickets", false, false),
        kind(5, "Opportunity", "opps", true, false),
        kind(6, "Old Request", "tickets", true, true),
    ];
    let is_shown =
        |kind: &Value| query.is_on("showall") || (kind["inactive"] == false && kind["agentscanselect"] == true);
    all.into_iter().filter(is_shown).collect()
}

fn statuses(query: &Query) -> Vec<Value> {
    let named = [
        (NEW, "New"),
        (2, "In Progress"),
        (4, "With User"),
        (5, "On Hold"),
        (CLOSED, "Closed"),
    ];
    let is_shown = |status: &&(i64, &str)| !(status.0 == CLOSED && query.is_on("excludeclosed"));
    let status = |(id, name): &(i64, &str)| json!({ "id": id, "name": name, "shortname": name, "sequence": id, "colour": "#4a90d9" });
    named.iter().filter(is_shown).map(status).collect()
}

fn priorities(query: &Query) -> Vec<Value> {
    let priority = |number: i64, name: &str| json!({ "id": format!("7d3a1c52-0000-4000-8000-00000000000{number}"), "priorityid": number, "slaid": 1, "name": name });
    let all = [
        priority(1, "Critical"),
        priority(2, "High"),
        priority(3, "Medium"),
        priority(4, "Low"),
    ];
    let is_wanted = |priority: &Value| query.is_of("slaid", priority["slaid"].as_i64().unwrap_or(0));
    all.into_iter().filter(is_wanted).collect()
}

fn team(id: i64, name: &str) -> Value {
    json!({ "id": id, "name": name, "department_id": 1, "inactive": false, "use": "team" })
}

fn outcomes(query: &Query) -> Vec<Value> {
    let wanted = OUTCOMES
        .iter()
        .filter(|outcome| !outcome.is_of_system || query.is_on("showhidden"));
    let row = |outcome: &Outcome| {
        json!({
            "id": outcome.id, "outcome": outcome.name, "buttonname": outcome.name, "hidden": outcome.is_of_system,
            "hidefromuser": outcome.is_private, "sequence": outcome.id,
        })
    };
    wanted.map(row).collect()
}

fn categories() -> Vec<Value> {
    let names = ["Hardware", "Hardware>Printer", "Software", "Software>Accounts"];
    let category = |(id, name): (i64, &str)| json!({ "id": id, "value": name, "category_name": name, "type_id": 1 });
    (1..).zip(names).map(category).collect()
}

/// Sources are 22, impacts 12, urgencies 27.
fn lookups(query: &Query) -> Vec<Value> {
    let names: &[&str] = match query.number("lookupid") {
        Some(12) => &["Company", "Department", "Person"],
        Some(22) => &["Manual", "Email", "Phone", "Portal"],
        Some(27) => &["High", "Medium", "Low"],
        _ => &[],
    };
    // The first source is what a ticket has that names none: 0.
    let first = i64::from(query.number("lookupid") != Some(22));
    let row = |(id, name): (i64, &&str)| json!({ "id": id, "name": name, "lookupid": query.number("lookupid") });
    (first..).zip(names).map(row).collect()
}

fn mailboxes() -> Vec<Value> {
    vec![json!({
        "id": 1, "name": "Support", "smtpaddress": "support@desk.example", "display_address": "support@desk.example",
        "enabled": true, "type": 0, "tickettype_id": 1, "ignore_cc_emails": false, "accept_auto_replies": false,
        "site_prefix_matching": false, "site_wildcard_matching": false, "site_domain_matching": true,
        "site_tocc_matching": false, "unmatched_users": 0, "newuser_default_site": 28, "newuser_default_site_name": "Main",
    })]
}
