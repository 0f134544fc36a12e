//! Whose mail it is: known, unknown, matched by domain, left to the catch-all; and the users made for them.

use halo_intake::sandbox::Pattern;
use serde_json::Value;

use crate::world::World;

/// The rule of the sample: find, then create who is missing.
const RULES: &str = r#"
[[rule]]
name = "Unknown senders become users"
when = "not email.automatic"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  on_error = "bounce"
  store_as = "created"
"#;

fn created(world: &World, address: &str) -> Value {
    let users = world.users(address);
    assert_eq!(users.len(), 1, "{users:#?}");
    users[0].clone()
}

#[test]
fn a_known_sender_makes_no_user() {
    let world = World::with_dovecot(RULES);
    world.mail("Jane Doe <JANE@acme.example>", "Toner");
    world.once();
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.requests("POST", "/api/users"), 0);
}

#[test]
fn an_unknown_sender_at_a_known_domain_becomes_a_user_of_that_client() {
    let world = World::with_dovecot(RULES);
    world.mail("Tom Reed <Tom.Reed@Acme.Example>", "First day");
    world.once();
    let user = created(&world, "tom.reed@acme.example");
    assert_eq!(
        (user["client_id"].as_f64(), user["site_id"].as_f64()),
        (Some(12.0), Some(21.0))
    );
    assert_eq!(user["name"], "Tom Reed");
}

#[test]
fn a_clients_website_matches_a_domain_too() {
    let world = World::new(RULES);
    world.mail("Max <max@solebakery.example>", "Rolls");
    world.once();
    assert_eq!(
        created(&world, "max@solebakery.example")["client_id"].as_f64(),
        Some(13.0)
    );
}

#[test]
fn an_unknown_domain_goes_to_the_catch_all() {
    let world = World::with_dovecot(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "Hello");
    world.once();
    assert_eq!(
        created(&world, "ann@stranger.example")["client_id"].as_f64(),
        Some(16.0)
    );
}

#[test]
fn a_freemail_domain_matches_no_client() {
    let mut world = World::new(RULES);
    world.halo = "freemail_domains = [\"acme.example\"]".to_owned();
    world.mail("Kim <kim@acme.example>", "Hello");
    world.once();
    assert_eq!(created(&world, "kim@acme.example")["client_id"].as_f64(), Some(16.0));
}

#[test]
fn the_operators_own_map_comes_before_halos_domains() {
    let mut world = World::new(RULES);
    world.settings =
        "[halo.main.domains]\n\"acme.example\" = { client = \"Northgate Clinic\", site = \"Annex\" }\n".to_owned();
    world.mail("Kim <kim@acme.example>", "Hello");
    world.once();
    let user = created(&world, "kim@acme.example");
    assert_eq!(
        (user["client_id"].as_f64(), user["site_id"].as_f64()),
        (Some(14.0), Some(26.0))
    );
}

#[test]
fn a_sender_without_a_display_name_is_named_by_the_address() {
    let world = World::with_dovecot(RULES);
    world.mail("bare@acme.example", "No name");
    world.once();
    assert_eq!(created(&world, "bare@acme.example")["name"], "bare@acme.example");
}

#[test]
fn five_first_messages_of_one_unknown_sender_make_one_user() {
    let world = World::with_dovecot(RULES);
    for number in 1..=5 {
        world.mail("Tom Reed <tom.reed@acme.example>", &format!("Mail {number}"));
    }
    world.once();
    created(&world, "tom.reed@acme.example");
    assert!(
        world.outcomes().iter().all(|(_, outcome)| outcome == "completed"),
        "{:?}",
        world.outcomes()
    );
    assert_eq!(world.requests("POST", "/api/users"), 1);
}

#[test]
fn a_user_with_that_address_as_second_address_is_found() {
    let world = World::new(RULES);
    world.mail("Pia <pia.lind@warehouse.acme.example>", "Hello");
    world.once();
    assert_eq!(world.requests("POST", "/api/users"), 0);
}

#[test]
fn an_address_that_is_only_a_part_of_a_known_one_is_another() {
    let world = World::new(RULES);
    // Halo's search for it finds mary.jane@acme.example as well.
    world.mail("Other Jane <y.jane@acme.example>", "Hello");
    world.once();
    created(&world, "y.jane@acme.example");
}

#[test]
fn an_agent_is_not_made_a_user() {
    let world = World::new(RULES);
    world.mail("Alex Desk <alex@desk.example>", "Note");
    world.once();
    assert!(world.users("alex@desk.example").is_empty());
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "bounced", "{reason}");
    assert!(reason.contains("is the address of the agent \"Alex Desk\""), "{reason}");
}

#[test]
fn a_site_of_another_client_fails_for_good() {
    let rules =
        "[[rule]]\nname = \"r\"\n[[rule.action]]\ntype = \"create_halo_user\"\nclient = \"Acme Ltd\"\nsite = 25\n";
    let world = World::new(rules);
    world.mail("Ann Lee <ann@stranger.example>", "Hello");
    world.once();
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed");
    assert!(
        reason.contains("site \"25\" is a site of client 14 (\"Northgate Clinic\"), not of client 12 (\"Acme Ltd\")"),
        "{reason}"
    );
    assert!(world.users("ann@stranger.example").is_empty());
}

#[test]
fn an_inactive_user_is_used_reactivated_or_an_error_as_configured() {
    for (word, outcome, inactive) in [
        ("use", "completed", true),
        ("reactivate", "completed", false),
        ("error", "failed", true),
    ] {
        let rules = format!(
            "[[rule]]\nname = \"r\"\n[[rule.action]]\ntype = \"create_halo_user\"\nclient = 12\nsite = 21\nexisting_inactive = \"{word}\"\n"
        );
        let world = World::new(&rules);
        world.mail("Gone Away <gone@acme.example>", "I am back");
        world.once();
        assert_eq!(world.only().0, outcome, "{word}");
        assert_eq!(created(&world, "gone@acme.example")["inactive"], inactive, "{word}");
    }
}

#[test]
fn a_sender_whose_dmarc_failed_is_matched_by_nothing_but_the_default_client() {
    let rules = r#"
[[rule]]
name = "r"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "{{ custom.sender.matched_by }} {{ custom.sender.client.name }}"
"#;
    let mut world = World::new(rules);
    world.mailbox = "trusted_authserv_ids = [\" mx.desk.example \"]".to_owned();
    let forged = "Authentication-Results: mx.desk.example; dmarc=fail header.from=acme.example\n";
    world.mail_with("Jane Doe <jane@acme.example>", "Forged", forged);
    world.once();
    assert!(
        world
            .sandbox
            .clients()
            .iter()
            .any(|client| client["name"] == "default Unknown senders")
    );
}

#[test]
fn of_several_authors_none_is_taken_for_authenticated() {
    let mut world = World::new(RULES);
    world.mailbox = "trusted_authserv_ids = [\"mx.desk.example\"]".to_owned();
    // The filter looked at the second author, who is who he says; we read the first.
    let passed = "Authentication-Results: mx.desk.example; dmarc=pass header.from=stranger.example\n";
    world.mail_with("jane@acme.example, eve@stranger.example", "Two authors", passed);
    world.mail_with("max@acme.example", "Another one's pass", passed);
    world.once();
    assert_eq!(created(&world, "max@acme.example")["client_id"].as_f64(), Some(16.0));
    let show = |row: usize| world.json(&["show", &world.log()[row]["id"].to_string()]).remove(0);
    for row in 0..2 {
        let found = &show(row)["attempts_made"][0]["trace"]["rules"][0]["steps"][0]["result"];
        assert_eq!(
            (&found["matched_by"], &found["user"]),
            (&Value::from("default"), &Value::Null)
        );
    }
}

#[test]
fn for_each_walks_a_list_and_a_query_lists_what_halo_has() {
    let rules = r#"
[[rule]]
name = "r"

  [[rule.action]]
  type = "query_halo_users"
  search = "lena"
  client = "Northgate Clinic"
  store_as = "found"

  [[rule.action]]
  type = "query_halo_sites"
  client = "{{ custom.found.users.0.client_id }}"
  store_as = "sites"

  [[rule.action]]
  type = "query_halo_clients"
  search = "bakery"
  store_as = "clients"

  [[rule.action]]
  type = "for_each"
  items = "email.to"
  as = "recipient"

    [[rule.action.action]]
    type = "set"
    value = "{{ index }}:{{ recipient.local }}"
    store_as = "line"

    [[rule.action.action]]
    type = "create_halo_client"
    client_name = "{{ custom.line }} {{ custom.found.record_count }} {{ custom.sites.sites | length }} {{ custom.clients.clients.0.name }}"
"#;
    let world = World::new(rules);
    world.deliver(
        "From: Ann <ann@stranger.example>\nTo: One <one@desk.example>, two@desk.example\nSubject: Both\n\nx\n",
    );
    world.once();
    assert_eq!(world.only(), ("completed".to_owned(), String::new()));
    let names: Vec<String> = world
        .sandbox
        .clients()
        .iter()
        .map(|client| client["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"0:one 1 2 Sole Bakery".to_owned()), "{names:?}");
    assert!(names.contains(&"1:two 1 2 Sole Bakery".to_owned()), "{names:?}");
}

#[test]
fn a_name_that_is_not_exact_says_what_may_be_meant_and_an_id_is_above_0() {
    let rules = "[[rule]]\nname = \"r\"\n[[rule.action]]\ntype = \"create_halo_user\"\n\
                 client = \"{{ email.topic | before(delimiter='/') }}\"\nsite = \"{{ email.topic | after(delimiter='/') }}\"\n";
    for (topic, expected) in [
        (
            "acme ltd/Main",
            r#"is no client in Halo; it needs the id or the exact name of a client; did you mean "Acme Ltd" (12)?"#,
        ),
        (
            "Closed Shop/Main",
            "is inactive in Halo (client 15); make it active there, or name another client",
        ),
        (
            "Acme Ltd/warehouse",
            r#"is no site in Halo at the client "Acme Ltd"; it needs the id or the exact name of a site; did you mean "Warehouse" (22)?"#,
        ),
        (
            "Acme Ltd/Old Office",
            r#"is inactive in Halo at the client "Acme Ltd" (site 23); make it active there, or name another site"#,
        ),
        ("-5/Main", "is no id; an id is a whole number above 0"),
        ("12/0", "is no id; an id is a whole number above 0"),
    ] {
        let world = World::new(rules);
        world.mail("Ann Lee <ann@stranger.example>", topic);
        world.once();
        let (outcome, reason) = world.only();
        assert_eq!(outcome, "failed", "{topic}: {reason}");
        assert!(reason.contains(expected), "{topic}: {reason}");
        assert!(world.users("ann@stranger.example").is_empty());
    }
}

#[test]
fn a_domain_beyond_ascii_is_looked_up_in_one_form() {
    let mut world = World::new(RULES);
    world.halo = "freemail_domains = [\"café.example\"]".to_owned();
    world.settings = "[halo.main.domains]\n\"Bücher.example\" = \"Northgate Clinic\"\n".to_owned();
    world
        .sandbox
        .add_client(serde_json::json!({"name": "Café", "website": "https://café.example"}));
    for (from, client) in [
        ("kim@xn--bcher-kva.example", 14.0),
        ("lee@bücher.example", 14.0),
        ("max@xn--caf-dma.example", 16.0),
    ] {
        world.mail(from, "Hello");
        world.once();
        let users = world.sandbox.users();
        let local = from.split('@').next().unwrap();
        let is_theirs = |user: &&Value| user["emailaddress"].as_str().unwrap().starts_with(&format!("{local}@"));
        let user = users.iter().rfind(is_theirs).unwrap();
        assert_eq!(user["client_id"].as_f64(), Some(client), "{from}");
    }
}

#[test]
fn an_agents_user_and_a_service_account_are_not_the_sender() {
    for (field, value, expected) in [
        (
            "linked_agent_id",
            Value::from(77),
            "who is the agent 77; an agent is not made a user",
        ),
        (
            "isserviceaccount",
            Value::from(true),
            "a service account; it is not taken for a person",
        ),
    ] {
        let world = World::new(RULES);
        let mut user = serde_json::json!({"name": "Sam", "emailaddress": "sam@acme.example", "site_id": 21});
        user[field] = value;
        world.sandbox.add_user(user);
        world.mail("Sam <sam@acme.example>", "Hello");
        world.once();
        let (outcome, reason) = world.only();
        assert_eq!(outcome, "bounced", "{reason}");
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(world.users("sam@acme.example").len(), 1);
    }
}

#[test]
fn agents_that_can_not_be_read_are_noted_where_the_step_is_shown() {
    let world = World::new(RULES);
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("GET", "/api/agent")]);
    world.mail("Ann Lee <ann@stranger.example>", "Hello");
    world.mail("Bea Lee <bea@stranger.example>", "Hello");
    world.once();
    for row in world.log() {
        let shown = world.run(&["show", &row["id"].to_string()]).stdout;
        assert!(
            shown.contains("[agents can't be read, so nobody is taken for one]"),
            "{shown}"
        );
    }
}
