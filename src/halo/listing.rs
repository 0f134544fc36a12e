//! Listings page by page: when the last page has come, and how one is asked for.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    api::{Api, Request},
    client::{Calls, HaloError},
    verdict::without,
    wire::{self, Listing, Query},
};

/// Halo serves no more than this in one page, whatever is asked for, unless a probe found another cap.
const PAGE_SIZE: usize = 100;

/// Where an envelope doesn't say its page size, a page with fewer rows than Halo's default is the last.
const DEFAULT_SIZE: usize = 50;

/// No tenant has as many pages; a server that never comes to an end does.
const MOST_PAGES: usize = 5000;

/// A resource and the key of its rows in the envelope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub path: &'static str,
    pub key: &'static str,
}

pub(super) const USERS: Route = Route {
    path: "/Users",
    key: "users",
};
pub(super) const CLIENTS: Route = Route {
    path: "/Client",
    key: "clients",
};
pub(super) const SITES: Route = Route {
    path: "/Site",
    key: "sites",
};
pub(super) const AGENTS: Route = Route {
    path: "/Agent",
    key: "results",
};
pub(super) const TICKETS: Route = Route {
    path: "/Tickets",
    key: "tickets",
};
pub(super) const ACTIONS: Route = Route {
    path: "/Actions",
    key: "actions",
};
pub(super) const ATTACHMENTS: Route = Route {
    path: "/Attachment",
    key: "attachments",
};

/// One listing, as Halo gives it.
pub(super) async fn one(api: &Api, route: Route, query: Query, calls: &Calls) -> Result<Listing, HaloError> {
    let request = Request::get(route.path).with(query);
    let value = api.ask(&request, calls).await?;
    wire::listing(value, route.key).map_err(|value| without(&request, &format!("list of {}", route.key), &value))
}

/// All rows, page by page.
pub(super) async fn every(api: &Api, route: Route, query: Query, calls: &Calls) -> Result<Vec<Value>, HaloError> {
    let mut pages = Pages::of(page_size(api));
    for page_no in 1..=MOST_PAGES {
        let query = page_of(query.clone(), page_no, pages.size);
        if !pages.take(one(api, route, query, calls).await?) {
            break;
        }
    }
    Ok(pages.rows)
}

/// So many rows are asked for: as many as the tenant is known to serve.
pub(super) fn page_size(api: &Api) -> usize {
    let findings = api.findings.load();
    let cap = findings.as_ref().and_then(|findings| findings.page_cap());
    cap.unwrap_or(PAGE_SIZE)
}

/// The query of one page of a whole listing.
pub(super) fn page(query: Query, page_no: usize) -> Query {
    page_of(query, page_no, PAGE_SIZE)
}

pub(super) fn page_of(mut query: Query, page_no: usize, size: usize) -> Query {
    query.extend([
        // Without an order of its own a row can slip from one page to another.
        ("order", "id".to_owned()),
        ("pageinate", "true".to_owned()),
        ("page_size", size.to_string()),
        ("page_no", page_no.to_string()),
    ]);
    query
}

/// What came so far. `record_count` isn't always the total, so it may prolong a listing and never ends a full page.
#[derive(Debug)]
pub(super) struct Pages {
    /// So many rows are asked for.
    size: usize,
    seen: HashSet<i64>,
    pub rows: Vec<Value>,
}

impl Pages {
    pub(super) fn of(size: usize) -> Pages {
        Pages {
            size,
            seen: HashSet::new(),
            rows: Vec::new(),
        }
    }

    /// Takes one page; says whether there may be another.
    pub(super) fn take(&mut self, page: Listing) -> bool {
        let came = page.rows.len();
        let before = self.rows.len();
        for row in page.rows {
            if row
                .get("id")
                .and_then(wire::whole)
                .is_none_or(|id| self.seen.insert(id))
            {
                self.rows.push(row);
            }
        }
        let is_new = self.rows.len() > before;
        let served = page
            .page_size
            .map_or(DEFAULT_SIZE.min(self.size), |size| size.min(self.size));
        let more_are_counted = page
            .record_count
            .is_some_and(|count| usize::try_from(count).is_ok_and(|n| n > self.rows.len()));
        is_new && (came >= served || more_are_counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Serves `total` rows in pages of `size`; gives rows taken and pages asked for.
    fn check(
        total: usize,
        size: usize,
        page_size: Option<usize>,
        record_count: impl Fn(usize) -> Option<u64>,
    ) -> (usize, usize) {
        let mut pages = Pages::of(PAGE_SIZE);
        for page_no in 0.. {
            let rows: Vec<Value> = (page_no * size..total.min((page_no + 1) * size))
                .map(|id| json!({"id": id + 1}))
                .collect();
            let record_count = record_count(rows.len());
            if !pages.take(Listing {
                rows,
                record_count,
                page_size,
            }) {
                return (pages.rows.len(), page_no + 1);
            }
        }
        unreachable!("the loop has no end of its own")
    }

    #[test]
    fn all_rows_come_whatever_size_is_served_and_whatever_the_count_says() {
        assert_eq!(check(250, 100, Some(100), |_| Some(250)), (250, 3));
        assert_eq!(
            check(200, 100, Some(100), |_| Some(200)),
            (200, 3),
            "a full page may have a next one"
        );
        assert_eq!(check(250, 50, Some(50), |_| Some(250)), (250, 6));
        assert_eq!(check(120, 50, None, |_| None), (120, 3));
        assert_eq!(
            check(120, 50, Some(100), |_| Some(120)),
            (120, 3),
            "the cap is lower than the envelope says"
        );
        assert_eq!(check(250, 100, Some(100), |rows| Some(rows as u64)), (250, 3));
        assert_eq!(check(3, 100, Some(100), |_| Some(3)), (3, 1));
        assert_eq!(check(0, 100, Some(100), |_| Some(0)), (0, 1));
        assert_eq!(
            check(3, 100, None, |_| Some(9999)),
            (3, 2),
            "a count that lies costs one page"
        );
    }

    #[test]
    fn a_page_that_repeats_ends_the_listing() {
        let mut pages = Pages::of(PAGE_SIZE);
        let page = || Listing {
            rows: (1..=100).map(|id| json!({"id": id})).collect(),
            record_count: None,
            page_size: None,
        };
        assert!(pages.take(page()));
        assert!(!pages.take(page()));
        assert_eq!(pages.rows.len(), 100);
    }
}
