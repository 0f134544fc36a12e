//! The servers that people have, besides Dovecot: Cyrus, which can all that we ask for, and Courier, which can not move.

use std::time::Duration;

use halo_intake::mailbox::Woke;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::servers::{courier::Courier, cyrus::Cyrus, raw::Raw};

/// A server with the accounts `ann` and `bob`, as a story sees it.
struct Server {
    config: ImapConfig,
    raw: Box<dyn Fn(&str) -> Raw>,
    /// What it calls a folder that we call `Done/Früher 2026`.
    done: &'static str,
    /// How a message comes to be there.
    moved: &'static str,
}

fn config(imaps_port: u16, ca_pem: &std::path::Path) -> ImapConfig {
    ImapConfig {
        host: "localhost".to_owned(),
        port: imaps_port,
        tls: Tls::Implicit,
        ca_file: Some(ca_pem.to_owned()),
        ..scripted(0)
    }
}

fn cyrus(hidden: &str) -> Server {
    let cyrus = Cyrus::start(&["ann", "bob"], hidden);
    Server {
        config: config(cyrus.imaps_port, &cyrus.ca_pem),
        raw: Box::new(move |account| cyrus.raw(account)),
        done: "Done/Fr&APw-her 2026",
        moved: "moved to Done/Früher 2026",
    }
}

fn courier() -> Server {
    let courier = Courier::start(&["ann", "bob"]);
    Server {
        config: config(courier.imaps_port, &courier.ca_pem),
        raw: Box::new(move |account| courier.raw(account)),
        done: "INBOX.Done.Fr&APw-her 2026",
        moved: "moved to Done/Früher 2026 (copied and expunged)",
    }
}

fn numbers(server: &Server, folder: &str) -> Vec<usize> {
    let number = |octets: &[u8]| (1..10).find(|number| message(*number) == octets).unwrap();
    let kept = (server.raw)("ann").folder(folder);
    kept.iter().map(|kept| number(&kept.octets)).collect()
}

fn flags(server: &Server, folder: &str) -> Vec<String> {
    let kept = (server.raw)("ann").folder(folder);
    kept.iter().map(|kept| kept.flags.join(" ")).collect()
}

/// What every server is to do: messages come as they are and stay unseen, and end where the outcome puts them, once.
async fn serves(server: &Server) {
    let mut raw = (server.raw)("ann");
    (1..=4).for_each(|number| raw.append("INBOX", &message(number)));
    let mut mailbox = open(server.config.clone()).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    let fetched = fetch(mailbox.as_mut(), &listed, false).await;
    let octets: Vec<Vec<u8>> = fetched.iter().map(|fetched| fetched.octets.to_vec()).collect();
    assert_eq!(octets, [message(1), message(2), message(3), message(4)]);
    assert_eq!(flags(server, "INBOX"), ["", "", "", ""], "fetching leaves them unseen");

    let move_to = Settle::MoveTo("Done/Früher 2026".to_owned());
    // Twice: what is done already stays done.
    for expected in [Settling::Done(Settled::leaving(server.moved)), Settling::Gone] {
        let came = in_time(mailbox.settle(&spots(&listed[..2]), &move_to)).await.unwrap();
        assert_eq!(shown(came), vec![expected; 2]);
    }
    assert_eq!(numbers(server, server.done), [1, 2]);
    assert_eq!(flags(server, server.done), ["", ""]);
    assert!(
        raw.subscribed().iter().any(|name| name == server.done),
        "{:?}",
        raw.subscribed()
    );

    in_time(mailbox.settle(&spots(&listed[2..3]), &Settle::Seen))
        .await
        .unwrap();
    for expected in [Settling::Done(Settled::leaving("deleted")), Settling::Gone] {
        let came = in_time(mailbox.settle(&spots(&listed[3..]), &Settle::Delete))
            .await
            .unwrap();
        assert_eq!(came, [expected]);
    }
    assert_eq!(
        (numbers(server, "INBOX"), flags(server, "INBOX")),
        (vec![3], vec!["\\Seen".to_owned()])
    );
}

/// A delivery is noticed within this time; a poll would come later.
const NEWS_WITHIN: Duration = Duration::from_secs(10);

async fn notices(server: &Server) {
    let mut mailbox = open(server.config.clone()).await.unwrap();
    in_time(mailbox.select()).await.unwrap();
    let stop = CancellationToken::new();
    let deliver = async {
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| (server.raw)("ann").append("INBOX", &message(7)));
    };
    let until = Instant::now() + NEWS_WITHIN;
    let (woke, ()) = in_time(async { tokio::join!(mailbox.wait(true, until, &stop), deliver) }).await;
    assert_eq!(woke.unwrap(), Woke::News);
    assert!(!list(mailbox.as_mut()).await.is_empty());
}

async fn inspected(config: ImapConfig) -> Result<Vec<String>, MailboxError> {
    in_time(mailbox::inspect(
        &name(),
        &watched(MailboxSource::Imap(config)),
        &nobody(),
    ))
    .await
    .map(|found| found.lines.into_iter().chain(found.offers).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cyrus_serves_a_mailbox_with_all_that_it_can() {
    let server = cyrus("");
    serves(&server).await;
    notices(&server).await;
    let lines = inspected(server.config.clone()).await.unwrap();
    assert!(!lines.iter().any(|line| line.contains("does not offer")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("UTF8=ACCEPT")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cyrus_without_its_extensions_serves_a_mailbox_too() {
    let server = Server {
        moved: "moved to Done/Früher 2026 (copied and expunged)",
        ..cyrus("MOVE CONDSTORE QRESYNC SPECIAL-USE")
    };
    serves(&server).await;
    let server = cyrus("MOVE UIDPLUS");
    let lines = inspected(server.config.clone()).await.unwrap();
    let lacking: Vec<&String> = lines.iter().filter(|line| line.contains("does not offer")).collect();
    assert_eq!(lacking.len(), 2, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn courier_serves_a_mailbox_without_move() {
    let server = courier();
    serves(&server).await;
    notices(&server).await;
    let lines = inspected(server.config.clone()).await.unwrap();
    let lacking: Vec<&String> = lines.iter().filter(|line| line.contains("does not offer")).collect();
    assert!(lacking.len() == 1 && lacking[0].contains("MOVE"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_came_after_the_session_began_is_settled_by_it_on_every_server() {
    for server in [cyrus(""), cyrus("MOVE"), courier()] {
        let mut mailbox = open(server.config.clone()).await.unwrap();
        in_time(mailbox.select()).await.unwrap();
        (server.raw)("ann").append("INBOX", &message(1));
        let mut other = open(server.config.clone()).await.unwrap();
        let spots = spots(&list(other.as_mut()).await);
        let move_to = Settle::MoveTo("Done/Früher 2026".to_owned());
        in_time(mailbox.settle(&spots, &move_to)).await.unwrap();
        assert_eq!(
            (numbers(&server, "INBOX"), numbers(&server, server.done)),
            (vec![], vec![1])
        );
    }
}

/// Their own folders may have any name, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_watched_folder_may_have_letters_beyond_ascii_on_every_server() {
    let dovecot = |separator: char| {
        let server = Dovecot::start_with(&dovecot::Options {
            separator,
            ..dovecot::Options::default()
        });
        server.add_user("ann");
        Server {
            config: ImapConfig {
                username: "ann".to_owned(),
                ..imap(&server, "ann")
            },
            raw: Box::new(move |account| server.raw(account)),
            done: if separator == '/' {
                "B&APw-ro/&ZeVnLA-"
            } else {
                "B&APw-ro.&ZeVnLA-"
            },
            moved: "",
        }
    };
    let named = |server: Server, done: &'static str| Server { done, ..server };
    for server in [
        dovecot('/'),
        dovecot('.'),
        named(cyrus(""), "B&APw-ro/&ZeVnLA-"),
        named(courier(), "INBOX.B&APw-ro.&ZeVnLA-"),
    ] {
        let mut raw = (server.raw)("ann");
        raw.command(&format!("CREATE \"{}\"", server.done));
        raw.append(server.done, &message(1));
        let config = ImapConfig {
            folder: "Büro/日本".to_owned(),
            ..server.config.clone()
        };
        let mut mailbox = open(config.clone()).await.unwrap();
        let listed = list(mailbox.as_mut()).await;
        assert_eq!(fetch(mailbox.as_mut(), &listed, false).await[0].octets, message(1));
        // Courier offers it; as long as nobody enables it, names are written as everywhere.
        let lines = inspected(config).await.unwrap();
        let offers = lines.iter().any(|line| line.contains("UTF8=ACCEPT"));
        assert_eq!(offers, server.done.starts_with("INBOX."), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_shared_folder_is_watched_and_where_it_is_read_only_that_is_told() {
    let cyrus = Cyrus::start(&["ann", "bob"], "");
    let mut bob = cyrus.raw("bob");
    bob.command("CREATE Team");
    bob.append("Team", &message(1));
    bob.command("SETACL Team ann lrswite");
    let mut shared = config(cyrus.imaps_port, &cyrus.ca_pem);
    shared.folder = "Other Users/bob/Team".to_owned();
    let mut mailbox = open(shared.clone()).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    assert_eq!(fetch(mailbox.as_mut(), &listed, false).await[0].octets, message(1));
    let move_to = Settle::MoveTo("Done".to_owned());
    let came = in_time(mailbox.settle(&spots(&listed), &move_to)).await.unwrap();
    assert_eq!(shown(came), [Settling::Done(Settled::leaving("moved to Done"))]);
    assert_eq!(cyrus.raw("ann").folder("Done").len(), 1);

    bob.append("Team", &message(2));
    bob.command("SETACL Team ann lr");
    let error = inspected(shared.clone()).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    let mut mailbox = open(shared).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    assert_eq!(fetch(mailbox.as_mut(), &listed, false).await[0].octets, message(2));
}

#[tokio::test]
async fn over_cyruss_quota_a_message_stays_and_the_server_is_quoted() {
    let cyrus = Cyrus::start(&["ann", "bob"], "MOVE");
    let mut ann = cyrus.raw("ann");
    ann.append("INBOX", &message(1).repeat(8));
    cyrus.administer(&["SETQUOTA user/ann (STORAGE 1)"]);
    let mut mailbox = open(config(cyrus.imaps_port, &cyrus.ca_pem)).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    let move_to = Settle::MoveTo("Done".to_owned());
    let refused = in_time(mailbox.settle(&spots(&listed), &move_to)).await;
    let refused = format!("{refused:?}");
    assert!(
        refused.contains("Over quota; make room in the mailbox, or raise its quota"),
        "{refused}"
    );
    assert_eq!(ann.folder("INBOX").len(), 1);
}
