//! The tenant and those who write to it: the same each time.

use std::{fs, path::Path};

use halo_intake::sandbox::Sandbox;
use serde_json::json;

/// What the tenant holds in all; the sandbox's sample is a part of it.
const CLIENTS: usize = 40;
const SITES: usize = 60;
const USERS: usize = 1_000;

/// Senders that are users.
pub const KNOWN: usize = 300;
/// Senders that are not: so many at a domain of a client, of a site, at one that nobody has, and at a provider of
/// mail for everybody.
const AT_CLIENTS: usize = 30;
const AT_SITES: usize = 30;
const STRANGERS: usize = 20;
const FREEMAIL: usize = 20;
pub const UNKNOWN: usize = AT_CLIENTS + AT_SITES + STRANGERS + FREEMAIL;

/// A provider that the configuration names as one.
pub const PROVIDER: &str = "freemail.example";

/// Fills the tenant.
pub fn furnish(sandbox: &Sandbox) {
    for number in sandbox.clients().len()..CLIENTS {
        let website = format!("https://www.client{number}.example");
        sandbox.add_client(json!({ "name": format!("Client {number}"), "website": website }));
    }
    let clients: Vec<i64> = sandbox
        .clients()
        .iter()
        .filter_map(|client| client["id"].as_i64())
        .collect();
    for number in sandbox.sites().len()..SITES {
        let client = clients[number % clients.len()];
        let name = format!("Site {number}");
        sandbox.add_site(json!({ "name": name, "client_id": client, "emaildomain": format!("site{number}.example") }));
    }
    let sites = active(&sandbox.sites());
    for number in 0..USERS.saturating_sub(sandbox.users().len()) {
        let site = sites[number % sites.len()];
        let name = format!("Person {number}");
        sandbox.add_user(json!({ "name": name, "emailaddress": known(number), "site_id": site }));
    }
}

fn active(sites: &[serde_json::Value]) -> Vec<i64> {
    let active = sites.iter().filter(|site| site["inactive"] != true);
    active.filter_map(|site| site["id"].as_i64()).collect()
}

fn known(number: usize) -> String {
    format!("person{number}@mail{}.example", number % 50)
}

/// The address of somebody who is no user. The first clients and sites are the sample's.
fn unknown(number: usize) -> String {
    let domain = if number < AT_CLIENTS {
        format!("client{}.example", CLIENTS - 1 - number % 20)
    } else if number < AT_CLIENTS + AT_SITES {
        format!("site{}.example", SITES - 1 - number % 10)
    } else if number < AT_CLIENTS + AT_SITES + STRANGERS {
        format!("stranger{number}.example")
    } else {
        PROVIDER.to_owned()
    };
    format!("visitor{number}@{domain}")
}

/// Who became a user.
pub fn made(sandbox: &Sandbox) -> usize {
    let users = sandbox.users();
    let addresses = users.iter().filter_map(|user| user["emailaddress"].as_str());
    addresses.filter(|address| address.starts_with("visitor")).count()
}

/// Puts so many messages of each sender into a new Maildir, in turn; says how many there are.
pub fn deliver(maildir: &Path, of_each: usize) -> usize {
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(part)).expect("a folder of our own");
    }
    let senders: Vec<String> = (0..KNOWN).map(known).chain((0..UNKNOWN).map(unknown)).collect();
    let messages = of_each * senders.len();
    for number in 0..messages {
        // Known and unknown ones come mixed: the step has no divisor in common with their number.
        let sender = &senders[number * 7 % senders.len()];
        let name = format!("{number:08}.bench.example");
        fs::write(maildir.join("new").join(name), message(number, sender)).expect("room for a message");
    }
    messages
}

fn message(number: usize, sender: &str) -> String {
    format!(
        "Return-Path: <{sender}>\r\nFrom: \"Sender {sender}\" <{sender}>\r\nTo: Support <support@desk.example>\r\n\
         Subject: Question {number}\r\nMessage-ID: <{number}.calls@mail.example>\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nThis is question {number}.\r\n"
    )
}
