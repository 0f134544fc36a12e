//! The probe: each finding is what the tenant does.

use std::time::Duration;

use halo_intake::{
    halo::{
        ClientId, SiteId,
        client::{Halo, HaloError},
        findings::{Answer, Findings},
        probe::{Probe, ProbeError, Probed, REQUESTS},
    },
    sandbox::{Agents, Duplicates, Fault, Mishap, Pattern, RateLimit, Sandbox, Separator, Switches},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::world::*;

/// What a tenant holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Held(pub Vec<Value>, pub Vec<Value>, pub Vec<Value>);

pub fn held(sandbox: &Sandbox) -> Held {
    Held(sandbox.users(), sandbox.clients(), sandbox.sites())
}

pub async fn probe(halo: &Halo) -> Probed {
    Probe::new(halo, None).run(&CancellationToken::new()).await
}

/// The findings of a probe that changes nothing for good.
async fn findings(world: &World) -> Findings {
    let before = held(&world.sandbox);
    let probed = probe(&world.halo).await;
    assert_eq!(probed.left, []);
    assert_eq!(held(&world.sandbox), before);
    probed.findings.unwrap()
}

fn answer(findings: &Findings, name: &str) -> Answer {
    let found = findings.findings.iter().find(|finding| finding.name == name);
    found
        .unwrap_or_else(|| panic!("there is no question {name}"))
        .answer
        .clone()
}

fn word(word: &str) -> Answer {
    Answer::Word(word.into())
}

#[tokio::test]
async fn each_finding_is_what_the_tenant_does() {
    type Change = fn(&mut Switches);
    let cases: &[(Change, &str, Answer)] = &[
        (|_| {}, "duplicate_users", word("allow")),
        (
            |s| s.duplicate_users = Duplicates::Reject,
            "duplicate_users",
            word("reject"),
        ),
        (
            |s| s.duplicate_users = Duplicates::Warn,
            "duplicate_users",
            word("warn"),
        ),
        (|_| {}, "create_status", Answer::Count(201)),
        (|s| s.create_status = 200, "create_status", Answer::Count(200)),
        (|_| {}, "returnall", Answer::Truth(true)),
        (|s| s.returnall = false, "returnall", Answer::Truth(false)),
        (
            |s| s.faults = vec![Fault::once("POST", "/api/users", status(400))],
            "returnall",
            Answer::Truth(false),
        ),
        (|_| {}, "search_finds_further_addresses", Answer::Truth(true)),
        (
            |s| s.search_other_addresses = false,
            "search_finds_further_addresses",
            Answer::Truth(false),
        ),
        (
            |s| s.ignore_filters = true,
            "search_finds_further_addresses",
            Answer::Open,
        ),
        (|_| {}, "rows_show_further_addresses", Answer::Truth(false)),
        (
            |s| s.rows_show_other_addresses = true,
            "rows_show_further_addresses",
            Answer::Truth(true),
        ),
        (|_| {}, "page_cap", Answer::Count(100)),
        (|s| s.page_cap = 7, "page_cap", Answer::Count(7)),
        (|s| s.page_cap = 50, "page_cap", Answer::Count(50)),
        (|s| s.page_cap = 1000, "page_cap", Answer::Open),
        (|_| {}, "record_count_is_total", Answer::Truth(true)),
        (
            |s| s.record_count_is_total = false,
            "record_count_is_total",
            Answer::Truth(false),
        ),
        (|_| {}, "pages_advance", Answer::Truth(true)),
        (|s| s.repeat_page = true, "pages_advance", Answer::Truth(false)),
        (|_| {}, "bare_object_is_refused", Answer::Truth(true)),
        (
            |s| s.bare_objects = true,
            "bare_object_is_refused",
            Answer::Truth(false),
        ),
        (|_| {}, "text_id_is_refused", Answer::Truth(true)),
        (|_| {}, "float_id_is_refused", Answer::Truth(true)),
        (|_| {}, "client_domain_filter", word("part")),
        (|s| s.ignore_filters = true, "client_domain_filter", word("ignored")),
        (|_| {}, "agents_are_readable", Answer::Truth(true)),
        (
            |s| s.forbidden = vec![Pattern::of("GET", "/api/agent")],
            "agents_are_readable",
            Answer::Truth(false),
        ),
        (|_| {}, "agents_shape", word("results")),
        (|s| s.agents = Agents::Bare, "agents_shape", word("array")),
        (|_| {}, "no_record_status", Answer::Count(404)),
        (|_| {}, "no_id_status", Answer::Count(400)),
        (|_| {}, "actions_without_ticket", Answer::Count(200)),
        (
            |s| s.actions_without_ticket = 500,
            "actions_without_ticket",
            Answer::Open,
        ),
        (|_| {}, "rows_show_message_id", Answer::Truth(true)),
        (
            |s| s.message_id_in_rows = false,
            "rows_show_message_id",
            Answer::Truth(false),
        ),
        (|_| {}, "third_party_id_filter", Answer::Truth(true)),
        (
            |s| s.third_party_id_filter = false,
            "third_party_id_filter",
            Answer::Truth(false),
        ),
        (
            |s| s.forbidden = vec![Pattern::of("GET", "/api/tickets")],
            "third_party_id_filter",
            Answer::Open,
        ),
        (|_| {}, "emaildomain_separator", word("semicolon")),
        (
            |s| s.emaildomain_separator = Separator::Blank,
            "emaildomain_separator",
            word("blank"),
        ),
        (|_| {}, "invalid_client_status", Answer::Count(401)),
        (
            |s| s.invalid_client_status = 400,
            "invalid_client_status",
            Answer::Count(400),
        ),
        (|_| {}, "new_token_ends_former", Answer::Truth(false)),
        (|s| s.one_token = true, "new_token_ends_former", Answer::Truth(true)),
    ];
    for (change, name, expected) in cases {
        let world = world().await;
        world.sandbox.set(change);
        let findings = findings(&world).await;
        assert_eq!(answer(&findings, name), *expected, "{name}: {findings:#?}");
        assert_eq!(findings.url, world.sandbox.url());
    }
}

#[tokio::test]
async fn a_probe_is_few_requests_and_says_how_many() {
    let world = world().await;
    let probed = probe(&world.halo).await;
    assert_eq!(probed.requests, world.sandbox.requests().len());
    assert!((30..=REQUESTS).contains(&probed.requests), "{}", probed.requests);
    // It says so beforehand, and so does the manual.
    let manual = include_str!("../../docs/probe.md");
    assert!(manual.contains(&format!("It takes up to {REQUESTS} requests")));
}

#[tokio::test]
async fn within_a_client_that_is_there_only_users_are_made() {
    let world = world().await;
    let before = held(&world.sandbox);
    let place = Some((ClientId(12), SiteId(21)));
    let probed = Probe::new(&world.halo, place).run(&CancellationToken::new()).await;
    assert_eq!((held(&world.sandbox), probed.left), (before, vec![]));
    assert_eq!(
        world.asked_of("POST /api/Client") + world.asked_of("DELETE /api/Site"),
        0
    );
    let findings = probed.findings.unwrap();
    assert_eq!(answer(&findings, "duplicate_users"), word("allow"));
    assert_eq!(answer(&findings, "client_domain_filter"), Answer::Open);
}

#[tokio::test]
async fn an_application_that_may_make_no_client_is_told_of_the_other_way() {
    let world = world().await;
    let before = held(&world.sandbox);
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("POST", "/api/client")]);
    let probed = probe(&world.halo).await;
    let error = probed.findings.unwrap_err().to_string();
    assert!(
        error.contains("POST /Client is answered with 403") && error.contains("--client"),
        "{error}"
    );
    assert_eq!((held(&world.sandbox), probed.left), (before, vec![]));
}

#[tokio::test]
async fn refused_credentials_end_it_before_anything_is_made() {
    let world = world().await;
    world.sandbox.set(|switches| switches.reject_credentials = true);
    let probed = probe(&world.halo).await;
    assert!(matches!(
        probed.findings,
        Err(ProbeError::Halo(HaloError::Credentials { .. }))
    ));
    assert_eq!(probed.left, []);
    assert_eq!(world.asked(), [""; 0]);
}

#[tokio::test]
async fn the_connections_rate_is_never_exceeded() {
    let (count, per_ms) = (8, 200);
    let world = world_with(|config| config.rate = rate(8, Duration::from_millis(per_ms)), times()).await;
    world
        .sandbox
        .set(|switches| switches.rate = Some(RateLimit { count, per_ms }));
    findings(&world).await;
    assert!(world.sandbox.requests().iter().all(|request| request.status != 429));
}

#[tokio::test]
async fn a_429_is_waited_out_also_while_things_are_removed() {
    let world = world().await;
    world.sandbox.set(|switches| switches.retry_after_s = Some(0));
    let slow_down = || Mishap::Status {
        status: 429,
        message: "slow down".into(),
    };
    for (method, path) in [("POST", "/api/users"), ("DELETE", "/api")] {
        world.fault(Fault::once(method, path, slow_down()).times(6));
        findings(&world).await;
    }
}

#[tokio::test]
async fn a_connection_goes_by_the_cap_that_was_found() {
    let world = world().await;
    world.sandbox.set(|switches| switches.page_cap = 7);
    let all = world.halo.every_user(None, &world.calls).await.unwrap();
    let findings = findings(&world).await;
    world.halo.learn(findings.into());
    world.sandbox.clear_log();
    assert_eq!(world.halo.every_user(None, &world.calls).await.unwrap(), all);
    let size = ("page_size".to_owned(), "7".to_owned());
    let requests = world.sandbox.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.query.contains(&size)));
}
