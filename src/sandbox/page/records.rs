//! The records: tickets with their actions, clients with their sites and users. What is too much is counted.

use std::{cell::Cell, collections::BTreeMap};

use serde_json::Value;

use super::html::{around, details, element, link, others};
use crate::sandbox::{
    actions, attachments,
    record::{Record, flag, number, text},
    state::{Store, Table},
};

/// So many records of a kind are shown.
pub(super) const MOST: usize = 100;
/// So many sites and users altogether: a large tenant is no page.
pub(super) const MOST_ROWS: usize = 1_000;
/// So many actions of a ticket, the last ones.
pub(super) const MOST_ACTIONS: usize = 20;

/// The first records by `shown`, as long as there are rows left, and how many there are besides.
fn first(records: &[&Record], left: &Cell<usize>, shown: impl Fn(&Record) -> String) -> String {
    let count = records.len().min(MOST).min(left.get());
    left.set(left.get() - count);
    let html: String = records[..count].iter().map(|record| shown(record)).collect();
    html + &others(records.len() - count)
}

pub(super) fn tickets(store: &Store) -> String {
    let newest: Vec<&Record> = store.tickets.values().rev().collect();
    let attached = grouped(&store.attachments, "ticket_id");
    let html = first(&newest, &Cell::new(MOST), |of| {
        let id = number(of, "id");
        ticket(store, of, attached.get(&id).map_or(&[], Vec::as_slice))
    });
    super::section("Tickets, newest first", &html)
}

fn ticket(store: &Store, ticket: &Record, attached: &[&Record]) -> String {
    let id = number(ticket, "id");
    let (class, state) = match (flag(ticket, "inactive"), flag(ticket, "hasbeenclosed")) {
        (true, _) => ("chip bad", "deleted".to_owned()),
        (_, true) => ("chip", "closed".to_owned()),
        _ => ("chip good", format!("status {}", number(ticket, "status_id"))),
    };
    let whose = ["client_name", "site_name", "user_name"].map(|field| text(ticket, field));
    let title = [
        element("code", "", id),
        element("strong", "", text(ticket, "summary")),
        element("span", class, state),
    ];
    let (earlier, last) = actions::last(store, id, MOST_ACTIONS);
    let earlier = match earlier {
        0 => String::new(),
        count => element("p", "faint", format!("{count} earlier ones and")),
    };
    let actions: String = last.iter().map(action).collect();
    let files = first(attached, &Cell::new(MOST), file);
    details(
        &title,
        &[element("p", "faint", whose.join(" / ")), earlier, actions, files].concat(),
    )
}

fn action(action: &Value) -> String {
    let word = |field: &str| action[field].as_str().unwrap_or_default().to_owned();
    let who = format!(
        "{} {}: {}, {}",
        action["id"],
        word("who"),
        word("outcome"),
        word("datetime")
    );
    element("p", "faint", who) + &element("div", "text", word("note"))
}

fn file(attachment: &Record) -> String {
    let parts = [
        link(
            &format!("/download/{}", text(attachment, "guid")),
            attachments::name(attachment),
        ),
        element(
            "span",
            "faint",
            format!(
                "{} octets, of action {}",
                number(attachment, "filesize"),
                number(attachment, "action_id")
            ),
        ),
    ];
    around("div", "row", &parts.concat())
}

pub(super) fn clients(store: &Store) -> String {
    let sites = grouped(&store.sites, "client_id");
    let users = grouped(&store.users, "site_id");
    let clients: Vec<&Record> = store.clients.values().collect();
    let left = Cell::new(MOST_ROWS);
    let html = first(&clients, &Cell::new(MOST), |client| {
        let sites = sites.get(&number(client, "id")).map_or(&[][..], Vec::as_slice);
        let html = first(sites, &left, |of| {
            let users = users.get(&number(of, "id")).map_or(&[][..], Vec::as_slice);
            site(of, users, &left)
        });
        details(&title(client), &html)
    });
    super::section("Clients, their sites and users", &html)
}

/// The records by a number that they bear.
fn grouped<'a>(table: &'a Table, field: &str) -> BTreeMap<i64, Vec<&'a Record>> {
    let mut groups = BTreeMap::<i64, Vec<&Record>>::new();
    for record in table.values() {
        groups.entry(number(record, field)).or_default().push(record);
    }
    groups
}

fn site(site: &Record, users: &[&Record], left: &Cell<usize>) -> String {
    let domains = match text(site, "emaildomain") {
        "" => String::new(),
        domains => element("p", "faint", format!("mail of {domains}")),
    };
    let rows = first(users, left, |user| {
        let shown = [
            element("code", "", number(user, "id")),
            element("span", "", text(user, "name")),
            element("span", "faint", text(user, "emailaddress")),
            inactive(user),
        ];
        around("div", "row", &shown.concat())
    });
    details(&title(site), &(domains + &rows))
}

fn title(record: &Record) -> [String; 3] {
    [
        element("code", "", number(record, "id")),
        element("strong", "", text(record, "name")),
        inactive(record),
    ]
}

fn inactive(record: &Record) -> String {
    if flag(record, "inactive") {
        element("span", "chip bad", "inactive")
    } else {
        String::new()
    }
}
