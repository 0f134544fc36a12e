//! Lists as Halo pages them: 50 rows unless `pageinate` says otherwise, never more than 100 a page.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::switches::Switches;

/// Parameters that are bound to a whole number. Those that name several, as `[1,2]`, are texts.
const WHOLE: &[&str] = &[
    "count",
    "page_no",
    "page_size",
    "client_id",
    "site_id",
    "toplevel_id",
    "user_id",
    "agent_id",
    "status_id",
    "requesttype_id",
    "search_id",
    "ticket_id",
    "action_id",
    "unique_id",
    "type",
    "lookupid",
    "slaid",
];
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

    /// Whether a parameter says `true`.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.flag(name) == Some(true)
    }

    /// The first parameter that has to be a whole number and is none, with its value.
    pub(super) fn no_number(&self) -> Option<(&str, &str)> {
        let is_none = |value: &str| !value.is_empty() && value.trim().parse::<i32>().is_err();
        let found = self
            .0
            .iter()
            .find(|(name, value)| is_none(value) && WHOLE.iter().any(|whole| whole.eq_ignore_ascii_case(name)));
        found.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The numbers of `1,2` or `[1,2]`; none where there is no such parameter.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<i64>> {
        let text = self.text(name);
        let parts = text.split(|c: char| !c.is_ascii_digit() && c != '-');
        (!text.is_empty()).then(|| parts.filter_map(|part| part.parse().ok()).collect())
    }

    /// Whether a number is the one that a parameter names, or one of those it names; zero and less name none.
    pub(super) fn is_of(&self, name: &str, number: i64) -> bool {
        let named = self.numbers(name).unwrap_or_default();
        let mut named = named.iter().filter(|&&id| id > 0).peekable();
        named.peek().is_none() || named.any(|&id| id == number)
    }

    /// Whether a text contains what a parameter names, ignoring case.
    pub(super) fn is_in(&self, name: &str, text: &str) -> bool {
        let wanted = self.text(name).trim().to_lowercase();
        text.to_lowercase().contains(&wanted)
    }

    /// Whether a record of that state is wanted: active ones unless said otherwise. `activeinactive` lists the
    /// states: `true` for active ones, `false` for the others.
    pub(super) fn wants(&self, inactive: bool) -> bool {
        let states = self.text("activeinactive").to_ascii_lowercase();
        if !states.is_empty() {
            let wanted = if inactive { "false" } else { "true" };
            return states.split(',').any(|state| state.trim() == wanted);
        }
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

/// The envelope with the rows that were asked for, of records that come by their ids. No more are made than it shows, and is
/// needed to sort them: a tenant has thousands, and a page a hundred.
pub(super) fn envelope<T>(
    mut records: Vec<T>,
    row: impl Fn(&T) -> Value,
    key: &str,
    query: &Query,
    switches: &Switches,
) -> Value {
    sort(&mut records, &row, query);
    let shown = |records: &[T]| records.iter().map(&row).collect::<Vec<Value>>();
    if ["idonly", "ticketidonly"].iter().any(|name| query.is_on(name)) {
        // All of them: ids do not page.
        let ids: Vec<Value> = shown(&records).iter().map(|row| json!({ "id": row["id"] })).collect();
        return json!({ "record_count": ids.len(), key: ids });
    }
    if !query.is_on("pageinate") {
        records.truncate(query.count("count").unwrap_or(DEFAULT_ROWS));
        return json!({ "record_count": records.len(), key: shown(&records) });
    }
    let size = query.count("page_size").unwrap_or(DEFAULT_ROWS).min(switches.page_cap);
    let page_no = query.count("page_no").unwrap_or(1);
    let skipped = if switches.repeat_page {
        0
    } else {
        (page_no - 1).saturating_mul(size)
    };
    let total = records.len();
    let page = &records[skipped.min(total)..skipped.saturating_add(size).min(total)];
    let counted = if switches.record_count_is_total {
        total
    } else {
        page.len()
    };
    json!({ "page_no": page_no, "page_size": size, "record_count": counted, key: shown(page) })
}

/// By `order` and, where those are equal, by `order2` to `order5`.
fn sort<T>(records: &mut Vec<T>, row: impl Fn(&T) -> Value, query: &Query) {
    let keys: Vec<(String, bool)> = ["", "2", "3", "4", "5"]
        .iter()
        .map(|place| {
            let name = query.text(&format!("order{place}")).to_ascii_lowercase();
            (name, query.is_on(&format!("orderdesc{place}")))
        })
        .collect();
    let is_reversed = keys[0].0.is_empty() && keys[0].1;
    if is_reversed {
        records.reverse();
    }
    let named = || keys.iter().filter(|(name, _)| !name.is_empty());
    let Some((name, is_falling)) = named().next() else {
        return;
    };
    // They are so already, and no two have the same.
    if name == "id" {
        if *is_falling != is_reversed {
            records.reverse();
        }
        return;
    }
    let mut rows: Vec<(Value, T)> = records.drain(..).map(|record| (row(&record), record)).collect();
    rows.sort_by(|(a, _), (b, _)| {
        let orders = named().map(|(name, is_falling)| {
            let order = compared(&a[name], &b[name]);
            if *is_falling { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    });
    records.extend(rows.into_iter().map(|(_, record)| record));
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
        let row = |id: &usize| json!({"id": id, "name": format!("n{}", total - id)});
        let records = (1..=total).collect();
        let envelope = envelope(records, row, "users", &query(parameters), &Switches::default());
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
        check(9, "order=nothing&order2=id&orderdesc2=true", (&[9, 1, 9], 9));
        check(
            250,
            "order=id&order2=name&pageinate=true&page_no=2",
            (&[51, 100, 50], 250),
        );
        check(9, "order=ID&orderdesc=true", (&[9, 1, 9], 9));
        check(9, "orderdesc=true&order2=id", (&[1, 9, 9], 9));
        check(250, "idonly=true&pageinate=true", (&[1, 250, 250], 250));
    }

    #[test]
    fn a_search_is_a_substring_ignoring_case() {
        assert!(query("search=JANE%40acme").is_found_in(&["x", "mary.jane@acme.example"]));
        assert!(!query("search=jane%2B").is_found_in(&["jane@acme.example"]));
        assert!(query("search=").is_found_in(&[]));
        assert!(query("").wants(false) && !query("").wants(true) && query("includeinactive=true").wants(true));
        assert!(!query("includeactive=false").wants(false));
        assert!(query("activeinactive=true,false").wants(true) && query("activeinactive=true,false").wants(false));
        assert!(query("activeinactive=false").wants(true) && !query("activeinactive=false").wants(false));
    }

    #[test]
    fn a_parameter_that_has_to_be_a_number_is_one() {
        for (text, expected) in [
            ("client_id=abc", Some(("client_id", "abc"))),
            ("search=abc&Page_No=1.0", Some(("Page_No", "1.0"))),
            ("count=3000000000", Some(("count", "3000000000"))),
            (
                "client_id=&count=-1&site_id=%2B7&search=abc&ticketids=[1,2]&status=x",
                None,
            ),
        ] {
            assert_eq!(query(text).no_number(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_in_brackets_or_without() {
        for text in ["ticketids=1,2", "ticketids=[1,2]", "ticketids=%5B1%2C+2%5D"] {
            assert_eq!(query(text).numbers("ticketids"), Some(vec![1, 2]), "{text}");
        }
        assert_eq!(query("").numbers("ticketids"), None);
        assert!(query("client_id=0").is_of("client_id", 7) && query("").is_of("client_id", 7));
        assert!(query("status=[1,7]").is_of("status", 7) && !query("status=[1,8]").is_of("status", 7));
    }
}
