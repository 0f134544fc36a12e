//! One connection: commands in, answers out, each as it should be unless something is to be done wrong.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use super::{
    LOGIN, Shared,
    command::Command,
    misbehaviour::{At, Misbehaviour, Told},
    state::{Event, Folder, Message, State},
};

/// What becomes of the connection.
#[derive(PartialEq, Eq)]
pub enum Then {
    GoOn,
    HangUp,
    /// Open, and nothing is said any more.
    Silence,
}

pub struct Session {
    pub(super) shared: Arc<Shared>,
    number: usize,
    stream: TcpStream,
    events: Receiver<Event>,
    pub(super) selected: String,
}

/// Serves one client on threads of its own.
pub(super) fn begin(shared: Arc<Shared>, number: usize, stream: TcpStream) {
    let (send, events) = channel();
    let reading = stream.try_clone().expect("a socket");
    let lines = send.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(reading).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if lines.send(Event::Line(line)).is_err() {
                return;
            }
        }
        let _ = lines.send(Event::End);
    });
    let registered = stream.try_clone().expect("a socket");
    shared.state().sessions.push((number, registered, send));
    std::thread::spawn(move || {
        let mut session = Session {
            shared,
            number,
            stream,
            events,
            selected: String::new(),
        };
        session.serve();
        let _ = session.stream.shutdown(Shutdown::Both);
    });
}

impl Session {
    fn serve(&mut self) {
        let greeting = Command::read("* GREETING");
        let mut then = self.answer(&Command {
            at: Some(At::Greeting),
            ..greeting
        });
        while then != Then::HangUp {
            let event = self.events.recv();
            let line = match event {
                Ok(Event::Line(line)) => line,
                Ok(Event::Changed) => continue,
                Ok(Event::End) | Err(_) => return,
            };
            self.shared.state().heard.push(format!("{}: {line}", self.number));
            if then == Then::GoOn {
                then = self.answer(&Command::read(&line));
            }
            self.shared.changed.notify_all();
        }
    }

    /// Does what is asked, or something else.
    fn answer(&mut self, command: &Command) -> Then {
        let wrong = command.at.and_then(|at| {
            let mut state = self.shared.state();
            let concerned = command.uids(state.folders.get(&self.selected));
            state.strike(at, &concerned, &self.selected)
        });
        match wrong {
            Some(Misbehaviour::HangUp(_)) => return Then::HangUp,
            Some(Misbehaviour::Silence(_)) => return Then::Silence,
            Some(Misbehaviour::Bye(at)) => {
                if at == At::Idle {
                    self.say("+ idling\r\n");
                }
                self.say("* BYE the server goes down\r\n");
                return Then::HangUp;
            }
            Some(Misbehaviour::Refuse(_, words) | Misbehaviour::RefuseOne(_, words)) => {
                self.say(&format!("{} {words}\r\n", command.tag));
                return Then::GoOn;
            }
            Some(Misbehaviour::Garbage(_)) => {
                self.write(b"\0\xff\xfe{{{)))* \"\r\n* FETCH\r\n* 1 FETCH (((\r\n\x80\x81 garbage {9\r\n");
                return Then::GoOn;
            }
            Some(Misbehaviour::LongLine(_, octets)) => {
                self.write(b"* OK ");
                self.write(&vec![b'x'; octets]);
                self.say(&format!("\r\n{} OK done\r\n", command.tag));
                return Then::GoOn;
            }
            Some(Misbehaviour::Renumber(_, told)) => self.renumber(told),
            Some(Misbehaviour::Chatter(_)) => self.chatter(),
            _ => {}
        }
        match self.perform(command, wrong) {
            Some(then) => then,
            None => {
                self.say(&format!("{} BAD no such command here\r\n", command.tag));
                Then::GoOn
            }
        }
    }

    /// `None`: the command is not known.
    fn perform(&mut self, command: &Command, wrong: Option<Misbehaviour>) -> Option<Then> {
        let capability = self.shared.state().capability;
        let (untagged, ended) = match command.verb.as_str() {
            "GREETING" => {
                self.say(&format!("* OK [CAPABILITY {capability}] hello\r\n"));
                return Some(Then::GoOn);
            }
            "LOGIN" => {
                let expected = format!("\"{}\" \"{}\"", LOGIN.0, LOGIN.1);
                let ended = if command.arguments == expected {
                    format!("OK [CAPABILITY {capability}] in")
                } else {
                    "NO [AUTHENTICATIONFAILED] no".to_owned()
                };
                (String::new(), ended)
            }
            "CAPABILITY" => (format!("* CAPABILITY {capability}\r\n"), "OK done".to_owned()),
            "NOOP" | "SUBSCRIBE" => (String::new(), "OK done".to_owned()),
            "LIST" => (self.list(command), "OK done".to_owned()),
            "CREATE" => {
                let mut state = self.shared.state();
                state.folders.entry(command.folder()).or_insert_with(Folder::new);
                (String::new(), "OK made".to_owned())
            }
            "SELECT" => self.select(command, wrong),
            "FETCH" => return Some(self.fetch(command, wrong)),
            "STORE" => self.store(command),
            "EXPUNGE" => self.expunge(command),
            "MOVE" if wrong == Some(Misbehaviour::FeignMove) => (String::new(), "OK moved".to_owned()),
            "MOVE" | "COPY" => self.transfer(command),
            "IDLE" => return Some(self.idle(command, wrong)),
            _ => return None,
        };
        match wrong {
            Some(Misbehaviour::DoneAndGone(_)) => return Some(Then::HangUp),
            Some(Misbehaviour::DoneAndSilent(_)) => return Some(Then::Silence),
            _ => {}
        }
        self.say(&format!("{untagged}{} {ended}\r\n", command.tag));
        Some(Then::GoOn)
    }

    /// Other sessions end, as they do at real servers: their UIDs would mean other messages.
    fn renumber(&mut self, told: Told) {
        let validity = {
            let mut state = self.shared.state();
            state.hang_up_all_but(self.number);
            let folder = state.folders.get_mut("INBOX").expect("it is never removed");
            folder.renumber();
            folder.validity
        };
        if told == Told::Yes {
            self.say(&format!("* OK [UIDVALIDITY {validity}] numbered anew\r\n"));
        }
    }

    fn chatter(&mut self) {
        let told = {
            let state = self.shared.state();
            let folder = state.folders.get(&self.selected);
            let uid = folder
                .and_then(|folder| folder.messages.first())
                .map_or(1, |message| message.uid);
            format!(
                "* NO it is late\r\n* OK [ALERT] the disk is full\r\n* BAD what\r\n* 1 EXPUNGE\r\n* 9 EXPUNGE\r\n* 0 EXISTS\r\n* 4 RECENT\r\n* 1 FETCH (FLAGS (\\Seen) UID {uid})\r\n* VANISHED 1:9\r\n* FLAGS ()\r\n* 3 EXISTS\r\n* STATUS \"INBOX\" (UIDNEXT 2)\r\n"
            )
        };
        self.say(&told);
    }

    fn list(&self, command: &Command) -> String {
        let wanted = command.folder();
        if wanted.is_empty() {
            return "* LIST (\\Noselect) \"/\" \"\"\r\n".to_owned();
        }
        let state = self.shared.state();
        let known = state.folders.contains_key(&wanted);
        if known {
            format!("* LIST () \"/\" \"{wanted}\"\r\n")
        } else {
            String::new()
        }
    }

    fn select(&mut self, command: &Command, wrong: Option<Misbehaviour>) -> (String, String) {
        let name = command.folder();
        let state = self.shared.state();
        let Some(folder) = state.folders.get(&name) else {
            return (String::new(), "NO [NONEXISTENT] no such folder".to_owned());
        };
        let (mut exists, mut next) = (folder.messages.len() as i64, i64::from(folder.uid_next));
        match wrong {
            Some(Misbehaviour::Exists(by)) => exists = (exists + by).max(0),
            Some(Misbehaviour::UidNext(by)) => next = (next + by).max(1),
            _ => {}
        }
        self.selected = name;
        let told = format!(
            "* {exists} EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Deleted)\r\n* OK [PERMANENTFLAGS (\\Seen \\Deleted \\*)] flags\r\n* OK [UIDVALIDITY {}] valid\r\n* OK [UIDNEXT {next}] next\r\n",
            folder.validity
        );
        (told, "OK [READ-WRITE] in".to_owned())
    }

    fn store(&self, command: &Command) -> (String, String) {
        let mut state = self.shared.state();
        if self.is_cut_off(&state) {
            return (String::new(), "NO cut off".to_owned());
        }
        let uids = command.uids(state.folders.get(&self.selected));
        let flags = command
            .rest()
            .split_once('(')
            .map_or("", |(_, flags)| flags)
            .trim_end_matches(')');
        if let Some(folder) = state.folders.get_mut(&self.selected) {
            for message in folder.messages.iter_mut().filter(|message| uids.contains(&message.uid)) {
                message.flags.extend(flags.split(' ').map(str::to_owned));
            }
        }
        (String::new(), "OK stored".to_owned())
    }

    fn expunge(&self, command: &Command) -> (String, String) {
        let mut state = self.shared.state();
        if self.is_cut_off(&state) {
            return (String::new(), "NO cut off".to_owned());
        }
        let uids = command.uids(state.folders.get(&self.selected));
        if let Some(folder) = state.folders.get_mut(&self.selected) {
            let goes = |message: &Message| uids.contains(&message.uid) && message.flags.contains("\\Deleted");
            folder.messages.retain(|message| !goes(message));
        }
        (String::new(), "OK expunged".to_owned())
    }

    /// A session that was cut off does nothing more, even if it has the command already.
    fn is_cut_off(&self, state: &State) -> bool {
        state.sessions.iter().all(|(number, ..)| *number != self.number)
    }

    /// MOVE and COPY.
    fn transfer(&self, command: &Command) -> (String, String) {
        let mut state = self.shared.state();
        if self.is_cut_off(&state) {
            return (String::new(), "NO cut off".to_owned());
        }
        let to = command.folder();
        if !state.folders.contains_key(&to) {
            return (String::new(), "NO [TRYCREATE] no such folder".to_owned());
        }
        let uids = command.uids(state.folders.get(&self.selected));
        let Some(folder) = state.folders.get_mut(&self.selected) else {
            return (String::new(), "BAD nothing is selected".to_owned());
        };
        let is_meant = |message: &Message| uids.contains(&message.uid);
        let meant: Vec<Message> = folder.messages.iter().filter(|one| is_meant(one)).cloned().collect();
        if command.verb == "MOVE" {
            folder.messages.retain(|message| !is_meant(message));
        }
        if meant.is_empty() {
            return (String::new(), "OK nothing is there".to_owned());
        }
        let target = state.folders.get_mut(&to).expect("it was there just now");
        let set = |uids: Vec<u32>| uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let from = set(meant.iter().map(|message| message.uid).collect());
        let landed = set((target.uid_next..).take(meant.len()).collect());
        for message in meant {
            target.take_in(message.number, message.flags, message.octets);
        }
        let validity = target.validity;
        (String::new(), format!("OK [COPYUID {validity} {from} {landed}] done"))
    }

    /// Until DONE; news are told as they come.
    fn idle(&mut self, command: &Command, wrong: Option<Misbehaviour>) -> Then {
        self.say("+ idling\r\n");
        loop {
            match self.events.recv() {
                Ok(Event::Line(line)) => {
                    self.shared.state().heard.push(format!("{}: {line}", self.number));
                    break;
                }
                Ok(Event::Changed) if wrong.is_none() => {
                    let count = self.shared.state().folders[&self.selected].messages.len();
                    self.say(&format!("* {count} EXISTS\r\n"));
                }
                Ok(Event::Changed) => {}
                Ok(Event::End) | Err(_) => return Then::HangUp,
            }
        }
        if matches!(wrong, Some(Misbehaviour::DoneAndSilent(_))) {
            return Then::Silence;
        }
        self.say(&format!("{} OK idled\r\n", command.tag));
        Then::GoOn
    }

    pub(super) fn say(&mut self, text: &str) {
        self.write(text.as_bytes());
    }

    /// Says whether the client still takes it.
    pub(super) fn write(&mut self, octets: &[u8]) -> bool {
        self.stream.write_all(octets).is_ok()
    }
}
