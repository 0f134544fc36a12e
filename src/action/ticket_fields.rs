//! What an operator may set on a ticket: from the rendered fields to what is sent, and what results show of one.

use serde_json::{Value, json};

use super::{Fields, StepError, resolve};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects},
    expression::shape::Shape,
    halo::{
        AgentId, ClientId, Reference, Site, SiteId, User, UserId,
        choice::{Choice, List},
        ticket::{CustomField, Text, Ticket, TicketFields},
    },
};

/// All that is written, with every name resolved.
pub async fn read(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<TicketFields, StepError> {
    let whose = whose(fields, connection, effects).await?;
    Ok(TicketFields {
        summary: fields.text("summary"),
        details: Text {
            plain: fields.text("details"),
            html: fields.text("details_html"),
        },
        client: whose.client,
        site: whose.site,
        user: whose.user,
        ..choices(fields, connection, effects).await?
    })
}

/// What is chosen among what the tenant has set up.
pub async fn choices(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<TicketFields, StepError> {
    let mut number = async |name, list| {
        let choice = resolve::choice(fields, (name, list), false, connection, effects).await?;
        Ok::<_, StepError>(choice.map(|choice: Choice| choice.id))
    };
    let ticket = TicketFields {
        ticket_type: number("ticket_type", List::TicketType).await?,
        status: number("status", List::Status).await?,
        priority: number("priority", List::Priority).await?,
        agent: number("agent", List::Agent).await?.map(AgentId),
        source: number("source", List::Source).await?,
        impact: number("impact", List::Impact).await?,
        urgency: number("urgency", List::Urgency).await?,
        custom_fields: custom_fields(fields),
        ..TicketFields::default()
    };
    let mut name = async |name, list| {
        let choice = resolve::choice(fields, (name, list), true, connection, effects).await?;
        Ok::<_, StepError>(choice.map(|choice: Choice| choice.name).unwrap_or_default())
    };
    Ok(TicketFields {
        team: name("team", List::Team).await?,
        category: name("category", List::Category).await?,
        ..ticket
    })
}

/// Whom a ticket is for.
struct Whose {
    client: Option<ClientId>,
    site: Option<SiteId>,
    user: Option<UserId>,
}

/// A user without its site is refused by Halo with a sentence that names neither (fact sheet, 5.1), so what is not
/// written is the user's own.
async fn whose(fields: &Fields, connection: &ConnectionName, effects: &mut Effects<'_>) -> Result<Whose, StepError> {
    let client = resolve::client(fields, "client", connection, effects).await?;
    let site = resolve::site(fields, "site", client.as_ref(), connection, effects).await?;
    let mut whose = Whose {
        client: client
            .map(|client| client.id)
            .or_else(|| site.as_ref().and_then(|site| site.client_id)),
        site: site.map(|site| site.id),
        user: fields.id("user")?.map(UserId),
    };
    if let (Some(client), None, None) = (whose.client, whose.site, whose.user) {
        let ask = Ask::MainSite { client };
        let connection = connection.clone();
        let main: Option<Site> = effects.ask(Effect::Halo { connection, ask }).await?;
        whose.site = main.map(|site| site.id);
    }
    if let (Some(id), None) = (whose.user, whose.site) {
        let ask = Ask::User { user: id };
        let connection = connection.clone();
        let user: Option<User> = effects.ask(Effect::Halo { connection, ask }).await?;
        let user = user.ok_or_else(|| fields.wrong("user", "is no user in Halo", "it needs the id of one"))?;
        if let (Some(client), Some(of)) = (whose.client, user.client_id)
            && client != of
        {
            let problem = format!(
                "is a user of client {of} ({:?}), not of client {client}",
                user.client_name
            );
            return Err(fields.wrong("user", &problem, "it needs a user of that client"));
        }
        whose.site = user.site_id;
        whose.client = whose.client.or(user.client_id);
    }
    Ok(whose)
}

fn custom_fields(fields: &Fields) -> Vec<CustomField> {
    let texts = fields.table("custom_fields").into_iter();
    let field = |(name, value): (String, String)| {
        let field = Reference::parse(&name)?;
        Some(CustomField { field, value })
    };
    texts.filter_map(field).collect()
}

/// The shape of a ticket in a result.
pub fn ticket_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("summary", Shape::Text),
        ("client_id", Shape::nullable(Shape::Number)),
        ("client_name", Shape::Text),
        ("site_id", Shape::nullable(Shape::Number)),
        ("user_id", Shape::nullable(Shape::Number)),
        ("user_name", Shape::Text),
        ("status_id", Shape::nullable(Shape::Number)),
        ("closed", Shape::Truth),
        ("raw", Shape::Any),
    ])
}

/// A ticket as a result shows it.
pub fn ticket_value(ticket: &Ticket) -> Value {
    json!({
        "id": ticket.id, "summary": ticket.summary,
        "client_id": ticket.client_id, "client_name": ticket.client_name,
        "site_id": ticket.site_id, "user_id": ticket.user_id, "user_name": ticket.user_name,
        "status_id": ticket.status_id, "closed": ticket.closed, "raw": ticket.raw,
    })
}
