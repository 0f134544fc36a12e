//! Exit statuses.

use std::process::ExitCode;

/// How a command ended, for whoever called it (`product.md`, 2; the numbers are those of sysexits.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// What was asked is done.
    Done = 0,
    /// The arguments.
    Usage = 2,
    /// A given file is unreadable.
    Unreadable = 65,
    /// A needed service is unavailable.
    Unavailable = 69,
    /// Anything else.
    Broken = 70,
    /// Come again; the message is left where it was.
    TryAgain = 75,
    /// The configuration is wrong.
    Configuration = 78,
}

impl Status {
    /// Each of them.
    pub const ALL: [Status; 7] = [
        Status::Done,
        Status::Usage,
        Status::Unreadable,
        Status::Unavailable,
        Status::Broken,
        Status::TryAgain,
        Status::Configuration,
    ];

    /// What a caller sees.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What it says, for the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Status::Done => "done",
            Status::Usage => "the arguments are wrong",
            Status::Unreadable => {
                "a given message file or state file can not be read, or a message is more than twice as large as its mailbox takes"
            }
            Status::Unavailable => "a mailbox, a connection, the SMTP server or the journal is unavailable",
            Status::Broken => "anything else",
            Status::TryAgain => "come again: the message was deferred, or stays where it was",
            Status::Configuration => "the configuration is wrong",
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status.number())
    }
}
