//! Halo is away for an hour, under load: everything waits, nobody is told that should not be, and on its return all of
//! it is done once.

use std::{collections::BTreeMap, time::Duration};

use halo_intake::sandbox::{Fault, Mishap};

use crate::{gate::Gate, running::Daemon, world::World};

/// Every step would bounce, and each message makes a client by which it is seen.
const RULES: &str = r#"
[[rule]]
name = "users"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"
  on_error = "bounce"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  on_error = "bounce"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "{{ email.from.local }} {{ email.subject }}"
  on_error = "bounce"
"#;

/// Each writes a question, another one, and an answer in the conversation of the first.
const AUTHORS: u32 = 20;
const MINUTE: u64 = 60;

/// How Halo is away.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Away {
    /// Connections are refused.
    Refused,
    /// Connections are taken, requests too, and nothing is said.
    Silent,
    /// A gateway answers in its place.
    Gateway,
}

struct Outage {
    world: World,
    gate: Gate,
    away: Away,
}

impl Outage {
    fn new(away: Away) -> Outage {
        let mut world = World::new(RULES);
        let gate = Gate::before(world.sandbox.address(), world.runtime());
        world.halo = format!(
            "auth_url = \"http://{}/auth\"\nrate = \"100000 per 1m\"\ntimeout = \"{}\"",
            gate.address(),
            if away == Away::Silent { "300ms" } else { "30s" },
        );
        world.more(&format!("[halo.main]\nurl = \"http://{}\"\n", gate.address()));
        // Waits of five to ten minutes: hardly anybody else is due in the seconds in which the first one shows that Halo is back.
        world.more("[retry]\nfirst = \"10m\"\nlongest = \"10m\"\n");
        world.mailbox = "poll_interval = \"1s\"".to_owned();
        world.sandbox.set(|switches| switches.rate = None);
        Outage { world, gate, away }
    }

    fn begins(&self) {
        let of_all = |mishap| vec![Fault::once("", "", mishap).times(u32::MAX)];
        match self.away {
            Away::Refused => self.gate.close(),
            Away::Silent => self.set(of_all(Mishap::Delay { ms: 3_600_000 })),
            Away::Gateway => self.set(of_all(Mishap::Html { status: 503 })),
        }
    }

    fn ends(&self) {
        match self.away {
            Away::Refused => self.gate.open(),
            Away::Silent | Away::Gateway => self.set(Vec::new()),
        }
    }

    fn set(&self, faults: Vec<Fault>) {
        self.world.sandbox.set(|switches| switches.faults = faults);
    }

    fn deliver(&self) {
        for part in 0..3 {
            for author in 0..AUTHORS {
                self.deliver_one(author, part);
            }
        }
    }

    fn deliver_one(&self, author: u32, part: u32) {
        let address = format!("s{author}@stranger.example");
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
        let reply = if part == 2 {
            format!("In-Reply-To: <{author}.0@story.example>\n")
        } else {
            String::new()
        };
        self.world.deliver(&format!(
            "Return-Path: <{address}>\nDate: {date}\nFrom: {address}\nSubject: {part}\nMessage-ID: <{author}.{part}@story.example>\n{reply}\nThe text.\n"
        ));
    }

    /// Every message that is not held back by another one was tried so often.
    fn all_were_tried(&self, times: u64) -> bool {
        let tried = format!("state = 'deferred' AND attempts >= {times}");
        self.world.count_where(&tried) == 2 * AUTHORS
    }

    /// What was made of each author's messages, in this order.
    fn made(&self) -> BTreeMap<String, String> {
        let mut made: BTreeMap<String, String> = BTreeMap::new();
        let requests = self.world.sandbox.requests().into_iter();
        let posts = requests.filter(|request| request.method == "POST" && request.path == "/api/Client");
        for name in posts.map(|request| request.body[0]["name"].as_str().unwrap().to_owned()) {
            let (author, part) = name.split_once(' ').unwrap();
            made.entry(author.to_owned()).or_default().push_str(part);
        }
        made
    }
}

fn check(away: Away) {
    let outage = Outage::new(away);
    let world = &outage.world;
    let daemon = Daemon::start(world, &[]);
    world.mail("jane@acme.example", "before");
    daemon.says("completed");

    outage.begins();
    outage.deliver();
    world.wait_until("all are deferred", |_| outage.all_were_tried(1));
    for third in 1..=3 {
        world.later(third * 20 * MINUTE);
        world.wait_until("all are tried again", |_| outage.all_were_tried(1 + third));
    }
    world.wait_until("operators are told", |world| !world.told().is_empty());
    assert_eq!(world.told(), ["ops@desk.example"], "{away:?}");

    outage.ends();
    world.later(world.first_is_due());
    world.wait_until("the end", |world| {
        world.count_where("outcome = 'completed'") == 1 + 3 * AUTHORS
    });
    // A digest every quarter of an hour.
    world.later(90 * MINUTE);
    world.wait_until("operators hear of the end", |world| world.told().len() == 2);
    world.later(120 * MINUTE);
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(9), "{took:?}");
    assert_eq!(world.told(), ["ops@desk.example", "ops@desk.example"], "{away:?}");
    let made = outage.made();
    for author in 0..AUTHORS {
        let address = format!("s{author}@stranger.example");
        assert_eq!(world.users(&address).len(), 1, "{away:?} {address}");
        let parts = &made[&format!("s{author}")];
        // A conversation keeps its order; a question that waits lets another one of its author pass.
        let is_in_order = ["012", "102", "021"].contains(&parts.as_str());
        assert!(is_in_order, "{away:?} {address}: {parts}");
    }
    // Who has shown that Halo is back has gone first; all who waited for that are taken up as they came. One that had an
    // answer, and no good one, waits for itself.
    let out_of_order = made.values().filter(|parts| *parts == "102").count();
    let most = AUTHORS as usize / 4;
    assert!(
        away != Away::Refused || out_of_order <= most,
        "{out_of_order}: {made:?}"
    );
}

#[test]
fn an_hour_in_which_halo_refuses_connections() {
    check(Away::Refused);
}

#[test]
fn an_hour_in_which_halo_says_nothing() {
    check(Away::Silent);
}

#[test]
fn an_hour_in_which_a_gateway_answers_for_halo() {
    check(Away::Gateway);
}
