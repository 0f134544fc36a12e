//! The recipes of the configuration folder, each as it stands, on Dovecot and the emulated Halo.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::world::World;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/recipes");
const PAGE: &str = include_str!("../../docs/recipes.md");

/// A world in which this recipe runs: only hosts and secrets are another's.
fn world(recipe: &str) -> World {
    let mut world = World::with_dovecot("");
    let configured = std::fs::read_to_string(world.configure()).unwrap();
    world.more(&over(&configured));
    let text = std::fs::read_to_string(Path::new(FOLDER).join(format!("{recipe}.toml"))).unwrap();
    // Nobody signs in at the sink.
    let sign_in = "username = \"support@example.com\"\npassword = { credential = \"support-smtp\" }\n";
    assert!(text.contains(sign_in));
    world.whole = Some(text.replace(sign_in, ""));
    world
}

/// What of the world's own configuration has to be laid over a recipe.
fn over(configured: &str) -> String {
    let kept = [
        "state_dir",
        "host",
        "port",
        "tls",
        "ca_file",
        "username",
        "password",
        "url",
        "client_id",
        "client_secret",
        "first",
        "longest",
    ];
    let mut layer = String::new();
    for line in configured.lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        if line.starts_with('[') || kept.contains(&key) {
            layer.push_str(line);
            layer.push('\n');
        }
    }
    layer
}

fn tickets(world: &World) -> Vec<Value> {
    let tickets = world.sandbox.tickets().into_iter();
    tickets.filter(|ticket| ticket["id"].as_i64() >= Some(3001)).collect()
}

#[test]
fn every_recipe_is_shown_and_run() {
    let files = std::fs::read_dir(FOLDER).unwrap();
    let mut names: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    names.sort();
    let stems: Vec<&str> = names
        .iter()
        .map(|name| name.file_stem().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        stems,
        [
            "alerts-by-client",
            "bounce-unknown-senders",
            "email-to-ticket",
            "unauthenticated-aside",
            "users-only"
        ]
    );
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let rules = &text[text.find("[[rule]]").unwrap()..];
        let shown: String = rules
            .lines()
            .map(|line| {
                if line.is_empty() {
                    "\n".to_owned()
                } else {
                    format!("    {line}\n")
                }
            })
            .collect();
        assert!(
            PAGE.contains(&shown),
            "docs/recipes.md does not show the rules of {}:\n{shown}",
            path.display()
        );
    }
}

#[test]
fn users_only() {
    let world = world("users-only");
    world.mail("Ann Lee <ann@stranger.example>", "Hello");
    world.mail("Rae Hall <rae@acme.example>", "Hello from a customer");
    world.mail("alex@desk.example", "From an agent");
    world.mail_with(
        "robot@stranger.example",
        "Out of office",
        "Auto-Submitted: auto-replied\n",
    );
    world.once();
    let made = |address: &str| {
        world
            .users(address)
            .into_iter()
            .map(|user| user["client_name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(made("ann@stranger.example"), [json!("Unknown senders")]);
    assert_eq!(made("rae@acme.example"), [json!("Acme Ltd")]);
    assert!(made("alex@desk.example").is_empty() && made("robot@stranger.example").is_empty());
    assert_eq!(world.folder("Processed").len(), 3);
    assert!(tickets(&world).is_empty());
}

#[test]
fn email_to_ticket() {
    let world = world("email-to-ticket");
    world.mail("Jane Doe <jane@acme.example>", "Printer down");
    world.once();
    let id = tickets(&world)[0]["id"].as_i64().unwrap();
    world.mail(
        "Jane Doe <jane@acme.example>",
        &format!("Re: [ID:{id:07}] Printer down"),
    );
    world.deliver(
        "Return-Path: <alex@desk.example>\nFrom: Alex Desk <alex@desk.example>\nTo: support@example.com\nSubject: FW: Help\n\
         Message-ID: <forward@desk.example>\nDate: Mon, 23 Nov 2026 09:00:00 +0000\n\nFor you.\n\n\
         ---------- Forwarded message ---------\nFrom: Noor Vale <noor@northgate.example>\n\
         Date: Mon, 23 Nov 2026 at 08:00\nSubject: Help\nTo: Alex Desk <alex@desk.example>\n\nThe screen is black.\n",
    );
    world.once();
    let tickets = tickets(&world);
    assert_eq!(tickets.len(), 2, "{tickets:?}");
    assert_eq!(world.sandbox.actions(id).len(), 2);
    assert_eq!(
        (&tickets[0]["user_name"], &tickets[1]["user_name"]),
        (&json!("Jane Doe"), &json!("Noor Vale"))
    );
}

#[test]
fn alerts_by_client() {
    let world = world("alerts-by-client");
    world.mail("Monitoring <alerts@monitoring.example>", "[Acme Ltd] Disk full on SRV1");
    world.mail(
        "Monitoring <alerts@monitoring.example>",
        "[Nobody Inc] Disk full on SRV2",
    );
    world.mail("Monitoring <alerts@monitoring.example>", "Daily summary");
    world.mail("jane@acme.example", "[Acme Ltd] no alert");
    world.once();
    for _ in 0..2 {
        world.mail("Monitoring <alerts@monitoring.example>", "[Acme Ltd] Disk full on SRV1");
    }
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    world.later(120);
    world.once();
    assert_eq!(tickets(&world)[0]["summary"], "[Acme Ltd] Disk full on SRV1 (×3)");
    let clients: Vec<_> = tickets(&world)
        .iter()
        .map(|ticket| {
            (
                ticket["client_name"].clone(),
                ticket["team"].clone(),
                ticket["priority_id"].clone(),
            )
        })
        .collect();
    let ticket = |client: &str| (json!(client), json!("2nd Line"), json!(2));
    assert_eq!(
        clients,
        [ticket("Acme Ltd"), ticket("Unknown senders"), ticket("Unknown senders")]
    );
}

#[test]
fn bounce_unknown_senders() {
    let world = world("bounce-unknown-senders");
    world.mail("Ann Lee <ann@stranger.example>", "Hello");
    world.mail("Rae Hall <rae@acme.example>", "Hello from a customer");
    world.once();
    assert_eq!(world.told(), ["ann@stranger.example"]);
    let letter = String::from_utf8_lossy(&world.sink.mails()[0].octets).into_owned();
    assert!(letter.contains("this address is for our customers"), "{letter}");
    let tickets = tickets(&world);
    assert_eq!(tickets.len(), 1, "{tickets:?}");
    assert_eq!(tickets[0]["user_name"], "Rae Hall");
    assert_eq!((world.folder("Bounced").len(), world.folder("Processed").len()), (1, 1));
}

#[test]
fn unauthenticated_aside() {
    let world = world("unauthenticated-aside");
    let verdict = |verdict: &str| format!("Authentication-Results: mx.example.com; {verdict}\n");
    world.mail_with(
        "jane@acme.example",
        "True",
        &verdict("dmarc=pass header.from=acme.example"),
    );
    world.mail_with(
        "jane@acme.example",
        "Forged",
        &verdict("dmarc=fail header.from=acme.example"),
    );
    world.mail("jane@acme.example", "Nobody vouches");
    world.once();
    let tickets = tickets(&world);
    assert_eq!(tickets.len(), 1, "{tickets:?}");
    assert_eq!(tickets[0]["summary"], "True");
    assert_eq!(world.folder("Unauthenticated").len(), 2);
}
