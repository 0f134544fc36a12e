//! The sandbox's agents, listed in whichever of the two known shapes is switched on, and the one of the application.

use serde_json::{Value, json};

use super::{
    listing::Query,
    reply::Reply,
    state::Store,
    switches::{Agents, Switches},
};

/// The agent that the application logs in as; lists leave it out unless `includeapiagents=true`.
pub(super) const APPLICATION_AGENT: i64 = 2;
/// What its actions are signed with.
pub(super) const APPLICATION: &str = "Sandbox application";

/// `GET /api/Agent`: all of them, which the real one does not page either.
pub(super) fn list(store: &Store, query: &Query, switches: &Switches) -> Reply {
    let wanted = store
        .agents
        .iter()
        .filter(|agent| query.is_found_in(&[text(agent, "name"), text(agent, "email")]));
    let mut rows: Vec<Value> = wanted.cloned().collect();
    if query.is_on("includeapiagents") {
        rows.push(application());
    }
    Reply::json(
        200,
        match switches.agents {
            Agents::Results => json!({ "record_count": rows.len(), "results": rows }),
            Agents::Bare => Value::Array(rows),
        },
    )
}

/// `GET /api/Agent/me`: whom a token stands for.
pub(super) fn me(scopes: &str) -> Reply {
    let mut agent = application();
    agent["claims"] = scopes
        .split_whitespace()
        .map(|scope| json!({ "type": "scope", "value": scope }))
        .collect();
    Reply::json(200, agent)
}

/// `GET /api/Agent/{id}`
pub(super) fn read(store: &Store, id: i64) -> Reply {
    if id == APPLICATION_AGENT {
        return Reply::json(200, application());
    }
    let agent = store.agents.iter().find(|agent| agent["id"] == id);
    agent.map_or_else(|| Reply::empty(404), |agent| Reply::json(200, agent.clone()))
}

fn application() -> Value {
    json!({ "id": APPLICATION_AGENT, "name": APPLICATION, "email": "", "isdisabled": false, "is_agent": true, "team": "1st Line" })
}

fn text<'a>(agent: &'a Value, field: &str) -> &'a str {
    agent[field].as_str().unwrap_or_default()
}
