//! `create_halo_client`: the client with this name, found or created.

use serde_json::{Value, json};

use super::{Fields, StepError};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects, Ensured},
    expression::shape::Shape,
    halo::{Client, NewClient, Site},
};

/// Finds or creates the client.
pub async fn perform(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let client = NewClient {
        name: fields.required("client_name")?,
        website: fields.text("website"),
        trading_name: fields.text("trading_name"),
        notes: fields.text("notes"),
        site_name: fields.required("site_name")?,
    };
    let ensured: Ensured<Client> = effects
        .ask(Effect::Halo {
            connection: connection.clone(),
            ask: Ask::EnsureClient { client },
        })
        .await?;
    let client = ensured.record;
    let site_id = match client.main_site_id {
        Some(site) => Some(site),
        None => {
            let ask = Ask::MainSite { client: client.id };
            let site: Option<Site> = effects
                .ask(Effect::Halo {
                    connection: connection.clone(),
                    ask,
                })
                .await?;
            site.map(|site| site.id)
        }
    };
    Ok(json!({
        "id": client.id, "name": client.name, "site_id": site_id, "existed": ensured.existed, "raw": client.raw,
    }))
}

/// What the step stores.
pub fn result_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("name", Shape::Text),
        ("site_id", Shape::nullable(Shape::Number)),
        ("existed", Shape::Truth),
        ("raw", Shape::Any),
    ])
}
