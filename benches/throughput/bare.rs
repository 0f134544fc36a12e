//! The limit: a client that asks for the messages, throws their octets away, and moves them. It is this program itself,
//! called with a word of its own, so that it is a process that can be measured like the others.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::servers::dovecot::PASSWORD;

/// The first argument that makes this program the client; port, user and authority follow.
pub const WORD: &str = "bare-client";
/// So many messages are asked for, and moved, by one command.
const SLICE: usize = 100;
/// So many commands are asked ahead of the answers.
const AHEAD: usize = 3;
/// Of one read.
const OCTETS: usize = 128 << 10;

struct Client {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    last_tag: usize,
    answered: BTreeSet<usize>,
    found: Vec<u32>,
    literals: usize,
}

/// Takes everything in INBOX; panics where it can not.
pub fn run(mut arguments: impl Iterator<Item = String>) {
    let mut next = || arguments.next().expect("port, user and authority");
    let (port, user, ca) = (next(), next(), next());
    let mut client = Client::connect(port.parse().expect("a port"), &ca);
    client.ask(&format!("LOGIN {user} {PASSWORD}"));
    client.ask("CREATE Processed");
    client.ask("SELECT INBOX");
    client.ask("UID SEARCH ALL");
    let uids = std::mem::take(&mut client.found);
    client.take(&uids);
    assert_eq!(client.literals, uids.len(), "messages that came");
    client.ask("LOGOUT");
}

/// Those of `* SEARCH 1 2 3`; any other answer has none.
fn numbers(line: &str) -> impl Iterator<Item = u32> {
    let words = line.strip_prefix("* SEARCH").unwrap_or_default().split_whitespace();
    words.map(|word| word.parse().expect("a UID"))
}

impl Client {
    fn connect(port: u16, ca: &str) -> Client {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).expect("the authority") {
            roots.add(certificate.expect("a certificate")).expect("a certificate");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server");
        stream.set_nodelay(true).expect("a socket");
        let mut client = Client {
            stream: BufReader::with_capacity(OCTETS, StreamOwned::new(connection, stream)),
            last_tag: 0,
            answered: BTreeSet::new(),
            found: Vec::new(),
            literals: 0,
        };
        client.line();
        client
    }

    /// Fetches ahead, and moves each slice as soon as it is here.
    fn take(&mut self, uids: &[u32]) {
        let range = |slice: &[u32]| format!("{}:{}", slice[0], slice[slice.len() - 1]);
        let mut slices = uids.chunks(SLICE).map(range);
        let mut asked = VecDeque::new();
        let mut last_move = None;
        loop {
            while asked.len() < AHEAD
                && let Some(slice) = slices.next()
            {
                let tag = self.say(&format!("UID FETCH {slice} (UID BODY.PEEK[])"));
                asked.push_back((tag, slice));
            }
            let Some((tag, slice)) = asked.pop_front() else { break };
            self.wait_for(tag);
            last_move = Some(self.say(&format!("UID MOVE {slice} Processed")));
        }
        last_move.into_iter().for_each(|tag| self.wait_for(tag));
    }

    fn ask(&mut self, command: &str) {
        let tag = self.say(command);
        self.wait_for(tag);
    }

    fn say(&mut self, command: &str) -> usize {
        self.last_tag += 1;
        let line = format!("{} {command}\r\n", self.last_tag);
        let server = self.stream.get_mut();
        server.write_all(line.as_bytes()).expect("the server reads");
        server.flush().expect("the server reads");
        self.last_tag
    }

    fn wait_for(&mut self, tag: usize) {
        while !self.answered.remove(&tag) {
            let line = self.line();
            match line.split_once(' ') {
                Some(("*", _)) => self.found.extend(numbers(&line)),
                Some((answered, result)) if result.starts_with("OK") => {
                    self.answered.insert(answered.parse().expect("a tag of ours"));
                }
                _ => panic!("the server says {line}"),
            }
        }
    }

    /// A line, without the literals in it.
    fn line(&mut self) -> String {
        let mut octets = Vec::new();
        loop {
            let read = self.stream.read_until(b'\n', &mut octets).expect("the server answers");
            assert!(read > 0, "the server closed the connection");
            let line = String::from_utf8_lossy(&octets);
            let announced = line.strip_suffix("}\r\n").and_then(|head| head.rsplit_once('{'));
            let Some(length) = announced.and_then(|(_, length)| length.parse().ok()) else {
                return line.trim_end().to_owned();
            };
            self.throw_away(length);
            self.literals += 1;
        }
    }

    fn throw_away(&mut self, mut octets: usize) {
        while octets > 0 {
            let here = self.stream.fill_buf().expect("the server answers").len().min(octets);
            assert!(here > 0, "the server closed the connection");
            self.stream.consume(here);
            octets -= here;
        }
    }
}
