//! What our journal knows of conversations and of messages of one kind: no question to Halo.

use serde_json::Value;

use super::{Turn, later, value};
use crate::{
    action::StepError,
    effect::Ask,
    halo::TicketId,
    journal::{Change, Folding, Joined, Receipt, Standing},
};

impl Turn<'_> {
    pub(super) async fn remember(&self) -> Result<Value, StepError> {
        let (journal, connection) = (&self.live.journal, self.connection);
        match self.ask {
            Ask::TicketsOfConversation { keys } => {
                let tickets = journal.tickets_of(connection, keys.clone()).await.map_err(later)?;
                Ok(value(&tickets.into_iter().map(TicketId).collect::<Vec<_>>()))
            }
            Ask::TookPart { ticket, address } => {
                let took_part = journal.took_part(connection, ticket.0, address.as_str()).await;
                Ok(value(&took_part.map_err(later)?))
            }
            Ask::Join { ticket, keys, author } => {
                let joined = Joined {
                    connection: connection.clone(),
                    ticket: ticket.0,
                    keys: keys.clone(),
                    author: author.as_ref().map(ToString::to_string).unwrap_or_default(),
                    at: self.live.clock.now(),
                };
                self.writing.write(Change::Joined(joined)).await?;
                Ok(Value::Null)
            }
            Ask::Fold { folding } => self.fold(folding).await,
            _ => unreachable!("only these are our journal's"),
        }
    }

    async fn fold(&self, folding: &Folding) -> Result<Value, StepError> {
        // Nobody has it in hand, so nobody can be its fellow.
        let Some(claim) = self.asking.claim else {
            return Ok(value(&Standing::First));
        };
        let change = Change::Folded {
            claim,
            connection: self.connection.clone(),
            folding: folding.clone(),
        };
        match self.live.journal.write(change).await.map_err(later)? {
            Receipt::Stands(standing) => Ok(value(&standing)),
            Receipt::Stale => Err(self.writing.taken_over()),
            _ => Ok(Value::Null),
        }
    }
}
