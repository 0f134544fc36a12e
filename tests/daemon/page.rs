//! The page for people: who may ask, what is answered, and that a message runs again.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    asking::{Answered, get, get_with, post, send, served_at},
    running::{Daemon, Signal},
    world::World,
};

const TOKEN: &str = "a token of the story that is long";

/// A mail whose subject says so fails, one about news is left alone, and of all others a user is made.
pub const RULES: &str = r#"
[[rule]]
name = "Orders need a site of their client"
when = "not email.automatic and email.subject is containing(pat='order')"

  [[rule.action]]
  type = "create_halo_user"
  client = 12
  site = 24

[[rule]]
name = "Unknown senders become users"
when = "not email.automatic and email.subject is not containing(pat='news')"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  store_as = "created"
"#;

/// A world that serves its page; with a token, where there is one.
pub fn world(token: Option<&str>) -> World {
    let mut world = World::new(RULES);
    let token = token.map_or(String::new(), |token| format!("token = {token:?}\n"));
    world.settings = format!("[http]\nlisten = \"127.0.0.1:0\"\nhosts = [\"intake.example.com\"]\n{token}");
    world
}

/// The cookie of a session.
fn sign_in(address: SocketAddr) -> String {
    let form = format!("token={}&next=/log", TOKEN.replace(' ', "+"));
    let answered = post(address, "/sign-in", "", &form);
    assert_eq!(
        (answered.status, answered.field("location")),
        (303, Some("/log")),
        "{answered:?}"
    );
    let cookie = answered.field("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
}

/// The proof that the forms of a page bear.
fn proof(answered: &Answered) -> String {
    let (_, rest) = answered.body.split_once("name=\"proof\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn what_became_of_the_mail_from_jane_is_one_search_away() {
    let world = world(None);
    world.mail("Jane Roe <jane@stranger.example>", "The printer is on fire");
    world.mail("Joe <joe@stranger.example>", "My order");
    world.mail("News <news@stranger.example>", "Our news");
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("all have ended", |world| world.count_where("state = 'ended'") == 3);

    let found = get(address, "/log?from=jane&since=1h");
    assert_eq!(found.status, 200, "{found:?}");
    assert!(
        found.body.contains("The printer is on fire") && found.body.contains("completed"),
        "{}",
        found.body
    );
    assert!(!found.body.contains("joe@stranger.example"), "{}", found.body);
    let id = world
        .log()
        .iter()
        .find(|row| row["from"] == "jane@stranger.example")
        .unwrap()["id"]
        .clone();
    assert!(
        found.body.contains(&format!("href=\"/message/{id}\"")),
        "{}",
        found.body
    );

    let message = get(address, &format!("/message/{id}"));
    for part in [
        "The text of this mail.",
        "Unknown senders become users",
        "email.subject is not containing",
        "create_halo_user",
        "POST /Users",
        "201 Created",
        "To let it run again from here, [http] needs a token",
    ] {
        assert!(message.body.contains(part), "{part:?} is not in {}", message.body);
    }
    let failed = get(address, "/log?outcome=failed");
    assert!(
        failed.body.contains("My order") && failed.body.contains("site of client 13"),
        "{}",
        failed.body
    );

    let overview = get(address, "/");
    for part in [
        "3 seen",
        "1 completed",
        "1 failed",
        "1 ignored",
        "Failed in the last 24 hours",
        "watched",
    ] {
        assert!(overview.body.contains(part), "{part:?} is not in {}", overview.body);
    }
    let rules = get(address, "/rules");
    assert!(
        rules.body.contains("1. Orders need a site of their client"),
        "{}",
        rules.body
    );
    assert_eq!(rules.body.matches("matched 1 message,").count(), 2, "{}", rules.body);
}

#[test]
fn the_log_goes_on_where_a_page_of_it_stopped() {
    let world = world(None);
    let subjects: Vec<String> = (0..120).map(|number| format!("Our news {number:03}")).collect();
    world.mail_all(
        subjects
            .iter()
            .map(|subject| ("News <news@stranger.example>", subject.as_str())),
    );
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("all have ended", |world| world.count_where("state = 'ended'") == 120);

    let (mut path, mut seen) = ("/log?outcome=ignored".to_owned(), Vec::new());
    loop {
        let page = get(address, &path).body;
        seen.extend(page.split("Our news ").skip(1).map(|rest| rest[..3].to_owned()));
        let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else {
            break;
        };
        path = rest.split('"').next().unwrap().replace("&amp;", "&");
        assert!(path.contains("outcome=ignored"), "{path}");
    }
    seen.sort();
    let expected: Vec<String> = (0..120).map(|number| format!("{number:03}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn only_names_of_ours_are_answered_and_each_answer_says_what_a_browser_may() {
    let world = world(None);
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    let of_host = |host: &str| send(address, &format!("GET / HTTP/1.1\r\nConnection: close\r\n{host}\r\n")).status;
    let port = address.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "intake.example.com"] {
        assert_eq!(of_host(&format!("Host: {host}:{port}\r\n")), 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", ""] {
        assert_eq!(of_host(&format!("Host: {host}\r\n")), 403, "{host}");
    }
    assert_eq!(of_host(""), 403);
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(send(address, absolute).status, 403);

    for (path, status) in [
        ("/", 200),
        ("/log", 200),
        ("/log?since=soon&grep=%3Cscript%3E", 200),
        ("/rules", 200),
        ("/page.css", 200),
        ("/message/1", 404),
        ("/message/x%00y", 404),
        ("/message/1/html", 404),
        ("/message/1/raw", 404),
        ("/../etc/passwd", 404),
        ("/nothing", 404),
        ("/sign-in", 404),
    ] {
        let answered = get(address, path);
        assert_eq!(answered.status, status, "{path}");
        let policy = answered.field("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("script"),
            "{path}: {policy}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answered.field(name), Some(value), "{path}");
        }
        assert!(!answered.body.contains("<script"), "{path}: {}", answered.body);
    }
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "x"] {
        let request = format!("{method} /log HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let status = send(address, &request).status;
        assert!([405, 400].contains(&status), "{method}: {status}");
    }
    assert_eq!(post(address, "/log", "", "").status, 405);
    assert_eq!(get(address, "/message/1/retry").status, 405);
    let head = send(
        address,
        "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn with_a_token_everybody_signs_in_and_without_it_nobody_writes() {
    let world = world(Some(TOKEN));
    world.mail("Jane Roe <jane@stranger.example>", "Secret words");
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("it has ended", |world| world.count_where("state = 'ended'") == 1);

    for path in ["/", "/log", "/rules", "/message/1", "/message/1/html", "/message/1/raw"] {
        let answered = get(address, path);
        assert_eq!(answered.status, 401, "{path}");
        assert!(
            answered.body.contains("action=\"/sign-in\"") && !answered.body.contains("Jane"),
            "{}",
            answered.body
        );
    }
    assert_eq!(post(address, "/message/1/retry", "", "").status, 401);
    assert_eq!(post(address, "/sign-in", "", "token=wrong").status, 403);
    let elsewhere = post(address, "/sign-in", "Origin: http://evil.example\r\n", "token=wrong");
    assert_eq!(elsewhere.status, 403);

    let cookie = sign_in(address);
    let page = get_with(address, "/message/1", &cookie);
    assert!(page.status == 200 && page.body.contains("Secret words"), "{page:?}");
    assert_eq!(get_with(address, "/", "Cookie: halo-intake=0123\r\n").status, 401);
    // By a form of another session, of another site, or without a proof nothing is done.
    let proof = proof(&page);
    let good = format!("proof={proof}");
    for (fields, form) in [
        (cookie.clone(), ""),
        (cookie.clone(), "proof=0123"),
        (format!("{cookie}Sec-Fetch-Site: cross-site\r\n"), good.as_str()),
        (format!("{cookie}Origin: http://evil.example\r\n"), good.as_str()),
    ] {
        let answered = post(address, "/message/1/retry", &fields, form);
        assert_eq!(answered.status, 403, "{fields} {form}: {answered:?}");
    }
    assert_eq!(world.log()[0]["attempts"], 1);

    let out = post(address, "/sign-out", &cookie, &good);
    assert!(out.field("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    assert_eq!(get_with(address, "/", &cookie).status, 401);
    // A session is over after a working day.
    let cookie = sign_in(address);
    assert_eq!(get_with(address, "/", &cookie).status, 200);
    world.later(13 * 3600);
    assert_eq!(get_with(address, "/", &cookie).status, 401);
}

#[test]
fn a_message_runs_again_by_its_form_and_by_a_program_with_the_token() {
    let world = world(Some(TOKEN));
    world.mail("Joe <joe@stranger.example>", "My order");
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    let ended = |attempts: u64| {
        move |world: &World| world.count_where(&format!("state = 'ended' AND attempts = {attempts}")) == 1
    };
    world.wait_until("it has failed", ended(1));

    let cookie = sign_in(address);
    let page = get_with(address, "/message/1", &cookie);
    let fields = format!("{cookie}Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n");
    let answered = post(address, "/message/1/retry", &fields, &format!("proof={}", proof(&page)));
    assert_eq!(
        (answered.status, answered.field("location")),
        (303, Some("/message/1?again=1")),
        "{answered:?}"
    );
    world.wait_until("it ran again", ended(2));

    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let page = get_with(address, "/message/1", &bearer).body;
    assert!(
        page.contains("POST /message/1/retry") && !page.contains("needs a token"),
        "{page}"
    );
    let answered = post(address, "/message/1/retry", &bearer, "");
    assert_eq!(
        (answered.status, answered.body.as_str()),
        (200, "{\"ids\":[1]}"),
        "{answered:?}"
    );
    world.wait_until("and again", ended(3));
    assert_eq!(post(address, "/message/7/retry", &bearer, "").status, 404);
    let statuses: Vec<u16> = (0..12)
        .map(|_| post(address, "/message/1/retry", "Authorization: Bearer wrong\r\n", "").status)
        .collect();
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(
        post(address, "/message/7/retry", &bearer, "").status,
        404,
        "the right one"
    );
    daemon.says("too many wrong tokens came, the last by 127.0.0.1");
}

#[test]
fn without_a_token_a_form_changes_nothing() {
    let world = world(None);
    world.mail("Joe <joe@stranger.example>", "My order");
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("it has failed", |world| world.count_where("state = 'ended'") == 1);
    let answered = post(address, "/message/1/retry", "", "proof=");
    assert_eq!(answered.status, 403, "{answered:?}");
    assert!(answered.body.contains("add token to [http]"), "{}", answered.body);
    assert_eq!(world.log()[0]["attempts"], 1);
}

#[test]
fn slow_and_greedy_clients_hold_nothing_up() {
    let world = world(None);
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    // A header without end, a form without end, and many who say nothing at all.
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    assert!([400, 431, 0].contains(&send(address, &long).status));
    let form = "x".repeat(100_000);
    assert_eq!(post(address, "/sign-out", "", &form).status, 413);
    let silent: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(address).unwrap()).collect();
    for mut stream in &silent {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
    }
    let began = Instant::now();
    assert_eq!(get(address, "/").status, 200);
    world.mail("Jane Roe <jane@stranger.example>", "Still taken");
    world.wait_until("the mail", |world| world.count_where("state = 'ended'") == 1);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    // Each of them is sent away.
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut rest = Vec::new();
        let closed = stream.read_to_end(&mut rest);
        assert!(
            closed.is_ok() && began.elapsed() < Duration::from_secs(30),
            "{closed:?}"
        );
    }
    // And a client that asks once more on the same connection is served as before.
    let twice = "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\nGET /rules HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(send(address, twice).body.contains("HTTP/1.1 200 OK"));
}

#[test]
fn whatever_a_mail_is_made_of_its_page_is_plain_and_bounded() {
    let world = world(None);
    let begin = "Return-Path: <jane@stranger.example>\nTo: support@desk.example\nMIME-Version: 1.0\n";
    let many: String = (0..1_000)
        .map(|number| format!(" person{number}@acme.example,\n"))
        .collect();
    let long = "The same line again and again, and once more.\n".repeat(400_000);
    let mails = [
        format!(
            "{begin}From: jane@stranger.example\nSubject: =?utf-7?Q?+ADw-script+AD4-alert(1)?=\n\
             Content-Type: text/html; charset=utf-7\n\n+ADw-script+AD4-alert(1)+ADw-/script+AD4-<p>seven\n"
        ),
        format!(
            "{begin}From: =?utf-8?Q?Ja=E2=80=AEne=00=1B[31m?= <jane@stranger.example>\n\
             Subject: =?utf-8?B?4oCuZ25wLmV4ZQAbWzMxbQg=?= \u{2066}x\nContent-Type: text/plain; charset=utf-8\n\n\
             bell\u{7} escape\u{1b}[2J back\u{8}\u{8} turned\u{202e}round\n"
        ),
        format!("{begin}From: jane@stranger.example\nCc:\n{many} last@acme.example\nSubject: Many\n\nTo all of you.\n"),
        format!("{begin}From: jane@stranger.example\nSubject: Long\n\n{long}"),
        // What looks like a picture to whoever guesses is none.
        format!(
            "{begin}From: jane@stranger.example\nSubject: Guess\nContent-Type: image/gif\n\nGIF89a<script>alert(1)</script>\n"
        ),
    ];
    mails.iter().for_each(|mail| world.deliver(mail));
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("all have ended", |world| world.count_where("state = 'ended'") == 5);

    let rows = world.log();
    let of = |subject: &str| rows.iter().find(|row| row["subject"] == subject).unwrap()["id"].clone();
    for row in &rows {
        let id = &row["id"];
        for path in [
            format!("/message/{id}"),
            format!("/message/{id}/html"),
            "/log".to_owned(),
        ] {
            let body = get(address, &path).body;
            assert!(body.len() < 300_000, "{path}: {} octets", body.len());
            assert!(!body.contains("<script"), "{path}: {body}");
            let odd = |c: char| {
                (c.is_control() && c != '\n' && c != '\t')
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!body.contains(odd), "{path}: {body:?}");
        }
    }
    let many = get(address, &format!("/message/{}", of("Many"))).body;
    assert!(
        many.contains("person0@acme.example") && many.contains("… and 980 more") && many.contains("Cut by bounds"),
        "{many}"
    );
    let long = get(address, &format!("/message/{}", of("Long"))).body;
    assert!(
        long.contains("The text is cut here") && long.contains("/raw\""),
        "{long}"
    );

    let raw = get(address, &format!("/message/{}/raw", of("Long")));
    assert!(raw.body.len() > 18_000_000, "{}", raw.body.len());
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        (
            "content-disposition",
            &format!("attachment; filename=\"message-{}.eml\"", of("Long")),
        ),
    ] {
        assert_eq!(raw.field(name), Some(value), "{}", raw.head);
    }
}

#[test]
fn those_who_take_a_message_slowly_leave_room_for_others() {
    let world = world(None);
    let long = "The same line again and again, and once more.\n".repeat(200_000);
    world.deliver(&format!(
        "Return-Path: <j@s.example>\nFrom: j@s.example\nSubject: Long\n\n{long}"
    ));
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("it has ended", |world| world.count_where("state = 'ended'") == 1);
    let slow: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(format!("GET /message/1/raw HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
                .unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream.read_exact(&mut [0; 15]).unwrap();
            stream
        })
        .collect();
    let refused = get(address, "/message/1/raw");
    assert_eq!(
        (refused.status, refused.field("retry-after")),
        (503, Some("60")),
        "{}",
        refused.body
    );
    assert_eq!(get(address, "/message/1").status, 200);
    drop(slow);
    world.wait_until("there is a place again", |_| {
        get(address, "/message/1/raw").status == 200
    });
}

#[test]
fn an_address_that_is_no_longer_wanted_is_no_trouble_any_more() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = World::new(RULES);
    let address = taken.local_addr().unwrap();
    world.settings = format!("[http]\nlisten = \"{address}\"\n");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("can not be listened on");
    world.time_goes_on_until(60, "operators hear of it", |world| !world.told().is_empty());
    world.settings = String::new();
    world.configure();
    daemon.signal(Signal::HUP);
    daemon.says("http: there is no [http] any more");
}

#[test]
fn what_waits_and_why_stands_on_the_first_page() {
    let world = world(None);
    world.more("[halo.main]\nurl = \"http://127.0.0.1:1\"\n[smtp]\nport = 1\n");
    world.mail("Jane Roe <jane@stranger.example>", "The printer is on fire");
    let daemon = Daemon::start(&world, &[]);
    let address = served_at(&daemon);
    world.wait_until("the outage is told", |_| {
        let page = get(address, "/").body;
        [
            "connection main",
            "can not be reached",
            "1 deferred",
            "The oldest without an outcome",
            "1 letter in the outbox",
            "smtp",
        ]
        .iter()
        .all(|part| page.contains(part))
    });
    let page = get(address, "/").body;
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part} is not in {page}"));
    assert!(
        place("connection main") < place("Mailboxes") && place("smtp") < place("Mailboxes"),
        "{page}"
    );
    let message = get(address, "/message/1").body;
    assert!(
        message.contains("It comes again") && message.contains("deferred"),
        "{message}"
    );
    // Whoever had it tried now sees when that has come to something.
    let renews = |attempts: u32| {
        let page = get(address, &format!("/message/1?again={attempts}")).body;
        page.contains("http-equiv=\"refresh\"")
    };
    assert!(renews(1_000_000), "that attempt is not over");
    assert!(
        !message.contains("http-equiv=\"refresh\""),
        "nobody asked for it: {message}"
    );
}
