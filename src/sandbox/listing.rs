//! Lists as Halo pages them: 50 rows unless `pageinate` says otherwise, never more than 100 a page.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::switches::Switches;

/// Rows without paging.
const DEFAULT_ROWS: usize = 50;

/// The parameters of a request; names match ignoring case, and of several the first counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(pub Vec<(String, String)>);

impl Query {
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name).trim().parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).trim().to_ascii_lowercase().parse().ok()
    }

    /// Whether a record of that state is wanted: active ones unless said otherwise.
    pub(super) fn wants(&self, inactive: bool) -> bool {
        if inactive {
            self.flag("includeinactive").unwrap_or(false)
        } else {
            self.flag("includeactive").unwrap_or(true)
        }
    }

    /// Whether one of the texts contains what is searched for, ignoring case.
    pub(super) fn is_found_in(&self, texts: &[&str]) -> bool {
        let wanted = self.text("search").trim().to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    fn count(&self, name: &str) -> Option<usize> {
        self.number(name)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|&number| number > 0)
    }
}

/// The envelope with the rows that were asked for.
pub(super) fn envelope(mut rows: Vec<Value>, key: &str, query: &Query, switches: &Switches) -> Value {
    sort(&mut rows, query);
    if query.flag("pageinate") != Some(true) {
        rows.truncate(query.count("count").unwrap_or(DEFAULT_ROWS));
        return json!({ "record_count": rows.len(), key: rows });
    }
    let size = query.count("page_size").unwrap_or(DEFAULT_ROWS).min(switches.page_cap);
    let page_no = query.count("page_no").unwrap_or(1);
    let skipped = if switches.repeat_page {
        0
    } else {
        (page_no - 1).saturating_mul(size)
    };
    let total = rows.len();
    let rows: Vec<Value> = rows.into_iter().skip(skipped).take(size).collect();
    let counted = if switches.record_count_is_total {
        total
    } else {
        rows.len()
    };
    json!({ "page_no": page_no, "page_size": size, "record_count": counted, key: rows })
}

fn sort(rows: &mut [Value], query: &Query) {
    let order = query.text("order").to_ascii_lowercase();
    if !order.is_empty() {
        rows.sort_by(|a, b| compared(&a[&order], &b[&order]));
    }
    if query.flag("orderdesc") == Some(true) {
        rows.reverse();
    }
}

fn compared(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a
            .as_str()
            .map(str::to_lowercase)
            .cmp(&b.as_str().map(str::to_lowercase)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn check(total: usize, parameters: &str, expected: (&[usize], usize)) {
        let rows = (1..=total)
            .map(|id| json!({"id": id, "name": format!("n{}", total - id)}))
            .collect();
        let envelope = envelope(rows, "users", &query(parameters), &Switches::default());
        let ids: Vec<usize> = envelope["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_u64().unwrap() as usize)
            .collect();
        let ends = [ids.first(), ids.last()].map(|id| id.copied().unwrap_or(0));
        assert_eq!(
            (
                &[ends[0], ends[1], ids.len()][..],
                envelope["record_count"].as_u64().unwrap() as usize
            ),
            expected,
            "{parameters}"
        );
    }

    #[test]
    fn paging_needs_its_spelling_and_has_a_cap() {
        check(250, "", (&[1, 50, 50], 50));
        check(250, "page_size=100&page_no=2", (&[1, 50, 50], 50));
        check(250, "pageinate=true&page_size=1000", (&[1, 100, 100], 250));
        check(250, "Pageinate=True&page_size=100&page_no=3", (&[201, 250, 50], 250));
        check(250, "pageinate=true&page_no=9", (&[0, 0, 0], 250));
        check(250, "count=3", (&[1, 3, 3], 3));
        check(9, "orderdesc=true", (&[9, 1, 9], 9));
        check(9, "order=name", (&[9, 1, 9], 9));
    }

    #[test]
    fn a_search_is_a_substring_ignoring_case() {
        assert!(query("search=JANE%40acme").is_found_in(&["x", "mary.jane@acme.example"]));
        assert!(!query("search=jane%2B").is_found_in(&["jane@acme.example"]));
        assert!(query("search=").is_found_in(&[]));
        assert!(query("").wants(false) && !query("").wants(true) && query("includeinactive=true").wants(true));
        assert!(!query("includeactive=false").wants(false));
    }
}
