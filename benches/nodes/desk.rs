//! Where the nodes work: one Dovecot, one PostgreSQL, the emulated Halo, and mail for eight mailboxes.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use halo_intake::sandbox::Sandbox;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    mail::{self, Post},
    servers::{
        child::NOBODY,
        dovecot::{Dovecot, PASSWORD},
        postgres::Postgres,
    },
};

pub const MAILBOXES: usize = 8;
/// More runs have no accounts.
const RUNS: usize = 60;
/// Whose statements are counted.
pub const ROLE: &str = "desk";

/// As a server has them that was only installed; the journal's statements are counted.
const SETTINGS: &[&str] = &[
    "fsync=on",
    "full_page_writes=on",
    "shared_buffers=128MB",
    "shared_preload_libraries=pg_stat_statements",
];

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

/// The servers of all runs.
pub struct Desk {
    pub messages: usize,
    pub server: Postgres,
    dovecot: Dovecot,
    runtime: Runtime,
    folder: tempfile::TempDir,
    runs: AtomicUsize,
}

/// A run's own mailboxes, journal, Halo and folder.
pub struct Place {
    pub folder: PathBuf,
    pub schema: String,
    sandbox: Sandbox,
    run: usize,
}

impl Place {
    pub fn words(&self, node: usize) -> PathBuf {
        self.folder.join(format!("{node}.words"))
    }

    pub fn state(&self, node: usize) -> String {
        self.folder.join(format!("state{node}")).to_string_lossy().into_owned()
    }

    /// Of the journal, by this port.
    pub fn address(&self, port: u16) -> String {
        let schema = &self.schema;
        format!("postgres://{ROLE}@127.0.0.1:{port}/postgres?options=-csearch_path%3D{schema}")
    }
}

impl Desk {
    pub fn new(messages: usize) -> Desk {
        let dovecot = Dovecot::start();
        let accounts: Vec<String> = (0..=RUNS)
            .flat_map(|run| (0..MAILBOXES).map(move |mailbox| account(run, mailbox)))
            .collect();
        accounts.iter().for_each(|account| dovecot.add_user(account));
        let server = Postgres::start_with(SETTINGS);
        let made = server.psql(&format!(
            "CREATE EXTENSION pg_stat_statements; CREATE ROLE {ROLE} LOGIN"
        ));
        made.expect("PostgreSQL's own extension, in the package postgresql");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let desk = Desk {
            messages,
            server,
            dovecot,
            runtime: runtime.unwrap(),
            folder: tempfile::Builder::new().prefix("hi-bench-").tempdir().unwrap(),
            runs: AtomicUsize::new(0),
        };
        desk.fill();
        desk
    }

    /// The accounts of run 0 get what all others get copies of.
    fn fill(&self) {
        let post = Post::of_real_life(self.messages);
        for mailbox in 0..MAILBOXES {
            for numbers in (mailbox..self.messages)
                .step_by(MAILBOXES)
                .collect::<Vec<_>>()
                .chunks(50)
            {
                let some: Vec<Vec<u8>> = numbers.iter().map(|number| post.message(*number).octets).collect();
                self.dovecot.deliver_all(&account(0, mailbox), "INBOX", "", &some);
            }
        }
    }

    pub fn place(&self) -> Place {
        let run = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(run <= RUNS, "more runs than there are accounts: fewer rounds");
        let sandbox = self
            .runtime
            .block_on(Sandbox::start(([127, 0, 0, 1], 0).into()))
            .unwrap();
        sandbox.set(|switches| switches.rate = None);
        for number in 0..mail::KNOWN {
            let name = format!("Person {number}");
            sandbox.add_user(json!({"name": name, "emailaddress": mail::known(number), "site_id": 21}));
        }
        let (folder, schema) = (self.folder.path().join(run.to_string()), format!("run{run}"));
        fs::create_dir_all(&folder).unwrap();
        self.server
            .psql(&format!("CREATE SCHEMA {schema} AUTHORIZATION {ROLE}"))
            .unwrap();
        Place {
            folder,
            schema,
            sandbox,
            run,
        }
    }

    pub fn configuration(&self, place: &Place, journal: &str) -> String {
        let journal = match journal {
            "" => format!("state_dir = {:?}", place.state(0)),
            journal => journal.to_owned(),
        };
        let mut text = format!(
            "{journal}\n\n[halo.main]\nurl = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\nrate = \"1000000 per 1m\"\n",
            place.sandbox.url().as_str().trim_end_matches('/'),
            place.sandbox.client_id(),
            place.sandbox.client_secret(),
        );
        for mailbox in 0..MAILBOXES {
            text += &format!(
                "\n[mailbox.m{mailbox}]\nhost = \"localhost\"\nport = {}\nca_file = {:?}\nusername = \"{}\"\n\
                 password = \"{PASSWORD}\"\naddresses = [\"support@desk.example\"]\nbacklog = \"process\"\n\
                 settle.completed = {{ move_to = \"Processed\" }}\n",
                self.dovecot.imaps_port,
                self.dovecot.ca_pem,
                account(place.run, mailbox),
            );
        }
        text + RULES
    }

    /// All of the mail at once.
    pub fn deliver(&self, place: &Place) {
        for mailbox in 0..MAILBOXES {
            let [from, to] = [0, place.run].map(|run| self.dovecot.maildir(&account(run, mailbox)));
            for part in ["new", "cur"] {
                link(&from.join(part), &to.join("new"));
            }
        }
    }

    /// What a statement says in a run's schema.
    pub fn ask(&self, place: &Place, sql: &str) -> String {
        let sql = format!("SET search_path = {}; {sql}", place.schema);
        self.server.psql(&sql).unwrap_or_default()
    }

    /// Ends a place: the next run shall not have to share the disk with it.
    pub fn leave(&self, place: Place) {
        self.server
            .psql(&format!("DROP SCHEMA {} CASCADE; CHECKPOINT", place.schema))
            .unwrap();
        let _ = fs::remove_dir_all(&place.folder);
        for mailbox in 0..MAILBOXES {
            let _ = fs::remove_dir_all(self.dovecot.maildir(&account(place.run, mailbox)));
        }
        self.runtime.block_on(place.sandbox.stop());
    }
}

fn account(run: usize, mailbox: usize) -> String {
    format!("r{run}m{mailbox}@desk.example")
}

/// The same files, as new ones.
fn link(from: &Path, to: &Path) {
    for file in fs::read_dir(from).into_iter().flatten() {
        let file = file.unwrap();
        let name = file.file_name().to_string_lossy().into_owned();
        let new = to.join(name.split(':').next().unwrap());
        fs::hard_link(file.path(), &new).unwrap();
        chown(&new, Some(NOBODY), Some(NOBODY)).expect("the benchmark runs as root");
    }
}
