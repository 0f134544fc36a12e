//! Where both programs work: one Dovecot with a mailbox for each run, the emulated Halo, a folder for what they keep.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use halo_intake::sandbox::{Sandbox, smtp_sink::SmtpSink};
use serde_json::{Value, json};

use crate::{
    mail,
    servers::dovecot::{Dovecot, PASSWORD},
};

/// So much mail is held at once while a mailbox is filled.
const DELIVERED_AT_ONCE: usize = 16 << 20;
/// `nobody`, whom Dovecot's mail belongs to.
const NOBODY: u32 = 65_534;
/// The account that the others are copies of.
const FIRST: &str = "first@desk.example";

const RULES: &str = r#"
[[rule]]
name = "Never"
when = 'email.from.domain == "nobody.example"'
  [[rule.action]]
  type = "stop_all"

[[rule]]
name = "Large mail of strangers"
when = 'not email.automatic and email.subject is containing(pat="Anfrage") and (email.size > 60000 or email.to | length > 3) and not email.from.domain == "acme.example"'
  [[rule.action]]
  type = "set"
  value = "{{ email.from.display }}: {{ email.attachments | length }}"
  store_as = "note"

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
  store_as = "created"
"#;

/// The servers of all runs.
pub struct Desk {
    dovecot: Dovecot,
    messages: usize,
    octets: u64,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

/// A run's own mailbox, Halo and folder.
pub struct Place {
    user: String,
    folder: PathBuf,
    sandbox: Sandbox,
    sink: SmtpSink,
}

impl Desk {
    /// Fills the first mailbox with so many messages; there are accounts for so many runs.
    pub fn new(messages: usize, runs: usize) -> Desk {
        let dovecot = Dovecot::start();
        // All before the first sign-in: Dovecot looks at its users file once a second at most.
        dovecot.add_user(FIRST);
        (0..runs).for_each(|run| dovecot.add_user(&user(run)));
        let mut octets = 0;
        let mut some = Vec::new();
        let mut held = 0;
        for number in 0..messages {
            let message = mail::message(number);
            held += message.len();
            octets += u64::try_from(message.len()).unwrap();
            some.push(message);
            if held > DELIVERED_AT_ONCE || number + 1 == messages {
                dovecot.deliver_all(FIRST, "INBOX", "", &std::mem::take(&mut some));
                held = 0;
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Desk {
            dovecot,
            messages,
            octets,
            folder: tempfile::Builder::new()
                .prefix("hi-bench-")
                .tempdir()
                .expect("a folder of our own"),
            runtime: runtime.expect("a runtime"),
        }
    }

    /// How large all messages are together.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// A place for this run, with a mailbox like every other.
    pub fn place(&self, run: usize) -> Place {
        let user = user(run);
        copy_mailbox(&self.dovecot.maildir(FIRST), &self.dovecot.maildir(&user));
        self.empty_place(run, user)
    }

    /// A place whose mailbox holds nothing.
    pub fn empty_place(&self, run: usize, user: String) -> Place {
        let folder = self.folder.path().join(format!("run{run}"));
        fs::create_dir_all(folder.join("Maildir")).expect("a folder of our own");
        let sandbox = self.runtime.block_on(Sandbox::start(([127, 0, 0, 1], 0).into()));
        let sandbox = sandbox.expect("a free port");
        // What is measured is the way of a message, not the rate of a tenant.
        sandbox.set(|switches| switches.rate = None);
        for number in 0..mail::KNOWN {
            let name = format!("Person {number}");
            sandbox.add_user(json!({"name": name, "emailaddress": mail::known(number), "site_id": 21}));
        }
        let sink = self.runtime.block_on(SmtpSink::start()).expect("a free port");
        Place {
            user,
            folder,
            sandbox,
            sink,
        }
    }

    /// The program under test with these arguments.
    pub fn halo_intake(&self, place: &Place, arguments: &[&str]) -> Command {
        let path = place.folder.join("halo-intake.toml");
        fs::write(&path, self.configuration(place)).expect("our own folder");
        let words = fs::File::create(place.folder.join("stderr")).expect("our own folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env(
                "HALO_INTAKE_LOG",
                std::env::var("HALO_INTAKE_LOG").unwrap_or_else(|_| "info".to_owned()),
            )
            .arg("--config")
            .arg(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        command
    }

    fn configuration(&self, place: &Place) -> String {
        format!(
            r#"
state_dir = {state:?}

[mailbox.support]
host = "localhost"
port = {port}
tls = "implicit"
ca_file = {ca:?}
username = "{user}"
password = "{PASSWORD}"
addresses = ["support@desk.example"]
backlog = "process"
settle.completed = {{ move_to = "Processed" }}

[halo.main]
url = "{url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
rate = "1000000 per 1m"

[smtp]
host = "127.0.0.1"
port = {smtp_port}
tls = "none"

[report]
to = ["ops@desk.example"]
{RULES}"#,
            state = place.folder.join("state"),
            port = self.dovecot.imaps_port,
            ca = self.dovecot.ca_pem,
            user = place.user,
            url = place.sandbox.url().as_str().trim_end_matches('/'),
            client_id = place.sandbox.client_id(),
            client_secret = place.sandbox.client_secret(),
            smtp_port = place.sink.address().port(),
        )
    }

    /// `mbsync` as it pulls the mailbox into a Maildir.
    pub fn mbsync(&self, place: &Place, fsync: bool) -> Command {
        let path = place.folder.join("mbsyncrc");
        let text = format!(
            "FSync {fsync}\nIMAPAccount desk\nHost localhost\nPort {port}\nUser {user}\nPass {PASSWORD}\nAuthMechs LOGIN\n\
             SSLType IMAPS\nSystemCertificates no\nCertificateFile {ca}\n\n\
             IMAPStore far\nAccount desk\n\nMaildirStore near\nPath {near}/\nInbox {near}/INBOX\n\n\
             Channel all\nFar :far:\nNear :near:\nSync Pull\nCreate Near\nSyncState *\n",
            fsync = if fsync { "yes" } else { "no" },
            port = self.dovecot.imaps_port,
            user = place.user,
            ca = self.dovecot.ca_pem.display(),
            near = place.folder.join("Maildir").display(),
        );
        fs::write(&path, text).expect("our own folder");
        let words = fs::File::create(place.folder.join("stderr")).expect("our own folder");
        let mut command = Command::new("mbsync");
        command
            .arg("-q")
            .arg("-c")
            .arg(path)
            .arg("all")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        command
    }

    /// That everything was taken, once: the journal, the mailbox and Halo agree.
    pub fn check_halo_intake(&self, place: &Place) {
        let log = self
            .halo_intake(place, &["log", "--limit", "all", "--format", "json"])
            .stdout(Stdio::piped())
            .output();
        let log = String::from_utf8(log.expect("our own program").stdout).expect("JSON");
        let completed = log
            .lines()
            .filter(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"] == "completed");
        assert_eq!(
            completed.count(),
            self.messages,
            "outcomes in the journal, of {} rows",
            log.lines().count()
        );
        let maildir = self.dovecot.maildir(&place.user);
        assert_eq!(
            files(&maildir.join(".Processed")),
            self.messages,
            "messages in Processed"
        );
        assert_eq!(files(&maildir), 0, "messages left in INBOX");
        let users = place.sandbox.users();
        let mut addresses: Vec<&str> = users.iter().filter_map(|user| user["emailaddress"].as_str()).collect();
        addresses.retain(|address| address.starts_with("person") || address.starts_with("visitor"));
        let all = addresses.len();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), all, "a user was made twice");
        let strangers = addresses
            .iter()
            .filter(|address| address.starts_with("visitor"))
            .count();
        let wrote = (0..mail::UNKNOWN)
            .map(mail::unknown)
            .filter(|address| log.contains(&format!("\"{address}\"")));
        assert_eq!(strangers, wrote.count(), "users made of unknown senders");
    }

    /// That it has everything.
    pub fn check_mbsync(&self, place: &Place) {
        assert_eq!(
            files(&place.folder.join("Maildir/INBOX")),
            self.messages,
            "messages that mbsync has"
        );
    }

    /// What a program said, for where it did not end well.
    pub fn words(&self, place: &Place) -> String {
        fs::read_to_string(place.folder.join("stderr")).unwrap_or_default()
    }

    /// Ends a place: the next run shall not have to share the disk's cache with it.
    pub fn leave(&self, place: Place) {
        let _ = fs::remove_dir_all(&place.folder);
        let _ = fs::remove_dir_all(self.dovecot.maildir(&place.user));
        self.runtime.block_on(place.sandbox.stop());
    }
}

/// The account of this run.
pub fn user(run: usize) -> String {
    format!("run{run}@desk.example")
}

/// The same files under their own names, and Dovecot's own files copied, so that UIDs and caches are alike.
fn copy_mailbox(from: &Path, to: &Path) {
    for folder in ["", "cur", "new", "tmp"] {
        let copy = to.join(folder);
        fs::create_dir_all(&copy).expect("Dovecot's folder");
        chown(&copy, Some(NOBODY), Some(NOBODY)).expect("the benchmark runs as root");
        for entry in fs::read_dir(from.join(folder)).expect("Dovecot's folder") {
            let entry = entry.expect("Dovecot's folder");
            let copied = copy.join(entry.file_name());
            let is_file = entry.file_type().expect("Dovecot's folder").is_file();
            if is_file && folder.is_empty() {
                fs::copy(entry.path(), &copied).expect("room for a copy");
                chown(&copied, Some(NOBODY), Some(NOBODY)).expect("the benchmark runs as root");
            } else if is_file {
                fs::hard_link(entry.path(), &copied).expect("one file system");
            }
        }
    }
    let home = to.parent().expect("a Maildir has a home");
    chown(home, Some(NOBODY), Some(NOBODY)).expect("the benchmark runs as root");
}

/// How many messages lie in a Maildir.
fn files(maildir: &Path) -> usize {
    ["cur", "new"]
        .iter()
        .filter_map(|part| fs::read_dir(maildir.join(part)).ok())
        .map(Iterator::count)
        .sum()
}
