//! The journal on PostgreSQL: the same program with another line in its configuration.

use crate::{
    running::{Daemon, Signal, USERS},
    servers::postgres::Postgres,
    world::World,
};

/// Its login is taken whatever the password is.
const PASSWORD: &str = "hunter2";

fn world(server: &Postgres) -> World {
    let world = World::new(USERS);
    let login = format!("postgres:{PASSWORD}@");
    world.more(&format!(
        "journal = \"{}\"",
        server.schema().replace("postgres@", &login)
    ));
    world
}

fn has_completed(world: &World, messages: usize) -> bool {
    let outcomes = world.outcomes();
    outcomes.len() == messages && outcomes.iter().all(|(_, outcome)| outcome == "completed")
}

#[test]
fn mail_becomes_users_though_the_daemon_is_killed_and_the_server_starts_again() {
    let server = Postgres::start();
    let world = world(&server);
    let sender = |n: usize| format!("ann{n}@customer.example");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("begins");
    world.mail(&sender(1), "first");
    world.wait_until("the first is done", |world| has_completed(world, 1));

    // It has the second in its hands, and is no more.
    world.mail(&sender(2), "second");
    world.wait_until("the second is there", |world| world.outcomes().len() == 2);
    daemon.signal(Signal::KILL);
    daemon.died();
    server.restart();

    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the second is done", |world| has_completed(world, 2));
    server.restart();
    world.mail(&sender(3), "third");
    world.wait_until("the third is done", |world| has_completed(world, 3));
    for n in 1..=3 {
        assert_eq!(world.users(&sender(n)).len(), 1, "{n}");
    }

    let shown = world.run(&["show", "3"]);
    assert!(
        shown.stdout.contains("third") && shown.stdout.contains("completed"),
        "{shown:?}"
    );
    assert!(!world.state_dir().join("journal.db").exists());
    // A second one is turned away, by its lock as well as by the server.
    assert_eq!(world.run(&["run"]).status, 69);
    let said = daemon.said().join("\n");
    assert!(!said.contains(PASSWORD), "{said}");
    assert_eq!(daemon.stop().0, 0);
    let row = world.run(&["retry", "3"]);
    assert_eq!(row.status, 0, "{row:?}");
}

#[test]
fn what_is_wrong_with_the_address_is_said_without_it() {
    let world = World::new(USERS);
    world.more(&format!("journal = \"postgres://u:{PASSWORD}@127.0.0.1:1/intake\""));
    let ran = world.run(&["log"]);
    assert_eq!(ran.status, 69);
    let text = "the journal in postgres://127.0.0.1:1/intake can not be reached: ";
    assert!(ran.stderr.contains(text) && !ran.stderr.contains(PASSWORD), "{ran:?}");

    world.more("journal = { env = \"HALO_INTAKE_NO_SUCH\" }");
    let ran = world.run(&["log"]);
    assert_eq!(ran.status, 69);
    assert!(
        ran.stderr
            .contains("the environment has no HALO_INTAKE_NO_SUCH; set it"),
        "{ran:?}"
    );

    let file = world.folder.join("address");
    std::fs::write(&file, format!("postgres://u:p@{PASSWORD}@127.0.0.1:1/intake\n")).unwrap();
    world.more(&format!("journal = {{ file = {file:?} }}"));
    let ran = world.run(&["log"]);
    assert_eq!(ran.status, 69);
    let text = "the journal postgres://… can not be used: where its password ends is not clear; write @";
    assert!(ran.stderr.contains(text) && !ran.stderr.contains(PASSWORD), "{ran:?}");
}

#[test]
fn a_journal_that_is_not_understood_is_not_taken_for_another_one() {
    let world = World::new(USERS);
    world.mail("ann@customer.example", "first");
    world.once();
    for setting in [
        format!("journal = \"mysql://u:{PASSWORD}@127.0.0.1/intake\""),
        format!("journal = \"postgres://u:{PASSWORD}@127.0.0.1/intake?sslmode=odd\""),
        "journal = { fil = \"address\" }".to_owned(),
        "journal = 1".to_owned(),
        "state_dir = 1".to_owned(),
    ] {
        // The newest layer wins, also over a `journal` before it.
        world.more(&setting);
        let checked = world.run(&["check"]);
        for arguments in [&["log"][..], &["show", "1"]] {
            let ran = world.run(arguments);
            assert_eq!(ran.status, 78, "{setting}: {ran:?}");
            assert_eq!(ran.stdout, "", "{setting}");
            assert_eq!(ran.stderr, checked.stderr, "{setting}");
            assert!(!ran.stderr.contains(PASSWORD), "{ran:?}");
        }
    }
}

#[test]
fn check_online_looks_at_the_journal_and_makes_nothing() {
    let server = Postgres::start();
    let world = World::new(USERS);
    let looks = |journal: &str, status: i32, expected: &str| {
        world.more(&format!("journal = {journal}"));
        let ran = world.run(&["check", "--online"]);
        assert_eq!(ran.status, status, "{ran:?}");
        let line = ran.stdout.lines().find(|line| line.contains(" journal: "));
        assert!(line.is_some_and(|line| line.starts_with(expected)), "{line:?}");
        line.unwrap_or_default().to_owned()
    };
    let address = server.schema();
    let (_, schema) = address.rsplit_once("%3D").unwrap();
    let journal = format!("{address:?}");
    let well = format!(
        "ok    journal: postgres://127.0.0.1:{}/postgres: signed in",
        server.port
    );
    let none = format!("{well}; there is no journal in it yet");
    looks(&journal, 0, &none);
    looks(&journal, 0, &none);

    let daemon = Daemon::start(&world, &[]);
    daemon.says("begins");
    assert_eq!(looks(&journal, 0, &well), well);
    assert_eq!(daemon.stop().0, 0);

    let newer = format!("UPDATE {schema}.schema_version SET version = 99, oldest = 99");
    server.psql(&newer).unwrap();
    let used = "FAULT journal: the journal postgres://";
    assert!(looks(&journal, 78, used).contains("it has a newer version than this program"));

    let other = server.schema();
    let (_, schema) = other.rsplit_once("%3D").unwrap();
    let guest = format!("CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA {schema} TO guest");
    server.psql(&guest).unwrap();
    let guest = format!("{:?}", other.replace("postgres@", "guest@"));
    assert!(looks(&guest, 78, used).contains("its user may make no tables there; ALTER DATABASE"));

    assert!(looks("{ file = \"nofile\" }", 78, used).contains("write one there that the program may read"));
    let dead = "FAULT journal: the journal in postgres://127.0.0.1:1/intake can not be reached: ";
    looks("\"postgres://u@127.0.0.1:1/intake\"", 69, dead);
}
