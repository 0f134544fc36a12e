//! The page for people.

use halo_intake::sandbox::Sandbox;
use serde_json::json;

use crate::world::{http, loopback};

async fn shown(sandbox: &Sandbox, path: &str) -> (u16, String, String) {
    let answer = http().get(sandbox.url().join(path).unwrap()).send().await.unwrap();
    let policy = answer.headers().get("content-security-policy").cloned();
    let policy = policy.map_or_else(String::new, |policy| policy.to_str().unwrap().to_owned());
    (answer.status().as_u16(), policy, answer.text().await.unwrap())
}

#[tokio::test]
async fn the_page_shows_records_requests_and_what_differs() {
    let sandbox = Sandbox::start(loopback()).await.unwrap();
    sandbox.set(|switches| switches.page_cap = 7);
    let ticket = sandbox.add_ticket(json!({"summary": "It is stuck", "user_id": 101}));
    sandbox.add_action(json!({"ticket_id": ticket, "outcome": "Note", "note": "Looked at it."}));
    shown(&sandbox, "/api/Nonsense?q=1").await;
    for path in ["/", "/sandbox"] {
        let (status, policy, html) = shown(&sandbox, path).await;
        assert_eq!(status, 200);
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
        for part in [
            "Acme Ltd",
            "Warehouse",
            "Jane Doe",
            "jane@acme.example",
            "It is stuck",
            "Looked at it.",
            "page_cap",
            "/api/Nonsense?q=1",
            ">404<",
            "width=device-width",
        ] {
            assert!(html.contains(part), "{part:?} is not on {path}");
        }
        for outside in ["http-equiv", "src=", "url(", "<script", "style=", "https://"] {
            assert!(!html.contains(outside), "{outside:?} is on {path}");
        }
    }
    let (status, _, style) = shown(&sandbox, "/sandbox/page.css").await;
    assert!(status == 200 && !style.contains("url(") && !style.contains("@import"));
    assert_eq!(sandbox.requests().len(), 1, "the page does not log itself");
}

#[tokio::test]
async fn what_a_record_or_a_request_says_never_becomes_a_part_of_the_page() {
    let sandbox = Sandbox::start(loopback()).await.unwrap();
    let hostile = "</div><script>alert(1)</script><img src=x onerror=alert(1)>\"'";
    let client = sandbox.add_client(json!({"name": hostile}));
    let site = sandbox.add_site(json!({"name": hostile, "client_id": client.0, "emaildomain": hostile}));
    let user = sandbox.add_user(json!({"name": hostile, "emailaddress": hostile, "site_id": site.0}));
    let ticket = sandbox.add_ticket(json!({"summary": hostile, "details": hostile, "user_id": user.0}));
    sandbox.add_action(json!({"ticket_id": ticket, "outcome": hostile, "note_html": hostile, "who": hostile}));
    let query = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect::<String>();
    shown(&sandbox, &format!("/api/Users?search={query}")).await;
    let (_, _, html) = shown(&sandbox, "/").await;
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.matches("&lt;script&gt;").count() >= 10, "{html}");
}

#[tokio::test]
async fn what_was_attached_does_not_run_where_it_is_shown() {
    let sandbox = Sandbox::start(loopback()).await.unwrap();
    sandbox.set(|switches| switches.attachment_links = true);
    let html = json!({"ticket_id": 2001, "filename": "a\"b\r\n.html", "data_base64": "data:text/html;base64,PHA+"});
    let id = sandbox.add_attachment(html);
    assert_eq!(sandbox.attachment_octets(id).as_deref(), Some(&b"<p>"[..]));
    let guid = sandbox.attachments()[0]["guid"].as_str().unwrap().to_owned();
    let url = sandbox.url().join(&format!("download/{guid}")).unwrap();
    let answer = http().get(url).send().await.unwrap();
    let field = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(field("content-security-policy"), "sandbox; default-src 'none'");
    assert_eq!(field("x-content-type-options"), "nosniff");
    assert_eq!(
        field("content-disposition"),
        "attachment; filename*=UTF-8''a%22b%0D%0A.html"
    );
}
