//! Email to ticket: the right user on the right client, the text and its pictures, and answers on the right ticket.

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::{Value, json};

use crate::{running::Daemon, world::World};

const RULES: &str = r#"
[[rule]]
name = "answers"

  [[rule.action]]
  type = "update_halo_ticket_from_email"
  store_as = "global.answer"

[[rule]]
name = "tickets"
when = "not global.answer.found"

  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Unknown senders"
  create_user_if_not_found = true
  source = "Email"
  store_as = "made"
"#;

/// What a message says of itself beside its sender and subject.
#[derive(Default)]
struct Mail<'a> {
    id: &'a str,
    answers: &'a str,
    fields: &'a str,
    body: &'a str,
}

/// The tickets that there were not before.
fn new_tickets(world: &World) -> Vec<Value> {
    let tickets = world.sandbox.tickets().into_iter();
    tickets.filter(|ticket| ticket["id"].as_i64() >= Some(3001)).collect()
}

fn only_ticket(world: &World) -> Value {
    let mut tickets = new_tickets(world);
    assert_eq!(tickets.len(), 1, "{tickets:?}");
    tickets.remove(0)
}

fn world(rules: &str) -> World {
    let mut world = World::new(rules);
    world.halo = "timeout = \"1s\"".to_owned();
    world
}

fn send(world: &World, from: &str, subject: &str, mail: &Mail<'_>) {
    let refers = match mail.answers {
        "" => String::new(),
        id => format!("In-Reply-To: <{id}>\nReferences: <{id}>\n"),
    };
    let address = from.rsplit('<').next().unwrap().trim_end_matches('>');
    let kind = if mail.fields.contains("Content-Type") {
        ""
    } else {
        "Content-Type: text/plain; charset=utf-8\n"
    };
    let body = if mail.body.is_empty() { "It is dead." } else { mail.body };
    world.deliver(&format!(
        "Return-Path: <{address}>\nDate: Mon, 23 Nov 2026 09:00:00 +0000\nFrom: {from}\nTo: support@desk.example\n\
         Subject: {subject}\nMessage-ID: <{id}>\n{refers}MIME-Version: 1.0\n{kind}{fields}\n{body}\n",
        id = mail.id,
        fields = mail.fields,
    ));
}

fn run(world: &World, outcome: &str) {
    world.once();
    let last = world.log().pop().unwrap();
    assert_eq!(last["outcome"], outcome, "{last}");
}

const PICTURED: &str = "--m\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n\
<p>See <img src=\"cid:shot@acme.example\"> <script>alert(1)</script>and <b>this</b>.</p>\n--r\n\
Content-Type: image/png; name=shot.png\nContent-ID: <shot@acme.example>\nContent-Transfer-Encoding: base64\n\n\
iVBORw0KGgo=\n--r--\n--m\nContent-Type: application/pdf; name=offer.pdf\nContent-Disposition: attachment\n\n%PDF\n--m--\n";
const MIXED: &str = "Content-Type: multipart/mixed; boundary=m\n";

#[test]
fn a_known_sender_s_mail_becomes_a_ticket_as_halo_s_own_intake_would_make_it() {
    let world = world(RULES);
    let mail = Mail {
        id: "first@acme.example",
        fields: &format!("Cc: Bob <bob@acme.example>, omar.haddad@acme.example\n{MIXED}"),
        body: PICTURED,
        ..Mail::default()
    };
    send(&world, "Jane Doe <jane@acme.example>", "Printer down", &mail);
    run(&world, "completed");
    let ticket = only_ticket(&world);
    for (field, expected) in [
        ("summary", json!("Printer down")),
        ("user_name", json!("Jane Doe")),
        ("client_name", json!("Acme Ltd")),
        ("reportedby", json!("jane@acme.example")),
        ("emailcclist", json!("bob@acme.example; omar.haddad@acme.example")),
        ("email_message_id", json!("<first@acme.example>")),
        ("source", json!(1)),
        ("attachment_count", json!(1)),
    ] {
        assert_eq!(ticket[field], expected, "{field}: {ticket}");
    }
    let html = ticket["details_html"].as_str().unwrap();
    let link = world.sandbox.url().join("api/attachment/image/").unwrap();
    assert!(html.contains(&format!("<img src=\"{link}")), "{html}");
    assert!(html.contains("<b>this</b>") && !html.contains("script"), "{html}");
    assert!(ticket["details"].as_str().unwrap().contains("and this"), "{ticket}");
    // Sign-in, user and agents, site and client of the user, source; ticket, picture, text, file.
    let writes: Vec<_> = world
        .sandbox
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST" && request.path.starts_with("/api"))
        .map(|request| request.path)
        .collect();
    assert_eq!(
        writes,
        [
            "/api/Tickets",
            "/api/Attachment/image",
            "/api/Tickets",
            "/api/Attachment"
        ]
    );
}

#[test]
fn an_unknown_sender_becomes_a_user_of_the_client_for_strangers_and_has_the_ticket() {
    let world = world(RULES);
    let mail = Mail {
        id: "a@stranger.example",
        ..Mail::default()
    };
    send(&world, "Ann Lee <ann@stranger.example>", "Hello", &mail);
    run(&world, "completed");
    let ticket = only_ticket(&world);
    assert_eq!(
        (&ticket["user_name"], &ticket["client_name"]),
        (&json!("Ann Lee"), &json!("Unknown senders"))
    );
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_user_that_can_not_be_made_leaves_a_ticket_that_says_who_wrote() {
    let rules = format!(
        "{RULES}\n  [[rule.action]]\n  type = \"create_halo_client\"\n  client_name = \"{{{{ custom.made.user_error }}}}\"\n"
    );
    let world = world(&rules);
    let mail = Mail {
        id: "a@desk.example",
        ..Mail::default()
    };
    // An agent is not made a user.
    send(&world, "Alex Desk <alex@desk.example>", "From the road", &mail);
    run(&world, "completed");
    let ticket = only_ticket(&world);
    assert_eq!(ticket["reportedby"], "alex@desk.example");
    let clients = world.sandbox.clients();
    let said = |client: &Value| client["name"].as_str().unwrap().contains("an agent is not made a user");
    assert!(clients.iter().any(said), "{clients:?}");
}

#[test]
fn answers_join_their_ticket_by_its_number_by_reference_and_by_thread_index() {
    let world = world(RULES);
    let index = "Thread-Index: AdYtYWJjZGVmZ2hpamtsbW5vcHFyc3R1dg==\n";
    let mail = Mail {
        id: "first@acme.example",
        fields: index,
        ..Mail::default()
    };
    send(&world, "Jane Doe <jane@acme.example>", "Printer down", &mail);
    run(&world, "completed");
    let id = only_ticket(&world)["id"].as_i64().unwrap();
    let number = format!("RE: [ID:{id:07}] Printer down");
    for (mail, subject, expected) in [
        (
            Mail {
                id: "by-number@acme.example",
                body: "It moves again.\n\nOn Mon, 23 Nov 2026, Desk wrote:\n> Is it plugged in?\n",
                ..Mail::default()
            },
            number.as_str(),
            "It moves again.",
        ),
        (
            Mail {
                id: "by-reference@acme.example",
                answers: "first@acme.example",
                body: "And stops.",
                ..Mail::default()
            },
            "Another subject",
            "And stops.",
        ),
        (
            Mail {
                id: "by-index@acme.example",
                fields: "Thread-Index: AdYtYWJjZGVmZ2hpamtsbW5vcHFyc3R1dgAAAAAB\n",
                body: "For good.",
                ..Mail::default()
            },
            "AW: Printer down",
            "For good.",
        ),
    ] {
        send(&world, "Jane Doe <jane@acme.example>", subject, &mail);
        run(&world, "completed");
        let actions = world.sandbox.actions(id);
        let last = actions.last().unwrap();
        assert_eq!(last["note"].as_str().unwrap().trim(), expected, "{last}");
        for (field, expected) in [
            ("outcome", json!("Email Update")),
            ("who", json!("Jane Doe")),
            ("actionby_user_id", json!(101)),
            ("emaildirection", json!("I")),
            ("emailfrom", json!("jane@acme.example")),
            ("hiddenfromuser", json!(false)),
            ("email_message_id", json!(format!("<{}>", mail.id))),
        ] {
            assert_eq!(last[field], expected, "{field}: {last}");
        }
    }
    let last = world.sandbox.actions(id);
    assert_eq!(last.len(), 4);
    assert!(last[1]["emailbody"].as_str().unwrap().contains("Is it plugged in?"));
    only_ticket(&world);
}

#[test]
fn a_number_is_believed_only_from_who_has_a_part_in_the_ticket() {
    let world = world(RULES);
    for address in ["ann@stranger.example", "eve@elsewhere.example"] {
        let mail = Mail {
            id: address,
            ..Mail::default()
        };
        send(&world, address, "Hello", &mail);
    }
    world.once();
    let tickets = new_tickets(&world);
    let of = |address: &str| {
        let ticket = tickets.iter().find(|ticket| ticket["reportedby"] == address);
        ticket.unwrap()["id"].as_i64().unwrap()
    };
    let (anns, eves) = (of("ann@stranger.example"), of("eve@elsewhere.example"));
    // Both are of the client for strangers; that makes neither a part of the other's ticket. Nor do references.
    let subject = format!("Re: [ID:{anns:07}] Hello");
    let mail = Mail {
        id: "forged@elsewhere.example",
        answers: "ann@stranger.example",
        ..Mail::default()
    };
    send(&world, "eve@elsewhere.example", &subject, &mail);
    run(&world, "completed");
    assert_eq!(world.sandbox.actions(anns).len(), 1);
    assert_eq!(new_tickets(&world).len(), 3, "it is a ticket of its own");
    // Somebody of the same customer has a part.
    let mail = Mail {
        id: "jane@acme.example",
        ..Mail::default()
    };
    send(&world, "jane@acme.example", "Printer", &mail);
    run(&world, "completed");
    let janes = new_tickets(&world).pop().unwrap()["id"].as_i64().unwrap();
    let subject = format!("[ID:{janes:07}] Printer");
    for (from, id, actions) in [
        ("mary.jane@acme.example", "m@acme.example", 2),
        ("noor@northgate.example", "n@northgate.example", 2),
        // An agent's address is easily forged, and nobody vouches for it here.
        ("alex@desk.example", "agent@desk.example", 2),
    ] {
        let mail = Mail { id, ..Mail::default() };
        send(&world, from, &subject, &mail);
        run(&world, "completed");
        assert_eq!(world.sandbox.actions(janes).len(), actions, "{from}");
    }
    assert_eq!(world.sandbox.actions(eves).len(), 1);
}

#[test]
fn who_refers_to_a_message_of_others_does_not_take_its_conversation() {
    let world = world(RULES);
    let first = Mail {
        id: "first@stranger.example",
        ..Mail::default()
    };
    send(&world, "ann@stranger.example", "Hello", &first);
    run(&world, "completed");
    let forged = Mail {
        id: "forged@elsewhere.example",
        answers: "first@stranger.example",
        ..Mail::default()
    };
    send(&world, "eve@elsewhere.example", "Re: Hello", &forged);
    run(&world, "completed");
    let anns = new_tickets(&world)[0]["id"].as_i64().unwrap();
    let answer = Mail {
        id: "second@stranger.example",
        answers: "first@stranger.example",
        ..Mail::default()
    };
    send(&world, "ann@stranger.example", "Re: Hello", &answer);
    run(&world, "completed");
    assert_eq!((new_tickets(&world).len(), world.sandbox.actions(anns).len()), (2, 2));
}

#[test]
fn who_was_written_to_in_copy_or_wrote_before_has_a_part() {
    let world = world(RULES);
    let mail = Mail {
        id: "first@stranger.example",
        fields: "Cc: carl@elsewhere.example\n",
        ..Mail::default()
    };
    send(&world, "ann@stranger.example", "Hello", &mail);
    run(&world, "completed");
    let id = only_ticket(&world)["id"].as_i64().unwrap();
    let mail = Mail {
        id: "second@elsewhere.example",
        answers: "first@stranger.example",
        ..Mail::default()
    };
    send(&world, "carl@elsewhere.example", "Re: Hello", &mail);
    run(&world, "completed");
    assert_eq!(world.sandbox.actions(id).len(), 2);
    only_ticket(&world);
}

#[test]
fn answers_that_come_before_there_is_a_ticket_are_one_ticket() {
    // Everybody answers everybody, and the desk is only in copy: it never saw the first message.
    let world = world(RULES);
    world.sandbox.set(|switches| switches.latency_ms = 20);
    for (number, from) in ["jane", "mary.jane", "omar.haddad", "pia"].iter().enumerate() {
        let mail = Mail {
            id: &format!("storm{number}@acme.example"),
            answers: "never-seen@acme.example",
            ..Mail::default()
        };
        send(&world, &format!("{from}@acme.example"), "Re: Lunch", &mail);
    }
    world.once();
    let id = only_ticket(&world)["id"].as_i64().unwrap();
    assert_eq!(world.sandbox.actions(id).len(), 4);
}

#[test]
fn an_agent_is_believed_where_somebody_vouches_for_the_address_or_the_ticket_is_theirs() {
    let mut world = world(RULES);
    world.mailbox = "trusted_authserv_ids = [\"mx.desk.example\"]".to_owned();
    let others = world.sandbox.add_ticket(json!({ "summary": "one", "user_id": 101 }));
    let own = world
        .sandbox
        .add_ticket(json!({ "summary": "two", "user_id": 101, "agent_id": 3 }));
    let vouched = "Authentication-Results: mx.desk.example; dmarc=pass header.from=desk.example\n";
    for (ticket, fields) in [(others, vouched), (own, "")] {
        let id = format!("{ticket}@desk.example");
        let mail = Mail {
            id: &id,
            fields,
            ..Mail::default()
        };
        send(
            &world,
            "Alex Desk <alex@desk.example>",
            &format!("Re: [ID:{ticket:07}]"),
            &mail,
        );
        run(&world, "completed");
        assert_eq!(world.sandbox.actions(ticket).len(), 2, "{ticket}");
    }
}

#[test]
fn a_forged_sender_has_no_user_s_ticket_and_becomes_no_user() {
    let mut world = world(RULES);
    world.mailbox = "trusted_authserv_ids = [\"mx.desk.example\"]".to_owned();
    for from in ["jane@acme.example", "nobody@acme.example"] {
        let fields = "Authentication-Results: mx.desk.example; dmarc=fail header.from=acme.example\n";
        let mail = Mail {
            id: from,
            fields,
            ..Mail::default()
        };
        send(&world, from, "Pay this", &mail);
    }
    world.once();
    let tickets = new_tickets(&world);
    assert_eq!(tickets.len(), 2);
    for ticket in tickets {
        assert_eq!(ticket["client_name"], "Unknown senders", "{ticket}");
        assert_eq!(ticket["user_name"], "General User", "{ticket}");
    }
    assert!(world.users("nobody@acme.example").is_empty());
}

#[test]
fn a_number_that_is_none_of_halo_s_costs_no_message() {
    let world = world(RULES);
    for (number, subject) in ["[ID:20260101123456]", "[ID:0099999]"].iter().enumerate() {
        let id = format!("n{number}@acme.example");
        let mail = Mail {
            id: &id,
            ..Mail::default()
        };
        send(&world, "jane@acme.example", &format!("Re: {subject}"), &mail);
        run(&world, "completed");
    }
    assert_eq!(new_tickets(&world).len(), 2);
}

#[test]
fn a_message_that_runs_again_is_no_answer_to_its_own_ticket() {
    let world = world(RULES);
    let mail = Mail {
        id: "first@acme.example",
        fields: &format!("Thread-Index: AdYtYWJjZGVmZ2hpamtsbW5vcHFyc3R1dg==\n{MIXED}"),
        body: PICTURED,
        ..Mail::default()
    };
    send(&world, "jane@acme.example", "Printer down", &mail);
    run(&world, "completed");
    let id = only_ticket(&world)["id"].as_i64().unwrap();
    let answer = Mail {
        id: "second@acme.example",
        answers: "first@acme.example",
        ..Mail::default()
    };
    send(&world, "jane@acme.example", "Re: Printer down", &answer);
    run(&world, "completed");
    let before = (world.sandbox.actions(id).len(), world.sandbox.attachments().len());
    assert_eq!(world.run(&["retry", "1", "2"]).status, 0);
    only_ticket(&world);
    assert_eq!(
        (world.sandbox.actions(id).len(), world.sandbox.attachments().len()),
        before
    );
}

#[test]
fn what_stands_in_no_place_is_a_file_and_we_are_in_no_copy() {
    let world = world(RULES);
    let mail = Mail {
        id: "first@acme.example",
        fields: &format!("Cc: support@desk.example, bob@acme.example\n{MIXED}"),
        body: &PICTURED.replace(
            "<img src=\"cid:shot@acme.example\">",
            "<a href=\"cid:shot@acme.example\">picture</a>",
        ),
        ..Mail::default()
    };
    send(&world, "jane@acme.example", "Printer down", &mail);
    run(&world, "completed");
    let ticket = only_ticket(&world);
    assert_eq!(
        (&ticket["attachment_count"], &ticket["emailcclist"]),
        (&json!(2), &json!("bob@acme.example"))
    );
}

#[test]
fn a_form_that_writes_from_the_desk_s_address_is_taken_in() {
    let world = world(RULES);
    let mail = Mail {
        id: "form@desk.example",
        ..Mail::default()
    };
    send(&world, "support@desk.example", "Contact form", &mail);
    run(&world, "completed");
    only_ticket(&world);
}

#[test]
fn what_halo_itself_wrote_is_no_ticket_and_no_answer() {
    let world = world(RULES);
    // The sandbox's tenant writes from this address; the daemon's own mailbox has another one.
    for (from, id) in [
        ("support@desk.example", "ack1"),
        ("Example Desk <Support@Desk.example>", "ack2"),
    ] {
        let id = format!("{id}@desk.example");
        let mail = Mail {
            id: &id,
            ..Mail::default()
        };
        send(&world, from, "Your ticket [ID:0002001] was received", &mail);
        run(&world, "completed");
    }
    assert_eq!((new_tickets(&world).len(), world.sandbox.actions(2001).len()), (0, 1));
}

#[test]
fn an_address_that_halo_alone_writes_from_is_known_from_halo() {
    let world = world(RULES);
    world.more("[mailbox.support]\naddresses = [\"other@desk.example\"]\n[bounce]\nfrom = \"other@desk.example\"\n");
    let mail = Mail {
        id: "ack@desk.example",
        ..Mail::default()
    };
    send(&world, "support@desk.example", "[ID:0002001] was received", &mail);
    run(&world, "completed");
    assert_eq!(new_tickets(&world).len(), 0);
    assert_eq!(world.requests("GET", "/api/mailbox"), 1);
}

#[test]
fn a_merged_ticket_is_followed_and_a_closed_one_is_opened_or_is_none() {
    let world = world(RULES);
    let first = world.sandbox.add_ticket(json!({ "summary": "one", "user_id": 101 }));
    let second = world
        .sandbox
        .add_ticket(json!({ "summary": "two", "user_id": 101, "merged_into_id": first }));
    let mail = Mail {
        id: "merged@acme.example",
        ..Mail::default()
    };
    send(&world, "jane@acme.example", &format!("Re: [ID:{second:07}]"), &mail);
    run(&world, "completed");
    assert_eq!(world.sandbox.actions(first).len(), 2);
    let closed = world
        .sandbox
        .add_ticket(json!({ "summary": "closed", "user_id": 101, "status_id": 9 }));
    let mail = Mail {
        id: "closed@acme.example",
        ..Mail::default()
    };
    send(&world, "jane@acme.example", &format!("Re: [ID:{closed:07}]"), &mail);
    run(&world, "completed");
    let status = |id: i64| {
        let tickets = world.sandbox.tickets();
        let ticket = tickets.iter().find(|ticket| ticket["id"] == id).unwrap();
        (ticket["status_id"].clone(), ticket["hasbeenclosed"].clone())
    };
    assert_eq!(status(closed), (json!(2), json!(false)));
    assert_eq!(world.sandbox.tickets().len(), 5);

    let rules = RULES.replacen(
        "  store_as = \"global.answer\"",
        "  when_closed = \"not_found\"\n  store_as = \"global.answer\"",
        1,
    );
    let world = self::world(&rules);
    let mail = Mail {
        id: "closed@northgate.example",
        ..Mail::default()
    };
    send(
        &world,
        "noor@northgate.example",
        "Re: [ID:0002002] New colleague",
        &mail,
    );
    run(&world, "completed");
    assert_eq!(world.sandbox.actions(2002).len(), 1);
    assert_eq!(new_tickets(&world).len(), 1);
}

#[test]
fn a_file_that_is_refused_or_too_long_is_told_of_and_costs_no_ticket() {
    let rules = format!(
        "{RULES}\n  [[rule.action]]\n  type = \"create_halo_client\"\n  client_name = \"error: {{{{ custom.made.files_error }}}}\"\n"
    );
    let mut world = world(&rules);
    world.halo.push_str("\nmax_file_size = \"7 B\"");
    let mishap = Mishap::Status {
        status: 413,
        message: String::new(),
    };
    world
        .sandbox
        .set(|switches| switches.faults = vec![Fault::once("POST", "/api/attachment", mishap)]);
    let mail = Mail {
        id: "first@acme.example",
        fields: MIXED,
        body: PICTURED,
        ..Mail::default()
    };
    send(&world, "jane@acme.example", "Printer down", &mail);
    run(&world, "completed");
    let ticket = only_ticket(&world);
    assert!(
        ticket["details"]
            .as_str()
            .unwrap()
            .contains("Not attached: shot.png (8 octets)"),
        "{ticket}"
    );
    let clients = world.sandbox.clients();
    let said = |client: &Value| client["name"].as_str().unwrap().contains("413");
    assert!(clients.iter().any(said), "{clients:?}");
}

#[test]
fn nothing_of_a_ticket_is_made_twice_when_an_answer_is_lost() {
    for path in ["/api/users", "/api/tickets", "/api/attachment/image", "/api/attachment"] {
        let world = world(RULES);
        let fault = Fault::once("POST", path, Mishap::Drop).after();
        world.sandbox.set(|switches| switches.faults = vec![fault]);
        let mail = Mail {
            id: "first@stranger.example",
            fields: MIXED,
            body: PICTURED,
            ..Mail::default()
        };
        send(&world, "ann@stranger.example", "Printer down", &mail);
        world.wait_until("the end", |world| world.run(&["run", "--once"]).status == 0);
        let ticket = only_ticket(&world);
        assert_eq!(ticket["attachment_count"], 1, "{path}");
        assert!(
            ticket["details_html"].as_str().unwrap().contains("<img"),
            "{path}: {ticket}"
        );
        assert_eq!(world.users("ann@stranger.example").len(), 1, "{path}");
    }
}

/// Every request of the daemon since the log was cleared, by method and path; numbers are `N`.
fn requests(world: &World) -> Vec<String> {
    let number = |segment: &str| {
        if !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit()) {
            "N"
        } else {
            segment
        }
        .to_owned()
    };
    let path = |path: &str| path.split('/').map(number).collect::<Vec<_>>().join("/");
    let requests = world.sandbox.requests().into_iter();
    requests
        .map(|request| format!("{} {}", request.method, path(&request.path)))
        .collect()
}

#[test]
fn a_message_costs_as_many_requests_as_the_manual_says() {
    let world = world(RULES);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let cost = |from: &str, subject: &str, mail: &Mail<'_>| {
        let before = world.log().len();
        world.sandbox.clear_log();
        send(&world, from, subject, mail);
        world.wait_until("the outcome", |world| {
            let log = world.log();
            log.len() == before + 1 && log.last().unwrap()["outcome"] == "completed"
        });
        requests(&world)
    };
    let plain = |id| Mail { id, ..Mail::default() };
    // What all messages share is asked for by the first ones: lists, agents, clients and their sites.
    cost("omar.haddad@acme.example", "Hello", &plain("warm1@acme.example"));
    cost("zoe@stranger.example", "Hello", &plain("warm2@stranger.example"));
    let id = new_tickets(&world)[0]["id"].as_i64().unwrap();
    cost(
        "omar.haddad@acme.example",
        &format!("Re: [ID:{id:07}]"),
        &plain("warm3@acme.example"),
    );

    const LOOK: &str = "GET /api/Users";
    const TICKET: &str = "POST /api/Tickets";
    let files = Mail {
        id: "files@acme.example",
        fields: MIXED,
        body: PICTURED,
        ..Mail::default()
    };
    assert_eq!(
        cost("jane@acme.example", "Known", &plain("known@acme.example")),
        [LOOK, TICKET]
    );
    assert_eq!(
        cost("jane@acme.example", "With files", &files),
        [TICKET, "POST /api/Attachment/image", TICKET, "POST /api/Attachment"],
        "the look is a minute old at most"
    );
    assert_eq!(
        cost("ann@stranger.example", "New", &plain("new@stranger.example")),
        [LOOK, "POST /api/Users", TICKET]
    );
    let answer = format!("Re: [ID:{id:07}]");
    assert_eq!(
        cost("mary.jane@acme.example", &answer, &plain("answer@acme.example")),
        [LOOK, "GET /api/Tickets/N", "POST /api/Actions"]
    );
    let files = Mail {
        id: "answer-files@acme.example",
        ..files
    };
    assert_eq!(
        cost("mary.jane@acme.example", &answer, &files),
        [
            "GET /api/Tickets/N",
            "POST /api/Attachment/image",
            "POST /api/Actions",
            "POST /api/Attachment"
        ]
    );
    assert_eq!(daemon.stop().0, 0);
}
