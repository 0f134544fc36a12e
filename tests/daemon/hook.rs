//! A server of somebody else's: it keeps what it was asked and answers as it is told.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `POST /tickets`
    pub what: String,
    pub header: String,
    pub body: String,
}

/// What it says to one request.
pub enum Said {
    /// A status with further header fields, each ended by `\r\n`, and a body.
    Answer(u16, &'static str, String),
    /// It hangs up when it has read all.
    Nothing,
}

#[derive(Default)]
struct Inner {
    asked: Vec<Asked>,
    says: VecDeque<Said>,
}

/// It serves as long as the test runs.
pub struct Hook {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl Hook {
    /// It answers with `{"id": 7}` once it has said all of this.
    pub fn start(says: Vec<Said>) -> Hook {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner {
            asked: Vec::new(),
            says: says.into(),
        }));
        let shared = inner.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                serve(connection, &shared);
            }
        });
        Hook { address, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far.
    pub fn asked(&self) -> Vec<Asked> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked.clone()
    }
}

impl Asked {
    /// A field of the header.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.header.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request on each connection. Whoever dies in its midst has asked nothing.
fn serve(mut connection: TcpStream, inner: &Mutex<Inner>) {
    let Some(asked) = read(&mut connection) else { return };
    let said = {
        let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked.push(asked);
        inner.says.pop_front()
    };
    let (status, fields, body) = match said {
        Some(Said::Nothing) => return,
        Some(Said::Answer(status, fields, body)) => (status, fields, body),
        None => (200, "X-Kind: hook\r\n", "{\"id\": 7}".to_owned()),
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{fields}\r\n{body}");
    // Whoever was ended meanwhile hears nothing.
    let _ = connection.write_all(answer.as_bytes());
}

fn read(connection: &mut TcpStream) -> Option<Asked> {
    let mut octets = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&octets).into_owned();
        if let Some((header, body)) = text.split_once("\r\n\r\n") {
            let (what, header) = header.split_once("\r\n")?;
            let asked = Asked {
                what: what.trim_end_matches(" HTTP/1.1").to_owned(),
                header: header.to_owned(),
                body: body.to_owned(),
            };
            let length = asked
                .field("content-length")
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(asked);
            }
        }
        match connection.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => octets.extend_from_slice(&chunk[..count]),
        }
    }
}
