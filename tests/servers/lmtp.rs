//! An MTA's side of LMTP (RFC 2033): how mail comes into a real mailbox.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// A connection over which one message after another is delivered.
pub struct Lmtp {
    stream: BufReader<TcpStream>,
}

impl Lmtp {
    pub fn to(port: u16) -> Lmtp {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        let mut lmtp = Lmtp {
            stream: BufReader::new(stream),
        };
        lmtp.expects("220");
        lmtp.says("LHLO mx.example\r\n", "250");
        lmtp
    }

    /// Delivers octets whose lines end with `\r\n`; gives the time at which the server has said yes.
    pub fn deliver(&mut self, from: &str, to: &str, octets: &[u8]) -> Instant {
        self.says(&format!("MAIL FROM:<{from}>\r\n"), "250");
        self.says(&format!("RCPT TO:<{to}>\r\n"), "250");
        self.says("DATA\r\n", "354");
        let text = String::from_utf8_lossy(octets).replace("\r\n.", "\r\n..");
        self.says(&format!("{text}\r\n.\r\n"), "250");
        Instant::now()
    }

    fn says(&mut self, words: &str, answer: &str) {
        self.stream
            .get_mut()
            .write_all(words.as_bytes())
            .expect("the server reads");
        self.expects(answer);
    }

    /// The last line of an answer has a space behind its number.
    fn expects(&mut self, answer: &str) {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("the server answers");
            assert!(line.starts_with(answer), "the server says {line:?}, not {answer}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return;
            }
        }
    }
}
