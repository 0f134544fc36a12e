//! The sandbox's agents, listed in whichever of the two known shapes is switched on.

use serde_json::{Value, json};

use super::{
    listing::Query,
    reply::Reply,
    state::Store,
    switches::{Agents, Switches},
};

/// `GET /api/Agent`: all of them, which the real one does not page either.
pub(super) fn list(store: &Store, query: &Query, switches: &Switches) -> Reply {
    let wanted = store
        .agents
        .iter()
        .filter(|agent| query.is_found_in(&[text(agent, "name"), text(agent, "email")]));
    let rows: Vec<Value> = wanted.cloned().collect();
    Reply::json(
        200,
        match switches.agents {
            Agents::Results => json!({ "record_count": rows.len(), "results": rows }),
            Agents::Bare => Value::Array(rows),
        },
    )
}

fn text<'a>(agent: &'a Value, field: &str) -> &'a str {
    agent[field].as_str().unwrap_or_default()
}
