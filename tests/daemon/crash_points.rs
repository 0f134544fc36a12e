//! The table of crash points, walked: at each of them the process ends, starts again, and everything is as promised.

use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    process::{Child, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use halo_intake::crash::Step;

use crate::{
    mail,
    promise::{Delivered, Promise},
    running::{Signal, USERS},
    world::World,
};

mod stories;

use stories::{Server, story};

const ONCE: &[&str] = &["run", "--once"];
const DAEMON: &[&str] = &["run"];
const PROBE: &[&str] = &["halo", "probe", "--yes"];

/// The plain story takes so many commits at least, and at most so many: what waits together shares one.
const COMMITS: (u32, u32) = (12, 24);
/// So many points are walked at a time: most of a walk is waiting.
const WALKERS: usize = 4;
/// A program that has not died by then never will.
const DIES_WITHIN: Duration = Duration::from_secs(30);
/// What is to come true comes true by then.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How a step is come to, and what shall be in the end.
struct Story {
    world: World,
    delivered: Vec<Delivered>,
    users: Vec<String>,
    /// What is run to its death.
    command: &'static [&'static str],
    /// It may end by itself before that passing.
    may_miss: bool,
    /// Sent again and again from its first request to Halo on, until it dies.
    signal: Option<Signal>,
    /// What is mended before the next start.
    mend: Box<dyn Fn(&World)>,
    /// What is looked at beside the promise.
    check: Box<dyn Fn(&World)>,
    /// So much time passes between one try and the next, in seconds.
    passes: u64,
    /// Letters that came again before any crash.
    repeats: usize,
}

impl Story {
    /// Dies at the point, starts again, and keeps the promise.
    fn walk(self, point: &str) {
        let mut command = self.world.command(self.command);
        command
            .env("HALO_INTAKE_TEST_CRASH", point)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let status = self.death(&mut child);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        if self.may_miss && status.is_some_and(|status| status.success()) {
            return;
        }
        let died_of = status.and_then(|status| status.signal());
        assert_eq!(died_of, Some(Signal::ABORT.as_raw()), "{point} was not reached: {said}");
        assert!(
            said.contains("crash point "),
            "{point}: it died of something else: {said}"
        );

        (self.mend)(&self.world);
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            let ran = self.world.run(ONCE);
            if ran.status == 0 {
                break;
            }
            assert!(ran.status == 75 && Instant::now() < deadline, "{ran:?}");
            if self.passes > 0 {
                self.world.later(self.world.ahead() + self.passes);
            }
        }
        let promise = Promise::new(self.delivered).with_users(self.users);
        promise.with_kills(1 + self.repeats).holds(&self.world);
        (self.check)(&self.world);
    }

    /// How it ended; none where it does not end.
    fn death(&self, child: &mut Child) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + DIES_WITHIN;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > deadline {
                // It is our own child.
                child.kill().unwrap();
                child.wait().unwrap();
                return None;
            }
            if let Some(signal) = self.signal.filter(|_| !self.world.sandbox.requests().is_empty()) {
                rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Which side of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Every step, before and after. What the journal keeps comes about commit by commit, so each of these is one.
fn points() -> Vec<(Step, Side, u32)> {
    let passings = |step: Step| match step {
        Step::Committed => 1..=COMMITS.1,
        Step::StateFile | Step::Probe => 2..=2,
        Step::MaildirFolder => 1..=5,
        Step::Paced => 1..=3,
        Step::Folded => 1..=5,
        _ => 1..=1,
    };
    let sides = |step: Step| [(step, Side::Before), (step, Side::After)];
    let each = |(step, side)| passings(step).map(move |passing| (step, side, passing));
    Step::ALL.iter().copied().flat_map(sides).flat_map(each).collect()
}

#[test]
fn wherever_the_process_ends_the_next_one_goes_on_as_if_nothing_had_been() {
    let began = Instant::now();
    let without_move = Server::start();
    let points = points();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WALKERS {
            scope.spawn(|| {
                while let Some((step, side, passing)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let point = format!("{}.{}:{passing}", step.name(), format!("{side:?}").to_lowercase());
                    let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        let mut story = story(*step, *side, &without_move);
                        story.may_miss = *step == Step::Committed && *passing > COMMITS.0;
                        story.walk(&point);
                    }));
                    if walked.is_err() {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(point);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!(
        "{} crash points in {:.1} s",
        points.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(failed.is_empty(), "these are not survived, as told above: {failed:#?}");
}

/// The MTA hears no status that it knows, and brings the message again.
#[test]
fn a_message_that_process_dies_over_is_brought_again_and_done_once() {
    // Up to its outcome it is the same message; once that is on disk, what is brought is a copy.
    for (point, outcomes) in [
        ("journal.received.before", ["completed"].as_slice()),
        ("journal.received.after", &["completed"]),
        ("journal.intended.after", &["completed"]),
        ("halo.create_user.after", &["completed"]),
        ("journal.answered.after", &["completed"]),
        ("journal.ended.before", &["completed"]),
        ("journal.ended.after", &["completed", "duplicate"]),
    ] {
        let mut world = World::new(USERS);
        world.halo = "timeout = \"1s\"".to_owned();
        let mail = mail::text("ann@stranger.example", "Piped", "");
        std::fs::write(world.folder.join("piped.eml"), mail::octets(&mail)).unwrap();
        let process = ["process", "piped.eml"];
        let died = world.command(&process).env("HALO_INTAKE_TEST_CRASH", point).output();
        let died = died.unwrap();
        assert_eq!(died.status.signal(), Some(Signal::ABORT.as_raw()), "{point}: {died:?}");

        world.wait_until(point, |world| match world.run(&process).status {
            0 => true,
            75 => false,
            other => panic!("{point}: process exits {other}"),
        });
        let found: Vec<String> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(found, outcomes, "{point}");
        assert_eq!(world.users("ann@stranger.example").len(), 1, "{point}");
    }
}
