//! Users by address, one search each, and the requests that make one: search is a substring match, so equality is
//! decided here.

use serde_json::Value;
use tracing::debug;

use super::{
    NewUser, User, UserId,
    api::{Api, Request},
    client::{Calls, HaloError},
    listing::{self, USERS},
    verdict::without,
    wire::{self, Query},
};
use crate::{
    crash::Step,
    message::address::{self, AddrSpec},
};

/// Hits whose main address is another are looked at in detail up to this number.
const MOST_DETAILS: usize = 10;

/// The users whose address is exactly this one, active ones first, then by id.
pub(super) async fn search(api: &Api, address: &AddrSpec, calls: &Calls) -> Result<Vec<User>, HaloError> {
    let mut hits: Vec<User> = Vec::new();
    for query in search_queries(address) {
        for user in listing::every(api, USERS, query, calls)
            .await?
            .iter()
            .filter_map(wire::user)
        {
            if hits.iter().all(|hit| hit.id != user.id) {
                hits.push(user);
            }
        }
    }
    hits.retain(|user| !is_placeholder(user));
    let (mut found, mut others) = by_main_address(hits, address);
    // An active user who bears it as the main address decides. Another may bear it as a further one and make it
    // ambiguous: a hit that nothing in its row explains.
    if found.iter().any(|user| !user.inactive) {
        others.retain(|hit| shows_other_addresses(hit) || !is_explained(hit, address));
    }
    // Those are also the first ones to be looked at.
    others.sort_by_key(|hit| is_explained(hit, address));
    found.extend(by_further_address(api, others, address, calls).await?);
    found.sort_by_key(|user| rank(user, address));
    Ok(found)
}

/// Whose main or further address holds this one, as far as Halo's search looks at them.
pub(super) fn search_query(address: &str) -> Query {
    let mut query = vec![("search", address.to_owned())];
    query.extend(everybody());
    query
}

/// The search for an address in each of its spellings.
pub(super) fn search_queries(address: &AddrSpec) -> impl Iterator<Item = Query> {
    address.spellings().into_iter().map(|spelling| search_query(&spelling))
}

/// Every user, inactive ones too, but for the placeholder of each site.
pub(super) fn everybody() -> Query {
    vec![
        ("includeactive", "true".to_owned()),
        ("includeinactive", "true".to_owned()),
        ("exclude_generaluser", "true".to_owned()),
    ]
}

/// People first, of them the active ones, of them those whose main address it is, and then by id.
pub(super) fn rank(user: &User, address: &AddrSpec) -> (bool, bool, bool, UserId) {
    let is_further = !is_same(&user.emailaddress, address);
    (!user.is_person(), user.inactive, is_further, user.id)
}

/// Each site has one, which stands for nobody in particular; Halo was asked to leave them out.
pub(super) fn is_placeholder(user: &User) -> bool {
    user.name.eq_ignore_ascii_case("General User")
}

/// Whether the row shows further addresses. Where it has none the record itself may.
fn shows_other_addresses(hit: &User) -> bool {
    !hit.other_addresses.is_empty()
}

/// Whether the row shows why the search for this address has found it.
fn is_explained(hit: &User, address: &AddrSpec) -> bool {
    let texts: Vec<String> = hit.raw.texts().map(str::to_lowercase).collect();
    let spellings = address.spellings();
    let holds = |text: &String| spellings.iter().any(|spelling| text.contains(spelling.as_str()));
    texts.iter().any(holds)
}

/// Those whose main address it is, and the other hits, both in order.
fn by_main_address(mut hits: Vec<User>, address: &AddrSpec) -> (Vec<User>, Vec<User>) {
    hits.sort_by_key(|hit| rank(hit, address));
    hits.into_iter().partition(|user| is_same(&user.emailaddress, address))
}

async fn by_further_address(
    api: &Api,
    hits: Vec<User>,
    address: &AddrSpec,
    calls: &Calls,
) -> Result<Vec<User>, HaloError> {
    let (mut found, mut details) = (Vec::new(), 0);
    for hit in hits {
        let user = if shows_other_addresses(&hit) {
            Some(hit)
        } else if details < MOST_DETAILS {
            details += 1;
            detail(api, hit.id, calls).await?
        } else {
            debug!(user = %hit.id, "Halo has more users like this than are looked at in detail");
            continue;
        };
        found.extend(user.filter(|user| bears(user, address)));
    }
    Ok(found)
}

fn bears(user: &User, address: &AddrSpec) -> bool {
    is_same(&user.emailaddress, address) || user.other_addresses.iter().any(|other| is_same(other, address))
}

pub(super) fn is_same(text: &str, address: &AddrSpec) -> bool {
    folded(text) == address.as_str()
}

/// An address as Halo has it in the form in which equal ones compare equal.
pub(super) fn folded(text: &str) -> String {
    address::folded(text.trim())
}

/// The user of that id.
pub(super) async fn detail(api: &Api, id: UserId, calls: &Calls) -> Result<Option<User>, HaloError> {
    let request = one(id);
    let Some(value) = api.ask_record(&request, calls).await? else {
        return Ok(None);
    };
    let user = wire::user(&value).filter(|user| user.id == id);
    user.map(Some)
        .ok_or_else(|| without(&request, "user with that id", &value))
}

/// The request for one user.
pub(super) fn one(id: UserId) -> Request {
    Request::get(format!("{}/{id}", USERS.path))
}

/// The request that creates a user.
pub(super) fn creation(user: &NewUser) -> Request {
    Request::post(Step::CreateUser, USERS.path, wire::new_users([user]))
}

/// The request that creates several; all of them are to be shown, not only the last.
pub(super) fn creations<'a>(users: impl IntoIterator<Item = &'a NewUser>) -> Request {
    let request = Request::post(Step::CreateUsers, USERS.path, wire::new_users(users));
    request.with(vec![("returnall", "true".to_owned())])
}

/// The request that makes an inactive user active.
pub(super) fn reactivation(user: UserId) -> Request {
    Request::post(Step::ReactivateUser, USERS.path, wire::active_user(user))
}

/// The one user in the answer to a write, where it is the one that was written: no other one is to be believed.
pub(super) fn user_in(request: &Request, answer: &Value, is_meant: impl Fn(&User) -> bool) -> Result<User, HaloError> {
    let user = wire::single(answer).and_then(wire::user).filter(is_meant);
    user.ok_or_else(|| without(request, "such user with an id", answer))
}

/// Whether a user in an answer can be the one who was created. One whose address is not shown may be.
pub(super) fn is_created(user: &User, new: &NewUser) -> bool {
    user.emailaddress.trim().is_empty() || is_same(&user.emailaddress, &new.emailaddress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn users(rows: Value) -> Vec<User> {
        rows.as_array().unwrap().iter().filter_map(wire::user).collect()
    }

    #[test]
    fn equal_addresses_are_told_from_those_that_merely_contain_one() {
        let hits = users(json!([
            {"id": 9, "emailaddress": "jane@acme.example", "inactive": true},
            {"id": 8, "emailaddress": "mary.jane@acme.example"},
            {"id": 7, "emailaddress": " Jane@ACME.example "},
            {"id": 6, "emailaddress": "jane@acme.example.org"},
            {"id": 5, "emailaddress": "jane@acme.example"},
        ]));
        let (found, others) = by_main_address(hits, &AddrSpec::parse("jane@acme.example").unwrap());
        assert_eq!(found.iter().map(|user| user.id.0).collect::<Vec<_>>(), [5, 7, 9]);
        assert_eq!(others.iter().map(|user| user.id.0).collect::<Vec<_>>(), [6, 8]);
    }

    #[test]
    fn further_addresses_count_like_the_main_one() {
        let user =
            &users(json!([{"id": 1, "emailaddress": "a@b.example", "email2": "x@y.example", "email3": "Z@y.example"}]))
                [0];
        for (address, expected) in [
            ("a@b.example", true),
            ("x@y.example", true),
            ("z@y.example", true),
            ("y@y.example", false),
        ] {
            assert_eq!(bears(user, &AddrSpec::parse(address).unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_write_whose_answer_has_no_id_is_uncertain() {
        let request = Request::post(Step::CreateUser, "/Users", json!([]));
        assert_eq!(
            user_in(&request, &json!([{"id": 4.0}]), |_| true).unwrap().id,
            UserId(4)
        );
        for answer in [json!({}), json!([]), json!({"id": 0}), json!("done")] {
            assert!(matches!(
                user_in(&request, &answer, |_| true),
                Err(HaloError::NoAnswer { uncertain: true, .. })
            ));
        }
    }
}
