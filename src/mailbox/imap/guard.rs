//! What stands between the connection and the parser: it lets nothing through that the parser would choke on.
//!
//! imap-proto ends the session at an untagged answer it does not know, panics at `INTERNALDATE NIL`, and calls itself for
//! each parenthesis of a BODYSTRUCTURE until the stack, and with it the process, is at its end; async-imap allocates for a
//! literal on the server's word. So unknown answers are left out, a missing date becomes an empty one, and parentheses
//! too deep or a literal beyond the limit are a fault before anybody reads them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The untagged answers that imap-proto reads.
const KNOWN: [&str; 18] = [
    "OK",
    "NO",
    "BAD",
    "BYE",
    "PREAUTH",
    "CAPABILITY",
    "LIST",
    "LSUB",
    "STATUS",
    "SEARCH",
    "FLAGS",
    "EXISTS",
    "RECENT",
    "EXPUNGE",
    "FETCH",
    "VANISHED",
    "ENABLED",
    "ID",
];

/// Far beyond any line that a command of ours is answered with.
const LONGEST_LINE: usize = 1 << 20;

/// So much is read at once while messages come, and while nothing does: thousands of connections wait.
const BUSY: usize = 32 * 1024;
const AT_REST: usize = 1024;

/// Parentheses within parentheses: what we ask for is answered with three. One costs the parser 20 KB of stack in a debug build.
const DEEPEST: usize = 30;

/// Why the guard ended the session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GuardError {
    #[error("the server sends a line of more than {LONGEST_LINE} octets")]
    LongLine,
    #[error("the server sends more than {DEEPEST} parentheses within each other")]
    Deep,
    #[error("the server announces {octets} octets {} where at most {limit} were expected", of_uid(*uid))]
    LargeLiteral { uid: Option<u32>, octets: u64, limit: u64 },
    #[error("the server sends an answer of more than {octets} octets")]
    LongAnswer { octets: u64 },
}

fn of_uid(uid: Option<u32>) -> String {
    uid.map_or("of something".to_owned(), |uid| format!("of UID {uid}"))
}

/// A stream whose reading side is guarded.
pub(super) struct Guard<S> {
    inner: S,
    /// As it came, from `raw_at` to `raw_end` not yet looked at.
    raw: Vec<u8>,
    raw_at: usize,
    raw_end: usize,
    /// The line in hand, until its end has come.
    line: Vec<u8>,
    /// Looked at; the parser may have it.
    passed: Vec<u8>,
    passed_at: usize,
    /// Octets of a literal that are still to come.
    literal: u64,
    /// The next line begins an answer; else it goes on after a literal.
    fresh: bool,
    /// Octets of the answer in hand: its lines, and its literals as they were announced.
    answer: u64,
    /// The answer in hand is passed on.
    passing: bool,
    /// Parentheses of it that are open.
    depth: usize,
    limit: u64,
    fault: Option<io::Error>,
    received: u64,
    namespace: Option<String>,
}

impl<S> std::fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl<S> Guard<S> {
    pub(super) fn new(inner: S, limit: u64) -> Self {
        Guard {
            inner,
            raw: vec![0; AT_REST],
            raw_at: 0,
            raw_end: 0,
            line: Vec::new(),
            passed: Vec::new(),
            passed_at: 0,
            literal: 0,
            fresh: true,
            answer: 0,
            passing: true,
            depth: 0,
            limit,
            fault: None,
            received: 0,
            namespace: None,
        }
    }

    /// The stream alone. What was read ahead is dropped: after STARTTLS it could only be injected.
    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    /// No literal may be larger than this from now on.
    pub(super) fn limit_literals(&mut self, octets: u64) {
        self.limit = octets;
    }

    /// Much may come.
    pub(super) fn awake(&mut self) {
        self.make_room(BUSY);
    }

    /// Nothing large is expected for a while.
    pub(super) fn rest(&mut self) {
        self.make_room(AT_REST);
        self.line.shrink_to(AT_REST);
        self.passed.shrink_to(AT_REST);
    }

    /// As far as nothing waits there to be looked at.
    fn make_room(&mut self, octets: usize) {
        if self.raw_at == self.raw_end && self.raw.len() != octets {
            (self.raw_at, self.raw_end) = (0, 0);
            self.raw = vec![0; octets];
        }
    }

    /// How many octets came in all: tells a slow answer from none.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The NAMESPACE answer (RFC 2342) without its first word; the parser does not read it.
    pub(super) fn take_namespace(&mut self) -> Option<String> {
        self.namespace.take()
    }

    /// Looks at what came; a fault stands in `fault` and is told after what was good before it.
    fn look(&mut self) {
        while self.raw_at < self.raw_end && self.fault.is_none() {
            if self.literal > 0 {
                self.pass_literal();
                continue;
            }
            let rest = &self.raw[self.raw_at..self.raw_end];
            let taken = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            self.line.extend_from_slice(&rest[..taken]);
            self.raw_at += taken;
            if self.line.len() > LONGEST_LINE {
                self.fault = Some(io::Error::other(GuardError::LongLine));
            } else if self.line.ends_with(b"\n") {
                self.pass_line();
            }
        }
    }

    fn pass_literal(&mut self) {
        let rest = &self.raw[self.raw_at..self.raw_end];
        let taken = usize::try_from(self.literal).unwrap_or(usize::MAX).min(rest.len());
        if self.passing {
            self.passed.extend_from_slice(&rest[..taken]);
        }
        self.literal = self.literal.saturating_sub(octets_in(taken));
        self.raw_at += taken;
    }

    fn pass_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if self.fresh {
            (self.depth, self.answer) = (0, 0);
            self.passing = is_known(&line);
            if let Some(rest) = strip_word(&line, b"* NAMESPACE ") {
                self.namespace = Some(String::from_utf8_lossy(rest).trim_end().to_owned());
            }
        }
        self.depth = match deeper(self.depth, &line) {
            Some(depth) => depth,
            None => {
                self.fault = Some(io::Error::other(GuardError::Deep));
                return;
            }
        };
        let announced = announced_literal(&line);
        self.fresh = announced.is_none();
        self.literal = announced.unwrap_or(0);
        if self.literal > self.limit {
            let error = GuardError::LargeLiteral {
                uid: uid_in(&line),
                octets: self.literal,
                limit: self.limit,
            };
            self.fault = Some(io::Error::other(error));
            return;
        }
        // One literal after another, each within its bound, would be kept until the answer ends.
        let longest = self.limit.saturating_add(octets_in(LONGEST_LINE));
        self.answer = self
            .answer
            .saturating_add(octets_in(line.len()))
            .saturating_add(self.literal);
        if self.answer > longest {
            self.fault = Some(io::Error::other(GuardError::LongAnswer { octets: longest }));
            return;
        }
        if self.passing {
            fill_missing_date(&mut line);
            self.passed.extend_from_slice(&line);
        }
        line.clear();
        self.line = line;
    }
}

fn octets_in(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn strip_word<'a>(line: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let head = line.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &line[word.len()..])
}

/// Whether imap-proto reads the answer that begins so. Tagged and continuation lines always pass.
fn is_known(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"* ") else {
        return true;
    };
    let mut words = rest.split(|octet| matches!(octet, b' ' | b'\r' | b'\n'));
    let first = words.next().unwrap_or(b"");
    let numbered = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let word = if numbered { words.next().unwrap_or(b"") } else { first };
    KNOWN.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// The size of the literal that follows this line (RFC 9051, 4.3).
fn announced_literal(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"}\r\n")?;
    let digits = &line[memchr::memrchr(b'{', line)? + 1..];
    std::str::from_utf8(digits).ok()?.trim_end_matches('+').parse().ok()
}

/// How many parentheses are open after this line; `None` where they were too many. Those in quotes are none, and the
/// parser takes no quote that goes on beyond its line.
fn deeper(mut depth: usize, line: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut octets) = (false, line.iter());
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => drop(octets.next()),
            b'(' if !is_quoted => depth += 1,
            b')' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return None;
        }
    }
    Some(depth)
}

fn uid_in(line: &[u8]) -> Option<u32> {
    let at = memmem::find(line, b"UID ")? + 4;
    let digits: Vec<u8> = line[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

/// imap-proto 0.17 panics at `INTERNALDATE NIL`, which some servers send for a message without a date.
fn fill_missing_date(line: &mut Vec<u8>) {
    const MISSING: &[u8] = b"INTERNALDATE NIL";
    let Some(at) = line
        .windows(MISSING.len())
        .position(|part| part.eq_ignore_ascii_case(MISSING))
    else {
        return;
    };
    let quoted = line[..at].iter().filter(|octet| **octet == b'"').count() % 2 == 1;
    if !quoted {
        let nil = at + MISSING.len() - 3;
        line.splice(nil..nil + 3, *b"\"\"");
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// What is passed on whatever it holds goes to the parser as it comes.
    fn poll_literal(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = usize::try_from(self.literal).unwrap_or(usize::MAX).min(buf.remaining());
        let mut fresh = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut fresh))?;
        let came = fresh.filled().len();
        buf.advance(came);
        self.literal = self.literal.saturating_sub(octets_in(came));
        self.received = self.received.saturating_add(octets_in(came));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        loop {
            if me.passed_at < me.passed.len() {
                let rest = &me.passed[me.passed_at..];
                let taken = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..taken]);
                me.passed_at += taken;
                if me.passed_at == me.passed.len() {
                    me.passed.clear();
                    me.passed_at = 0;
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = me.fault.take() {
                return Poll::Ready(Err(fault));
            }
            if me.raw_at == me.raw_end {
                if me.passing && me.literal > 0 {
                    return me.poll_literal(cx, buf);
                }
                let mut fresh = ReadBuf::new(&mut me.raw);
                ready!(Pin::new(&mut me.inner).poll_read(cx, &mut fresh))?;
                me.raw_at = 0;
                me.raw_end = fresh.filled().len();
                if me.raw_end == 0 {
                    return Poll::Ready(Ok(()));
                }
                me.received = me.received.saturating_add(octets_in(me.raw_end));
            }
            me.look();
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
