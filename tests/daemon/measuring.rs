//! What `/metrics` and `/healthz` say while messages come, while the process is killed, and while something is down.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use halo_intake::metrics::{Kind, TABLE};

use crate::{
    promise::is_at_rest,
    proxy::{Line, Proxy},
    running::{Daemon, USERS},
    servers::child::free_port,
    world::{World, dovecot, next_user},
};

const CLASSIC: &str = "text/plain";
const OPEN: &str = "application/openmetrics-text;version=1.0.0";
const BOUNCES: &str = "[[rule]]\nname = \"turned away\"\nwhen = \"email.from.domain == 'unwanted.example'\"\n[[rule.action]]\ntype = \"bounce\"\n";

/// The port of health and metrics; the world is told of it.
pub fn served(world: &mut World) -> u16 {
    let port = free_port();
    world.settings += &format!("[http]\nlisten = \"127.0.0.1:{port}\"\n");
    port
}

/// An answer: status and body; `None` where nobody listens, or the process ends in its midst.
pub fn get(port: u16, path: &str, accept: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))?;
    (body.len() == length.parse::<usize>().unwrap()).then_some(())?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The samples of a scrape, each with its labels as they are written.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    fn of(port: u16) -> Option<Scrape> {
        let (status, text) = get(port, "/metrics", CLASSIC)?;
        assert_eq!(status, 200, "{text}");
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Some(Scrape(samples.collect()))
    }

    fn now(port: u16) -> Scrape {
        Scrape::of(port).expect("the daemon serves metrics")
    }

    fn value(&self, name: &str) -> f64 {
        *self
            .0
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in {:#?}", self.0))
    }

    fn sum(&self, start: &str) -> f64 {
        let of = self.0.iter().filter(|(name, _)| name.starts_with(start));
        of.map(|(_, value)| value).sum()
    }

    /// Both sides of the account of `support`.
    fn account(&self) -> (f64, f64) {
        (
            self.sum("halo_intake_messages_seen_total{mailbox=\"support\"}"),
            self.sum("halo_intake_messages{mailbox=\"support\""),
        )
    }
}

fn wait_for<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for this status of `/healthz`; gives what it says.
fn health(port: u16, status: u16) -> String {
    wait_for(&format!("health becomes {status}"), || {
        get(port, "/healthz", CLASSIC).filter(|(found, _)| *found == status)
    })
    .1
}

#[test]
fn the_account_balances_in_every_scrape_while_messages_come_and_the_process_is_killed() {
    let mut world = World::with_dovecot(&format!("{BOUNCES}{USERS}"));
    let port = served(&mut world);
    let senders: Vec<String> = (0..30)
        .map(|number| {
            let domain = if number % 5 == 0 { "unwanted" } else { "stranger" };
            format!("s{number}@{domain}.example")
        })
        .collect();
    // What was asked when the process ended is waited out.
    world.halo = "timeout = \"1s\"".to_owned();
    let (mut scrapes, mut of_open) = (0, 0);
    let crashes = [
        "journal.ended.after:4",
        "journal.received.before:5",
        "journal.letter_taken.before",
        "",
    ];
    for (turn, point) in crashes.iter().enumerate() {
        let mails = senders[turn * 7..].iter().take(if turn == 3 { 9 } else { 7 });
        let crash = [("HALO_INTAKE_TEST_CRASH", *point)];
        let environment = if point.is_empty() { &[] } else { &crash[..] };
        let mut daemon = Daemon::start(&world, environment);
        world.mail_all(mails.map(|from| (from.as_str(), "Hello")));
        let is_over = || point.is_empty() && is_at_rest(&world, senders.len());
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match Scrape::of(port) {
                Some(scrape) => {
                    let (seen, accounted) = scrape.account();
                    assert_eq!(seen, accounted, "{:#?}", scrape.0);
                    scrapes += 1;
                    of_open +=
                        usize::from(scrape.sum("halo_intake_messages{mailbox=\"support\",outcome=\"pending\"}") > 0.0);
                }
                None if daemon.has_ended() => break,
                None => {}
            }
            if is_over() {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "turn {turn} does not end: {:#?}",
                world.log()
            );
        }
        if point.is_empty() {
            let scrape = Scrape::now(port);
            let of = |outcome: &str| {
                scrape.value(&format!(
                    "halo_intake_messages{{mailbox=\"support\",outcome=\"{outcome}\"}}"
                ))
            };
            assert_eq!((of("completed"), of("bounced")), (24.0, 6.0), "{:#?}", scrape.0);
            assert_eq!(scrape.account(), (30.0, 30.0));
            assert_eq!(scrape.value("halo_intake_journal_rows"), 30.0);
            // Counted when it ended, in whichever process.
            assert_eq!(scrape.sum("halo_intake_rule_matched_messages_total"), 30.0);
            assert_eq!(daemon.stop().0, 0);
        } else {
            daemon.died();
        }
    }
    assert!(
        scrapes > 20 && of_open > 0,
        "{scrapes} scrapes, {of_open} of them while messages were in hand"
    );
}

/// All samples of each metric in the table; and nothing in the text that a mail or a person brought.
fn check_text(text: &str, is_open: bool) {
    let mut described = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(described.insert(name, kind).is_none(), "{name} is described twice");
    }
    for row in TABLE {
        let stem = row.name.strip_suffix(row.kind.suffix()).unwrap();
        let (name, kind) = match (is_open, row.kind) {
            (true, kind) => (stem, kind.word()),
            (false, Kind::Info) => (row.name, "gauge"),
            (false, kind) => (row.name, kind.word()),
        };
        assert_eq!(described.remove(name), Some(kind), "{name}");
        assert!(text.contains(&format!("# HELP {name} {}\n", row.help)), "{name}");
    }
    assert_eq!(described, BTreeMap::new(), "are not in the table");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let is_of = |name: &str, row: &halo_intake::metrics::Row| {
            row.name == name
                || ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| name.strip_suffix(end) == Some(row.name))
        };
        assert!(TABLE.iter().any(|row| is_of(name, row)), "{line}");
    }
    assert!(!text.contains('@') && !text.contains("Hello"), "{text}");
    assert_eq!(text.ends_with("# EOF\n"), is_open);
}

#[test]
fn what_became_of_a_message_is_measured_and_named_as_the_table_says() {
    let mut world = World::with_dovecot(&format!("{BOUNCES}{USERS}"));
    let port = served(&mut world);
    let daemon = Daemon::start(&world, &[]);
    world.mail("Ann <ann@stranger.example>", "Hello");
    world.mail("Bob <bob@unwanted.example>", "Hello");
    world.wait_until("the rest", |world| {
        is_at_rest(world, 2) && world.count_where("settled IS NULL") == 0
    });
    let scrape = Scrape::now(port);
    let one = [
        "halo_intake_message_arrival_to_outcome_seconds_count{outcome=\"completed\"}",
        "halo_intake_message_reception_to_outcome_seconds_count{outcome=\"completed\"}",
        "halo_intake_message_reception_to_outcome_seconds_count{outcome=\"bounced\"}",
        "halo_intake_attempt_duration_seconds_count{result=\"completed\"}",
        "halo_intake_halo_creations_total{connection=\"main\",kind=\"user\"}",
        "halo_intake_letters_total{way=\"mail\",result=\"taken\"}",
        "halo_intake_rule_matched_messages_total{rule=\"turned away\"}",
        "halo_intake_mailbox_connected{mailbox=\"support\"}",
        "halo_intake_mailbox_idle{mailbox=\"support\"}",
        "halo_intake_halo_connected{connection=\"main\"}",
        "halo_intake_config_last_reload_successful",
        "halo_intake_journal_readable",
        "halo_intake_halo_request_duration_seconds_count{connection=\"main\",method=\"POST\",resource=\"token\",status=\"2xx\"}",
        "halo_intake_halo_request_duration_seconds_count{connection=\"main\",method=\"POST\",resource=\"users\",status=\"2xx\"}",
    ];
    for name in one {
        assert_eq!(scrape.value(name), 1.0, "{name}");
    }
    let zero = [
        "halo_intake_letters_total{way=\"mail\",result=\"refused\"}",
        "halo_intake_halo_too_many_requests_total{connection=\"main\"}",
        "halo_intake_mailbox_oldest_open_message_age_seconds{mailbox=\"support\"}",
        "halo_intake_mailbox_unsettled_messages{mailbox=\"support\"}",
        "halo_intake_letters_total{way=\"webhook\",result=\"refused\"}",
        "halo_intake_outbox_letters{way=\"mail\"}",
        "halo_intake_outbox_letters{way=\"webhook\"}",
        "halo_intake_outbox_oldest_letter_age_seconds{way=\"mail\"}",
        "halo_intake_halo_pace_waiting_requests{connection=\"main\"}",
        "halo_intake_things_in_trouble{kind=\"mailbox\"}",
    ];
    for name in zero {
        assert_eq!(scrape.value(name), 0.0, "{name}");
    }
    // What Halo was asked is what it heard, the pace counts the same, and tokens have a life.
    let asked = world.sandbox.requests().len();
    let calls = scrape.value("halo_intake_halo_calls_total{connection=\"main\"}");
    assert_eq!(calls, f64::from(u32::try_from(asked).unwrap()));
    assert_eq!(
        scrape.value("halo_intake_halo_pace_used_slots{connection=\"main\"}"),
        calls
    );
    assert_eq!(scrape.sum("halo_intake_halo_request_duration_seconds_count"), calls);
    let life = scrape.value("halo_intake_halo_token_age_seconds{connection=\"main\"}")
        + scrape.value("halo_intake_halo_token_remaining_seconds{connection=\"main\"}");
    assert!(
        life > 60.0 && life.fract() < 1e-3 || 1.0 - life.fract() < 1e-3,
        "{life}"
    );
    assert_eq!(
        scrape.value("halo_intake_mailbox_check_interval_seconds{mailbox=\"support\"}"),
        60.0
    );
    assert!(scrape.value("halo_intake_mailbox_last_check_age_seconds{mailbox=\"support\"}") < 60.0);
    assert!(scrape.value("halo_intake_journal_commit_duration_seconds_count") > 4.0);
    assert!(scrape.value("halo_intake_journal_size_bytes") > 10_000.0);
    assert!(scrape.value("process_resident_memory_bytes") > 1e6);

    check_text(&get(port, "/metrics", CLASSIC).unwrap().1, false);
    let open = get(port, "/metrics", OPEN).unwrap().1;
    check_text(&open.replace(" # {", " #{"), true);
    // The exemplar leads to the journal.
    let id = world.log()[0]["id"].to_string();
    let exemplar = format!(" # {{id=\"{id}\"}}");
    let lines = open.lines().filter(|line| line.contains(&exemplar));
    assert!(lines.clone().count() >= 3, "{open}");
    assert!(lines.clone().all(|line| line.contains("_bucket{")), "{open}");
    assert_eq!(health(port, 200), "ok\n");
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_halo_that_is_down_is_shown_and_health_stays_green() {
    let mut world = World::new(USERS);
    let port = served(&mut world);
    world.more("[halo.main]\nurl = \"http://127.0.0.1:1\"\n");
    let daemon = Daemon::start(&world, &[]);
    world.mail("Ann <ann@stranger.example>", "Hello");
    let scrape = wait_for("the trouble is seen", || {
        let scrape = Scrape::of(port)?;
        (scrape.value("halo_intake_things_in_trouble{kind=\"connection\"}") == 1.0).then_some(scrape)
    });
    assert_eq!(scrape.value("halo_intake_halo_connected{connection=\"main\"}"), 0.0);
    assert!(scrape.sum("halo_intake_halo_request_duration_seconds_count{connection=\"main\"") > 0.0);
    assert_eq!(
        scrape.value("halo_intake_halo_calls_total{connection=\"main\"}"),
        0.0,
        "nothing came to it"
    );
    world.wait_until("it waits", |world| world.count_where("state = 'deferred'") == 1);
    let scrape = Scrape::now(port);
    assert_eq!(
        scrape.value("halo_intake_messages{mailbox=\"support\",outcome=\"deferred\"}"),
        1.0
    );
    assert!(scrape.value("halo_intake_mailbox_oldest_open_message_age_seconds{mailbox=\"support\"}") > 0.0);
    let said = health(port, 200);
    assert!(said.starts_with("ok\nconnection main is in trouble since "), "{said}");
    assert!(!said.contains("127.0.0.1"), "why is for operators: {said}");
    let (status, json) = get(port, "/healthz", "application/json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (status, &json["status"], &json["wrong"]),
        (200, &"ok".into(), &serde_json::json!([]))
    );
    assert_eq!(
        (&json["troubles"][0]["kind"], &json["troubles"][0]["place"]),
        (&"connection".into(), &"connection main".into())
    );
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_mailbox_that_is_silent_for_three_intervals_makes_health_red_until_it_answers() {
    let server = dovecot();
    let line = Proxy::to(server.imaps_port);
    let mut world = World::with_server(USERS, server, next_user());
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    let port = served(&mut world);
    world.more(&format!("[mailbox.support]\nport = {}\n", line.port));
    let daemon = Daemon::start(&world, &[]);
    wait_for("it is checked", || {
        let scrape = Scrape::of(port)?;
        (scrape.value("halo_intake_mailbox_connected{mailbox=\"support\"}") == 1.0).then_some(())
    });
    assert_eq!(health(port, 200), "ok\n");
    line.set(Line::Dead);
    let said = health(port, 503);
    assert!(said.starts_with("mailbox support has not been checked for "), "{said}");
    assert!(said.contains(" s; it is checked every 1 s\n"), "{said}");
    let scrape = Scrape::now(port);
    assert!(scrape.value("halo_intake_mailbox_last_check_age_seconds{mailbox=\"support\"}") > 3.0);
    assert_eq!(
        scrape.value("halo_intake_mailbox_connected{mailbox=\"support\"}"),
        1.0,
        "nobody else has noticed"
    );
    let page = get(port, "/", "text/html").unwrap().1;
    assert!(page.contains("mailbox support has not been checked for "), "{page}");
    assert!(page.contains("not checked</span> for too long"), "{page}");
    assert!(!page.contains("Nothing does."), "{page}");
    line.set(Line::Well);
    assert_eq!(health(port, 200), "ok\n");
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_mailbox_that_waits_for_a_word_is_looked_at_all_the_while_and_health_stays_green() {
    for (backlog, mails) in [("backlog = \"report\"", 1), ("", 501)] {
        let mut world = World::new(USERS);
        let port = served(&mut world);
        world.mailbox = "poll_interval = \"1s\"".to_owned();
        let whole = std::fs::read_to_string(world.configure()).unwrap();
        world.whole = Some(whole.replace("backlog = \"process\"", backlog));
        let ann = std::iter::repeat_n(("Ann <ann@stranger.example>", "Hello"), mails);
        world.mail_all(ann);
        let daemon = Daemon::start(&world, &[]);
        daemon.says("at the first start");
        world.later(50);
        let said = health(port, 200);
        assert!(
            said.starts_with("ok\nmailbox support waits for an operator since "),
            "{said}"
        );
        let age = Scrape::now(port).value("halo_intake_mailbox_last_check_age_seconds{mailbox=\"support\"}");
        assert!(age < 3.0, "{age}");
        assert_eq!(world.log().len(), 0);
        assert_eq!(daemon.stop().0, 0);
    }
}

#[test]
fn a_journal_that_takes_no_change_makes_health_red_and_the_end_of_a_client_secret_is_told() {
    let mut world = World::new(USERS);
    let port = served(&mut world);
    world.more(
        "[mailbox.cloud]\ntype = \"imap\"\nhost = \"127.0.0.1\"\nport = 1\nusername = \"cloud@desk.example\"\n\
         [mailbox.cloud.oauth]\nprovider = \"other\"\ntoken_url = \"http://127.0.0.1:1/token\"\nclient_id = \"intake\"\n\
         client_secret = \"s3cr3t\"\nclient_secret_expires = \"2030-05-31\"\n",
    );
    let daemon = Daemon::start(&world, &[]);
    assert!(health(port, 200).starts_with("ok\n"));
    // Midnight after that day.
    let end = "2030-06-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    let told = Scrape::now(port)
        .value("halo_intake_client_secret_expiry_timestamp_seconds{kind=\"mailbox\",mailbox=\"cloud\"}");
    assert_eq!(told, f64::from(i32::try_from(end).unwrap()));
    let database = rusqlite::Connection::open(world.state_dir().join("journal.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = health(port, 503);
    assert!(said.starts_with("the journal has taken no change for 4 s\n"), "{said}");
    assert_eq!(Scrape::now(port).value("halo_intake_journal_readable"), 1.0);
    database.execute_batch("ROLLBACK").unwrap();
    assert!(health(port, 200).starts_with("ok\n"));
    assert_eq!(daemon.stop().0, 0);
}
