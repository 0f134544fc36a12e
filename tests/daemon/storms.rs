//! Storms: many mails of one kind are one ticket, which counts them and names them in a few notes.

use std::collections::BTreeSet;

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::{Value, json};

use crate::{
    killed::start_and_kill,
    promise::{self, Delivered, Promise},
    running::Daemon,
    world::{World, repository},
};

/// A kind is a domain.
const RULES: &str = r#"
[[rule]]
name = "alerts"

  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Acme Ltd"
  fold_by = "{{ email.from.domain }}"
  fold_within = "1h"
"#;
const MONITOR: &str = "monitor@alerts.example";

fn world(rules: &str) -> World {
    let mut world = World::new(rules);
    world.halo = "timeout = \"1s\"".to_owned();
    world
}

/// The tickets that there were not before, each with its notes.
fn new_tickets(world: &World) -> Vec<(Value, Vec<String>)> {
    let tickets = world.sandbox.tickets().into_iter();
    let new = tickets.filter(|ticket| ticket["id"].as_i64() >= Some(3001));
    let with_notes = new.map(|ticket| {
        let actions = world.sandbox.actions(ticket["id"].as_i64().unwrap());
        let notes = actions.iter().filter(|action| action["outcome"] == "Private Note");
        let notes = notes.map(|note| {
            assert_eq!(note["hiddenfromuser"], true, "{note}");
            note["note"].as_str().unwrap().to_owned()
        });
        let notes = notes.collect();
        (ticket, notes)
    });
    with_notes.collect()
}

/// The notes of a ticket account for all messages from the second to this one, each once.
fn check_notes(notes: &[String], messages: usize) {
    let mut next = 2;
    let mut named = BTreeSet::new();
    for note in notes {
        let (head, lines) = note.split_once("\n\n").unwrap();
        let numbers = head.split_once("number").unwrap().1.trim_start_matches('s').trim();
        let numbers = numbers.trim_end_matches(':');
        let (first, last) = numbers.split_once(" to ").unwrap_or((numbers, numbers));
        assert_eq!(first, next.to_string(), "{note}");
        let last: usize = last.parse().unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        let (named_here, others) = match lines.last().unwrap().strip_prefix("and ") {
            Some(more) => (
                &lines[..lines.len() - 1],
                more.trim_end_matches(" more").parse().unwrap(),
            ),
            None => (lines.as_slice(), 0),
        };
        assert_eq!(named_here.len() + others, last + 1 - next, "{note}");
        assert!(named_here.len() <= 50, "{note}");
        for line in named_here {
            assert!(named.insert((*line).to_owned()), "{line} is named twice");
        }
        next = last + 1;
    }
    assert_eq!(next, messages + 1, "{notes:#?}");
}

/// There is one ticket, which counts so many messages.
fn check_one(world: &World, messages: usize) {
    let tickets = new_tickets(world);
    assert_eq!(tickets.len(), 1, "{tickets:#?}");
    let summary = tickets[0].0["summary"].as_str().unwrap();
    assert!(summary.ends_with(&format!(" (×{messages})")), "{summary}");
    check_notes(&tickets[0].1, messages);
}

/// Half a minute goes by between one run and the next.
fn to_the_end(world: &World) {
    world.time_goes_on_until(30, "the end", |world| world.run(&["run", "--once"]).status == 0);
}

fn all_completed(world: &World) {
    let outcomes = world.outcomes();
    let others: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome != "completed").collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn five_hundred_alerts_of_one_kind_are_one_ticket_that_counts_them() {
    // As the manual has it.
    let manual = std::fs::read_to_string(repository("docs/tickets.md")).unwrap();
    let fold_by = manual.lines().find(|line| line.trim().starts_with("fold_by")).unwrap();
    let world = world(&RULES.replace("  fold_by = \"{{ email.from.domain }}\"", fold_by));
    let subjects: Vec<String> = (1..=500).map(|number| format!("Disk {number} is full")).collect();
    world.mail_all(subjects.iter().map(|subject| (MONITOR, subject.as_str())));
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("all are counted", |world| {
        world.state_dir().join("journal.db").exists()
            && promise::seen(world) == 500
            && world.count_where("state = 'deferred'") == 499
    });
    world.later(70);
    world.wait_until("the end", |world| promise::is_at_rest(world, 500));
    daemon.stop();
    all_completed(&world);
    check_one(&world, 500);
    let (tickets, requests) = (new_tickets(&world), world.sandbox.requests().len());
    let notes = tickets[0].1.len();
    println!("500 alerts: {notes} notes, {requests} requests");
    assert!(requests < 20 + 3 * notes, "{requests} requests, {notes} notes");
    assert_eq!(notes, 1);
}

#[test]
fn kinds_are_told_apart_and_one_conversation_is_no_queue() {
    let world = world(RULES);
    for number in 0..30 {
        world.mail(&format!("s{}@fleet.example", number % 10), &format!("Fan {number}"));
        let thread = "References: <root@alerts.example>\n";
        world.mail_with(MONITOR, &format!("Disk {number}"), thread);
    }
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("all are counted", |world| {
        world.state_dir().join("journal.db").exists()
            && promise::seen(world) == 60
            && world.count_where("state = 'deferred'") == 58
    });
    world.later(70);
    world.wait_until("the end", |world| promise::is_at_rest(world, 60));
    daemon.stop();
    all_completed(&world);
    let tickets = new_tickets(&world);
    assert_eq!(tickets.len(), 2, "{tickets:#?}");
    for (ticket, notes) in &tickets {
        assert!(ticket["summary"].as_str().unwrap().ends_with(" (×30)"), "{ticket}");
        check_notes(notes, 30);
    }
}

#[test]
fn each_connection_has_a_ticket_of_its_own() {
    let other = RULES
        .replace("\"alerts\"", "\"elsewhere\"")
        .replace("  fold_by", "  halo = \"other\"\n  fold_by");
    let main = RULES.replace("  fold_by", "  halo = \"main\"\n  fold_by");
    let world = world(&format!("{main}{other}"));
    world.more(&format!(
        "[halo.other]\nurl = {:?}\nclient_id = {:?}\nclient_secret = {:?}\n",
        world.sandbox.url().as_str().trim_end_matches('/'),
        world.sandbox.client_id(),
        world.sandbox.client_secret()
    ));
    for number in 0..5 {
        world.mail(MONITOR, &format!("Disk {number}"));
    }
    to_the_end(&world);
    all_completed(&world);
    let tickets = new_tickets(&world);
    assert_eq!(tickets.len(), 2, "{tickets:#?}");
    for (_, notes) in &tickets {
        check_notes(notes, 5);
    }
}

#[test]
fn a_ticket_takes_up_no_more_when_its_time_is_over() {
    let world = world(RULES);
    for (hour, messages) in [3, 2].into_iter().enumerate() {
        for number in 0..messages {
            world.mail(MONITOR, &format!("Disk {number} in hour {hour}"));
        }
        to_the_end(&world);
        world.later(world.ahead() + 3600);
    }
    let tickets = new_tickets(&world);
    let summaries: Vec<_> = tickets
        .iter()
        .map(|(ticket, _)| ticket["summary"].as_str().unwrap())
        .collect();
    assert_eq!(summaries, ["Disk 0 in hour 0 (×3)", "Disk 0 in hour 1 (×2)"]);
    check_notes(&tickets[0].1, 3);
    check_notes(&tickets[1].1, 2);
}

#[test]
fn a_ticket_that_was_closed_or_deleted_meanwhile_takes_up_no_more() {
    for end in [json!({ "status_id": 9 }), json!({ "deleted": true })] {
        let world = world(RULES);
        world.mail(MONITOR, "Disk 0");
        to_the_end(&world);
        let mut closed = json!({ "id": 3001, "summary": "Disk 0", "user_id": 101 });
        closed.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        world.sandbox.add_ticket(closed);
        for number in 1..=3 {
            world.mail(MONITOR, &format!("Disk {number}"));
        }
        to_the_end(&world);
        all_completed(&world);
        let tickets = new_tickets(&world);
        let summaries: Vec<_> = tickets
            .iter()
            .map(|(ticket, _)| ticket["summary"].as_str().unwrap())
            .collect();
        assert_eq!(summaries.len(), 2, "{tickets:#?}");
        assert_eq!(summaries[0], "Disk 0");
        assert!(summaries[1].ends_with(" (×3)"), "{summaries:?}");
        check_notes(&tickets[1].1, 3);
    }
}

#[test]
fn a_merged_ticket_is_followed_and_the_other_one_keeps_its_summary() {
    let world = world(RULES);
    world.mail(MONITOR, "Disk 0");
    to_the_end(&world);
    let other = world
        .sandbox
        .add_ticket(json!({ "summary": "All disks", "user_id": 101 }));
    let merged = json!({ "id": 3001, "summary": "Disk 0", "user_id": 101, "merged_into_id": other });
    world.sandbox.add_ticket(merged);
    for number in 1..=2 {
        world.mail(MONITOR, &format!("Disk {number}"));
    }
    to_the_end(&world);
    all_completed(&world);
    let tickets = new_tickets(&world);
    assert_eq!(tickets.len(), 2, "{tickets:#?}");
    assert_eq!(tickets[1].0["summary"], "All disks");
    check_notes(&tickets[1].1, 3);
}

#[test]
fn a_note_of_which_the_answer_is_lost_is_added_once() {
    for path in ["/api/actions", "/api/tickets"] {
        let world = world(RULES);
        world.mail(MONITOR, "Disk 0");
        to_the_end(&world);
        let fault = Fault::once("POST", path, Mishap::Drop).after();
        world.sandbox.set(|switches| switches.faults = vec![fault]);
        for number in 1..=3 {
            world.mail(MONITOR, &format!("Disk {number}"));
        }
        to_the_end(&world);
        all_completed(&world);
        check_one(&world, 4);
        assert_eq!(new_tickets(&world)[0].1.len(), 1, "{path}");
    }
}

#[test]
fn the_next_makes_the_ticket_where_the_first_fails_for_good() {
    let world = world(RULES);
    let status = |status| Mishap::Status {
        status,
        message: "no".to_owned(),
    };
    // The others are counted before it fails.
    let unavailable = Fault::once("POST", "/api/tickets", status(503));
    let refused = Fault::once("POST", "/api/tickets", status(400));
    world
        .sandbox
        .set(|switches| switches.faults = vec![unavailable, refused]);
    for number in 0..4 {
        world.mail(MONITOR, &format!("Disk {number}"));
    }
    to_the_end(&world);
    let mut outcomes: Vec<String> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["completed", "completed", "completed", "failed"]);
    check_one(&world, 3);
}

#[test]
fn a_summary_that_halo_does_not_change_costs_nothing_but_the_count_in_it() {
    let rules = format!(
        "{RULES}  store_as = \"alert\"\n\n  [[rule.action]]\n  type = \"create_halo_client\"\n  \
         when = \"custom.alert.folded\"\n  \
         client_name = \"{{{{ custom.alert.count }}}} of {{{{ custom.alert.ticket.id }}}}: {{{{ custom.alert.fold_error }}}}\"\n"
    );
    let world = world(&rules);
    world.mail(MONITOR, "Disk 0");
    to_the_end(&world);
    let refused = Mishap::Status {
        status: 400,
        message: "no".to_owned(),
    };
    let fault = Fault::once("POST", "/api/tickets", refused);
    world.sandbox.set(|switches| switches.faults = vec![fault]);
    world.mail(MONITOR, "Disk 1");
    to_the_end(&world);
    all_completed(&world);
    let tickets = new_tickets(&world);
    assert_eq!(tickets[0].0["summary"], "Disk 0");
    check_notes(&tickets[0].1, 2);
    let clients = world.sandbox.clients();
    let said = |client: &Value| {
        let name = client["name"].as_str().unwrap();
        name.starts_with("2 of 3001: ") && name.contains("400")
    };
    assert!(clients.iter().any(said), "{clients:?}");
}

#[test]
fn a_note_that_halo_refuses_fails_the_one_that_writes_it_and_the_next_one_tries() {
    let world = world(RULES);
    world.mail(MONITOR, "Disk 0");
    to_the_end(&world);
    let refused = Mishap::Status {
        status: 400,
        message: "no".to_owned(),
    };
    let fault = Fault::once("POST", "/api/actions", refused);
    world.sandbox.set(|switches| switches.faults = vec![fault]);
    for number in 1..=3 {
        world.mail(MONITOR, &format!("Disk {number}"));
    }
    to_the_end(&world);
    let failed = world.outcomes().into_iter().filter(|(_, outcome)| outcome == "failed");
    assert_eq!(failed.count(), 1);
    check_one(&world, 4);
}

#[test]
fn an_answer_finds_the_ticket_and_to_be_one_of_many_is_no_part_in_it() {
    let folding = RULES.replace("email.from.domain", "email.subject");
    let folding = folding.replacen("[[rule]]", "[[rule]]\nwhen = \"not global.answer.found\"", 1);
    let answers = "[[rule]]\nname = \"answers\"\n\n  [[rule.action]]\n  type = \"update_halo_ticket_from_email\"\n  \
                   store_as = \"global.answer\"\n";
    let world = world(&format!("{answers}{folding}"));
    world.mail("jane@acme.example", "Lunch");
    to_the_end(&world);
    let mail = crate::mail::text("ann@stranger.example", "Lunch", "");
    world.deliver(&mail);
    to_the_end(&world);
    check_one(&world, 2);

    let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
    let fields = format!("In-Reply-To: {id}\n");
    for (from, subject) in [
        ("jane@acme.example", "Whose ticket it is"),
        ("ann@stranger.example", "I was one of them"),
    ] {
        world.mail_with(from, subject, &fields);
        to_the_end(&world);
    }
    let tickets = new_tickets(&world);
    assert_eq!(tickets.len(), 2, "{tickets:#?}");
    assert_eq!(tickets[1].0["summary"], "I was one of them");
    let actions = world.sandbox.actions(tickets[0].0["id"].as_i64().unwrap());
    let by_mail = actions.iter().filter(|action| action["outcome"] == "Email Update");
    assert_eq!(by_mail.count(), 1, "{actions:#?}");
}

#[test]
fn a_message_that_runs_again_is_counted_once() {
    let world = world(RULES);
    for number in 0..3 {
        world.mail(MONITOR, &format!("Disk {number}"));
    }
    to_the_end(&world);
    for id in ["1", "2"] {
        let again = world.run(&["retry", id]);
        assert_eq!(again.status, 0, "{again:?}");
    }
    all_completed(&world);
    check_one(&world, 3);
}

#[test]
fn killed_at_any_moment_of_a_storm_there_is_one_ticket_and_each_is_counted_once() {
    const KILLS: usize = 4;
    let world = world(RULES);
    let delivered: Vec<Delivered> = (0..40)
        .map(|number| {
            let sender = format!("s{}@fleet.example", number % 3);
            Delivered::new(&sender, &format!("Fan {number}"), "completed")
        })
        .collect();
    let (first, second) = delivered.split_at(25);
    for part in [first, second] {
        world.mail_all(
            part.iter()
                .map(|message| (message.sender.as_str(), message.subject.as_str())),
        );
        for _ in 0..KILLS / 2 {
            start_and_kill(&world, std::time::Duration::from_millis(fastrand::u64(100..900)));
            world.later(world.ahead() + 40);
        }
    }
    let daemon = Daemon::start(&world, &[]);
    world.time_goes_on_until(10, "the end", |world| {
        promise::is_at_rest(world, delivered.len()) && world.folder("INBOX").is_empty()
    });
    daemon.stop();
    let messages = delivered.len();
    Promise::new(delivered).with_kills(KILLS).holds(&world);
    check_one(&world, messages);
}

#[test]
fn explain_takes_a_message_for_the_first_of_its_kind() {
    let world = world(RULES);
    let file = world.folder.join("message.eml");
    let mail = crate::mail::text(MONITOR, "Disk 0", "");
    std::fs::write(&file, crate::mail::octets(&mail)).unwrap();
    let ran = world.run(&["explain", file.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for expected in [
        "whether there is a ticket for \"alerts.example\"",
        "POST /Tickets",
        "completed",
    ] {
        assert!(ran.stdout.contains(expected), "{expected} is not in\n{}", ran.stdout);
    }
}
