//! Halo's agents by address: who works at the desk is no customer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tracing::warn;

use super::{
    Agent,
    api::{Api, Request},
    client::{Calls, Freshness, HaloError},
    directory::{Directory, kept},
    listing::AGENTS,
    times::Times,
    verdict::{is_halos, without},
    wire,
};
use crate::message::address::{self, AddrSpec};

/// The agent with that address, the lowest id where several bear it.
pub(super) async fn with_address(
    api: &Api,
    directory: &Directory,
    times: &Times,
    address: &AddrSpec,
    (calls, is_noted): (&Calls, &AtomicBool),
) -> Result<Option<Agent>, HaloError> {
    let ask = || async { kept(every(api, calls, is_noted).await, times.agents, times, |_| false) };
    let agents = directory.agents.find(&(), Freshness::Cached, ask).await?;
    let same = agents
        .iter()
        .flat_map(|agents| agents.iter())
        .filter(|agent| address::folded(agent.email.trim()) == address.as_str());
    Ok(same.min_by_key(|agent| agent.id).cloned())
}

/// All of them; nothing where they may not be read.
async fn every(api: &Api, calls: &Calls, is_noted: &AtomicBool) -> Result<Option<Arc<Vec<Agent>>>, HaloError> {
    let request = Request::get(AGENTS.path);
    let answer = api.answer(&request, calls).await?;
    // Reading agents is a permission of its own, and everything else works without it.
    if matches!(answer.http_status, 401 | 403) && is_halos(&answer.body) {
        if !is_noted.swap(true, Ordering::Relaxed) {
            warn!(connection = %api.connection, "connection {}: agents can't be read, so none is recognised by address; allow the API application to read them", api.connection);
        }
        return Ok(None);
    }
    let value = api.classed(&request, answer)?;
    let listing = wire::listing(value, AGENTS.key).map_err(|value| without(&request, "list of agents", &value))?;
    Ok(Some(Arc::new(listing.rows.iter().filter_map(wire::agent).collect())))
}
