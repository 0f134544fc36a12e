//! The journal, newest first, with a search: what `log` lists.

use axum::{
    Extension,
    extract::{RawQuery, State},
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Answer, Site,
    query::{self, Query},
    sheet::{Sheet, Tab},
    words,
};
use crate::{
    config::MailboxName,
    http::access::Caller,
    journal::{EntryId, Row, RowFilter},
    outcome::Outcome,
    when,
};

/// Rows of a page.
const ROWS: usize = 50;
/// The fields of the search, which its links carry on.
const FIELDS: [&str; 6] = ["mailbox", "from", "outcome", "since", "until", "grep"];

/// How much of a row is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// All that `log` shows.
    All,
    /// Without what is the same in each.
    Short,
}

/// `GET /log`
pub async fn page(State(site): State<Site>, Extension(caller): Extension<Caller>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::of(query.as_deref());
    let world = &site.0.world;
    let now = world.clock.now();
    let mailboxes: Vec<String> = {
        let generation = world.generation.load();
        generation.config.mailboxes.keys().map(|name| name.0.clone()).collect()
    };
    let sheet = Sheet::new("Log", Tab::Log, &caller);
    let (filter, faults) = filter(&query, now);
    if !faults.is_empty() {
        return Ok(sheet.around(&html! {
            (search(&query, &mailboxes))
            @for fault in faults { p .bad role="alert" { (words::line(&fault)) } }
            (around(&query, None))
        }));
    }
    let mut rows = site
        .look(move |journal| async move { journal.rows(filter).await })
        .await?;
    // One more was asked for, which says whether there are older ones.
    let older = (rows.len() > ROWS).then(|| rows[ROWS - 1].id);
    rows.truncate(ROWS);
    Ok(sheet.around(&html! {
        (search(&query, &mailboxes))
        @if rows.is_empty() { (nothing(&query)) }
        @else { (listed(&rows, now, Columns::All)) }
        (around(&query, older))
    }))
}

/// What the journal is asked for, and what of it can not be understood.
fn filter(query: &Query, now: Timestamp) -> (RowFilter, Vec<String>) {
    let asked = |name: &str| Some(query.text(name)).filter(|text| !text.is_empty());
    let text = |name: &str| asked(name).map(str::to_owned);
    let (times, mut faults) = match when::between(asked("since"), asked("until"), now) {
        Ok(times) => (times, Vec::new()),
        Err(faults) => (
            (None, None),
            faults.iter().map(|fault| format!("{fault}.")).collect::<Vec<_>>(),
        ),
    };
    if let Some(word) = asked("outcome").filter(|asked| Outcome::words().all(|word| word != *asked)) {
        let words: Vec<&str> = Outcome::words().collect();
        faults.push(format!("outcome {word:?} is none; it is one of {}.", words.join(", ")));
    }
    let before = asked("before").map(|before| before.parse().map(EntryId).map_err(|_| before));
    if let Some(Err(before)) = before {
        faults.push(format!("before {before:?} is no id of a message; Newest begins anew."));
    }
    let filter = RowFilter {
        mailbox: text("mailbox").map(MailboxName),
        from: text("from"),
        outcome: text("outcome"),
        since: times.0,
        until: times.1,
        before: before.and_then(Result::ok),
        after: None,
        grep: text("grep"),
        limit: Some(ROWS + 1),
    };
    (filter, faults)
}

fn search(query: &Query, mailboxes: &[String]) -> Markup {
    html! {
        h1 { "Log" }
        form .search.card method="get" action="/log" role="search" {
            (text(query, "grep", "Text", "subject, rule, reason"))
            (text(query, "from", "From", "part of it"))
            p {
                label for="outcome" { "Outcome" }
                (choice(query, "outcome", Outcome::words()))
            }
            p {
                label for="mailbox" { "Mailbox" }
                (choice(query, "mailbox", mailboxes.iter().map(String::as_str)))
            }
            (text(query, "since", "Since (UTC)", "09:10 or 2h"))
            (text(query, "until", "Until (UTC)", "09:20"))
            p .go { button { "Search" } " " a href="/log" { "Clear" } }
        }
    }
}

fn text(query: &Query, name: &str, label: &str, hint: &str) -> Markup {
    html! {
        p {
            label for=(name) { (label) }
            input id=(name) name=(name) value=(query.text(name)) placeholder=(hint) autocomplete="off" spellcheck="false";
        }
    }
}

/// A value that is none of the list is shown as well: what is asked for is never hidden.
fn choice<'a>(query: &Query, name: &str, words: impl Iterator<Item = &'a str>) -> Markup {
    let asked = query.text(name);
    let words: Vec<&str> = words.collect();
    let other = Some(asked).filter(|asked| !asked.is_empty() && !words.contains(asked));
    html! {
        select id=(name) name=(name) {
            option value="" { "any" }
            @for word in words.iter().copied().chain(other) {
                option value=(word) selected[asked == word] { (words::line(word)) }
            }
        }
    }
}

fn nothing(query: &Query) -> Markup {
    let asks = FIELDS.iter().any(|name| !query.text(name).is_empty());
    html! {
        p {
            @if !query.text("before").is_empty() { "There is nothing older." }
            @else if asks { "No message is like that." }
            @else { "No message has come yet." }
        }
    }
}

/// To the newest and to older ones, with the same search.
fn around(query: &Query, older: Option<EntryId>) -> Markup {
    let mut values: Vec<(&str, &str)> = FIELDS.iter().map(|name| (*name, query.text(name))).collect();
    let newest = query::path("/log", &values);
    let before = older.map(|id| id.to_string());
    values.extend(before.as_deref().map(|before| ("before", before)));
    html! {
        nav .more aria-label="More" {
            @if !query.text("before").is_empty() { a href=(newest) { "Newest" } }
            @if older.is_some() { a rel="next" href=(query::path("/log", &values)) { "Older" } }
        }
    }
}

/// A link a row.
pub fn listed(rows: &[Row], now: Timestamp, columns: Columns) -> Markup {
    html! {
        ol .rows {
            @for row in rows { li { (one(row, now, columns)) } }
        }
    }
}

fn one(row: &Row, now: Timestamp, columns: Columns) -> Markup {
    html! {
        a href={ "/message/" (row.id) } {
            span .when { (words::time(row.time, now)) }
            (words::outcome(&row.outcome, row.attempts))
            bdi .from { (words::line(row.author())) }
            bdi .subject { (words::line(row.title())) }
            span .why {
                span .mailbox { (words::line(&row.mailbox.0)) " · " code { (row.id) } }
                @if columns == Columns::All && !row.rule.is_empty() { " · " (words::line(&row.rule)) }
                @if !row.reason.is_empty() { " · " bdi { (words::line(words::cut(&row.reason, 300).0)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-26T09:24:30Z".parse().unwrap()
    }

    #[test]
    fn a_search_asks_the_journal_for_what_was_written() {
        let query = Query::of(Some(
            "from=jane&outcome=&since=09%3A05&until=2026-11-26T09:20&before=17&grep=%20",
        ));
        let (filter, faults) = filter(&query, now());
        assert_eq!(faults, [""; 0]);
        assert_eq!(
            (filter.from.as_deref(), filter.outcome, filter.grep),
            (Some("jane"), None, None)
        );
        assert_eq!(filter.since.unwrap().to_string(), "2026-11-26T09:05:00Z");
        assert_eq!(filter.until.unwrap().to_string(), "2026-11-26T09:20:00Z");
        assert_eq!((filter.before, filter.limit), (Some(EntryId(17)), Some(ROWS + 1)));
    }

    #[test]
    fn what_is_no_time_is_said() {
        let (_, faults) = filter(&Query::of(Some("since=soon&until=<b>")), now());
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].starts_with("since \"soon\" names no time; it is said as one of 2h"),
            "{faults:?}"
        );
        let (_, faults) = filter(&Query::of(Some("outcome=lost&before=x")), now());
        assert!(
            faults[0].starts_with("outcome \"lost\" is none; it is one of completed, stopped"),
            "{faults:?}"
        );
        assert!(faults[1].starts_with("before \"x\" is no id"), "{faults:?}");
    }

    #[test]
    fn what_is_asked_for_stands_in_its_list_though_nothing_is_called_so() {
        let html = search(&Query::of(Some("mailbox=old&outcome=failed")), &["support".to_owned()]).into_string();
        assert!(html.contains("<option value=\"old\" selected>old</option>"), "{html}");
        assert_eq!(html.matches(" selected").count(), 2, "{html}");
    }

    #[test]
    fn the_way_to_older_ones_carries_the_search_on() {
        let query = Query::of(Some("from=a%26b&before=90"));
        let html = around(&query, Some(EntryId(40))).into_string();
        assert!(html.contains("href=\"/log?from=a%26b&amp;before=40\">Older"), "{html}");
        assert!(html.contains("href=\"/log?from=a%26b\">Newest"), "{html}");
        assert!(!around(&Query::default(), None).into_string().contains("<a"));
    }
}
