//! Tickets by single requests: every field, an action, the files, and each of them once whatever happens.

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::{Value, json};

use crate::world::World;

const EVERYTHING: &str = r#"
[[rule]]
name = "tickets"

  [[rule.action]]
  type = "create_halo_ticket"
  summary = "{{ email.subject }}"
  details = "{{ email.body }}"
  user = "{{ 101 }}"
  ticket_type = "Service Request"
  team = "2nd Line"
  agent = 1
  priority = "High"
  status = "In Progress"
  category = "Hardware>Printer"
  source = "Email"
  impact = "Person"
  urgency = 3
  custom_fields = { CFasset = "{{ email.from.local }}", 285 = "x", CFempty = "" }
  store_as = "ticket"

  [[rule.action]]
  type = "add_halo_action"
  ticket = "{{ custom.ticket.id }}"
  outcome = "Note"
  note = "Said <loudly>"
  hidden_from_user = false
  status = "On Hold"
  store_as = "note"

  [[rule.action]]
  type = "attach_files_to_halo_ticket"
  ticket = "{{ custom.ticket.id }}"
  action_id = "{{ custom.note.id }}"
  store_as = "attached"

  [[rule.action]]
  type = "update_halo_ticket"
  ticket = "{{ custom.ticket.id }}"
  summary = "{{ email.subject }}, {{ custom.attached.files | length }} files"
  details = ""
  priority = ""

  [[rule.action]]
  type = "query_halo_tickets"
  user = 101
  open_only = true
  order_by = "id"
  order_descending = true
  store_as = "page"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "ticket {{ custom.page.tickets.0.id }}, {{ custom.page.tickets.0.summary }}"
"#;

/// A mail with a picture that its text shows and two files, one of them without a name.
const WITH_FILES: &str = "Return-Path: <ann@stranger.example>\n\
From: Ann Lee <ann@stranger.example>\n\
To: support@desk.example\n\
Subject: Printer\n\
Message-ID: <files@story.example>\n\
Date: Mon, 23 Nov 2026 09:00:00 +0000\n\
MIME-Version: 1.0\n\
Content-Type: multipart/mixed; boundary=outer\n\
\n\
--outer\n\
Content-Type: multipart/related; boundary=inner\n\
\n\
--inner\n\
Content-Type: text/html\n\
\n\
<p>It is dead. <img src=\"cid:logo@story.example\"></p>\n\
--inner\n\
Content-Type: image/png; name=logo.png\n\
Content-ID: <logo@story.example>\n\
Content-Transfer-Encoding: base64\n\
\n\
iVBORw0KGgo=\n\
--inner--\n\
--outer\n\
Content-Type: text/plain; name=\"notes.txt\"\n\
Content-Disposition: attachment; filename=\"notes.txt\"\n\
\n\
Three short notes\n\
--outer\n\
Content-Type: application/x-thing; odd=\"1\"\n\
Content-Disposition: attachment\n\
Content-Transfer-Encoding: base64\n\
\n\
AAECAw==\n\
--outer--\n";

/// The tickets that there were not before.
fn new_tickets(world: &World) -> Vec<Value> {
    let tickets = world.sandbox.tickets().into_iter();
    tickets.filter(|ticket| ticket["id"].as_i64() >= Some(3001)).collect()
}

/// A world whose requests time out soon.
fn world(rules: &str, faults: Vec<Fault>) -> World {
    let mut world = World::new(rules);
    world.halo = "timeout = \"1s\"".to_owned();
    world.sandbox.set(|switches| switches.faults = faults);
    world
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
fn a_ticket_has_every_field_that_was_set_and_its_files() {
    let world = world(EVERYTHING, Vec::new());
    world.deliver(WITH_FILES);
    world.once();
    assert_eq!(world.only(), ("completed".to_owned(), String::new()));
    let [ticket] = &new_tickets(&world)[..] else {
        panic!("there is not one ticket: {:?}", new_tickets(&world));
    };
    let user = world
        .sandbox
        .users()
        .into_iter()
        .find(|user| user["id"] == 101)
        .unwrap();
    for (field, expected) in [
        ("summary", json!("Printer, 2 files")),
        ("user_id", json!(101)),
        ("client_id", user["client_id"].clone()),
        ("tickettype_id", json!(2)),
        ("team", json!("2nd Line")),
        ("agent_id", json!(1)),
        ("priority_id", json!(2)),
        ("status_id", json!(5)),
        ("category_1", json!("Hardware>Printer")),
        ("source", json!(1)),
        ("impact", json!(3)),
        ("urgency", json!(3)),
        ("attachment_count", json!(2)),
        (
            "customfields",
            json!([{ "name": "CFasset", "value": "ann" }, { "id": 285, "value": "x" }]),
        ),
    ] {
        assert_eq!(
            ticket[field]
                .as_f64()
                .map_or(ticket[field].clone(), |n| json!(n as i64)),
            expected,
            "{field}: {ticket}"
        );
    }
    assert!(
        ticket["details"].as_str().unwrap().starts_with("It is dead."),
        "{ticket}"
    );
    let id = ticket["id"].as_i64().unwrap();
    let actions = world.sandbox.actions(id);
    let note = actions.last().unwrap();
    assert_eq!(
        (&note["outcome"], &note["hiddenfromuser"]),
        (&json!("Note"), &json!(false))
    );
    assert_eq!(note["note_html"], "Said &lt;loudly&gt;");
    let files = world.sandbox.attachments();
    let named: Vec<_> = files.iter().filter(|file| file["ticket_id"] == id).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    for (file, (name, media_type, octets)) in named.iter().zip([
        ("notes.txt", "text/plain", &b"Three short notes"[..]),
        ("attachment", "application/x-thing", &[0, 1, 2, 3]),
    ]) {
        assert_eq!(
            (&file["filename"], &file["content_type"]),
            (&json!(name), &json!(media_type))
        );
        assert_eq!(file["action_id"], note["id"]);
        let kept = world.sandbox.attachment_octets(file["id"].as_i64().unwrap()).unwrap();
        assert_eq!(kept.trim_ascii_end(), octets);
    }
    let clients = world.sandbox.clients();
    let named = format!("ticket {id}, Printer, 2 files");
    assert!(clients.iter().any(|client| client["name"] == named.as_str()), "{named}");
}

const TICKET: &str = r#"
[[rule]]
name = "tickets"

  [[rule.action]]
  type = "create_halo_ticket"
  summary = "{{ email.subject }}"
  client = "Acme Ltd"
  site = "Main"
  store_as = "ticket"

  [[rule.action]]
  type = "add_halo_action"
  ticket = "{{ custom.ticket.id }}"
  outcome = "Note"
  note = "From {{ email.from.address }}"
  store_as = "note"

  [[rule.action]]
  type = "attach_files_to_halo_ticket"
  ticket = "{{ custom.ticket.id }}"
"#;

/// One ticket with one note and two files is all that there is.
fn one_of_each(world: &World, what: &str) {
    assert_eq!(world.only().0, "completed", "{what}");
    let tickets = new_tickets(world);
    assert_eq!(tickets.len(), 1, "{what}: {tickets:?}");
    let id = tickets[0]["id"].as_i64().unwrap();
    assert_eq!(
        world.sandbox.actions(id).len(),
        2,
        "{what}: the opening one and the note"
    );
    assert_eq!(tickets[0]["attachment_count"], 2, "{what}");
}

#[test]
fn what_was_made_without_an_answer_is_found_and_not_made_again() {
    for path in ["/api/tickets", "/api/actions", "/api/attachment"] {
        for mishap in [Mishap::Drop, Mishap::Html { status: 502 }, Mishap::NoId] {
            for is_done in [true, false] {
                let fault = Fault::once("POST", path, mishap.clone());
                let fault = if is_done { fault.after() } else { fault };
                let world = world(TICKET, vec![fault]);
                world.deliver(WITH_FILES);
                run_to_the_end(&world);
                one_of_each(&world, &format!("{path}, {mishap:?}, done: {is_done}"));
            }
        }
    }
}

#[test]
fn a_ticket_is_found_where_the_marker_is_no_filter_and_rows_do_not_show_it() {
    let world = world(TICKET, vec![Fault::once("POST", "/api/tickets", Mishap::Drop).after()]);
    world.sandbox.set(|switches| switches.third_party_id_filter = false);
    world.deliver(WITH_FILES);
    run_to_the_end(&world);
    one_of_each(&world, "no filter");
}

#[test]
fn a_message_that_is_run_again_has_its_ticket_already() {
    let rules = TICKET.replace("outcome = \"Note\"", "outcome = \"{{ email.topic }}\"");
    let world = world(&rules, Vec::new());
    world.deliver(WITH_FILES);
    world.once();
    // The outcome of the action is no outcome at Halo: the step fails for good, behind the ticket.
    assert_eq!(world.only().0, "failed");
    assert_eq!(new_tickets(&world).len(), 1);
    let mut world = world;
    // The rule is another one now, and has a step more before the one that makes the ticket.
    world.rules = TICKET.replacen(
        "  [[rule.action]]",
        "  [[rule.action]]\n  type = \"set\"\n  value = \"x\"\n  store_as = \"y\"\n\n  [[rule.action]]",
        1,
    );
    assert_eq!(world.run(&["retry", "1"]).status, 0);
    one_of_each(&world, "after retry");
    // What is there is there: once more changes nothing.
    assert_eq!(world.run(&["retry", "1"]).status, 0);
    one_of_each(&world, "after another retry");
}

#[test]
fn a_file_that_is_too_long_is_left_out_and_the_result_says_so() {
    let rules = format!(
        "{TICKET}  store_as = \"attached\"\n\n  [[rule.action]]\n  type = \"create_halo_client\"\n  client_name = \"{{{{ custom.attached.left_out.0.name }}}} left out\"\n"
    );
    let mut world = world(&rules, Vec::new());
    world.halo.push_str("\nmax_file_size = \"10 B\"");
    world.deliver(WITH_FILES);
    world.once();
    let files = world.sandbox.attachments();
    assert!(files.iter().any(|file| file["filename"] == "attachment"), "{files:?}");
    assert!(files.iter().all(|file| file["filename"] != "notes.txt"), "{files:?}");
    assert!(
        world
            .sandbox
            .clients()
            .iter()
            .any(|client| client["name"] == "notes.txt left out")
    );
}

#[test]
fn a_locked_name_that_is_gone_holds_messages_and_an_unlocked_one_fails_them() {
    let locked = TICKET.replace("site = \"Main\"", "site = \"Main\"\n  team = \"3rd Line\"");
    let world = world(&locked, Vec::new());
    world.deliver(WITH_FILES);
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "deferred");
    assert!(reason.contains("team \"3rd Line\" is no team in Halo"), "{reason}");
    let checked = world.run(&["check", "--online"]);
    assert_eq!(checked.status, 78, "{checked:?}");
    assert!(
        checked
            .stdout
            .contains("team \"3rd Line\" is no team in Halo; it needs the id or the exact name of a team"),
        "{checked:?}"
    );

    let unlocked = TICKET.replace(
        "site = \"Main\"",
        "site = \"Main\"\n  team = \"{{ email.from.local }}\"",
    );
    let world = self::world(&unlocked, Vec::new());
    world.deliver(WITH_FILES);
    world.once();
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed");
    assert!(reason.contains("team \"ann\", rendered from"), "{reason}");
}

#[test]
fn explain_shows_what_would_be_sent_and_what_files_hold_is_not_shown() {
    let world = world(TICKET, Vec::new());
    let file = world.folder.join("message.eml");
    std::fs::write(&file, WITH_FILES.replace('\n', "\r\n")).unwrap();
    let ran = world.run(&["explain", file.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for expected in [
        "POST /Tickets",
        "POST /Actions",
        "POST /Attachment",
        "notes.txt",
        "(17 octets)",
        "completed",
    ] {
        assert!(ran.stdout.contains(expected), "{expected} is not in\n{}", ran.stdout);
    }
    assert!(new_tickets(&world).is_empty());
}

#[test]
fn a_ticket_that_is_not_there_fails_the_step_and_nobody_waits() {
    for (step, fields) in [
        ("add_halo_action", "outcome = \"Note\"\n  note = \"x\""),
        ("update_halo_ticket", "summary = \"x\""),
        ("attach_files_to_halo_ticket", ""),
    ] {
        let rules =
            format!("[[rule]]\nname = \"r\"\n  [[rule.action]]\n  type = \"{step}\"\n  ticket = 99999\n  {fields}\n");
        let world = world(&rules, Vec::new());
        world.deliver(WITH_FILES);
        world.once();
        let (outcome, reason) = world.only();
        assert_eq!(outcome, "failed", "{step}: {reason}");
        assert!(reason.contains("404"), "{step}: {reason}");
    }
}

#[test]
fn a_user_of_another_client_is_refused_before_halo_does() {
    let rules = TICKET.replace("site = \"Main\"", "user = 108");
    let world = world(&rules, Vec::new());
    world.deliver(WITH_FILES);
    world.once();
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed");
    assert!(reason.contains("is a user of client"), "{reason}");
    assert_eq!(world.requests("POST", "/api/tickets"), 0);
}
