//! A Halo that is slow, wrong, cut off or out of order: each message gets over it, and nothing is done twice.

use std::{cell::Cell, collections::BTreeMap};

use halo_intake::sandbox::{Fault, Mishap, RateLimit, Sandbox};
use serde_json::{Value, json};

use crate::{running::Daemon, world::World};

/// Two writes for each message; the second one shows whom the first has made.
const RULES: &str = r#"
[[rule]]
name = "users"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Warehouse"
  on_error = "bounce"
  store_as = "created"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "{{ email.from.address }} is {{ custom.created.id }}"
  on_error = "bounce"
"#;

/// A running daemon whose time goes on quickly.
struct Story {
    world: World,
    daemon: Daemon,
    senders: Cell<u32>,
}

impl Story {
    fn new() -> Story {
        let mut world = World::new(RULES);
        world.halo = "timeout = \"1s\"\nrate = \"100000 per 1m\"".to_owned();
        world.sandbox.set(|switches| switches.rate = None);
        let daemon = Daemon::start(&world, &[]);
        daemon.says("is watched");
        Story {
            world,
            daemon,
            senders: Cell::new(0),
        }
    }

    fn sandbox(&self) -> &Sandbox {
        &self.world.sandbox
    }

    /// A question of somebody whom Halo does not know; gives the address.
    fn stranger(&self) -> String {
        self.senders.set(self.senders.get() + 1);
        let address = format!("s{}@stranger.example", self.senders.get());
        self.world.mail(&address, "A question");
        address
    }

    fn all_are_done(&self) {
        let all = self.senders.get();
        self.world
            .time_goes_on_until(5, "the end", |world| world.count_where("outcome = 'completed'") == all);
    }

    /// Made once, and the rule went on with this one and no other.
    fn is_made_once(&self, address: &str, what: &str) {
        let users = self.world.users(address);
        assert_eq!(users.len(), 1, "{what}: {users:?}");
        let clients = self.sandbox().clients();
        let names = clients.iter().map(|client| client["name"].as_str().unwrap());
        let names: Vec<&str> = names.filter(|name| name.starts_with(&format!("{address} "))).collect();
        assert_eq!(names, [format!("{address} is {}", users[0]["id"])], "{what}");
    }

    /// One message meets this fault.
    fn check(&self, fault: Fault) {
        let what = format!("{fault:?}");
        self.sandbox().set(|switches| switches.faults = vec![fault]);
        let address = self.stranger();
        self.all_are_done();
        self.sandbox()
            .set(|switches| assert_eq!(switches.faults, [], "nobody met it"));
        self.is_made_once(&address, &what);
    }

    /// Nobody heard that a server was wrong but the operators.
    fn nobody_was_told(self) {
        drop(self.daemon);
        assert!(
            self.world.told().iter().all(|to| to == "ops@desk.example"),
            "{:?}",
            self.world.told()
        );
    }
}

fn answer(status: u16, fields: &[(&str, &str)], body: &str) -> Mishap {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Mishap::Answer {
        status,
        fields: fields.collect::<BTreeMap<_, _>>(),
        body: body.to_owned(),
    }
}

fn status(status: u16, message: &str) -> Mishap {
    Mishap::Status {
        status,
        message: message.to_owned(),
    }
}

/// What a server can say, or not say, in the place of an answer.
fn mishaps() -> Vec<Mishap> {
    let elsewhere = [("location", "http://127.0.0.1:9/api/users")];
    vec![
        status(500, ""),
        status(503, "maintenance"),
        Mishap::Html { status: 200 },
        Mishap::Html { status: 403 },
        Mishap::Html { status: 504 },
        answer(200, &[], ""),
        answer(200, &[], r#"{"error": "no licence"}"#),
        answer(200, &[], r#"{"record_count": 1, "users": [{"id": 1001, "#),
        answer(200, &[("content-encoding", "gzip")], "no gzip"),
        answer(302, &elsewhere, ""),
        answer(308, &elsewhere, ""),
        Mishap::Drop,
        Mishap::Half,
        Mishap::HalfHeader,
        Mishap::Long { mib: 100 },
        Mishap::Endless,
    ]
}

#[test]
fn whatever_a_question_is_answered_with_it_is_asked_again() {
    let story = Story::new();
    for mishap in mishaps() {
        story.check(Fault::once("GET", "/api/users", mishap));
    }
    story.nobody_was_told();
}

#[test]
fn whatever_a_sign_in_is_answered_with_it_is_tried_again() {
    let story = Story::new();
    for mishap in mishaps() {
        story.sandbox().revoke_tokens();
        story.check(Fault::once("POST", "/auth/token", mishap));
    }
    story.nobody_was_told();
}

#[test]
fn whatever_a_creation_is_answered_with_there_is_one_user() {
    let story = Story::new();
    for mishap in mishaps() {
        let fault = Fault::once("POST", "/api/users", mishap);
        story.check(fault.clone());
        story.check(fault.after());
    }
    story.nobody_was_told();
}

#[test]
fn whatever_the_creation_of_a_client_is_answered_with_there_is_one_client() {
    let story = Story::new();
    for mishap in mishaps() {
        story.check(Fault::once("POST", "/api/client", mishap).after());
    }
    story.nobody_was_told();
}

#[test]
fn an_answer_of_several_that_is_lost_leaves_one_user_each() {
    for is_done in [true, false] {
        let story = Story::new();
        let lost = Fault::once("POST", "/api/users", Mishap::Drop).times(3);
        story.sandbox().set(|switches| {
            switches.latency_ms = 100;
            switches.faults = vec![if is_done { lost.after() } else { lost }];
        });
        let addresses: Vec<String> = (0..12).map(|_| story.stranger()).collect();
        story.all_are_done();
        for address in addresses {
            story.is_made_once(&address, "several");
        }
        let requests = story.sandbox().requests();
        let is_of_several = |body: &Value| body.as_array().is_some_and(|users| users.len() > 1);
        let several = requests.iter().filter(|request| is_of_several(&request.body));
        assert!(several.count() > 0, "each was created by a request of its own");
        story.nobody_was_told();
    }
}

#[test]
fn the_record_of_another_one_is_not_taken_for_the_one_that_was_meant() {
    let story = Story::new();
    let jane = story.world.users("jane@acme.example").remove(0);
    let list = json!({ "record_count": 1, "users": [jane] }).to_string();
    story.check(Fault::once("GET", "/api/users", answer(200, &[], &list)));
    let other = answer(201, &[], &jane.to_string());
    story.check(Fault::once("POST", "/api/users", other.clone()).after());
    story.check(Fault::once("POST", "/api/users", other));
    story.nobody_was_told();
}

#[test]
fn a_reactivation_without_an_answer_is_done_again() {
    let mut world = World::new(&RULES.replace(
        "store_as = \"created\"",
        "store_as = \"created\"\n  existing_inactive = \"reactivate\"",
    ));
    world.halo = "timeout = \"1s\"".to_owned();
    let other = world.users("jane@acme.example").remove(0);
    let mishaps = [Mishap::Drop, Mishap::HalfHeader, answer(200, &[], &other.to_string())];
    for (number, mishap) in mishaps.into_iter().enumerate() {
        let address = format!("old{number}@acme.example");
        world
            .sandbox
            .add_user(json!({ "name": "Old", "emailaddress": address, "site_id": 22, "inactive": true }));
        world
            .sandbox
            .set(|switches| switches.faults = vec![Fault::once("POST", "/api/users", mishap)]);
        world.mail(&address, "A question");
        world.wait_until("the end", |world| world.run(&["run", "--once"]).status == 0);
        let users = world.users(&address);
        assert_eq!((users.len(), &users[0]["inactive"]), (1, &json!(false)), "{users:?}");
    }
    assert!(world.outcomes().iter().all(|(_, outcome)| outcome == "completed"));
}

#[test]
fn answers_that_take_most_of_their_time_are_waited_for() {
    let story = Story::new();
    story.sandbox().set(|switches| switches.latency_ms = 600);
    let addresses: Vec<String> = (0..4).map(|_| story.stranger()).collect();
    story.all_are_done();
    for address in addresses {
        story.is_made_once(&address, "slow");
    }
    story.nobody_was_told();
}

/// What a story of an hour has: messages that wait, and come again by the clock alone.
fn an_hour(story: &Story, while_it_lasts: impl Fn(&Story)) {
    story.stranger();
    story.all_are_done();
    while_it_lasts(story);
    story.sandbox().clear_log();
    (0..10).for_each(|_| drop(story.stranger()));
    let until = story.world.ahead() + 3600;
    story
        .world
        .time_goes_on_until(30, "the hour", |world| world.ahead() >= until);
    assert_eq!(story.world.count_where("outcome IS NULL"), 10, "all wait");
}

fn of_the_end(story: Story) {
    let all = story.senders.get();
    story
        .world
        .time_goes_on_until(30, "the end", |world| world.count_where("outcome = 'completed'") == all);
    story
        .world
        .time_goes_on_until(300, "the report", |world| world.told().len() == 2);
    for number in 1..=all {
        story.is_made_once(&format!("s{number}@stranger.example"), "after an hour");
    }
    assert_eq!(
        story.world.told(),
        ["ops@desk.example"; 2],
        "of the beginning and of the end"
    );
    story.nobody_was_told();
}

#[test]
fn credentials_that_are_revoked_in_mid_run_are_tried_slowly_until_they_are_given_back() {
    let story = Story::new();
    an_hour(&story, |story| {
        story.sandbox().set(|switches| switches.reject_credentials = true);
        story.sandbox().revoke_tokens();
    });
    let sign_ins = story.world.requests("POST", "/auth/token");
    assert!((2..=61).contains(&sign_ins), "{sign_ins} sign-ins in an hour");
    story.sandbox().set(|switches| switches.reject_credentials = false);
    of_the_end(story);
}

#[test]
fn a_storm_of_429_is_sat_out() {
    let story = Story::new();
    an_hour(&story, |story| {
        let none = RateLimit { count: 0, per_ms: 1000 };
        story.sandbox().set(|switches| switches.rate = Some(none));
    });
    let asked = story.sandbox().requests().len();
    assert!((2..=200).contains(&asked), "{asked} requests in an hour of 429");
    story.sandbox().set(|switches| switches.rate = None);
    of_the_end(story);
}
