//! From a delivery to its Halo user: LMTP into a real Dovecot, IDLE, the real daemon, the emulated Halo, all on loopback.
//!
//! `cargo bench --bench watching -- [DELIVERIES]`; 40 when left out. Each is of somebody new at a new domain. Before that
//! another client waits in IDLE on a mailbox of its own, which shows when the server tells; and what Halo was asked is
//! asked again afterwards, which shows how long its answers take. It only measures: the bar stands beside.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../mailboxes/desk.rs"]
mod desk;
#[path = "../../tests/servers/mod.rs"]
mod servers;

mod again;

use std::time::Duration;

use desk::{Desk, Way};
use servers::{dovecot::PASSWORD, raw::Raw};

/// Beyond what Halo's answers take, in milliseconds.
const BAR: f64 = 20.0;
/// By then the last message is settled, and the server has put the sessions to sleep.
const REST: Duration = Duration::from_millis(2_000);

/// The parts of one message's way, in milliseconds.
struct Parts {
    /// From the server's yes to the user.
    all: f64,
    /// Of that, what Halo's answers took.
    halo: f64,
    /// Until the first request, and from there until the last one leaves, its predecessors' answers not counted.
    before: f64,
    between: f64,
}

fn main() {
    // Cargo adds --bench.
    let count = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(40);
    let mut desk = Desk::new(2);
    let told: Vec<f64> = told(&mut desk, count / 2);
    let daemon = desk.daemon("state", 1, "");
    daemon.says("1 of 1 mailboxes are well", Duration::from_secs(20));
    // The first one fetches a token and what all messages share.
    std::thread::sleep(REST);
    desk.mail(0);
    let ways: Vec<Way> = (0..count)
        .map(|_| {
            std::thread::sleep(REST);
            desk.mail(0)
        })
        .collect();
    let answers = again::answers(&desk, ways.iter().map(|way| way.requests.as_slice()));
    let parts: Vec<Parts> = ways
        .iter()
        .zip(answers)
        .map(|(way, answers)| parts(way, &answers))
        .collect();
    println!(
        "{count} deliveries, {} requests to Halo",
        ways.iter().map(|way| way.requests.len()).sum::<usize>()
    );
    println!("  {:48} {:>9} {:>9}", "ms", "median", "95th");
    print("from the delivery to the user", parts.iter().map(|parts| parts.all));
    print("Halo's answers, asked again", parts.iter().map(|parts| parts.halo));
    print(
        &format!("the difference (bar {BAR})"),
        parts.iter().map(|parts| parts.all - parts.halo),
    );
    print(
        "  until the first request comes to Halo",
        parts.iter().map(|parts| parts.before),
    );
    print(
        "  between the requests, without the answers",
        parts.iter().map(|parts| parts.between),
    );
    print("until the server tells a client that only waits", told.into_iter());
}

/// From the server's yes to a delivery until it tells a client of it that does nothing but wait.
fn told(desk: &mut Desk, count: usize) -> Vec<f64> {
    let mut client = Raw::greeted(desk.dovecot.imap_port).expect("it answers");
    client.log_in(&desk::account(1), PASSWORD);
    client.begins_to_idle("INBOX");
    let one = |_| {
        std::thread::sleep(REST);
        let delivered_at = desk.deliver(1).delivered_at;
        1e3 * client
            .hears_of_more()
            .saturating_duration_since(delivered_at)
            .as_secs_f64()
    };
    (0..count).map(one).collect()
}

/// `answers`: how long each of its requests took.
fn parts(way: &Way, answers: &[f64]) -> Parts {
    let since = |at: jiff::Timestamp| 1e3 * at.duration_since(way.delivered).as_secs_f64();
    let (first, last) = (since(way.requests[0].at), since(way.requests.last().unwrap().at));
    Parts {
        all: 1e3 * way.took.as_secs_f64(),
        halo: answers.iter().sum(),
        before: first,
        between: last - first - answers[..answers.len() - 1].iter().sum::<f64>(),
    }
}

fn print(what: &str, values: impl Iterator<Item = f64>) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |hundredths: usize| values[(values.len() * hundredths / 100).min(values.len() - 1)];
    println!("  {what:48} {:>9.2} {:>9.2}", at(50), at(95));
}
