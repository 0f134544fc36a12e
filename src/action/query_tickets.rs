//! `query_halo_tickets`: one page of tickets.

use serde_json::{Value, json};

use super::{Fields, LARGEST_PAGE, StepError, resolve, ticket_fields::ticket_value};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects},
    halo::{
        AgentId, Page, UserId,
        choice::List,
        ticket::{Ticket, TicketQuery},
    },
};

/// Lists a page.
pub async fn perform(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let client = resolve::client(fields, "client", connection, effects).await?;
    let site = resolve::site(fields, "site", client.as_ref(), connection, effects).await?;
    let mut number = async |name, list| {
        let choice = resolve::choice(fields, (name, list), false, connection, effects).await?;
        Ok::<_, StepError>(choice.map(|choice| choice.id))
    };
    let query = TicketQuery {
        search: fields.text("search"),
        client: client.map(|client| client.id),
        site: site.map(|site| site.id),
        user: fields.id("user")?.map(UserId),
        ticket_type: number("ticket_type", List::TicketType).await?,
        status: number("status", List::Status).await?,
        agent: number("agent", List::Agent).await?.map(AgentId),
        open_only: fields.truth("open_only")?,
        page_size: fields.count("page_size", LARGEST_PAGE)?,
        page_no: fields.count("page_no", u32::MAX)?,
        order_by: fields.text("order_by"),
        order_descending: fields.truth("order_descending")?,
    };
    let connection = connection.clone();
    let ask = Ask::QueryTickets { query };
    let page: Page<Ticket> = effects.ask(Effect::Halo { connection, ask }).await?;
    let tickets: Vec<Value> = page.rows.iter().map(ticket_value).collect();
    Ok(json!({ "record_count": page.record_count, "tickets": tickets }))
}
