//! The page for people: what the tenant holds, what differs from the default, what was asked last. All that records
//! hold is shown as text, and the policy lets nothing run whatever slips through.

use axum::http::{HeaderName, header};

use super::{
    listing::Query,
    reply::Reply,
    state::{Store, Table, World},
};
use html::{around, element, link};

mod html;
mod records;
mod requests;

/// The policy of the page: its own style, an empty icon, for which no browser asks then, and nothing from anywhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A page that renews itself does so every so many seconds.
const EVERY: &str = "5";

/// `GET /`; with `?renew=on` the browser asks for it again and again.
pub(super) fn page(world: &World, query: &Query) -> Reply {
    let renews = query.text("renew") == "on";
    let store = world.store();
    let body = [
        head(world, &store, renews),
        switches(world),
        requests::section(world),
        records::tickets(&store),
        records::clients(&store),
    ]
    .concat();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sandbox</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/sandbox/page.css\">\n</head>\n<body>\n{body}</body>\n</html>\n"
    );
    let reply = guarded(Reply::new(200, "text/html; charset=utf-8", html));
    if renews {
        reply.with(HeaderName::from_static("refresh"), EVERY)
    } else {
        reply
    }
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

fn section(title: &str, html: &str) -> String {
    format!("<section>\n{}\n{html}\n</section>\n", element("h2", "", title))
}

fn head(world: &World, store: &Store, renews: bool) -> String {
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
    let links = links.map(|name| link(&format!("/sandbox/{name}"), name));
    let renewing = if renews {
        link("/", "stop renewing the page")
    } else {
        link("/?renew=on", &format!("renew the page every {EVERY} s"))
    };
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
    let about = format!(
        "An emulated Halo at {} with {}. All times are UTC.",
        world.base,
        counts.join(", ")
    );
    format!(
        "<header>\n{}\n{}\n<nav>as JSON: {}</nav>\n<nav>{renewing}</nav>\n</header>\n",
        element("h1", "", "Sandbox"),
        element("p", "faint", about),
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

#[cfg(test)]
mod tests;
