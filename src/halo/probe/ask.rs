//! What a probe sends, as a table in the order of sending: each request with what has to be known for it.

use super::scene::Scene;
use crate::{
    crash::Step,
    halo::{
        api::Request,
        listing::{AGENTS, CLIENTS, SITES, USERS},
        users,
        wire::{self, Query},
    },
};

/// More rows than Halo is known to serve, and few enough for one answer.
pub(super) const LARGE_PAGE: u64 = 500;

/// The largest id that fits: no tenant has got so far.
const NO_ID: i64 = i32::MAX as i64;

/// One request of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// The agents.
    Agents,
    /// A user that is not there.
    NoUser,
    /// A user whose id is none.
    NoId,
    /// A page with more rows than Halo serves.
    LargePage,
    /// An action, without saying of which ticket.
    AnyAction,
    /// A ticket, to see what its row shows.
    AnyTicket,
    /// Tickets with a key that none has.
    NoTicket,
    /// Some sites of the tenant.
    SomeSites,
    /// One of those, as its own record shows it.
    Site,
    /// Signs in as an application that nobody has.
    Stranger,
    /// Makes the client, unless one was given.
    Client,
    /// Its sites, where the answer did not show the main one.
    Sites,
    /// Makes the first and the second user with one POST.
    Pair,
    /// Makes the first one alone, where Halo refused the pair.
    Alone,
    /// Searches for the address of the first.
    First,
    /// Makes the third, who has the address of the first.
    Taken,
    /// Searches for a further address of the first.
    Second,
    /// Searches for the other one.
    Third,
    /// Changes nothing, by an object that is in no array.
    Bare,
    /// Changes nothing, with an id that is a text.
    TextId,
    /// Changes nothing, with an id that is a float.
    FloatId,
    /// A page of one row.
    FirstRow,
    /// The page after it.
    NextRow,
    /// Clients of the domain of the probe's own.
    Domain,
    /// Clients of a part of that domain.
    PartOfDomain,
    /// Anything, with a token after which another one was given out.
    OldToken,
    /// The same with that other one.
    NewToken,
}

impl Ask {
    /// Whether Halo may make something because of it.
    pub(super) fn makes(self) -> bool {
        matches!(self, Ask::Client | Ask::Pair | Ask::Alone | Ask::Taken)
    }
}

/// One row of the table: the request, or none where it has no use or lacks something.
type Row = (Ask, fn(&Scene) -> Option<Request>);

/// So many sites are read one by one.
const MOST_SITES: usize = 20;

/// In this order: first what makes nothing, so that a sign-in that is refused ends the probe before anything is made.
pub(super) const TABLE: &[Row] = &[
    (Ask::Agents, |_| Some(Request::get(AGENTS.path).with(one_row()))),
    (Ask::NoUser, |_| Some(Request::get(format!("{}/{NO_ID}", USERS.path)))),
    (Ask::NoId, |_| Some(Request::get(format!("{}/none", USERS.path)))),
    (Ask::LargePage, |_| Some(page(1, LARGE_PAGE))),
    (Ask::AnyAction, |_| Some(Request::get("/Actions").with(one_row()))),
    (Ask::AnyTicket, |_| Some(Request::get("/Tickets").with(one_row()))),
    (Ask::NoTicket, |scene| {
        let key = ("third_party_id_string", scene.mark.letters().to_owned());
        let was_shown = scene.reply(Ask::AnyTicket)?.is_success();
        was_shown.then(|| Request::get("/Tickets").with(vec![key]).with(one_row()))
    }),
    (Ask::SomeSites, |_| {
        Some(Request::get(SITES.path).with(vec![("count", MOST_SITES.to_string())]))
    }),
    // It is no request below the API; this one stands for it.
    (Ask::Stranger, |_| Some(cheap())),
    (Ask::Client, |scene| {
        let domain = scene.mark.domain();
        let body = wire::probe::client(&scene.mark.name(), &domain);
        scene
            .client
            .is_none()
            .then(|| Request::post(Step::Probe, CLIENTS.path, body))
    }),
    (Ask::Sites, |scene| {
        let query = vec![("client_id", scene.client?.to_string())];
        scene.site.is_none().then(|| Request::get(SITES.path).with(query))
    }),
    (Ask::Pair, |scene| {
        let all = vec![("returnall", "true".to_owned())];
        Some(Request::post(Step::Probe, USERS.path, scene.guests(&[1, 2])?).with(all))
    }),
    (Ask::Alone, |scene| {
        let is_refused = scene.reply(Ask::Pair)?.is_refusal();
        is_refused.then_some(Request::post(Step::Probe, USERS.path, scene.guests(&[1])?))
    }),
    (Ask::First, |scene| {
        let was_asked = scene.reply(Ask::Pair).is_some();
        was_asked.then(|| Request::get(USERS.path).with(users::search_query(scene.mark.first_address().as_str())))
    }),
    (Ask::Taken, |scene| {
        scene.user?;
        Some(Request::post(Step::Probe, USERS.path, scene.guests(&[3])?))
    }),
    (Ask::Second, |scene| search_further(scene, 0)),
    (Ask::Third, |scene| search_further(scene, 1)),
    (Ask::Bare, |scene| {
        Some(Request::post(
            Step::Probe,
            USERS.path,
            wire::probe::bare(scene.user?, &scene.guest_name(1)),
        ))
    }),
    (Ask::TextId, |scene| {
        Some(Request::post(
            Step::Probe,
            USERS.path,
            wire::probe::text_id(scene.user?, scene.client?),
        ))
    }),
    (Ask::FloatId, |scene| {
        Some(Request::post(
            Step::Probe,
            USERS.path,
            wire::probe::float_id(scene.user?, scene.client?),
        ))
    }),
    (Ask::FirstRow, |_| Some(page(1, 1))),
    (Ask::NextRow, |_| Some(page(2, 1))),
    (Ask::Domain, |scene| clients_of(scene, scene.mark.domain())),
    (Ask::PartOfDomain, |scene| {
        clients_of(scene, scene.mark.part_of_domain())
    }),
    (Ask::OldToken, |_| Some(cheap())),
    (Ask::NewToken, |scene| {
        let is_refused = scene.reply(Ask::OldToken)?.http_status == 401;
        is_refused.then(cheap)
    }),
];

fn search_further(scene: &Scene, which: usize) -> Option<Request> {
    scene.user?;
    let addresses = scene.mark.further_addresses();
    Some(Request::get(USERS.path).with(users::search_query(addresses.get(which)?.as_str())))
}

fn page(page_no: u64, size: u64) -> Request {
    Request::get(USERS.path).with(vec![
        ("order", "id".to_owned()),
        ("pageinate", "true".to_owned()),
        ("page_size", size.to_string()),
        ("page_no", page_no.to_string()),
    ])
}

fn clients_of(scene: &Scene, domain: String) -> Option<Request> {
    let query: Query = vec![("domain", domain)];
    scene.is_own.then(|| Request::get(CLIENTS.path).with(query))
}

fn cheap() -> Request {
    Request::get(USERS.path).with(one_row())
}

fn one_row() -> Query {
    vec![("count", "1".to_owned())]
}

/// The sites that were listed, each to be read by itself: rows do not show what mail is matched by.
pub(super) fn sites(scene: &Scene) -> Vec<Request> {
    let rows = scene.rows(Ask::SomeSites, SITES.key).unwrap_or_default();
    let sites = rows.iter().filter_map(wire::site).take(MOST_SITES);
    sites
        .map(|site| Request::get(format!("{}/{}", SITES.path, site.id)))
        .collect()
}
