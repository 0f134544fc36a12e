//! Whose a ticket is: a client, one of its sites, a user there. Everything that is wrong with them has one text.

use serde_json::json;

use super::{
    record::{Record, number, text},
    reply::Reply,
    sites,
    state::{Store, Table},
    switches::{Clientless, Switches},
    users,
};

/// Where tickets go that are nobody's: the client "Unknown".
const UNKNOWN_CLIENT: i64 = 1;

/// Checks the three. A user needs its site beside it, a site must be the client's; no user, or -1, is the
/// placeholder of the site, and no site the client's first one.
pub(super) fn check(store: &Store, ticket: &Record, switches: &Switches) -> Result<(), Reply> {
    let [client, site, user] = ["client_id", "site_id", "user_id"].map(|field| number(ticket, field));
    let is_known = match (client, site, user) {
        (_, 0, 1..) => false,
        (0, 0, _) => switches.clientless_tickets == Clientless::Accept && store.clients.contains_key(&UNKNOWN_CLIENT),
        (client, 0, _) => store
            .clients
            .get(&client)
            .is_some_and(|client| number(client, "main_site_id") > 0),
        (client, site, user) => is_one_place(store, (client, site, user)),
    };
    if is_known { Ok(()) } else { Err(Reply::nowhere()) }
}

fn is_one_place(store: &Store, (client, site_id, user_id): (i64, i64, i64)) -> bool {
    let Some(site) = store.sites.get(&site_id) else {
        return false;
    };
    let user = store.users.get(&user_id);
    let is_clients = client == 0
        || client == number(site, "client_id")
        // A user may be of another client than its site is; nobody checks that.
        || user.is_some_and(|user| client == number(user, "client_id"));
    let is_there = user_id <= 0 || user.is_some_and(|user| number(user, "site_id") == site_id);
    is_clients && is_there
}

/// Fills in what is missing, and the names.
pub(super) fn fill(store: &Store, ticket: &mut Record) {
    let user = store.users.get(&number(ticket, "user_id"));
    let of = |record: Option<&Record>, field: &str| record.map_or(0, |record| number(record, field));
    let first = |choices: [i64; 3]| choices.into_iter().find(|&id| id > 0).unwrap_or(0);

    let client = store
        .clients
        .get(&first([number(ticket, "client_id"), UNKNOWN_CLIENT, 0]));
    let site_id = first([
        number(ticket, "site_id"),
        of(user, "site_id"),
        of(client, "main_site_id"),
    ]);
    let site = store.sites.get(&site_id);
    let client_id = first([
        number(ticket, "client_id"),
        of(site, "client_id"),
        of(user, "client_id"),
    ]);
    let is_placeholder = |user: &&Record| users::is_general(user) && number(user, "site_id") == site_id;
    let user = user.or_else(|| store.users.values().find(is_placeholder));

    let name = |record: Option<&Record>| record.map_or("", |record| text(record, "name")).to_owned();
    let names_itself = user.is_none_or(users::is_general) && !text(ticket, "user_name").is_empty();
    if !names_itself {
        ticket.insert("user_name".into(), json!(name(user)));
    }
    let address = user.map_or("", |user| text(user, "emailaddress"));
    ticket.insert("user_email".into(), json!(address));
    ticket.insert("user_id".into(), json!(of(user, "id")));
    ticket.insert("site_id".into(), json!(site_id));
    ticket.insert("client_id".into(), json!(client_id));
    for (field, record) in [("site_name", site), ("client_name", store.clients.get(&client_id))] {
        // What was deleted keeps its name in its tickets.
        if record.is_some() || !ticket.contains_key(field) {
            ticket.insert(field.into(), json!(name(record)));
        }
    }
}

/// After a change of a client or site, named by the field that others know it by: what they show of it follows.
pub(super) fn rename(store: &mut Store, (field, id): (&str, i64)) {
    let of_it = |table: &Table| -> Vec<i64> {
        let of_it = table.iter().filter(|(_, record)| number(record, field) == id);
        of_it.map(|(id, _)| *id).collect()
    };
    let (sites, users, tickets) = (of_it(&store.sites), of_it(&store.users), of_it(&store.tickets));
    sites.into_iter().for_each(|site| sites::complete(store, site));
    users.into_iter().for_each(|user| users::settle(store, user));
    for id in tickets {
        if let Some(mut ticket) = store.tickets.get(&id).cloned() {
            fill(store, &mut ticket);
            store.tickets.insert(id, ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{sample, switches::Switches};

    fn is_taken(client: i64, site: i64, user: i64) -> bool {
        let ids = [("client_id", client), ("site_id", site), ("user_id", user)];
        let ticket = ids.into_iter().map(|(name, id)| (name.to_owned(), json!(id))).collect();
        check(&sample::full(), &ticket, &Switches::default()).is_ok()
    }

    #[test]
    fn the_three_must_fit_and_a_user_needs_its_site() {
        for (client, site, user, expected) in [
            (12, 21, 101, true),
            (0, 21, 101, true),
            (12, 0, 101, false),
            (12, 22, 101, false),
            (14, 21, 101, false),
            (12, 21, 99_999, false),
            (12, 99_999, 0, false),
            (99_999, 0, 0, false),
            (i64::from(i32::MIN), 21, 101, false),
            (12, 22, 0, true),
            (12, 0, -1, true),
            (0, 0, 0, true),
        ] {
            assert_eq!(is_taken(client, site, user), expected, "{client} {site} {user}");
        }
    }

    #[test]
    fn what_is_missing_follows_from_the_rest() {
        let filled = |field: &str, id: i64| {
            let mut ticket = Record::from_iter([(field.to_owned(), json!(id))]);
            fill(&sample::full(), &mut ticket);
            let names = ["client_name", "site_name", "user_name"].map(|name| text(&ticket, name).to_owned());
            names.join(" / ")
        };
        assert_eq!(filled("user_id", 104), "Acme Ltd / Warehouse / Pia Lind");
        assert_eq!(filled("site_id", 22), "Acme Ltd / Warehouse / General User");
        assert_eq!(filled("client_id", 14), "Northgate Clinic / Main / General User");
        assert_eq!(filled("user_id", -1), "Unknown / Main / General User");
    }
}
