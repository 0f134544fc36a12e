//! A reload says what differs, `check --diff` says the same beforehand, and every attempt runs under one configuration.

use std::collections::BTreeSet;

use crate::{
    running::{Daemon, Signal, USERS},
    world::World,
};

#[test]
fn check_says_what_a_reload_would_change_and_the_reload_says_the_same() {
    let mut world = World::with_dovecot(USERS);
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let none = world.run(&["check", "--diff"]);
    assert_eq!(
        (none.status, none.stdout.as_str()),
        (0, "0 differences from the running service\n")
    );

    world.mailbox = "poll_interval = \"2m\"".to_owned();
    world.halo = "new_users = \"50 per 1h\"".to_owned();
    world.rules = format!(
        "[[rule]]\nname = \"first\"\nwhen = \"false\"\n[[rule.action]]\ntype = \"stop\"\n{}",
        USERS.replace("Warehouse", "Main")
    );
    world.more("[smtp]\nusername = \"desk\"\npassword = \"hunter2\"\ntls = \"none\"\n");
    let before = world.run(&["check", "--diff"]);
    assert_eq!(before.status, 0, "{before:?}");
    let expected = [
        "connection main: new_users: added, \"50 per 1h\"",
        "mailbox support: poll_interval: \"5m\" → \"2m\"",
        "smtp.password: added; for the letters that leave from now on",
        "smtp.username: added, \"desk\"; for the letters that leave from now on",
        "rule first: added",
        "rule users: step 1 (create_halo_user): site: \"Warehouse\" → \"Main\"; deferred messages that stopped in it begin it anew",
        "6 differences from the running service",
    ];
    assert_eq!(before.stdout.lines().collect::<Vec<_>>(), expected, "{before:?}");
    let changes = world.json(&["check", "--diff"]);
    assert_eq!(changes.len(), 6);
    assert_eq!(changes[1]["mailbox"], "support");
    assert_eq!(
        (&changes[1]["before"], &changes[1]["now"]),
        (&"5m".into(), &"2m".into())
    );

    daemon.signal(Signal::HUP);
    for line in &expected[..6] {
        daemon.says(&format!("changed: {line}"));
    }
    daemon.says("the configuration was reloaded; 6 things have changed");
    let none = world.run(&["check", "--diff"]);
    assert_eq!(none.stdout, "0 differences from the running service\n");
    let secret = format!("{before:?}{none:?}{changes:?}");
    assert!(!secret.contains("hunter2"), "{secret}");
}

#[test]
fn without_a_service_check_compares_files() {
    let mut world = World::new(USERS);
    let old = world.folder.join("old.toml");
    std::fs::copy(world.configure(), &old).unwrap();
    let ran = world.run(&["check", "--diff"]);
    assert_eq!(ran.status, 69, "{ran:?}");
    assert!(ran.stderr.contains("no service runs on state_dir"), "{ran:?}");
    world.mailbox = "watch = \"poll\"".to_owned();
    let ran = world.run(&["check", "--diff", old.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.stdout
            .starts_with("mailbox support: watch: \"idle\" → \"poll\"\n1 difference from "),
        "{ran:?}"
    );
    world.rules = "[[rule]]\nname = \"x\"\nwhen = \"emial\"\n[[rule.action]]\ntype = \"stop\"\n".to_owned();
    assert_eq!(world.run(&["check", "--diff", old.to_str().unwrap()]).status, 78);
    assert_eq!(world.run(&["check", "--format", "json"]).status, 2);
}

/// Rules of one configuration: each is called by its letter.
fn rules(letter: char) -> String {
    (0..5)
        .map(|number| {
            format!(
                "[[rule]]\nname = \"{letter}{number}\"\nwhen = \"email.subject != '{letter}'\"\n\
                 [[rule.action]]\ntype = \"set\"\nstore_as = \"x\"\nvalues = {{ letter = \"{letter}\" }}\n"
            )
        })
        .collect()
}

#[test]
fn every_attempt_runs_under_one_configuration_whatever_is_reloaded_meanwhile() {
    let mut world = World::new(&rules('a'));
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    let file = world.configure();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let mut sent = 0;
    for (round, letter) in "bcabca".chars().enumerate() {
        let mails: Vec<String> = (0..40).map(|number| format!("Round {round} mail {number}")).collect();
        sent += mails.len();
        world.mail_all(
            mails
                .iter()
                .map(|subject| ("Ann <ann@stranger.example>", subject.as_str())),
        );
        // Some of them have ended under the configuration of now, others are still to come.
        let before = sent - mails.len();
        world.wait_until("a few", |world| world.count_where("state = 'ended'") as usize > before);
        // A file that is there by half, then a faulty one, then the new one.
        world.rules = rules(letter);
        let whole = std::fs::read_to_string(world.configure()).unwrap();
        let half = whole.rfind("letter = \"").unwrap() + "letter = \"".len();
        std::fs::write(&file, &whole[..half]).unwrap();
        daemon.signal(Signal::HUP);
        daemon.says("the one before goes on");
        std::fs::write(&file, whole.replace("email.subject", "emial.subject")).unwrap();
        daemon.signal(Signal::HUP);
        daemon.says("the one before goes on");
        world.configure();
        daemon.signal(Signal::HUP);
        daemon.says("the configuration was reloaded");
    }
    world.wait_until("all of them", |world| {
        world.count_where("state = 'ended'") as usize == sent
    });
    let mut seen = BTreeSet::new();
    let ids: Vec<String> = world.log().iter().step_by(7).map(|row| row["id"].to_string()).collect();
    for id in ids {
        let shown = world.json(&["show", &id]);
        for attempt in shown[0]["attempts_made"].as_array().unwrap() {
            let trace = &attempt["trace"];
            let of_rules = trace["rules"].as_array().unwrap().iter();
            let letters: BTreeSet<char> = of_rules
                .filter_map(|rule| rule["rule"].as_str()?.chars().next())
                .collect();
            assert_eq!(letters.len(), 1, "{trace}");
            seen.insert((letters, trace["config"].as_str().unwrap().to_owned()));
        }
    }
    let letters: BTreeSet<_> = seen.iter().map(|(letters, _)| letters).collect();
    assert_eq!(letters.len(), seen.len(), "a configuration has two digests: {seen:?}");
    assert_eq!(letters.len(), 3, "{seen:?}");
    assert!(seen.iter().all(|(_, config): &(_, String)| config.len() == 16));
}
