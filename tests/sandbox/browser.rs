//! The page as a real browser sees it: what it complains of, and what is there for people to read.

use std::process::Command;

use halo_intake::sandbox::Sandbox;
use serde_json::json;

use crate::world::{fetch_of, loopback};

const BROWSER: &str = "chromium-headless-shell";

/// Lets the browser read a page, in a folder of its own: the document as it made it, and what it wrote on its console.
async fn seen(url: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", folder.path().display());
    let mut browser = Command::new(BROWSER);
    browser.args([
        "--no-sandbox",
        "--disable-gpu",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--enable-logging=stderr",
        "--timeout=20000",
        "--dump-dom",
        &profile,
        url,
    ]);
    let ran = tokio::task::spawn_blocking(move || browser.output()).await.unwrap();
    let ran = ran.unwrap_or_else(|error| panic!("{BROWSER}: {error}; it is missing: tests/run install"));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    (String::from_utf8(ran.stdout).unwrap(), console.collect())
}

#[tokio::test]
async fn the_browser_would_tell_of_something_that_is_wrong() {
    let page = "data:text/html,<script>console.error('ouch')</script><p>read";
    let (document, console) = seen(page).await;
    assert!(document.contains("<p>read"), "{document}");
    assert!(console.iter().any(|line| line.contains("ouch")), "{console:?}");
}

#[tokio::test]
async fn a_browser_shows_the_rows_and_hostile_text_as_text() {
    let sandbox = Sandbox::start(loopback()).await.unwrap();
    let hostile = "</div></details><script>console.error('ran')</script><img src=x onerror=console.error('ran')>\"'";
    sandbox.set(|switches| switches.mandatory_fields = vec![hostile.into()]);
    let client = sandbox.add_client(json!({"name": hostile}));
    let site = sandbox.add_site(json!({"name": hostile, "client_id": client.0, "emaildomain": hostile}));
    let user = sandbox.add_user(json!({"name": hostile, "emailaddress": hostile, "site_id": site.0}));
    let ticket = sandbox.add_ticket(json!({"summary": hostile, "details": hostile, "user_id": user.0}));
    sandbox.add_action(json!({"ticket_id": ticket, "outcome": hostile, "note": hostile, "who": hostile}));
    let file = json!({"ticket_id": ticket, "filename": hostile, "data_base64": "data:text/plain;base64,aGk="});
    sandbox.add_attachment(file);
    let query: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
    fetch_of(&sandbox, &format!("api/Users?search={query}")).await;

    let (document, console) = seen(sandbox.url().as_str()).await;
    assert_eq!(console, [""; 0]);
    for element in ["<script", "<img", "<iframe"] {
        assert!(!document.contains(element), "{element} is in {document}");
    }
    // Of each kind as many as there are: the browser closed nothing that was not closed.
    for (element, count) in [
        ("<section>", 4),
        (
            "<strong>",
            sandbox.clients().len() + sandbox.sites().len() + sandbox.tickets().len(),
        ),
        ("class=\"text\"", 4),
        ("href=\"/download/", 1),
    ] {
        assert_eq!(document.matches(element).count(), count, "{element} in {document}");
    }
    assert!(
        document.matches("&lt;script&gt;console.error('ran')").count() >= 12,
        "{document}"
    );
    assert!(document.trim_end().ends_with("</body></html>"), "{document}");
}
