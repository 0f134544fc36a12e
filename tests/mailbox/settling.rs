//! Settling on Dovecot: with MOVE, by COPY and EXPUNGE, and with neither.

use halo_intake::{
    config::Settle,
    mailbox::{
        MailboxError,
        imap::{Imap, Patience},
    },
};

use super::*;
use crate::{
    dovecot::Options,
    script::{Script, Step},
};

const WITHOUT_MOVE: &str = "IMAP4rev1 LITERAL+ NAMESPACE UIDPLUS IDLE";
const WITHOUT_BOTH: &str = "IMAP4rev1 LITERAL+ NAMESPACE IDLE";

fn server_with_three(options: &Options) -> Dovecot {
    let server = Dovecot::start_with(options);
    server.add_user("ann");
    server.deliver_all("ann", "INBOX", "", &[message(1), message(2), message(3)]);
    server
}

/// Settles the first two of three, twice: what is done already stays done, and what was moved away is there no more.
async fn settle_two(server: &Dovecot, how: &Settle, done: Settled) {
    let mut mailbox = open(cleartext(server, "ann")).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    let leaves = !done.stays;
    let first = Settling::Done(done);
    let second = if leaves { Settling::Gone } else { first.clone() };
    for expected in [first, second] {
        let came = in_time(mailbox.settle(&spots(&listed[..2]), how)).await.unwrap();
        assert_eq!(shown(came), vec![expected; 2]);
    }
}

fn numbers(server: &Dovecot, folder: &str) -> Vec<usize> {
    let number = |octets: &[u8]| (1..10).find(|number| message(*number) == octets).unwrap();
    server
        .folder("ann", folder)
        .iter()
        .map(|kept| number(&kept.octets))
        .collect()
}

fn flags(server: &Dovecot, folder: &str) -> Vec<String> {
    server
        .folder("ann", folder)
        .iter()
        .map(|kept| kept.flags.join(" "))
        .collect()
}

fn move_to(folder: &str) -> Settle {
    Settle::MoveTo(folder.to_owned())
}

#[tokio::test]
async fn messages_are_moved_into_a_folder_that_is_made_and_subscribed() {
    let server = server_with_three(&Options::default());
    settle_two(
        &server,
        &move_to("Erledigt & gut/Früher 2026"),
        Settled::leaving("moved to Erledigt & gut/Früher 2026"),
    )
    .await;
    let made = "Erledigt &- gut.Fr&APw-her 2026";
    assert_eq!(numbers(&server, made), [1, 2]);
    assert_eq!(numbers(&server, "INBOX"), [3]);
    assert_eq!(flags(&server, made), ["", ""]);
    assert!(
        server.subscribed("ann").iter().any(|name| name == made),
        "{:?}",
        server.subscribed("ann")
    );
}

#[tokio::test]
async fn the_servers_separator_and_namespace_are_its_own_matter() {
    let server = server_with_three(&Options {
        separator: '/',
        ..Options::default()
    });
    settle_two(&server, &move_to("Done/c.d e"), Settled::leaving("moved to Done/c.d e")).await;
    assert_eq!(numbers(&server, "Done/c.d e"), [1, 2]);
    // A wildcard is a letter like any other.
    server.deliver_all("ann", "INBOX", "", &[message(4)]);
    settle_two(&server, &move_to("D%"), Settled::leaving("moved to D%")).await;
    assert_eq!(server.folders("ann"), ["D%", "Done", "Done/c.d e", "INBOX"]);
    let server = server_with_three(&Options {
        prefix: "INBOX.",
        ..Options::default()
    });
    settle_two(&server, &move_to("Done/2026"), Settled::leaving("moved to Done/2026")).await;
    assert_eq!(numbers(&server, "INBOX.Done.2026"), [1, 2]);
}

#[tokio::test]
async fn without_move_messages_are_copied_and_only_they_are_expunged() {
    let server = server_with_three(&Options {
        capability: Some(WITHOUT_MOVE),
        ..Options::default()
    });
    // A person marked the third; it is not ours to expunge.
    server.commands("ann", &["SELECT INBOX", "UID STORE 3 +FLAGS (\\Deleted)"]);
    settle_two(
        &server,
        &move_to("Done"),
        Settled::leaving("moved to Done (copied and expunged)"),
    )
    .await;
    assert_eq!(numbers(&server, "Done"), [1, 2]);
    assert_eq!(numbers(&server, "INBOX"), [3]);
    assert_eq!(flags(&server, "Done"), ["", ""]);
}

#[tokio::test]
async fn what_was_copied_before_a_crash_is_expunged_and_not_copied_again() {
    let server = server_with_three(&Options {
        capability: Some(WITHOUT_MOVE),
        ..Options::default()
    });
    server.commands(
        "ann",
        &[
            "CREATE Done",
            "SELECT INBOX",
            "UID COPY 1 Done",
            "UID STORE 1 +FLAGS (\\Deleted $HaloIntakeMoved)",
        ],
    );
    settle_two(
        &server,
        &move_to("Done"),
        Settled::leaving("moved to Done (copied and expunged)"),
    )
    .await;
    assert_eq!(numbers(&server, "Done"), [1, 2]);
    assert_eq!(numbers(&server, "INBOX"), [3]);
}

#[tokio::test]
async fn with_neither_move_nor_uidplus_messages_are_copied_once_and_marked() {
    let server = server_with_three(&Options {
        capability: Some(WITHOUT_BOTH),
        ..Options::default()
    });
    let said = "copied to Done and marked \\Deleted; the server has neither MOVE nor UIDPLUS, so it stays until somebody expunges";
    settle_two(&server, &move_to("Done"), Settled::staying(said)).await;
    assert_eq!(numbers(&server, "Done"), [1, 2]);
    assert_eq!(
        flags(&server, "INBOX"),
        ["$HaloIntakeMoved \\Deleted", "$HaloIntakeMoved \\Deleted", ""]
    );
    settle_two(
        &server,
        &Settle::Delete,
        Settled::staying("marked \\Deleted; the server can not expunge single messages (UIDPLUS)"),
    )
    .await;
    assert_eq!(numbers(&server, "INBOX"), [1, 2, 3]);
}

#[tokio::test]
async fn messages_are_marked_deleted_or_kept() {
    let server = server_with_three(&Options::default());
    settle_two(&server, &Settle::Keep, Settled::staying("kept")).await;
    assert_eq!(flags(&server, "INBOX"), ["", "", ""]);
    settle_two(&server, &Settle::Seen, Settled::staying("marked \\Seen")).await;
    assert_eq!(flags(&server, "INBOX"), ["\\Seen", "\\Seen", ""]);
    settle_two(&server, &Settle::Delete, Settled::leaving("deleted")).await;
    assert_eq!(numbers(&server, "INBOX"), [3]);
}

#[tokio::test]
async fn a_spot_of_another_uidvalidity_is_left_alone() {
    let server = server_with_three(&Options::default());
    let mut mailbox = open(cleartext(&server, "ann")).await.unwrap();
    let selected = in_time(mailbox.select()).await.unwrap();
    let stale = [Spot::Uid {
        validity: selected.validity - 1,
        uid: 1,
    }];
    let came = in_time(mailbox.settle(&stale, &Settle::Delete)).await.unwrap();
    assert_eq!(came, [Settling::Elsewhere]);
    let mixed = [
        stale[0].clone(),
        Spot::Uid {
            validity: selected.validity,
            uid: 3,
        },
    ];
    let came = in_time(mailbox.settle(&mixed, &Settle::Delete)).await.unwrap();
    assert_eq!(came, [Settling::Elsewhere, Settling::Done(Settled::leaving("deleted"))]);
    assert_eq!(numbers(&server, "INBOX"), [1, 2]);
}

#[tokio::test]
async fn a_destination_that_somebody_removed_is_made_again() {
    let server = server_with_three(&Options::default());
    let mut mailbox = open(cleartext(&server, "ann")).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    in_time(mailbox.settle(&spots(&listed[..1]), &move_to("Done")))
        .await
        .unwrap();
    server.commands("ann", &["DELETE Done"]);
    in_time(mailbox.settle(&spots(&listed[1..2]), &move_to("Done")))
        .await
        .unwrap();
    assert_eq!(numbers(&server, "Done"), [2]);
}

#[tokio::test]
async fn over_quota_the_message_stays_and_the_servers_code_is_told() {
    // Dovecot's quota counts a copy, but not a move within the account.
    let options = Options {
        capability: Some(WITHOUT_MOVE),
        quota: Some("1k"),
        ..Options::default()
    };
    let server = Dovecot::start_with(&options);
    server.add_user("ann");
    let long = [message(1), vec![b'x'; 700]].concat();
    server.deliver("ann", "INBOX", &long);
    let mut mailbox = open(cleartext(&server, "ann")).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    let error = in_time(mailbox.settle(&spots(&listed), &move_to("Done")))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, MailboxError::Refused { command, status: "NO", reason } if command == "UID COPY" && reason.starts_with("[OVERQUOTA]")),
        "{error}"
    );
    assert_eq!(flags(&server, "INBOX"), [""]);
}

#[tokio::test]
async fn a_destination_that_is_the_folder_itself_under_another_spelling_is_refused() {
    let server = Dovecot::start();
    server.add_user("ann");
    server.commands("ann", &["CREATE Support.New"]);
    server.deliver("ann", "Support.New", &message(1));
    let config = ImapConfig {
        folder: "Support/New".to_owned(),
        ..cleartext(&server, "ann")
    };
    let mut mailbox = open(config.clone()).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    let said = |error: MailboxError| {
        assert_eq!(
            error.to_string(),
            "folder \"Support/New\" can not be used: the server takes the destination \"Support.New\" for the same \
             folder; settle into another one"
        );
    };
    said(
        in_time(mailbox.settle(&spots(&listed), &move_to("Support.New")))
            .await
            .unwrap_err(),
    );
    let config = MailboxConfig {
        settle: BTreeMap::from([(Outcome::Failed, move_to("Support.New"))]),
        ..watched(MailboxSource::Imap(config))
    };
    said(
        in_time(mailbox::inspect(&name(), &config, &nobody()))
            .await
            .unwrap_err(),
    );
}

#[tokio::test]
async fn a_copy_that_was_not_made_is_never_expunged() {
    let say = |text: &str| Step::Say(text.to_owned());
    let script = Script::of_folder(
        4,
        3,
        "UIDPLUS",
        vec![
            Step::Expect("NOOP"),
            say("TAG OK done\r\n"),
            Step::Expect("LIST \"\" \"Done\""),
            say("* LIST () \"/\" Done\r\nTAG OK done\r\n"),
            Step::Expect("UID FETCH 1:3 (UID FLAGS)"),
            say("TAG OK done\r\n"),
            // One of the set is gone, so the server copies none of it.
            Step::Expect("UID COPY 1:3 \"Done\""),
            say("TAG NO [EXPUNGEISSUED] some are gone\r\n"),
            Step::Expect("UID COPY 1 "),
            say("TAG OK [COPYUID 9 1 5] done\r\n"),
            Step::Expect("UID COPY 2 "),
            say("TAG NO [EXPUNGEISSUED] it is gone\r\n"),
            Step::Expect("UID COPY 3 "),
            say("TAG OK [COPYUID 9 3 6] done\r\n"),
            Step::Expect("UID FETCH 2 (UID)"),
            say("TAG OK done\r\n"),
            Step::Expect("UID STORE 1,3 "),
            say("TAG OK done\r\n"),
            Step::Expect("UID EXPUNGE 1,3"),
            say("TAG OK done\r\n"),
        ],
    );
    let mut imap = in_time(Imap::open(&scripted(script.port), &nobody(), Patience::default()))
        .await
        .unwrap();
    let spots = [1, 2, 3].map(|uid| Spot::Uid { validity: 7, uid });
    let came = in_time(imap.settle(&spots, &move_to("Done"))).await.unwrap();
    let done = Settling::Done(Settled::leaving("moved to Done (copied and expunged)"));
    assert_eq!(shown(came), [done.clone(), Settling::Gone, done]);
    drop(imap);
    script.join();
}

#[tokio::test]
async fn what_is_not_there_is_told_whatever_is_done_to_the_others() {
    for capability in [None, Some(WITHOUT_MOVE)] {
        for last in [move_to("Done"), Settle::Delete] {
            let server = server_with_three(&Options {
                capability,
                ..Options::default()
            });
            let mut mailbox = open(cleartext(&server, "ann")).await.unwrap();
            let listed = list(mailbox.as_mut()).await;
            server.commands("ann", &["SELECT INBOX", "UID STORE 2 +FLAGS (\\Deleted)", "EXPUNGE"]);
            let is_gone = |came: &[Settling]| came.iter().map(|came| *came == Settling::Gone).collect::<Vec<_>>();
            for how in [&Settle::Seen, &Settle::Keep, &last] {
                let came = in_time(mailbox.settle(&spots(&listed), how)).await.unwrap();
                assert_eq!(is_gone(&came), [false, true, false], "{how:?}: {came:?}");
            }
            assert!(numbers(&server, "INBOX").is_empty());
        }
    }
}

/// Moves message 3 at a server that answers so, and perhaps asks it whether it lies there still.
async fn moved(answer: &str, looked: Option<&str>) -> Vec<Settling> {
    let say = |text: &str| Step::Say(text.to_owned());
    let mut steps = vec![
        // What others removed is told before.
        Step::Expect("NOOP"),
        say("* 2 EXPUNGE\r\nTAG OK done\r\n"),
        Step::Expect("LIST \"\" \"Done\""),
        say("* LIST () \"/\" Done\r\nTAG OK done\r\n"),
        Step::Expect("UID MOVE 3 \"Done\""),
        say(answer),
    ];
    if let Some(answer) = looked {
        steps.extend([Step::Expect("UID FETCH 3 (UID)"), say(answer)]);
    }
    let script = Script::of_folder(4, 2, "UIDPLUS MOVE", steps);
    let mut imap = in_time(Imap::open(&scripted(script.port), &nobody(), Patience::default()))
        .await
        .unwrap();
    let spot = Spot::Uid { validity: 7, uid: 3 };
    let came = in_time(imap.settle(&[spot], &move_to("Done"))).await.unwrap();
    drop(imap);
    script.join();
    came
}

#[tokio::test]
async fn where_the_server_does_not_tell_where_it_put_them_they_are_taken_to_be_moved() {
    let came = moved("* 1 EXPUNGE\r\nTAG OK done\r\n", None).await;
    assert_eq!(came, [Settling::Done(Settled::leaving("moved to Done"))]);
}

#[tokio::test]
async fn a_server_that_does_not_say_that_it_is_gone_is_asked_whether_it_is() {
    let ok = "TAG OK done\r\n";
    let came = moved(ok, Some("* 1 FETCH (UID 3)\r\nTAG OK done\r\n")).await;
    let reason = "the server says that it was moved, and it lies there still".to_owned();
    assert_eq!(came, [Settling::Refused(reason)]);
    assert_eq!(moved(ok, Some(ok)).await, [Settling::Gone]);
}
