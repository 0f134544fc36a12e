//! A resource server that answers as it is told: what no tenant is known to do all at once.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::RawQuery, routing::get};
use futures_util::future::join_all;
use halo_intake::halo::{
    ClientId, SiteId,
    client::{Calls, Freshness, Times},
};
use serde_json::{Value, json};
use url::Url;

use crate::world::*;

/// Serves `answer` to what is asked below `/api`; ends with the test's runtime.
async fn serve(path: &'static str, answer: impl Fn(&str) -> Value + Clone + Send + Sync + 'static) -> Url {
    serve_beside(path, answer, None).await
}

/// The same, which also says where to sign in.
async fn serve_beside(
    path: &'static str,
    answer: impl Fn(&str) -> Value + Clone + Send + Sync + 'static,
    auth_info: Option<Value>,
) -> Url {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let rows = get(move |RawQuery(query): RawQuery| {
        let answer = answer(&query.unwrap_or_default()).to_string();
        async move { answer }
    });
    let mut router = Router::new().route(path, rows);
    if let Some(info) = auth_info {
        router = router.route("/api/AuthInfo", get(move || async move { info.to_string() }));
    }
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Serves these answers, each at its path.
async fn serve_all(answers: impl IntoIterator<Item = (&'static str, Value)>) -> Url {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let router = answers.into_iter().fold(Router::new(), |router, (path, answer)| {
        router.route(path, get(move || async move { answer.to_string() }))
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// What was asked of the authorisation server, and with which tenant.
fn sign_ins(world: &World) -> Vec<(String, Vec<(String, String)>)> {
    let requests = world.sandbox.requests().into_iter();
    requests.map(|request| (request.path, request.query)).collect()
}

#[tokio::test]
async fn the_authorisation_server_may_be_another_host_than_the_resource_server() {
    let world = world().await;
    let auth_url = world.sandbox.url().join("auth").unwrap();
    let nobody = |_: &str| json!({"record_count": 0, "users": []});
    let token = |tenant: &[(&str, &str)]| {
        let tenant = tenant
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        vec![("/auth/token".to_owned(), tenant.collect())]
    };
    let info = |tenant: &str| Some(json!({"auth_url": auth_url.as_str(), "tenant_id": tenant}));
    // What is discovered, what is configured, and what is asked of the sandbox, which only signs in here.
    for (discovered, configured, tenant, expected) in [
        (info("sandbox"), false, None, token(&[("tenant", "sandbox")])),
        (info(""), false, None, token(&[])),
        (info("other"), false, Some("sandbox"), token(&[("tenant", "sandbox")])),
        (None, true, None, token(&[])),
        (None, true, Some("sandbox"), token(&[("tenant", "sandbox")])),
    ] {
        world.sandbox.clear_log();
        let case = format!("{discovered:?} {configured} {tenant:?}");
        let mut config = config(serve_beside("/api/Users", nobody, discovered).await);
        config.auth_url = configured.then(|| auth_url.clone());
        config.tenant = tenant.map(str::to_owned);
        connected(&config, times()).check(&Calls::default()).await.unwrap();
        assert_eq!(sign_ins(&world), expected, "{case}");
    }
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_replaced_once_for_all() {
    let early = Times {
        refresh_early: std::time::Duration::from_millis(59_950),
        ..times()
    };
    let world = world_with(|_| {}, early).await;
    world.sandbox.set(|switches| switches.token_lifetime_s = 60);
    world.check().await.unwrap();
    // It is good for nearly a minute more, and no longer used.
    wait_until(|| async {
        let before = world.sign_ins();
        world.check().await.unwrap();
        world.sign_ins() > before
    })
    .await;
    world.sandbox.set(|switches| switches.token_lifetime_s = 3600);
    wait_until(|| async {
        let before = world.sign_ins();
        join_all((0..20).map(|_| world.check()))
            .await
            .into_iter()
            .for_each(Result::unwrap);
        assert!(world.sign_ins() <= before + 1, "twenty share one");
        world.sign_ins() > before
    })
    .await;
}

/// Asks again until it is so.
async fn wait_until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !is_so().await {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn rejected_credentials_rest_one_connection_and_no_other() {
    let world = world().await;
    let wrong = connected(
        &halo_intake::config::HaloConfig {
            client_secret: secret("wr0ng"),
            ..config(world.sandbox.url())
        },
        times(),
    );
    for _ in 0..3 {
        wrong.check(&world.calls).await.unwrap_err();
        world.check().await.unwrap();
    }
    assert_eq!(world.sign_ins(), 2, "each once");
}

#[tokio::test]
async fn a_write_that_is_refused_with_a_new_token_too_is_a_missing_permission() {
    let world = world().await;
    world.check().await.unwrap();
    world.sandbox.clear_log();
    world.fault(halo_intake::sandbox::Fault::once("POST", "/api/users", status(401)).times(9));
    let error = world.create("new@acme.example").await.unwrap_err().to_string();
    assert!(error.contains("edit:customers"), "{error}");
    assert_eq!((world.asked_of("POST"), world.sign_ins()), (2, 1));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_no_refusal_of_halos() {
    let name = "HALO_INTAKE_NO_SUCH_VARIABLE";
    let secret = halo_intake::secret::Secret::Env(name.to_owned());
    let world = world_with(|config| config.client_secret = secret, times()).await;
    let error = world.refusal().await.to_string();
    let expected = format!(
        "the connection main has no client_secret to sign in with: the environment has no {name}; set it, or name \
         another source for the secret; no sign-in was tried"
    );
    assert_eq!(error, expected);
    assert_eq!(world.sign_ins(), 0);
}

#[tokio::test]
async fn ids_are_read_as_floats_and_texts_and_what_is_not_known_is_kept() {
    let world = world().await;
    let row = json!({
        "id": "101", "name": "Jane", "emailaddress": "Jane@acme.example", "client_id": "12", "site_id": 21.0,
        "inactive": false, "datecreated": "1900-01-01T00:00:00", "lastseen": "0001-01-01T00:00:00", "invented": [7.0],
    });
    let answer = move |_: &str| json!({"record_count": 1, "users": [row]});
    let mut config = config(serve("/api/Users", answer).await);
    config.auth_url = Some(world.sandbox.url().join("auth").unwrap());
    let halo = connected(&config, times());
    let jane = addr("jane@acme.example");
    let found = halo
        .users_with_address(&jane, Freshness::Fresh, &world.calls)
        .await
        .unwrap();
    let user = &found[0];
    assert_eq!(
        (user.id.0, user.client_id, user.site_id),
        (101, Some(ClientId(12)), Some(SiteId(21)))
    );
    let raw = user.raw.json();
    assert_eq!(raw["invented"].to_string(), "[7]");
    assert_eq!((&raw["datecreated"], &raw["lastseen"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_field_that_is_null_or_empty_in_a_row_is_not_shown() {
    let world = world().await;
    for empty in [Value::Null, json!("")] {
        let rows = |envelope: &str, row: Value| json!({"record_count": 1, envelope: [row]});
        let user = json!({"id": 7, "emailaddress": "o@x.example", "email2": empty});
        let site = json!({"id": 21, "name": "Main", "client_id": 12, "emaildomain": empty});
        let client = json!({"id": 12, "name": "Acme", "domain": empty});
        let with = |record: &Value, key: &str, value: &str| {
            let mut record = record.clone();
            record[key] = json!(value);
            record
        };
        let answers = [
            ("/api/Users", rows("users", user.clone())),
            ("/api/Users/7", with(&user, "email2", "pat@x.example")),
            ("/api/Site", rows("sites", site.clone())),
            ("/api/Site/21", with(&site, "emaildomain", "site.example")),
            ("/api/Client", rows("clients", client.clone())),
            ("/api/Client/12", with(&client, "domain", "client.example")),
        ];
        let mut config = config(serve_all(answers).await);
        config.auth_url = Some(world.sandbox.url().join("auth").unwrap());
        let world = World {
            halo: connected(&config, times()),
            sandbox: halo_intake::sandbox::Sandbox::start(loopback()).await.unwrap(),
            calls: Calls::default(),
        };
        assert_eq!(world.users("pat@x.example", Freshness::Fresh).await, [7], "{empty}");
        assert_eq!(world.sites_of("site.example").await, [21], "{empty}");
        assert_eq!(world.clients_of("client.example").await, [12], "{empty}");
    }
}

#[tokio::test]
async fn every_row_comes_once_whatever_the_count_says_and_no_page_is_asked_for_beyond_a_hundred() {
    let world = world().await;
    for (count, most_pages) in [(Some(7), 4), (Some(250), 3), (Some(99_999), 4), (None, 4)] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let answer = move |query: &str| {
            let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let number = |name: &str| -> usize {
                let value = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value);
                value.unwrap().parse().unwrap()
            };
            noted.lock().unwrap().push(number("page_size"));
            let rows = (1..=250).skip((number("page_no") - 1) * 100).take(100);
            let rows: Vec<Value> = rows
                .map(|id| json!({"id": id, "name": format!("Client {id}")}))
                .collect();
            let mut envelope = json!({"page_no": number("page_no"), "page_size": 100, "clients": rows});
            if let Some(count) = count {
                envelope["record_count"] = json!(count);
            }
            envelope
        };
        let mut config = config(serve("/api/Client", answer).await);
        config.auth_url = Some(world.sandbox.url().join("auth").unwrap());
        let clients = connected(&config, times()).every_client(&world.calls).await.unwrap();
        assert_eq!(client_ids(&clients), (1..=250).collect::<Vec<i64>>(), "{count:?}");
        let asked = asked.lock().unwrap();
        assert!(
            asked.len() <= most_pages && asked.iter().all(|size| *size == 100),
            "{count:?}: {asked:?}"
        );
    }
}
