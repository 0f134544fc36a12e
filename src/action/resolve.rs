//! From what an operator wrote for a client or site to the record, or to an error that names all three:
//! field, expression and value.

use super::{Fields, StepError};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects},
    halo::{
        Client, Reference, Site,
        alike::{NamedRecord, no_match},
        choice::{Choice, List},
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
    refuse_impossible(fields, name, &reference)?;
    let mut ask = async |ask| {
        let connection = connection.clone();
        effects.ask::<Vec<Client>>(Effect::Halo { connection, ask }).await
    };
    let found = ask(Ask::Clients {
        client: reference.clone(),
    })
    .await?;
    let alike = match &reference {
        Reference::Name(name) if found.is_empty() => ask(Ask::ClientsAlike { name: name.clone() }).await?,
        _ => Vec::new(),
    };
    one(
        found,
        &alike,
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
    refuse_impossible(fields, name, &reference)?;
    let by_name_within = match reference {
        Reference::Id(_) => None,
        Reference::Name(_) => client.map(|client| client.id),
    };
    let sought = Named::Site(by_name_within, reference.clone());
    let ask = Ask::Sites {
        client: by_name_within,
        site: reference.clone(),
    };
    let mut sites = async |ask| {
        let connection = connection.clone();
        effects.ask::<Vec<Site>>(Effect::Halo { connection, ask }).await
    };
    let found = sites(ask).await?;
    let alike = match &reference {
        Reference::Name(name) if found.is_empty() => {
            let (client, name) = (by_name_within, name.clone());
            sites(Ask::SitesAlike { client, name }).await?
        }
        _ => Vec::new(),
    };
    // Within a client that each message has anew, a name that is not there is this message's matter.
    let locked = locked && fields.reference("client").is_none_or(|(_, locked)| locked);
    let within = client
        .map(|client| format!(" at the client {:?}", client.name))
        .unwrap_or_default();
    let site = one(
        found,
        &alike,
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

/// What field `name` speaks of in one of the tenant's lists; `None` where it renders as nothing. A number is believed
/// unless its name is wanted too.
pub async fn choice(
    fields: &Fields,
    (name, list): (&str, List),
    needs_name: bool,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Option<Choice>, StepError> {
    let Some((reference, locked)) = fields.reference(name) else {
        return Ok(None);
    };
    let mut ask = async |ask| {
        let connection = connection.clone();
        effects.ask::<Vec<Choice>>(Effect::Halo { connection, ask }).await
    };
    let found = match reference {
        Reference::Id(id) if !needs_name => vec![Choice {
            id,
            name: String::new(),
            inactive: false,
        }],
        _ => {
            let choice = reference.clone();
            ask(Ask::Choices { list, choice }).await?
        }
    };
    let alike = match &reference {
        Reference::Name(name) if found.is_empty() => {
            let name = name.clone();
            ask(Ask::ChoicesAlike { list, name }).await?
        }
        _ => Vec::new(),
    };
    let wanted = Wanted {
        fields,
        name,
        sought: Named::Choice(list, reference.clone()),
        reference,
        locked,
        what: list.word(),
        within: String::new(),
        connection,
    };
    one(found, &alike, &wanted).map(Some)
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

fn refuse_impossible(fields: &Fields, name: &str, reference: &Reference) -> Result<(), StepError> {
    if reference.is_possible() {
        return Ok(());
    }
    Err(fields.wrong(name, "is no id", "an id is a whole number above 0"))
}

fn one<T: NamedRecord>(mut found: Vec<T>, alike: &[T], wanted: &Wanted<'_>) -> Result<T, StepError> {
    let locked_by_name = wanted.locked && matches!(wanted.reference, Reference::Name(_));
    let Wanted {
        what,
        within,
        reference,
        ..
    } = wanted;
    let (problem, expected) = match found.len() {
        1 => return Ok(found.remove(0)),
        0 => no_match(alike, reference.name(), what, within),
        _ => {
            let ids: Vec<String> = found.iter().map(|one| one.number().to_string()).collect();
            (
                format!("is the name of several (ids {})", ids.join(", ")),
                "it needs the id of one of them".to_owned(),
            )
        }
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
