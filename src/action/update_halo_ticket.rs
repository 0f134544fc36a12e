//! `update_halo_ticket`: changes what is written, and leaves the rest as it is.

use serde_json::Value;

use super::{
    Fields, StepError,
    ticket_fields::{self, ticket_value},
};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects},
    halo::{
        TicketId,
        ticket::{Ticket, TicketFields},
    },
};

/// Changes the ticket.
pub async fn perform(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let ticket = TicketId(fields.required_id("ticket")?);
    let changes = ticket_fields::read(fields, connection, effects).await?;
    if changes == TicketFields::default() {
        return Err(StepError::failed(
            "every field beside ticket is empty, so there is nothing to change; give the step a `when`",
        ));
    }
    let connection = connection.clone();
    let ask = Ask::ChangeTicket {
        ticket,
        fields: changes,
    };
    let ticket: Ticket = effects.ask(Effect::Halo { connection, ask }).await?;
    Ok(ticket_value(&ticket))
}
