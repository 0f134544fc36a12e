//! An answer of Halo's: its first two octets are the status, the rest is the body. Records have ids, errors are one
//! bounded line, and the secret that signed in stands in none of them.

use std::{path::Path, sync::LazyLock};

use crate::{
    config::{ConnectionName, document::Document, load},
    generation::Generation,
    halo::client::Halo,
    secret::SecretString,
};

/// What an error may say: a bounded sentence of Halo's within one of ours.
const LONGEST: usize = 4_000;
const SECRET: &str = "geheim-4711-niemand";

static HALO: LazyLock<Halo> = LazyLock::new(|| {
    let text = format!(
        "[mailbox.m]\ntype = 'maildir'\npath = 'm'\n[halo.main]\nurl = 'https://halo.example'\nclient_id = 'x'\nclient_secret = '{SECRET}'\nrate = '1000000 per 1s'"
    );
    let document = Document::parse("halo.toml".to_owned(), text).expect("it is TOML");
    let draft = load::of_documents(Ok(vec![document]), &[]);
    let (generation, _) = Generation::of(Path::new("halo.toml"), draft).expect("it is sound");
    let name = ConnectionName("main".into());
    Halo::connect(name.clone(), &generation.config.halo[&name]).expect("an HTTPS client can be made")
});

pub(super) fn check(octets: &[u8]) {
    let Some((status, body)) = octets.split_first_chunk::<2>() else {
        return;
    };
    let http_status = 100 + u16::from_be_bytes(*status) % 500;
    let read = HALO.read_as_answer(http_status, body);
    for user in &read.users {
        assert!(user.id.0 > 0 && user.other_addresses.iter().all(|address| !address.is_empty()));
    }
    assert!(read.clients.iter().all(|client| client.id.0 > 0));
    assert!(read.sites.iter().all(|site| site.id.0 > 0));
    assert!(read.agents.iter().all(|agent| agent.id.0 > 0));
    for error in &read.errors {
        assert_sentence(&error.to_string());
    }
    if let Err(error) = HALO.read_as_token(http_status, body, &SecretString::from(SECRET.to_owned())) {
        let text = error.to_string();
        assert_sentence(&text);
        assert!(
            !text.contains(SECRET) && !format!("{error:?}").contains(SECRET),
            "{text}"
        );
    }
}

fn assert_sentence(text: &str) {
    super::assert_one_line("error", text);
    assert!(text.len() <= LONGEST, "{} octets: {text}", text.len());
}
