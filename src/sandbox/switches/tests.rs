//! The switches, by name and as JSON.

use serde_json::json;

use super::*;
use crate::sandbox::faults::Mishap;

#[test]
fn a_fault_is_used_up_by_the_requests_it_names() {
    let dropped = Fault::once("POST", "/api/users", Mishap::Drop);
    let page = Fault::once("", "/api", Mishap::Html { status: 502 }).times(2);
    let mut switches = Switches {
        faults: vec![dropped, page],
        ..Switches::default()
    };
    let mut next = |method, path| switches.next_fault(method, path).map(|fault| fault.mishap);
    assert_eq!(next("GET", "/auth/token"), None);
    assert_eq!(next("GET", "/API/Users"), Some(Mishap::Html { status: 502 }));
    assert_eq!(next("POST", "/api/Users"), Some(Mishap::Drop));
    assert_eq!(next("POST", "/api/Users"), Some(Mishap::Html { status: 502 }));
    assert_eq!(next("POST", "/api/Users"), None);
    assert_eq!(switches, Switches::default());
}

#[test]
fn switches_are_written_as_json() {
    let text = r#"{"latency_ms":5,"faults":[{"on":{"path":"/api/users"},"mishap":{"kind":"status","status":500}}]}"#;
    let switches: Switches = serde_json::from_str(text).unwrap();
    assert_eq!((switches.latency_ms, switches.create_status), (5, 201));
    let fault = Fault::once(
        "",
        "/api/users",
        Mishap::Status {
            status: 500,
            message: String::new(),
        },
    );
    assert_eq!(switches.faults, [fault]);
    assert!(serde_json::from_str::<Switches>(r#"{"latency":5}"#).is_err());
}

#[test]
fn the_table_names_every_switch() {
    let all = json!(Switches::default());
    let fields: Vec<&String> = all.as_object().unwrap().keys().collect();
    assert_eq!(fields, names().collect::<Vec<_>>());
    assert!(TABLE.iter().all(|(_, doc)| doc.trim().ends_with('.')));
}

#[test]
fn a_switch_is_set_by_its_name_to_json_or_a_word() {
    let mut switches = Switches::default();
    for (name, text) in [
        ("page_cap", "7"),
        ("duplicate_users", "reject"),
        ("rate_body", r#""text""#),
        ("rate", r#"{"count":5,"per_ms":1000}"#),
        ("retry_after_s", "3"),
        ("retry_after_s", "null"),
    ] {
        switches.put_text(name, text).unwrap();
    }
    let differing: Vec<String> = switches
        .differing()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        differing,
        [
            r#"duplicate_users="reject""#,
            r#"rate={"count":5,"per_ms":1000}"#,
            r#"rate_body="text""#,
            "page_cap=7"
        ]
    );
}

#[test]
fn a_name_that_is_not_known_and_a_value_that_can_not_be_say_so_and_change_nothing() {
    let mut switches = Switches::default();
    let mut said = |name: &str, text: &str| switches.put_text(name, text).unwrap_err().to_string();
    let text = said("pagecap", "7");
    assert!(
        text.starts_with(r#"switch "pagecap" is not known; did you mean "page_cap"? the switches are latency_ms, "#),
        "{text}"
    );
    assert!(said("colour", "7").contains(r#""colour" is not known; the switches are"#));
    let text = said("duplicate_users", "perhaps");
    assert!(
        text.starts_with(r#"switch "duplicate_users" can not be "perhaps": unknown variant"#)
            && text.ends_with(r#"`"allow"`, `"reject"` or `"warn"`."#),
        "{text}"
    );
    for (name, value) in [
        ("page_cap", "0"),
        ("page_cap", "many"),
        ("create_status", "404"),
        ("invalid_client_status", "500"),
        ("missing_scope_status", "404"),
        ("too_large_status", "500"),
        ("actions_without_ticket", "404"),
        ("rate", r#"{"count":5}"#),
        ("faults", r#"[{"mishap":{"kind":"status","status":7}}]"#),
        ("faults", r#"[{"mishap":{"kind":"html","status":600}}]"#),
    ] {
        assert!(said(name, value).contains("can not be"), "{name}={value}");
    }
    assert_eq!(switches, Switches::default());
}
