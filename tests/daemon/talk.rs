//! A command that asks: each question is waited for before it is answered, over pipes or on a terminal.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// The command and what it has said.
pub struct Talk {
    child: Child,
    /// `None` once there are no more answers.
    answers: Option<Box<dyn Write>>,
    said: mpsc::Receiver<Vec<u8>>,
    /// All that was said so far.
    pub text: String,
    /// So much of it was asked and answered.
    read: usize,
    terminal: Option<OwnedFd>,
    /// Whether the terminal shows what is typed, once the command has ended.
    shown: bool,
}

impl Talk {
    /// By pipes, as a script does it. Errors are said on the same one.
    pub fn by_pipes(mut command: Command) -> Talk {
        let (out, err) = (Stdio::piped(), Stdio::piped());
        let mut child = command.stdin(Stdio::piped()).stdout(out).stderr(err).spawn().unwrap();
        let (send, said) = mpsc::channel();
        listen(child.stdout.take().unwrap(), send.clone());
        listen(child.stderr.take().unwrap(), send);
        let answers: Box<dyn Write> = Box::new(child.stdin.take().unwrap());
        Talk {
            child,
            answers: Some(answers),
            said,
            text: String::new(),
            read: 0,
            terminal: None,
            shown: true,
        }
    }

    /// On a terminal, as somebody does it who types. It is so wide that each question and each reason stays in one line.
    pub fn on_terminal(mut command: Command) -> Talk {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let copy = || Stdio::from(theirs.try_clone().unwrap());
        let wide = Winsize {
            ws_row: 50,
            ws_col: 3_000,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, wide).unwrap();
        let child = command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().unwrap();
        let (send, said) = mpsc::channel();
        listen(File::from(ours.try_clone().unwrap()), send);
        Talk {
            child,
            answers: Some(Box::new(File::from(ours))),
            said,
            text: String::new(),
            read: 0,
            terminal: Some(theirs.into()),
            shown: true,
        }
    }

    /// Waits for each question and answers it; gives what was said in between.
    pub fn answer(&mut self, questions: &[(&str, &str)]) -> String {
        let from = self.read;
        for (question, answer) in questions {
            self.asks(question);
            self.say(answer);
        }
        self.text[from..].to_owned()
    }

    /// An answer to what was asked.
    pub fn say(&mut self, answer: &str) {
        let answers = self.answers.as_mut().unwrap();
        answers.write_all(format!("{answer}\n").as_bytes()).unwrap();
        answers.flush().unwrap();
    }

    /// Waits until this is asked, and nothing else before it.
    pub fn asks(&mut self, question: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let open = self.text[self.read..].rsplit('\n').next().unwrap_or_default();
            if open.ends_with(": ") {
                assert!(
                    open.contains(question),
                    "{question:?} is not what is asked: {}",
                    self.text
                );
                self.read = self.text.len();
                return;
            }
            match self
                .said
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(octets) => self.text.push_str(&String::from_utf8_lossy(&octets)),
                Err(error) => panic!("{question:?} was not asked ({error}): {}", self.text),
            }
        }
    }

    /// Waits until this was said, whatever else was.
    pub fn hears(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.text.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(octets) => self.text.push_str(&String::from_utf8_lossy(&octets)),
                Err(error) => panic!("{text:?} was not said ({error}): {}", self.text),
            }
        }
    }

    /// Whether the terminal shows what is typed.
    pub fn shows(&self) -> bool {
        let Some(terminal) = &self.terminal else {
            return self.shown;
        };
        tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// There are no more answers; gives the exit status.
    pub fn ends(&mut self) -> i32 {
        if self.terminal.is_none() {
            self.answers = None;
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("it does not end: {}", self.text);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        // When nobody holds the other end any more, what was said has an end.
        self.shown = self.shows();
        self.terminal = None;
        while let Ok(octets) = self.said.recv_timeout(Duration::from_secs(20)) {
            self.text.push_str(&String::from_utf8_lossy(&octets));
        }
        status.code().unwrap_or(-1)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut from: impl Read + Send + 'static, to: mpsc::Sender<Vec<u8>>) {
    std::thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(count) = from.read(&mut some) {
            // A terminal ends its lines with two characters.
            let said = some[..count].iter().copied().filter(|octet| *octet != b'\r').collect();
            if count == 0 || to.send(said).is_err() {
                return;
            }
        }
    });
}
