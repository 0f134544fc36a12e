//! A slow line: what passes comes so much later, in both ways, however much it is.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Of one read.
const OCTETS: usize = 64 << 10;
/// So many reads are under way at most: more than any server sends within the delay.
const UNDER_WAY: usize = 4_096;

/// A line; it is there as long as this process.
pub struct Line {
    /// On this machine.
    pub port: u16,
    turns: Arc<AtomicU64>,
}

impl Line {
    /// How often a client has said something after it was answered, on all connections.
    #[allow(dead_code, reason = "each benchmark uses a part of it")]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

/// A line to that port, so long each way.
pub fn to(server: u16, delay: Duration) -> Line {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let turns = Arc::<AtomicU64>::default();
    let counted = turns.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
            let (asks, answers) = (Arc::new(AtomicBool::new(true)), counted.clone());
            let asked = asks.clone();
            carry(&client, &server, delay, move || {
                if asked.swap(false, Ordering::Relaxed) {
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
            carry(&server, &client, delay, move || asks.store(true, Ordering::Relaxed));
        }
    });
    Line { port, turns }
}

/// What comes is told, and waits for its time beside what comes after it.
fn carry(from: &TcpStream, to: &TcpStream, delay: Duration, tell: impl Fn() + Send + 'static) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket");
    let (mut from, mut to) = (copy(from), copy(to));
    to.set_nodelay(true).expect("a socket");
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    thread::spawn(move || {
        let mut octets = vec![0; OCTETS];
        while let Ok(read @ 1..) = from.read(&mut octets) {
            tell();
            let sent = sender.send((Instant::now() + delay, octets[..read].to_vec()));
            if sent.is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, octets) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&octets).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
