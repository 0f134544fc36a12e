//! Every bound is passed once, and time stays small.

use std::time::{Duration, Instant};

use super::*;

/// A scope with a long body and many recipients.
fn large() -> Scope {
    let mut scope = scope();
    let person = json!({"address": "a@example.org", "display": "A", "name": "A", "local": "a", "domain": "example.org", "source": "to"});
    let email = json!({
        "body": "word ".repeat(200_000),
        "subject": "a",
        "to": vec![person; 1000],
        "headers": {},
        "references": vec!["x".repeat(1000); 1000],
        "size": 5,
    });
    scope.set("email", &email);
    scope
}

/// That a text passes a bound, soon.
#[track_caller]
fn check_bound(source: &str, expected: &str) {
    let template = Template::compile(source, &names()).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    let scope = large();
    let began = Instant::now();
    match template.render(&scope) {
        Err(RenderError::Bound { bound, .. }) => assert!(bound.contains(expected), "{source}: {bound}"),
        other => panic!("{source} came to {:?}", other.map(|text| text.len())),
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{source} took {:?}",
        began.elapsed()
    );
}

#[test]
fn every_bound_ends_the_rendering() {
    for (source, bound) in [
        ("{{ email.body }}{{ email.body }}", "renders to more than"),
        (
            "{% for t in email.references %}{{ t }}{{ t }}{% endfor %}",
            "renders to more than",
        ),
        (
            "{% for a in email.to %}{% for b in email.to %}{% for c in email.to %}{% endfor %}{% endfor %}{% endfor %}",
            "turns",
        ),
        (
            "{% for a in email.to %}{% for b in email.to %}x{% endfor %}{% endfor %}",
            "turns",
        ),
        ("{{ [[1 for b in email.to] for a in email.to] }}", "turns"),
        (
            "{% for a in range(end=10000) %}{% for b in range(end=10000) %}{% endfor %}{% endfor %}",
            "turns",
        ),
        (
            "{% for a in email.to %}{% if email.body | upper is containing(pat=\"x\") %}{% endif %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{% for a in email.to %}{% if email.body == email.body %}{% endif %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{% for a in email.to %}{% if \"zz\" in email.body %}{% endif %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{% for a in email.to %}{% if email.body[0] == \"x\" or email.body[5:7] == \"x\" %}{% endif %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{% for a in email.to %}{% if email.body is matching(pat=\"(a|b)*z\") %}{% endif %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{{ email.body | regex_find(pattern=\"[a-z ]{1,2000}z\") }}",
            "octets pass through",
        ),
        (
            "{% for a in email.to %}{% if email.body is containing(pat=a.address ~ loop.index, ignore_case=true) %}{% endif %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{% set a = email.body ~ email.body %}{% set a = a ~ a %}{% set a = a ~ a %}",
            "a text is longer than",
        ),
        (
            "{% set a %}{{ email.body }}{{ email.body }}{% endset %}{% set b %}{{ a }}{{ a }}{{ a }}{% endset %}{{ b }}",
            "a text is longer than",
        ),
        (
            "{% for a in email.to %}{% for b in range(end=90) %}{% set x %}{{ email.body }}{% endset %}{% endfor %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{{ email.body | replace(from=\" \", to=email.references[0]) }}",
            "a text is longer than",
        ),
        (
            "{{ email.body | replace(from=\" \", to=\"\n\") | indent(width=1000) }}",
            "a text is longer than",
        ),
        ("{{ email.body | split(pat=\" \") | length }}", "a list has more than"),
        ("{{ email.references | join(sep=email.body) }}", "a text is longer than"),
        (
            "{{ [email.body for t in email.to] | json_encode | length }}",
            "a value is longer than",
        ),
        ("{{ [email.body for t in email.to] }}", "a value is longer than"),
        ("{{ range(end=email.size * 10000) | length }}", "a range has more than"),
        (
            "{% for t in email.to %}{% if \"a\" is matching(pat=\"a\" ~ loop.index) %}{% endif %}{% endfor %}",
            "octets pass through",
        ),
        (
            "{% set a = [...email.to, ...email.to] %}{% set a = [...a, ...a, ...a, ...a, ...a, ...a, ...a, ...a] %}\
          {% set a = [...a, ...a, ...a, ...a, ...a, ...a, ...a, ...a] %}{{ [...a] | length }}",
            "a list has more than",
        ),
        (
            "{% for a in range(end=9000) %}{% for b in range(end=10) %}{% set c = a + b * a - b + a + b * a - b + a + b * a - b + a + b * a - b %}{% endfor %}{% endfor %}",
            "octets pass through",
        ),
    ] {
        check_bound(source, bound);
    }
}

#[test]
fn a_value_that_shares_its_elements_is_bounded_as_it_is_written() {
    let expression = ValueExpression::compile("[email.body for t in email.to]", &names()).unwrap();
    assert!(matches!(expression.evaluate(&large()), Err(RenderError::Bound { .. })));
}

#[test]
fn what_is_within_the_bounds_is_rendered() {
    let scope = large();
    for (source, expected) in [
        (
            "{% for a in email.to %}{% for b in range(end=50) %}x{% endfor %}{% endfor %}",
            50_000,
        ),
        ("{{ email.body | upper | lower | trim }}", 999_999),
        ("{{ email.to | map(attribute=\"local\") | join }}", 1000),
    ] {
        let text = Template::compile(source, &names()).unwrap().render(&scope).unwrap();
        assert_eq!(text.len(), expected, "{source}");
    }
}

#[test]
fn a_bound_is_counted_anew_each_time() {
    let template = Template::compile(
        "{% for a in email.to %}{% for b in range(end=90) %}x{% endfor %}{% endfor %}",
        &names(),
    )
    .unwrap();
    let scope = large();
    for _ in 0..3 {
        assert_eq!(template.render(&scope).unwrap().len(), 90_000);
    }
}

#[test]
fn hostile_patterns_take_linear_time() {
    for pattern in [
        "(a+)+$",
        "(a|aa)+$",
        "(.*)*x",
        "(a*)*b",
        "(?i)(x+x+)+y",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(a{0,20}){0,20}b",
    ] {
        let template = Template::compile(
            &format!("{{{{ email.subject | regex_find(pattern=\"{pattern}\") }}}}"),
            &names(),
        )
        .unwrap();
        let mut took = Vec::new();
        for length in [50_000, 100_000] {
            let mut scope = scope();
            scope.set("email", &json!({"subject": format!("{}!", "a".repeat(length))}));
            let began = Instant::now();
            template.render(&scope).unwrap();
            took.push(began.elapsed());
        }
        assert!(
            took[1] < took[0] * 6 + Duration::from_millis(500),
            "{pattern}: {took:?}"
        );
    }
}

#[test]
fn ordinary_patterns_are_admitted_and_search_a_long_text() {
    for pattern in [r"\w{30}", r"\b\w{1,40}\b", r"[\w.+-]+@[\w-]+\.\w{2,24}"] {
        let source = format!(
            "{{{{ email.body | regex_find(pattern='{}') }}}}",
            pattern.replace('\\', "\\\\")
        );
        let template = Template::compile(&source, &names()).unwrap();
        assert!(template.render(&large()).is_ok(), "{pattern}");
    }
}

/// The longest text that is still searched takes a second or two in a release build; this is for a debug one.
#[test]
fn a_search_just_within_the_bound_ends_soon() {
    let mut scope = scope();
    scope.set(
        "email",
        &json!({ "body": "word and ".repeat(budget::MOST_WORK / 4100 / 9) }),
    );
    let template = Template::compile("{{ email.body | regex_find(pattern=\"[a-z ]{1,2000}z\") }}", &names()).unwrap();
    let began = Instant::now();
    template.render(&scope).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "it took {:?}",
        began.elapsed()
    );
}

#[test]
fn the_writer_takes_just_as_much_as_it_may() {
    use std::io::Write;
    let mut bounded = budget::Bounded::new(4);
    assert!(bounded.write_all(b"abcd").is_ok() && !bounded.passed);
    assert!(bounded.write_all(b"e").is_err() && bounded.passed);
    assert_eq!(bounded.into_text(), "abcd");
}
