//! `[halo.NAME]`: the connections to Halo.

use std::collections::BTreeMap;

use ::config::{Value, ValueKind};
use url::Url;

use super::{
    DomainTarget, HaloConfig,
    endpoint::{domain, is_loopback, secret, without_login},
    table::Table,
    value::{Read, items, line, refuse, show, text, whole},
};
use crate::halo::Reference;

/// Reads one connection; `None` where too little of it can be understood.
pub fn connection(table: &Table<'_>) -> Option<HaloConfig> {
    let cleartext = table.flag("allow_cleartext").unwrap_or_default();
    let url = table.need("url", "\"https://example.halopsa.com\"", |value| url(value, cleartext));
    let auth_url = table.get("auth_url", |value| self::url(value, cleartext));
    let tenant = table.line("tenant");
    let client_id = table.need("client_id", "\"…\", as Halo shows it for the application", line);
    let client_secret = table.need("client_secret", "{ credential = \"NAME\" }", secret);
    let scope = table.line("scope");
    let rate = table.rate("rate");
    let new_users = table.rate("new_users");
    let subject_tags = table.get("subject_tags", subject_tags);
    let freemail_domains = table.list("freemail_domains", |value| domain(&text(value)?));
    let domains = domains(table);
    let max_file_size = table.size("max_file_size");
    let timeout = table.duration("timeout");
    let ca_file = table.path_value("ca_file");
    Some(HaloConfig {
        url: without_api(url?),
        auth_url,
        tenant,
        client_id: client_id?,
        client_secret: client_secret?,
        scope: scope?,
        rate: rate?,
        new_users,
        subject_tags: subject_tags?,
        freemail_domains: freemail_domains?,
        domains,
        max_file_size: max_file_size?,
        timeout: timeout?,
        ca_file,
    })
}

/// The address of a server. What may hold a password does not print.
pub(super) fn url(value: &Value, cleartext: bool) -> Read<Url> {
    const EXAMPLE: &str = "write the address of the server, such as \"https://example.halopsa.com\"";
    let written = text(value)?;
    let Ok(url) = Url::parse(written.trim()) else {
        return refuse(format!("is {:?}, which is no URL", without_login(&written)), EXAMPLE);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(
            "has a name or a password in it",
            "remove them; client_id and client_secret sign in",
        );
    }
    let loopback = url
        .host_str()
        .is_some_and(|host| is_loopback(host.trim_matches(['[', ']'])));
    let written = without_login(&written);
    match url.scheme() {
        _ if url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() => refuse(
            format!("is {written:?}, which is not the address of a server alone"),
            EXAMPLE,
        ),
        "https" => Ok(url),
        "http" if loopback || cleartext => Ok(url),
        "http" => refuse(
            format!("is {written:?}, which sends tokens and secrets in clear text"),
            "use https://, or set allow_cleartext = true",
        ),
        _ => refuse(format!("is {written:?}, which is no web address"), EXAMPLE),
    }
}

/// The address without a slash at its end and without `/api`, which the client adds.
fn without_api(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    let path = path
        .strip_suffix("/api")
        .unwrap_or(path)
        .trim_end_matches('/')
        .to_owned();
    url.set_path(&path);
    url
}

/// Start and end tags, in turn.
fn subject_tags(value: &Value) -> Read<Vec<(String, String)>> {
    const EXAMPLE: &str = "write pairs of a start and an end, such as [\"[ID:\", \"]\"]";
    let tags: Vec<String> = items(value)?
        .iter()
        .map(text)
        .collect::<Read<_>>()
        .or_else(|inner| refuse(format!("has a tag that {}", inner.problem), EXAMPLE))?;
    if tags.len() % 2 == 1 {
        return refuse(
            format!("has an odd number of tags ({}), so one has no partner", tags.len()),
            EXAMPLE,
        );
    }
    let mut tags = tags.into_iter();
    Ok(std::iter::from_fn(|| tags.next().zip(tags.next())).collect())
}

/// The operator's own map from mail domains to clients.
fn domains(table: &Table<'_>) -> BTreeMap<String, DomainTarget> {
    let Some(table) = table.table("domains", Default::default()) else {
        return BTreeMap::new();
    };
    let mut domains = BTreeMap::new();
    for key in table.keys() {
        let target = table.get(key, target);
        match domain(key) {
            Ok(domain) if domains.contains_key(&domain) => {
                table.fault(
                    key,
                    format!("names {domain} a second time, in other letters"),
                    "remove one of them",
                );
            }
            Ok(domain) => drop(target.map(|target| domains.insert(domain, target))),
            Err(refusal) => table.fault(key, refusal.problem, refusal.remedy),
        }
    }
    domains
}

const TARGET: &str = "write a client's name or id, or { client = …, site = … }";

fn target(value: &Value) -> Read<DomainTarget> {
    match &value.kind {
        ValueKind::Table(table) if !table.contains_key("name") => {
            let mut unknown: Vec<&str> = table
                .keys()
                .map(String::as_str)
                .filter(|key| !["client", "site"].contains(key))
                .collect();
            unknown.sort_unstable();
            if let Some(unknown) = unknown.first() {
                return refuse(
                    format!("has the unknown key {unknown:?}"),
                    super::fault::suggest(unknown, ["client", "site"]),
                );
            }
            let Some(client) = table.get("client") else {
                return refuse("names no client", TARGET);
            };
            Ok(DomainTarget {
                client: reference(client)?,
                site: table.get("site").map(reference).transpose()?,
            })
        }
        _ => Ok(DomainTarget {
            client: reference(value)?,
            site: None,
        }),
    }
}

/// A number or a text of digits is an id, any other text a name; `{ name = "365" }` forces a name.
fn reference(value: &Value) -> Read<Reference> {
    match &value.kind {
        ValueKind::Table(table) => match table.get("name") {
            Some(name) if table.len() == 1 => Ok(Reference::Name(text(name)?)),
            _ => refuse(
                "is a table that names nothing",
                "write { name = \"…\" }, a text or an id",
            ),
        },
        ValueKind::String(_) => match Reference::parse(&text(value)?) {
            Some(reference) if reference.is_possible() => Ok(reference),
            Some(reference) => refuse(format!("is {reference}"), "an id is a whole number above 0"),
            None => refuse("is empty", TARGET),
        },
        _ => match whole(value) {
            Ok(id) if id > 0 => Ok(Reference::Id(id)),
            _ => refuse(format!("is {}, which is neither a name nor an id", show(value)), TARGET),
        },
    }
}
