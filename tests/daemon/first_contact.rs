//! `backlog = "report"`: at its first start a mailbox is read and tells what would be done with what lies there, and does
//! nothing until somebody says what it means.

use halo_intake::sandbox::{Fault, Mishap};

use crate::{
    measuring::{get, served},
    running::{Daemon, Signal, USERS},
    world::World,
};

/// Some are refused, some are nobody's business, of the others everybody becomes a user.
fn rules() -> String {
    format!(
        "[[rule]]\nname = \"refuses\"\nwhen = \"'refuse' in email.subject\"\n[[rule.action]]\ntype = \"bounce\"\n{}",
        USERS.replace(
            "name = \"users\"",
            "name = \"users\"\nwhen = \"not ('nothing' in email.subject)\""
        )
    )
}

/// A mailbox of this world with six messages that waits for a word.
fn with_backlog(world: &World) {
    world.more("[mailbox.support]\nbacklog = \"report\"\npoll_interval = \"1s\"\n[report]\nevery = \"1s\"\n");
    for (from, subject) in [
        ("Ann <ann@stranger.example>", "First"),
        ("Ann <ann@stranger.example>", "Second of the same"),
        ("Bob <bob@stranger.example>", "Third"),
        ("Cid <cid@stranger.example>", "please refuse"),
        ("Dan <dan@stranger.example>", "nothing to do"),
    ] {
        world.mail(from, subject);
    }
    world.deliver("Subject: no author\n\nx\n");
}

/// Mails to operators that say this.
fn reports(world: &World, text: &str) -> usize {
    let says = |octets: &[u8]| {
        String::from_utf8_lossy(octets)
            .replace("=\r\n", "")
            .replace("\r\n", " ")
            .contains(text)
    };
    world.sink.mails().iter().filter(|mail| says(&mail.octets)).count()
}

fn says_what_would_be_done_and_waits(world: &World) {
    let daemon = Daemon::start(world, &[]);
    let line = daemon.says("are there at the first start");
    for part in [
        "3 would be completed",
        "1 ignored",
        "1 bounced",
        "1 failed (1 no_author)",
        "2 users would be created",
        "waits until backlog is \"process\" or \"skip\" in [mailbox.support], and a reload where a service runs: 6 messages",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    world.wait_until("the report", |world| reports(world, "first start") == 1);
    assert_eq!(reports(world, "UTC   it lasts"), 1);
    let list = std::fs::read_to_string(world.state_dir().join("backlog-support.txt")).unwrap();
    assert_eq!(list.lines().count(), 1 + 6, "{list}");
    assert!(list.contains("\tmain: create the user "), "{list}");
    assert!(list.contains("cid@stranger.example\tplease refuse\tbounced"), "{list}");
    assert_eq!(world.log().len(), 0, "something was received");
    assert_eq!(world.folder("INBOX").len(), 6);
    assert_eq!(world.requests("POST", "/api"), 0, "Halo was written to");
    // What comes meanwhile waits as well, and a restart asks nothing and tells nobody anew.
    world.mail("Eve <eve@stranger.example>", "Came meanwhile");
    let asked = world.requests("GET", "/api");
    assert_eq!(daemon.stop().0, 0);
    let daemon = Daemon::start(world, &[]);
    daemon.says("are there at the first start");
    assert_eq!(world.log().len(), 0);
    assert_eq!(world.requests("GET", "/api"), asked, "it was asked anew");
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_mailbox_that_was_reported_is_processed_at_a_word() {
    let world = World::with_dovecot(&rules());
    with_backlog(&world);
    says_what_would_be_done_and_waits(&world);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("are there at the first start");
    world.more("[mailbox.support]\nbacklog = \"process\"\n");
    daemon.signal(Signal::HUP);
    world.wait_until("all of them", |world| world.count_where("state = 'ended'") >= 6);
    world.wait_until("the end of the wait", |world| {
        reports(world, "the mailbox is well again") == 1
    });
    let log = world.log();
    assert_eq!(log.len(), 7, "{log:#?}");
    let of = |outcome: &str| log.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((of("completed"), of("ignored"), of("failed")), (4, 1, 1), "{log:#?}");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    assert_eq!(reports(&world, "first start"), 1, "operators were told again");
}

#[test]
fn a_mailbox_that_was_reported_is_skipped_at_a_word_but_for_what_came_since() {
    let world = World::new(&rules());
    with_backlog(&world);
    says_what_would_be_done_and_waits(&world);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("are there at the first start");
    world.more("[mailbox.support]\nbacklog = \"skip\"\n");
    daemon.signal(Signal::HUP);
    daemon.says("completed");
    world.wait_until("all of them", |world| world.log().len() == 7);
    let skipped = world.log().iter().filter(|row| row["reason"] == "backlog").count();
    assert_eq!(skipped, 6, "{:#?}", world.log());
    assert_eq!(world.users("eve@stranger.example").len(), 1);
    assert!(world.users("ann@stranger.example").is_empty());
}

#[test]
fn while_halo_is_away_nothing_is_told_and_afterwards_it_is() {
    let world = World::new(&rules());
    with_backlog(&world);
    world.more("[halo.main]\nurl = \"http://127.0.0.1:9\"\n");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("can not be told yet");
    assert_eq!(reports(&world, "first start"), 0);
    world.more(&format!("[halo.main]\nurl = \"{}\"\n", world.sandbox.url()));
    daemon.signal(Signal::HUP);
    daemon.says("3 would be completed");
    world.wait_until("the report", |world| reports(world, "first start") == 1);
}

/// What was asked for one message is not asked again because Halo wants to be left alone at the next.
#[test]
fn where_halo_asks_to_slow_down_the_look_goes_on_where_it_stopped() {
    let world = World::new(&rules());
    with_backlog(&world);
    let pause = Mishap::Answer {
        status: 429,
        fields: [("Retry-After".to_owned(), "60".to_owned())].into(),
        body: String::new(),
    };
    // The first is answered, the second is told to wait.
    let faults = [Mishap::Delay { ms: 1 }, pause].map(|mishap| Fault::once("GET", "/api/users", mishap));
    world.sandbox.set(|switches| switches.faults = faults.to_vec());
    let daemon = Daemon::start(&world, &[("HALO_INTAKE_LOG", "debug")]);
    daemon.says("what would be done there is asked later: ");
    let asked = |whom: &str| {
        let requests = world.sandbox.requests().into_iter();
        requests
            .filter(|request| request.query.iter().any(|(_, value)| value.contains(whom)))
            .count()
    };
    assert_eq!(asked("ann"), 1, "{:?}", world.sandbox.requests());
    world.later(65);
    let line = daemon.says("3 would be completed");
    assert!(line.contains("2 users would be created"), "{line}");
    assert_eq!(asked("ann"), 1, "the look began anew: {:?}", world.sandbox.requests());
}

/// They heard of the mailbox before: that nobody said what its backlog means.
#[test]
fn operators_who_heard_of_the_mailbox_before_hear_what_would_be_done_all_the_same() {
    let mut world = World::new("[[rule]]\nname = \"stops\"\n[[rule.action]]\ntype = \"stop\"\n");
    let text = std::fs::read_to_string(world.configure()).unwrap();
    world.whole = Some(text.replace("backlog = \"process\"\n", ""));
    world.more("[report]\nevery = \"1s\"\n");
    let mails: Vec<String> = (0..501).map(|number| format!("Number {number}")).collect();
    world.mail_all(
        mails
            .iter()
            .map(|subject| ("Ann <ann@stranger.example>", subject.as_str())),
    );
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the question", |world| reports(world, "say backlog = ") == 1);
    world.more("[mailbox.support]\nbacklog = \"report\"\n");
    daemon.signal(Signal::HUP);
    world.time_goes_on_until(2, "the report", |world| reports(world, "500 would be completed") == 1);
    assert_eq!(reports(&world, "the mailbox is well again"), 0);
    world.more("[mailbox.support]\nbacklog = \"skip\"\n");
    daemon.signal(Signal::HUP);
    world.time_goes_on_until(2, "the end", |world| reports(world, "the mailbox is well again") == 1);
    assert_eq!(reports(&world, "500 would be completed"), 1);
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn of_a_large_backlog_the_newest_are_looked_at_and_once_says_that_it_waits() {
    let world = World::new("[[rule]]\nname = \"stops\"\n[[rule.action]]\ntype = \"stop\"\n");
    world.more("[mailbox.support]\nbacklog = \"report\"\n");
    let mails: Vec<String> = (0..520).map(|number| format!("Number {number}")).collect();
    world.mail_all(
        mails
            .iter()
            .map(|subject| ("Ann <ann@stranger.example>", subject.as_str())),
    );
    let ran = world.run(&["run", "--once"]);
    assert_eq!(ran.status, 69, "{ran:?}");
    let expected = "520 messages are there at the first start; of the newest 500, 500 would be completed";
    assert_eq!(ran.stderr.matches(expected).count(), 1, "{ran:?}");
    assert_eq!(world.log().len(), 0);
}

#[test]
fn a_stop_does_not_wait_for_what_is_looked_at() {
    let world = World::new(&rules());
    with_backlog(&world);
    world.sandbox.set(|switches| switches.latency_ms = 30_000);
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the first question", |world| !world.sandbox.requests().is_empty());
    let (status, took) = daemon.stop();
    assert!(status == 0 && took.as_secs() < 10, "{status} after {took:?}");
}

#[test]
fn a_mailbox_that_waits_for_a_word_is_in_no_trouble() {
    let mut world = World::new(&rules());
    let port = served(&mut world);
    with_backlog(&world);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("are there at the first start");
    let (status, said) = get(port, "/healthz", "text/plain").unwrap();
    assert_eq!(status, 200);
    assert!(
        said.starts_with("ok\nmailbox support waits for an operator since "),
        "{said}"
    );
    let (_, scrape) = get(port, "/metrics", "text/plain").unwrap();
    for sample in [
        "things_in_trouble{kind=\"mailbox\"} 0.0\n",
        "mailbox_connected{mailbox=\"support\"} 1.0\n",
    ] {
        assert!(scrape.contains(sample), "{sample} is not in {scrape}");
    }
    let (_, page) = get(port, "/", "text/html").unwrap();
    assert!(page.contains("waits</span> for a word since "), "{page}");
    assert_eq!(daemon.stop().0, 0);
}
