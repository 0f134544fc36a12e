//! What our journal would know in a dry run: conversations, and messages of one kind.

use super::{
    Lookups, Simulated, assumed_to_be,
    made::{Fold, Joined, of},
    recorded::{Kind, Told},
    simulated, value,
};
use crate::{
    action::StepError,
    config::ConnectionName,
    effect::{Answer, Ask, Effect},
    halo::TicketId,
    journal::{Folding, JournalError, Standing},
    message::address::AddrSpec,
};

impl Simulated {
    /// The tickets that the conversation has become, then those that it would have become.
    pub(super) async fn tickets_of(
        &self,
        at: &ConnectionName,
        ask: &Ask,
        keys: &[String],
    ) -> Result<Answer, StepError> {
        let mut answer = match (self.told(at, ask), &self.journal, &self.lookups) {
            (Some(told), ..) => told?,
            (None, Some(journal), _) => {
                let known = journal.tickets_of(at, keys.to_vec()).await.map_err(unreadable)?;
                of_journal(&known)
            }
            (None, None, Lookups::Assumed(_)) => assumed_to_be(&Vec::<TicketId>::new()),
            (None, None, _) => return Err(StepError::Unknown { what: ask.describe() }),
        };
        let made = self.made();
        if let Some(then) = self.then() {
            let here = made.answer_here(then, at, ask, answer.value.json());
            answer.value = here.unwrap_or_default().into();
        }
        let mut tickets: Vec<TicketId> = answer.value.read().unwrap_or_default();
        let is_of_it = |joined: &Joined| joined.keys.iter().any(|key| keys.contains(key));
        for joined in of(&made.joined, at, is_of_it) {
            if !tickets.contains(&joined.ticket) {
                tickets.push(joined.ticket);
                answer.assumed = Some("simulated".to_owned());
            }
        }
        answer.value = value(&tickets).into();
        Ok(answer)
    }

    /// Whether a message of this author belongs, or would belong, to the ticket.
    pub(super) async fn took_part(
        &self,
        at: &ConnectionName,
        ask: &Ask,
        ticket: TicketId,
        author: &AddrSpec,
    ) -> Result<Answer, StepError> {
        let would = |joined: &Joined| joined.ticket == ticket && joined.author == author.as_str();
        if !of(&self.made().joined, at, would).is_empty() {
            return Ok(simulated(&true));
        }
        let mut answer = match (self.told(at, ask), &self.journal, &self.lookups) {
            (Some(told), ..) => told?,
            (None, Some(journal), _) => {
                let known = journal.took_part(at, ticket.0, author.as_str()).await;
                of_journal(&known.map_err(unreadable)?)
            }
            (None, None, Lookups::Assumed(_)) => assumed_to_be(&false),
            (None, None, _) => return Err(StepError::Unknown { what: ask.describe() }),
        };
        if let Some(then) = self.then() {
            let here = self.made().answer_here(then, at, ask, answer.value.json());
            answer.value = here.unwrap_or_default().into();
        }
        Ok(answer)
    }

    /// From now on the conversation belongs to the ticket.
    pub(super) fn join(&self, at: &ConnectionName, ticket: TicketId, keys: &[String], author: Option<&AddrSpec>) {
        let joined = Joined {
            ticket,
            keys: keys.to_vec(),
            author: author.map(ToString::to_string).unwrap_or_default(),
        };
        self.made().joined.push((at.clone(), joined));
    }

    /// Where a message stands among its kind, and what is told of it.
    pub(super) fn fold(&self, at: &ConnectionName, ask: &Ask, folding: &Folding) -> Answer {
        match folding {
            Folding::Came { fellow, within, .. } => {
                let told = self.told(at, ask).and_then(Result::ok);
                let mut made = self.made();
                let takes = |(of, fold): &&mut (ConnectionName, Fold)| {
                    let until = fold.since.saturating_add(*within).unwrap_or(fold.since);
                    of == at && fold.key == fellow.key && self.now < until
                };
                if let Some((_, fold)) = made.folds.iter_mut().rfind(takes) {
                    fold.count += 1;
                    let (ticket, count) = (fold.ticket.clone(), fold.count);
                    return simulated(&Standing::Noted { ticket, count });
                }
                drop(made);
                told.and_then(|told| self.stood(at, &told))
                    .unwrap_or_else(|| simulated(&Standing::First))
            }
            Folding::Made { fellow, ticket } => {
                let fold = Fold {
                    key: fellow.key.clone(),
                    ticket: ticket.clone(),
                    since: self.now,
                    count: 1,
                };
                self.made().folds.push((at.clone(), fold));
                simulated(&())
            }
            Folding::Left { .. } | Folding::Noted { .. } => simulated(&()),
            Folding::Renewed { .. } => simulated(&Standing::First),
        }
    }

    /// Where it stood when it ran, if that ticket is there. Whoever wrote the note then is one of those in it.
    fn stood(&self, at: &ConnectionName, told: &Answer) -> Option<Answer> {
        let standing = match told.value.read().ok()? {
            Standing::Writes(batch) => Standing::Noted {
                ticket: batch.ticket,
                count: batch.before + batch.count,
            },
            other => other,
        };
        if let (Standing::Noted { ticket, .. }, Some(then)) = (&standing, self.then()) {
            let id = ticket["id"].as_i64()?;
            if self.made().is_not_there(then, at, Kind::Ticket, id) {
                return None;
            }
        }
        Some(Answer {
            value: value(&standing).into(),
            assumed: told.assumed.clone(),
        })
    }

    fn told(&self, at: &ConnectionName, ask: &Ask) -> Option<Result<Answer, StepError>> {
        let effect = Effect::Halo {
            connection: at.clone(),
            ask: ask.clone(),
        };
        self.then()?.told(&effect).map(Told::as_answer)
    }
}

fn of_journal(of: &impl serde::Serialize) -> Answer {
    Answer {
        value: value(of).into(),
        assumed: Some("from the journal".to_owned()),
    }
}

fn unreadable(error: JournalError) -> StepError {
    StepError::Later {
        reason: error.to_string(),
        not_before: None,
    }
}
