//! The roll: every user of a connection in one listing, by address. It answers any number of addresses for the price
//! of its pages.
//!
//! Rows show `emailaddress` and, as far as is known, neither `email2` nor `email3`. So an active user with the address
//! is a sure answer, an inactive one alone is none, since another user may bear the address as a further one, and what
//! is not there is absent only where nothing speaks for a further address: that is for the caller to say.

use std::{
    collections::HashMap,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{
    User,
    api::Api,
    client::{Calls, HaloError},
    listing::{self, Pages, USERS},
    users::{everybody, folded, is_placeholder, rank},
    wire,
};
use crate::{clock::moment, message::address::AddrSpec};

/// Pages are read so many at a time; others find the pace's line short.
const AT_ONCE: usize = 4;

/// What it takes to read the whole listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Unknown,
    /// So many requests.
    Requests(usize),
    /// It can't be read, or not in time, or what it counts is not there.
    Unusable,
}

/// Every user, as the rows of one listing show them.
#[derive(Debug)]
pub(super) struct Roll {
    pub began: Instant,
    /// As text: a tenant's rows stay here for a minute, and parsed ones take several times the memory.
    rows: Vec<Box<str>>,
    /// The places in `rows`, by main address and by further address.
    by_main: HashMap<String, Vec<usize>>,
    by_further: HashMap<String, Vec<usize>>,
    /// Whether rows show further addresses, against all experience.
    shows_further: bool,
}

impl Roll {
    fn new(began: Instant, rows: &[Value]) -> Roll {
        let mut roll = Roll {
            began,
            rows: Vec::new(),
            by_main: HashMap::new(),
            by_further: HashMap::new(),
            shows_further: true,
        };
        for row in rows {
            let Some(user) = wire::user_without_raw(row) else {
                continue;
            };
            roll.shows_further &= wire::has_other_addresses(row);
            let has_none = user.emailaddress.is_empty() && user.other_addresses.is_empty();
            if has_none || is_placeholder(&user) {
                continue;
            }
            let place = roll.rows.len();
            roll.rows.push(row.to_string().into());
            roll.by_main.entry(folded(&user.emailaddress)).or_default().push(place);
            for further in &user.other_addresses {
                roll.by_further.entry(folded(further)).or_default().push(place);
            }
        }
        // A field that is empty in every row may as well be one that rows don't fill.
        roll.shows_further &= !roll.by_further.is_empty();
        roll
    }

    /// The users with that address as a search would find them, or nothing where a search has to say.
    /// `may_be_further`: somebody may bear the address as a further one.
    pub(super) fn users(&self, address: &AddrSpec, may_be_further: bool) -> Option<Vec<User>> {
        let mut places = self.by_main.get(address.as_str()).cloned().unwrap_or_default();
        if self.shows_further {
            places.extend(self.by_further.get(address.as_str()).into_iter().flatten());
            return Some(self.at(&places, address));
        }
        let found = self.at(&places, address);
        if found.iter().any(|user| !user.inactive) {
            return Some(found);
        }
        let is_absent = found.is_empty() && !may_be_further;
        is_absent.then_some(found)
    }

    fn at(&self, places: &[usize], address: &AddrSpec) -> Vec<User> {
        let rows = places
            .iter()
            .filter_map(|&place| serde_json::from_str(&self.rows[place]).ok());
        let mut users: Vec<User> = rows.filter_map(|row: Value| wire::user(&row)).collect();
        users.sort_by_key(|user| rank(user, address));
        users.dedup_by_key(|user| user.id);
        users
    }

    /// How long it will still be believed; zero: no longer.
    pub(super) fn left(&self, life: Duration) -> Duration {
        life.saturating_sub(moment().saturating_duration_since(self.began))
    }
}

/// Reads the roll, where that takes `most` requests at the most. With it, or instead of it, comes what it takes.
pub(super) async fn read(api: &Api, most: usize, calls: &Calls) -> Result<(Option<Roll>, Size), HaloError> {
    let began = moment();
    let size = listing::page_size(api);
    let page = |page_no| listing::one(api, USERS, listing::page_of(everybody(), page_no, size), calls);
    let first = page(1).await?;
    let (came, mut counted) = (first.rows.len(), first.record_count);
    let mut pages = Pages::of(size);
    let mut may_go_on = pages.take(first);
    let requests = if may_go_on { requests(came, counted) } else { Some(1) };
    let Some(requests) = requests else {
        return Ok((None, Size::Unusable));
    };
    if requests > most {
        return Ok((None, Size::Requests(requests)));
    }
    let announced = stream::iter(2..=requests).map(page).buffered(AT_ONCE);
    // The count may be too low: what ends a listing is its last page.
    let beyond = stream::iter(requests + 1..=most).then(page);
    let mut others = pin!(announced.chain(beyond));
    let mut asked = 1;
    while may_go_on {
        let Some(next) = others.try_next().await? else {
            return Ok((None, Size::Requests(most + 1)));
        };
        asked += 1;
        counted = counted.max(next.record_count);
        may_go_on = pages.take(next);
    }
    // While it was read, a user who was deleted moved all later ones one place forward, and one of them perhaps onto
    // a page that had come already.
    let is_whole = counted.is_none_or(|counted| u64::try_from(pages.rows.len()).is_ok_and(|rows| rows >= counted));
    if !is_whole {
        return Ok((None, Size::Unusable));
    }
    Ok((Some(Roll::new(began, &pages.rows)), Size::Requests(asked)))
}

/// How many requests the whole listing takes, where its first page says so. A full last page has an empty one after it.
fn requests(came: usize, counted: Option<u64>) -> Option<usize> {
    let counted = usize::try_from(counted?).ok()?;
    Some((counted / came.max(1) + 1).max(2))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(roll: &Roll, address: &str, may_be_further: bool, expected: Option<&[i64]>) {
        let users = roll.users(&AddrSpec::parse(address).unwrap(), may_be_further);
        let ids: Option<Vec<i64>> = users.map(|users| users.iter().map(|user| user.id.0).collect());
        assert_eq!(ids.as_deref(), expected, "{address}");
    }

    #[test]
    fn an_active_user_is_an_answer_and_absence_one_where_nothing_speaks_against_it() {
        let rows = [
            json!({"id": 9, "emailaddress": "jane@acme.example", "inactive": true}),
            json!({"id": 7, "emailaddress": " Jane@ACME.example "}),
            json!({"id": 5, "emailaddress": "jane@acme.example"}),
            json!({"id": 6, "emailaddress": "mary.jane@acme.example"}),
            json!({"id": 4, "emailaddress": "gone@acme.example", "inactive": true}),
            json!({"id": 3, "emailaddress": ""}),
            json!({"emailaddress": "no-id@acme.example"}),
        ];
        let roll = Roll::new(Instant::now(), &rows);
        check(&roll, "jane@acme.example", true, Some(&[5, 7, 9]));
        check(&roll, "ane@acme.example", false, Some(&[]));
        check(&roll, "ane@acme.example", true, None);
        check(&roll, "gone@acme.example", false, None);
        assert_eq!(roll.rows.len(), 5, "who has no address is not kept");
    }

    #[test]
    fn rows_that_show_further_addresses_leave_nothing_to_a_search() {
        let row = |id: i64, main: &str, further: &str| json!({"id": id, "emailaddress": main, "email2": further, "inactive": id == 4});
        let rows = [
            row(4, "gone@acme.example", ""),
            row(7, "new@acme.example", "Gone@acme.example"),
            row(8, "both@acme.example", "both@acme.example"),
        ];
        let roll = Roll::new(Instant::now(), &rows);
        check(&roll, "gone@acme.example", true, Some(&[7, 4]));
        check(&roll, "both@acme.example", true, Some(&[8]));
        check(&roll, "nobody@acme.example", true, Some(&[]));
        let without = Roll::new(Instant::now(), &rows[..1]);
        check(&without, "nobody@acme.example", true, None);
    }

    #[test]
    fn the_first_page_says_how_many_there_are() {
        for (came, counted, expected) in [
            (100, Some(1012), Some(11)),
            (100, Some(200), Some(3)),
            (50, Some(250), Some(6)),
            (100, Some(100), Some(2)),
            (100, Some(3), Some(2)),
            (100, None, None),
        ] {
            assert_eq!(requests(came, counted), expected, "{came} of {counted:?}");
        }
    }
}
