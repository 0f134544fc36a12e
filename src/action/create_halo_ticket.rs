//! `create_halo_ticket`: a ticket, made once for each message and step.

use serde_json::{Value, json};

use super::{
    Fields, StepError,
    ticket_fields::{self, ticket_shape, ticket_value},
};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects, Ensured},
    expression::shape::Shape,
    halo::ticket::{NewTicket, Ticket},
};

/// Creates the ticket, or finds the one that bears the mark.
pub async fn perform(
    fields: &Fields,
    mark: String,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    fields.required("summary")?;
    let ticket = NewTicket {
        marker: mark,
        fields: ticket_fields::read(fields, connection, effects).await?,
        mail: None,
        acknowledge: fields.truth("send_acknowledgement")?,
    };
    let connection = connection.clone();
    let ask = Ask::CreateTicket { ticket };
    let ensured: Ensured<Ticket> = effects.ask(Effect::Halo { connection, ask }).await?;
    let mut value = ticket_value(&ensured.record);
    value["existed"] = json!(ensured.existed);
    Ok(value)
}

/// What the step stores.
pub fn result_shape() -> Shape {
    ticket_shape().with("existed", Shape::Truth)
}
