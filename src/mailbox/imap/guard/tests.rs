//! The guard against what servers send.

use super::*;
use tokio::io::AsyncReadExt;

/// At most so many octets come at a time.
struct Drip<'a>(&'a [u8], usize);

impl AsyncRead for Drip<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (next, rest) = self.0.split_at(self.0.len().min(self.1).min(buf.remaining()));
        buf.put_slice(next);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

/// Every cut is tried.
async fn through(input: &str, limit: u64) -> (String, Option<String>) {
    through_by(1, input, limit).await
}

async fn through_by(octets: usize, input: &str, limit: u64) -> (String, Option<String>) {
    let mut guard = Guard::new(Drip(input.as_bytes(), octets), limit);
    let mut passed = Vec::new();
    let ended = guard.read_to_end(&mut passed).await;
    (
        String::from_utf8(passed).unwrap(),
        ended.err().map(|error| error.to_string()),
    )
}

async fn check(input: &str, expected: &str) {
    for octets in 1..=input.len() {
        assert_eq!(through_by(octets, input, 100).await, (expected.to_owned(), None));
    }
}

#[tokio::test]
async fn unknown_untagged_answers_are_left_out_with_their_literals() {
    check(
        "* OK hi\r\n* XYZZY odd {5}\r\nhello tail\r\n* 9 WIBBLE\r\nA1 OK in\r\n",
        "* OK hi\r\nA1 OK in\r\n",
    )
    .await;
}

#[tokio::test]
async fn what_looks_like_an_answer_inside_a_literal_is_passed() {
    let fetch = "* 1 FETCH (UID 7 BODY[] {12}\r\n* XYZZY x\r\n\r)\r\n";
    check(fetch, fetch).await;
    check("+ go on\r\n", "+ go on\r\n").await;
}

#[tokio::test]
async fn a_missing_date_becomes_an_empty_one() {
    check(
        "* 1 FETCH (INTERNALDATE NIL UID 7)\r\n",
        "* 1 FETCH (INTERNALDATE \"\" UID 7)\r\n",
    )
    .await;
    let quoted = "* 1 FETCH (BODY[] \"INTERNALDATE NIL\" UID 7)\r\n";
    check(quoted, quoted).await;
}

#[tokio::test]
async fn a_literal_beyond_the_limit_is_a_fault_after_what_was_good() {
    let (passed, fault) = through("* 2 EXISTS\r\n* 1 FETCH (UID 7 BODY[] {101}\r\nabc", 100).await;
    assert_eq!(passed, "* 2 EXISTS\r\n");
    assert_eq!(
        fault.unwrap(),
        "the server announces 101 octets of UID 7 where at most 100 were expected"
    );
}

#[tokio::test]
async fn an_answer_without_end_is_a_fault() {
    let literal = format!(" BODY[] {{100}}\r\n{}", "x".repeat(100));
    let answer = format!("* 1 FETCH (UID 7{}", literal.repeat(2 * LONGEST_LINE / 100));
    let (passed, fault) = through(&answer, 100).await;
    let longest = LONGEST_LINE + 100;
    assert!(passed.len() <= longest, "{} octets", passed.len());
    let octets = octets_in(longest);
    assert_eq!(fault.unwrap(), GuardError::LongAnswer { octets }.to_string());
}

#[tokio::test]
async fn a_line_without_end_is_a_fault() {
    let (_, fault) = through(&"x".repeat(LONGEST_LINE + 1), 100).await;
    assert_eq!(fault.unwrap(), GuardError::LongLine.to_string());
}

#[tokio::test]
async fn parentheses_too_deep_are_a_fault_and_those_in_quotes_are_none() {
    let (open, close) = ("(".repeat(DEEPEST - 1), ")".repeat(DEEPEST - 1));
    check(
        &format!("* 1 FETCH ({open}{close})\r\n* 1 FETCH ({open}{close})\r\n"),
        &format!("* 1 FETCH ({open}{close})\r\n* 1 FETCH ({open}{close})\r\n"),
    )
    .await;
    let quoted = format!("* LIST () \"/\" \"\\\"{open}{open}\"\r\n");
    check(&quoted, &quoted).await;
    for deep in [
        format!("* 1 FETCH (({open}"),
        // The literal ends neither the answer nor its parentheses.
        format!("* 1 FETCH ({open} {{1}}\r\nx("),
        format!("* 1 FETCH (X \"(\" \"\\\\\" ({open}"),
    ] {
        let (passed, fault) = through(&format!("* 2 EXISTS\r\n{deep}\r\n"), 100).await;
        assert!(passed.starts_with("* 2 EXISTS\r\n"), "{passed}");
        assert_eq!(fault.unwrap(), GuardError::Deep.to_string(), "{deep}");
    }
}

#[tokio::test]
async fn the_namespace_is_kept_for_us() {
    let mut guard = Guard::new(Drip(b"* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n", 1), 100);
    let mut passed = Vec::new();
    guard.read_to_end(&mut passed).await.unwrap();
    assert!(passed.is_empty());
    assert_eq!(guard.take_namespace().as_deref(), Some("((\"INBOX.\" \".\")) NIL NIL"));
}
