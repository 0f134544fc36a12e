//! Where the programs work: one Dovecot with a mailbox for each run, the emulated Halo, a folder for what they keep.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use halo_intake::sandbox::{Sandbox, smtp_sink::SmtpSink};
use serde_json::json;

use crate::{
    mail::{self, Post},
    servers::{
        child::NOBODY,
        dovecot::{Dovecot, Options},
    },
};

/// So much mail is held at once while a mailbox is filled.
const DELIVERED_AT_ONCE: usize = 16 << 20;
/// Runs, and mailboxes that they get copies of. All are there before the first sign-in, since Dovecot looks at its users
/// file once a second at most.
const ACCOUNTS: usize = 500;

/// The servers of many runs.
pub struct Desk {
    dovecot: Dovecot,
    accounts: Cell<usize>,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

/// A mailbox that runs get copies of.
pub struct Mailbox {
    pub messages: usize,
    pub octets: u64,
    pub largest: usize,
    /// Whom Halo does not know.
    pub strangers: BTreeSet<String>,
    maildir: PathBuf,
}

/// A run's own mailbox, Halo and folder.
pub struct Place {
    pub user: String,
    /// Where IMAP over TLS is spoken: Dovecot's own, or that of a line to it.
    pub port: u16,
    pub ca_pem: PathBuf,
    /// Where Dovecot keeps the mailbox.
    pub maildir: PathBuf,
    pub folder: PathBuf,
    pub sandbox: Sandbox,
    pub sink: SmtpSink,
}

impl Desk {
    /// Mail and what the programs keep lie below this folder.
    pub fn new(root: &Path) -> Desk {
        let dovecot = Dovecot::start_with(&Options {
            root: root.to_owned(),
            ..Options::default()
        });
        (0..ACCOUNTS).for_each(|number| dovecot.add_user(&account(number)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let folder = tempfile::Builder::new()
            .prefix("hi-bench-")
            // One of the programs does not work as root.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(root);
        Desk {
            dovecot,
            accounts: Cell::new(0),
            folder: folder.expect("a folder of our own"),
            runtime: runtime.expect("a runtime"),
        }
    }

    pub fn port(&self) -> u16 {
        self.dovecot.imaps_port
    }

    pub fn fill(&self, post: &Post) -> Mailbox {
        let user = self.next_account();
        let mut mailbox = Mailbox {
            messages: post.messages,
            octets: 0,
            largest: 0,
            strangers: BTreeSet::new(),
            maildir: self.dovecot.maildir(&user),
        };
        let (mut some, mut held) = (Vec::new(), 0);
        for number in 0..post.messages {
            let message = post.message(number);
            if message.author.starts_with(mail::STRANGER) {
                mailbox.strangers.insert(message.author);
            }
            mailbox.octets += u64::try_from(message.octets.len()).unwrap();
            mailbox.largest = mailbox.largest.max(message.octets.len());
            held += message.octets.len();
            some.push(message.octets);
            if held > DELIVERED_AT_ONCE || number + 1 == post.messages {
                self.dovecot.deliver_all(&user, "INBOX", "", &std::mem::take(&mut some));
                held = 0;
            }
        }
        mailbox
    }

    /// A place for a run, with a mailbox like this one, reached by this port.
    pub fn place(&self, mailbox: &Mailbox, port: u16) -> Place {
        let place = self.empty_place(port);
        copy_mailbox(&mailbox.maildir, &place.maildir);
        place
    }

    /// A place whose mailbox holds nothing.
    pub fn empty_place(&self, port: u16) -> Place {
        let user = self.next_account();
        let folder = self.folder.path().join(&user);
        fs::create_dir_all(folder.join("Maildir")).expect("a folder of our own");
        let sandbox = self.runtime.block_on(Sandbox::start(([127, 0, 0, 1], 0).into()));
        let sandbox = sandbox.expect("a free port");
        // What is measured is the way of a message, not the rate of a tenant.
        sandbox.set(|switches| switches.rate = None);
        for number in 0..mail::KNOWN {
            let name = format!("Person {number}");
            sandbox.add_user(json!({"name": name, "emailaddress": mail::known(number), "site_id": 21}));
        }
        Place {
            port,
            ca_pem: self.dovecot.ca_pem.clone(),
            maildir: self.dovecot.maildir(&user),
            user,
            folder,
            sandbox,
            sink: self.runtime.block_on(SmtpSink::start()).expect("a free port"),
        }
    }

    /// Ends a place: the next run shall not have to share the disk's cache with it.
    pub fn leave(&self, place: Place) {
        let _ = fs::remove_dir_all(&place.folder);
        let _ = fs::remove_dir_all(&place.maildir);
        self.runtime.block_on(place.sandbox.stop());
    }

    /// No account is used twice.
    fn next_account(&self) -> String {
        let number = self.accounts.replace(self.accounts.get() + 1);
        assert!(
            number < ACCOUNTS,
            "more runs than Dovecot has accounts here: fewer rounds"
        );
        account(number)
    }
}

fn account(number: usize) -> String {
    format!("desk{number}@desk.example")
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
