//! What a message asked when it ran, and what it was told: a replay answers from that, and invents nothing.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Ensured},
    halo::{Client, TicketId, User, registry::Registry},
    journal::{Folding, Intent},
    message::address::AddrSpec,
    run::trace::Trace,
};

/// What the messages of a replay are answered by.
#[derive(Clone)]
pub struct Then {
    /// What this message was told.
    pub recorded: Arc<Recorded>,
    /// What all messages of the replay made when they ran: where they do not make it now, it is not there.
    pub made: Arc<MadeThen>,
    /// The connections that are the same Halo as then.
    pub same: Arc<BTreeSet<ConnectionName>>,
    /// When its run began.
    pub now: Timestamp,
    /// Answers what nobody asked then.
    pub online: Option<Arc<Registry>>,
}

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Answer(Value),
    /// For good, and why.
    Refused(String),
}

/// The questions and writes of a message's last run with what came of them.
#[derive(Debug, Default)]
pub struct Recorded {
    told: HashMap<String, Told>,
    users: HashMap<(ConnectionName, AddrSpec), User>,
    clients: HashMap<(ConnectionName, String), Client>,
}

impl Recorded {
    /// Of the attempts of one run, in order. Traces of earlier versions say nothing.
    ///
    /// A question may have been asked more than once. Until the message has written something itself the latest answer
    /// counts: it is the one that the run went on with. Later ones may show what the message itself has made.
    pub fn of<'t>(traces: impl IntoIterator<Item = &'t Trace>) -> Recorded {
        let mut recorded = Recorded::default();
        let mut has_written = false;
        let steps = traces.into_iter().flat_map(|trace| &trace.rules);
        for trace in steps.flat_map(|rule| &rule.steps).flat_map(|step| &step.effects) {
            let Ok(effect) = trace.asked.effect() else {
                continue;
            };
            if trace.unanswered {
                continue;
            }
            let told = match &trace.refused {
                Some(reason) => Told::Refused(reason.clone()),
                None => Told::Answer(trace.answer.json()),
            };
            if has_written && !effect.writes() && !is_standing(&effect) {
                recorded.told.entry(key(&effect)).or_insert(told);
                continue;
            }
            has_written |= effect.writes();
            recorded.learn(&effect, &told);
            recorded.told.insert(key(&effect), told);
        }
        recorded
    }

    /// Whoever was created was not there before, and whoever was found instead was.
    fn learn(&mut self, effect: &Effect, told: &Told) {
        let (Effect::Halo { connection, ask }, Told::Answer(answer)) = (effect, told) else {
            return;
        };
        let at = connection.clone();
        let absent = match ask {
            Ask::EnsureUser { user } => {
                let address = user.emailaddress.clone();
                match serde_json::from_value::<Ensured<User>>(answer.clone()) {
                    Ok(Ensured { existed: false, .. }) => Ask::UsersWithAddress { address },
                    Ok(Ensured { record, .. }) => return drop(self.users.insert((at, address), record)),
                    Err(_) => return,
                }
            }
            Ask::EnsureClient { client } => {
                let name = client.name.clone();
                match serde_json::from_value::<Ensured<Client>>(answer.clone()) {
                    Ok(Ensured { existed: false, .. }) => Ask::ClientsAlike { name },
                    Ok(Ensured { record, .. }) => return drop(self.clients.insert((at, folded(&name)), record)),
                    Err(_) => return,
                }
            }
            _ => return,
        };
        let question = Effect::Halo {
            connection: at,
            ask: absent,
        };
        let nobody = Told::Answer(Value::Array(Vec::new()));
        self.told.entry(key(&question)).or_insert(nobody);
    }
}

impl Then {
    /// What the very same effect was told.
    pub(super) fn told(&self, effect: &Effect) -> Option<&Told> {
        let is_elsewhere = effect.connection().is_some_and(|of| !self.same.contains(of));
        self.recorded.told.get(&key(effect)).filter(|_| !is_elsewhere)
    }

    /// The user who was found where one should have been created.
    pub(super) fn found_user(&self, at: &ConnectionName, address: &AddrSpec) -> Option<&User> {
        let known = self.recorded.users.get(&(at.clone(), address.clone()));
        known.filter(|_| self.same.contains(at))
    }

    /// The same of a client.
    pub(super) fn found_client(&self, at: &ConnectionName, name: &str) -> Option<&Client> {
        let known = self.recorded.clients.get(&(at.clone(), folded(name)));
        known.filter(|_| self.same.contains(at))
    }
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Where a message stands among its kind is asked until it is known.
fn is_standing(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Halo {
            ask: Ask::Fold {
                folding: Folding::Came { .. }
            },
            ..
        }
    )
}

/// What makes two effects the very same.
fn key(effect: &Effect) -> String {
    let mut kept = effect.kept();
    // By it a server knows a repeated request. What is only read is the same whichever step asks.
    if let (Effect::Http { request }, Some(fields)) = (effect, kept["request"].as_object_mut())
        && !request.writes()
    {
        fields.remove("key");
    }
    kept.to_string()
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    User,
    Client,
    Ticket,
}

/// What messages made and changed when they ran.
#[derive(Debug, Default)]
pub struct MadeThen {
    made: HashSet<(ConnectionName, Kind, i64)>,
    /// Tickets, and when one was changed first.
    changed: HashMap<(ConnectionName, TicketId), Timestamp>,
}

impl MadeThen {
    /// A message wrote this, with this answer.
    pub fn note(&mut self, intent: &Intent) {
        let Ok(Effect::Halo { connection, ask }) = serde_json::from_value(intent.effect.clone()) else {
            return;
        };
        if let Ask::ChangeTicket { ticket, .. } = ask {
            let first = self.changed.entry((connection, ticket)).or_insert(intent.begun);
            *first = intent.begun.min(*first);
            return;
        }
        let kind = match ask {
            Ask::EnsureUser { .. } => Kind::User,
            Ask::EnsureClient { .. } => Kind::Client,
            Ask::CreateTicket { .. } => Kind::Ticket,
            _ => return,
        };
        let answer = intent.answer.as_ref().filter(|answer| answer["existed"] == false);
        if let Some(id) = answer.and_then(|answer| answer["record"]["id"].as_i64()) {
            self.made.insert((connection, kind, id));
        }
    }

    pub(super) fn has(&self, connection: &ConnectionName, kind: Kind, id: i64) -> bool {
        self.made.contains(&(connection.clone(), kind, id))
    }

    /// Whether it had been changed before that time.
    pub(super) fn changed_before(&self, connection: &ConnectionName, ticket: TicketId, now: Timestamp) -> bool {
        let changed = self.changed.get(&(connection.clone(), ticket));
        changed.is_some_and(|first| *first < now)
    }
}
