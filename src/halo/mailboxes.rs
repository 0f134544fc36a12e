//! Halo's own mailboxes by address: what comes from one of them was written by Halo itself.

use std::sync::Arc;

use super::{
    api::{Api, Request},
    client::{Calls, Freshness, HaloError},
    directory::{Directory, kept},
    times::Times,
    verdict::is_halos,
    wire,
};

/// Their addresses in the form in which equal ones compare equal.
pub(super) async fn addresses(
    (api, directory, times): (&Api, &Directory, &Times),
    calls: &Calls,
) -> Result<Arc<Vec<String>>, HaloError> {
    let ask = || async { kept(read(api, calls).await, times.agents, times, |_| false) };
    directory.mailboxes.find(&(), Freshness::Cached, ask).await
}

async fn read(api: &Api, calls: &Calls) -> Result<Arc<Vec<String>>, HaloError> {
    let request = request();
    let answer = api.answer(&request, calls).await?;
    // Reading them may be a permission of its own, or Halo may not show them. Our own addresses are known still.
    if (400..500).contains(&answer.http_status) && is_halos(&answer.body) {
        return Ok(Arc::default());
    }
    let value = api.classed(&request, answer)?;
    let rows = wire::listing(value, "mailboxes")
        .map(|listing| listing.rows)
        .unwrap_or_default();
    Ok(Arc::new(rows.iter().flat_map(wire::mailbox_addresses).collect()))
}

/// The request for all of them.
pub(super) fn request() -> Request {
    Request::get("/Mailbox")
}
