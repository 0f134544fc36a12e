//! The sample tenant: a few clients with the differences that matter to rules, all names invented.

use serde_json::{Value, json};

use super::{clients, record, sites, state::Store, tickets, users};

/// A tenant as it comes: the client for everything that is nobody's, and the agent that stands for none.
pub(super) fn bare() -> Store {
    let mut store = Store::default();
    let unknown = json!({"id": 1, "name": "Unknown", "main_site_id": 18});
    clients::add(&mut store, record::given(clients::FIELDS, &unknown));
    store.agents = sample_agents();
    store.agents.truncate(1);
    store
}

/// The sample tenant.
pub(super) fn full() -> Store {
    let mut store = bare();
    fill(&mut store);
    store
}

fn fill(store: &mut Store) {
    for client in sample_clients() {
        clients::add(store, record::given(clients::FIELDS, &client));
    }
    for site in sample_sites() {
        sites::add(store, record::given(sites::FIELDS, &site));
    }
    // The first sites came with their clients; this is what mail is matched by.
    for (site, domains) in [(21, "acme.example; acme-group.example"), (25, "@northgate.example")] {
        if let Some(site) = store.sites.get_mut(&site) {
            site.insert("emaildomain".into(), json!(domains));
        }
    }
    for (number, user) in (101..).zip(sample_users()) {
        let mut user = record::given(users::FIELDS, &user);
        user.insert("id".into(), json!(number));
        users::add(store, user);
    }
    for ticket in sample_tickets() {
        tickets::add(store, record::given(tickets::FIELDS, &ticket));
    }
    store.agents = sample_agents();
}

fn sample_clients() -> Vec<Value> {
    vec![
        json!({"id": 12, "name": "Acme Ltd", "main_site_id": 21, "domain": "acme.example"}),
        json!({"id": 13, "name": "Sole Bakery", "main_site_id": 24, "website": "https://www.solebakery.example/shop"}),
        json!({"id": 14, "name": "Northgate Clinic", "main_site_id": 25}),
        json!({"id": 15, "name": "Closed Shop", "main_site_id": 27, "website": "closedshop.example", "inactive": true}),
        json!({"id": 16, "name": "Unknown senders", "main_site_id": 28}),
    ]
}

fn sample_sites() -> Vec<Value> {
    vec![
        json!({"id": 22, "name": "Warehouse", "client_id": 12, "emaildomain": "warehouse.acme.example"}),
        json!({"id": 23, "name": "Old Office", "client_id": 12, "inactive": true}),
        json!({"id": 26, "name": "Annex", "client_id": 14}),
    ]
}

fn sample_users() -> Vec<Value> {
    let user = |first: &str, last: &str, address: &str, site: i64| json!({"name": format!("{first} {last}"), "firstname": first, "surname": last, "emailaddress": address, "site_id": site});
    let with = |mut user: Value, field: &str, value: Value| {
        user[field] = value;
        user
    };
    vec![
        user("Jane", "Doe", "jane@acme.example", 21),
        user("Mary", "Jane", "mary.jane@acme.example", 21),
        user("Omar", "Haddad", "Omar.Haddad@Acme.example", 21),
        with(
            user("Pia", "Lind", "pia@acme.example", 22),
            "email2",
            json!("pia.lind@warehouse.acme.example"),
        ),
        with(user("Gone", "Away", "gone@acme.example", 21), "inactive", json!(true)),
        user("Sam", "Sole", "sam@solebakery.example", 24),
        with(
            user("Rita", "Flour", "rita@solebakery.example", 24),
            "email3",
            json!("rita.flour@example.com"),
        ),
        user("Noor", "Vale", "noor@northgate.example", 25),
        user("Ivo", "Kern", "ivo+rota@northgate.example", 26),
        user("Lena", "Bó", "lena.bo@northgate.example", 26),
        with(
            user("Lena", "Bó", "lena.bo@northgate.example", 25),
            "inactive",
            json!(true),
        ),
        user("Walk", "In", "", 28),
    ]
}

fn sample_tickets() -> Vec<Value> {
    vec![
        json!({"id": 2001, "summary": "The label printer stays silent", "details": "It blinks and does nothing.",
            "user_id": 104, "reportedby": "pia@acme.example", "dateoccurred": "2026-10-05T08:12:00"}),
        json!({"id": 2002, "summary": "New colleague on Monday", "details": "She needs an account.",
            "user_id": 108, "status_id": 9, "reportedby": "noor@northgate.example", "dateoccurred": "2026-10-01T10:00:00"}),
    ]
}

fn sample_agents() -> Vec<Value> {
    let agent = |id: i64, name: &str, email: &str| json!({"id": id, "name": name, "email": email, "isdisabled": false, "team": "1st Line"});
    vec![
        agent(1, "Unassigned", ""),
        agent(3, "Alex Desk", "alex@desk.example"),
        agent(4, "Billie Desk", "Billie@desk.example"),
    ]
}
