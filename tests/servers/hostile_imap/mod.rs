//! An IMAP server on loopback that keeps real folders, speaks what this program needs of IMAP4rev1, UIDPLUS, MOVE
//! and IDLE, and misbehaves as it is told: at a chosen command so many times, or at random from a seed.
#![allow(dead_code)]

mod command;
mod fetch;
mod misbehaviour;
mod session;
mod state;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use misbehaviour::{At, Misbehaviour, Told};
pub use state::Message;
use state::{Armed, Chance, Folder, State};

pub const LOGIN: (&str, &str) = ("ann", "geheim");
/// All that this program makes use of.
pub const EVERYTHING: &str = "IMAP4rev1 UIDPLUS MOVE IDLE";
/// Without MOVE, so that messages are copied and expunged.
pub const WITHOUT_MOVE: &str = "IMAP4rev1 UIDPLUS IDLE";

/// A running server; it ends when it is dropped.
pub struct HostileImap {
    pub port: u16,
    shared: Arc<Shared>,
}

/// What the sessions have in common.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostileImap {
    pub fn start(capability: &'static str) -> HostileImap {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = State {
            folders: BTreeMap::from([("INBOX".to_owned(), Folder::new())]),
            delivered: 0,
            capability,
            armed: Vec::new(),
            chance: None,
            struck: Vec::new(),
            heard: Vec::new(),
            sessions: Vec::new(),
            is_over: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                if serving.state().is_over {
                    return;
                }
                session::begin(serving.clone(), number, stream);
            }
        });
        HostileImap { port, shared }
    }

    /// Puts a message into INBOX, and tells those who wait for it.
    pub fn deliver(&self, octets: &[u8]) {
        let mut state = self.shared.state();
        let number = state.delivered;
        state.delivered += 1;
        let inbox = state.folders.get_mut("INBOX").expect("it is never removed");
        inbox.take_in(number, BTreeSet::new(), octets.to_vec());
        state.tell_all();
    }

    /// From now on, so many times.
    pub fn arm(&self, misbehaviour: Misbehaviour, times: usize) {
        self.shared.state().armed.push(Armed {
            misbehaviour,
            left: times,
        });
    }

    /// From now on at one command in so many, chosen from the menu.
    pub fn arm_by_chance(&self, seed: u64, menu: &[Misbehaviour], one_in: usize) {
        self.shared.state().chance = Some(Chance {
            random: fastrand::Rng::with_seed(seed),
            menu: menu.to_vec(),
            one_in,
        });
    }

    /// Nothing is done wrong from now on.
    pub fn calm(&self) {
        let mut state = self.shared.state();
        state.armed.clear();
        state.chance = None;
    }

    /// Another UIDVALIDITY with UIDs that mean other messages; whoever is connected is cut off.
    pub fn renumber(&self) {
        let mut state = self.shared.state();
        state.folders.get_mut("INBOX").expect("it is never removed").renumber();
        state.hang_up();
    }

    /// Cuts off whoever is connected.
    pub fn hang_up(&self) {
        self.shared.state().hang_up();
    }

    /// What was done wrong so far.
    pub fn struck(&self) -> Vec<Misbehaviour> {
        self.shared.state().struck.clone()
    }

    /// The commands so far, each with its session's number.
    pub fn heard(&self) -> Vec<String> {
        self.shared.state().heard.clone()
    }

    pub fn delivered(&self) -> usize {
        self.shared.state().delivered
    }

    pub fn folder(&self, name: &str) -> Vec<Message> {
        let state = self.shared.state();
        state
            .folders
            .get(name)
            .map(|folder| folder.messages.clone())
            .unwrap_or_default()
    }

    /// Everything, by folder.
    pub fn folders(&self) -> BTreeMap<String, Vec<Message>> {
        let state = self.shared.state();
        let folders = state.folders.iter();
        folders
            .map(|(name, folder)| (name.clone(), folder.messages.clone()))
            .collect()
    }

    /// Waits until it was done wrong so often.
    pub fn wait_until_struck(&self, times: usize) -> Result<(), String> {
        self.wait_until(|server| server.struck().len() >= times)
    }

    /// Waits until this is so of the server, and else says what it heard.
    pub fn wait_until(&self, is_so: impl Fn(&HostileImap) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !is_so(self) {
            if Instant::now() > deadline {
                return Err(format!(
                    "after {:#?} it was done wrong: {:?}",
                    self.heard(),
                    self.struck()
                ));
            }
            let (state, tick) = (self.shared.state(), Duration::from_millis(20));
            drop(self.shared.changed.wait_timeout(state, tick));
        }
        Ok(())
    }
}

impl Drop for HostileImap {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_over = true;
        state.hang_up();
        drop(state);
        // It waits for the next client; this is one.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}
