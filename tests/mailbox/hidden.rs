//! Dovecot and Cyrus with extensions that they do not offer, and behind a line that refuses what belongs to them: what is
//! not offered is not asked for, and the mailbox is served all the same.

use std::time::Duration;

use halo_intake::mailbox::Woke;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::servers::{cyrus::Cyrus, raw::Raw, refusing::Refusing};

/// What Dovecot offers that any of this is about.
const ALL: [&str; 5] = ["MOVE", "UIDPLUS", "IDLE", "CONDSTORE", "SPECIAL-USE"];

/// What belongs to an extension, as the line would see it.
fn commands(extension: &str) -> &'static [&'static str] {
    match extension {
        "MOVE" => &["MOVE", "UID MOVE"],
        "UIDPLUS" => &["UID EXPUNGE"],
        "IDLE" => &["IDLE"],
        "CONDSTORE" => &[
            "(CONDSTORE)",
            "CONDSTORE",
            "MODSEQ",
            "(MODSEQ)",
            "(CHANGEDSINCE",
            "(UNCHANGEDSINCE",
        ],
        "SPECIAL-USE" => &["(SPECIAL-USE)", "(USE"],
        other => panic!("what belongs to {other}?"),
    }
}

/// A server behind the line that refuses: its client and ours.
struct Server {
    line: Refusing,
    raw: Box<dyn Fn() -> Raw>,
    without: &'static [&'static str],
}

impl Server {
    fn lacks(&self, extension: &str) -> bool {
        self.without.contains(&extension)
    }

    fn config(&self) -> ImapConfig {
        ImapConfig {
            username: "ann".to_owned(),
            ..scripted(self.line.port)
        }
    }
}

fn refusing(port: u16, without: &'static [&'static str]) -> Refusing {
    let mut unknown: Vec<&'static str> = without
        .iter()
        .flat_map(|extension| commands(extension))
        .copied()
        .collect();
    // Never: they expunge what others have marked.
    unknown.extend(["CLOSE"]);
    Refusing::to(port, unknown)
}

fn dovecot(without: &'static [&'static str]) -> Server {
    let offered = ALL.iter().filter(|extension| !without.contains(extension));
    let offered: Vec<&str> = ["IMAP4rev1", "LITERAL+", "NAMESPACE", "ENABLE"]
        .iter()
        .chain(offered)
        .copied()
        .collect();
    let options = dovecot::Options {
        capability: Some(offered.join(" ").leak()),
        ..dovecot::Options::default()
    };
    let server = Dovecot::start_with(&options);
    server.add_user("ann");
    Server {
        line: refusing(server.imap_port, without),
        raw: Box::new(move || server.raw("ann")),
        without,
    }
}

fn cyrus(without: &'static [&'static str]) -> Server {
    let server = Cyrus::start(&["ann"], &without.join(" "));
    Server {
        line: refusing(server.imap_port, without),
        raw: Box::new(move || server.raw("ann")),
        without,
    }
}

fn lies(server: &Server, folder: &str) -> Vec<(usize, String)> {
    let number = |octets: &[u8]| (1..10).find(|number| message(*number) == octets).unwrap();
    let kept = (server.raw)().folder(folder);
    kept.iter()
        .map(|kept| (number(&kept.octets), kept.flags.join(" ")))
        .collect()
}

fn lie(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected
        .iter()
        .map(|(number, flags)| (*number, (*flags).to_owned()))
        .collect()
}

async fn serves(server: &Server) {
    let mut raw = (server.raw)();
    (1..=4).for_each(|number| raw.append("INBOX", &message(number)));
    let mut mailbox = open(server.config()).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    assert_eq!(fetch(mailbox.as_mut(), &listed, false).await.len(), 4);
    let works = [
        (Settle::MoveTo("Done".to_owned()), &listed[..2]),
        (Settle::Seen, &listed[2..3]),
        (Settle::Delete, &listed[3..]),
    ];
    for (how, some) in &works {
        // Twice: what is done already stays done.
        for _ in 0..2 {
            let came = in_time(mailbox.settle(&spots(some), how)).await.unwrap();
            let is_done = |came: &Settling| matches!(came, Settling::Done(_) | Settling::Gone);
            assert!(came.iter().all(is_done), "{how:?}: {came:?}");
        }
    }
    assert_eq!(lies(server, "Done"), lie(&[(1, ""), (2, "")]));
    let marked = "$HaloIntakeMoved \\Deleted";
    let expected: &[(usize, &str)] = match (server.lacks("MOVE"), server.lacks("UIDPLUS")) {
        (_, false) => &[(3, "\\Seen")],
        (false, true) => &[(3, "\\Seen"), (4, "\\Deleted")],
        (true, true) => &[(1, marked), (2, marked), (3, "\\Seen"), (4, "\\Deleted")],
    };
    assert_eq!(lies(server, "INBOX"), lie(expected));
    hears_of_news(server, mailbox.as_mut()).await;
}

/// By IDLE at once, without it when the time is up.
async fn hears_of_news(server: &Server, mailbox: &mut dyn Mailbox) {
    let before = list(mailbox).await.len();
    let (within, expected) = if server.lacks("IDLE") {
        (Duration::from_millis(100), Woke::Deadline)
    } else {
        (DEADLINE, Woke::News)
    };
    let stop = CancellationToken::new();
    let deliver = async {
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| (server.raw)().append("INBOX", &message(7)));
    };
    let until = Instant::now() + within;
    let (woke, ()) = in_time(async { tokio::join!(mailbox.wait(true, until, &stop), deliver) }).await;
    assert_eq!(woke.unwrap(), expected);
    assert_eq!(list(mailbox).await.len(), before + 1);
}

/// `check --online` names what is lacking and matters for these settings.
async fn tells(server: &Server) {
    let settle = BTreeMap::from([
        (Outcome::Completed, Settle::MoveTo("Done".to_owned())),
        (Outcome::Failed, Settle::Delete),
    ]);
    let config = MailboxConfig {
        settle,
        ..watched(MailboxSource::Imap(server.config()))
    };
    let inspected = in_time(mailbox::inspect(&name(), &config, &nobody())).await.unwrap();
    let told = |line: &String| {
        Some(
            line.strip_prefix("the server does not offer ")?
                .split_once(':')?
                .0
                .to_owned(),
        )
    };
    let mut told: Vec<String> = inspected.lines.iter().filter_map(told).collect();
    told.sort();
    let mut lacking: Vec<&str> = server.without.to_vec();
    lacking.retain(|extension| ["IDLE", "MOVE", "UIDPLUS"].contains(extension));
    lacking.sort_unstable();
    assert_eq!(told, lacking, "{:#?}", inspected.lines);
}

async fn obeys(server: Server) {
    serves(&server).await;
    tells(&server).await;
    assert_eq!(server.line.refused(), [""; 0], "without {:?}", server.without);
}

const ONE_BY_ONE: [&[&str]; 6] = [
    &["MOVE"],
    &["UIDPLUS"],
    &["IDLE"],
    &["CONDSTORE"],
    &["SPECIAL-USE"],
    &[],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dovecot_is_served_without_any_one_of_its_extensions() {
    for without in ONE_BY_ONE {
        obeys(dovecot(without)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dovecot_is_served_without_all_of_its_extensions() {
    obeys(dovecot(&ALL)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cyrus_is_served_without_any_one_of_its_extensions() {
    for without in ONE_BY_ONE {
        obeys(cyrus(without)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cyrus_is_served_without_all_of_its_extensions() {
    obeys(cyrus(&ALL)).await;
}

/// What is offered and refused all the same is done another way where there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_server_offers_and_refuses_is_done_without() {
    let server = dovecot(&[]);
    let line = Refusing::to(server.line.port, vec!["UID MOVE", "IDLE"]);
    let server = Server {
        line,
        without: &["IDLE"],
        ..server
    };
    serves(&server).await;
    let refused = server.line.refused();
    assert!(
        refused.iter().any(|command| command.starts_with("UID MOVE")),
        "{refused:?}"
    );
    assert!(refused.iter().any(|command| command == "IDLE"), "{refused:?}");
}
