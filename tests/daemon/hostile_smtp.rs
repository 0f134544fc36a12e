//! An SMTP server that refuses, falls silent, babbles or is away: every sender is told once, and operators hear of it.

use halo_intake::sandbox::smtp_sink::{Says, Switches};

use crate::{running::Daemon, world::World};

const BOUNCE: &str = "[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\n";
const ANN: &str = "ann@stranger.example";

/// What becomes of the letter.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Letter {
    /// It waits, and leaves when the server is well again.
    Waits,
    /// The same; the server may have had it before: the gap of SMTP.
    PerhapsTaken,
    /// It is given up, and operators hear of it.
    Refused,
}

fn check(at: &'static str, says: Says, letter: Letter) {
    let what = format!("{at} {says:?}");
    let world = World::new(BOUNCE);
    world.more("[smtp]\ntimeout = \"1s\"\n");
    world.sink.switch(|switches| switches.says = vec![(at, says)]);
    world.mail(ANN, "A question");
    let first = world.run(&["run", "--once"]);
    let (outcome, reason) = world.only();
    let expected = if letter == Letter::Refused {
        "failed"
    } else {
        "deferred"
    };
    assert_eq!(outcome, expected, "{what}: {reason}, {first:?}");

    world.sink.switch(|switches| switches.says.clear());
    world.once();
    world.once();
    let to_ann: Vec<_> = world
        .sink
        .mails()
        .into_iter()
        .filter(|mail| mail.rcpt_to == [ANN])
        .collect();
    let (outcome, reason) = world.only();
    match letter {
        Letter::Refused => {
            assert_eq!((outcome.as_str(), to_ann.len()), ("failed", 0), "{what}");
            assert!(reason.starts_with("bounce_refused: "), "{what}: {reason}");
            let told = world.told();
            let are_operators = told.iter().all(|to| to == "ops@desk.example");
            assert!(are_operators && !told.is_empty(), "{what}: {told:?}");
        }
        Letter::Waits => assert_eq!((outcome.as_str(), to_ann.len()), ("bounced", 1), "{what}"),
        Letter::PerhapsTaken => {
            assert_eq!((outcome.as_str(), to_ann.len()), ("bounced", 2), "{what}");
            assert_eq!(to_ann[0], to_ann[1], "{what}: the repeat is the same mail");
        }
    }
}

#[test]
fn a_server_that_refuses_us_or_now_has_the_letter_wait() {
    for (at, reply) in [
        ("CONNECT", "554 5.7.1 not from your address"),
        ("CONNECT", "421 4.3.2 not now"),
        ("EHLO", "550 5.7.1 who are you"),
        ("EHLO", "421 4.7.0 too many"),
        ("MAIL", "451 4.3.0 not now"),
        ("MAIL", "550 5.7.60 not as this sender"),
        ("RCPT", "450 4.2.0 greylisted"),
        ("DATA", "451 4.3.0 no room"),
        ("DATA", "421 4.3.2 going down"),
        (".", "452 4.3.1 disk full"),
        (".", "451 4.7.1 come again"),
    ] {
        check(at, Says::Reply(reply), Letter::Waits);
    }
}

#[test]
fn a_letter_that_is_refused_for_good_is_given_up_and_operators_hear_of_it() {
    for (at, reply) in [
        ("RCPT", "550 5.1.1 no such mailbox"),
        ("DATA", "554 5.6.0 no"),
        (".", "554 5.7.1 spam"),
    ] {
        check(at, Says::Reply(reply), Letter::Refused);
    }
}

#[test]
fn half_a_line_and_one_without_end_are_no_answers() {
    for at in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"] {
        check(at, Says::Half, Letter::Waits);
    }
    for at in ["CONNECT", "EHLO", "RCPT"] {
        check(at, Says::Endless, Letter::Waits);
        check(at, Says::Long(10_000_000), Letter::Waits);
    }
}

#[test]
fn what_is_no_answer_to_the_letter_itself_is_the_gap_of_smtp() {
    for says in [Says::Half, Says::Endless, Says::Long(10_000_000)] {
        check(".", says, Letter::PerhapsTaken);
    }
}

#[test]
fn an_answer_to_the_letter_that_is_slow_is_waited_for() {
    let world = World::new(BOUNCE);
    world.more("[smtp]\ntimeout = \"300ms\"\n");
    world
        .sink
        .switch(|switches| switches.slow_answer = Some(std::time::Duration::from_secs(1)));
    world.mail(ANN, "A question");
    world.once();
    assert_eq!((world.only().0.as_str(), world.told().len()), ("bounced", 1));
}

/// An hour with this server, which then is well again: each of many senders is told once, and operators once of each.
fn check_an_hour(begin: impl Fn(&mut Switches), end: impl Fn(&mut Switches)) {
    const SENDERS: u32 = 20;
    let world = World::new(BOUNCE);
    world.more("[retry]\nfirst = \"5s\"\nlongest = \"10m\"\n[smtp]\ntimeout = \"1s\"\n");
    world.sink.switch(begin);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    for number in 0..SENDERS {
        world.mail(&format!("s{number}@stranger.example"), "A question");
    }
    world.wait_until("all wait", |world| world.count_where("state = 'bouncing'") == SENDERS);
    world.time_goes_on_until(30, "the hour", |world| world.ahead() >= 3600);
    assert_eq!(world.told(), Vec::<String>::new());
    let tried = world.sink.connections();
    assert!((2..=60).contains(&tried), "{tried} connections in an hour");

    world.sink.switch(end);
    world.time_goes_on_until(30, "the end", |world| {
        world.count_where("outcome = 'bounced'") == SENDERS
    });
    let reports = |world: &World| world.told().iter().filter(|to| *to == "ops@desk.example").count();
    world.time_goes_on_until(300, "the report", |world| reports(world) >= 1);
    daemon.stop();
    let mut told = world.told();
    told.retain(|to| to != "ops@desk.example");
    told.sort();
    told.dedup();
    assert_eq!(told.len(), SENDERS as usize);
    let all: usize = world.sink.mails().len() - reports(&world);
    assert_eq!(all, SENDERS as usize, "each is told once");
    assert!(reports(&world) <= 2, "{}", reports(&world));
}

#[test]
fn an_hour_without_a_server_tells_every_sender_once() {
    check_an_hour(|switches| switches.down = true, |switches| switches.down = false);
}

#[test]
fn an_hour_of_silence_tells_every_sender_once() {
    check_an_hour(|switches| switches.stalls = true, |switches| switches.stalls = false);
}

#[test]
fn an_hour_of_refused_sign_ins_tells_every_sender_once() {
    check_an_hour(
        |switches| switches.says = vec![("MAIL", Says::Reply("535 5.7.8 user name or password is wrong"))],
        |switches| switches.says.clear(),
    );
}
