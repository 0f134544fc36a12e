//! A command that says what it takes when it is asked for, and not before.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, builder::Resettable};

/// The arguments of one command. The program describes all of its commands at each start; without the arguments of those
/// that are not called, their code stays out of memory.
#[derive(Debug)]
pub struct Deferred<T>(pub T);

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(described::<T>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_args_for_update)
    }
}

/// What it does stands where the commands are listed.
fn described<T: Args>(command: Command) -> Command {
    let (about, at_length) = (command.get_about().cloned(), command.get_long_about().cloned());
    T::augment_args(command)
        .about(Resettable::from(about))
        .long_about(Resettable::from(at_length))
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Deferred)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}
