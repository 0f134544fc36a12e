//! `create_halo_user`: the user with this address, found or created.

use super::{Fields, StepError, resolve};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects, Ensured},
    expression::{Shared, shape::Shape},
    halo::{Agent, NewUser, User},
    message::address::AddrSpec,
};

/// The longest name Halo's database takes (fact sheet, 3.3), in characters.
const LONGEST_NAME: usize = 255;
/// The longest first name and surname (fact sheet, 3.3), in characters.
const LONGEST_PART: usize = 200;

/// Finds or creates the user.
pub async fn perform(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Shared, StepError> {
    let name = full_name(fields)?;
    let address = fields.address("email_address")?;
    refuse_agent(fields, &address, connection, effects).await?;
    let client = resolve::client(fields, "client", connection, effects).await?;
    let client = client.ok_or_else(|| fields.wrong("client", "is empty", "it is needed"))?;
    let site = resolve::site(fields, "site", Some(&client), connection, effects).await?;
    let site = site.ok_or_else(|| fields.wrong("site", "is empty", "it is needed"))?;

    let user = NewUser {
        name,
        first_name: cut(&fields.text("first_name"), LONGEST_PART),
        surname: cut(&fields.text("surname"), LONGEST_PART),
        emailaddress: address,
        client_id: client.id,
        site_id: site.id,
        send_welcome_email: fields.truth("send_welcome_email")?,
    };
    let ensured = ensure(fields, user, connection, effects).await?;
    let user = match (
        ensured.existed && ensured.record.inactive,
        fields.text("existing_inactive").as_str(),
    ) {
        (true, "error") => {
            let problem = format!("is the address of user {}, who is inactive", ensured.record.id);
            return Err(fields.wrong(
                "email_address",
                &problem,
                "existing_inactive says that this is an error",
            ));
        }
        (true, "reactivate") => {
            let ask = Ask::ReactivateUser {
                user: ensured.record.id,
            };
            effects
                .ask(Effect::Halo {
                    connection: connection.clone(),
                    ask,
                })
                .await?
        }
        _ => ensured.record,
    };
    Ok(result(&user, ensured.existed))
}

/// The user, found or created; one who is no person is refused.
pub(super) async fn ensure(
    fields: &Fields,
    user: NewUser,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Ensured<User>, StepError> {
    let connection = connection.clone();
    let ask = Ask::EnsureUser { user };
    let ensured: Ensured<User> = effects.ask(Effect::Halo { connection, ask }).await?;
    if ensured.existed {
        refuse_no_person(fields, &ensured.record)?;
    }
    Ok(ensured)
}

/// `full_name`, else first name and surname where both are there and `full_name` was not written or is empty.
pub(super) fn full_name(fields: &Fields) -> Result<String, StepError> {
    let (first_name, surname) = (fields.text("first_name"), fields.text("surname"));
    let both = !first_name.is_empty() && !surname.is_empty();
    let written = fields.text("full_name");
    let name = if both && (!fields.is_written("full_name") || written.is_empty()) {
        format!("{first_name} {surname}")
    } else {
        written
    };
    if name.is_empty() {
        return Err(fields.wrong("full_name", "is empty", "it is needed, or first_name and surname"));
    }
    Ok(cut(&name, LONGEST_NAME))
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

async fn refuse_agent(
    fields: &Fields,
    address: &AddrSpec,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<(), StepError> {
    let ask = Ask::AgentWithAddress {
        address: address.clone(),
    };
    let agent: Option<Agent> = effects
        .ask(Effect::Halo {
            connection: connection.clone(),
            ask,
        })
        .await?;
    match agent {
        Some(agent) => {
            let problem = format!("is the address of the agent {:?}", agent.name);
            Err(fields.wrong("email_address", &problem, "an agent is not made a user"))
        }
        None => Ok(()),
    }
}

/// An agent who is a user, too, and the account of a program were there before; neither is the sender.
fn refuse_no_person(fields: &Fields, user: &User) -> Result<(), StepError> {
    let refused = |problem: String, expected| Err(fields.wrong("email_address", &problem, expected));
    if let Some(agent) = user.agent() {
        let problem = format!("is the address of user {}, who is the agent {agent}", user.id);
        return refused(problem, "an agent is not made a user");
    }
    if user.is_service_account() {
        let problem = format!("is the address of user {}, a service account", user.id);
        return refused(problem, "it is not taken for a person");
    }
    Ok(())
}

fn result(user: &User, existed: bool) -> Shared {
    Shared::record([
        ("id", user.id.into()),
        ("name", user.name.as_str().into()),
        ("emailaddress", user.emailaddress.as_str().into()),
        ("client_id", user.client_id.into()),
        ("site_id", user.site_id.into()),
        ("existed", existed.into()),
        ("raw", user.raw.clone()),
    ])
}

/// What the step stores.
pub fn result_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("name", Shape::Text),
        ("emailaddress", Shape::Text),
        ("client_id", Shape::nullable(Shape::Number)),
        ("site_id", Shape::nullable(Shape::Number)),
        ("existed", Shape::Truth),
        ("raw", Shape::Any),
    ])
}
