//! An IMAP server that plays a script: for what no real server can be brought to do.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread::JoinHandle,
    time::Duration,
};

/// One line of the script.
pub enum Step {
    /// Waits for a line that holds this; its first word is the tag from then on.
    Expect(&'static str),
    /// `TAG` stands for the tag of the last command.
    Say(String),
    Pause(Duration),
    /// The client hangs up, having said nothing more.
    ExpectEnd,
    /// Says nothing until the client hangs up, whatever it says.
    Stall,
}

/// A server that plays its script to one client and then hangs up.
pub struct Script {
    pub port: u16,
    player: Option<JoinHandle<()>>,
}

impl Script {
    pub fn play(steps: Vec<Step>) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let player = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .expect("a socket");
            perform(&mut BufReader::new(stream), steps);
        });
        Script {
            port,
            player: Some(player),
        }
    }

    /// Greeting, sign-in and SELECT of a folder with UIDVALIDITY 7, then `steps`.
    pub fn of_folder(uid_next: u32, exists: u32, capability: &str, mut steps: Vec<Step>) -> Script {
        let capability = format!("IMAP4rev1 {capability}");
        let capability = capability.trim_end();
        let say = |text: String| Step::Say(text);
        let mut all = vec![
            say(format!("* OK [CAPABILITY {capability}] hello\r\n")),
            Step::Expect("LOGIN \"ann\" \"geheim\""),
            say(format!("TAG OK [CAPABILITY {capability}] in\r\n")),
            Step::Expect("LIST \"\" \"\""),
            say("* LIST (\\Noselect) \"/\" \"\"\r\nTAG OK done\r\n".to_owned()),
            Step::Expect("SELECT \"INBOX\""),
            say(format!(
                "* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT {uid_next}] next\r\nTAG OK [READ-WRITE] in\r\n"
            )),
        ];
        all.append(&mut steps);
        Script::play(all)
    }

    /// Waits for the last step and passes on what went wrong in it.
    pub fn join(mut self) {
        if let Some(Err(panic)) = self.player.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

fn perform(stream: &mut BufReader<TcpStream>, steps: Vec<Step>) {
    let mut tag = String::new();
    for step in steps {
        match step {
            Step::Say(text) => stream
                .get_mut()
                .write_all(text.replace("TAG", &tag).as_bytes())
                .expect("the client reads"),
            Step::Expect(part) => {
                let line = line(stream);
                assert!(
                    line.contains(part),
                    "the script expects {part:?}, the client says {line:?}"
                );
                tag = line.split(' ').next().unwrap_or("").to_owned();
            }
            Step::Pause(time) => std::thread::sleep(time),
            Step::ExpectEnd => assert_eq!(line(stream), "", "the client was to say nothing more"),
            Step::Stall => while !line(stream).is_empty() {},
        }
    }
}

/// Empty at the end.
fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(_) => line,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => String::new(),
        Err(error) => panic!("the script reads a line: {error}"),
    }
}
