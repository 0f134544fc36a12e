//! Servers that misbehave for long, at `run --once`, or at random.

use std::time::Instant;

use super::{LASTING, PATIENCE, broken_promises, deliver, deliver_to_other, hurry, is_empty, start, world};
use crate::{
    hostile_imap::{
        At, EVERYTHING, HostileImap,
        Misbehaviour::{self, *},
        Told,
    },
    running::Signal,
    world::finish,
};

/// All at once: each waits most of the time.
fn each_by_itself(troubles: &[Misbehaviour], story: impl Fn(Misbehaviour) + Sync) {
    std::thread::scope(|scope| {
        for wrong in troubles {
            scope.spawn(|| story(*wrong));
        }
    });
}

/// How often somebody signed in.
fn sign_ins(server: &HostileImap) -> usize {
    server.heard().iter().filter(|line| line.contains(" LOGIN ")).count()
}

#[test]
fn what_the_server_always_refuses_is_no_reason_to_sign_in_again() {
    each_by_itself(
        &[Refuse(At::Idle, "BAD no such command"), Withhold("Message 1;")],
        |wrong| {
            let world = world(EVERYTHING);
            let server = world.hostile();
            server.arm(wrong, LASTING);
            deliver(&world, 4);
            let _daemon = start(&world);
            let looks = |server: &HostileImap| server.heard().iter().filter(|line| line.contains(" SELECT ")).count();
            server.wait_until(|server| looks(server) >= 5).unwrap();
            // One to read, one to settle.
            assert!(sign_ins(server) <= 2, "{wrong:?}: {:#?}", server.heard());
        },
    );
}

#[test]
fn a_password_that_is_refused_for_a_while_is_tried_again_at_a_reload() {
    let world = world(EVERYTHING);
    let server = world.hostile();
    server.arm(Refuse(At::Login, "NO [AUTHENTICATIONFAILED] not this one"), LASTING);
    deliver(&world, 4);
    deliver_to_other(&world);
    let daemon = start(&world);
    daemon.says("refuses the sign-in of ann");
    server.calm();
    daemon.signal(Signal::HUP);
    server.wait_until(is_empty).unwrap();
    world.wait_until("the promise", |world| broken_promises(world, 1).is_empty());
}

#[test]
fn a_message_that_never_comes_ends_as_failed_while_others_come() {
    let world = world(EVERYTHING);
    let server = world.hostile();
    server.arm(Withhold("Message 1;"), LASTING);
    deliver(&world, 4);
    let daemon = start(&world);
    let is_left = |server: &HostileImap| server.folder("INBOX").len() == 1;
    server.wait_until(is_left).unwrap();
    // Longer than give_up_after.
    world.later(5 * 3600);
    deliver(&world, 1);
    server.wait_until(is_empty).unwrap();
    assert_eq!(daemon.stop().0, 0);
    let failed: Vec<_> = world
        .log()
        .into_iter()
        .filter(|row| row["outcome"] == "failed")
        .collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    let reason = failed[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("withheld: ") && reason.contains("a message is broken"),
        "{reason}"
    );
    let lies: Vec<usize> = server.folder("Failed").iter().map(|message| message.number).collect();
    assert_eq!((lies, world.log().len()), (vec![1], 5));
}

#[test]
fn run_once_says_that_the_server_failed_it_and_the_next_one_takes_everything() {
    let troubles = [
        Bye(At::Select),
        HangUpInLiteral,
        Garbage(At::Fetch),
        Silence(At::Fetch),
        HangUp(At::Move),
        DoneAndGone(At::Move),
    ];
    each_by_itself(&troubles, |wrong| {
        let world = world(EVERYTHING);
        deliver(&world, 4);
        deliver_to_other(&world);
        world.hostile().arm(wrong, 1);
        let once = || {
            let mut command = world.command(&["run", "--once"]);
            finish(command.env("HALO_INTAKE_TEST_PATIENCE", PATIENCE).output().unwrap())
        };
        let first = once();
        // What fails while it settles is done again as long as the run lasts.
        let is_done =
            matches!(wrong, HangUp(At::Move) | DoneAndGone(At::Move)) && broken_promises(&world, 1).is_empty();
        assert!(
            first.status == 69 || (first.status == 0 && is_done),
            "{wrong:?}: {first:?}"
        );
        let second = once();
        assert_eq!(second.status, 0, "{wrong:?}: {second:?}");
        let broken = broken_promises(&world, 1);
        assert!(broken.is_empty(), "{wrong:?}: {broken:#?}");
    });
}

/// What may come in any order, and leaves no more than one copy.
const MENU: [Misbehaviour; 28] = [
    HangUp(At::Greeting),
    Bye(At::Login),
    HangUp(At::Select),
    Bye(At::List),
    Bye(At::Fetch),
    HangUpInLiteral,
    DoneAndGone(At::Fetch),
    Silence(At::Fetch),
    Bye(At::Idle),
    DeafIdle,
    HangUp(At::Move),
    DoneAndGone(At::Move),
    Exists(7),
    Exists(-3),
    UidNext(2),
    UidNext(-3),
    Renumber(At::Select, Told::No),
    Renumber(At::Fetch, Told::Yes),
    Reversed,
    Doubled,
    Strangers,
    Chatter(At::Select),
    Chatter(At::Fetch),
    Chatter(At::Move),
    Garbage(At::Fetch),
    WrongLiteral(-7),
    Refuse(At::Move, "NO [EXPUNGEISSUED] some are gone"),
    FeignMove,
];

/// A number that the environment may give; `docs/durability.md` has the command of the long form.
fn number(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => usual,
    }
}

#[test]
fn whatever_the_server_does_at_random_the_promise_holds() {
    const WAVE: usize = 18;
    let seed = number("HALO_INTAKE_SEED", fastrand::u64(..));
    let (world, began) = (world(EVERYTHING), Instant::now());
    let server = world.hostile();
    server.arm_by_chance(seed, &MENU, 4);
    let daemon = start(&world);
    deliver_to_other(&world);
    let told = |what: &str| {
        let (heard, struck) = (server.heard(), server.struck());
        format!("seed {seed}: {what} after {heard:#?}, done wrong: {struck:?}")
    };
    for wave in 0..number("HALO_INTAKE_WAVES", 2) {
        deliver(&world, WAVE);
        let emptied = hurry(&world, began, is_empty);
        assert!(emptied.is_ok(), "{}", told(&format!("wave {wave} is not settled")));
    }
    server.calm();
    deliver(&world, 1);
    let emptied = hurry(&world, began, is_empty);
    let (status, _) = daemon.stop();
    let broken = broken_promises(&world, 1);
    let is_well = emptied.is_ok() && status == 0 && broken.is_empty();
    assert!(is_well, "{}", told(&format!("status {status}, {broken:#?}")));
}
