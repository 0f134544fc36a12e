//! Removing what a probe made: looked for, deleted, looked for again, and made inactive where it can't be deleted.

use serde_json::{Map, Value};

use super::{
    Probe,
    made::{Kind, State, Thing},
    scene::Reply,
};
use crate::{
    crash::Step,
    halo::{
        ClientId,
        api::Request,
        wire::{self, Query},
    },
};

/// What fails once is tried again; what fails twice is refused.
const ROUNDS: u32 = 2;

impl Probe<'_> {
    /// Removes everything that bears the mark, and all that lies in a client which bears it.
    pub(super) async fn remove(&self) {
        if !self.made().has_begun() {
            return;
        }
        self.remove_what_is_there().await;
        let unanswered = self.made().unanswered_for(self.halo.timeout());
        if let Some(wait) = unanswered {
            tokio::time::sleep(wait).await;
            self.remove_what_is_there().await;
        }
    }

    async fn remove_what_is_there(&self) {
        for _ in 0..ROUNDS {
            let is_seen = self.look().await;
            self.made().seen(is_seen);
            self.delete().await;
            if self.made().is_over() {
                return;
            }
        }
        self.make_inactive().await;
    }

    /// Notes what is there; says whether Halo showed everything. Where an answer never came, only this can tell.
    async fn look(&self) -> bool {
        let mut is_seen = true;
        if self.place.is_none() {
            is_seen &= self.find(Kind::Client, marked(self.mark.letters())).await;
        }
        is_seen &= self.find(Kind::User, marked(self.mark.letters())).await;
        let client = self.made().client();
        if let Some(client) = client.filter(|_| self.place.is_none()) {
            is_seen &= self.find_within(Kind::User, client).await;
            is_seen &= self.find_within(Kind::Site, client).await;
        }
        is_seen
    }

    /// Those that bear the mark.
    async fn find(&self, kind: Kind, query: Query) -> bool {
        self.find_where(kind, query, |row| self.mark.is_on(row)).await
    }

    /// Those within a client of ours: its site and the site's placeholder have names of Halo's choice.
    async fn find_within(&self, kind: Kind, client: ClientId) -> bool {
        let query = also_inactive(vec![("client_id", client.to_string())]);
        self.find_where(kind, query, |row| wire::probe::client_of(row) == Some(client))
            .await
    }

    /// A filter of Halo's narrows and is never trusted: what is not ours by its own row is left alone.
    async fn find_where(&self, kind: Kind, query: Query, is_ours: impl Fn(&Map<String, Value>) -> bool) -> bool {
        let request = Request::get(kind.route().path).with(query);
        let Some(reply) = self.removing(&request).await.filter(Reply::is_success) else {
            return false;
        };
        let Ok(listing) = wire::listing(reply.body, kind.route().key) else {
            return false;
        };
        let rows = listing.rows.iter().filter_map(Value::as_object);
        for (id, name) in rows.filter(|row| is_ours(row)).filter_map(wire::probe::id_and_name) {
            self.made().find(Thing { kind, id }, name);
        }
        true
    }

    async fn delete(&self) {
        for thing in self.there() {
            let reply = self.removing(&Request::delete(Step::Probe, record(thing))).await;
            let is_gone = match reply {
                Some(reply) if reply.is_success() => true,
                // It went with what held it, or there is no such route.
                Some(reply) if reply.http_status == 404 => self.is_gone(thing).await,
                _ => false,
            };
            if is_gone {
                self.made().is(thing, State::Gone);
            }
        }
    }

    async fn is_gone(&self, thing: Thing) -> bool {
        let reply = self.removing(&Request::get(record(thing))).await;
        reply.is_some_and(|reply| reply.http_status == 404)
    }

    async fn make_inactive(&self) {
        for thing in self.there() {
            let request = Request::post(Step::Probe, thing.kind.route().path, wire::probe::inactive(thing.id));
            let reply = self.removing(&request).await;
            if reply.is_some_and(|reply| reply.is_success()) {
                self.made().is(thing, State::Inactive);
            } else if self.is_gone(thing).await {
                self.made().is(thing, State::Gone);
            }
        }
    }

    fn there(&self) -> Vec<Thing> {
        self.made().there()
    }

    /// Whatever is wrong, the next request is tried as well.
    async fn removing(&self, request: &Request) -> Option<Reply> {
        self.answer(request).await.ok()
    }
}

fn record(thing: Thing) -> String {
    format!("{}/{}", thing.kind.route().path, thing.id)
}

fn marked(letters: &str) -> Query {
    also_inactive(vec![("search", letters.to_owned())])
}

fn also_inactive(mut query: Query) -> Query {
    query.push(("includeactive", "true".to_owned()));
    query.push(("includeinactive", "true".to_owned()));
    query
}
