//! Expressions as an administrator writes them, against one message.

use serde_json::{Value, json};

use super::{shape::Shape, *};

mod bounds;
mod conditions;
mod direct;
mod faults;
mod rendering;

fn person() -> Shape {
    Shape::record(["address", "display", "name", "local", "domain", "source"].map(|name| (name, Shape::Text)))
}

fn names() -> Names {
    let attachment = Shape::record([("name", Shape::Text), ("size", Shape::Number), ("inline", Shape::Truth)]);
    let report = Shape::record([("status", Shape::Text), ("final_recipient", Shape::Text)]);
    let email = Shape::record([
        ("from", person()),
        ("to", Shape::list(person())),
        ("subject", Shape::Text),
        ("body", Shape::Text),
        ("html", Shape::Text),
        ("date", Shape::Text),
        ("size", Shape::Number),
        ("headers", Shape::map(Shape::Text)),
        ("attachments", Shape::list(attachment)),
        ("references", Shape::list(Shape::Text)),
        ("junk", Shape::Truth),
        ("report", Shape::nullable(report)),
        ("ticket_ids", Shape::list(Shape::Number)),
    ]);
    let user = Shape::record([("id", Shape::Number), ("name", Shape::Text), ("raw", Shape::Any)]);
    let sender = Shape::nullable(Shape::record([
        ("user", Shape::nullable(user.clone())),
        ("found", Shape::Truth),
    ]));
    let custom = Shape::record([
        ("sender", sender.clone()),
        ("known", sender),
        ("users", Shape::list(user)),
        ("note", Shape::Text),
        ("any", Shape::Any),
    ]);
    Names {
        roots: vec![
            ("email".to_owned(), email),
            ("custom".to_owned(), custom),
            (
                "meta".to_owned(),
                Shape::record([("attempt", Shape::Number), ("now", Shape::Text)]),
            ),
        ],
    }
}

fn scope() -> Scope {
    let person = |local: &str, name: &str| {
        json!({"address": format!("{local}@example.org"), "display": name, "name": name, "local": local, "domain": "example.org",
            "source": "from"})
    };
    let mut scope = Scope::new();
    let email = json!({
        "from": person("ann.lee", "Ann Lee"),
        "to": [person("help", "Help"), person("desk", "")],
        "subject": "Re: Printer [ID:0001234] ü 7",
        "body": "Hello,\nthe printer is {{ 7*7 }} on fire.\n\nRegards\nAnn",
        "html": "<p>Hello &amp; <b>bye</b></p>",
        "date": "2026-07-01T10:30:00+02:00",
        "size": 2048,
        "headers": {"subject": "Printer", "x-foo": "bar", "zeta": "z", "alpha": "a"},
        "attachments": [{"name": "a.pdf", "size": 10, "inline": false}, {"name": "b.png", "size": 3, "inline": true}],
        "references": ["one@example.org", "two@example.org"],
        "junk": false,
        "report": null,
        "ticket_ids": [1234.0, 7],
    });
    scope.set("email", &email);
    let custom = json!({
        "sender": {"user": null, "found": false},
        "known": {"user": {"id": 42.0, "name": "Ann", "raw": {"deep": {"er": [1, 2]}}}, "found": true},
        "users": [{"id": 2, "name": "Bo", "raw": {}}, {"id": 1, "name": "Al", "raw": {}}],
        "note": "",
        "any": {"list": [1, 2.5, "x"], "nothing": null},
    });
    scope.set("custom", &custom);
    scope.set("meta", &json!({"attempt": 1, "now": "2026-07-01T09:00:00Z"}));
    scope
}

fn render(source: &str) -> Result<String, RenderError> {
    match Template::compile(source, &names()) {
        Ok(template) => template.render(&scope()),
        Err(faults) => panic!("{source:?} has faults: {faults:?}"),
    }
}

/// What a text renders to.
#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
}

/// The faults of a text: offset, problem and remedy.
#[track_caller]
fn check_faults(source: &str, expected: &[(usize, &str, &str)]) {
    let faults = Template::compile(source, &names()).err().unwrap_or_default();
    let found: Vec<_> = faults
        .iter()
        .map(|fault| (fault.offset, fault.problem.as_str(), fault.remedy.as_str()))
        .collect();
    assert_eq!(found, expected, "{source}");
}

/// How rendering ends: the part at fault, and why.
#[track_caller]
fn check_failure(source: &str, at: &str, why: &str) {
    match render(source) {
        Err(RenderError::Failed { expression, reason }) => assert_eq!((&*expression, &*reason), (at, why), "{source}"),
        other => panic!("{source} came to {other:?}"),
    }
}

fn value_of(source: &str) -> Value {
    let expression = ValueExpression::compile(source, &names()).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    expression.evaluate(&scope()).unwrap()
}
