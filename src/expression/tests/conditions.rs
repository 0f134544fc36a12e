//! Conditions as trees, and expressions whose value is used.

use super::*;

fn condition(source: &str) -> Condition {
    Condition::compile(source, &names()).unwrap_or_else(|faults| panic!("{source}: {faults:?}"))
}

#[track_caller]
fn check_truth(source: &str, expected: bool) {
    assert_eq!(
        condition(source).evaluate(&scope()).unwrap().truth,
        expected,
        "{source}"
    );
}

/// A tree on one line: `and(a=1, not=0(b=1))`.
fn drawn(evaluated: &Evaluated) -> String {
    let parts: Vec<String> = evaluated.parts.iter().map(drawn).collect();
    let values: Vec<String> = evaluated
        .values
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.json()))
        .collect();
    let inner = if parts.is_empty() { values } else { parts };
    if !evaluated.asked {
        return format!("<{}> not asked", evaluated.text);
    }
    format!("<{}> {} [{}]", evaluated.text, evaluated.truth, inner.join("; "))
}

#[test]
fn truth_is_what_is_there() {
    for (source, expected) in [
        ("true", true),
        ("email.subject", true),
        ("custom.note", false),
        ("0", false),
        ("email.size", true),
        ("[]", false),
        ("email.to", true),
        ("custom.any.nothing", false),
        ("custom.sender.user.id", false),
        ("not custom.sender.user.id", true),
        ("email.headers[\"x-none\"]", false),
        ("email.from.domain == \"example.org\"", true),
        ("not email.subject is containing(pat=\"Fax\")", true),
        ("email.from.domain == \"example.org\" and email.junk", false),
        ("email.junk or not email.junk and email.size == 2048", true),
        (
            "(email.junk or email.size > 1) and email.subject is not matching(pat=\"^Fwd\")",
            true,
        ),
        ("email.from.address | is_freemail", false),
        ("\"a\" if email.junk else \"\"", false),
        ("email.to | length > 1", true),
        ("{\"a\": {\"b\": 1}}", true),
    ] {
        check_truth(source, expected);
    }
}

#[test]
fn a_condition_shows_its_parts_and_the_values_they_read() {
    for (source, expected) in [
        ("email.size > 1", "<email.size > 1> true [email.size: 2048]"),
        (
            "email.junk and email.size > 1",
            "<email.junk and email.size > 1> false [<email.junk> false [email.junk: false]; <email.size > 1> not asked]",
        ),
        (
            "not (email.size > 1 or email.junk and custom.note)",
            "<not (email.size > 1 or email.junk and custom.note)> false [<(email.size > 1 or email.junk and custom.note)> true \
             [<email.size > 1> true [email.size: 2048]; <email.junk and custom.note> not asked]]",
        ),
        (
            "not email.junk and (custom.note or email.headers[\"x-foo\"] == \"bar\") and email.to.0.local",
            "<not email.junk and (custom.note or email.headers[\"x-foo\"] == \"bar\") and email.to.0.local> true \
             [<not email.junk> true [<email.junk> false [email.junk: false]]; \
             <(custom.note or email.headers[\"x-foo\"] == \"bar\")> true [<custom.note> false [custom.note: \"\"]; \
             <email.headers[\"x-foo\"] == \"bar\"> true [email.headers[\"x-foo\"]: \"bar\"]]; \
             <email.to.0.local> true [email.to.0.local: \"help\"]]",
        ),
        (
            "[t.local for t in email.to if t.domain == email.from.domain]",
            "<[t.local for t in email.to if t.domain == email.from.domain]> true [email.to: [{\"address\":\"help@example.org\",\
             \"display\":\"Help\",\"name\":\"Help\",\"local\":\"help\",\"domain\":\"example.org\",\"source\":\"from\"},\
             {\"address\":\"desk@example.org\",\"display\":\"\",\"name\":\"\",\"local\":\"desk\",\"domain\":\"example.org\",\
             \"source\":\"from\"}]; email.from.domain: \"example.org\"]",
        ),
        (
            "custom.sender.user.id",
            "<custom.sender.user.id> false [custom.sender.user.id: null]",
        ),
        (
            "email.to[email.size].local is string",
            "<email.to[email.size].local is string> false [email.to: ",
        ),
    ] {
        let found = drawn(&condition(source).evaluate(&scope()).unwrap());
        assert!(found.starts_with(expected), "{source}\n{found}\n{expected}");
    }
}

#[test]
fn a_long_value_is_cut_short() {
    let mut scope = scope();
    scope.set(
        "custom",
        &json!({"note": "ü".repeat(10_000), "users": vec![json!({"id": 1}); 5000]}),
    );
    let evaluated = condition("custom.note and custom.users").evaluate(&scope).unwrap();
    let shown = serde_json::to_string(&evaluated).unwrap();
    assert!(shown.chars().count() < 2500, "{}", shown.len());
    assert_eq!(
        evaluated.parts[0].values[0].1.json().as_str().unwrap().chars().count(),
        200
    );
}

#[test]
fn an_evaluation_survives_being_written_down() {
    let evaluated = condition("email.junk or email.subject").evaluate(&scope()).unwrap();
    let written = serde_json::to_string(&evaluated).unwrap();
    assert_eq!(serde_json::from_str::<Evaluated>(&written).unwrap(), evaluated);
}

#[test]
fn a_condition_that_can_not_be_told_names_its_part() {
    let error = condition("email.junk or custom.any.list > 3")
        .evaluate(&scope())
        .unwrap_err();
    let reason = "> can not compare a list with a number".to_owned();
    assert_eq!(
        error,
        RenderError::Failed {
            expression: "custom.any.list > 3".to_owned(),
            reason
        }
    );
}

#[test]
fn a_value_comes_as_it_is() {
    for (source, expected) in [
        ("email.ticket_ids", json!([1234.0, 7])),
        (
            "custom.users",
            json!([{"id": 2, "name": "Bo", "raw": {}}, {"id": 1, "name": "Al", "raw": {}}]),
        ),
        ("custom.sender.user", json!(null)),
        ("custom.no_such", json!(null)),
        ("email.headers.nothing", json!(null)),
        ("email.subject | length", json!(28)),
        ("[1, \"a\", 2.5, true, none]", json!([1, "a", 2.5, true, null])),
        ("email.to | map(attribute=\"local\")", json!(["help", "desk"])),
        ("9007199254740993 - 2", json!(9_007_199_254_740_991_i64)),
        (
            "{\"a\": [1], \"b\": {\"c\": none}}",
            json!({"a": [1], "b": {"c": null}}),
        ),
        ("custom.known.user.id", json!(42.0)),
    ] {
        if source == "custom.no_such" {
            assert!(ValueExpression::compile(source, &names()).is_err());
        } else {
            assert_eq!(value_of(source), expected, "{source}");
        }
    }
    assert_eq!(
        value_of("custom.users").to_string(),
        "[{\"id\":2,\"name\":\"Bo\",\"raw\":{}},{\"id\":1,\"name\":\"Al\",\"raw\":{}}]"
    );
}

#[test]
fn the_shape_of_a_value_is_known() {
    let shape = |source: &str| ValueExpression::compile(source, &names()).unwrap().shape().clone();
    assert_eq!(shape("email.to"), Shape::list(person()));
    assert_eq!(shape("email.to | sort(attribute=\"local\")"), Shape::list(person()));
    assert_eq!(shape("email.to | map(attribute=\"local\")"), Shape::list(Shape::Text));
    assert_eq!(shape("[x.id for x in custom.users]"), Shape::list(Shape::Number));
    assert_eq!(shape("custom.any.list"), Shape::Any);
}
