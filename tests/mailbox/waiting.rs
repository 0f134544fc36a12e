//! IDLE: it wakes, it ends, and it is never believed to be alive.

use std::time::Duration;

use halo_intake::mailbox::{
    MailboxError, Woke,
    imap::{Imap, Patience},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::script::{Script, Step};

const SHORT: Patience = Patience {
    connect: Duration::from_secs(5),
    command: Duration::from_millis(300),
};

fn later(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_delivery_wakes_and_the_session_goes_on() {
    let server = Dovecot::start();
    server.add_user("ann");
    let mut mailbox = open(imap(&server, "ann")).await.unwrap();
    in_time(mailbox.select()).await.unwrap();
    let stop = CancellationToken::new();
    let deliver = async {
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| server.deliver("ann", "INBOX", &message(1)));
    };
    let (woke, ()) = in_time(async { tokio::join!(mailbox.wait(true, later(20_000), &stop), deliver) }).await;
    assert_eq!(woke.unwrap(), Woke::News);
    assert_eq!(list(mailbox.as_mut()).await.len(), 1);
    assert_eq!(
        in_time(mailbox.wait(true, later(50), &stop)).await.unwrap(),
        Woke::Deadline
    );
}

#[tokio::test]
async fn a_stop_ends_it_at_once() {
    let server = Dovecot::start();
    server.add_user("ann");
    let mut mailbox = open(imap(&server, "ann")).await.unwrap();
    in_time(mailbox.select()).await.unwrap();
    for idle in [true, false] {
        let stop = CancellationToken::new();
        let asked = Instant::now();
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.cancel();
        };
        let (woke, ()) = in_time(async { tokio::join!(mailbox.wait(idle, later(20_000), &stop), stopping) }).await;
        assert_eq!(woke.unwrap(), Woke::Stopped);
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "it took {:?}",
            asked.elapsed()
        );
    }
}

async fn idle_with(steps: Vec<Step>, milliseconds: u64) -> Result<Woke, MailboxError> {
    let script = Script::of_folder(4, 3, "IDLE", steps);
    let mut imap = in_time(Imap::open(&scripted(script.port), &nobody(), SHORT))
        .await
        .unwrap();
    in_time(imap.select()).await.unwrap();
    let woke = in_time(imap.wait(true, later(milliseconds), &CancellationToken::new())).await;
    drop(imap);
    script.join();
    woke
}

fn say(text: &str) -> Step {
    Step::Say(text.to_owned())
}

#[tokio::test]
async fn an_idle_connection_that_died_is_found_out() {
    let check = async |steps: Vec<Step>, part: &str| {
        let error = idle_with(steps, 200).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    check(vec![Step::Expect("IDLE"), say("+ idling\r\n")], "closed the connection").await;
    check(
        vec![Step::Expect("IDLE"), say("+ idling\r\n* BYE restart\r\n")],
        "goodbye: restart",
    )
    .await;
    check(
        vec![Step::Expect("IDLE"), say("TAG NO [UNAVAILABLE] not now\r\n")],
        "IDLE with NO: [UNAVAILABLE] not now",
    )
    .await;
    check(vec![Step::Expect("IDLE"), Step::Stall], "no answer to IDLE").await;
    check(
        vec![Step::Expect("IDLE"), say("+ idling\r\n"), Step::Stall],
        "no answer to IDLE",
    )
    .await;
}

#[tokio::test]
async fn keepalives_do_not_move_the_end_and_early_news_is_not_lost() {
    let keepalives = vec![
        Step::Expect("IDLE"),
        say("+ idling\r\n* OK Still here\r\n* OK Still here\r\n"),
        Step::Expect("DONE"),
        say("H4 OK done\r\n"),
    ];
    assert_eq!(idle_with(keepalives, 100).await.unwrap(), Woke::Deadline);
    let early = vec![
        Step::Expect("IDLE"),
        say("* 4 EXISTS\r\n+ idling\r\n"),
        Step::Expect("DONE"),
        say("H4 OK done\r\n"),
    ];
    assert_eq!(idle_with(early, 20_000).await.unwrap(), Woke::News);
    let late = vec![
        Step::Expect("IDLE"),
        say("+ idling\r\n"),
        Step::Expect("DONE"),
        say("* 4 EXISTS\r\nH4 OK done\r\n"),
    ];
    assert_eq!(idle_with(late, 100).await.unwrap(), Woke::News);
}

#[tokio::test]
async fn a_server_that_offers_idle_and_refuses_it_is_waited_out() {
    for refusal in ["NO not for you", "BAD what is that"] {
        let refused = vec![
            Step::Expect("IDLE"),
            say(&format!("TAG {refusal}\r\n")),
            Step::ExpectEnd,
        ];
        assert_eq!(idle_with(refused, 50).await.unwrap(), Woke::Deadline, "{refusal}");
    }
}

#[tokio::test]
async fn a_server_without_idle_is_waited_out() {
    let script = Script::of_folder(4, 3, "", vec![Step::ExpectEnd]);
    let mut imap = in_time(Imap::open(&scripted(script.port), &nobody(), SHORT))
        .await
        .unwrap();
    in_time(imap.select()).await.unwrap();
    let woke = in_time(imap.wait(true, later(50), &CancellationToken::new()))
        .await
        .unwrap();
    assert_eq!(woke, Woke::Deadline);
    drop(imap);
    script.join();
}
