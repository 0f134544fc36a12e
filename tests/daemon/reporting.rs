//! What operators hear without asking: digests by mail and by webhook, each once, whatever becomes of the other.

use serde_json::{Value, json};

use crate::{
    hook::{Asked, Hook, Said},
    running::Daemon,
    world::{Inbox, World},
};

const BOUNCE: &str = "[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\n";
const KEY: &str = "Haken-Schluessel-4711";

/// A world that reports to this receiver as well; `further` are lines of `[report]`.
fn world(hook: &Hook, further: &str) -> World {
    let world = World::new(BOUNCE);
    world.more(&format!("[report]\nwebhook = \"{}/{KEY}\"\n{further}\n", hook.url()));
    world
}

/// A message that fails, since nobody may be told of it.
fn failure(world: &World, subject: &str) {
    world.mail("Robot <no-reply@stranger.example>", subject);
}

fn refusal(status: u16) -> Said {
    Said::Answer(status, "", format!("no_such_hook {KEY}"))
}

fn keys(asked: &[Asked]) -> Vec<&str> {
    asked
        .iter()
        .map(|asked| asked.field("idempotency-key").unwrap())
        .collect()
}

fn mails(world: &World) -> Vec<String> {
    let mails = world.sink.mails().into_iter();
    mails.map(|mail| String::from_utf8(mail.octets).unwrap()).collect()
}

#[test]
fn a_digest_leaves_by_mail_and_by_webhook_and_both_say_the_same() {
    let hook = Hook::start(Vec::new());
    let world = world(&hook, "");
    failure(&world, "A <!channel> question");
    world.once();
    let [asked] = &hook.asked()[..] else {
        panic!("there is not one: {:?}", hook.asked());
    };
    assert_eq!(asked.what, format!("POST /{KEY}"));
    assert_eq!(asked.field("content-type"), Some("application/json"));
    let body = asked.json();
    assert_eq!(body["kind"], "digest");
    assert_eq!(body["summary"], "1 message failed and not bounced");
    assert_eq!(body["left_off"], 0);
    let row = &world.log()[0];
    let notice = &body["notices"][0];
    let expected = json!({
        "topic": "bounce suppressed",
        "text": row["reason"],
        "at": notice["at"],
        "lasts": null,
        "id": 1,
        "mailbox": "support",
        "from": "no-reply@stranger.example",
        "subject": "A <!channel> question",
        "commands": ["halo-intake show 1", "halo-intake retry 1"],
    });
    assert_eq!(*notice, expected);
    let text = body["text"].as_str().unwrap();
    assert!(
        text.starts_with("```\nhalo-intake on ") && text.ends_with("```"),
        "{text}"
    );
    assert!(text.contains("halo-intake retry 1"), "{text}");
    assert_eq!(world.told(), ["ops@desk.example"]);
    let mail = &mails(&world)[0];
    assert!(mail.contains("halo-intake show 1\r\n"), "{mail}");

    world.once();
    assert_eq!((hook.asked().len(), world.told().len()), (1, 1), "there is nothing new");
}

#[test]
fn a_chat_gets_the_text_alone_or_a_card() {
    let hook = Hook::start(Vec::new());
    let world = world(&hook, "to = []\nwebhook_format = \"text\"");
    failure(&world, "[One](https://other.example) <@all>");
    world.once();
    world.more("[report]\nwebhook_format = \"teams\"\n");
    failure(&world, "[Two](https://other.example)");
    world.once();
    let asked: Vec<Value> = hook.asked().iter().map(Asked::json).collect();
    let names: Vec<&String> = asked[0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["text"]);
    assert!(!asked[0]["text"].as_str().unwrap().contains('<'), "{}", asked[0]);
    let card = &asked[1]["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert!(!card.to_string().contains("]("), "{card}");
    assert!(card.to_string().contains("halo-intake show 2"), "{card}");
    assert!(world.told().is_empty(), "nobody is told by mail");
}

#[test]
fn a_report_that_has_no_answer_comes_again_with_the_same_key_and_holds_up_no_mail() {
    let hook = Hook::start(vec![Said::Nothing, Said::Answer(503, "", String::new())]);
    let world = world(&hook, "");
    failure(&world, "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.told(), ["ops@desk.example"]);
    failure(&world, "Another");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.told().len(), 2);
    world.once();
    let asked = hook.asked();
    let first = asked[0].json()["notices"].as_array().unwrap().len();
    assert_eq!((asked.len(), first), (3, 1));
    assert!(
        keys(&asked).iter().all(|key| *key == keys(&asked)[0]),
        "{:?}",
        keys(&asked)
    );

    // What came up meanwhile leaves in the next one.
    world.once();
    let asked = hook.asked();
    assert_eq!((asked.len(), &asked[3].json()["notices"][0]["id"]), (4, &json!(2)));
    assert_ne!(keys(&asked)[3], keys(&asked)[0]);
}

#[test]
fn a_receiver_that_refuses_for_good_is_told_of_by_mail_and_its_key_stands_nowhere() {
    let hook = Hook::start(vec![refusal(404), refusal(404)]);
    let world = world(&hook, "");
    failure(&world, "A question");
    let ran = world.run(&["run", "--once"]);
    assert_eq!(ran.status, 75, "{ran:?}");
    let said = "the report to [report] webhook is refused: the webhook at 127.0.0.1 answers 404 Not Found: no_such_hook (secret)";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    world.once();
    let told = mails(&world);
    assert_eq!(told.len(), 2, "one of the failure, one of the webhook: {told:?}");
    let subject = halo_intake::message::Message::read(told[1].as_bytes()).subject;
    assert!(
        subject.starts_with("halo-intake: webhook: the report to "),
        "{}",
        told[1]
    );
    world.once();
    let ids = |asked: &Asked| asked.json()["notices"].as_array().unwrap().len();
    let asked = hook.asked();
    assert_eq!(
        asked.iter().map(ids).collect::<Vec<_>>(),
        [1, 2, 2, 1],
        "nothing is lost"
    );
    let journal = std::fs::read(world.state_dir().join("journal.db")).unwrap();
    for (what, text) in [("the journal", journal), ("the log", ran.stderr.into_bytes())] {
        assert!(memchr::memmem::find(&text, KEY.as_bytes()).is_none(), "{what}");
    }
}

#[test]
fn a_dead_mail_server_holds_up_no_report_by_webhook() {
    let hook = Hook::start(Vec::new());
    let world = world(&hook, "every = \"1s\"");
    world.sink.switch(|switches| switches.down = true);
    failure(&world, "A question");
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the first report", |_| hook.asked().len() == 1);
    failure(&world, "Another");
    world.wait_until("the second report", |_| {
        let ids = |asked: &Asked| asked.json()["notices"].as_array().unwrap().clone();
        hook.asked().iter().flat_map(ids).any(|notice| notice["id"] == 2)
    });
    assert!(world.told().is_empty());
    world.sink.switch(|switches| switches.down = false);
    world.wait_until("the mail", |world| world.told().len() >= 2);
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn reports_by_either_way_gather_for_as_long() {
    let hook = Hook::start(Vec::new());
    let world = world(&hook, "");
    failure(&world, "A question");
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the first reports", |world| {
        hook.asked().len() == 1 && world.told().len() == 1
    });
    failure(&world, "Another");
    failure(&world, "A third one");
    world.wait_until("the failures", |world| world.count_where("outcome = 'failed'") == 3);
    assert_eq!((hook.asked().len(), world.told().len()), (1, 1));
    world.later(901);
    world.wait_until("the next reports", |world| {
        hook.asked().len() == 2 && world.told().len() == 2
    });
    assert_eq!(hook.asked()[1].json()["notices"].as_array().unwrap().len(), 2);
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_webhook_that_is_taken_out_leaves_nothing_behind() {
    let hook = Hook::start(vec![Said::Nothing]);
    let world = world(&hook, "to = []");
    failure(&world, "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    std::fs::remove_dir_all(world.folder.join("conf.d")).unwrap();
    world.run(&["run", "--once"]);
    world.once();
    assert_eq!(
        (hook.asked().len(), world.told()),
        (1, vec!["ops@desk.example".to_owned()])
    );
}

#[test]
fn check_says_where_a_webhook_leads_and_posts_nothing() {
    let hook = Hook::start(Vec::new());
    let world = world(&hook, "");
    let ran = world.run(&["check", "--online"]);
    assert!(
        ran.stdout
            .contains("ok    webhook: 127.0.0.1 is known; nothing was posted"),
        "{ran:?}"
    );
    assert!(hook.asked().is_empty() && !format!("{ran:?}").contains(KEY), "{ran:?}");
    world.more("[report]\nwebhook = { env = \"NO_SUCH_HOOK\" }\n");
    let ran = world.run(&["check", "--online"]);
    assert_eq!(ran.status, 78, "{ran:?}");
    assert!(
        ran.stdout
            .contains("FAULT webhook: the webhook of [report] can not be opened: the environment has no NO_SUCH_HOOK"),
        "{ran:?}"
    );
}

/// Seconds from now until this minute of the day, in UTC.
fn until(minute: i64) -> i64 {
    let now = jiff::Timestamp::now().as_second() % 86_400;
    (minute * 60 - now).rem_euclid(86_400)
}

/// A minute of the day that is a good while ahead, as the configuration writes it.
fn ahead() -> (i64, String) {
    let minute = (jiff::Timestamp::now().as_second() / 60 + 600) % 1440;
    (minute, format!("{:02}:{:02}", minute / 60, minute % 60))
}

fn summaries(hook: &Hook) -> Vec<Value> {
    let asked = hook.asked();
    let bodies = asked.iter().map(Asked::json);
    bodies.filter(|body| body["kind"] == "summary").collect()
}

#[test]
fn a_day_is_summed_up_once_by_both_ways_also_when_nobody_ran_at_its_time() {
    let hook = Hook::start(Vec::new());
    let (minute, time) = ahead();
    let world = world(&hook, &format!("summary = \"{time}\""));
    world.once();
    failure(&world, "A question");
    world.mail("Ann Lee <ann@stranger.example>", "An offer");
    world.once();
    assert_eq!(summaries(&hook).len(), 0, "nobody waited for the one before");
    let day = u64::try_from(until(minute)).unwrap();

    // Hours after its time, and a week without anybody later.
    world.later(day + 4 * 3600);
    world.once();
    world.once();
    let [body] = &summaries(&hook)[..] else {
        panic!("there is not one: {:?}", summaries(&hook));
    };
    let expected = json!({
        "support": { "bounced": 1, "failed": 1, "came": 2, "canaries": 0, "canary_seconds": null, "waiting": 0, "oldest": null },
    });
    assert_eq!(body["mailboxes"], expected);
    assert_eq!(body["rules"], json!({ "bounces": 2 }));
    assert!(
        body["rules_since"].is_string(),
        "they were counted from the first start on: {body}"
    );
    assert_eq!(body["bounces"], json!({ "sent": 1, "not_sent": 1 }));
    assert_eq!(body["summary"], "a day: 2 messages came, 1 failed");
    let subjects = |world: &World| {
        let mails = mails(world).into_iter();
        mails
            .filter(|mail| mail.contains("Subject: halo-intake: a day: "))
            .collect::<Vec<_>>()
    };
    assert_eq!(subjects(&world).len(), 1);

    world.later(day + 8 * 86_400 + 4 * 3600);
    world.once();
    world.once();
    let bodies = summaries(&hook);
    assert_eq!(
        (bodies.len(), &bodies[1]["summary"]),
        (2, &json!("a day: no message came"))
    );
    assert_eq!(subjects(&world).len(), 2);
}

#[test]
fn a_daemon_sums_up_each_day_and_says_what_was_in_trouble() {
    let hook = Hook::start(Vec::new());
    let (minute, time) = ahead();
    let world = world(&hook, &format!("summary = \"{time}\"\nto = []"));
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    world.wait_until("the first look", |world| world.kept("report summary webhook"));
    let Inbox::Maildir(path) = &world.inbox else {
        unreachable!("it is a Maildir")
    };
    let away = path.with_extension("away");
    std::fs::rename(path, &away).unwrap();
    world.time_goes_on_until(120, "the trouble", |world| world.kept("told mailbox support"));
    std::fs::rename(&away, path).unwrap();
    world.time_goes_on_until(30, "its end", |world| !world.kept("told mailbox support"));
    let day = u64::try_from(until(minute)).unwrap();
    world.later(day + 60);
    world.wait_until("the summary", |_| summaries(&hook).len() == 1);
    let troubles = summaries(&hook)[0]["troubles"].clone();
    assert_eq!(troubles[0]["thing"], "mailbox support");
    assert!(troubles[0]["until"].is_string(), "{troubles}");
    assert_eq!(daemon.stop().0, 0);
    world.once();
    assert_eq!(summaries(&hook).len(), 1, "another process knows of it");
}
