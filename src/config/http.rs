//! `[http]`: where the page is reached, and who may read and write there.

use std::net::SocketAddr;

use ::config::Value;

use super::{
    HttpConfig,
    endpoint::{host, secret},
    fault::Fault,
    table::Table,
    value::{Read, refuse, text},
};
use crate::secret::{ExposeSecret, Secret};

/// A shorter token can be found out by trying, slow as that is made.
pub const SHORTEST_TOKEN: usize = 16;

/// Reads the table.
pub fn http(table: &Table<'_>) -> Option<HttpConfig> {
    let listen = table.need("listen", "\"127.0.0.1:9745\"", listen);
    let is_written = table.wrote("token");
    let token = table.get("token", token);
    let hosts = table.list("hosts", |value| host(value).map(|name| folded(&name)));
    let (listen, hosts) = (listen?, hosts.unwrap_or_default());
    if !listen.ip().is_loopback() {
        beyond_this_machine(table, listen, is_written);
    } else if !hosts.is_empty() && !is_written {
        let problem = format!(
            "{} names the page for others than this machine's own, and without a token whoever reaches it reads mail",
            table.path_of("hosts")
        );
        let remedy = "add token = { credential = \"http-token\" }, unless a proxy signs people in";
        table.report(Fault::at(table.path_of("hosts"), problem, remedy).as_warning());
    }
    Some(HttpConfig { listen, token, hosts })
}

/// A host name as names are compared.
pub fn folded(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn beyond_this_machine(table: &Table<'_>, listen: SocketAddr, has_token: bool) {
    if !has_token {
        let problem = format!("is {listen}, which other machines can reach, and there is no token to sign in with");
        let remedy = "add token = { credential = \"http-token\" }, or listen on 127.0.0.1";
        return table.fault("listen", problem, remedy);
    }
    let problem = format!(
        "{} is {listen}: the token and the mail of customers go over the network in clear text",
        table.path_of("listen")
    );
    let remedy = "listen on 127.0.0.1 and put a proxy with TLS before it";
    table.report(Fault::at(table.path_of("listen"), problem, remedy).as_warning());
}

fn listen(value: &Value) -> Read<SocketAddr> {
    let written = text(value)?;
    match written.parse() {
        Ok(address) => Ok(address),
        Err(_) => refuse(
            format!("is {written:?}, which is no address to listen on"),
            "write an IP address and a port, such as \"127.0.0.1:9745\" or \"[::1]:9745\"",
        ),
    }
}

fn token(value: &Value) -> Read<Secret> {
    let token = secret(value)?;
    match &token {
        Secret::Literal(text) if text.expose_secret().chars().count() < SHORTEST_TOKEN => refuse(
            format!("is shorter than {SHORTEST_TOKEN} characters"),
            "take a random one, such as openssl rand -hex 20 prints",
        ),
        _ => Ok(token),
    }
}
