//! `/healthz`: whether mail is read and worked on. Red is what asks for a restart or a person; a Halo or an SMTP server
//! that is down is shown and does not make it red, since mail goes on being read and waits in the journal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::{
    config::MailboxName,
    mailbox,
    pipeline::{
        World,
        states::{Sort, Thing, Trouble},
    },
    when,
};

/// A mailbox that was not checked in so many intervals is lost.
const INTERVALS: u32 = 3;
/// A journal that takes no change within this time can not be written; whoever asks for health waits no longer.
const PATIENCE: Duration = Duration::from_secs(4);
/// However many ask, the journal is tried no more often than this.
const TRIED_EVERY: Duration = Duration::from_secs(5);

/// What is served here.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(world: &Arc<World>) -> Router<S> {
    let asked = Asked {
        world: world.clone(),
        journal: Mutex::default(),
    };
    Router::new().route("/healthz", get(serve)).with_state(Arc::new(asked))
}

struct Asked {
    world: Arc<World>,
    /// When the journal was tried last, and what came of it.
    journal: Mutex<Option<(Instant, Result<(), String>)>>,
}

/// The answer. The field names are those of its JSON.
#[derive(Debug, PartialEq, Serialize)]
struct Health {
    /// `"ok"` or `"red"`.
    status: &'static str,
    /// Why it is red.
    wrong: Vec<String>,
    /// What waits for an operator's word. Nothing is wrong with it.
    waiting: Vec<Troubled>,
    /// What is in trouble, whether that makes it red or not. Why it is says the log: this page is for everybody.
    troubles: Vec<Troubled>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Troubled {
    kind: &'static str,
    place: String,
    /// To the second.
    since: String,
}

impl Troubled {
    fn of((thing, trouble): &(Thing, Trouble)) -> Troubled {
        Troubled {
            kind: thing.kind(),
            place: thing.place(),
            since: format!("{:.0}", trouble.since),
        }
    }
}

async fn serve(State(asked): State<Arc<Asked>>, headers: HeaderMap) -> Response {
    let health = asked.health().await;
    let status = if health.wrong.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let (format, text) = if accept.is_some_and(|accept| accept.contains("application/json")) {
        let json = serde_json::to_string(&health).expect("texts and times always become JSON");
        ("application/json", json + "\n")
    } else {
        ("text/plain; charset=utf-8", health.text())
    };
    (status, [(header::CONTENT_TYPE, format)], text).into_response()
}

/// What makes health red, the journal apart, which has to be tried for that.
pub(super) struct Wrong {
    /// Whose it is, where it is a mailbox.
    pub mailbox: Option<MailboxName>,
    pub text: String,
}

/// Mailboxes that were not checked for too long, and work that stands still.
pub(super) fn wrong(world: &World) -> Vec<Wrong> {
    let (state, generation) = (&world.state, world.generation.load());
    let watched = generation.config.mailboxes.iter().filter(|(_, config)| config.enabled);
    let silent = watched.filter_map(|(name, config)| {
        let silence = state.checked(name)?.silent_for();
        let every = mailbox::check_interval(config);
        (silence > every * INTERVALS).then(|| {
            let (silence, every) = (when::length(silence), when::length(every));
            Wrong {
                mailbox: Some(name.clone()),
                text: format!("mailbox {name} has not been checked for {silence}; it is checked every {every}"),
            }
        })
    });
    let mut wrong: Vec<Wrong> = silent.collect();
    if !state.is_turning() {
        let silence = when::length(state.since_turn());
        wrong.push(Wrong {
            mailbox: None,
            text: format!("the loop that takes up work has made no turn for {silence}"),
        });
    }
    wrong
}

impl Asked {
    async fn health(&self) -> Health {
        let state = &self.world.state;
        let wrong = wrong(&self.world).into_iter();
        let mut wrong: Vec<String> = wrong.map(|wrong| wrong.text).collect();
        wrong.extend(self.journal().await.err());
        let all = state.troubles();
        let (waiting, troubles): (Vec<_>, Vec<_>) = all.iter().partition(|(_, trouble)| trouble.sort == Sort::Waits);
        let told = |those: Vec<&(Thing, Trouble)>| those.into_iter().map(Troubled::of).collect();
        Health {
            status: if wrong.is_empty() { "ok" } else { "red" },
            wrong,
            waiting: told(waiting),
            troubles: told(troubles),
        }
    }

    /// Whether the journal can be written.
    async fn journal(&self) -> Result<(), String> {
        let mut tried = self.journal.lock().await;
        if let Some((at, known)) = &*tried
            && at.elapsed() < TRIED_EVERY
        {
            return known.clone();
        }
        let taken = self.world.takes_a_change(PATIENCE).await;
        *tried = Some((Instant::now(), taken.clone()));
        taken
    }
}

impl Health {
    /// A line for each thing that is wrong, or `ok`; then one for each that waits, and for each trouble.
    fn text(&self) -> String {
        let mut lines = self.wrong.clone();
        if lines.is_empty() {
            lines.push("ok".to_owned());
        }
        let mut more = |those: &[Troubled], how: &str| {
            lines.extend(
                those
                    .iter()
                    .map(|one| format!("{} {how} since {}", one.place, one.since)),
            );
        };
        more(&self.waiting, "waits for an operator");
        more(&self.troubles, "is in trouble");
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_ok_or_what_is_wrong() {
        let troubled = |kind, place: &str| Troubled {
            kind,
            place: place.to_owned(),
            since: format!("{:.0}", jiff::Timestamp::UNIX_EPOCH),
        };
        let health = |wrong: &[&str]| Health {
            status: "ok",
            wrong: wrong.iter().map(|text| (*text).to_owned()).collect(),
            waiting: vec![troubled("mailbox", "mailbox support")],
            troubles: vec![troubled("connection", "connection main")],
        };
        let rest = "mailbox support waits for an operator since 1970-01-01T00:00:00Z\n\
                    connection main is in trouble since 1970-01-01T00:00:00Z\n";
        assert_eq!(health(&[]).text(), format!("ok\n{rest}"));
        assert_eq!(health(&["one", "two"]).text(), format!("one\ntwo\n{rest}"));
    }
}
