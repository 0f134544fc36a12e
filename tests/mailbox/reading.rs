//! Listing and fetching, on Dovecot.

use halo_intake::{
    config::{MailboxSource, Tls},
    journal::Spot,
    mailbox::{self, MailboxError, Range},
};

use super::*;
use crate::{
    dovecot::Options,
    script::{Script, Step},
};

async fn check_reading(config: ImapConfig, server: &Dovecot) {
    let mut mailbox = open(config).await.unwrap();
    let selected = in_time(mailbox.select()).await.unwrap();
    assert_eq!((selected.uid_next, selected.exists), (4, 3));
    let listed = list(mailbox.as_mut()).await;
    let sizes: Vec<(u32, u64)> = listed.iter().map(|listed| (uid(&listed.spot), listed.size)).collect();
    let length = |number: usize| u64::try_from(message(number).len()).unwrap();
    assert_eq!(sizes, [(1, length(1)), (2, length(2)), (3, length(3))]);
    let fetched = fetch(mailbox.as_mut(), &listed, false).await;
    for (at, one) in fetched.iter().enumerate() {
        assert_eq!(
            one.spot,
            Spot::Uid {
                validity: selected.validity,
                uid: u32::try_from(at + 1).unwrap()
            }
        );
        assert_eq!(one.octets, message(at + 1));
        assert_eq!(one.size, length(at + 1));
    }
    assert_eq!(fetched.len(), 3);
    let kept = server.folder("ann", "INBOX");
    assert!(
        kept.iter().all(|kept| kept.flags.is_empty()),
        "no flag is set by fetching: {kept:?}"
    );
}

#[tokio::test]
async fn messages_are_read_without_being_marked_over_each_kind_of_connection() {
    let server = Dovecot::start();
    server.add_user("ann");
    server.deliver_all("ann", "INBOX", "", &[message(1), message(2), message(3)]);
    check_reading(imap(&server, "ann"), &server).await;
    check_reading(
        ImapConfig {
            port: server.imap_port,
            tls: Tls::Starttls,
            ..imap(&server, "ann")
        },
        &server,
    )
    .await;
    check_reading(cleartext(&server, "ann"), &server).await;
}

#[tokio::test]
async fn a_window_brings_what_is_in_it_and_never_the_newest_message_instead() {
    let server = Dovecot::start();
    server.add_user("ann");
    server.deliver_all("ann", "INBOX", "", &[message(1), message(2), message(3)]);
    let mut mailbox = open(cleartext(&server, "ann")).await.unwrap();
    in_time(mailbox.select()).await.unwrap();
    for (from, to, expected) in [
        (2, 4, &[2, 3][..]),
        (0, 2, &[1]),
        (4, 9, &[]),
        (100, u32::MAX, &[]),
        (3, 3, &[]),
    ] {
        let listed = in_time(mailbox.list(Range::Uids { from, to })).await.unwrap();
        assert_eq!(
            listed.iter().map(|listed| uid(&listed.spot)).collect::<Vec<_>>(),
            expected
        );
    }
}

#[tokio::test]
async fn two_thousand_messages_come_in_batches_though_the_reader_is_slow() {
    let server = Dovecot::start();
    server.add_user("ann");
    let messages: Vec<Vec<u8>> = (1..=2_000).map(message).collect();
    server.deliver_all("ann", "INBOX", "", &messages);
    let mut mailbox = open(imap(&server, "ann")).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    assert_eq!(listed.len(), 2_000);
    // Every second one: the UID set has no runs, so that it takes several commands.
    let wanted: Vec<Listed> = listed
        .into_iter()
        .filter(|listed| uid(&listed.spot).is_multiple_of(2))
        .collect();
    let fetched = fetch(mailbox.as_mut(), &wanted, false).await;
    assert_eq!(fetched.len(), 1_000);
    for one in &fetched {
        assert_eq!(one.octets, message(usize::try_from(uid(&one.spot)).unwrap()));
    }
}

#[tokio::test]
async fn a_message_of_twenty_mebibytes_comes_whole_and_its_header_alone() {
    let server = Dovecot::start();
    server.add_user("ann");
    let header = "Subject: large\r\n\r\n";
    // Twenty pieces exactly, and the same with one octet more.
    let lengths = [20 << 20, (20 << 20) + 1];
    let bodies = lengths.map(|length: usize| {
        let lines = (0_u32..).flat_map(|number| format!("{number:010} abcdefghijklmnopqrstuvwxyz\r\n").into_bytes());
        header
            .bytes()
            .chain(lines)
            .take(length - 2)
            .chain(*b"\r\n")
            .collect::<Vec<u8>>()
    });
    server.deliver_all("ann", "INBOX", "", &bodies);
    let mut mailbox = open(imap(&server, "ann")).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    let fetched = fetch(mailbox.as_mut(), &listed, false).await;
    assert_eq!(fetched.len(), 2);
    for (one, body) in fetched.iter().zip(&bodies) {
        assert!(
            one.octets == *body,
            "{} octets came, {} lie there",
            one.octets.len(),
            body.len()
        );
    }
    let headers = fetch(mailbox.as_mut(), &listed, true).await;
    assert!(headers.iter().all(|one| one.octets == header));
    assert!(server.folder("ann", "INBOX").iter().all(|kept| kept.flags.is_empty()));
}

#[tokio::test]
async fn messages_that_went_away_meanwhile_are_not_sent() {
    let server = Dovecot::start();
    server.add_user("ann");
    server.deliver_all("ann", "INBOX", "", &[message(1), message(2), message(3)]);
    let mut mailbox = open(cleartext(&server, "ann")).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    server.commands("ann", &["SELECT INBOX", "UID STORE 2 +FLAGS (\\Deleted)", "EXPUNGE"]);
    let fetched = fetch(mailbox.as_mut(), &listed, false).await;
    let came: Vec<u32> = fetched.iter().map(|one| uid(&one.spot)).collect();
    assert!(
        came == [1, 3] || came == [1, 2, 3],
        "a session may still show what another expunged: {came:?}"
    );
    // After a fresh look it is gone for certain, and a spot of another UIDVALIDITY is not taken for one of now.
    assert_eq!(list(mailbox.as_mut()).await.len(), 2);
    let stale = [
        Listed {
            spot: Spot::Uid { validity: 1, uid: 1 },
            size: 10,
            arrived: None,
        },
        listed[1].clone(),
    ];
    assert_eq!(fetch(mailbox.as_mut(), &stale, false).await.len(), 0);
}

#[tokio::test]
async fn an_unknown_folder_is_named() {
    let server = Dovecot::start();
    server.add_user("ann");
    let mut mailbox = open(ImapConfig {
        folder: "Nowhere/Ä".to_owned(),
        ..cleartext(&server, "ann")
    })
    .await
    .unwrap();
    let error = in_time(mailbox.select()).await.unwrap_err();
    assert!(
        matches!(&error, MailboxError::NoFolder { folder, .. } if folder == "Nowhere/Ä"),
        "{error}"
    );
}

#[tokio::test]
async fn only_of_a_folder_that_is_not_listed_either_it_is_said_that_it_is_missing() {
    let listed = "* LIST () \"/\" INBOX\r\n";
    for (refusal, lists, is_missing) in [
        ("[NONEXISTENT] no", None, true),
        ("[NOPERM] no", None, false),
        ("no", Some(""), true),
        ("no", Some(listed), false),
    ] {
        let say = |text: &str| Step::Say(text.to_owned());
        let mut steps = vec![
            say("* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n"),
            Step::Expect("LIST"),
            say("TAG OK done\r\n"),
            Step::Expect("SELECT"),
            say(&format!("TAG NO {refusal}\r\n")),
        ];
        if let Some(answer) = lists {
            steps.extend([Step::Expect("LIST"), say(&format!("{answer}TAG OK done\r\n"))]);
        }
        let script = Script::play(steps);
        let mut mailbox = open(scripted(script.port)).await.unwrap();
        let error = in_time(mailbox.select()).await.unwrap_err();
        let is_so = match &error {
            MailboxError::NoFolder { .. } => is_missing,
            MailboxError::Folder { .. } => !is_missing,
            _ => false,
        };
        assert!(is_so, "{refusal} {lists:?}: {error:?}");
        drop(mailbox);
        script.join();
    }
}

#[tokio::test]
async fn after_a_restart_of_the_server_the_session_ends_and_a_new_one_goes_on() {
    let server = Dovecot::start();
    server.add_user("ann");
    server.deliver("ann", "INBOX", &message(1));
    let mut mailbox = open(imap(&server, "ann")).await.unwrap();
    let before = in_time(mailbox.select()).await.unwrap();
    server.restart();
    // The worker of a session ends a moment after its master.
    let error = in_time(async {
        loop {
            if let Err(error) = mailbox.select().await {
                return error;
            }
        }
    });
    let error = error.await;
    assert!(matches!(error, MailboxError::Lost { .. }), "{error}");
    let mut mailbox = open(imap(&server, "ann")).await.unwrap();
    assert_eq!(in_time(mailbox.select()).await.unwrap(), before);
}

#[tokio::test]
async fn inspecting_tells_what_is_there_and_changes_nothing() {
    let server = Dovecot::start_with(&Options {
        separator: '/',
        ..Options::default()
    });
    server.add_user("ann");
    server.deliver("ann", "INBOX", &message(1));
    let config = watched(MailboxSource::Imap(imap(&server, "ann")));
    let found = in_time(mailbox::inspect(&name(), &config, &nobody())).await.unwrap();
    assert!(found.offers.unwrap().contains(" UIDPLUS "));
    let lines = found.lines;
    assert_eq!(lines[0], format!("localhost:{}: signed in as ann", server.imaps_port));
    assert!(
        lines.iter().any(|line| line == "folder \"INBOX\" holds 1 message"),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line == "folder \"Processed/Früher\" is missing and will be made"),
        "{lines:?}"
    );
    assert_eq!(server.folders("ann"), ["INBOX"]);
}

#[tokio::test]
async fn every_folder_that_is_listed_can_be_watched_under_its_name() {
    for (separator, prefix) in [('.', ""), ('/', ""), ('.', "INBOX.")] {
        let server = Dovecot::start_with(&Options {
            separator,
            prefix,
            ..Options::default()
        });
        server.add_user("ann");
        let theirs = ["Kunden", "R&-D", "Kunden.M&APw-ller 100%", r#"a \"b\" \\c"#];
        let theirs = theirs.map(|name| format!("CREATE \"{prefix}{}\"", name.replace('.', &separator.to_string())));
        server.commands("ann", &theirs.each_ref().map(String::as_str));
        let mut config = imap(&server, "ann");
        let listed = in_time(mailbox::folders(&config, &nobody())).await.unwrap();
        // One with a quotation mark is not listed; who knows of it can watch it.
        let expected = ["INBOX", "Kunden", "Kunden/Müller 100%", "R&D"];
        assert_eq!(listed, expected, "{separator} {prefix}");
        for folder in listed.into_iter().chain([r#"a "b" \c"#.to_owned()]) {
            config.folder = folder;
            let watched = watched(MailboxSource::Imap(config.clone()));
            let mut opened = in_time(mailbox::open(&name(), &watched, &nobody(), &Turns::default()))
                .await
                .unwrap();
            in_time(opened.select()).await.unwrap();
        }
    }
}
