//! Several nodes with one journal in PostgreSQL and one Halo create each thing once.

use std::{collections::BTreeSet, time::Instant};

use futures_util::future::join_all;

use super::*;
use crate::{
    config::Rate,
    effect::flood::Turn,
    journal::{Intent, postgres::Postgres},
    servers::postgres::Postgres as Server,
};

fn node(address: &str, sandbox: &Arc<Sandbox>) -> World {
    World {
        folder: tempfile::tempdir().unwrap(),
        sandbox: sandbox.clone(),
        journal: Arc::new(Postgres::open(address, Clock::system(), Opening::Node, None).unwrap()),
    }
}

/// Two of them, and where their journal is.
async fn two_nodes() -> (String, [World; 2]) {
    let (address, sandbox) = (Server::shared().schema(), sandbox().await);
    sandbox.set(|switches| switches.latency_ms = 20);
    let nodes = [node(&address, &sandbox), node(&address, &sandbox)];
    (address, nodes)
}

fn users(sandbox: &Sandbox, address: &AddrSpec) -> usize {
    let users = sandbox.users();
    users
        .iter()
        .filter(|user| user["emailaddress"] == address.as_str())
        .count()
}

#[tokio::test]
async fn what_two_nodes_want_at_once_is_made_once_and_nobody_waits_long() {
    let (_, nodes) = two_nodes().await;
    let lives = [nodes[0].live(), nodes[1].live()];
    let people: Vec<AddrSpec> = (0..50)
        .map(|n| AddrSpec::parse(&format!("s{n}@stranger.example")).unwrap())
        .collect();
    let mut claims = Vec::new();
    for (n, person) in people.iter().enumerate() {
        for (node, live) in nodes.iter().zip(&lives) {
            claims.push((live, node.claim(&format!("{n} {}", claims.len() % 2)).await, person));
        }
    }
    let asked = claims.into_iter();
    // Some come while the others look, some while they create, some after that.
    let mut random = fastrand::Rng::with_seed(3);
    let asked = asked.map(|(live, claim, person)| {
        let wait = Duration::from_millis(random.u64(0..150));
        async move {
            tokio::time::sleep(wait).await;
            ensure(live, claim, person.clone()).await
        }
    });
    let begun = Instant::now();
    let ensured = join_all(asked).await;
    println!("100 messages of 50 people at two nodes: {:?}", begun.elapsed());
    let ensured: Vec<Ensured<User>> = ensured.into_iter().map(Result::unwrap).collect();
    for (pair, person) in ensured.chunks(2).zip(&people) {
        assert_eq!(users(&nodes[0].sandbox, person), 1, "{person}");
        let made = pair.iter().filter(|ensured| !ensured.existed).count();
        assert_eq!((made, pair[0].record.id), (1, pair[1].record.id), "{person}");
    }
}

#[tokio::test]
async fn one_limit_of_new_users_holds_for_all_nodes() {
    let (_, nodes) = two_nodes().await;
    let floods = [Flood::default(), Flood::default()];
    let rate = Rate {
        count: 7.try_into().unwrap(),
        per: Duration::from_secs(3600),
    };
    let (main, now) = (ConnectionName("main".into()), Clock::system().now());
    let people: Vec<String> = (0..40).map(|n| format!("s{n}@stranger.example")).collect();
    let asked = people.iter().enumerate().map(|(n, person)| {
        let journal = &*nodes[n % 2].journal;
        floods[n % 2].turn(journal, &main, rate, (person, now))
    });
    let turns = join_all(asked).await;
    let granted = turns.into_iter().filter(|turn| matches!(turn, Ok(Turn::Now))).count();
    assert_eq!(granted, 7);
}

/// A message of the first node has begun to create its author and has no answer yet; then the node is heard of no more,
/// and the second one wants the same. What it gets.
async fn after_the_first_has_died(was_made: bool) -> (World, Live, Claim, Result<Ensured<User>, StepError>) {
    let (address, [first, second]) = two_nodes().await;
    let (began, wants) = (first.claim("one").await, second.claim("other").await);
    let user = CreationKey {
        connection: ConnectionName("main".into()),
        kind: "user".into(),
        key: ann().as_str().into(),
    };
    let intended = Change::Intended {
        claim: began,
        intent: Intent {
            step: "r/0".into(),
            effect: Value::Null,
            answer: None,
            begun: Timestamp::now(),
        },
        creation: Some(user.clone()),
    };
    assert!(matches!(
        first.journal.write(intended.clone()).await,
        Ok(Receipt::Intent { .. })
    ));
    let of_the_second = |claim| match intended.clone() {
        Change::Intended { intent, creation, .. } => Change::Intended {
            claim,
            intent,
            creation,
        },
        other => other,
    };
    let told = second.journal.write(of_the_second(wants)).await;
    assert!(matches!(told, Ok(Receipt::UnderWay)), "{told:?}");
    assert_eq!(
        second.journal.intents(wants.entry).await.unwrap(),
        [],
        "nothing of it is kept"
    );

    let live = second.live();
    let dies = async {
        if was_made {
            let user = serde_json::json!({ "name": "Ann", "emailaddress": ann().as_str(), "site_id": 21 });
            second.sandbox.add_user(user);
        }
        let schema = address.rsplit("%3D").next().unwrap();
        let silence = format!("UPDATE {schema}.node SET until = 0 WHERE id = (SELECT min(id) FROM {schema}.node)");
        Server::shared().psql(&silence).unwrap();
        second.journal.beat(BTreeSet::new(), BTreeSet::new()).await.unwrap();
    };
    // It begins while the first one is alive.
    let (ensured, ()) = tokio::join!(ensure(&live, wants, ann()), dies);
    drop(first);
    (second, live, wants, ensured)
}

#[tokio::test]
async fn what_a_node_had_made_when_it_died_is_found() {
    let (second, _, _, ensured) = after_the_first_has_died(true).await;
    assert!(ensured.unwrap().existed);
    assert_eq!(users(&second.sandbox, &ann()), 1);
}

#[tokio::test]
async fn what_a_node_may_have_begun_when_it_died_is_waited_out_and_looked_for_again() {
    let (second, live, claim, ensured) = after_the_first_has_died(false).await;
    let not_before = match ensured {
        Err(StepError::Later {
            not_before: Some(time), ..
        }) => time,
        other => panic!("{other:?}"),
    };
    let left = not_before.duration_since(Timestamp::now());
    assert!(left.as_millis() > 0 && left.as_millis() <= 3000, "{left:?}");
    assert_eq!(users(&second.sandbox, &ann()), 0);
    tokio::time::sleep(left.unsigned_abs()).await;
    assert!(!ensure(&live, claim, ann()).await.unwrap().existed);
    assert_eq!(users(&second.sandbox, &ann()), 1);
}
