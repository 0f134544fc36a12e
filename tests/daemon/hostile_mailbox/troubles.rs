//! What a server does wrong, a line each: armed, met, over, and then everything is as promised.

use super::{LASTING, check, trouble};
use crate::hostile_imap::{At, Misbehaviour::*, Told};

#[test]
fn a_connection_that_ends_at_any_command_costs_nothing() {
    check(vec![
        trouble("hung up before the greeting", HangUp(At::Greeting), 1),
        trouble("BYE for a greeting", Bye(At::Greeting), 1),
        trouble("BYE in place of the sign-in", Bye(At::Login), 1),
        trouble("hung up at SELECT", HangUp(At::Select), 1),
        trouble("BYE after SELECT", Bye(At::List), 1),
        trouble("hung up after the listing", DoneAndGone(At::List), 1),
        trouble("BYE during FETCH", Bye(At::Fetch), 1),
        trouble("hung up in a literal", HangUpInLiteral, 1),
        trouble("hung up after the rows, before OK", DoneAndGone(At::Fetch), 1),
        trouble("BYE within IDLE", Bye(At::Idle), 1),
        trouble("BYE in place of a MOVE", Bye(At::Move), 1),
        trouble("hung up after a MOVE was done", DoneAndGone(At::Move), 1),
    ]);
}

#[test]
fn silence_at_any_command_is_noticed() {
    check(vec![
        trouble("no greeting", Silence(At::Greeting), 1),
        trouble("no answer to the sign-in", Silence(At::Login), 1),
        trouble("no answer to SELECT", Silence(At::Select), 1),
        trouble("no answer to a listing", Silence(At::List), 1),
        trouble("no answer to FETCH", Silence(At::Fetch), 1),
        trouble("stalled in a literal", StallInLiteral, 1),
        trouble("no `+` for IDLE", Silence(At::Idle), 1),
        trouble("an IDLE that died without a word", DoneAndSilent(At::Idle), 1),
        trouble("an IDLE that tells nothing", DeafIdle, 2),
        trouble("no answer to MOVE", Silence(At::Move), 1),
        trouble("no answer to a MOVE that was done", DoneAndSilent(At::Move), 1),
    ]);
}

#[test]
fn without_move_a_connection_that_ends_while_settling_costs_nothing() {
    check(vec![
        trouble("hung up at COPY", HangUp(At::Copy), 1).without_move(),
        trouble("hung up at STORE", HangUp(At::Store), 1)
            .without_move()
            .with_copies(2),
        trouble("hung up after STORE", DoneAndGone(At::Store), 1).without_move(),
        trouble("hung up at EXPUNGE", HangUp(At::Expunge), 1).without_move(),
        trouble("hung up after EXPUNGE", DoneAndGone(At::Expunge), 1).without_move(),
        trouble("hung up after a COPY was done", DoneAndGone(At::Copy), 1)
            .without_move()
            .with_copies(2),
        trouble(
            "over quota at COPY",
            Refuse(At::Copy, "NO [OVERQUOTA] the mailbox is full"),
            2,
        )
        .without_move(),
    ]);
}

#[test]
fn what_the_server_says_of_the_folder_may_be_wrong() {
    check(vec![
        trouble("EXISTS too large", Exists(40), LASTING),
        trouble("EXISTS too small", Exists(-2), 3),
        trouble("EXISTS is nothing", Exists(-1_000), 3),
        trouble("UIDNEXT too small", UidNext(-2), 2),
        trouble("UIDNEXT starts again", UidNext(-1_000), 2),
    ]);
}

#[test]
fn mail_that_comes_below_a_uidnext_that_was_too_large_is_found() {
    check(vec![
        trouble("UIDNEXT too large once", UidNext(2), 1),
        trouble("UIDNEXT always too large", UidNext(2), LASTING),
        trouble("UIDNEXT far too large", UidNext(1_000_000), 2),
    ]);
}

#[test]
fn a_folder_that_is_numbered_anew_loses_and_repeats_nothing() {
    check(vec![
        trouble("numbered anew at SELECT", Renumber(At::Select, Told::No), 3),
        trouble("numbered anew before a listing", Renumber(At::List, Told::Yes), 1),
        trouble("numbered anew before FETCH", Renumber(At::Fetch, Told::Yes), 2),
        trouble("numbered anew within IDLE", Renumber(At::Idle, Told::Yes), 2),
        trouble(
            "numbered anew before FETCH and not told",
            Renumber(At::Fetch, Told::No),
            1,
        ),
    ]);
}

#[test]
fn answers_in_any_order_and_answers_that_nobody_asked_for_change_nothing() {
    check(vec![
        trouble("rows from the last to the first", Reversed, LASTING),
        trouble("rows twice", Doubled, LASTING),
        trouble("rows of messages that nobody asked for", Strangers, LASTING),
        trouble("chatter at SELECT", Chatter(At::Select), LASTING),
        trouble("chatter at a listing", Chatter(At::List), LASTING),
        trouble("chatter at FETCH", Chatter(At::Fetch), LASTING),
        trouble("chatter at IDLE", Chatter(At::Idle), 3),
        trouble("chatter at MOVE", Chatter(At::Move), LASTING),
    ]);
}

#[test]
fn answers_that_are_no_imap_cost_the_connection_alone() {
    check(vec![
        trouble("garbage at SELECT", Garbage(At::Select), 1),
        trouble("garbage at FETCH", Garbage(At::Fetch), 1),
        trouble("garbage at MOVE", Garbage(At::Move), 1),
        trouble("a literal that is too short", WrongLiteral(-20), 1),
        trouble("a literal that is too long", WrongLiteral(20), 1),
        trouble("a line of 10 MB at SELECT", LongLine(At::Select, 10_000_000), 1),
        trouble("a line of 10 MB at FETCH", LongLine(At::Fetch, 10_000_000), 1),
        trouble("a literal of 4 GiB", HugeLiteral, 1),
    ]);
}

#[test]
fn an_answer_without_an_end_costs_the_connection_alone() {
    check(vec![trouble("literal upon literal", EndlessAnswer, 1)]);
}

#[test]
fn what_the_server_refuses_is_done_when_it_no_longer_does() {
    check(vec![
        trouble("MOVE is refused", Refuse(At::Move, "NO not now"), 1),
        trouble(
            "over quota at MOVE",
            Refuse(At::Move, "NO [OVERQUOTA] the mailbox is full"),
            1,
        ),
        trouble(
            "MOVE to a folder that is gone",
            Refuse(At::Move, "NO [TRYCREATE] no such folder"),
            1,
        ),
        trouble(
            "the sign-in has to wait",
            Refuse(At::Login, "NO [UNAVAILABLE] later"),
            1,
        ),
        trouble("SELECT has to wait", Refuse(At::Select, "NO [INUSE] later"), 1),
        trouble(
            "FETCH has to wait",
            Refuse(At::Fetch, "NO [UNAVAILABLE] the disk is away"),
            1,
        ),
        trouble("IDLE has to wait", Refuse(At::Idle, "NO [LIMIT] too many"), 1),
    ]);
}

#[test]
fn a_command_that_was_announced_and_is_not_known_is_done_without() {
    check(vec![
        trouble("MOVE", Refuse(At::Move, "BAD no such command"), LASTING),
        trouble("IDLE", Refuse(At::Idle, "BAD no such command"), LASTING),
    ]);
}

#[test]
fn what_was_not_moved_is_never_taken_for_moved() {
    check(vec![
        trouble(
            "some are gone, it is said",
            Refuse(At::Move, "NO [EXPUNGEISSUED] some are gone"),
            1,
        ),
        trouble("OK, and nothing is moved", FeignMove, 2),
    ]);
}

#[test]
fn one_message_that_the_server_does_not_move_holds_up_no_other() {
    check(vec![
        trouble("MOVE is refused", RefuseOne("Message 1;", "NO it is locked"), LASTING),
        trouble("COPY is refused", RefuseOne("Message 1;", "NO it is locked"), LASTING).without_move(),
        trouble(
            "it is said to be gone",
            RefuseOne("Message 1;", "NO [EXPUNGEISSUED] gone"),
            LASTING,
        ),
    ]);
}

#[test]
fn one_message_that_does_not_come_holds_up_no_other() {
    check(vec![
        trouble("it is refused", Withhold("Message 1;"), LASTING),
        trouble("it is left out", LeaveOut("Message 1;"), LASTING),
        trouble("the connection ends at it", BreakOffAt("Message 1;"), LASTING),
    ]);
}
