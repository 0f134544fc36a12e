//! What the server does wrong, and at which command.

/// A command as far as misbehaviour goes; for all of them, before anything else is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Greeting,
    Login,
    Select,
    /// A listing: UID FETCH without octets.
    List,
    /// UID FETCH with octets.
    Fetch,
    Idle,
    Move,
    Copy,
    Store,
    Expunge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Closes the connection without a word, and does nothing.
    HangUp(At),
    /// Says BYE instead, and does nothing.
    Bye(At),
    /// Does it, and closes the connection before it says so.
    DoneAndGone(At),
    /// Says nothing any more, whatever it is asked; it does nothing either.
    Silence(At),
    /// Does it, and then says nothing any more.
    DoneAndSilent(At),
    /// Refuses with these words, such as `NO [OVERQUOTA] full`.
    Refuse(At, &'static str),
    /// Octets that are no IMAP instead of the answer.
    Garbage(At),
    /// An untagged answer of so many octets without a line's end.
    LongLine(At, usize),
    /// Numbers the folder anew before it does what is asked for, and says so or not.
    Renumber(At, Told),
    /// Tells of things that nobody asked for, among them an EXPUNGE, and then answers.
    Chatter(At),

    /// EXISTS is wrong by so much; never below 0.
    Exists(i64),
    /// UIDNEXT is wrong by so much; never below 1.
    UidNext(i64),

    /// No news within IDLE, but an answer to DONE.
    DeafIdle,

    /// Ends the connection in the middle of a message.
    HangUpInLiteral,
    /// Stops in the middle of a message.
    StallInLiteral,
    /// A literal announces so many octets more or less than come.
    WrongLiteral(i64),
    /// A literal announces 4 GiB.
    HugeLiteral,
    /// Literal upon literal in an answer that never ends.
    EndlessAnswer,
    /// Messages come from the last to the first.
    Reversed,
    /// Each message comes twice.
    Doubled,
    /// Also what nobody asked for.
    Strangers,
    /// Refuses every command that asks for the octets of a message that holds this text.
    Withhold(&'static str),
    /// Says OK and leaves that message out.
    LeaveOut(&'static str),
    /// Ends the connection at that message.
    BreakOffAt(&'static str),

    /// Refuses to move, copy or mark anything together with a message that holds this text.
    RefuseOne(&'static str, &'static str),
    /// Says OK to a MOVE and moves nothing.
    FeignMove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// By `* OK [UIDVALIDITY …]` before the answer.
    Yes,
    No,
}

use Misbehaviour::*;

impl Misbehaviour {
    /// Whether it concerns this command.
    pub fn is_at(&self, at: At) -> bool {
        match self {
            HangUp(of)
            | Bye(of)
            | DoneAndGone(of)
            | Silence(of)
            | DoneAndSilent(of)
            | Refuse(of, _)
            | Garbage(of)
            | LongLine(of, _)
            | Renumber(of, _)
            | Chatter(of) => *of == at,
            Exists(_) | UidNext(_) => at == At::Select,
            DeafIdle => at == At::Idle,
            HangUpInLiteral | StallInLiteral | WrongLiteral(_) | HugeLiteral | EndlessAnswer | Reversed | Doubled
            | Strangers | Withhold(_) | LeaveOut(_) | BreakOffAt(_) => at == At::Fetch,
            RefuseOne(..) => matches!(at, At::Move | At::Copy | At::Store),
            FeignMove => at == At::Move,
        }
    }

    /// It concerns only what holds this text.
    pub fn text(&self) -> Option<&'static str> {
        match self {
            Withhold(text) | LeaveOut(text) | BreakOffAt(text) | RefuseOne(text, _) => Some(text),
            _ => None,
        }
    }
}
