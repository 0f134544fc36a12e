//! Octets in the place of what Halo answers, read as an answer to each kind of request is.

use serde_json::Value;

use super::{
    Agent, Client, Site, User,
    api::Request,
    client::{Halo, HaloError},
    http::Answer,
    listing::{AGENTS, CLIENTS, SITES, USERS},
    verdict::{self, without},
    wire,
};
use crate::{crash::Step, secret::SecretString};

/// Everything that an answer was read as.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub users: Vec<User>,
    pub clients: Vec<Client>,
    pub sites: Vec<Site>,
    pub agents: Vec<Agent>,
    pub errors: Vec<HaloError>,
}

impl Halo {
    /// Reads one answer as if it came to a listing, to a record and to a write.
    pub(crate) fn read_as_answer(&self, http_status: u16, body: &[u8]) -> Read {
        let answer = || Answer {
            http_status,
            retry_after: None,
            location: Some(String::from_utf8_lossy(body).into_owned()),
            body: body.to_vec(),
        };
        let mut read = Read::default();
        for route in [USERS, CLIENTS, SITES, AGENTS] {
            let request = Request::get(route.path);
            let rows = self.api().classed(&request, answer()).and_then(|value| {
                wire::listing(value, route.key)
                    .map_err(|value| without(&request, &format!("list of {}", route.key), &value))
            });
            match rows {
                Ok(listing) => read.rows(&listing.rows),
                Err(error) => read.errors.push(error),
            }
        }
        let record = Request::get("/Users/7");
        if !verdict::is_no_record(&record, &answer()) {
            read.written(&record, self.api().classed(&record, answer()));
        }
        let write = Request::post(Step::CreateUser, USERS.path, Value::Null);
        read.written(&write, self.api().classed(&write, answer()));
        read
    }

    /// Reads one answer as if it came to the sign-in, which was made with this secret.
    pub(crate) fn read_as_token(&self, http_status: u16, body: &[u8], secret: &SecretString) -> Result<(), HaloError> {
        let answer = Answer {
            http_status,
            retry_after: None,
            location: None,
            body: body.to_vec(),
        };
        let api = self.api();
        let signed_in = api.tokens.read(&api.base, &api.http, answer, secret);
        signed_in.map(|_| ()).map_err(|(error, _)| error)
    }
}

impl Read {
    fn rows(&mut self, rows: &[Value]) {
        self.users.extend(rows.iter().filter_map(wire::user));
        self.clients.extend(rows.iter().filter_map(wire::client));
        self.sites.extend(rows.iter().filter_map(wire::site));
        self.agents.extend(rows.iter().filter_map(wire::agent));
    }

    fn written(&mut self, request: &Request, answered: Result<Value, HaloError>) {
        match answered {
            Ok(value) => {
                if wire::single(&value).and_then(wire::user).is_none() {
                    self.errors.push(without(request, "user with an id", &value));
                }
                self.rows(&wire::several(value));
            }
            Err(error) => self.errors.push(error),
        }
    }
}
