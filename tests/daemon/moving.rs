//! The journal moves to another place, and the service goes on there.

use halo_intake::{
    clock::Clock,
    journal::{Opening, postgres::Postgres as Journal},
};

use crate::{
    running::{Daemon, Signal, USERS},
    servers::postgres::Postgres,
    world::World,
};

const PASSWORD: &str = "hunter2";

fn copy(world: &World, from: &str, to: &str, status: i32, told: &str) {
    let ran = world.run(&["journal", "copy", from, to]);
    assert_eq!(ran.status, status, "{ran:?}");
    assert!(ran.stderr.contains(told), "{told:?} is not in {ran:?}");
    assert!(!ran.stderr.contains(PASSWORD), "{ran:?}");
}

/// Begins a copy, and kills it when it is about to write the ends of its rules.
fn killed(world: &World, server: &Postgres, to: &str) {
    let schema = to.rsplit("%3D").next().unwrap();
    drop(Journal::open(to, Clock::system(), Opening::Alone, None).unwrap());
    let mut holder = server.session(&format!("BEGIN; LOCK TABLE {schema}.rule_count IN SHARE MODE"));
    let waits = |granted: bool| {
        let sql = format!(
            "SELECT count(*) FROM pg_locks WHERE granted = {granted} AND relation = '{schema}.rule_count'::regclass"
        );
        server.psql(&sql).unwrap() == "1"
    };
    world.wait_until("the table is locked", |_| waits(true));
    let copying = Daemon::spawn(world.command(&["journal", "copy", "configured", to]), &[]);
    world.wait_until("the copy waits", |_| waits(false));
    copying.signal(Signal::KILL);
    copying.died();
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

#[test]
fn the_service_goes_on_in_postgresql_and_nothing_is_done_again() {
    let server = Postgres::start();
    let world = World::new(USERS);
    let to = server.schema();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("begins");
    world.mail("ann@customer.example", "first");
    world.wait_until("the first is done", |world| {
        world.outcomes().len() == 1 && world.only().0 == "completed"
    });
    copy(
        &world,
        "configured",
        &to,
        69,
        "is in use by another process; stop that one",
    );
    assert_eq!(daemon.stop().0, 0);

    killed(&world, &server, &to);
    let file = world.folder.join("address");
    std::fs::write(&file, to.replace("postgres@", &format!("postgres:{PASSWORD}@"))).unwrap();
    world.more(&format!("journal = {{ file = {file:?} }}"));
    for arguments in [&["log"][..], &["run"]] {
        let ran = world.run(arguments);
        assert_eq!(ran.status, 69, "{ran:?}");
        assert!(ran.stderr.contains("goes on just now or was cut short"), "{ran:?}");
    }
    // The state folder is the service's own in both.
    let from = world.state_dir();
    copy(
        &world,
        from.to_str().unwrap(),
        "configured",
        0,
        "both journals hold the same",
    );
    let again = "and a copy goes into an empty one; make another database";
    copy(
        &world,
        from.to_str().unwrap(),
        &format!("file:{}", file.display()),
        69,
        again,
    );

    let daemon = Daemon::start(&world, &[]);
    world.mail("bob@customer.example", "second");
    world.wait_until("the second is done", |world| {
        world
            .outcomes()
            .iter()
            .filter(|(_, outcome)| outcome == "completed")
            .count()
            == 2
    });
    assert_eq!(daemon.stop().0, 0);
    let ids: Vec<i64> = world.log().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 2]);
    for sender in ["ann@customer.example", "bob@customer.example"] {
        assert_eq!(world.users(sender).len(), 1, "{sender}");
    }

    let back = world.folder.join("back");
    copy(
        &world,
        "configured",
        back.to_str().unwrap(),
        0,
        "both journals hold the same",
    );
    let rows = world.json(&["journal", "copy", back.to_str().unwrap(), &server.schema()]);
    let entry = rows.iter().find(|row| row["table"] == "entry").unwrap();
    assert_eq!(entry["rows"], 2);
}

#[test]
fn an_address_on_the_command_line_shows_no_password_and_what_is_wrong_is_said_without_it() {
    let world = World::new(USERS);
    let file = world.folder.join("address");
    std::fs::write(&file, format!("postgres://u:{PASSWORD}@127.0.0.1:1/intake\n")).unwrap();
    let file = format!("file:{}", file.display());
    copy(&world, "configured", &file, 69, "there is no journal yet");
    world.once();
    let shows = "TO shows its password in the list of processes";
    for (to, status, told) in [
        (&*format!("postgres://u:{PASSWORD}@127.0.0.1/intake"), 2, shows),
        (&format!("postgres://u@127.0.0.1/intake?password={PASSWORD}"), 2, shows),
        (
            &format!("postgres://u:{PASSWORD}@x@127.0.0.1/intake"),
            2,
            "where its password ends is not clear",
        ),
        ("mysql://127.0.0.1/intake", 2, "it has to begin with postgres://"),
        (
            "env:HALO_INTAKE_NO_SUCH",
            69,
            "the environment has no HALO_INTAKE_NO_SUCH; set it",
        ),
        (&file, 69, "can not be reached: "),
        (
            world.state_dir().to_str().unwrap(),
            2,
            "FROM and TO are the same journal",
        ),
    ] {
        copy(&world, "configured", to, status, told);
    }
}
