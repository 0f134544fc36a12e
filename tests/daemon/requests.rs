//! Requests to servers of others: each with its key, never to whom a message chooses, and no secret in sight.

use serde_json::json;

use crate::{
    hook::{Hook, Said},
    world::World,
};

const SECRET: &str = "Haken-Geheimnis-4711";

/// A rule of one request, with these further lines.
fn rule(hook: &Hook, further: &str) -> String {
    format!(
        "[[rule]]\nname = \"hook\"\n[[rule.action]]\ntype = \"http_request\"\nurl = \"{}/in\"\n{further}\n",
        hook.url()
    )
}

fn answer(status: u16, body: &str) -> Said {
    Said::Answer(status, "", body.to_owned())
}

/// Runs until nothing is left.
fn run_to_the_end(world: &World) {
    world.wait_until("the end", |world| match world.run(&["run", "--once"]).status {
        0 => true,
        75 => false,
        other => panic!("run --once exits {other}"),
    });
}

#[test]
fn a_request_says_what_the_rule_says_and_its_answer_is_used() {
    let hook = Hook::start(Vec::new());
    let further = r#"
headers = { X-Subject = "{{ email.subject }}" }
json = { subject = "{{ email.subject }}", urgent = true, level = 3, to = ["{{ email.from.address }}"] }
store_as = "made"

[[rule.action]]
type = "http_request"
method = "PUT"
url = "@HOOK@/in/{{ custom.made.json.id }}?kind={{ custom.made.headers['x-kind'] }}"
body = "{{ custom.made.status }} {{ custom.made.text }}"
"#;
    let world = World::new(&rule(&hook, &further.replace("@HOOK@", &hook.url())));
    world.mail("ann@stranger.example", "A \"quoted\" one");
    world.once();
    assert_eq!(world.only(), ("completed".to_owned(), String::new()));
    let [first, second] = &hook.asked()[..] else {
        panic!("there are not two: {:?}", hook.asked());
    };
    let expected = json!({
        "subject": "A \"quoted\" one", "urgent": true, "level": 3, "to": ["ann@stranger.example"],
    });
    assert_eq!((first.what.as_str(), first.json()), ("POST /in", expected));
    assert_eq!(first.field("content-type"), Some("application/json"));
    assert_eq!(first.field("x-subject"), Some("A \"quoted\" one"));
    assert_eq!(second.what, "PUT /in/7?kind=hook");
    assert_eq!(second.body, "200 {\"id\": 7}");
    let keys = [first, second].map(|asked| asked.field("idempotency-key").unwrap().to_owned());
    assert!(keys[0].starts_with("halo-intake:"), "{keys:?}");
    assert_ne!(keys[0], keys[1]);
    let ran = world.run(&["retry", "1"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(hook.asked()[2].field("idempotency-key"), Some(keys[0].as_str()));
}

#[test]
fn what_had_no_answer_is_repeated_with_the_same_key_and_once_it_is_answered_no_more() {
    let says = [0; 4].map(|_| Said::Nothing).into_iter().chain([answer(201, "")]);
    let hook = Hook::start(says.collect());
    // The second one fails at first, so that the message comes again after the first was answered.
    let further = format!(
        "[[rule.action]]\ntype = \"http_request\"\nurl = \"{0}/second\"\nexpect = \"2xx\"\n",
        hook.url()
    );
    let world = World::new(&rule(&hook, &further));
    world.mail("ann@stranger.example", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    run_to_the_end(&world);
    assert_eq!(world.only().0, "completed");
    let asked = hook.asked();
    let of = |path: &str| {
        asked
            .iter()
            .filter(|asked| asked.what.ends_with(path))
            .collect::<Vec<_>>()
    };
    let keys: Vec<_> = of("/in").iter().map(|asked| asked.field("idempotency-key")).collect();
    assert_eq!(keys.len(), 5, "{asked:?}");
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(of("/second").len(), 1);
}

#[test]
fn trouble_of_the_server_passes_and_what_it_says_of_the_request_is_for_good() {
    let hook = Hook::start(vec![answer(503, ""), answer(200, "")]);
    let world = World::new(&rule(&hook, ""));
    world.mail("ann@stranger.example", "A question");
    world.once();
    assert_eq!((world.only().0.as_str(), hook.asked().len()), ("completed", 2));

    let hook = Hook::start(vec![answer(422, "no such \"field\"\r\nX")]);
    let further = format!(
        "on_error = \"continue\"\nstore_as = \"made\"\n[[rule.action]]\ntype = \"http_request\"\nurl = \"{}/why\"\nbody = \"{{{{ custom.made_error }}}}\"\n",
        hook.url()
    );
    let world = World::new(&rule(&hook, &further));
    world.mail("ann@stranger.example", "A question");
    world.once();
    assert_eq!(world.only(), ("completed".to_owned(), String::new()));
    let expected = format!(
        "POST {}/in answers 422 Unprocessable Entity: no such \"field\" X",
        hook.url()
    );
    assert_eq!(hook.asked()[1].body, expected);
    assert_eq!(hook.asked().len(), 2);
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_says() {
    let busy = Said::Answer(429, "Retry-After: 600\r\n", String::new());
    let hook = Hook::start(vec![busy]);
    let world = World::new(&rule(&hook, ""));
    world.mail("ann@stranger.example", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(hook.asked().len(), 1);
    assert!((590..=602).contains(&world.first_is_due()), "{}", world.first_is_due());
    world.later(601);
    world.once();
    assert_eq!((world.only().0.as_str(), hook.asked().len()), ("completed", 2));
}

#[test]
fn nobody_is_followed_elsewhere_and_nothing_without_end_is_read() {
    let hook = Hook::start(vec![
        Said::Answer(302, "Location: /elsewhere\r\n", String::new()),
        answer(200, &"x".repeat(1024 * 1024 + 1)),
    ]);
    let world = World::new(&rule(&hook, ""));
    world.mail("ann@stranger.example", "A question");
    world.mail("bob@stranger.example", "Another");
    world.once();
    let reasons: Vec<_> = world
        .log()
        .iter()
        .map(|row| row["reason"].as_str().unwrap().to_owned())
        .collect();
    let (found, long): (Vec<_>, Vec<_>) = reasons.iter().partition(|reason| reason.ends_with("answers 302 Found"));
    assert_eq!((found.len(), long.len()), (1, 1), "{reasons:?}");
    assert!(
        long[0].ends_with("answers with more than 1048576 octets"),
        "{reasons:?}"
    );
    assert_eq!(hook.asked().len(), 2);
}

#[test]
fn a_message_puts_no_field_into_a_header_and_no_key_into_json() {
    let hook = Hook::start(Vec::new());
    let further = r#"
headers = { X-Body = "{{ email.body }}" }
on_error = "continue"

[[rule.action]]
type = "http_request"
url = "@HOOK@/{{ email.subject }}"
json = '{ "subject": {{ email.subject | json_encode }} }'
"#;
    let world = World::new(&rule(&hook, &further.replace("@HOOK@", &hook.url())));
    let subject = "\\..\\@other.example/\", \"admin\": \"yes";
    let mail = crate::mail::text("ann@stranger.example", subject, "");
    world.deliver(&mail.replace("The text of this mail.", "one\r\nX-Admin: yes"));
    world.once();
    assert_eq!(world.only().0, "completed");
    let [asked] = &hook.asked()[..] else {
        panic!("there is not one: {:?}", hook.asked());
    };
    assert_eq!(asked.json(), json!({ "subject": subject }));
    let shown = world.run(&["show", "1"]).stdout;
    assert!(
        shown.contains("the header X-Body holds what can not stand in one"),
        "{shown}"
    );
}

#[test]
fn a_secret_of_a_header_is_sent_and_seen_nowhere() {
    let echo = Said::Answer(400, "X-Echo: Bearer Haken-Geheimnis-4711\r\n", format!("not {SECRET}"));
    let shown = Said::Answer(
        200,
        "X-Echo: Bearer Haken-Geheimnis-4711\r\n",
        format!("{{\"was\": \"{SECRET}\"}}"),
    );
    let hook = Hook::start(vec![echo, shown]);
    let mut world = World::new("");
    let file = world.folder.join("hook-secret");
    std::fs::write(&file, format!("Bearer {SECRET}\n")).unwrap();
    let headers = format!("headers = {{ Authorization = {{ file = {file:?} }} }}\nstore_as = \"x\"\n");
    world.rules = rule(&hook, &format!("{headers}on_error = \"continue\"\n"))
        + &rule(&hook, &headers).replace("name = \"hook\"", "name = \"again\"");
    world.mail("ann@stranger.example", "A question");
    let path = world.folder.join("message.eml");
    std::fs::write(&path, crate::mail::text("ann@stranger.example", "A question", "")).unwrap();
    let mut said = String::new();
    for arguments in [
        &["--log-level", "trace", "run", "--once"][..],
        &["show", "1"],
        &["show", "1", "--format", "json"],
        &["log"],
        &["check"],
        &["explain", path.to_str().unwrap()],
    ] {
        let ran = world.run(arguments);
        assert_eq!(ran.status, 0, "{arguments:?}: {ran:?}");
        said += &format!("{ran:?}");
    }
    assert_eq!(world.only().0, "completed");
    let expected = format!("Bearer {SECRET}");
    assert_eq!(hook.asked().len(), 2);
    assert!(
        hook.asked()
            .iter()
            .all(|asked| asked.field("authorization") == Some(&expected))
    );
    assert!(said.contains("(secret)") && said.contains("hook-secret"), "{said}");
    assert!(!said.contains("Geheimnis"), "{said}");
    for file in std::fs::read_dir(world.state_dir()).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(memchr::memmem::find(&octets, b"Geheimnis").is_none());
    }
    // Where it is gone, the message waits until somebody puts it back.
    std::fs::remove_file(&file).unwrap();
    world.mail("bob@stranger.example", "Another");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    let reason = world.log()[1]["reason"].to_string();
    assert!(
        reason.contains("the secret of the header Authorization can not be opened: "),
        "{reason}"
    );
    assert_eq!(hook.asked().len(), 2);
}

#[test]
fn a_dry_run_sends_nothing_and_guesses_no_answer() {
    let hook = Hook::start(Vec::new());
    for (further, outcome) in [
        ("body = \"Hello\"", "completed"),
        ("body = \"Hello\"\nstore_as = \"made\"", "can not be told"),
        ("method = \"GET\"", "can not be told"),
    ] {
        let world = World::new(&rule(&hook, further));
        let path = world.folder.join("message.eml");
        std::fs::write(&path, crate::mail::text("ann@stranger.example", "A question", "")).unwrap();
        let ran = world.run(&["explain", path.to_str().unwrap()]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let method = if further.contains("GET") { "GET" } else { "POST" };
        let expected = format!("{method} {}/in   (not sent)", hook.url());
        assert!(
            ran.stdout.contains(&expected) && ran.stdout.contains(outcome),
            "{}",
            ran.stdout
        );
    }
    assert_eq!(hook.asked(), []);
}
