//! What a probe has made, as far as it knows, and what has become of it.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use super::{
    ask::Ask,
    scene::{Mark, Reply, made_in},
};
use crate::halo::{
    ClientId,
    listing::{CLIENTS, Route, SITES, USERS},
    wire,
};

/// What a probe makes, in the order in which it is removed: nothing is removed that holds something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    User,
    Site,
    Client,
}

impl Kind {
    pub(super) fn route(self) -> Route {
        match self {
            Kind::User => USERS,
            Kind::Site => SITES,
            Kind::Client => CLIENTS,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::User => "user",
            Kind::Site => "site",
            Kind::Client => "client",
        })
    }
}

/// A record by its kind and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Thing {
    pub kind: Kind,
    pub id: i64,
}

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum State {
    There,
    Inactive,
    Gone,
}

/// What could not be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// It is there, or inactive at least.
    Record {
        /// Which.
        thing: Thing,
        /// As Halo shows it.
        name: String,
        /// Inactive: the next best to being removed.
        is_inactive: bool,
    },
    /// Halo did not say whether anything is there whose name holds this one.
    Unseen {
        /// To search for.
        name: String,
    },
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Left::Record {
                thing,
                name,
                is_inactive,
            } => {
                let now = if *is_inactive {
                    "is inactive now"
                } else {
                    "is still there"
                };
                write!(f, "{} {} {name:?} could not be removed and {now}", thing.kind, thing.id)
            }
            Left::Unseen { name } => {
                write!(
                    f,
                    "whether anything is left whose name holds {name:?} could not be seen"
                )
            }
        }
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Whether anything was sent that makes something.
    has_begun: bool,
    /// Whether Halo was seen to hold nothing else of ours.
    is_seen: bool,
    things: BTreeMap<Thing, (String, State)>,
    /// When the last request went out that makes something and whose answer never came.
    unanswered: Option<Instant>,
}

impl Made {
    /// Something is about to be sent that makes something.
    pub(super) fn begin(&mut self) {
        self.has_begun = true;
        self.is_seen = false;
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(super) fn seen(&mut self, is_seen: bool) {
        self.is_seen = is_seen;
    }

    /// Notes what an answer shows. A record without the mark was not made by us, whatever the answer says.
    pub(super) fn note(&mut self, ask: Ask, reply: &Reply, mark: &Mark) {
        let kind = if ask == Ask::Client { Kind::Client } else { Kind::User };
        for record in made_in(reply).into_iter().filter(|record| mark.is_on(record)) {
            if let Some((id, name)) = wire::probe::id_and_name(record) {
                self.find(Thing { kind, id }, name);
            }
        }
        if matches!(reply.http_status, 0 | 408 | 500..) {
            self.unanswered = Some(Instant::now());
        }
    }

    /// How long Halo may still carry out what it did not answer.
    pub(super) fn unanswered_for(&self, timeout: Duration) -> Option<Duration> {
        let since = self.unanswered?;
        Some((since + timeout).saturating_duration_since(Instant::now()))
    }

    /// It is there, unless it was seen to end already.
    pub(super) fn find(&mut self, thing: Thing, name: String) {
        self.things.entry(thing).or_insert((name, State::There));
    }

    pub(super) fn is(&mut self, thing: Thing, state: State) {
        if let Some((_, known)) = self.things.get_mut(&thing) {
            *known = state;
        }
    }

    pub(super) fn client(&self) -> Option<ClientId> {
        let mut clients = self.things.keys().filter(|thing| thing.kind == Kind::Client);
        clients.next().map(|thing| ClientId(thing.id))
    }

    /// What is there, in the order in which it is to be removed.
    pub(super) fn there(&self) -> Vec<Thing> {
        let there = self.things.iter().filter(|(_, (_, state))| *state == State::There);
        there.map(|(thing, _)| *thing).collect()
    }

    /// Whether all is gone and nothing else can be there.
    pub(super) fn is_over(&self) -> bool {
        self.is_seen && self.there().is_empty()
    }

    pub(super) fn left(&self, name: &str) -> Vec<Left> {
        let records = self.things.iter().filter(|(_, (_, state))| *state != State::Gone);
        let records = records.map(|(thing, (name, state))| Left::Record {
            thing: *thing,
            name: name.clone(),
            is_inactive: *state == State::Inactive,
        });
        let unseen = (self.has_begun && !self.is_seen).then(|| Left::Unseen { name: name.to_owned() });
        records.chain(unseen).collect()
    }
}
