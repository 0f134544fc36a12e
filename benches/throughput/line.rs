//! A slow line: what passes comes so much later, in both ways, however much it is.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Each way.
pub const DELAY: Duration = Duration::from_millis(30);
/// Of one read.
const OCTETS: usize = 64 << 10;
/// So many reads are under way at most: more than any server sends within the delay.
const UNDER_WAY: usize = 4_096;

/// A port on this machine that leads to that one; it is there as long as this process.
pub fn to(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
            carry(&client, &server);
            carry(&server, &client);
        }
    });
    port
}

/// What comes waits for its time beside what comes after it.
fn carry(from: &TcpStream, to: &TcpStream) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket");
    let (mut from, mut to) = (copy(from), copy(to));
    to.set_nodelay(true).expect("a socket");
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    thread::spawn(move || {
        let mut octets = vec![0; OCTETS];
        while let Ok(read @ 1..) = from.read(&mut octets) {
            let sent = sender.send((Instant::now() + DELAY, octets[..read].to_vec()));
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
