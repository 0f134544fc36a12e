//! Between a client and a real IMAP server: some commands do not reach the server, which may know them though it does not
//! say so; they are answered as by one that does not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

/// A line to the port of a server, in the clear; it ends with its connections.
pub struct Refusing {
    pub port: u16,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Refusing {
    /// Refuses what begins with, or has among its words, one of these (in capitals), such as `UID MOVE` or `(CONDSTORE)`.
    pub fn to(server: u16, unknown: Vec<&'static str>) -> Refusing {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let refused = Arc::new(Mutex::new(Vec::new()));
        let noted = refused.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let (noted, unknown) = (noted.clone(), unknown.clone());
                let answers = (
                    server.try_clone().expect("a socket"),
                    client.try_clone().expect("a socket"),
                );
                std::thread::spawn(move || pass_on(answers.0, &answers.1));
                std::thread::spawn(move || ask(&client, &server, &unknown, &noted));
            }
        });
        Refusing { port, refused }
    }

    /// The commands that were refused so far.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn pass_on(mut from: TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

fn ask(mut client: &TcpStream, mut server: &TcpStream, unknown: &[&str], refused: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(client.try_clone().expect("a socket"));
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let (tag, command) = text.split_once(' ').unwrap_or((&text, ""));
        let words = format!(" {} ", command.to_uppercase());
        let done = if unknown.iter().any(|unknown| words.contains(&format!(" {unknown} "))) {
            refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(command.to_owned());
            // The client waits for this answer, so the server says nothing meanwhile.
            client.write_all(format!("{tag} BAD unknown command\r\n").as_bytes())
        } else {
            server
                .write_all(&line)
                .and_then(|()| literal(&text, &mut lines, server))
        };
        if done.is_err() {
            break;
        }
        line.clear();
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// What a line announces at its end is no line.
fn literal(line: &str, lines: &mut BufReader<TcpStream>, mut server: &TcpStream) -> std::io::Result<()> {
    let announced = line.strip_suffix('}').and_then(|head| head.rsplit_once('{'));
    let Some(length) = announced.and_then(|(_, length)| length.trim_end_matches('+').parse().ok()) else {
        return Ok(());
    };
    std::io::copy(&mut lines.take(length), &mut server).map(drop)
}
