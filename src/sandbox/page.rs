//! The page for people: what the tenant holds, what differs from the default, what was asked last. All that records
//! hold is shown as text, and the policy lets nothing run whatever slips through.

use std::fmt::Display;

use super::{
    actions,
    log::LoggedRequest,
    markup::escaped,
    record::{Record, flag, number, text},
    reply::Reply,
    state::{Store, Table, World},
};
use axum::http::header;

/// The policy of the page: its own style, an empty icon, for which no browser asks then, and nothing from anywhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// So many records of a kind are shown; the rest is counted.
const MOST: usize = 100;
/// So many requests.
const MOST_REQUESTS: usize = 40;
/// So much of a text.
const LONGEST: usize = 2_000;

/// `GET /`
pub(super) fn page(world: &World) -> Reply {
    let store = world.store();
    let body = [
        head(world, &store),
        switches(world),
        requests(world),
        tickets(&store),
        clients(&store),
    ]
    .concat();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sandbox</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/sandbox/page.css\">\n</head>\n<body>\n{body}</body>\n</html>\n"
    );
    guarded(Reply::new(200, "text/html; charset=utf-8", html))
}

/// `GET /sandbox/page.css`
pub(super) fn style() -> Reply {
    guarded(Reply::new(
        200,
        "text/css; charset=utf-8",
        include_str!("page/page.css"),
    ))
}

fn guarded(reply: Reply) -> Reply {
    reply
        .with(header::CONTENT_SECURITY_POLICY, POLICY)
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .with(header::REFERRER_POLICY, "no-referrer")
        .with(header::CACHE_CONTROL, "no-store")
}

/// An element around text that is shown as it is, whatever it holds.
fn element(tag: &str, class: &str, content: impl Display) -> String {
    around(tag, class, &escaped(&shortened(&content.to_string())))
}

/// An element around HTML.
fn around(tag: &str, class: &str, html: &str) -> String {
    match class {
        "" => format!("<{tag}>{html}</{tag}>"),
        class => format!("<{tag} class=\"{class}\">{html}</{tag}>"),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

fn section(title: &str, html: &str) -> String {
    format!("<section>\n{}\n{html}\n</section>\n", element("h2", "", title))
}

/// The first records of a table by `shown`, and how many there are besides.
fn first<'a>(records: impl Iterator<Item = &'a Record>, shown: impl Fn(&Record) -> String) -> String {
    let (mut html, mut others) = (String::new(), 0);
    for (place, record) in records.enumerate() {
        if place < MOST {
            html.push_str(&shown(record));
        } else {
            others += 1;
        }
    }
    if others > 0 {
        html.push_str(&element("p", "faint", format!("… and {others} more")));
    }
    html
}

fn head(world: &World, store: &Store) -> String {
    let links = [
        "switches",
        "requests",
        "clients",
        "sites",
        "users",
        "tickets",
        "actions",
        "attachments",
    ];
    let links = links.map(|name| format!("<a href=\"/sandbox/{name}\">{name}</a>"));
    let counted = |table: &Table, one: &str| match table.len() {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    };
    let counts = [
        counted(&store.clients, "client"),
        counted(&store.sites, "site"),
        counted(&store.users, "user"),
        counted(&store.tickets, "ticket"),
    ];
    format!(
        "<header>\n{}\n{}\n<nav>as JSON: {}</nav>\n</header>\n",
        element("h1", "", "Sandbox"),
        element(
            "p",
            "faint",
            format!("An emulated Halo at {} with {}.", world.base, counts.join(", "))
        ),
        links.join(" ")
    )
}

fn switches(world: &World) -> String {
    let differing = world.switches().differing();
    let rows = differing.iter().map(|(name, value)| {
        let both = element("code", "", name) + &element("code", "", value);
        around("div", "row", &both)
    });
    let rows: String = rows.collect();
    let html = if rows.is_empty() {
        element("p", "faint", "Every switch is at its default.")
    } else {
        around("div", "card", &rows)
    };
    section("Switches that differ from the default", &html)
}

fn requests(world: &World) -> String {
    let rows: String = world.log().last(MOST_REQUESTS).map(request).collect();
    let html = if rows.is_empty() {
        element("p", "faint", "Nothing was asked so far.")
    } else {
        around("div", "card", &rows)
    };
    section("The last requests", &html)
}

fn request(request: &LoggedRequest) -> String {
    let query: Vec<String> = request
        .query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let asked = format!("{} {}", request.method, request.path);
    let asked = if query.is_empty() {
        asked
    } else {
        format!("{asked}?{}", query.join("&"))
    };
    let (class, status) = match request.status {
        0 => ("chip bad", "no answer".to_owned()),
        status @ 200..400 => ("chip good", status.to_string()),
        status => ("chip bad", status.to_string()),
    };
    let at = request.at.strftime("%H:%M:%S").to_string();
    let parts = [
        element("span", class, status),
        element("code", "", asked),
        element("span", "faint", at),
    ];
    around("div", "row", &parts.concat())
}

fn tickets(store: &Store) -> String {
    let html = first(store.tickets.values().rev(), |of| ticket(store, of));
    section("Tickets, newest first", &html)
}

fn ticket(store: &Store, ticket: &Record) -> String {
    let id = number(ticket, "id");
    let (class, state) = match (flag(ticket, "inactive"), flag(ticket, "hasbeenclosed")) {
        (true, _) => ("chip bad", "deleted".to_owned()),
        (_, true) => ("chip", "closed".to_owned()),
        _ => ("chip good", format!("status {}", number(ticket, "status_id"))),
    };
    let whose = ["client_name", "site_name", "user_name"].map(|field| text(ticket, field));
    let title = [
        element("code", "", id),
        element("strong", "", text(ticket, "summary")),
        element("span", class, state),
    ];
    let mut html = around("summary", "", &title.join(" "));
    html += &element("p", "faint", whose.join(" / "));
    for action in actions::all(store, id) {
        let word = |field: &str| action[field].as_str().unwrap_or_default().to_owned();
        let who = format!(
            "{} {}: {}, {}",
            action["id"],
            word("who"),
            word("outcome"),
            word("datetime")
        );
        html += &element("p", "faint", who);
        html += &element("div", "text", word("note"));
    }
    around("details", "", &html)
}

fn clients(store: &Store) -> String {
    let html = first(store.clients.values(), |client| {
        let id = number(client, "id");
        let sites = store.sites.values().filter(|site| number(site, "client_id") == id);
        let html = title(client) + &first(sites, |of| site(store, of));
        around("details", "", &html)
    });
    section("Clients, their sites and users", &html)
}

fn site(store: &Store, site: &Record) -> String {
    let id = number(site, "id");
    let users = store.users.values().filter(|user| number(user, "site_id") == id);
    let domains = match text(site, "emaildomain") {
        "" => String::new(),
        domains => element("p", "faint", format!("mail of {domains}")),
    };
    let rows = first(users, |user| {
        let shown = [
            element("code", "", number(user, "id")),
            element("span", "", text(user, "name")),
            element("span", "faint", text(user, "emailaddress")),
            inactive(user),
        ];
        around("div", "row", &shown.concat())
    });
    around("details", "", &(title(site) + &domains + &rows))
}

fn title(record: &Record) -> String {
    let parts = [
        element("code", "", number(record, "id")),
        element("strong", "", text(record, "name")),
        inactive(record),
    ];
    around("summary", "", &parts.join(" "))
}

fn inactive(record: &Record) -> String {
    if flag(record, "inactive") {
        element("span", "chip bad", "inactive")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sandbox::{record::given, sample, switches::Switches, tickets, users};

    #[test]
    fn hostile_text_is_text() {
        let hostile = "<script>alert(1)</script>\"'&";
        let mut store = sample::full();
        let user = json!({"name": hostile, "emailaddress": hostile, "site_id": 21});
        users::add(&mut store, given(users::FIELDS, &user));
        let ticket = json!({"summary": hostile, "details": hostile, "site_id": 21});
        tickets::add(&mut store, given(tickets::FIELDS, &ticket));
        let switches = Switches {
            mandatory_fields: vec![hostile.to_owned()],
            ..Switches::default()
        };
        let world = World::new(([127, 0, 0, 1], 9746).into(), store, switches);
        let number = world.log().begin(
            LoggedRequest {
                at: jiff::Timestamp::UNIX_EPOCH,
                method: "GET".into(),
                path: hostile.into(),
                query: vec![(hostile.into(), hostile.into())],
                body: Value::Null,
                status: 0,
            },
            0,
        );
        world.log().end(number, 404);
        let html = page(&world).text();
        assert!(!html.contains("<script") && !html.contains("alert(1)</"), "{html}");
        assert!(html.matches("&lt;script&gt;alert(1)").count() >= 7, "{html}");
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let mut store = Store::default();
        for number in 0..MOST + 3 {
            let ticket = json!({"summary": format!("ticket {number}"), "details": "é".repeat(LONGEST + 1)});
            tickets::add(&mut store, given(tickets::FIELDS, &ticket));
        }
        let html = tickets(&store);
        assert!(html.contains("… and 3 more"));
        assert_eq!(html.matches("é …").count(), MOST);
    }
}
