//! What Halo's error bodies say, as one sentence: ten shapes, one reader.

use serde_json::{Map, Value};

use crate::foreign::{cut, status_line};

/// Longer explanations are cut here; a person reads them in a table or a report.
const LONGEST: usize = 500;

/// More of a page than this is not looked at: what a gateway has to say stands at its top.
const LOOKED_AT: usize = 64 * 1024;

/// The reason a person reads, from the body of an answer that is no success.
pub(super) fn sentence(http_status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return format!("{} (empty answer)", status_line(http_status));
    }
    let said = match serde_json::from_str::<Value>(text) {
        Ok(value) => of_json(&value),
        Err(_) => strip_tags(text),
    };
    let said = cut(&said, LONGEST);
    if said.is_empty() {
        format!("{} (no explanation)", status_line(http_status))
    } else {
        said
    }
}

fn of_json(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('<') => strip_tags(text),
        Value::String(text) => text.clone(),
        Value::Object(object) => of_object(object),
        Value::Array(list) if !list.is_empty() => joined(list.iter().map(of_json)),
        Value::Null | Value::Array(_) => String::new(),
        other => other.to_string(),
    }
}

/// The order matters: a .NET exception also has a `Message`, an OAuth error may stand beside an `errors` list.
fn of_object(object: &Map<String, Value>) -> String {
    let text = |key: &str| {
        object
            .get(key)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    if let Some(message) = text("Message").or_else(|| text("message")) {
        return message.to_owned();
    }
    if let Some(message) = text("error_description").or_else(|| text("error")) {
        return message.to_owned();
    }
    if let Some(nested) = object.get("error").filter(|nested| nested.is_object()) {
        return of_json(nested);
    }
    if let Some(message) = text("errorMessage") {
        let code = object.get("resultCode").filter(|code| !code.is_null());
        return code.map_or_else(
            || message.to_owned(),
            |code| format!("{message} (code {})", plain(code)),
        );
    }
    match object.get("errors") {
        Some(Value::Object(fields)) if !fields.is_empty() => return by_field(fields),
        Some(Value::Array(list)) if !list.is_empty() => return joined(list.iter().map(of_json)),
        _ => {}
    }
    let is_model_binding = !object.is_empty() && object.values().all(Value::is_array);
    if is_model_binding {
        by_field(object)
    } else {
        Value::Object(object.clone()).to_string()
    }
}

fn by_field(fields: &Map<String, Value>) -> String {
    joined(fields.iter().map(|(field, texts)| match field.as_str() {
        "" | "$" => of_json(texts),
        field => format!("{field}: {}", of_json(texts)),
    }))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The text of a gateway's page: no tags, no scripts, no styles.
fn strip_tags(page: &str) -> String {
    let mut rest = &page[..page.floor_char_boundary(LOOKED_AT)];
    let mut text = String::new();
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        rest = &rest[start..];
        let end = if rest.starts_with("<!--") {
            rest.find("-->").map(|at| at + 3)
        } else if opens(rest, "script") {
            after_close(rest, "</script")
        } else if opens(rest, "style") {
            after_close(rest, "</style")
        } else {
            rest.find('>').map(|at| at + 1)
        };
        rest = end.map_or("", |end| &rest[end..]);
    }
    text.push_str(rest);
    text.replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn opens(rest: &str, tag: &str) -> bool {
    rest.get(1..=tag.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(tag))
}

fn after_close(rest: &str, close: &str) -> Option<usize> {
    let at = rest.to_ascii_lowercase().find(close)?;
    Some(at + rest[at..].find('>')? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(http_status: u16, body: &str, expected: &str) {
        assert_eq!(sentence(http_status, body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn an_empty_body_gives_the_status_line() {
        check(404, "", "404 Not Found (empty answer)");
        check(500, " \r\n", "500 Internal Server Error (empty answer)");
        check(599, "", "599 (empty answer)");
    }

    #[test]
    fn a_page_of_a_gateway_gives_its_text_alone() {
        check(
            502,
            "<html><head><title>502 Bad Gateway</title><style>a{b:c}</style><script>x('<p>')</script></head>\
             <body><!-- <b>no</b> --><h1>Bad&nbsp;Gateway</h1>\n<hr>proxy</body></html>",
            "502 Bad Gateway Bad Gateway proxy",
        );
        check(503, "Service is\n\nunavailable", "Service is unavailable");
        check(502, "<html><body></body></html>", "502 Bad Gateway (no explanation)");
        check(502, "before <unfinished", "before");
    }

    #[test]
    fn each_shape_of_json_gives_its_own_sentence() {
        for (body, expected) in [
            (r#""Rate limit reached""#, "Rate limit reached"),
            (
                r#"{"ClassName":"System.Exception","Message":"Please select a site","Data":null}"#,
                "Please select a site",
            ),
            (r#"{"Message":"No access"}"#, "No access"),
            (r#"{"message":"no access"}"#, "no access"),
            (r#"{"error":"invalid_client"}"#, "invalid_client"),
            (
                r#"{"error":"invalid_client","error_description":"Unknown application."}"#,
                "Unknown application.",
            ),
            (r#"{"error":{"message":"nested"}}"#, "nested"),
            (
                r#"{"resultCode":7,"errorMessage":"Nothing done"}"#,
                "Nothing done (code 7)",
            ),
            (r#"{"errorMessage":"Nothing done"}"#, "Nothing done"),
            (r#"{"errors":["one","two"]}"#, "one; two"),
            (
                r#"{"title":"t","errors":{"name":["is needed","is short"]}}"#,
                "name: is needed; is short",
            ),
            (
                r#"{"id":["The value 'x' is not valid."]}"#,
                "id: The value 'x' is not valid.",
            ),
            (r#"{"[0].site_id":["no"],"$":["bad"]}"#, "[0].site_id: no; bad"),
            (r#"{"a":1,"b":[2]}"#, r#"{"a":1,"b":[2]}"#),
            ("{}", "{}"),
            ("17", "17"),
            ("null", "400 Bad Request (no explanation)"),
        ] {
            check(400, body, expected);
        }
    }

    #[test]
    fn a_long_or_broken_text_becomes_one_bounded_line() {
        let said = sentence(400, format!("\"{}\"", "é ".repeat(2000)).as_bytes());
        assert_eq!(said.chars().count(), LONGEST + 1);
        assert!(said.ends_with('…'));
        check(400, "\"a\\u0000b\\r\\nX: y\"", "a b X: y");
        assert_eq!(sentence(500, b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
