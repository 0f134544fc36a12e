//! Which server and database, how it is protected, and what people may see of that.

use std::{path::PathBuf, time::Duration};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// A connection that is tried for longer than this is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A line that went dead is noticed after about half a minute.
const SILENT_FOR: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
const BETWEEN_PROBES: Duration = Duration::from_secs(5);

/// What a `postgres://` address says.
#[derive(Clone)]
pub(super) struct Target {
    pub config: Config,
    /// What is trusted beside the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// The address without user, password and options.
    pub shown: String,
}

/// What is wrong with an address, never what stands in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub String);

impl Target {
    pub(super) fn of(address: &str) -> Result<Target, Wrong> {
        let scheme = ["postgres://", "postgresql://"];
        let Some(rest) = scheme.iter().find_map(|scheme| address.strip_prefix(scheme)) else {
            return Err(Wrong("it has to begin with postgres://".to_owned()));
        };
        is_plain(rest)?;
        let (address, options) = address.split_once('?').unwrap_or((address, ""));
        let (mut kept, mut mode, mut ca_file) = (Vec::new(), None, None);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", "system")) => {}
                Some(("sslrootcert", value)) => ca_file = Some(unescaped(value).into()),
                _ => kept.push(option),
            }
        }
        let mut config: Config = format!("{address}?{}", kept.join("&")).parse().map_err(wrong)?;
        if config.get_hosts().iter().any(holds_at) {
            return Err(unclear());
        }
        let is_near = config.get_hosts().iter().all(is_near);
        config.ssl_mode(protection(mode, is_near)?);
        config.connect_timeout(config.get_connect_timeout().copied().unwrap_or(CONNECT_WITHIN));
        config.keepalives_idle(SILENT_FOR);
        config.keepalives_interval(BETWEEN_PROBES).keepalives_retries(PROBES);
        config.tcp_user_timeout(SILENT_FOR + PROBES * BETWEEN_PROBES);
        if config.get_application_name().is_none() {
            config.application_name("halo-intake");
        }
        let shown = shown(&config);
        Ok(Target { config, ca_file, shown })
    }
}

/// Where the login ends is beyond doubt. Else the end of a password would be taken for the host, and be shown as one.
fn is_plain(rest: &str) -> Result<(), Wrong> {
    match rest.split_once('@') {
        Some((login, rest)) if login.contains(['/', '?', '#']) || rest.contains('@') => Err(unclear()),
        _ => Ok(()),
    }
}

fn holds_at(host: &Host) -> bool {
    matches!(host, Host::Tcp(name) if name.contains('@'))
}

fn unclear() -> Wrong {
    Wrong(
        "where its password ends is not clear; write @ in a password as %40, / as %2F, ? as %3F, # as %23: what is no \
         letter or digit is written %XX"
            .to_owned(),
    )
}

/// The library names what it does not understand, which may be a part of a password that was not escaped.
fn wrong(error: tokio_postgres::Error) -> Wrong {
    let words = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default();
    Wrong(match words.split_once('`') {
        // A port stands before the ? as well, or the end of a password in its place.
        Some((what, option))
            if what.starts_with("unknown option")
                || what.starts_with("invalid value") && !option.starts_with("port`") =>
        {
            "an option behind its ? is not one that is known, or has a value that it can not have".to_owned()
        }
        _ => "it is no address of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE; what is no letter or digit in \
              user and password is written as %XX"
            .to_owned(),
    })
}

/// Certificates are always verified, so there is one kind of TLS: what libpq calls `verify-full`.
fn protection(mode: Option<&str>, is_near: bool) -> Result<SslMode, Wrong> {
    match mode {
        None if is_near => Ok(SslMode::Disable),
        Some("disable") if is_near => Ok(SslMode::Disable),
        Some("disable") => Err(Wrong(
            "sslmode=disable sends password and mail in the clear to another machine; leave it out".to_owned(),
        )),
        None | Some("allow" | "prefer" | "require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
        Some(_) => Err(Wrong("its sslmode is none of disable, require, verify-full".to_owned())),
    }
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(number, host)| {
        let name = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        match ports.get(number).or(ports.first()) {
            Some(port) => format!("{name}:{port}"),
            None => name,
        }
    });
    let hosts: Vec<String> = hosts.collect();
    let database = config.get_dbname().unwrap_or_default();
    format!("postgres://{}/{database}", hosts.join(","))
}

fn unescaped(text: &str) -> String {
    url::form_urlencoded::parse(format!("a={}", text.replace('+', "%2B")).as_bytes())
        .map(|(_, value)| value.into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, shown: &str, mode: SslMode, ca_file: Option<&str>) {
        let target = Target::of(address).unwrap();
        assert_eq!(target.shown, shown);
        assert_eq!(target.config.get_ssl_mode(), mode, "{address}");
        assert_eq!(target.ca_file, ca_file.map(PathBuf::from), "{address}");
    }

    #[test]
    fn an_address_says_server_database_and_protection_and_is_shown_without_its_login() {
        let near = "postgres://127.0.0.1:5433/intake";
        check(
            "postgres://u:hunter2@127.0.0.1:5433/intake",
            near,
            SslMode::Disable,
            None,
        );
        check(
            "postgres://u@127.0.0.1:5433/intake?sslmode=require",
            near,
            SslMode::Require,
            None,
        );
        let far = "postgres://db.example.com:5432/intake";
        check(
            "postgresql://u:hunter2@db.example.com/intake",
            far,
            SslMode::Require,
            None,
        );
        let verified = "postgres://u@db.example.com/intake?sslmode=verify-full&sslrootcert=/etc/a%20b.pem";
        check(verified, far, SslMode::Require, Some("/etc/a b.pem"));
        let odd = "postgres://u:h%40n%3Fter2@db.example.com/intake?sslmode=verify-ca";
        check(odd, far, SslMode::Require, None);
        let socket = "postgres://u@%2Frun%2Fpostgresql/intake";
        check(socket, "postgres:///run/postgresql:5432/intake", SslMode::Disable, None);
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_a_part_of_it() {
        for address in [
            "mysql://u:hunter2@127.0.0.1/intake",
            "postgres://u:hunter2@127.0.0.1:port/intake",
            "postgres://u:hunter2@127.0.0.1/intake?no_such=hunter2",
            "postgres://u:hunter2@db.example.com/intake?sslmode=disable",
            "postgres://u:hunter2@db.example.com/intake?sslmode=hunter2",
        ] {
            let Err(Wrong(reason)) = Target::of(address) else {
                panic!("{address}")
            };
            assert!(!reason.contains("hunter2") && !reason.is_empty(), "{address}: {reason}");
        }
    }
    #[test]
    fn of_a_password_that_is_not_escaped_nothing_is_shown() {
        for address in [
            "postgres://u:p@sec@127.0.0.1/intake",
            "postgres://u:p@sec/127.0.0.1/intake@x",
            "postgres://u:p%40sec@ret@127.0.0.1/intake?sslmode=require",
            "postgres://u:p@sec%40127.0.0.1/intake",
            "postgres://u:pw%40sec%40127.0.0.1/intake",
            "postgres://u:1/sec@127.0.0.1/intake",
            "postgres://u:1?sec@127.0.0.1/intake",
            "postgres://u:1?user=sec@127.0.0.1/intake",
            "postgres://u:1#sec@127.0.0.1/intake",
            "postgres://u:1/@sec@127.0.0.1/intake",
            "postgres://127.0.0.1/intake?password=p@sec",
            "postgres://u@127.0.0.1/intake?password=p@sec",
            "postgres://u:sec@ops.example@127.0.0.1/intake",
        ] {
            let Err(Wrong(reason)) = Target::of(address) else {
                panic!("{address}")
            };
            assert!(!reason.contains("sec"), "{address}: {reason}");
            assert!(reason.contains("%XX"), "{address}: {reason}");
        }
        let target = Target::of("postgres://sec:sec@127.0.0.1").unwrap();
        assert_eq!(target.shown, "postgres://127.0.0.1:5432/");
    }
}
