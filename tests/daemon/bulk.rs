//! Many messages at once cost few requests to Halo, and each comes to its own end.

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::{Value, json};

use crate::world::World;

/// Whoever is nobody's user becomes one.
const RULES: &str = r#"
[[rule]]
name = "users"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
"#;

/// So many senders are known, of a thousand that Halo has, and so many are not.
const KNOWN: usize = 60;
const STRANGERS: usize = 60;

fn world() -> World {
    let world = World::new(RULES);
    for number in 0..1000 {
        let address = format!("K{number}@known.example");
        let user = json!({ "id": 5000 + number, "name": "Known", "emailaddress": address, "site_id": 21 });
        world.sandbox.add_user(user);
    }
    world
}

fn stranger(number: usize) -> String {
    format!("s{number}@stranger.example")
}

fn each_stranger_is_one_user(world: &World, strangers: usize) {
    for number in 0..strangers {
        let address = stranger(number);
        assert_eq!(world.users(&address).len(), 1, "{address}");
    }
    assert!(world.outcomes().iter().all(|(_, outcome)| outcome == "completed"));
}

/// The calls of a message's trace that wrote something.
fn writes(world: &World, id: &Value) -> Vec<Value> {
    let shown = world.json(&["show", &id.to_string()]).remove(0);
    let steps = shown["attempts_made"][0]["trace"]["rules"][0]["steps"]
        .as_array()
        .unwrap();
    let effects = steps.iter().filter_map(|step| step["effects"].as_array()).flatten();
    let calls = effects.flat_map(|effect| effect["calls"].as_array().unwrap());
    calls
        .filter(|call| call["path"].as_str().unwrap().starts_with("/Users") && !call["body"].is_null())
        .cloned()
        .collect()
}

#[test]
fn hundreds_of_messages_of_many_senders_cost_few_requests() {
    let world = world();
    for round in 0..2 {
        for number in 0..KNOWN {
            world.mail(&format!("k{}@known.example", number * 16), &format!("Again {round}"));
        }
        for number in 0..STRANGERS {
            world.mail(&format!("Stranger <{}>", stranger(number)), &format!("Hello {round}"));
        }
    }
    world.once();
    each_stranger_is_one_user(&world, STRANGERS);
    let (lookups, posts) = (
        world.requests("GET", "/api/users"),
        world.requests("POST", "/api/users"),
    );
    // Not 120 and 60: the pages of a roll or two and what went out before the others came, and a few arrays.
    assert!(lookups <= 40, "{lookups} lookups");
    assert!(posts <= 15, "{posts} creations");
    let all = world.sandbox.requests().len();
    assert!(all <= 65, "{all} requests");

    // Each message's trace shows its own element, and with how many others it was sent.
    let mut shared = 0;
    for row in world.log().iter().filter(|row| row["subject"] == "Hello 0") {
        for call in writes(&world, &row["id"]) {
            assert_eq!(call["body"].as_array().map(Vec::len), Some(1));
            assert_eq!(call["body"][0]["emailaddress"], row["from"]);
            shared += usize::from(call["shared"].as_u64().is_some_and(|shared| shared > 1));
        }
    }
    assert!(shared >= STRANGERS - posts, "{shared} creations were shared");
    let text = world.log().iter().rev().find_map(|row| {
        let shown = world.run(&["show", &row["id"].to_string()]).stdout;
        shown.contains(", shared by ").then_some(shown)
    });
    assert!(text.is_some_and(|text| text.contains("POST /Users?returnall=true → 201")));
}

#[test]
fn answers_to_many_creations_that_are_lost_make_nobody_a_user_twice() {
    for (mishap, after) in [(Mishap::Drop, true), (Mishap::Half, false), (Mishap::Drop, false)] {
        let mut world = World::new(RULES);
        // Each run looks for everybody again until the time of the requests has passed.
        world.halo = "timeout = \"1s\"\nrate = \"100000 per 1m\"".to_owned();
        let fault = Fault::once("POST", "/api/users", mishap).times(3);
        let fault = if after { fault.after() } else { fault };
        world
            .sandbox
            .set(|switches| (switches.faults, switches.rate) = (vec![fault], None));
        for number in 0..20 {
            world.mail(&stranger(number), "Hello");
        }
        world.wait_until("the end", |world| match world.run(&["run", "--once"]).status {
            0 => true,
            75 => false,
            other => panic!("run --once exits {other}"),
        });
        each_stranger_is_one_user(&world, 20);
    }
}
