//! `query_halo_users`, `query_halo_clients`, `query_halo_sites`: one page of a listing.

use serde_json::{Value, json};

use super::{
    Fields, LARGEST_PAGE, StepError,
    fields::{client_value, site_value, user_value},
    resolve,
};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects},
    expression::shape::Shape,
    halo::{Client, ListQuery, Page, Site, User},
};

/// `query_halo_users`
pub async fn users(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let client = resolve::client(fields, "client", connection, effects).await?;
    let site = resolve::site(fields, "site", client.as_ref(), connection, effects).await?;
    let mut query = query(fields)?;
    query.client = client.map(|client| client.id);
    query.site = site.map(|site| site.id);
    let page: Page<User> = effects
        .ask(Effect::Halo {
            connection: connection.clone(),
            ask: Ask::QueryUsers { query },
        })
        .await?;
    Ok(json!({ "record_count": page.record_count, "users": page.rows.iter().map(user_value).collect::<Vec<_>>() }))
}

/// `query_halo_clients`
pub async fn clients(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let query = query(fields)?;
    let page: Page<Client> = effects
        .ask(Effect::Halo {
            connection: connection.clone(),
            ask: Ask::QueryClients { query },
        })
        .await?;
    Ok(json!({ "record_count": page.record_count, "clients": page.rows.iter().map(client_value).collect::<Vec<_>>() }))
}

/// `query_halo_sites`
pub async fn sites(
    fields: &Fields,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let client = resolve::client(fields, "client", connection, effects).await?;
    let mut query = query(fields)?;
    query.client = client.map(|client| client.id);
    let page: Page<Site> = effects
        .ask(Effect::Halo {
            connection: connection.clone(),
            ask: Ask::QuerySites { query },
        })
        .await?;
    Ok(json!({ "record_count": page.record_count, "sites": page.rows.iter().map(site_value).collect::<Vec<_>>() }))
}

fn query(fields: &Fields) -> Result<ListQuery, StepError> {
    Ok(ListQuery {
        search: fields.text("search"),
        client: None,
        site: None,
        domain: fields.text("domain"),
        include_active: fields.truth("include_active")?,
        include_inactive: fields.truth("include_inactive")?,
        page_size: fields.count("page_size", LARGEST_PAGE)?,
        page_no: fields.count("page_no", u32::MAX)?,
        order_by: fields.text("order_by"),
        order_descending: fields.truth("order_descending")?,
    })
}

/// What such a step stores: the count, and the rows under `rows`.
pub fn result_shape(rows: &str, row: Shape) -> Shape {
    Shape::record([
        ("record_count".to_owned(), Shape::Number),
        (rows.to_owned(), Shape::list(row)),
    ])
}
