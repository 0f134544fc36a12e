//! A flood of strangers: no more users are created in a while than `new_users` allows; the others wait their turn.

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::json;

use crate::world::World;

const USER: &str = "[[rule]]\nname = \"users\"\n[[rule.action]]\ntype = \"create_halo_user\"\nclient = 12\nsite = 22\n";

fn world(new_users: &str) -> World {
    let mut world = World::new(USER);
    world.halo = format!("new_users = \"{new_users}\"");
    // They wait for their turn, which is nothing that they could give up.
    world.more("[retry]\ngive_up_after = \"1ms\"\n");
    world
}

fn created(world: &World) -> usize {
    let users = world.sandbox.users();
    users
        .iter()
        .filter(|user| user["emailaddress"].as_str().unwrap().ends_with("@flood.example"))
        .count()
}

#[test]
fn more_new_users_than_the_limit_allows_wait_and_operators_hear_of_it_once() {
    let world = world("3 per 1h");
    for number in 0..8 {
        world.mail(&format!("s{number}@flood.example"), "Spam");
    }
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(created(&world), 3);
    let waiting: Vec<_> = world
        .log()
        .into_iter()
        .filter(|row| row["outcome"] == "deferred")
        .collect();
    assert_eq!(waiting.len(), 5);
    for row in &waiting {
        let reason = row["reason"].as_str().unwrap();
        assert!(reason.contains("[halo.main] new_users allows 3 in 3600s"), "{reason}");
    }
    assert_eq!(world.told(), ["ops@desk.example"]);

    // Another process knows what this one created.
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(created(&world), 3);
    assert_eq!(world.told(), ["ops@desk.example"]);
    assert_eq!(world.log().iter().filter(|row| row["outcome"] == "deferred").count(), 5);
}

#[test]
fn who_is_a_user_already_does_not_wait() {
    let world = world("1 per 1h");
    for from in ["s0@flood.example", "jane@acme.example", "s0@flood.example"] {
        world.mail(from, "A question");
    }
    world.once();
    assert!(
        world.outcomes().iter().all(|(_, outcome)| outcome == "completed"),
        "{:?}",
        world.outcomes()
    );
}

#[test]
fn those_that_wait_go_on_when_their_turn_comes() {
    let world = world("2 per 500ms");
    for number in 0..6 {
        world.mail(&format!("s{number}@flood.example"), "A question");
    }
    world.wait_until("the end", |world| world.run(&["run", "--once"]).status == 0);
    assert_eq!(created(&world), 6);
    assert!(
        world.outcomes().iter().all(|(_, outcome)| outcome == "completed"),
        "{:?}",
        world.outcomes()
    );
}

#[test]
fn a_creation_that_halo_refuses_uses_up_no_turn() {
    let world = world("1 per 1h");
    // Halo refuses the first, which so leaves its turn to the second.
    world.sandbox.set(|switches| {
        switches.faults = vec![Fault::once(
            "POST",
            "/api/users",
            Mishap::Status {
                status: 400,
                message: "no".to_owned(),
            },
        )]
    });
    world.mail("s0@flood.example", "A question");
    world.once();
    world.mail("s1@flood.example", "A question");
    world.once();
    let outcomes: Vec<String> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["failed", "completed"]);
}

#[test]
fn the_repeats_of_one_creation_use_up_one_turn() {
    let mut world = World::new(USER);
    world.halo = "new_users = \"2 per 1h\"\ntimeout = \"1s\"".to_owned();
    let dropped = Fault::once("POST", "/api/users", Mishap::Drop).times(3);
    world.sandbox.set(|switches| switches.faults = vec![dropped]);
    world.mail("s0@flood.example", "A question");
    world.wait_until("the end", |world| world.run(&["run", "--once"]).status == 0);
    assert_eq!(world.requests("POST", "/api/users"), 4);
    world.mail("s1@flood.example", "A question");
    world.once();
    world.mail("s2@flood.example", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(created(&world), 2);
}

#[test]
fn a_message_that_gave_up_and_made_nothing_leaves_its_turn_to_another() {
    for (is_made, outcome) in [(false, "completed"), (true, "deferred")] {
        let mut world = world("1 per 1h");
        world.halo.push_str("\ntimeout = \"50s\"");
        let dropped = Fault::once("POST", "/api/users", Mishap::Drop);
        world.sandbox.set(|switches| switches.faults = vec![dropped]);
        world.mail("s0@flood.example", "A question");
        world.wait_until("the end", |world| world.run(&["run", "--once"]).status == 0);
        assert_eq!(world.only().0, "failed");
        if is_made {
            // Its request was carried out after all.
            let user = json!({ "name": "S", "emailaddress": "s0@flood.example", "site_id": 22 });
            world.sandbox.add_user(user);
        }
        world.mail("s1@flood.example", "A question");
        world.later(100);
        world.run(&["run", "--once"]);
        assert_eq!(world.outcomes()[1].1, outcome, "{:?}", world.outcomes());
        assert_eq!(created(&world), 1);
    }
}
