//! `/metrics`: what the meters have counted, and what is read for the scrape, from one look at the journal.

use std::fmt;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, prometheus_text, text},
    registry::Registry,
};

use super::Site;
use crate::{metrics, task};

mod process;
mod read;

use read::Read;

/// With exemplars.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is served here.
pub(super) fn routes() -> Router<Site> {
    Router::new().route("/metrics", get(serve))
}

async fn serve(State(site): State<Site>, headers: HeaderMap) -> Response {
    let is_open = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.as_bytes().windows(11).any(|part| part == b"openmetrics"));
    let looked = site.look(|journal| async move { Ok((journal.survey().await?, journal.nodes().await?)) });
    let (survey, nodes) = looked.await.ok().unzip();
    let world = site.0.world.clone();
    // Thousands of mailboxes are a megabyte of text: no other task shall wait for it.
    let written = task::blocking(move || {
        let process = process::process();
        let read = Read {
            world,
            survey,
            nodes,
            process,
        };
        text_of(read, is_open)
    })
    .await;
    match written {
        Ok(Ok(text)) => {
            let format = if is_open {
                OPEN_METRICS
            } else {
                prometheus_text::CONTENT_TYPE
            };
            ([(header::CONTENT_TYPE, format)], text).into_response()
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn text_of(read: Read, is_open: bool) -> Result<String, fmt::Error> {
    let (mut registry, mut text) = (Registry::default(), String::new());
    registry.register_collector(Box::new(read));
    if is_open {
        text::encode(&mut text, &registry)?;
    } else {
        prometheus_text::encode(&mut text, &registry)?;
    }
    Ok(text)
}

impl Collector for Read {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let meters = self.world.meters();
        metrics::encode(&mut encoder, meters, |metric, samples| self.write(metric, samples))
    }
}
