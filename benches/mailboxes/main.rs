//! Thousands of mailboxes in one process: memory and processor time of each, a server's restart, and whether those that
//! fail disturb the others.
//!
//! `cargo bench --bench mailboxes -- [N] [SECONDS OF IDLENESS]`; 2,000 mailboxes and 60 s when left out. All are on one
//! Dovecot, over TLS, in IDLE. It only measures: the bars stand beside.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../throughput/process.rs"]
mod process;
#[path = "../../tests/servers/mod.rs"]
mod servers;

mod desk;

use std::time::{Duration, Instant};

use desk::{Daemon, Desk};
use rustix::process::Signal;
use servers::proxy::{Line, Proxy};

/// KiB of a mailbox.
const BAR_KIB: f64 = 100.0;
/// Of one core, in hundredths.
const BAR_IDLE: f64 = 2.0;
/// Until all are signed in again, in seconds.
const BAR_RESTART: f64 = 60.0;
/// What comes up with a start has gone to rest by then.
const REST: Duration = Duration::from_secs(5);
/// So many deliveries make a median.
const DELIVERIES: usize = 21;

fn main() {
    // Cargo adds --bench.
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<usize>().ok());
    let count = numbers.next().unwrap_or(2_000).max(2);
    let seconds = numbers.next().unwrap_or(60);
    // Two more for those that fail.
    let mut desk = Desk::new(count + 2);

    let one = {
        let daemon = desk.daemon("one", 1, "");
        daemon.says("1 of 1 mailboxes are well", Duration::from_secs(20));
        std::thread::sleep(REST);
        resident(&daemon)
    };
    let daemon = desk.daemon("all", count, "");
    let all_well = format!("{count} of {count} mailboxes are well");
    let signed_in = daemon.says(&all_well, Duration::from_secs(120)) - daemon.began;
    std::thread::sleep(REST);
    let all = resident(&daemon);
    println!(
        "{count} mailboxes, all signed in and read {:.1} s after the start",
        signed_in.as_secs_f64()
    );
    print("memory of one mailbox alone", one / 1024.0, "MiB", None);
    print("memory of all", all / 1024.0, "MiB", None);
    let others = u32::try_from(count - 1).unwrap();
    print(
        "each of the others",
        (all - one) / f64::from(others),
        "KiB",
        Some(BAR_KIB),
    );

    print(
        "processor, nothing comes",
        idle(&daemon, seconds),
        "% of a core",
        Some(BAR_IDLE),
    );
    print(
        "a delivery becomes a user, median",
        deliveries(&mut desk, count),
        "ms",
        None,
    );
    failing(&mut desk, &daemon, count);
    print("memory after two reloads", resident(&daemon) / 1024.0, "MiB", None);
    restart(&desk, &daemon, count);
    std::thread::sleep(REST);
    print("memory after the restart", resident(&daemon) / 1024.0, "MiB", None);
}

fn print(what: &str, value: f64, unit: &str, bar: Option<f64>) {
    let bar = bar.map(|bar| format!("   bar {bar}")).unwrap_or_default();
    println!("  {what:52} {value:>9.2} {unit}{bar}");
}

/// In KiB.
fn resident(daemon: &Daemon) -> f64 {
    let kib = process::status(daemon.child(), "VmRSS:").expect("it runs");
    f64::from(u32::try_from(kib).unwrap())
}

/// Hundredths of a core over so many seconds.
fn idle(daemon: &Daemon, seconds: usize) -> f64 {
    let (began, before) = (Instant::now(), process::cpu_seconds(daemon.child()));
    std::thread::sleep(Duration::from_secs(u64::try_from(seconds).unwrap()));
    100.0 * (process::cpu_seconds(daemon.child()) - before) / began.elapsed().as_secs_f64()
}

/// Into mailboxes here and there, one after another.
fn deliveries(desk: &mut Desk, count: usize) -> f64 {
    let mut took: Vec<f64> = (0..DELIVERIES)
        .map(|turn| {
            std::thread::sleep(Duration::from_millis(300));
            1e3 * desk.mail(turn * 97 % count).took.as_secs_f64()
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[DELIVERIES / 2]
}

/// Two more mailboxes, by a reload: one whose password is wrong, one whose connection says nothing.
fn failing(desk: &mut Desk, daemon: &Daemon, count: usize) {
    let silent = Proxy::to(desk.dovecot.imaps_port);
    silent.set(Line::Dead);
    let (wrong, stalled) = (desk::account(count), desk::account(count + 1));
    let more = desk.mailbox("wrong", &wrong, "not this", desk.dovecot.imaps_port)
        + &desk.mailbox("stalled", &stalled, servers::dovecot::PASSWORD, silent.port);
    desk.configure(daemon, count, &more);
    daemon.signal(Signal::HUP);
    daemon.says(
        &format!("{count} of {} mailboxes are well; mailbox stalled", count + 2),
        Duration::from_secs(60),
    );
    print("the same beside two that fail", deliveries(desk, count), "ms", None);
    desk.configure(daemon, count, "");
    daemon.signal(Signal::HUP);
    daemon.says(
        &format!("{count} of {count} mailboxes are well"),
        Duration::from_secs(60),
    );
}

/// The server goes away for a while, with all connections.
fn restart(desk: &Desk, daemon: &Daemon, count: usize) {
    desk.dovecot.stop();
    let none = Instant::now();
    daemon.says("0 of", Duration::from_secs(120));
    print(
        "all are noticed to be gone after",
        none.elapsed().as_secs_f64(),
        "s",
        None,
    );
    desk.dovecot.start_again();
    let began = Instant::now();
    let all = daemon.says(
        &format!("{count} of {count} mailboxes are well"),
        Duration::from_secs(180),
    );
    let took = (all - began).as_secs_f64();
    print("all are signed in again after the start", took, "s", Some(BAR_RESTART));
    print(
        "most sign-ins that the server had in a second",
        desk.dovecot.most_sign_ins_a_second(),
        "",
        None,
    );
}
