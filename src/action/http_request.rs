//! `http_request`: a request to a server that the operator names, sent with the same key at each repeat.

use serde_json::Value;
use url::Url;

use super::{Fields, StepError};
use crate::{
    effect::{Effect, Effects},
    expression::shape::Shape,
    web::{Expect, Held, Reply, Request},
};

/// Sends it. In a dry run nobody knows what a write gives: `is_used` says whether that matters.
pub async fn perform(
    fields: &Fields,
    mark: String,
    is_used: bool,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let effect = Effect::Http {
        request: request(fields, mark)?,
    };
    let what = effect.describe();
    match effects.ask::<Option<Reply>>(effect).await? {
        Some(reply) => Ok(serde_json::to_value(reply).expect("a reply is plain data")),
        None if is_used => Err(StepError::Unknown { what }),
        None => Ok(Value::Null),
    }
}

fn request(fields: &Fields, key: String) -> Result<Request, StepError> {
    let mut headers = headers(fields)?;
    let mut body = fields.text("body");
    if fields.is_written("json") {
        body = json(fields)?;
        if !headers
            .iter()
            .any(|(field, _)| field.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("Content-Type".to_owned(), Held::Text("application/json".to_owned())));
        }
    }
    let expect = Expect::parse(&fields.text("expect"));
    Ok(Request {
        method: fields.required("method")?,
        url: url(fields)?,
        headers,
        body,
        key,
        expect: expect
            .ok_or_else(|| fields.wrong("expect", "is no list of statuses", "it needs \"2xx\" or \"200,204\""))?,
    })
}

/// What the expression gave has to lead to the server that is written.
fn url(fields: &Fields) -> Result<Url, StepError> {
    let written = literal_server(fields.expression("url"));
    let url = Url::parse(&fields.required("url")?).ok();
    let there = url.filter(|url| written.as_ref().is_some_and(|written| is_same_server(url, written)));
    there.ok_or_else(|| {
        fields.wrong(
            "url",
            "does not lead to the server that is written",
            "check its expression",
        )
    })
}

fn is_same_server(one: &Url, other: &Url) -> bool {
    let server = |url: &Url| {
        (
            url.scheme().to_owned(),
            url.host().map(|host| host.to_owned()),
            url.port_or_known_default(),
        )
    };
    server(one) == server(other) && one.username().is_empty() && one.password().is_none()
}

/// The server of a `url` as it is written: nothing in a message may choose it. `None` where it is not whole before the
/// first expression.
pub fn literal_server(written: &str) -> Option<Url> {
    let literal = written.split('{').next().unwrap_or_default().trim_start();
    let is_whole = literal.len() == written.trim_start().len();
    let authority = literal.split_once("://").map(|(_, rest)| rest)?;
    if !is_whole && !authority.contains(['/', '?', '#']) {
        return None;
    }
    Url::parse(literal.trim()).ok()
}

fn headers(fields: &Fields) -> Result<Vec<(String, Held)>, StepError> {
    let value = fields.value("headers");
    let entries = value.as_object().into_iter().flatten();
    let held = entries.map(|(field, value)| Some((field.clone(), serde_json::from_value(value.clone()).ok()?)));
    held.collect::<Option<Vec<_>>>()
        .ok_or_else(|| StepError::failed("headers holds what is neither a text nor a secret"))
}

fn json(fields: &Fields) -> Result<String, StepError> {
    match fields.value("json") {
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            Ok(_) => Ok(text),
            Err(error) => {
                let problem = format!("is no JSON: {error}");
                Err(fields.wrong("json", &problem, "put texts of a message through json_encode"))
            }
        },
        value => Ok(value.to_string()),
    }
}

/// What the step stores.
pub fn result_shape() -> Shape {
    Shape::record([
        ("status", Shape::Number),
        ("headers", Shape::Any),
        ("json", Shape::Any),
        ("text", Shape::Text),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_stands_whole_before_the_first_expression() {
        let server = |written: &str| literal_server(written).and_then(|url| url.host_str().map(str::to_owned));
        for good in [
            "https://hooks.example/{{ email.from.address }}",
            "https://hooks.example?{{ x }}",
            "https://hooks.example:8443/{% if x %}a{% endif %}",
            "https://hooks.example",
        ] {
            assert_eq!(server(good).as_deref(), Some("hooks.example"), "{good}");
        }
        for bad in [
            "https://{{ email.from.domain }}/",
            "https://hooks.example{{ x }}/",
            "https://hooks.example:{{ x }}/",
            "{{ x }}",
            "{# a #}https://hooks.example/",
            "hooks.example/",
            "https:/{{ x }}",
        ] {
            assert_eq!(server(bad), None, "{bad}");
        }
    }
}
