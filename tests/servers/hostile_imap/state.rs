//! The mail that the server keeps, and what it was told to do wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Shutdown, TcpStream},
    sync::mpsc::Sender,
};

use super::misbehaviour::{At, Misbehaviour};

/// A message; a copy has the same number.
#[derive(Debug, Clone)]
pub struct Message {
    pub number: usize,
    pub uid: u32,
    pub flags: BTreeSet<String>,
    pub octets: Vec<u8>,
    pub came: jiff::Timestamp,
}

impl Message {
    pub fn holds(&self, text: &str) -> bool {
        memchr::memmem::find(&self.octets, text.as_bytes()).is_some()
    }
}

#[derive(Debug)]
pub struct Folder {
    pub validity: u32,
    pub uid_next: u32,
    pub messages: Vec<Message>,
}

impl Folder {
    pub fn new() -> Folder {
        Folder {
            validity: 7,
            uid_next: 1,
            messages: Vec::new(),
        }
    }

    pub fn take_in(&mut self, number: usize, flags: BTreeSet<String>, octets: Vec<u8>) {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.messages.push(Message {
            number,
            uid,
            flags,
            octets,
            came: jiff::Timestamp::now(),
        });
    }

    /// Another UIDVALIDITY, and UIDs that mean other messages than before: they run the other way.
    pub fn renumber(&mut self) {
        self.validity += 1;
        self.messages.reverse();
        for (message, uid) in self.messages.iter_mut().zip(1..) {
            message.uid = uid;
        }
        self.uid_next = u32::try_from(self.messages.len()).unwrap() + 1;
    }
}

/// What a session is told.
pub enum Event {
    Line(String),
    /// The folder's mail changed.
    Changed,
    End,
}

pub struct Armed {
    pub misbehaviour: Misbehaviour,
    /// How often it still strikes.
    pub left: usize,
}

pub struct State {
    pub folders: BTreeMap<String, Folder>,
    pub delivered: usize,
    pub capability: &'static str,
    pub armed: Vec<Armed>,
    /// Chooses from these now and then.
    pub chance: Option<Chance>,
    /// What was done wrong, in its order.
    pub struck: Vec<Misbehaviour>,
    /// The commands of all sessions, each with its session's number.
    pub heard: Vec<String>,
    /// Each with its number.
    pub sessions: Vec<(usize, TcpStream, Sender<Event>)>,
    pub is_over: bool,
}

/// Misbehaves at random: the same seed chooses the same.
pub struct Chance {
    pub random: fastrand::Rng,
    pub menu: Vec<Misbehaviour>,
    /// One command in so many.
    pub one_in: usize,
}

impl State {
    /// What is done wrong at this command, which concerns `messages`; counted.
    pub fn strike(&mut self, at: At, concerned: &BTreeSet<u32>, folder: &str) -> Option<Misbehaviour> {
        let inbox = self.folders.get(folder);
        let applies = |one: &Misbehaviour| {
            let holds = |text: &str| {
                let messages = inbox.into_iter().flat_map(|folder| &folder.messages);
                messages
                    .filter(|message| concerned.contains(&message.uid))
                    .any(|message| message.holds(text))
            };
            one.is_at(at) && one.text().is_none_or(holds)
        };
        let mut armed = self.armed.iter_mut();
        let found = armed.find(|armed| armed.left > 0 && applies(&armed.misbehaviour));
        let chosen = match (found, &mut self.chance) {
            (Some(armed), _) => {
                armed.left -= 1;
                Some(armed.misbehaviour)
            }
            (None, Some(chance)) => chance.choose(applies),
            (None, None) => None,
        };
        self.struck.extend(chosen);
        chosen
    }

    pub fn tell_all(&self) {
        for (_, _, session) in &self.sessions {
            let _ = session.send(Event::Changed);
        }
    }

    pub fn hang_up(&mut self) {
        self.hang_up_all_but(usize::MAX);
    }

    pub fn hang_up_all_but(&mut self, spared: usize) {
        for (_, stream, _) in self.sessions.extract_if(.., |(number, ..)| *number != spared) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Chance {
    fn choose(&mut self, applies: impl Fn(&Misbehaviour) -> bool) -> Option<Misbehaviour> {
        let possible: Vec<Misbehaviour> = self.menu.iter().copied().filter(applies).collect();
        if possible.is_empty() || self.random.usize(..self.one_in) != 0 {
            return None;
        }
        Some(possible[self.random.usize(..possible.len())])
    }
}
