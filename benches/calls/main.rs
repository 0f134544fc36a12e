//! Requests to Halo for many messages, and how the pace keeps to a rate.
//!
//! `cargo bench --bench calls -- [MESSAGES OF EACH SENDER]`; 5 when left out, which makes 2,000 messages. A tenant of 40
//! clients, 60 sites and 1,000 users; 300 senders are users, 100 are not. It only measures: the bars stand beside.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../throughput/measure.rs"]
mod measure;
#[path = "../throughput/process.rs"]
mod process;

mod pace;
mod run;
mod seen;
mod tenant;

use pace::{COUNT, PERIOD, RATE};
use run::Ran;

/// So many requests are enough.
const BAR_REQUESTS: usize = 150;
/// So much of the window is to be used while work waits, in hundredths.
const BAR_SHARE: f64 = 95.0;

#[tokio::main]
async fn main() {
    // Cargo adds --bench.
    let of_each = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(5);
    let senders = tenant::KNOWN + tenant::UNKNOWN;
    println!(
        "{} messages of {} known and {} unknown senders\n",
        of_each * senders,
        tenant::KNOWN,
        tenant::UNKNOWN
    );

    let free = run::run("1000000 per 1m", of_each).await;
    println!("run --once, no rate in the way");
    print_requests(&free);
    print_outcomes(&free);

    let paced = run::run(RATE, of_each).await;
    let times = seen::times(&paced.requests);
    println!("\nrun --once, rate = {RATE:?}");
    print_requests(&paced);
    print_outcomes(&paced);
    println!(
        "  {:30} {:>8}   bar {COUNT}",
        "most in any 3 s",
        seen::most_within(&times, PERIOD)
    );
    println!(
        "  {:30} {:>7.1}%",
        "of the window, first to last",
        100.0 * seen::share(&times, COUNT, PERIOD)
    );

    let times = pace::while_work_waits().await;
    println!("\nthe pace alone, rate = {RATE:?}, answers of 20 to 50 ms, 64 waiters");
    println!(
        "  {:30} {:>8}   bar {COUNT}",
        "most in any 3 s",
        seen::most_within(&times, PERIOD)
    );
    let share = 100.0 * seen::share(&times, COUNT, PERIOD);
    println!(
        "  {:30} {share:>7.1}%   bar {BAR_SHARE}%",
        "of the window while work waits"
    );
    for late in pace::to_full_pace().await {
        println!("  {:30} {:>5} ms", "from a 429's hold to full pace", late.as_millis());
    }
}

fn print_requests(ran: &Ran) {
    println!("  {:30} {:>8}   bar {BAR_REQUESTS}", "requests", ran.requests.len());
    for (kind, name) in seen::KINDS {
        let count = ran
            .requests
            .iter()
            .filter(|request| seen::kind(request) == kind)
            .count();
        println!("    {name:28} {count:>8}");
    }
    let refused = ran.requests.iter().filter(|request| request.status >= 400).count();
    println!("  {:30} {refused:>8}", "of them refused");
    println!("  {:30} {:>8}", "calls of all messages, by log", ran.calls);
}

fn print_outcomes(ran: &Ran) {
    for (outcome, count) in &ran.outcomes {
        println!("  {:30} {count:>8}", format!("messages {outcome}"));
    }
    println!("  {:30} {:>8}   of {}", "users made", ran.users_made, tenant::UNKNOWN);
    println!(
        "  {:30} {:>8.2} s   {}, {:.2} s CPU, {:.1} MiB",
        "time",
        ran.measured.wall.as_secs_f64(),
        ran.measured.status,
        ran.measured.cpu_seconds,
        ran.measured.peak_mebibytes()
    );
}
