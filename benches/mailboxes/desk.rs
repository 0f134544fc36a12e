//! Where many mailboxes are watched: one large Dovecot that takes mail by LMTP, the emulated Halo, and the daemon.
#![allow(dead_code)] // each benchmark uses a part of it

use std::{
    fmt::Write,
    fs,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use halo_intake::sandbox::{LoggedRequest, Sandbox};
use rustix::process::{Pid, Signal, kill_process};

use crate::servers::{
    dovecot::{Dovecot, Options, PASSWORD},
    lmtp::Lmtp,
};

/// A user that is not there by then never comes.
const USER_WITHIN: Duration = Duration::from_secs(30);
/// How often Halo is asked whether the user is there; a part of what is measured.
const LOOK: Duration = Duration::from_micros(200);

const RULES: &str = r#"
[[rule]]
name = "Unknown senders become users"
when = "not email.automatic and not email.junk"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user and not custom.sender.agent"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
"#;

/// The servers, and a folder for what the daemon keeps.
pub struct Desk {
    pub dovecot: Dovecot,
    pub sandbox: Sandbox,
    pub runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    senders: usize,
    /// Opened with the first delivery.
    lmtp: Option<Lmtp>,
}

/// A message that the server has taken, and when.
pub struct Delivery {
    from: String,
    delivered: jiff::Timestamp,
    pub delivered_at: Instant,
}

/// The way of one message.
pub struct Way {
    /// When the server had taken it.
    pub delivered: jiff::Timestamp,
    /// From then until its sender was a user.
    pub took: Duration,
    /// What Halo was asked for it.
    pub requests: Vec<LoggedRequest>,
}

impl Desk {
    /// With accounts for so many mailboxes.
    pub fn new(mailboxes: usize) -> Desk {
        let dovecot = Dovecot::start_with(&Options {
            is_large: true,
            ..Options::default()
        });
        let accounts: Vec<String> = (0..mailboxes).map(account).collect();
        dovecot.add_users(accounts.iter().map(String::as_str));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let sandbox = runtime.block_on(Sandbox::start(([127, 0, 0, 1], 0).into()));
        let sandbox = sandbox.expect("a free port");
        sandbox.set(|switches| switches.rate = None);
        Desk {
            dovecot,
            sandbox,
            runtime,
            folder: tempfile::Builder::new()
                .prefix("hi-bench-")
                .tempdir()
                .expect("a folder of our own"),
            senders: 0,
            lmtp: None,
        }
    }

    /// The daemon on the first `mailboxes` of them, with its state below `name`; `more` comes before the rules.
    pub fn daemon(&self, name: &str, mailboxes: usize, more: &str) -> Daemon {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).expect("our own folder");
        let mut daemon = Daemon {
            config: folder.join("halo-intake.toml"),
            words: folder.join("stderr"),
            notify: UnixDatagram::bind(folder.join("notify")).expect("a socket in our own folder"),
            child: None,
            began: Instant::now(),
        };
        self.configure(&daemon, mailboxes, more);
        let words = fs::File::create(&daemon.words).expect("our own folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env(
                "HALO_INTAKE_LOG",
                std::env::var("HALO_INTAKE_LOG").unwrap_or_else(|_| "info".to_owned()),
            )
            .env("NOTIFY_SOCKET", folder.join("notify"))
            .arg("--config")
            .arg(&daemon.config)
            .args(["--log-format", "json", "run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        daemon.began = Instant::now();
        daemon.child = Some(command.spawn().expect("our own program"));
        daemon
    }

    /// Writes the daemon's configuration anew.
    pub fn configure(&self, daemon: &Daemon, mailboxes: usize, more: &str) {
        let mut text = format!(
            "state_dir = {:?}\n\n[halo.main]\nurl = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\nrate = \"1000000 per 1m\"\n",
            daemon.config.with_file_name("state"),
            self.sandbox.url().as_str().trim_end_matches('/'),
            self.sandbox.client_id(),
            self.sandbox.client_secret(),
        );
        for number in 0..mailboxes {
            text += &self.mailbox(
                &format!("m{number}"),
                &account(number),
                PASSWORD,
                self.dovecot.imaps_port,
            );
        }
        write!(text, "{more}{RULES}").expect("a String");
        fs::write(&daemon.config, text).expect("our own folder");
    }

    /// A mailbox of this configuration.
    pub fn mailbox(&self, name: &str, account: &str, password: &str, port: u16) -> String {
        format!(
            "\n[mailbox.{name}]\nhost = \"localhost\"\nport = {port}\nca_file = {:?}\nusername = \"{account}\"\n\
             password = \"{password}\"\naddresses = [\"{account}\"]\nbacklog = \"process\"\nsettle.completed = {{ move_to = \"Processed\" }}\n",
            self.dovecot.ca_pem
        )
    }

    /// Delivers a message of somebody new into this mailbox.
    pub fn deliver(&mut self, mailbox: usize) -> Delivery {
        self.senders += 1;
        let (number, to) = (self.senders, account(mailbox));
        let from = format!("visitor{number}@stranger{number}.example");
        let message = format!(
            "From: Visitor {number} <{from}>\r\nTo: {to}\r\nSubject: Question {number}\r\nMessage-ID: <{number}.bench@mail.example>\r\n\
             Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nHello,\r\nnothing works.\r\n"
        );
        let lmtp = self.lmtp.get_or_insert_with(|| Lmtp::to(self.dovecot.lmtp_port));
        let delivered_at = lmtp.deliver(&from, &to, message.as_bytes());
        let delivered = jiff::Timestamp::now();
        Delivery {
            from,
            delivered,
            delivered_at,
        }
    }

    /// The same, and waits for its user.
    pub fn mail(&mut self, mailbox: usize) -> Way {
        let before = self.sandbox.requests().len();
        let Delivery {
            from,
            delivered,
            delivered_at,
        } = self.deliver(mailbox);
        while !self.sandbox.users().iter().any(|user| user["emailaddress"] == from) {
            assert!(delivered_at.elapsed() < USER_WITHIN, "{from} does not become a user");
            std::thread::sleep(LOOK);
        }
        let took = delivered_at.elapsed();
        let requests = self.sandbox.requests().split_off(before);
        Way {
            delivered,
            took,
            requests,
        }
    }
}

/// The account of this mailbox.
pub fn account(number: usize) -> String {
    format!("m{number}@desk.example")
}

/// A running daemon, started as systemd does; it is stopped when it is dropped.
pub struct Daemon {
    config: PathBuf,
    pub words: PathBuf,
    notify: UnixDatagram,
    pub child: Option<Child>,
    pub began: Instant,
}

impl Daemon {
    pub fn child(&self) -> &Child {
        self.child.as_ref().expect("it runs")
    }

    /// Waits until its status line begins so; gives the time.
    pub fn says(&self, status: &str, within: Duration) -> Instant {
        let deadline = Instant::now() + within;
        let mut last = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "it does not say {status:?}, but {last:?}; see {}",
                self.words.display()
            );
            self.notify.set_read_timeout(Some(left)).expect("a time");
            let mut words = [0; 4096];
            let Ok(length) = self.notify.recv(&mut words) else {
                continue;
            };
            let words = String::from_utf8_lossy(&words[..length]).into_owned();
            if let Some(said) = words.lines().find_map(|line| line.strip_prefix("STATUS=")) {
                if said.starts_with(status) {
                    return Instant::now();
                }
                last = said.to_owned();
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child()), signal).expect("our own child");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}
