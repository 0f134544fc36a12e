//! Who takes the mail.

use std::process::Command;

use crate::{
    check, commands,
    desk::{Desk, Mailbox, Place},
    measure::{self, Measured},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    HaloIntake,
    /// As it is installed: every message is forced to the disk.
    Mbsync,
    /// It leaves that to the system.
    MbsyncWithoutFsync,
    Getmail,
    BareClient,
}

impl Program {
    pub const ALL: [Program; 5] = [
        Program::HaloIntake,
        Program::Mbsync,
        Program::MbsyncWithoutFsync,
        Program::Getmail,
        Program::BareClient,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Program::HaloIntake => "halo-intake run --once",
            Program::Mbsync => "mbsync",
            Program::MbsyncWithoutFsync => "mbsync, FSync no",
            Program::Getmail => "getmail6",
            Program::BareClient => "bare client",
        }
    }

    /// It takes half a minute for a thousand messages: one round is enough.
    pub fn is_slow(self) -> bool {
        self == Program::Getmail
    }

    fn command(self, place: &Place) -> Command {
        match self {
            Program::HaloIntake => commands::halo_intake(place, &["run", "--once"]),
            Program::Mbsync => commands::mbsync(place, true),
            Program::MbsyncWithoutFsync => commands::mbsync(place, false),
            Program::Getmail => commands::getmail(place),
            Program::BareClient => commands::bare_client(place),
        }
    }

    /// Takes a copy of the mailbox by this port, and makes sure that all of it was taken.
    pub fn take(self, desk: &Desk, mailbox: &Mailbox, port: u16) -> Measured {
        let place = desk.place(mailbox, port);
        let measured = self.run(&place, mailbox);
        desk.leave(place);
        measured
    }

    /// Runs where everything stands ready, to its end.
    pub fn run(self, place: &Place, mailbox: &Mailbox) -> Measured {
        let measured = measure::measure(&mut self.command(place));
        let (name, ended) = (self.name(), measured.status);
        let words = std::fs::read_to_string(commands::words(place)).unwrap_or_default();
        assert!(ended.success(), "{name} ended with {ended}: {words}");
        match self {
            Program::HaloIntake => check::halo_intake(place, mailbox),
            Program::Mbsync | Program::MbsyncWithoutFsync | Program::Getmail => check::pulled(place, mailbox),
            Program::BareClient => check::moved(place, mailbox),
        }
        measured
    }
}
