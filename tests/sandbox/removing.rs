//! Nothing of a probe stays, whatever goes wrong, and nothing else is touched.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use halo_intake::{
    config::HaloConfig,
    halo::{
        ClientId, SiteId,
        client::Halo,
        findings::{Answer, Findings},
        probe::{Kind, Left, Probe, ProbeError},
    },
    sandbox::{Fault, Mishap, Pattern, Sandbox},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    probing::{Held, held, probe},
    world::*,
};

/// No probe takes more requests when one of them goes wrong, or when nothing may be deleted.
const MOST_REQUESTS: usize = 75;

/// No probe takes more, whatever goes wrong.
const MOST_WHEN_ALL_FAILS: usize = 150;

/// A connection that gives up early, so that what was not answered is not waited for long.
fn hasty(sandbox: &Sandbox) -> Arc<Halo> {
    let config = HaloConfig {
        timeout: Duration::from_millis(500),
        ..config(sandbox.url())
    };
    connected(&config, times())
}

#[tokio::test]
async fn nothing_stays_whatever_goes_wrong_at_whichever_request() {
    let failed = |status| Mishap::Status {
        status,
        message: "not now".into(),
    };
    let faults = [
        Fault::once("", "", failed(500)),
        Fault::once("", "", failed(500)).after(),
        Fault::once("", "", Mishap::Drop),
        Fault::once("", "", Mishap::Drop).after(),
        Fault::once("", "", Mishap::Half),
        Fault::once("", "", failed(403)),
    ];
    join_all(faults.map(walk)).await;
}

/// A probe for each of its requests, which goes wrong.
async fn walk(fault: Fault) {
    let sandbox = Sandbox::start(loopback()).await.unwrap();
    sandbox.set(|switches| switches.rate = None);
    let before = held(&sandbox);
    // It has time, however busy the machine is: all others are compared with it.
    let undisturbed = probe(&connected(&config(sandbox.url()), times())).await;
    let expected = undisturbed.findings.unwrap();
    for position in 0..undisturbed.requests {
        let case = format!("{fault:?} at {position}");
        // So many go well before it.
        let well = Fault::once("", "", Mishap::Delay { ms: 0 }).times(u32::try_from(position).unwrap());
        sandbox.clear_log();
        sandbox.set(|switches| switches.faults = vec![well, fault.clone()]);
        let probed = probe(&hasty(&sandbox)).await;
        assert_eq!(held(&sandbox), before, "{case}");
        assert_eq!(probed.left, [], "{case}");
        assert!(
            sandbox.requests().len() <= MOST_REQUESTS,
            "{case}: {}",
            sandbox.requests().len()
        );
        sandbox.set(|switches| assert_eq!(switches.faults, [], "{case} never came"));
        if let Ok(found) = &probed.findings {
            check_none_is_wrong(found, &expected, &case);
        }
    }
}

/// Each answer is that of an undisturbed probe, or none.
fn check_none_is_wrong(found: &Findings, expected: &Findings, case: &str) {
    for (found, expected) in found.findings.iter().zip(&expected.findings) {
        let is_permission = found.name == "agents_are_readable" && found.evidence.contains("403");
        let is_so = found.answer == expected.answer || found.answer == Answer::Open || is_permission;
        assert!(is_so, "{case}: {found:?}");
    }
}

#[tokio::test]
async fn an_answer_without_an_id_hides_nothing_that_was_made() {
    let world = world().await;
    let before = held(&world.sandbox);
    for path in ["/api/client", "/api/users"] {
        for position in 0..3 {
            let well = Fault::once("POST", path, Mishap::Delay { ms: 0 }).times(position);
            world.fault(well);
            world.fault(Fault::once("POST", path, Mishap::NoId));
            let probed = probe(&hasty(&world.sandbox)).await;
            assert_eq!(
                (held(&world.sandbox), probed.left),
                (before.clone(), vec![]),
                "{path} {position}"
            );
            world.sandbox.set(|switches| switches.faults.clear());
        }
    }
}

#[tokio::test]
async fn a_stop_at_any_time_removes_what_was_made() {
    let sandbox = Sandbox::start(loopback()).await.unwrap();
    sandbox.set(|switches| (switches.latency_ms, switches.rate) = (2, None));
    let before = held(&sandbox);
    let mut interrupted = 0;
    for requests in 1..36 {
        sandbox.clear_log();
        let (halo, stop) = (hasty(&sandbox), CancellationToken::new());
        let probing = Probe::new(&halo, None);
        let stopping = async {
            while sandbox.requests().len() < requests {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (probed, ()) = tokio::join!(probing.run(&stop), stopping);
        assert_eq!(
            (held(&sandbox), probed.left),
            (before.clone(), vec![]),
            "after {requests}"
        );
        interrupted += usize::from(matches!(probed.findings, Err(ProbeError::Interrupted)));
    }
    assert!(interrupted > 10, "{interrupted}");
}

#[tokio::test]
async fn what_halo_carries_out_after_it_was_looked_for_is_removed_as_well() {
    let world = world().await;
    let before = held(&world.sandbox);
    let halo = hasty(&world.sandbox);
    world.fault(Fault::once("POST", "/api/client", Mishap::Drop));
    let probing = Probe::new(&halo, None);
    let stop = CancellationToken::new();
    let late = async {
        // Clients are looked for first, then users.
        let looks = |world: &World| world.asked().ends_with(&["GET /api/Users".to_owned()]);
        while world.asked_of("GET /api/Client") == 0 || !looks(&world) {
            tokio::task::yield_now().await;
        }
        let client = world.sandbox.add_client(json!({ "name": probing.mark().name() }));
        assert!(!before.1.iter().any(|known| known["id"] == client.0));
    };
    let (probed, ()) = tokio::join!(probing.run(&stop), late);
    assert_eq!((held(&world.sandbox), probed.left), (before.clone(), vec![]));
}

#[tokio::test]
async fn what_may_not_be_deleted_is_made_inactive_and_named() {
    let world = world().await;
    let before = held(&world.sandbox);
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("DELETE", "")]);
    let probed = probe(&world.halo).await;
    probed.findings.unwrap();
    let left: Vec<(Kind, i64)> = probed.left.iter().map(inactive).collect();
    let Held(users, clients, sites) = held(&world.sandbox);
    let new = |kind, now: &[Value], before: &[Value]| -> Vec<(Kind, i64)> {
        let new = now.iter().filter(|record| !before.contains(record));
        new.map(|record| {
            assert_eq!(record["inactive"], true, "{record}");
            (kind, record["id"].as_i64().unwrap())
        })
        .collect()
    };
    let expected = [
        new(Kind::User, &users, &before.0),
        new(Kind::Site, &sites, &before.2),
        new(Kind::Client, &clients, &before.1),
    ];
    assert_eq!(left, expected.concat());
    assert_eq!(
        expected.map(|new| new.len()),
        [4, 1, 1],
        "three users and the placeholder of the site"
    );
    assert!(probed.requests <= MOST_REQUESTS, "{}", probed.requests);
}

fn inactive(left: &Left) -> (Kind, i64) {
    match left {
        Left::Record {
            thing,
            is_inactive: true,
            ..
        } => (thing.kind, thing.id),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_can_not_even_be_made_inactive_is_named_with_its_id() {
    let world = world().await;
    let stop = CancellationToken::new();
    let probing = Probe::new(&world.halo, Some((ClientId(12), SiteId(21))));
    world.sandbox.set(|switches| {
        switches.forbidden = vec![Pattern::of("DELETE", "")];
        // The pair and the third one; the forms that are refused are no use to remove anything.
        switches.faults = vec![
            Fault::once("POST", "/api/users", Mishap::Delay { ms: 0 }).times(5),
            Fault::once("POST", "/api/users", status(403)).times(99),
        ];
    });
    let probed = probing.run(&stop).await;
    let letters = probing.mark().name();
    let there: Vec<String> = world
        .sandbox
        .users()
        .iter()
        .filter(|user| user["name"].as_str().unwrap().starts_with(&letters))
        .map(|user| {
            format!(
                "user {} {} could not be removed and is still there",
                user["id"], user["name"]
            )
        })
        .collect();
    let named: Vec<String> = probed.left.iter().map(ToString::to_string).collect();
    assert_eq!((named.len(), named), (3, there));
}

#[tokio::test]
async fn where_halo_is_gone_it_is_said_what_to_look_for() {
    let world = world().await;
    let halo = hasty(&world.sandbox);
    world.fault(Fault::once("POST", "/api/client", Mishap::Drop).after());
    world.fault(Fault::once("GET", "/api/client", Mishap::Drop).times(1000));
    let probing = Probe::new(&halo, None);
    let probed = probing.run(&CancellationToken::new()).await;
    assert!(matches!(probed.findings, Err(ProbeError::NoPlace { .. })), "{probed:?}");
    let name = probing.mark().name();
    assert_eq!(probed.left, [Left::Unseen { name }]);
}

#[tokio::test]
async fn a_probe_comes_to_an_end_when_everything_goes_wrong() {
    for mishap in [Mishap::Drop, status(500)] {
        let world = world().await;
        let halo = hasty(&world.sandbox);
        // The pair is made, and from then on nothing works.
        world.fault(Fault::once("POST", "/api/client", Mishap::Delay { ms: 0 }));
        world.fault(Fault::once("POST", "/api/users", mishap.clone()).after());
        world.fault(Fault::once("DELETE", "", mishap.clone()).times(1000));
        world.fault(Fault::once("POST", "/api", status(500)).times(1000));
        let probed = probe(&halo).await;
        assert!(
            world.sandbox.requests().len() <= MOST_WHEN_ALL_FAILS,
            "{}",
            world.sandbox.requests().len()
        );
        assert_eq!(
            probed.left.len(),
            5,
            "client, site, its placeholder, two users: {:?}",
            probed.left
        );
    }
}

#[tokio::test]
async fn nothing_is_touched_that_is_not_the_probes_own() {
    for place in [None, Some((ClientId(12), SiteId(21)))] {
        let world = world().await;
        let before = held(&world.sandbox);
        // Each list shows everybody's records.
        world.sandbox.set(|switches| switches.ignore_filters = true);
        let probed = Probe::new(&world.halo, place).run(&CancellationToken::new()).await;
        assert_eq!(probed.left, []);
        assert_eq!(held(&world.sandbox), before);
        let requests = world.sandbox.requests();
        let deleted: Vec<&str> = requests
            .iter()
            .filter(|request| request.method == "DELETE")
            .map(|request| request.path.rsplit('/').next().unwrap())
            .collect();
        assert!(
            deleted.iter().all(|id| id.parse::<i64>().unwrap() > 1000),
            "{deleted:?}"
        );
    }
}
