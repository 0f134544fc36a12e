//! A digest on its way out, and what becomes of one that nobody takes.

use std::{path::Path, sync::Arc};

use super::*;
use crate::{
    clock::Clock,
    generation::Generation,
    journal::{Opening, sqlite::Sqlite},
    pipeline::outbox,
    sandbox::smtp_sink::SmtpSink,
};

/// A world whose reports go to this sink, as soon as there is something to tell.
fn world(folder: &Path, sink: &SmtpSink) -> World {
    let path = folder.join("halo-intake.toml");
    let text = format!(
        "state_dir = {folder:?}\n[mailbox.support]\ntype = \"maildir\"\npath = {folder:?}\n[smtp]\nhost = \"127.0.0.1\"\n\
         port = {}\ntls = \"none\"\n[report]\nto = [\"ops@desk.example\"]\nevery = \"1ms\"\n[[rule]]\nname = \"r\"\n\
         [[rule.action]]\ntype = \"stop\"\n",
        sink.address().port()
    );
    std::fs::write(&path, text).unwrap();
    let (generation, _) = Generation::load(&path, &[]).unwrap();
    let journal = Arc::new(Sqlite::open(folder, Clock::system(), Opening::Alone).unwrap());
    World::new(journal, Clock::system(), generation, "desk.example".to_owned()).unwrap()
}

async fn waiting(world: &World) -> usize {
    world.journal.letters(Way::Mail, 10, None).await.unwrap().len()
}

#[tokio::test]
async fn a_report_that_is_refused_is_a_trouble_and_is_not_made_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let sink = SmtpSink::start().await.unwrap();
    let world = world(folder.path(), &sink);
    let refusal = ("ops@desk.example".to_owned(), "550 5.7.1 not from here".to_owned());
    sink.switch(|switches| switches.rcpt = Some(refusal));
    note(&world, "connection main".to_owned(), "it is down".to_owned()).await;
    pass(&world, false).await.unwrap();
    assert_eq!(waiting(&world).await, 1);
    outbox::pass(&world, &world.stop, None).await.unwrap();
    let (thing, trouble) = world.state.troubles().remove(0);
    assert_eq!((thing, trouble.sort), (Thing::Report, Sort::Hampered));
    assert!(trouble.reason.contains("550 5.7.1 not from here"), "{}", trouble.reason);
    pass(&world, false).await.unwrap();
    assert_eq!(waiting(&world).await, 0, "nobody has changed anything yet");

    // What it told leaves with the next one, asked for here as `run --once` does.
    sink.switch(|switches| switches.rcpt = None);
    pass(&world, true).await.unwrap();
    outbox::pass(&world, &world.stop, None).await.unwrap();
    let commands = sink.commands();
    assert_eq!(
        commands.last().map(String::as_str),
        Some("QUIT"),
        "it says farewell: {commands:?}"
    );
    let mail = String::from_utf8(sink.mails().remove(0).octets).unwrap();
    assert!(mail.contains("it is down"), "{mail}");
    assert!(world.state.troubles().is_empty());
}

/// Ten thousand notices cost a moment, and become one report that can be read.
#[tokio::test]
async fn a_flood_of_failures_becomes_one_small_report() {
    let folder = tempfile::tempdir().unwrap();
    let sink = SmtpSink::start().await.unwrap();
    let world = world(folder.path(), &sink);
    let noticed = (1..=10_000).map(|id| {
        world.journal.write(Change::Noticed(Notice {
            entry: Some(EntryId(id)),
            topic: "failed".to_owned(),
            text: "gave_up: Halo answers 503".to_owned(),
            at: world.clock.now(),
        }))
    });
    for written in futures_util::future::join_all(noticed).await {
        written.unwrap();
    }
    let began = std::time::Instant::now();
    pass(&world, false).await.unwrap();
    println!("a report of 10,000 notices in {} ms", began.elapsed().as_millis());
    outbox::pass(&world, &world.stop, None).await.unwrap();
    let mails = sink.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].octets.len() < 50_000, "{} octets", mails[0].octets.len());
    assert!(world.journal.notices(Way::Mail).await.unwrap().is_empty());
}
