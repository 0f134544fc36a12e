//! What a step may ask of the world, as data. A step has no other way out, so a dry run uses the code of a
//! real one: only the performer differs.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    action::StepError,
    config::ConnectionName,
    halo::{
        client::{Call, Calls},
        fault::Named,
        ticket::NewAction,
    },
    journal::{Claim, Intent, Post},
    message::address::AddrSpec,
    outcome::guard::Unsafe,
    web::Request,
};

mod ask;
mod asked;
mod creatable;
mod flood;
pub mod live;
mod mail;
mod said;
pub mod simulated;

pub use ask::Ask;
pub use asked::Asked;
pub use mail::{Enclosure, NewMail, Told};
pub use said::{Readable, Said};

/// One question to the world or one write to it.
///
/// The journal keeps one without the name of its kind, as it did when all were of Halo: what an earlier version began
/// is known to a later one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "each is made once, and lent from then on")]
pub enum Effect {
    /// Of a Halo connection.
    Halo { connection: ConnectionName, ask: Ask },
    /// A request to another server: `Reply`.
    Http { request: Request },
    /// A mail that is to leave: `()`.
    Mail { mail: NewMail },
}

/// What the message that a step is about holds, as far as it is not in its context.
pub trait Enclosed: Send + Sync {
    /// The octets of an attachment, decoded; none where there is no such one. Read when they are asked for, so that one
    /// attachment is in memory at a time.
    fn octets(&self, number: usize) -> Option<Vec<u8>>;

    /// Its text as HTML that is safe to show: all of it, or what was newly written. `picture` gives the address of the
    /// picture with that Content-ID; where it gives none, the picture is left out.
    fn html(&self, extent: Extent, picture: &mut dyn FnMut(&str) -> Option<String>) -> String;

    /// Whether a mail may go to this address. One that the operator did not write out is under the guard, and is told
    /// until the time that is given.
    fn may_be_told(&self, to: &AddrSpec, is_written_out: bool, now: Timestamp) -> Result<Timestamp, Unsafe>;

    /// The mail as it leaves; none where it would be too long.
    fn post(&self, mail: &NewMail, now: Timestamp) -> Option<Post>;
}

/// How much of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What was newly written.
    Visible,
}

/// What was found or created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ensured<T> {
    /// The record.
    pub record: T,
    /// Whether it was there before.
    pub existed: bool,
}

/// A message that encloses nothing.
#[cfg(any(test, feature = "test-hooks"))]
pub(crate) struct Bare;

#[cfg(any(test, feature = "test-hooks"))]
impl Enclosed for Bare {
    fn octets(&self, _: usize) -> Option<Vec<u8>> {
        None
    }

    fn html(&self, _: Extent, _: &mut dyn FnMut(&str) -> Option<String>) -> String {
        String::new()
    }

    fn may_be_told(&self, _: &AddrSpec, _: bool, _: Timestamp) -> Result<Timestamp, Unsafe> {
        Err(Unsafe::NoReturnPath)
    }

    fn post(&self, _: &NewMail, _: Timestamp) -> Option<Post> {
        None
    }
}

impl Effect {
    /// The Halo that it is asked of, where it is one.
    pub fn connection(&self) -> Option<&ConnectionName> {
        match self {
            Effect::Halo { connection, .. } => Some(connection),
            Effect::Http { .. } | Effect::Mail { .. } => None,
        }
    }

    /// What of it is told apart within a step, in a word.
    fn kind(&self) -> &'static str {
        match self {
            Effect::Halo { ask, .. } => ask.kind(),
            Effect::Http { .. } => "request",
            Effect::Mail { .. } => "mail",
        }
    }

    /// Whether it changes the world.
    pub fn writes(&self) -> bool {
        match self {
            Effect::Halo { ask, .. } => ask.writes(),
            Effect::Http { request } => request.writes(),
            // Kept in the journal without an intent: it is known by its mark.
            Effect::Mail { .. } => false,
        }
    }

    /// The client, the site or the choice that it looks for.
    pub fn named(&self) -> Option<Named> {
        match self {
            Effect::Halo { ask, .. } => ask.named(),
            Effect::Http { .. } | Effect::Mail { .. } => None,
        }
    }

    /// What it would ask, for people.
    pub fn describe(&self) -> String {
        match self {
            Effect::Halo { connection, ask } => format!("{connection}: {}", ask.describe()),
            Effect::Http { request } => request.describe(),
            Effect::Mail { mail } => mail.describe(),
        }
    }
}

/// What the world said, and how it was asked.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The shape is the effect's.
    pub value: Said,
    /// Where the answer is only assumed or simulated, or not the whole truth: how.
    pub assumed: Option<String>,
}

/// For whom an effect is performed.
#[derive(Clone)]
pub struct Asking<'a> {
    /// `None` in a dry run.
    pub claim: Option<Claim>,
    /// Names the effect within the run, for the journal's intents.
    pub step: &'a str,
    /// Where the requests are noted.
    pub calls: &'a Calls,
    /// The files of the message.
    pub enclosed: &'a dyn Enclosed,
}

/// Who performs effects: for real, or simulated.
pub trait Performer: Send + Sync {
    /// Does it, or says what it would do.
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>>;
}

/// An effect as the trace keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectTrace {
    /// Which Halo, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionName>,
    /// What was asked, for people.
    pub effect: String,
    /// The same as data, long texts by their digest ([`Effect::kept`]); null in a trace of an earlier version.
    #[serde(default, skip_serializing_if = "Asked::is_null")]
    pub asked: Asked,
    /// The requests that went out; none where a cache knew.
    pub calls: Vec<Call>,
    /// `"simulated"`, `"assumed …"`, `"recorded"`: where the answer is not fresh from Halo; or what it leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The answer, or null where it failed.
    pub answer: Said,
    /// Why it was refused for good, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// There was no answer for now: the attempt broke off here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
    /// The client, site or choice of that name, where it was looked for and is there exactly once; for this process alone.
    #[serde(skip)]
    pub found: Option<Named>,
}

/// A step's only way to the world: asks through the performer, gives recorded answers back, keeps the trace.
pub struct Effects<'a> {
    performer: &'a dyn Performer,
    enclosed: &'a dyn Enclosed,
    claim: Option<Claim>,
    recorded: HashMap<String, Intent>,
    step: String,
    /// So many of each kind, in this step.
    writes: HashMap<&'static str, u32>,
    trace: Vec<EffectTrace>,
}

impl<'a> Effects<'a> {
    /// `recorded` are the intents of earlier attempts, by their step.
    pub fn new(
        performer: &'a dyn Performer,
        enclosed: &'a dyn Enclosed,
        claim: Option<Claim>,
        recorded: Vec<Intent>,
    ) -> Effects<'a> {
        let recorded = recorded
            .into_iter()
            .map(|intent| (intent.step.clone(), intent))
            .collect();
        Effects {
            performer,
            enclosed,
            claim,
            recorded,
            step: String::new(),
            writes: HashMap::new(),
            trace: Vec::new(),
        }
    }

    /// A step begins; `step` names it within the message.
    pub fn begin(&mut self, step: String) {
        self.step = step;
        self.writes.clear();
        self.trace.clear();
    }

    /// The action with this mark that an earlier attempt began to add, whatever came of it.
    pub fn begun_action(&self, marker: &str) -> Option<NewAction> {
        let effects = self
            .recorded
            .values()
            .filter_map(|intent| serde_json::from_value::<Effect>(intent.effect.clone()).ok());
        effects.into_iter().find_map(|effect| match effect {
            Effect::Halo {
                ask: Ask::AddAction { action },
                ..
            } if action.marker == marker => Some(action),
            _ => None,
        })
    }

    /// The message that the step is about.
    pub fn enclosed(&self) -> &'a dyn Enclosed {
        self.enclosed
    }

    /// What the step asked so far.
    pub fn take_trace(&mut self) -> Vec<EffectTrace> {
        std::mem::take(&mut self.trace)
    }

    /// Asks. A write that was answered in an earlier attempt is not repeated: its answer is given back.
    pub async fn ask<T: Readable>(&mut self, effect: Effect) -> Result<T, StepError> {
        let key = if effect.writes() {
            // By its kind: another attempt may have to make no user, and the ticket is the first one still.
            let kind = effect.kind();
            let count = self.writes.entry(kind).or_insert(0);
            *count += 1;
            format!("{}#{kind}{count}", self.step)
        } else {
            self.step.clone()
        };
        if let Some(answer) = self.recorded_answer(&key, &effect) {
            let given = Answer {
                value: answer.into(),
                assumed: Some("recorded".to_owned()),
            };
            return self.answered(effect, Vec::new(), given);
        }
        let calls = Calls::default();
        let asking = Asking {
            claim: self.claim,
            step: &key,
            calls: &calls,
            enclosed: self.enclosed,
        };
        match self.performer.perform(&effect, asking).await {
            Ok(answer) => self.answered(effect, calls.take(), answer),
            Err(error) => {
                let refused = match &error {
                    StepError::Failed { reason } => Some(reason.clone()),
                    _ => None,
                };
                self.trace.push(EffectTrace {
                    unanswered: refused.is_none(),
                    refused,
                    ..noted(effect, calls.take())
                });
                Err(error)
            }
        }
    }

    /// Reads the answer, and keeps it in the trace.
    fn answered<T: Readable>(&mut self, effect: Effect, calls: Vec<Call>, given: Answer) -> Result<T, StepError> {
        let read = given.value.read().map_err(|error| {
            let what = effect.describe();
            StepError::failed(format!("the answer to {what} is of another shape: {error}"))
        });
        self.trace.push(EffectTrace {
            from: given.assumed,
            found: effect.named().filter(|_| given.value.is_one()),
            answer: given.value,
            ..noted(effect, calls)
        });
        read
    }

    fn recorded_answer(&self, key: &str, effect: &Effect) -> Option<Value> {
        let intent = self.recorded.get(key).filter(|_| effect.writes())?;
        let same = serde_json::from_value::<Effect>(intent.effect.clone()).is_ok_and(|earlier| earlier == *effect);
        intent.answer.clone().filter(|answer| same && !answer.is_null())
    }
}

/// An effect that was asked, without what came of it.
fn noted(effect: Effect, calls: Vec<Call>) -> EffectTrace {
    EffectTrace {
        connection: effect.connection().cloned(),
        effect: effect.describe(),
        asked: effect.into(),
        calls,
        from: None,
        answer: Said::default(),
        refused: None,
        unanswered: false,
        found: None,
    }
}
