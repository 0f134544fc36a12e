//! Servers that misbehave, by script.

use std::time::Duration;

use halo_intake::mailbox::imap::{Imap, Patience};

use super::*;
use crate::script::{Script, Step};

const SHORT: Patience = Patience {
    connect: Duration::from_secs(5),
    command: Duration::from_millis(300),
};

fn say(text: &str) -> Step {
    Step::Say(text.to_owned())
}

/// Two listed messages, which the script is then asked for.
fn wanted() -> Vec<Listed> {
    [1, 2]
        .map(|uid| Listed {
            spot: Spot::Uid { validity: 7, uid },
            size: 12,
            arrived: None,
        })
        .into()
}

async fn fetch_from(steps: Vec<Step>, wanted: &[Listed]) -> (Vec<(u32, String)>, Result<Vec<Withheld>, MailboxError>) {
    let script = Script::of_folder(4, 3, "", steps);
    let mut imap = in_time(Imap::open(&scripted(script.port), &nobody(), SHORT))
        .await
        .unwrap();
    let (fetched, ended) = try_fetch(&mut imap, wanted, false).await;
    drop(imap);
    script.join();
    let text = |one: Fetched| (uid(&one.spot), String::from_utf8_lossy(&one.octets).into_owned());
    (fetched.into_iter().map(text).collect(), ended)
}

fn both() -> Vec<(u32, String)> {
    vec![(1, "Subject: a\r\n".to_owned()), (2, "Subject: b\r\n".to_owned())]
}

#[tokio::test]
async fn unknown_answers_missing_dates_and_strangers_are_passed_over() {
    let steps = vec![
        Step::Expect("UID FETCH 1:2 (UID INTERNALDATE RFC822.SIZE BODY.PEEK[])"),
        say("* XYZZY {7}\r\n* 9 BYE \r\n* ESEARCH (TAG \"x\") ALL 1\r\n* 3 FETCH (UID 9 FLAGS (\\Seen))\r\n"),
        say("* 1 FETCH (UID 1 INTERNALDATE NIL RFC822.SIZE 12 BODY[] {12}\r\nSubject: a\r\n)\r\n"),
        say("* 5 FETCH (UID 5 RFC822.SIZE 3 BODY[] \"abc\")\r\n* 7 EXISTS\r\n"),
        say("* 2 FETCH (FLAGS (\\Recent) UID 2 X-ODD (1 2) BODY[] {12}\r\nSubject: b\r\n)\r\nTAG OK done\r\n"),
    ];
    let (fetched, ended) = fetch_from(steps, &wanted()).await;
    ended.unwrap();
    assert_eq!(fetched, both());
}

#[tokio::test]
async fn a_connection_that_ends_within_a_literal_keeps_what_came_before() {
    let steps = vec![
        Step::Expect("UID FETCH"),
        say("* 1 FETCH (UID 1 BODY[] {12}\r\nSubject: a\r\n)\r\n* 2 FETCH (UID 2 BODY[] {12}\r\nSubj"),
    ];
    let (fetched, ended) = fetch_from(steps, &wanted()).await;
    assert_eq!(fetched, both()[..1]);
    let error = ended.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection was lost: the server closed the connection within an answer"
    );
}

#[tokio::test]
async fn a_literal_that_is_far_larger_than_listed_is_not_taken() {
    let steps = vec![
        Step::Expect("UID FETCH"),
        say("* 1 FETCH (UID 1 BODY[] {400000000}\r\nabc"),
        Step::Stall,
    ];
    let (fetched, ended) = fetch_from(steps, &wanted()).await;
    assert_eq!(fetched, []);
    let text = ended.unwrap_err().to_string();
    assert!(
        text.contains("announces 400000000 octets of UID 1 where at most"),
        "{text}"
    );
}

#[tokio::test]
async fn an_answer_that_can_not_be_read_ends_the_session_without_showing_mail() {
    let steps = vec![
        Step::Expect("UID FETCH"),
        say("* 1 FETCH (UID 1 BODY[] {12}\r\nSubject: a\r\n)\r\n* 2 FETCH ((((private)\r\n"),
        Step::Stall,
    ];
    let (fetched, ended) = fetch_from(steps, &wanted()).await;
    assert_eq!(fetched, both()[..1]);
    assert_eq!(
        ended.unwrap_err().to_string(),
        "the connection was lost: an answer can not be read"
    );
}

#[tokio::test]
async fn an_answer_that_makes_the_parser_panic_costs_the_connection_alone() {
    // A letter of two octets right behind a response code is cut in the middle by imap-proto 0.17.
    let steps = vec![
        Step::Expect("UID FETCH"),
        say("TAG NO [TRYCREATE]\u{fc}ber\r\n"),
        Step::Stall,
    ];
    let (_, ended) = fetch_from(steps, &wanted()).await;
    let text = ended.unwrap_err().to_string();
    assert!(
        text.starts_with("the connection was lost: an answer can not be read"),
        "{text}"
    );
}

#[tokio::test]
async fn silence_is_told_and_slow_octets_are_waited_for() {
    let (_, ended) = fetch_from(vec![Step::Expect("UID FETCH"), Step::Stall], &wanted()).await;
    assert!(matches!(ended, Err(MailboxError::Silent { .. })));
    let mut steps = vec![Step::Expect("UID FETCH"), say("* 1 FETCH (UID 1 BODY[] {12}\r\n")];
    for letter in "Subject: a\r\n".chars() {
        // Twelve times a third of the patience.
        steps.extend([Step::Pause(Duration::from_millis(100)), Step::Say(letter.to_string())]);
    }
    steps.push(say(
        ")\r\n* 2 FETCH (UID 2 BODY[] {12}\r\nSubject: b\r\n)\r\nTAG OK done\r\n",
    ));
    let (fetched, ended) = fetch_from(steps, &wanted()).await;
    ended.unwrap();
    assert_eq!(fetched, both());
}

/// Messages 1 and 2 are asked for together and answered so; both are still listed then; each is asked for by itself.
fn asked_again(together: &str, first: &str) -> Vec<Step> {
    vec![
        Step::Expect("UID FETCH 1:2 (UID INTERNALDATE"),
        say(together),
        Step::Expect("UID FETCH 1:2 (UID)"),
        say("* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\nTAG OK done\r\n"),
        Step::Expect("UID FETCH 1 (UID INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.1048576>)"),
        say(first),
        Step::Expect("UID FETCH 1 (UID)"),
        say("* 1 FETCH (UID 1)\r\nTAG OK done\r\n"),
        Step::Expect("UID FETCH 2 "),
        say("* 2 FETCH (UID 2 BODY[] {12}\r\nSubject: b\r\n)\r\nTAG OK done\r\n"),
    ]
}

async fn check_withheld(steps: Vec<Step>, reason: &str) {
    let (fetched, ended) = fetch_from(steps, &wanted()).await;
    assert_eq!(fetched, both()[1..]);
    let spot = Spot::Uid { validity: 7, uid: 1 };
    let reason = reason.to_owned();
    assert_eq!(ended.unwrap(), [Withheld { spot, reason }]);
}

#[tokio::test]
async fn one_message_that_the_server_refuses_holds_up_no_other() {
    let steps = asked_again(
        "TAG NO [SERVERBUG] something in there is broken\r\n",
        "TAG NO [SERVERBUG] message 1 is broken\r\n",
    );
    let reason = "the server answers UID FETCH with NO: [SERVERBUG] message 1 is broken";
    check_withheld(steps, reason).await;
}

#[tokio::test]
async fn one_message_that_the_server_leaves_out_is_asked_for_again_and_not_taken_for_gone() {
    let reason = "the server lists it and sends no octets of it";
    check_withheld(asked_again("TAG OK done\r\n", "TAG OK done\r\n"), reason).await;
    let (together, alone) = (
        "* 1 FETCH (UID 1 BODY[] NIL)\r\nTAG OK done\r\n",
        "* 1 FETCH (FLAGS (\\Seen) UID 1)\r\nTAG OK done\r\n",
    );
    check_withheld(asked_again(together, alone), reason).await;
}

#[tokio::test]
async fn a_server_that_can_do_nothing_just_now_says_nothing_about_a_message() {
    let steps = vec![
        Step::Expect("UID FETCH 1:2 (UID INTERNALDATE"),
        say("TAG NO [UNAVAILABLE] the disk is away\r\n"),
    ];
    let (_, ended) = fetch_from(steps, &wanted()).await;
    let text = ended.unwrap_err().to_string();
    assert_eq!(
        text,
        "the server answers UID FETCH with NO: [UNAVAILABLE] the disk is away"
    );
}

#[tokio::test]
async fn a_server_that_caps_its_pieces_gives_the_message_whole() {
    let piece = |had: &'static str, answer: &str| {
        let asked: &'static str = Box::leak(format!("BODY.PEEK[]<{had}.1048576>").into_boxed_str());
        [Step::Expect(asked), say(&format!("{answer}TAG OK done\r\n"))]
    };
    let steps = [
        piece("0", "* 1 FETCH (UID 1 RFC822.SIZE 12 BODY[]<0> {7}\r\nSubject)\r\n"),
        piece("7", "* 1 FETCH (UID 1 BODY[]<7> {5}\r\n: a\r\n)\r\n"),
    ];
    let (fetched, ended) = fetch_from(steps.into_iter().flatten().collect(), &wanted()[..1]).await;
    assert_eq!((fetched, ended.unwrap()), (both()[..1].to_vec(), vec![]));
}

#[tokio::test]
async fn the_pieces_of_a_large_message_are_asked_for_at_once_and_what_does_not_come_so_again() {
    let piece = "x".repeat(1 << 20);
    let answer = |tag: &str, at: usize, octets: &str| {
        let length = octets.len();
        Step::Say(format!(
            "* 1 FETCH (UID 1 BODY[]<{at}> {{{length}}}\r\n{octets})\r\n{tag} OK done\r\n"
        ))
    };
    let steps = vec![
        // All of them before the first answer.
        Step::Expect("BODY.PEEK[]<0.1048576>"),
        Step::Expect("BODY.PEEK[]<1048576.1048576>"),
        Step::Expect("BODY.PEEK[]<2097152.1048576>"),
        Step::Expect("BODY.PEEK[]<3145728.1048576>"),
        answer("H4", 0, &piece),
        // A server that caps this one.
        answer("H5", 1 << 20, &piece[1..]),
        answer("H6", 2 << 20, &piece),
        say("H7 NO not now\r\n"),
        Step::Expect("BODY.PEEK[]<2097151.1048576>"),
        answer("H8", (2 << 20) - 1, &piece),
        Step::Expect("BODY.PEEK[]<3145727.1048576>"),
        answer("H9", (3 << 20) - 1, "ends"),
    ];
    let listed = Listed {
        spot: Spot::Uid { validity: 7, uid: 1 },
        size: (3 << 20) + 3,
        arrived: None,
    };
    let (fetched, ended) = fetch_from(steps, &[listed]).await;
    assert_eq!(ended.unwrap(), []);
    let (uid, text) = &fetched[0];
    assert_eq!((*uid, text.len()), (1, (3 << 20) + 3));
    assert!(text.ends_with("xxxends"), "the end comes last");
}

#[tokio::test]
async fn a_large_message_whose_server_never_ends_is_given_up() {
    let piece = "x".repeat(1 << 20);
    let mut steps = Vec::new();
    for number in 0..14 {
        steps.extend([
            Step::Expect("UID FETCH 1 "),
            Step::Say(format!(
                "* 1 FETCH (UID 1 BODY[]<{}> {{{}}}\r\n{piece})\r\nTAG OK done\r\n",
                number * piece.len(),
                piece.len()
            )),
        ]);
    }
    let listed = Listed {
        spot: Spot::Uid { validity: 7, uid: 1 },
        size: 9 << 20,
        arrived: None,
    };
    let (fetched, ended) = fetch_from(steps, &[listed]).await;
    assert_eq!(fetched, []);
    let withheld = ended.unwrap();
    assert_eq!(
        withheld[0].reason,
        "it was listed with 9437184 octets, and the server goes on beyond 14680064"
    );
}

#[tokio::test]
async fn what_does_not_speak_imap_is_called_so() {
    let script = Script::play(vec![say("220 mail.example.com ESMTP\r\n"), Step::ExpectEnd]);
    let error = in_time(Imap::open(&scripted(script.port), &nobody(), SHORT))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, MailboxError::Lost { .. }), "{error}");
    script.join();
    let script = Script::play(vec![say("* BYE too many connections\r\n"), Step::ExpectEnd]);
    let error = in_time(Imap::open(&scripted(script.port), &nobody(), SHORT))
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("too many connections"), "{error}");
    script.join();
}

#[tokio::test]
async fn a_server_that_tells_no_uidnext_is_asked() {
    let script = Script::play(vec![
        say("* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n"),
        Step::Expect("LIST"),
        // INBOX is selected at once, before that is answered.
        Step::Expect("SELECT"),
        say("H1 OK done\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\nTAG OK in\r\n"),
        Step::Expect("STATUS \"INBOX\" (UIDNEXT)"),
        say("TAG BAD what\r\n"),
        Step::Expect("FETCH * (UID)"),
        say("* 3 FETCH (UID 41)\r\nTAG OK done\r\n"),
    ]);
    let mut imap = in_time(Imap::open(&scripted(script.port), &nobody(), SHORT))
        .await
        .unwrap();
    assert_eq!(in_time(imap.select()).await.unwrap().uid_next, 42);
    script.join();
}
