//! How long Halo's answers take: the same requests once more, one after another, over one connection.

use std::time::Instant;

use halo_intake::sandbox::LoggedRequest;
use reqwest::{Client, Method};
use serde_json::Value;

use crate::desk::Desk;

/// For each message how long each of its requests takes, in milliseconds.
pub fn answers<'a>(desk: &Desk, messages: impl Iterator<Item = &'a [LoggedRequest]>) -> Vec<Vec<f64>> {
    // reqwest asks for one even where it encrypts nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    desk.runtime.block_on(async {
        let client = Client::new();
        let token = token(desk, &client).await;
        let mut answers = Vec::new();
        for requests in messages {
            let mut took = Vec::new();
            for request in requests {
                took.push(answer(desk, &client, &token, request).await);
            }
            answers.push(took);
        }
        answers
    })
}

async fn token(desk: &Desk, client: &Client) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", desk.sandbox.client_id()),
        ("client_secret", desk.sandbox.client_secret()),
        ("scope", "all"),
    ];
    let url = desk.sandbox.url().join("auth/token").unwrap();
    let answer = client.post(url).form(&form).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["access_token"].as_str().expect("a token").to_owned()
}

async fn answer(desk: &Desk, client: &Client, token: &str, request: &LoggedRequest) -> f64 {
    let mut url = desk.sandbox.url().join(request.path.trim_start_matches('/')).unwrap();
    url.query_pairs_mut().extend_pairs(&request.query);
    let method = Method::from_bytes(request.method.as_bytes()).unwrap();
    let mut asked = client.request(method, url).bearer_auth(token);
    if !request.body.is_null() {
        // Somebody else: the one of then is there.
        let body = request.body.to_string().replace("visitor", "again");
        asked = asked.header("content-type", &request.content_type).body(body);
    }
    let began = Instant::now();
    let answer = asked.send().await.unwrap();
    assert!(answer.status().is_success(), "{request:?}");
    answer.bytes().await.unwrap();
    1e3 * began.elapsed().as_secs_f64()
}
