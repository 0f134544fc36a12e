//! Faults of a connection: operators hear once of each and once of its end, and only what waited for it is taken up.

use halo_intake::sandbox::{Fault, Mishap, Pattern};

use crate::{
    running::{Daemon, Signal},
    world::World,
};

/// Users are created at a client that Halo has not; a mail with the subject `make` makes it.
const MISSING: &str = r#"
[[rule]]
name = "make"
when = "email.subject == 'make'"
  [[rule.action]]
  type = "create_halo_client"
  client_name = "No Such Client"
  site_name = "Main"
  [[rule.action]]
  type = "stop_all"

[[rule]]
name = "users"
  [[rule.action]]
  type = "find_halo_user_and_client"
  store_as = "sender"
  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "No Such Client"
  site = "Main"
"#;

/// Each kind of mail asks for one kind of thing.
const RESOURCES: &str = r#"
[[rule]]
name = "clients"
when = "email.subject == 'clients'"
  [[rule.action]]
  type = "query_halo_clients"

[[rule]]
name = "users"
when = "email.subject == 'users'"
  [[rule.action]]
  type = "query_halo_users"
"#;

/// A world in which a message that is deferred comes again only when it is taken up.
fn world(rules: &str) -> World {
    let mut world = World::new(rules);
    world.more("[retry]\nfirst = \"1h\"\nlongest = \"1h\"\n");
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    world
}

/// What was written for operators about the connection, oldest first.
fn heard(world: &World) -> Vec<String> {
    let database = rusqlite::Connection::open(world.state_dir().join("journal.db")).unwrap();
    let mut notices = database
        .prepare("SELECT topic || ': ' || text FROM notice WHERE topic LIKE 'connection main%' ORDER BY id")
        .unwrap();
    let texts = notices.query_map([], |row| row.get(0)).unwrap();
    texts.map(Result::unwrap).collect()
}

fn attempts(world: &World, subject: &str) -> Vec<u64> {
    let rows = world.log().into_iter().filter(|row| row["subject"] == subject);
    rows.map(|row| row["attempts"].as_u64().unwrap()).collect()
}

#[test]
fn what_works_beside_a_client_that_is_missing_is_no_end_of_that_and_wakes_nobody() {
    let world = world(MISSING);
    let daemon = Daemon::start(&world, &[]);
    world.mail("Ann <ann@stranger.example>", "Waits");
    daemon.says("deferred");
    for number in 1..=4 {
        world.mail("Jane Doe <jane@acme.example>", &format!("Known {number}"));
        daemon.says("completed");
    }
    assert_eq!(attempts(&world, "Waits"), [1]);

    world.mail("Bob <bob@globex.example>", "make");
    daemon.says("completed");
    assert_eq!(attempts(&world, "Waits"), [1]);
    // The first that finds the client has the other taken up.
    world.mail("Eve <eve@stranger.example>", "Finds it");
    daemon.says("completed");
    daemon.says("completed");
    assert_eq!(attempts(&world, "Waits"), [2]);
    let heard = heard(&world);
    assert_eq!(heard.len(), 2, "{heard:#?}");
    assert!(heard[0].contains("No Such Client"), "{heard:#?}");
    assert!(heard[1].contains("it is there"), "{heard:#?}");
}

#[test]
fn a_permission_that_is_missing_for_one_thing_is_told_once_while_others_are_answered() {
    let world = world(RESOURCES);
    let forbid = |path: &str| {
        world
            .sandbox
            .set(|switches| switches.forbidden = vec![Pattern::of("GET", path)])
    };
    forbid("/api/client");
    let daemon = Daemon::start(&world, &[]);
    world.mail("Ann <ann@stranger.example>", "clients");
    daemon.says("deferred");
    for _ in 0..3 {
        world.mail("Bob <bob@stranger.example>", "users");
        daemon.says("completed");
    }
    assert_eq!(attempts(&world, "clients"), [1]);

    forbid("/api/nothing");
    world.mail("Eve <eve@stranger.example>", "clients");
    daemon.says("completed");
    daemon.says("completed");
    assert_eq!(attempts(&world, "clients"), [2, 1]);
    let heard = heard(&world);
    assert_eq!(heard.len(), 2, "{heard:#?}");
    assert!(heard[0].contains("reading client"), "{heard:#?}");
    assert!(heard[1].contains("Halo allows it again"), "{heard:#?}");
}

#[test]
fn a_reload_that_corrects_the_name_ends_the_trouble_and_takes_up_what_waited() {
    let mut world = world(MISSING);
    let daemon = Daemon::start(&world, &[]);
    world.mail("Ann <ann@stranger.example>", "Waits");
    daemon.says("deferred");
    world.rules = MISSING.replace("client = \"No Such Client\"", "client = \"Acme Ltd\"");
    world.configure();
    daemon.signal(Signal::HUP);
    daemon.says("completed");
    assert_eq!(world.only().0, "completed");
    let heard = heard(&world);
    assert_eq!(heard.len(), 2, "{heard:#?}");
    assert!(heard[1].contains("the configuration is another one"), "{heard:#?}");
}

#[test]
fn a_name_that_is_corrected_between_two_runs_ends_the_trouble_too() {
    let mut world = world(MISSING);
    world.mail("Ann <ann@stranger.example>", "Waits");
    for _ in 0..2 {
        assert_eq!(world.run(&["run", "--once"]).status, 75);
    }
    assert_eq!(heard(&world).len(), 1);
    world.rules = MISSING.replace("client = \"No Such Client\"", "client = \"Acme Ltd\"");
    world.once();
    assert_eq!(world.only().0, "completed");
    let heard = heard(&world);
    assert_eq!(heard.len(), 2, "{heard:#?}");
    assert!(heard[1].contains("the configuration is another one"), "{heard:#?}");
}

#[test]
fn a_halo_that_answers_nothing_in_time_holds_up_nothing_else_of_its_mailbox() {
    const SLOW: usize = 300;
    let (mut world, slow) = (World::new(""), World::new(""));
    let step = "[[rule.action]]\ntype = \"query_halo_users\"\n";
    world.rules = ["main", "slow"]
        .map(|name| {
            format!("[[rule]]\nname = \"{name}\"\nwhen = \"email.subject == '{name}'\"\n{step}halo = \"{name}\"\n")
        })
        .concat();
    world.settings = format!(
        "[halo.slow]\nurl = {:?}\nclient_id = {:?}\nclient_secret = {:?}\ntimeout = \"3s\"\nrate = \"100000 per 1m\"\n",
        slow.sandbox.url().as_str().trim_end_matches('/'),
        slow.sandbox.client_id(),
        slow.sandbox.client_secret(),
    );
    let hangs = Fault::once("", "/api/users", Mishap::Delay { ms: 60_000 }).times(100_000);
    slow.sandbox.set(|switches| switches.faults = vec![hangs]);
    for number in 0..SLOW {
        world.mail(&format!("ann{number}@stranger.example"), "slow");
    }
    world.mail("bob@stranger.example", "main");
    world.mail("eve@stranger.example", "nobody's");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let of = |world: &World, outcome: &str| world.log().iter().filter(|row| row["outcome"] == outcome).count();
    world.wait_until("the others", |world| {
        of(world, "completed") == 1 && of(world, "ignored") == 1
    });

    slow.sandbox.set(|switches| switches.faults.clear());
    world.wait_until("the end", |world| of(world, "completed") == SLOW + 1);
    drop(daemon);
}

#[test]
fn refused_credentials_rest_that_connection_and_no_other() {
    let (mut world, well) = (World::new(""), World::new(""));
    let step = "[[rule.action]]\ntype = \"query_halo_users\"\n";
    world.rules = ["main", "well"]
        .map(|name| {
            format!("[[rule]]\nname = \"{name}\"\nwhen = \"email.subject == '{name}'\"\n{step}halo = \"{name}\"\n")
        })
        .concat();
    world.settings = format!(
        "[halo.well]\nurl = {:?}\nclient_id = {:?}\nclient_secret = {:?}\n",
        well.sandbox.url().as_str().trim_end_matches('/'),
        well.sandbox.client_id(),
        well.sandbox.client_secret(),
    );
    world.sandbox.set(|switches| switches.reject_credentials = true);
    for number in 0..3 {
        world.mail(&format!("ann{number}@stranger.example"), "main");
        world.mail(&format!("bob{number}@stranger.example"), "well");
    }
    assert_eq!(world.run(&["run", "--once"]).status, 69);
    let log = world.log();
    let of = |outcome: &str| log.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((of("completed"), of("deferred")), (3, 3), "{log:#?}");
    assert_eq!(world.requests("POST", "/auth/token"), 1);
    let heard = heard(&world);
    let is_told = heard.len() == 1 && heard[0].contains("compare client_id, client_secret and tenant");
    assert!(is_told, "{heard:#?}");
}

/// Mail of two kinds, each with a connection of its own.
const TWO: &str = r#"
[[rule]]
name = "slow"
when = "email.subject == 'slow'"
  [[rule.action]]
  type = "query_halo_users"
  halo = "slow"

[[rule]]
name = "other"
when = "email.subject == 'other'"
  [[rule.action]]
  type = "query_halo_clients"
  halo = "main"
"#;

#[test]
fn what_waits_for_the_rate_of_one_connection_holds_up_no_deferred_message_of_another() {
    let mut world = World::new(TWO);
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    let slow = |world: &World, url: &str| {
        let (id, secret) = (world.sandbox.client_id(), world.sandbox.client_secret());
        format!("[halo.slow]\nurl = {url:?}\nclient_id = {id:?}\nclient_secret = {secret:?}\nrate = \"1 per 10s\"\n")
    };
    // Nobody listens there.
    world.settings = slow(&world, "http://127.0.0.1:1");
    // More than there are places.
    for number in 0..80 {
        world.mail(&format!("Ann <ann{number}@stranger.example>"), "slow");
    }
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let count = |world: &World, subject: &str, outcome: &str| {
        let outcomes = world.outcomes().into_iter();
        outcomes.filter(|row| *row == (subject.into(), outcome.into())).count()
    };
    world.wait_until("all deferrals", |world| {
        let tried = |row: &serde_json::Value| row["attempts"].as_u64() > Some(0);
        world.log().iter().filter(|row| tried(row)).count() == 80
    });
    world.settings = slow(&world, world.sandbox.url().as_str());
    world.configure();
    daemon.signal(Signal::HUP);
    world.wait_until("the first request", |world| !world.sandbox.requests().is_empty());

    let broken = Fault::once("GET", "/api/client", Mishap::Html { status: 502 }).times(3);
    world.sandbox.set(|switches| switches.faults = vec![broken]);
    world.mail("Bob <bob@stranger.example>", "other");
    world.wait_until("its turn", |world| count(world, "other", "completed") == 1);
    assert_eq!(count(&world, "slow", "completed"), 0);
}
