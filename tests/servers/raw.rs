//! A client that is not the one under test: it puts messages there and looks what became of them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A message as it lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub uid: u32,
    /// Sorted, without `\Recent`.
    pub flags: Vec<String>,
    pub octets: Vec<u8>,
}

/// One answer: its lines with `{n}` in place of what `literals` holds.
pub struct Answer {
    lines: Vec<u8>,
    literals: Vec<Vec<u8>>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines).into_owned()
    }
}

impl Kept {
    fn read(answer: &Answer) -> Option<Kept> {
        let text = answer.text();
        let uid = text.split_once("UID ")?.1.split([' ', ')']).next()?.parse().ok()?;
        let flags = text.split_once("FLAGS (")?.1.split(')').next()?;
        let mut flags: Vec<String> = flags
            .split_whitespace()
            .filter(|flag| *flag != "\\Recent")
            .map(str::to_owned)
            .collect();
        flags.sort();
        Some(Kept {
            uid,
            flags,
            octets: answer.literals.first().cloned().unwrap_or_default(),
        })
    }
}

/// A client that is not the one under test.
pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    /// `None` until the server greets.
    pub fn greeted(port: u16) -> Option<Raw> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let mut raw = Raw {
            stream: BufReader::new(stream),
        };
        let mut line = String::new();
        raw.stream.read_line(&mut line).ok()?;
        line.starts_with("* OK").then_some(raw)
    }

    fn say(&mut self, command: &str) {
        let line = format!("R {command}\r\n");
        self.write(line.as_bytes());
    }

    pub fn command(&mut self, command: &str) -> Vec<Answer> {
        self.say(command);
        self.finish()
    }

    /// The untagged answers, once the command has succeeded.
    fn finish(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        loop {
            let answer = self.answer();
            if let Some(result) = answer.text().strip_prefix("R ") {
                assert!(result.starts_with("OK"), "the server says {result}");
                return answers;
            }
            answers.push(answer);
        }
    }

    pub fn log_in(&mut self, user: &str, password: &str) {
        self.say(&format!("LOGIN {{{}}}", user.len()));
        self.ready();
        self.write(format!("{user} {{{}}}\r\n", password.len()).as_bytes());
        self.ready();
        self.write(format!("{password}\r\n").as_bytes());
        self.finish();
    }

    /// Waits in IDLE until the server tells of another message; gives the time. It goes on waiting.
    pub fn hears_of_more(&mut self) -> std::time::Instant {
        while !self.answer().text().contains(" EXISTS") {}
        std::time::Instant::now()
    }

    pub fn begins_to_idle(&mut self, folder: &str) {
        self.command(&format!("SELECT \"{folder}\""));
        self.say("IDLE");
        self.ready();
    }

    /// The server waits for a literal.
    fn ready(&mut self) {
        let answer = self.answer().text();
        assert!(answer.starts_with('+'), "the server says {answer}");
    }

    /// Puts a message into a folder (the server's name for it), on any server.
    pub fn append(&mut self, folder: &str, octets: &[u8]) {
        self.say(&format!("APPEND \"{folder}\" {{{}}}", octets.len()));
        self.ready();
        self.write(octets);
        self.write(b"\r\n");
        self.finish();
    }

    /// Many in one command (RFC 3502), where the server can.
    pub fn append_many(&mut self, folder: &str, flags: &str, messages: &[Vec<u8>]) {
        let mut command = format!("R APPEND \"{folder}\"").into_bytes();
        for octets in messages {
            command.extend_from_slice(format!(" ({flags}) {{{}+}}\r\n", octets.len()).as_bytes());
            command.extend_from_slice(octets);
        }
        command.extend_from_slice(b"\r\n");
        self.write(&command);
        self.finish();
    }

    /// What lies in a folder, by ascending UID; empty where there is no such folder.
    pub fn folder(&mut self, name: &str) -> Vec<Kept> {
        if self.folder_is_missing(name) {
            return Vec::new();
        }
        self.command(&format!("EXAMINE \"{name}\""));
        let answers = self.command("UID FETCH 1:* (UID FLAGS BODY.PEEK[])");
        answers.iter().filter_map(Kept::read).collect()
    }

    /// The server's names of all folders.
    pub fn folders(&mut self) -> Vec<String> {
        self.names("LIST")
    }

    /// Those that the account is subscribed to.
    pub fn subscribed(&mut self) -> Vec<String> {
        self.names("LSUB")
    }

    fn names(&mut self, verb: &str) -> Vec<String> {
        let name_in = |answer: &Answer| {
            let text = answer.text();
            let listed = text.starts_with(&format!("* {verb} "));
            // * LIST (\HasNoChildren) "." INBOX
            listed.then(|| {
                let name = text.splitn(3, '"').nth(2).unwrap_or("");
                name.trim().trim_matches('"').to_owned()
            })
        };
        let answers = self.command(&format!("{verb} \"\" \"*\""));
        let mut names: Vec<String> = answers.iter().filter_map(name_in).collect();
        names.sort();
        names
    }

    fn write(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).expect("the server reads");
    }

    fn folder_is_missing(&mut self, name: &str) -> bool {
        !self
            .command(&format!("LIST \"\" \"{name}\""))
            .iter()
            .any(|answer| answer.text().starts_with("* LIST"))
    }

    fn answer(&mut self) -> Answer {
        let mut answer = Answer {
            lines: Vec::new(),
            literals: Vec::new(),
        };
        loop {
            let read = self
                .stream
                .read_until(b'\n', &mut answer.lines)
                .expect("the server answers");
            assert!(read > 0, "the server closed the connection");
            let line = answer.text();
            let announced = line
                .strip_suffix("}\r\n")
                .and_then(|head| head.rsplit_once('{')?.1.parse::<usize>().ok());
            let Some(octets) = announced else { return answer };
            let mut literal = vec![0; octets];
            self.stream.read_exact(&mut literal).expect("the server answers");
            answer.literals.push(literal);
        }
    }
}
