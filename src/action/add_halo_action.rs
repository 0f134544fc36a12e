//! `add_halo_action`: an entry of a ticket, added once for each message and step.

use serde_json::{Value, json};

use super::{Fields, StepError, resolve};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects, Ensured},
    expression::shape::Shape,
    halo::{
        TicketId,
        choice::List,
        ticket::{Action, NewAction, Text},
    },
};

/// Adds the action.
pub async fn perform(
    fields: &Fields,
    mark: String,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let ticket = TicketId(fields.required_id("ticket")?);
    let note = Text {
        plain: fields.text("note"),
        html: fields.text("note_html"),
    };
    let outcome = resolve::choice(fields, ("outcome", List::Outcome), false, connection, effects).await?;
    let outcome = outcome.ok_or_else(|| fields.wrong("outcome", "is empty", "it is needed"))?;
    let status = resolve::choice(fields, ("status", List::Status), false, connection, effects).await?;
    let action = NewAction {
        ticket,
        marker: mark,
        outcome: outcome.id,
        note,
        hidden_from_user: fields.truth("hidden_from_user")?,
        send_email: fields.truth("send_email")?,
        status: status.map(|status| status.id),
        user: None,
        who: String::new(),
        mail: None,
    };
    let connection = connection.clone();
    let ask = Ask::AddAction { action };
    let ensured: Ensured<Action> = effects.ask(Effect::Halo { connection, ask }).await?;
    Ok(action_value(&ensured))
}

/// An action as a result shows it.
pub fn action_value(ensured: &Ensured<Action>) -> Value {
    let Action {
        id,
        ticket_id,
        outcome,
        note,
        raw,
        ..
    } = &ensured.record;
    json!({
        "id": id, "ticket_id": ticket_id, "outcome": outcome, "note": note, "existed": ensured.existed, "raw": raw,
    })
}

/// What the step stores.
pub fn action_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("ticket_id", Shape::Number),
        ("outcome", Shape::Text),
        ("note", Shape::Text),
        ("existed", Shape::Truth),
        ("raw", Shape::Any),
    ])
}
