//! Who sees how the nodes are: `nodes`, the page, metrics.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    asking::{get, served_at},
    browser::Browser,
    looking::{documented, on_terminal},
    page,
    page_in_a_browser::picture,
    running::{Daemon, Signal, USERS},
    servers::postgres::Postgres,
    world::World,
};

/// The nodes as a program reads them, and the exit status.
fn nodes(world: &World) -> (Value, i32) {
    let ran = world.run(&["nodes", "--format", "json"]);
    (serde_json::from_str(&ran.stdout).unwrap_or_default(), ran.status)
}

/// Of each node in order: its state and what it does.
fn states(listed: &Value) -> Vec<(&str, Vec<&str>)> {
    let nodes = listed["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let state = |node| (text(node, "state"), duties(node));
    nodes.iter().map(state).collect()
}

fn text<'a>(node: &'a Value, name: &str) -> &'a str {
    node[name].as_str().unwrap()
}

fn duties(node: &Value) -> Vec<&str> {
    let duties = node["duties"].as_array().unwrap();
    duties.iter().map(|duty| duty.as_str().unwrap()).collect()
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

const ALL: [&str; 2] = ["mailbox support", "outbox"];

#[test]
fn the_one_process_is_alive_as_long_as_it_runs() {
    let world = World::new(USERS);
    assert_eq!(world.run(&["nodes"]).status, 69, "there is no journal");
    world.once();
    let ran = world.run(&["nodes"]);
    assert_eq!(ran.status, 69, "{ran:?}");
    assert_eq!(
        ran.stdout, "no node is alive: nobody watches a mailbox or sends a letter\nnothing waits\n",
        "a command is no node"
    );

    let daemon = Daemon::start(&world, &[]);
    world.wait_until("it has everything", |world| {
        let (listed, status) = nodes(world);
        status == 0 && states(&listed) == [("alive", ALL.to_vec())]
    });
    let (listed, _) = nodes(&world);
    assert_eq!(names(&listed), documented("docs/nodes.md", "### JSON of `nodes`"));
    assert_eq!(names(&listed["nodes"][0]), documented("docs/nodes.md", "### A node"));
    assert_eq!(names(&listed["waiting"]), documented("docs/nodes.md", "### What waits"));
    assert_eq!((&listed["open"], &listed["open_since"]), (&json!([]), &Value::Null));
    let text = on_terminal(&world, &["nodes"], "");
    assert!(
        text.contains("alive") && text.contains("1: support") && text.contains("yes"),
        "{text}"
    );

    daemon.signal(Signal::KILL);
    daemon.died();
    let (listed, status) = nodes(&world);
    assert_eq!((states(&listed), status), (vec![("lost", vec![])], 69));
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("it goes on as another node", |world| {
        states(&nodes(world).0) == [("alive", ALL.to_vec()), ("lost", vec![])]
    });
    assert_eq!(daemon.stop().0, 0);
    let (listed, status) = nodes(&world);
    assert_eq!(
        (states(&listed), status),
        (vec![("stopped", vec![]), ("lost", vec![])], 69)
    );
}

#[test]
fn what_two_nodes_do_is_seen_from_each_and_what_one_has_left_is_taken_over() {
    let server = Postgres::start();
    let journal = format!("journal = {:?}", server.schema());
    let worlds = [(); 2].map(|()| page::world(None));
    worlds.iter().for_each(|world| world.more(&journal));
    let [first, second] = &worlds;
    let watches = Daemon::start(first, &[]);
    let at_first = served_at(&watches);
    first.wait_until("it has everything", |world| {
        states(&nodes(world).0) == [("alive", ALL.to_vec())]
    });
    let stands_by = Daemon::start(second, &[]);
    let at_second = served_at(&stands_by);
    let both = [("alive", vec![]), ("alive", ALL.to_vec())];
    second.wait_until("the other one is there", |world| states(&nodes(world).0) == both);
    let (listed, _) = nodes(second);
    let watcher = &listed["nodes"][1];

    // The one without a mailbox is well, and says where it is watched.
    let text = format!("at node {} (", watcher["node"]);
    first.wait_until("it is watched there", |_| get(at_first, "/").body.contains("checked"));
    let elsewhere = get(at_second, "/").body;
    assert!(
        elsewhere.contains(&text) && !elsewhere.contains("not reached yet"),
        "{elsewhere}"
    );
    assert_eq!(elsewhere.matches("whose page this is").count(), 1, "{elsewhere}");
    assert!(
        elsewhere.contains("Stands by") && elsewhere.contains("Has mailbox support, outbox"),
        "{elsewhere}"
    );
    assert!(!get(at_first, "/").body.contains(&text));
    assert_eq!(get(at_second, "/healthz").status, 200);
    let metrics = get(at_second, "/metrics").body;
    for line in [
        "halo_intake_nodes{state=\"alive\"} 2",
        "halo_intake_nodes{state=\"lost\"} 0",
        "halo_intake_duties 0",
        "halo_intake_open_duties 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }

    // Who wants the journal alone does not get it.
    let third = World::new(USERS);
    third.more(&journal);
    let ran = third.run(&["run", "--once"]);
    assert!(
        ran.status == 69 && ran.stderr.contains("halo-intake nodes lists them"),
        "{ran:?}"
    );
    std::fs::write(third.folder.join("one.eml"), "From: ann@stranger.example\n\nHello\n").unwrap();
    assert_eq!(third.run(&["process", "one.eml"]).status, 75);
    assert_eq!(states(&nodes(&third).0).len(), 2);

    watches.signal(Signal::KILL);
    second.wait_until("the other one has both", |world| {
        let (listed, status) = nodes(world);
        status == 0 && states(&listed) == [("alive", ALL.to_vec()), ("lost", vec![])]
    });
    let overview = get(at_second, "/").body;
    assert!(
        overview.contains(">lost<") && overview.contains("Has mailbox support, outbox"),
        "{overview}"
    );
    let metrics = get(at_second, "/metrics").body;
    assert!(metrics.contains("halo_intake_nodes{state=\"lost\"} 1"), "{metrics}");
    assert!(metrics.contains("halo_intake_duties 2"), "{metrics}");
    let mut browser = Browser::start();
    for (width, name) in [(1280, "nodes.png"), (360, "nodes-phone.png")] {
        browser.resize(width, 800);
        browser.open(&format!("http://{at_second}/"));
        let wide = browser.value("document.documentElement.scrollWidth").as_u64();
        assert!(wide.is_some_and(|wide| wide <= u64::from(width)), "{wide:?} of {width}");
        browser.picture(&picture(name));
    }
}
