//! What every server needs in the configuration: host, port, protection, and a secret to sign in with.

use std::{net::IpAddr, path::PathBuf};

use ::config::{Value, ValueKind};
use url::{Host, Url};

use super::{
    Tls,
    fault::suggest,
    table::Table,
    value::{Read, kind, port, refuse, text},
};
use crate::{
    message::address::folded_domain,
    secret::{Secret, SecretString},
};

/// Where a secret may come from.
const SOURCES: [&str; 3] = ["env", "file", "credential"];
const SECRET_EXAMPLE: &str =
    "write { credential = \"NAME\" }, { file = \"PATH\" }, { env = \"NAME\" } or a text in quotes";

/// A server as it is reached.
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub ca_file: Option<PathBuf>,
}

/// Reads `host`, `port`, `tls`, `ca_file` and `allow_cleartext`; the port follows `tls` where it is left out.
pub fn endpoint(table: &Table<'_>, example: &str, ports: fn(Tls) -> u16) -> Option<Endpoint> {
    const WORDS: [(&str, Tls); 3] = [
        ("implicit", Tls::Implicit),
        ("starttls", Tls::Starttls),
        ("none", Tls::None),
    ];
    let host = table.need("host", &format!("{example:?}"), host);
    let tls = table.choice("tls", &WORDS)?;
    let port = table.get("port", port);
    let ca_file = table.path_value("ca_file");
    let allowed = table.flag("allow_cleartext").unwrap_or_default();
    if let Some(host) = host
        .as_deref()
        .filter(|host| tls == Tls::None && !allowed && !is_loopback(host))
    {
        let remedy = "use \"implicit\" or \"starttls\", or set allow_cleartext = true";
        table.fault(
            "tls",
            format!("is \"none\", which sends mail and secrets to {host} in clear text"),
            remedy,
        );
    }
    Some(Endpoint {
        host: host?,
        port: port.unwrap_or(ports(tls)),
        tls,
        ca_file,
    })
}

/// Whether `host` never leaves this machine.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether it may be asked there: beyond this machine only under TLS, and never with a login in the address.
pub fn is_allowed(server: &Url) -> bool {
    let is_safe = server.scheme() == "https" || server.scheme() == "http" && is_here(server);
    is_safe && server.username().is_empty() && server.password().is_none()
}

/// Whether it stays on this machine.
pub fn is_here(server: &Url) -> bool {
    match server.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The address of a webhook as it was written, where reports may be posted there.
pub fn receiver(written: &str) -> Option<Url> {
    Url::parse(written.trim()).ok().filter(is_allowed)
}

/// The name or the address of a server, without anything around it.
pub fn host(value: &Value) -> Read<String> {
    let written = text(value)?;
    let bare = written
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(&written);
    if bare.parse::<IpAddr>().is_ok() || is_host_name(bare) {
        return Ok(bare.to_owned());
    }
    let shown = without_login(&written);
    refuse(
        format!("is {shown:?}, which is no host name"),
        "write the name alone; the port has a key of its own",
    )
}

/// An address as people may see it: what stands before an `@` or behind a `?` may be a secret.
pub fn without_login(written: &str) -> String {
    let (scheme, rest) = written.split_once("://").map_or(("", written), |(_, rest)| {
        (&written[..written.len() - rest.len()], rest)
    });
    let rest = rest
        .rsplit_once('@')
        .map_or(rest.to_owned(), |(_, host)| format!("…@{host}"));
    match rest.split_once('?') {
        Some((before, _)) => format!("{scheme}{before}?…"),
        None => format!("{scheme}{rest}"),
    }
}

/// A domain with a dot in it, as those of addresses are compared.
pub fn domain(written: &str) -> Read<String> {
    if is_host_name(written) && written.contains('.') {
        return Ok(folded_domain(written));
    }
    refuse(
        format!("is {written:?}, which is no mail domain"),
        "write what stands behind the @, such as \"example.com\"",
    )
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let usable = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.chars().all(usable) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// A secret, or where it comes from. Nothing here may print the value, not even one of a wrong type.
pub fn secret(value: &Value) -> Read<Secret> {
    let table = match &value.kind {
        ValueKind::String(text) if text.is_empty() => return refuse("is empty", SECRET_EXAMPLE),
        ValueKind::String(text) => return Ok(Secret::Literal(SecretString::from(text.clone()))),
        ValueKind::Table(table) => table,
        _ => return refuse(format!("is {}, which is no secret", kind(value)), SECRET_EXAMPLE),
    };
    let mut keys: Vec<&str> = table.keys().map(String::as_str).collect();
    keys.sort_unstable();
    if let Some(unknown) = keys.iter().find(|key| !SOURCES.contains(key)) {
        return refuse(
            format!("names the unknown source {unknown:?}"),
            suggest(unknown, SOURCES),
        );
    }
    let [source] = keys[..] else {
        let found = if keys.is_empty() {
            "no source".into()
        } else {
            format!("{} sources ({})", keys.len(), keys.join(", "))
        };
        return refuse(format!("names {found} where a secret has exactly one"), SECRET_EXAMPLE);
    };
    match &table[source].kind {
        ValueKind::String(name) if !name.is_empty() => Ok(match source {
            "env" => Secret::Env(name.clone()),
            "file" => Secret::File(name.into()),
            _ => Secret::Credential(name.clone()),
        }),
        ValueKind::String(_) => refuse(format!("names an empty {source}"), SECRET_EXAMPLE),
        _ => refuse(
            format!("names {} as its {source}, not a text", kind(&table[source])),
            SECRET_EXAMPLE,
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::layers::values_of;

    #[test]
    fn what_may_be_a_secret_in_an_address_is_not_shown() {
        for (written, shown) in [
            ("imap.example.com:993", "imap.example.com:993"),
            ("support:s3cret@imap.example.com", "…@imap.example.com"),
            ("https://a:s3cret@halo.example/auth", "https://…@halo.example/auth"),
            ("https://halo.example/auth?secret=s3cret", "https://halo.example/auth?…"),
        ] {
            assert_eq!(without_login(written), shown);
        }
    }

    #[test]
    fn a_secret_has_exactly_one_source_and_its_value_never_prints() {
        let read = |json| match secret(&values_of("a.toml", json)) {
            Ok(secret) => format!("{secret:?}"),
            Err(refusal) => refusal.problem,
        };
        for (json, expected) in [
            (json!("hunter2"), "Secret(written in the configuration)"),
            (json!({ "env": "A" }), "Secret(env A)"),
            (json!({ "file": "/a" }), "Secret(file /a)"),
            (json!({ "credential": "a" }), "Secret(credential a)"),
            (
                json!({ "env": "A", "file": "/a" }),
                "names 2 sources (env, file) where a secret has exactly one",
            ),
            (json!({}), "names no source where a secret has exactly one"),
            (json!({ "enf": "hunter2" }), "names the unknown source \"enf\""),
            (json!({ "file": 43 }), "names a number as its file, not a text"),
            (json!({ "file": "" }), "names an empty file"),
            (json!(4711), "is a number, which is no secret"),
            (json!(["hunter2"]), "is a list, which is no secret"),
            (json!(""), "is empty"),
        ] {
            assert_eq!(read(json), expected);
        }
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.8.9.10", true),
            ("::1", true),
            ("128.0.0.1", false),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("::2", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_nothing_else() {
        let read = |text: &str| host(&values_of("a.toml", json!(text))).ok();
        for good in ["imap.example.com", "localhost", "192.0.2.1", "::1", "bücher.example"] {
            assert_eq!(read(good).as_deref(), Some(good));
        }
        assert_eq!(read("[::1]").as_deref(), Some("::1"));
        for bad in [
            "imaps://imap.example.com",
            "imap.example.com:993",
            "a b",
            "a..b",
            "-a.example",
            "",
            "a/b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn clear_text_stays_on_this_machine_and_a_login_stays_out() {
        let allowed = |text: &str| is_allowed(&Url::parse(text).unwrap());
        for good in [
            "https://hooks.example/",
            "http://127.0.0.1:1/",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in [
            "http://hooks.example/",
            "ftp://127.0.0.1/",
            "https://ann:s3cret@hooks.example/",
            "http://localhost.example/",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }
}
