//! What lies between the program and a real server: a line that is cut, goes dead, or ends after so many octets.
#![allow(dead_code)]

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// How the line is just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Well,
    /// Nothing passes, and nobody is told.
    Dead,
    /// Each connection ends when so many octets came from the server.
    EndsAfter(usize),
}

/// A line to a port on this machine; it ends when it is dropped.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    line: Line,
    streams: Vec<TcpStream>,
    is_over: bool,
    /// How many connections there were, and how many of them, the first ones, were forgotten.
    begun: usize,
    forgotten: usize,
}

impl Proxy {
    pub fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = State {
            line: Line::Well,
            streams: Vec::new(),
            is_over: false,
            begun: 0,
            forgotten: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if serving.state().is_over {
                    return;
                }
                // A server that is down is one that hangs up.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    // A line keeps nothing back until what went before is acknowledged.
                    for end in [&client, &server] {
                        end.set_nodelay(true).expect("a socket");
                    }
                    serving.join(&client, &server);
                }
            }
        });
        Proxy { port, shared }
    }

    /// Of the connections of now as well.
    pub fn set(&self, line: Line) {
        self.shared.state().line = line;
        self.shared.changed.notify_all();
    }

    /// Nothing passes any more on the connections of now, and nobody is told, as when a router forgets them; new ones are
    /// well.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.forgotten = state.begun;
    }

    /// Ends the connections of now.
    pub fn cut(&self) {
        self.shared.state().cut();
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        (state.is_over, state.line, state.forgotten) = (true, Line::Well, 0);
        state.cut();
        drop(state);
        self.shared.changed.notify_all();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn cut(&mut self) {
        for stream in self.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a socket");
        let number = {
            let mut state = self.state();
            state.streams.extend([copy(client), copy(server)]);
            state.begun += 1;
            state.begun
        };
        for (from, to, is_counted) in [(client, server, false), (server, client, true)] {
            let (shared, from, to) = (self.clone(), copy(from), copy(to));
            std::thread::spawn(move || {
                shared.carry(number, &from, &to, is_counted);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }

    /// From one end to the other, as long as the line holds.
    fn carry(&self, number: usize, mut from: &TcpStream, mut to: &TcpStream, is_counted: bool) {
        let (mut octets, mut passed) = ([0; 4096], 0);
        while let Ok(length @ 1..) = from.read(&mut octets) {
            let mut state = self.state();
            while state.line == Line::Dead || number <= state.forgotten {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let line = state.line;
            drop(state);
            let left = match line {
                Line::EndsAfter(longest) if is_counted => length.min(longest.saturating_sub(passed)),
                _ => length,
            };
            passed += left;
            if to.write_all(&octets[..left]).is_err() || left < length {
                return;
            }
        }
    }
}
