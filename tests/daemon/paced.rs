//! The rate of a connection holds whatever happens to the process.

use crate::{
    running::{Daemon, Signal},
    world::World,
};

/// Two requests for each message, which nothing spares.
const ASKING: &str = r#"
[[rule]]
name = "asks"
[[rule.action]]
type = "query_halo_users"
search = "{{ email.from.address }}"
[[rule.action]]
type = "query_halo_clients"
search = "{{ email.from.domain }}"
"#;

const SENDERS: usize = 60;
/// Fewer than make a message look like their cause.
const KILLS: usize = 4;

/// The most requests that came within any 3 s, sign-ins included.
fn most_in_three_seconds(world: &World) -> usize {
    let requests = world.sandbox.requests();
    let mut times: Vec<i128> = requests.iter().map(|request| request.at.as_nanosecond()).collect();
    times.sort_unstable();
    let within = |first: usize| {
        let end = times[first] + 3_000_000_000;
        times[first..].partition_point(|time| *time < end)
    };
    (0..times.len()).map(within).max().unwrap_or(0)
}

#[test]
fn no_kill_lets_more_requests_out_than_the_rate_allows() {
    let mut world = World::new(ASKING);
    world.halo = "rate = \"30 per 3s\"\ntimeout = \"1s\"".to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 20);
    for number in 0..SENDERS {
        world.mail(&format!("s{number}@stranger.example"), "A question");
    }
    for _ in 0..KILLS {
        let until = world.sandbox.requests().len() + fastrand::usize(5..25);
        let daemon = Daemon::start(&world, &[]);
        world.wait_until("some requests", |world| world.sandbox.requests().len() >= until);
        daemon.signal(Signal::KILL);
        daemon.ends();
    }
    world.wait_until("the end", |world| world.run(&["run", "--once"]).status == 0);
    let most = most_in_three_seconds(&world);
    assert!(most <= 30, "{most} requests in 3 s");
    assert!(world.outcomes().iter().all(|(_, outcome)| outcome == "completed"));
}
