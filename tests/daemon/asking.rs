//! Requests to what the daemon serves, each written out, so that a story may say anything.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::running::Daemon;

/// An answer.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    /// Each field in a line, as it came.
    pub head: String,
    pub body: String,
}

/// Where a daemon serves, once it says so.
pub fn served_at(daemon: &Daemon) -> SocketAddr {
    let line = daemon.says("the page are served on http://");
    let (_, rest) = line.split_once("http://").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Sends these octets and reads until the other side closes.
pub fn send(address: SocketAddr, request: &str) -> Answered {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // Who is refused early is not read to the end.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answered {
        status: status.unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// GET with further header fields, each ended by CRLF.
pub fn get_with(address: SocketAddr, path: &str, fields: &str) -> Answered {
    send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n"),
    )
}

/// GET.
pub fn get(address: SocketAddr, path: &str) -> Answered {
    get_with(address, path, "")
}

/// A form.
pub fn post(address: SocketAddr, path: &str, fields: &str, form: &str) -> Answered {
    let length = form.len();
    let kind = "Content-Type: application/x-www-form-urlencoded";
    send(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{kind}\r\nContent-Length: {length}\r\n{fields}\r\n{form}"
        ),
    )
}

impl Answered {
    /// A header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}
