//! What a query or a form says: a few named texts.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use url::form_urlencoded;

use super::refusal::Refusal;

/// A longer form is none of ours.
const LONGEST: usize = 16 << 10;
/// A longer value is cut.
const LONGEST_VALUE: usize = 1_000;

/// Names with their values; of a name the first counts.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Of an address.
    pub fn of(text: Option<&str>) -> Query {
        Query::read(text.unwrap_or_default().as_bytes())
    }

    /// Of a form that a browser sends.
    pub async fn of_form(headers: &HeaderMap, body: Body) -> Result<Query, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form = kind.is_none_or(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let body = to_bytes(body, LONGEST).await.map_err(|_| Refusal::too_long())?;
        Ok(if is_form { Query::read(&body) } else { Query::default() })
    }

    fn read(octets: &[u8]) -> Query {
        let pairs = form_urlencoded::parse(octets).take(50);
        Query(
            pairs
                .map(|(name, value)| {
                    let value = &value[..value.floor_char_boundary(LONGEST_VALUE)];
                    (name.into_owned(), value.to_owned())
                })
                .collect(),
        )
    }

    /// The value without space around it; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        let value = self.0.iter().find(|(known, _)| known == name);
        value.map_or("", |(_, value)| value.trim())
    }
}

/// A path of our own with these values, empty ones left out.
pub fn path(path: &str, values: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(values.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whatever_it_says_and_written_again() {
        let query = Query::of(Some("from=+ann%40acme.example+&grep=%3Cscript%3E&grep=2&%FF=%FF&x"));
        assert_eq!(query.text("from"), "ann@acme.example");
        assert_eq!(query.text("grep"), "<script>");
        assert_eq!((query.text("x"), query.text("y")), ("", ""));
        let written = path("/log", &[("from", "a&b"), ("grep", ""), ("before", "17")]);
        assert_eq!(written, "/log?from=a%26b&before=17");
        assert_eq!(path("/log", &[("grep", "")]), "/log");
    }

    #[test]
    fn a_long_value_is_cut() {
        let query = Query::of(Some(&format!("grep={}", "%C3%BC".repeat(2_000))));
        assert_eq!(query.text("grep").len(), LONGEST_VALUE);
    }
}
