//! A Halo that takes its time for every answer, and many senders whom it does not know.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    commands,
    desk::{Desk, Mailbox},
    program::Program,
};

/// For every answer.
const LATENCY: Duration = Duration::from_millis(50);

/// What came of it.
pub struct Flood {
    pub messages: usize,
    /// From the start of the process.
    pub last_user_after: f64,
    exit_after: f64,
    users: usize,
    requests: usize,
}

pub fn measure(desk: &Desk, mailbox: &Mailbox) -> Flood {
    let place = desk.place(mailbox, desk.port());
    place.sandbox.set(|switches| {
        switches.latency_ms = LATENCY.as_millis().try_into().expect("a short time");
    });
    let began = Timestamp::now();
    let measured = Program::HaloIntake.run(&place, mailbox);
    let requests = place.sandbox.requests();
    let last = requests
        .iter()
        .filter(|request| request.method == "POST" && request.path.eq_ignore_ascii_case("/api/users"))
        .map(|request| request.at)
        .max();
    // The sandbox notes when a request comes, and makes the users when it answers.
    let made = last.expect("users were made") + LATENCY;
    let flood = Flood {
        messages: mailbox.messages,
        last_user_after: made.duration_since(began).as_secs_f64(),
        exit_after: measured.wall.as_secs_f64(),
        users: mailbox.strangers.len(),
        requests: requests.len(),
    };
    desk.leave(place);
    flood
}

impl Flood {
    pub fn messages_a_second(&self) -> f64 {
        self.messages as f64 / self.last_user_after
    }

    pub fn print(&self) {
        println!(
            "  halo, {} messages: the last of {} users after {:.2} s, exit after {:.2} s, {} requests",
            self.messages, self.users, self.last_user_after, self.exit_after, self.requests
        );
        println!("    beyond the defaults in [halo.main]: {}", commands::BEYOND_DEFAULTS);
    }
}
