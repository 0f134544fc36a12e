//! From what an operator wrote for a client or site to the record, or to an error that names all three:
//! field, expression and value.

use super::{Fields, StepError};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects},
    halo::{
        Client, Reference, Site,
        fault::{Fault, Named},
    },
};

/// The client that field `name` speaks of; `None` where it renders as nothing.
pub async fn client(
    fields: &Fields,
    name: &str,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Option<Client>, StepError> {
    let Some((reference, locked)) = fields.reference(name) else {
        return Ok(None);
    };
    let sought = Named::Client(reference.clone());
    let found: Vec<Client> = effects
        .ask(Effect {
            connection: connection.clone(),
            ask: Ask::Clients {
                client: reference.clone(),
            },
        })
        .await?;
    let ids = found.iter().map(|client| client.id.to_string()).collect();
    one(
        found,
        ids,
        &Wanted {
            fields,
            name,
            reference,
            sought,
            locked,
            what: "client",
            within: String::new(),
            connection,
        },
    )
    .map(Some)
}

/// The site that field `name` speaks of, which must belong to `client` where one is given.
pub async fn site(
    fields: &Fields,
    name: &str,
    client: Option<&Client>,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Option<Site>, StepError> {
    let Some((reference, locked)) = fields.reference(name) else {
        return Ok(None);
    };
    let by_name_within = match reference {
        Reference::Id(_) => None,
        Reference::Name(_) => client.map(|client| client.id),
    };
    let sought = Named::Site(by_name_within, reference.clone());
    let ask = Ask::Sites {
        client: by_name_within,
        site: reference.clone(),
    };
    let found: Vec<Site> = effects
        .ask(Effect {
            connection: connection.clone(),
            ask,
        })
        .await?;
    let ids = found.iter().map(|site| site.id.to_string()).collect();
    // Within a client that each message has anew, a name that is not there is this message's matter.
    let locked = locked && fields.reference("client").is_none_or(|(_, locked)| locked);
    let within = client
        .map(|client| format!(" at the client {:?}", client.name))
        .unwrap_or_default();
    let site = one(
        found,
        ids,
        &Wanted {
            fields,
            name,
            reference,
            sought,
            locked,
            what: "site",
            within,
            connection,
        },
    )?;
    match (client, site.client_id) {
        (Some(client), Some(of)) if of != client.id => Err(fields.wrong(
            name,
            &format!(
                "is a site of client {of} ({:?}), not of client {} ({:?})",
                site.client_name, client.id, client.name
            ),
            "it needs a site of that client",
        )),
        _ => Ok(Some(site)),
    }
}

struct Wanted<'a> {
    fields: &'a Fields,
    name: &'a str,
    reference: Reference,
    sought: Named,
    locked: bool,
    what: &'static str,
    within: String,
    connection: &'a ConnectionName,
}

fn one<T>(mut found: Vec<T>, ids: Vec<String>, wanted: &Wanted<'_>) -> Result<T, StepError> {
    let locked_by_name = wanted.locked && matches!(wanted.reference, Reference::Name(_));
    let Wanted {
        what,
        within,
        reference,
        ..
    } = wanted;
    let (problem, expected) = match found.len() {
        1 => return Ok(found.remove(0)),
        0 => (
            format!("is no {what} in Halo{within}"),
            format!("it needs the id or the exact name of a {what}"),
        ),
        _ => (
            format!("is the name of several (ids {})", ids.join(", ")),
            "it needs the id of one of them".to_owned(),
        ),
    };
    if locked_by_name {
        // The configuration and Halo disagree: no message is to blame, and all wait until somebody mends it.
        let reason = format!("{} {reference} {problem}; {expected}", wanted.name);
        return Err(StepError::Connection {
            connection: wanted.connection.clone(),
            fault: Fault::Missing(wanted.sought.clone()),
            reason,
            until: None,
        });
    }
    Err(wanted.fields.wrong(wanted.name, &problem, &expected))
}
