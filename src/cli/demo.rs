//! `demo`: the main job on embedded parts alone: the sandbox as Halo, a Maildir of sample messages, an SMTP sink.

use std::{io::Write, net::SocketAddr, path::Path, sync::Arc};

use comfy_table::Cell;

use super::{Common, Ended, Failure, Format, Status, hostname, log, print, runtime};
use crate::{
    clock::Clock,
    daemon::once,
    generation::Generation,
    journal::{self, Journal, Opening, RowFilter},
    pipeline::World,
    sandbox::{self, Sandbox, Start, smtp_sink::SmtpSink},
};

/// Runs the main job on embedded parts alone: nothing to configure, no network
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Keeps the folder with configuration, Maildir and journal, to look at afterwards
    #[arg(long)]
    keep: bool,
}

/// The sample messages, by the name of their file.
const MAILS: &[(&str, &str)] = &[
    ("01-known", include_str!("demo/01-known.eml")),
    (
        "02-new-at-a-known-client",
        include_str!("demo/02-new-at-a-known-client.eml"),
    ),
    (
        "03-the-same-sender-again",
        include_str!("demo/03-the-same-sender-again.eml"),
    ),
    (
        "04-new-at-one-of-its-sites",
        include_str!("demo/04-new-at-one-of-its-sites.eml"),
    ),
    ("05-freemail", include_str!("demo/05-freemail.eml")),
    ("06-out-of-office", include_str!("demo/06-out-of-office.eml")),
    ("07-no-author", include_str!("demo/07-no-author.eml")),
    ("08-copy", include_str!("demo/08-copy.eml")),
    ("09-agent", include_str!("demo/09-agent.eml")),
];

/// What is in a configuration for the demo; the addresses of its parts are put in.
const CONFIGURATION: &str = include_str!("demo/halo-intake.toml");

impl Demo {
    /// Runs everything once in a folder of its own, and tells what happened.
    pub fn perform(&self, common: &Common) -> Ended {
        common.begin_logging("error")?;
        let folder = Folder::create(self.keep)?;
        runtime()?.block_on(async {
            let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
            let start = Start {
                state: self.keep.then(|| folder.path.join("sandbox.json")),
                ..Start::default()
            };
            let sandbox = Sandbox::start_with(loopback, start).await?;
            let sink = SmtpSink::start().await?;
            let before = ids(&sandbox);
            let path = folder.furnish(&sandbox, &sink)?;
            writeln!(
                std::io::stdout(),
                "{} sample messages, an emulated Halo at {}, a mail sink at {}\n",
                MAILS.len(),
                sandbox.url(),
                sink.address()
            )?;

            let (generation, _) = Generation::load(&path, &[])?;
            let journal: Arc<dyn Journal> =
                Arc::new(journal::open(&generation.config, Clock::system(), Opening::Alone)?);
            let world = World::new(journal.clone(), Clock::system(), generation, hostname());
            let world = Arc::new(world.map_err(|text| Failure::new(Status::Broken, text))?);
            let bar = print::progress(&world);
            let left = once::run(&world).await?;
            drop(bar);

            let mut rows = journal.rows(RowFilter::default()).await?;
            rows.reverse();
            log::print(&rows, Format::Table)?;
            show_users(&sandbox, &before)?;
            show_mails(&sink)?;
            if self.keep {
                let (halo, mail) = (sandbox.url().clone(), sink.address().port());
                tell_how_to_go_on(&folder.path, &halo, mail)?;
            }
            sandbox.end().await.map_err(sandbox::Error::from)?;
            match left {
                once::Left::Nothing => Ok(Status::Done),
                other => Err(Failure::new(
                    Status::Broken,
                    format!("the demo left something undone: {other:?}"),
                )),
            }
        })
    }
}

fn ids(sandbox: &Sandbox) -> Vec<i64> {
    sandbox.users().iter().filter_map(|user| user["id"].as_i64()).collect()
}

fn show_users(sandbox: &Sandbox, before: &[i64]) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "\nThe users in the sandbox now:")?;
    let screen = print::Screen::of_stdout();
    let mut table = screen.table(&["ID", "USER", "ADDRESS", "CLIENT", "SITE", ""]);
    for user in sandbox.users() {
        let text = |name: &str| print::plain(user[name].as_str().unwrap_or_default());
        let id = user["id"].as_i64().unwrap_or_default();
        let new = if before.contains(&id) { "" } else { "new" };
        let row = [
            id.to_string(),
            text("name"),
            text("emailaddress"),
            text("client_name"),
            text("site_name"),
            new.to_owned(),
        ];
        screen.add(&mut table, row.map(Cell::new).into());
    }
    screen.cut(&mut table, &[false, true, false, true, true, false]);
    print::print_table(&table)
}

fn show_mails(sink: &SmtpSink) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "\nWhat left by SMTP:")?;
    for mail in sink.mails() {
        let subject = crate::message::Message::read(&mail.octets).subject;
        writeln!(
            out,
            "  from <{}> to {}: {}",
            mail.mail_from,
            mail.rcpt_to.join(", "),
            print::plain(&subject)
        )?;
    }
    Ok(())
}

/// What can be looked at without the servers, and how they come back.
fn tell_how_to_go_on(folder: &Path, halo: &url::Url, mail: u16) -> Result<(), Failure> {
    let folder = folder.display();
    let halo = format!("127.0.0.1:{}", halo.port().unwrap_or_default());
    let text = format!(
        "\nEverything is kept in {folder}. What became of the messages can be asked at any time:\n\n  \
         export HALO_INTAKE_CONFIG={folder}/halo-intake.toml\n  halo-intake log\n  halo-intake show 2\n\n\
         The emulated Halo and the mail sink end with the demo. In another terminal this starts them again, with the\n\
         users that were made; then the rest works as well, with new messages in {folder}/Maildir/new:\n\n  \
         halo-intake sandbox --listen {halo} --mail {mail} --state {folder}/sandbox.json\n  halo-intake run --once\n"
    );
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// The demo's folder; gone with the demo unless it is to be kept.
struct Folder {
    path: std::path::PathBuf,
    keep: bool,
}

impl Folder {
    fn create(keep: bool) -> Result<Folder, Failure> {
        let path = std::env::temp_dir().join(format!(
            "halo-intake-demo.{}.{:08x}",
            std::process::id(),
            fastrand::u32(..)
        ));
        std::fs::create_dir(&path)?;
        Ok(Folder { path, keep })
    }

    /// Writes messages and configuration; gives the configuration's path.
    fn furnish(&self, sandbox: &Sandbox, sink: &SmtpSink) -> Result<std::path::PathBuf, Failure> {
        let mailbox = self.path.join("Maildir");
        ["new", "cur", "tmp"]
            .iter()
            .try_for_each(|part| std::fs::create_dir_all(mailbox.join(part)))?;
        for (name, text) in MAILS {
            std::fs::write(
                mailbox.join("new").join(name),
                text.replace("\r\n", "\n").replace('\n', "\r\n"),
            )?;
        }
        let quoted = |path: &Path| path.display().to_string();
        let configuration = CONFIGURATION
            .replace("@STATE@", &quoted(&self.path.join("state")))
            .replace("@MAILDIR@", &quoted(&mailbox))
            .replace("@HALO@", sandbox.url().as_str().trim_end_matches('/'))
            .replace("@CLIENT_ID@", sandbox.client_id())
            .replace("@CLIENT_SECRET@", sandbox.client_secret())
            .replace("@SMTP_PORT@", &sink.address().port().to_string());
        let path = self.path.join("halo-intake.toml");
        std::fs::write(&path, configuration)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing can be done about a folder that will not go, and the demo is over.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
