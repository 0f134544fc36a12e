//! The lists that a tenant has set up, each read whole and kept for a while: they are short and rarely change.

use std::sync::Arc;

use super::{
    alike::{alike, exact},
    api::{Api, Request},
    choice::{Choice, List},
    client::{Calls, Freshness, HaloError},
    directory::{Directory, kept},
    times::Times,
    verdict::without,
    wire::{self, Query},
};

/// The rows of a list whose name differs from this one in upper and lower case at most, in use or not, by id. A name that
/// is not in the list as it is kept is looked for in a new one, once a minute at most.
pub(super) async fn alike_in(
    (api, directory, times): (&Api, &Directory, &Times),
    list: List,
    name: &str,
    calls: &Calls,
) -> Result<Vec<Choice>, HaloError> {
    let of = (api, directory, times);
    let found = alike(rows(of, list, Freshness::Cached, calls).await?.to_vec(), name);
    if !exact(&found, name).is_empty() {
        return Ok(found);
    }
    let ask = || async {
        let rows = rows(of, list, Freshness::Fresh, calls).await;
        let found = rows.map(|rows| alike(rows.to_vec(), name));
        kept(found, times.absent, times, |_| false)
    };
    let key = (list, name.trim().to_owned());
    directory.missing_choices.find(&key, Freshness::Cached, ask).await
}

/// The row of that id, in use or not.
pub(super) async fn by_id(
    of: (&Api, &Directory, &Times),
    list: List,
    id: i64,
    calls: &Calls,
) -> Result<Option<Choice>, HaloError> {
    let rows = rows(of, list, Freshness::Cached, calls).await?;
    Ok(rows.iter().find(|choice| choice.id == id).cloned())
}

async fn rows(
    (api, directory, times): (&Api, &Directory, &Times),
    list: List,
    freshness: Freshness,
    calls: &Calls,
) -> Result<Arc<Vec<Choice>>, HaloError> {
    let ask = || async { kept(read(api, list, calls).await, times.places, times, |_| false) };
    directory.choices.find(&list, freshness, ask).await
}

async fn read(api: &Api, list: List, calls: &Calls) -> Result<Arc<Vec<Choice>>, HaloError> {
    let request = request(list);
    let value = api.ask(&request, calls).await?;
    let listing = wire::listing(value, "results")
        .map_err(|value| without(&request, &format!("list of what is a {list}"), &value))?;
    let mut choices: Vec<Choice> = listing.rows.iter().filter_map(|row| wire::choice(list, row)).collect();
    // A priority is listed once for each agreement that it is part of.
    choices.sort_by(|a, b| (a.id, &a.name).cmp(&(b.id, &b.name)));
    choices.dedup_by(|a, b| (a.id, &a.name) == (b.id, &b.name));
    Ok(Arc::new(choices))
}

/// The request for the whole list, what is out of use too.
pub(super) fn request(list: List) -> Request {
    let all = |name| vec![(name, "true".to_owned())];
    let lookup = |number: &str| vec![("lookupid", number.to_owned())];
    let (path, query): (_, Query) = match list {
        List::TicketType => ("/TicketType", all("showall")),
        List::Status => ("/Status", all("showall")),
        List::Priority => ("/Priority", Query::new()),
        List::Team => ("/Team", Query::new()),
        List::Agent => ("/Agent", Query::new()),
        List::Category => ("/Category", Query::new()),
        List::Source => ("/Lookup", lookup("22")),
        List::Impact => ("/Lookup", lookup("12")),
        List::Urgency => ("/Lookup", lookup("27")),
        List::Outcome => ("/Outcome", all("showhidden")),
    };
    Request::get(path).with(query)
}
