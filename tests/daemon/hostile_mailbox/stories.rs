//! Servers that misbehave for long, at `run --once`, or at random.

use super::{LASTING, PATIENCE, broken_promises, deliver, deliver_to_other, start, world};
use crate::{
    hostile_imap::{
        At, EVERYTHING,
        Misbehaviour::{self, *},
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
    server.wait_until(|server| server.folder("INBOX").is_empty()).unwrap();
    world.wait_until("the promise", |world| broken_promises(world, 1).is_empty());
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
        assert_eq!(first.status, 69, "{wrong:?}: {first:?}");
        let second = once();
        assert_eq!(second.status, 0, "{wrong:?}: {second:?}");
        let broken = broken_promises(&world, 1);
        assert!(broken.is_empty(), "{wrong:?}: {broken:#?}");
    });
}
