//! The world of a story: the program as a child process, a mailbox, an emulated Halo, a mail sink, and a folder
//! that is kept when the story fails.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use halo_intake::sandbox::{Sandbox, smtp_sink::SmtpSink};
use serde_json::Value;

pub use crate::program::{Ran, finish, program};
use crate::{
    dovecot::{Dovecot, PASSWORD},
    hostile_imap::{self, HostileImap},
    mail::{octets, text},
};

/// One Dovecot for all stories that run at a time; each story has a user of its own. It ends with the last world
/// that holds it, so that nothing is left running.
pub fn dovecot() -> Arc<Dovecot> {
    static SHARED: Mutex<Weak<Dovecot>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let dovecot = Arc::new(Dovecot::start());
        (0..USERS).for_each(|number| dovecot.add_user(&user_name(number)));
        *shared = Arc::downgrade(&dovecot);
        dovecot
    })
}

/// All users are made before the first signs in: Dovecot looks at its users file once a second at most.
const USERS: usize = 150;

fn user_name(number: usize) -> String {
    format!("story{number}@example.test")
}

/// A user of the shared Dovecot that no other story has.
pub fn next_user() -> String {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert!(number < USERS, "there are more stories than users");
    user_name(number)
}

/// Where the mail of a story lies.
pub enum Inbox {
    /// A folder of this story.
    Maildir(PathBuf),
    /// A user of the shared Dovecot.
    Imap(String),
    /// INBOX of a server of this story's own, which misbehaves.
    Hostile(HostileImap),
}

/// All that a story needs.
pub struct World {
    pub sandbox: Sandbox,
    pub sink: SmtpSink,
    pub inbox: Inbox,
    pub folder: PathBuf,
    /// Where an IMAP inbox lies; kept running as long as this story needs it.
    server: Option<Arc<Dovecot>>,
    /// The sandbox and the sink live on it.
    runtime: tokio::runtime::Runtime,
    /// Put in the place of `@RULES@`.
    pub rules: String,
    /// Put after the defaults: further tables and settings.
    pub settings: String,
    /// Further lines of `[mailbox.support]`.
    pub mailbox: String,
    /// Further lines of `[halo.main]`.
    pub halo: String,
    /// Further users whose INBOX is watched: `[mailbox.NAME]` is their number's.
    pub further: Vec<String>,
    /// The address of the journal, where that is not in the state folder.
    pub journal: Option<String>,
    /// A configuration in the place of all that; layers of `more` still lie over it.
    pub whole: Option<String>,
}

impl World {
    /// A world whose mailbox is a Maildir: for stories in which the mailbox plays no part.
    pub fn new(rules: &str) -> World {
        let mut world = World::with_inbox(rules, Inbox::Maildir(PathBuf::new()), None);
        let path = world.folder.join("Maildir");
        for part in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(path.join(part)).unwrap();
        }
        world.inbox = Inbox::Maildir(path);
        world
    }

    /// A world whose mailbox is on Dovecot, over TLS.
    pub fn with_dovecot(rules: &str) -> World {
        World::with_server(rules, dovecot(), next_user())
    }

    /// The same on a server of the story's own, for one of its users.
    pub fn with_server(rules: &str, server: Arc<Dovecot>, user: String) -> World {
        World::with_inbox(rules, Inbox::Imap(user), Some(server))
    }

    /// A world whose mailbox is on a server that misbehaves when it is told to.
    pub fn with_hostile_imap(rules: &str, capability: &'static str) -> World {
        World::with_inbox(rules, Inbox::Hostile(HostileImap::start(capability)), None)
    }

    /// The server that misbehaves.
    pub fn hostile(&self) -> &HostileImap {
        match &self.inbox {
            Inbox::Hostile(server) => server,
            _ => panic!("this world's mailbox is on no such server"),
        }
    }

    fn with_inbox(rules: &str, inbox: Inbox, server: Option<Arc<Dovecot>>) -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = std::env::temp_dir().join(format!("hi-story-{}-{:08x}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir_all(&folder).unwrap();
        let sandbox = runtime.block_on(Sandbox::start(([127, 0, 0, 1], 0).into())).unwrap();
        let sink = runtime.block_on(SmtpSink::start()).unwrap();
        let texts = (String::new(), String::new(), String::new());
        World {
            sandbox,
            sink,
            inbox,
            folder,
            server,
            runtime,
            rules: rules.to_owned(),
            settings: texts.0,
            mailbox: texts.1,
            halo: texts.2,
            further: Vec::new(),
            journal: None,
            whole: None,
        }
    }

    /// A mail from `from` with this subject, as an MTA delivers it.
    pub fn mail(&self, from: &str, subject: &str) {
        self.mail_with(from, subject, "");
    }

    /// The same with further header fields, each ended by a newline.
    pub fn mail_with(&self, from: &str, subject: &str, fields: &str) {
        self.deliver(&text(from, subject, fields));
    }

    /// Many mails, each from somebody with a subject, in one delivery.
    pub fn mail_all<'a>(&self, mails: impl Iterator<Item = (&'a str, &'a str)>) {
        let texts = mails.map(|(from, subject)| text(from, subject, ""));
        match &self.inbox {
            Inbox::Maildir(_) | Inbox::Hostile(_) => texts.for_each(|text| self.deliver(&text)),
            Inbox::Imap(user) => {
                let octets: Vec<Vec<u8>> = texts.map(|text| octets(&text)).collect();
                self.server().deliver_all(user, "INBOX", "", &octets);
            }
        }
    }

    /// A message, its lines ended by `\n`.
    pub fn deliver(&self, text: &str) {
        let octets = octets(text);
        match &self.inbox {
            Inbox::Maildir(path) => {
                let name = format!("{:08}.{:x}.story", counter(), fastrand::u64(..));
                std::fs::write(path.join("tmp").join(&name), octets).unwrap();
                std::fs::rename(path.join("tmp").join(&name), path.join("new").join(&name)).unwrap();
            }
            Inbox::Imap(user) => self.server().deliver(user, "INBOX", &octets),
            Inbox::Hostile(server) => server.deliver(&octets),
        }
    }

    /// The same into a further mailbox, or into the first where it is number 0.
    pub fn deliver_to(&self, number: usize, octets: &[Vec<u8>]) {
        let Inbox::Imap(first) = &self.inbox else {
            panic!("only a server has several mailboxes")
        };
        let user = if number == 0 { first } else { &self.further[number - 1] };
        self.server().deliver_all(user, "INBOX", "", octets);
    }

    fn server(&self) -> &Dovecot {
        self.server.as_ref().expect("an IMAP inbox lies on a server")
    }

    /// Writes the configuration as it is now, and gives its path.
    pub fn configure(&self) -> PathBuf {
        let source = match &self.inbox {
            Inbox::Maildir(path) => format!("type = \"maildir\"\npath = {path:?}\n"),
            Inbox::Imap(user) => self.on_dovecot(user),
            Inbox::Hostile(server) => format!(
                "type = \"imap\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nusername = {:?}\npassword = {:?}\n",
                server.port,
                hostile_imap::LOGIN.0,
                hostile_imap::LOGIN.1,
            ),
        };
        let further = (1..).zip(&self.further).map(|(number, user)| {
            let source = self.on_dovecot(user);
            format!("[mailbox.box{number}]\n{source}addresses = [\"box{number}@desk.example\"]\n{SETTLE}")
        });
        let journal = self.journal.as_ref().map(|address| format!("journal = {address:?}"));
        let text = format!(
            r#"
state_dir = {state:?}
{journal}

[mailbox.support]
{source}addresses = ["support@desk.example"]
{SETTLE}
{mailbox}

{further}

[halo.main]
url = "{halo_url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
{halo}

[smtp]
host = "127.0.0.1"
port = {smtp_port}
tls = "none"

[bounce]
from = "Example Desk <support@desk.example>"

[report]
to = ["ops@desk.example"]

[retry]
first = "100ms"
longest = "1s"

{settings}
{rules}
"#,
            state = self.state_dir(),
            journal = journal.unwrap_or_default(),
            further = further.collect::<String>(),
            mailbox = self.mailbox,
            halo_url = self.sandbox.url().as_str().trim_end_matches('/'),
            client_id = self.sandbox.client_id(),
            client_secret = self.sandbox.client_secret(),
            halo = self.halo,
            smtp_port = self.sink.address().port(),
            settings = self.settings,
            rules = self.rules,
        );
        let text = self.whole.clone().unwrap_or(text);
        let path = self.folder.join("halo-intake.toml");
        // Renamed into its place: a program that was started before may be about to read it.
        let whole = self.folder.join(format!("halo-intake.toml.{:08}", counter()));
        std::fs::write(&whole, text).unwrap();
        std::fs::rename(&whole, &path).unwrap();
        path
    }

    fn on_dovecot(&self, user: &str) -> String {
        format!(
            "type = \"imap\"\nhost = \"localhost\"\nport = {}\ntls = \"implicit\"\nca_file = {:?}\nusername = \"{user}\"\npassword = \"{PASSWORD}\"\n",
            self.server().imaps_port,
            self.server().ca_pem,
        )
    }

    /// A layer over the configuration: its values are later and win.
    pub fn more(&self, text: &str) {
        let folder = self.folder.join("conf.d");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{:08}.toml", counter())), text).unwrap();
    }

    /// For what else shall serve a story.
    pub fn runtime(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    /// How many messages of the journal fulfil this, in words of SQL: cheaper than `log` while a daemon runs.
    pub fn count_where(&self, condition: &str) -> u32 {
        let count = self.number(&format!("SELECT count(*) FROM entry WHERE {condition}"));
        u32::try_from(count).unwrap()
    }

    fn number(&self, sql: &str) -> i64 {
        let database = rusqlite::Connection::open(self.state_dir().join("journal.db")).unwrap();
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Whether the journal keeps something under this name.
    pub fn kept(&self, name: &str) -> bool {
        self.number(&format!("SELECT count(*) FROM kept WHERE name = '{name}'")) > 0
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The clock of every command that begins now, or runs, is so many seconds ahead.
    pub fn later(&self, seconds: u64) {
        // Replaced whole: the program may read it at any moment.
        let whole = self.folder.join(format!("clock.{:08}", counter()));
        std::fs::write(&whole, seconds.to_string()).unwrap();
        std::fs::rename(whole, self.clock()).unwrap();
    }

    /// How far the clock is ahead.
    pub fn ahead(&self) -> u64 {
        let text = std::fs::read_to_string(self.clock()).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Waits until `is_so`, while for the program so many seconds pass between one look and the next.
    pub fn time_goes_on_until(&self, seconds: u64, what: &str, is_so: impl Fn(&World) -> bool) {
        self.wait_until(what, |world| {
            world.later(world.ahead() + seconds);
            is_so(world)
        });
    }

    /// How far the clock is ahead when the first message comes again; what is due already waits for its turn, and the
    /// clock does not go back for it.
    pub fn first_is_due(&self) -> u64 {
        let due = self.number("SELECT min(due) FROM entry WHERE state = 'deferred'") / 1_000_000;
        let until = due - jiff::Timestamp::now().as_second() + 1;
        u64::try_from(until).map_or(self.ahead(), |until| until.max(self.ahead()))
    }

    fn clock(&self) -> PathBuf {
        self.folder.join("clock")
    }

    /// The program with these arguments, on this world's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .arg("--config")
            .arg(self.configure())
            .args(arguments)
            .env("HALO_INTAKE_TEST_CLOCK", self.clock())
            .current_dir(&self.folder);
        command
    }

    /// The same by way of another program, which is given this copy of ours and its arguments as its last ones.
    pub fn command_within(&self, wrapper: &[&str], copy: &Path, arguments: &[&str]) -> Command {
        let inner = self.command(arguments);
        let mut command = Command::new(wrapper[0]);
        command
            .args(&wrapper[1..])
            .arg(copy)
            .args(inner.get_args())
            .env_clear()
            .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .current_dir(&self.folder);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// `run --once`, which must take everything.
    pub fn once(&self) {
        let ran = self.run(&["run", "--once"]);
        assert_eq!(ran.status, 0, "run --once: {ran:?}");
    }

    /// A command whose output is one object a line.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(ran.status, 0, "{arguments:?}: {ran:?}");
        ran.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The journal's rows, oldest first.
    pub fn log(&self) -> Vec<Value> {
        let mut rows = self.json(&["log", "--limit", "all"]);
        rows.reverse();
        rows
    }

    /// Each message's subject with its outcome, oldest first.
    pub fn outcomes(&self) -> Vec<(String, String)> {
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        self.log()
            .iter()
            .map(|row| (text(row, "subject"), text(row, "outcome")))
            .collect()
    }

    /// The outcome and reason of the only message.
    pub fn only(&self) -> (String, String) {
        let log = self.log();
        assert_eq!(log.len(), 1, "{log:?}");
        let text = |name: &str| log[0][name].as_str().unwrap_or_default().to_owned();
        (text("outcome"), text("reason"))
    }

    /// Sandbox users with this address.
    pub fn users(&self, address: &str) -> Vec<Value> {
        self.sandbox
            .users()
            .into_iter()
            .filter(|user| user["emailaddress"] == address)
            .collect()
    }

    /// How many requests of this method went to paths that begin so.
    pub fn requests(&self, method: &str, path: &str) -> usize {
        let wanted = |request: &&halo_intake::sandbox::LoggedRequest| {
            request.method == method && request.path.to_lowercase().starts_with(&path.to_lowercase())
        };
        self.sandbox.requests().iter().filter(wanted).count()
    }

    /// Who was told: envelope recipients of all letters.
    pub fn told(&self) -> Vec<String> {
        self.sink.mails().iter().flat_map(|mail| mail.rcpt_to.clone()).collect()
    }

    /// The messages in a folder: octets.
    pub fn folder(&self, name: &str) -> Vec<Vec<u8>> {
        match &self.inbox {
            Inbox::Imap(user) => [user]
                .into_iter()
                .chain(&self.further)
                .flat_map(|user| self.server().folder(user, name))
                .map(|kept| kept.octets)
                .collect(),
            Inbox::Hostile(server) => server.folder(name).into_iter().map(|message| message.octets).collect(),
            Inbox::Maildir(path) => {
                let root = if name == "INBOX" {
                    path.clone()
                } else {
                    path.join(format!(".{name}"))
                };
                let files = |part: &str| {
                    std::fs::read_dir(root.join(part))
                        .map(|read| read.map(|file| file.unwrap().path()).collect::<Vec<_>>())
                };
                let files = ["new", "cur"].iter().filter_map(|part| files(part).ok()).flatten();
                files.map(|file| std::fs::read(file).unwrap()).collect()
            }
        }
    }

    /// Waits until `is_so`, and fails with the journal otherwise.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&World) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what} did not happen: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What becomes of messages in each mailbox.
const SETTLE: &str = r#"backlog = "process"
settle.completed = { move_to = "Processed" }
settle.stopped = { move_to = "Stopped" }
settle.bounced = { move_to = "Bounced" }
settle.failed = { move_to = "Failed" }
"#;

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the story's folder is kept: {}", self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn counter() -> usize {
    static COUNTER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
