//! Answers of Halo's that have no end, or none that memory could hold.

use axum::{
    Router,
    body::{Body, Bytes},
    response::IntoResponse,
    routing::get,
};
use halo_intake::halo::client::{Calls, HaloError};

use crate::world::*;

/// Serves such answers to what is asked for users; the sandbox only signs in.
async fn refusal<R: IntoResponse + Send>(answer: impl Fn() -> R + Clone + Send + Sync + 'static) -> HaloError {
    let world = world().await;
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let mut config = config(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    config.auth_url = Some(world.sandbox.url().join("auth").unwrap());
    let router = Router::new().route("/api/Users", get(move || async move { answer() }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    connected(&config, times()).check(&Calls::default()).await.unwrap_err()
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_to_its_bound_and_no_further() {
    let endless = || {
        let piece = || Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1 << 16]));
        Body::from_stream(futures_util::stream::repeat_with(piece))
    };
    let error = refusal(endless).await.to_string();
    assert!(error.contains("the answer is longer than 32 MiB"), "{error}");
}

/// Bits as DEFLATE packs them (RFC 1951, 3.1.1), from the lowest of each octet on.
#[derive(Default)]
struct Bits {
    octets: Vec<u8>,
    used: usize,
}

impl Bits {
    fn push(&mut self, bits: &str) {
        for bit in bits.bytes() {
            if self.used.is_multiple_of(8) {
                self.octets.push(0);
            }
            let last = self.octets.last_mut().unwrap();
            *last |= (bit - b'0') << (self.used % 8);
            self.used += 1;
        }
    }
}

/// 64 MiB of spaces in gzip's form (RFC 1952), 420 KB of it; nobody comes to the sum at its end.
fn bomb() -> Vec<u8> {
    let mut bits = Bits::default();
    // The last block, with fixed codes; a space; then 258 octets from one octet back, again and again.
    bits.push("110");
    bits.push("01010000");
    let again = "1100010100000";
    (0..(64 << 20) / 258).for_each(|_| bits.push(again));
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &bits.octets].concat()
}

#[tokio::test]
async fn a_compressed_answer_is_bounded_by_what_it_expands_to() {
    let bomb = Bytes::from(bomb());
    let answer = move || ([("content-encoding", "gzip")], bomb.clone());
    let error = refusal(answer).await.to_string();
    assert!(error.contains("the answer is longer than 32 MiB"), "{error}");
}

#[tokio::test]
async fn an_answer_nested_without_an_end_is_no_answer() {
    let error = refusal(|| "[".repeat(1 << 20)).await.to_string();
    assert!(error.contains("no JSON"), "{error}");
}
