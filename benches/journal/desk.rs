//! A journal of our own, and a configuration to start the program on it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use halo_intake::{
    journal::{Journal, Ledger},
    sandbox::Sandbox,
};
use jiff::Timestamp;
use tokio::runtime::Runtime;

use crate::fill;

const RULE: &str = r#"
[[rule]]
name = "Mail of people"
when = "not email.automatic and not email.junk"
action = [{ type = "set", value = "{{ email.from.display }}", store_as = "who" }]
"#;

/// A fifth of all messages came into it, as files.
pub const MAILDIR: &str = "sales";

pub struct Desk {
    pub messages: usize,
    pub state: PathBuf,
    pub config: PathBuf,
    folder: PathBuf,
    delivered: AtomicUsize,
}

impl Desk {
    /// With a copy of the journal of that size, in which nothing waits.
    pub fn with(messages: usize, sandbox: &Sandbox, runtime: &Runtime) -> Desk {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("journal-{messages}"));
        let state = folder.join("state");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&state).unwrap();
        copy(&fill::journal(messages), &state);
        fill_the_maildir(&state);
        runtime.block_on(end_what_waits(&fill::open(&state)));
        let desk = Desk {
            messages,
            config: folder.join("halo-intake.toml"),
            state,
            folder,
            delivered: AtomicUsize::new(0),
        };
        desk.configure(sandbox);
        desk
    }

    fn configure(&self, sandbox: &Sandbox) {
        let mut text = format!(
            "state_dir = {:?}\n[halo.main]\nurl = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\n{RULE}",
            self.state,
            sandbox.url().as_str().trim_end_matches('/'),
            sandbox.client_id(),
            sandbox.client_secret()
        );
        for name in fill::mailboxes() {
            let path = self.maildir(&name);
            for part in ["new", "cur", "tmp"] {
                fs::create_dir_all(path.join(part)).unwrap();
            }
            text += &format!("[mailbox.{name}]\ntype = \"maildir\"\npath = {path:?}\nbacklog = \"skip\"\n");
        }
        fs::write(&self.config, text).unwrap();
    }

    fn maildir(&self, mailbox: &str) -> PathBuf {
        self.folder.join("mail").join(mailbox)
    }

    /// Puts one new message into a mailbox and takes those away that lie there.
    pub fn deliver(&self) {
        let maildir = self.maildir("support");
        for part in ["new", "cur"] {
            for file in fs::read_dir(maildir.join(part)).unwrap() {
                fs::remove_file(file.unwrap().path()).unwrap();
            }
        }
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        let text = format!(
            "Return-Path: <ann@customer.example>\r\nFrom: ann@customer.example\r\nTo: support@desk.example\r\n\
             Subject: The printer\r\nMessage-ID: <{number}.start@customer.example>\r\n\r\nIt does not print.\r\n"
        );
        fs::write(maildir.join(format!("new/{number}.start")), text).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_string_lossy().starts_with("journal.db") {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

fn fill_the_maildir(state: &Path) {
    let path = state.join("journal.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
        .unwrap();
    db.execute(
        "UPDATE entry SET folder = '', kind = 'file', validity = 0, name = internal_date / 1000000 || '.M' || id || 'P7.mx'
         WHERE mailbox = ?1",
        [MAILDIR],
    )
    .unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    // Else the first commit waits for all of it.
    File::open(path).unwrap().sync_all().unwrap();
}

async fn end_what_waits(journal: &Ledger) {
    loop {
        let work = journal.claim(100, Some(Timestamp::now())).await.unwrap();
        if work.is_empty() {
            return;
        }
        for work in work {
            let number = usize::try_from(work.claim.entry.0).unwrap();
            fill::end(journal, number, work.claim, work.attempt, true).await;
        }
    }
}
