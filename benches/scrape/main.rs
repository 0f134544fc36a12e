//! What a scrape of `/metrics` costs with thousands of mailboxes and a journal of a million messages.
//!
//! `cargo bench --bench scrape -- [MESSAGES] [MAILBOXES]`; 1,000,000 and 2,000 when left out. The mailboxes are Maildirs, so
//! that nothing else is at work; a twentieth of the messages has no outcome. It only measures.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../throughput/process.rs"]
mod process;

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use halo_intake::{
    clock::Clock,
    journal::{Opening, sqlite::Sqlite},
};

const SCRAPES: usize = 21;
const FORMATS: [(&str, &str); 2] = [
    ("classic", "text/plain"),
    ("OpenMetrics", "application/openmetrics-text"),
];

fn main() {
    // Cargo adds --bench.
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<usize>().ok());
    let messages = numbers.next().unwrap_or(1_000_000);
    let mailboxes = numbers.next().unwrap_or(2_000).max(1);
    let folder = tempfile::Builder::new().prefix("hi-scrape-").tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = configure(folder.path(), mailboxes, port);
    for filled in [0, messages] {
        fill(folder.path(), filled, mailboxes);
        let daemon = start(&config);
        let deadline = Instant::now() + Duration::from_secs(120);
        while scrape(port, FORMATS[0].1).is_none_or(|text| connected(&text) != mailboxes) {
            assert!(Instant::now() < deadline, "not all mailboxes are reached");
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{mailboxes} mailboxes, {filled} messages");
        FORMATS
            .iter()
            .for_each(|(name, accept)| measure(&daemon.0, port, name, accept));
        let resident = process::status(&daemon.0, "VmRSS:").expect("it runs");
        println!("  resident memory afterwards {} MiB", resident / 1024);
        keep_one(port);
    }
}

/// A few scrapes, one after another.
fn measure(daemon: &Child, port: u16, name: &str, accept: &str) {
    let before = process::cpu_seconds(daemon);
    let (mut took, mut length) = (Vec::new(), 0);
    for _ in 0..SCRAPES {
        let began = Instant::now();
        length = scrape(port, accept).expect("it answers").len();
        took.push(1e3 * began.elapsed().as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    let cpu = 1e3 * (process::cpu_seconds(daemon) - before) / SCRAPES as f64;
    println!(
        "  {name:12} median {:>6.1} ms, slowest {:>6.1} ms, processor {cpu:>6.1} ms, {:>6} KiB",
        took[SCRAPES / 2],
        took[SCRAPES - 1],
        length / 1024
    );
}

/// For a linter: `promtool check metrics < target/tmp/scrape.txt`.
fn keep_one(port: u16) {
    let text = scrape(port, FORMATS[0].1).expect("it answers");
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrape.txt"), text).unwrap();
}

fn connected(text: &str) -> usize {
    let is_so = |line: &&str| line.starts_with("halo_intake_mailbox_connected{") && line.ends_with(" 1.0");
    text.lines().filter(is_so).count()
}

fn scrape(port: u16, accept: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let head =
        format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.to_owned())
}

fn configure(folder: &Path, mailboxes: usize, port: u16) -> std::path::PathBuf {
    let mut text = format!(
        "state_dir = {:?}\n[http]\nlisten = \"127.0.0.1:{port}\"\n",
        folder.join("state")
    );
    for number in 0..mailboxes {
        let path = folder.join(format!("mail/{number}"));
        for part in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(path.join(part)).unwrap();
        }
        writeln!(
            text,
            "[mailbox.m{number}]\ntype = \"maildir\"\npath = {path:?}\nbacklog = \"skip\"\nwatch = \"poll\""
        )
        .unwrap();
    }
    text += "[[rule]]\nname = \"nothing\"\naction = [{ type = \"stop\" }]\n";
    let config = folder.join("halo-intake.toml");
    std::fs::write(&config, text).unwrap();
    config
}

/// A journal of so many messages, each twentieth of them deferred for a year.
fn fill(folder: &Path, messages: usize, mailboxes: usize) {
    let state = folder.join("state");
    drop(Sqlite::open(&state, Clock::system(), Opening::Alone).unwrap());
    let db = rusqlite::Connection::open(state.join("journal.db")).unwrap();
    let (messages, mailboxes) = (i64::try_from(messages).unwrap(), i64::try_from(mailboxes).unwrap());
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO entry (mailbox, folder, kind, validity, name, received, internal_date, size, author, subject,
            message_id, heard, fingerprint, digest, author_key, thread_key, state, outcome, ended, ready, due, gone)
         SELECT 'm' || (i % ?2), '', 'file', 0, i, ?3 + i, ?3 + i, 4000, 'ann' || i || '@customer.example', 'mail ' || i,
            i || '@customer.example', 'ann' || i, randomblob(32), randomblob(32), 'ann' || i, '',
            iif(i % 20, 'ended', 'deferred'), iif(i % 20, 'completed', NULL), iif(i % 20, ?3 + i, NULL), 1,
            iif(i % 20, NULL, ?3 + 31536000000000), i % 20 > 0
         FROM n",
        (messages, mailboxes, jiff::Timestamp::now().as_microsecond() - messages),
    )
    .unwrap();
}

/// The daemon; it ends with the measurement.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(config: &Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
    command
        .arg("--config")
        .arg(config)
        .arg("run")
        .env("HALO_INTAKE_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Running(command.spawn().unwrap())
}
