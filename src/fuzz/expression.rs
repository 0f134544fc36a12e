//! A text as a template, as a condition and as a value: its faults lie within it, and what the checker admits renders
//! within its bounds, without a fault of ours.

use std::{sync::LazyLock, time::Duration, time::Instant};

use serde_json::json;

use crate::{
    context,
    expression::{Condition, ExpressionFault, Names, RenderError, Scope, Template, ValueExpression, shape::Shape},
};

const MOST_OUTPUT: usize = 1 << 20;
/// Beyond any bound of work, even in a build that checks everything.
const MOST_TIME: Duration = Duration::from_secs(60);

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let user = Shape::record([("id", Shape::Number), ("name", Shape::Text), ("raw", Shape::Any)]);
    let sender = Shape::nullable(Shape::record([("user", Shape::nullable(user.clone()))]));
    let custom = Shape::record([
        ("sender", sender.clone()),
        ("known", sender),
        ("users", Shape::list(user)),
        ("any", Shape::Any),
    ]);
    Names {
        roots: vec![
            ("email".to_owned(), context::email_shape()),
            ("custom".to_owned(), custom),
            ("global".to_owned(), Shape::record([("note", Shape::Text)])),
            ("meta".to_owned(), context::meta_shape()),
        ],
    }
});

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let mut scope = Scope::new();
    scope.set("email", &super::context::read(include_bytes!("expression/sample.eml")));
    scope.set(
        "custom",
        &json!({
            "sender": null,
            "known": {"user": {"id": 42.0, "name": "Ann", "raw": {"deep": [1, {"er": "x"}]}}},
            "users": [{"id": 2, "name": "Bo", "raw": {}}, {"id": 1, "name": "Al", "raw": null}],
            "any": {"list": [1, 2.5, "x", null], "text": "y"},
        }),
    );
    scope.set("global", &json!({"note": "a note"}));
    scope.set(
        "meta",
        &json!({"id": 7, "attempt": 1, "now": "2026-07-01T09:00:00Z", "rule": "Rule", "version": "0", "hostname": "mx.example"}),
    );
    scope
});

pub(super) fn check(octets: &[u8]) {
    let Ok(source) = std::str::from_utf8(octets) else {
        return;
    };
    let began = Instant::now();
    match Template::compile(source, &NAMES) {
        Ok(template) => {
            if let Some(text) = rendered(source, template.render(&SCOPE)) {
                assert!(text.len() <= MOST_OUTPUT || template.literal().is_some());
            }
        }
        Err(faults) => assert_faults(source, &faults),
    }
    match Condition::compile(source, &NAMES) {
        Ok(condition) => {
            rendered(source, condition.evaluate(&SCOPE));
        }
        Err(faults) => assert_faults(source, &faults),
    }
    match ValueExpression::compile(source, &NAMES) {
        Ok(expression) => {
            rendered(source, expression.evaluate(&SCOPE));
        }
        Err(faults) => assert_faults(source, &faults),
    }
    assert!(began.elapsed() < MOST_TIME, "{source:?} took {:?}", began.elapsed());
}

fn rendered<T>(source: &str, result: Result<T, RenderError>) -> Option<T> {
    let error = match result {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let text = error.to_string();
    // A name that the checker admitted and the renderer does not know, or its own words for what should not come about.
    let signs = ["not found", "not defined", "undefined", "unknown", "__", "panicked"];
    let reason = match &error {
        RenderError::Bound { bound, .. } => bound,
        RenderError::Failed { reason, .. } => reason,
    };
    assert!(!signs.iter().any(|sign| reason.contains(sign)), "{source:?}: {text}");
    None
}

fn assert_faults(source: &str, faults: &[ExpressionFault]) {
    assert!(!faults.is_empty(), "{source:?} is refused without a word");
    for fault in faults {
        assert!(source.is_char_boundary(fault.offset), "{source:?}: {fault:?}");
        assert!(!fault.problem.is_empty());
        assert!(!fault.problem.contains("can not be compiled"), "{source:?}: {fault:?}");
    }
}
