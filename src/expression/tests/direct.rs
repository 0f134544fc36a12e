//! What is evaluated without the renderer comes to what the renderer makes of it, be it a value, a failure or a bound.

use super::*;
use crate::expression::{
    budget::Run,
    condition::{look_up, reads},
    direct::{Direct, Known, Read},
    path::Path,
};

/// Each on `custom.any`, which may be anything.
const EXPRESSIONS: &[&str] = &[
    "custom.any",
    "custom.any.deep.er",
    "custom.any[\"deep\"][\"0\"]",
    "not custom.any",
    "custom.any == \"Printer\"",
    "custom.any != \"Printer\"",
    "custom.any == null",
    "custom.any == true",
    "\"Printer\" == custom.any",
    "custom.any == custom.note",
    "custom.any == custom.any",
    "custom.any == \"Große STRASSE, kleine Straße, ẞ\"",
    "custom.any == [\"Printer\", \"b\", \"b\"]",
    "custom.any < \"b\"",
    "custom.any >= email.size",
    "custom.any ~ \"x\"",
    "custom.any > 1",
    "custom.any <= 2048",
    "custom.any == 7",
    "custom.any != 0",
    "7 >= custom.any",
    "custom.any in [1, 7, 2048]",
    "7 in custom.any",
    "custom.any + 9223372036854775807",
    "custom.any * 2 - 1",
    "custom.any / 0",
    "custom.any ~ 007",
    "custom.any | length > 2",
    "custom.any | truncate(length=3)",
    "0",
    "custom.any + email.size",
    "custom.any is containing(pat=\"rint\")",
    "custom.any is not containing(pat=\"PRINT\", ignore_case=true)",
    "custom.any is containing(pat=\"print\", ignore_case=true)",
    "custom.any is containing(pat=\"straße\", ignore_case=true)",
    "custom.any is containing(pat=\"\", ignore_case=true)",
    "custom.any is containing(pat=\"PRINT\", ignore_case=email.junk)",
    "custom.any is containing(pat=7, ignore_case=true)",
    "custom.any is containing(pat=null, ignore_case=true)",
    "custom.any is containing(pat=[\"Printer\"], ignore_case=true)",
    "custom.any is containing(pat=custom.note)",
    "custom.any is containing(pat=email.subject, ignore_case=true)",
    "custom.any is matching(pat=\"(?i)^p.*r$\")",
    "custom.any is matching(pat=\"\\\\bon fire\\\\b\")",
    "custom.any is matching(pat=\"\\\\w{1,100}x\")",
    "custom.any is not matching(pat=email.subject)",
    "custom.any is matching(pat=custom.any)",
    "custom.any is starting_with(pat=\"pri\", ignore_case=true)",
    "custom.any is starting_with(pat=\"PRINT\", ignore_case=not email.junk)",
    "custom.any is ending_with(pat='er')",
    "custom.any is not ending_with(pat='ER', ignore_case=true)",
    "custom.any is ending_with(pat=7, ignore_case=true)",
    "custom.any | before(delimiter=\"IN\", ignore_case=true) == \"Pr\"",
    "custom.any | between(start=\"PR\", end=\"ER\", ignore_case=true) == \"int\"",
    "custom.any | filter(attribute=\"address\", value=\"b@example.org\")",
    "custom.any | get(key=\"deep\", default=email.subject)",
    "custom.any is defined",
    "custom.any is not string",
    "custom.any is odd",
    "custom.any in [\"a\", \"Printer\", 'with \\'quotes\\' and \\n']",
    "custom.any not in [\"a\", \"Printer\", null, true]",
    "custom.any in []",
    "custom.any in \"Printer on fire\"",
    "\"Printer\" in custom.any",
    "\"deep\" not in custom.any",
    "\"b@example.org\" in custom.any | map(attribute=\"address\")",
    "custom.any | lower == \"printer\"",
    "custom.any | default(value=\"Printer\", boolean=true) | trim",
    "custom.any | first",
    "custom.any | length",
    "custom.any | join(sep=\", \")",
    "custom.any | sort | unique",
    "custom.any | regex_find(pattern=\"[a-z]+\") in [\"rinter\"]",
    "custom.any | domain | is_freemail",
];

fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(""),
        json!("Printer"),
        json!("PRINTER on fire\nnext line"),
        json!("(unclosed"),
        json!("Große STRASSE, kleine Straße, ẞ"),
        json!("ann@letters.example"),
        json!("with 'quotes' and \n"),
        json!("a".repeat(30)),
        json!("a".repeat(200_000)),
        // Beyond the bound of work with a pattern of many places.
        json!("a".repeat(1_000_000)),
        json!("a".repeat(budget::MOST_TEXT + 1)),
        json!(0),
        json!(7),
        json!(2048.0),
        json!(-1.5),
        json!(true),
        json!([]),
        json!(["Printer", "b", "b"]),
        json!([1, "a", null]),
        json!([{"address": "a@example.org"}, {"address": "b@example.org"}, {}]),
        json!(vec![1; budget::MOST_WORK / budget::STEP + 1]),
        json!({"deep": {"er": "x", "0": "y"}}),
        json!({"deep": null}),
    ]
}

/// What came of it, short where it is long.
fn told(result: Result<tera::Value, budget::Stop>) -> Result<String, budget::Stop> {
    result.map(|value| match value.len() {
        Some(length @ 1000..) => format!("{} of {length}", filter::kind_name(&value)),
        _ if filter::is_nothing(&value) => "nothing".to_owned(),
        _ => format!("{} {value}", filter::kind_name(&value)),
    })
}

/// An expression for both ways: without the renderer, and with it.
struct Both {
    reads: Vec<Read>,
    direct: Direct,
    program: Program,
}

fn both(source: &str) -> Both {
    let Checked { node, patterns, .. } =
        checked(source, parse::condition(source), &names()).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    let reads = reads(source, &node);
    let known = Known {
        reads: &reads,
        patterns: &patterns,
    };
    let direct = known
        .direct(&node)
        .unwrap_or_else(|| panic!("{source} needs the renderer"));
    let program = Program::load(emit::value(source, &node), patterns).unwrap();
    Both { reads, direct, program }
}

#[test]
fn both_ways_come_to_the_same() {
    let both: Vec<_> = EXPRESSIONS.iter().map(|source| (source, both(source))).collect();
    for value in values() {
        let mut scope = scope().with_freemail(&["letters.example".to_owned()]);
        scope.set_under("custom", [("any".to_owned(), Shared::from(&value))]);
        for (source, both) in &both {
            let mut values = Values::new();
            look_up(&both.reads, &scope, &mut values);
            let mut run = Run::new(&scope.freemail);
            let found = both.direct.value(&values, &mut run).map(std::borrow::Cow::into_owned);
            let expected = both.program.value(&scope).map_err(|stopped| stopped.stop);
            let shown: String = value.to_string().chars().take(60).collect();
            assert_eq!(told(found), told(expected), "{source} where it is {shown}");
        }
    }
}

#[test]
fn what_only_the_renderer_knows_is_left_to_it() {
    for source in [
        "email.subject[0]",
        "email.to[email.size]",
        "email.subject[1:3]",
        "[x for x in email.to]",
        "[email.subject]",
        "[...email.references]",
        "\"a\" if email.junk else \"b\"",
        "{\"a\": 1}",
        "1.5 < email.size",
    ] {
        let checked = checked(source, parse::condition(source), &names()).unwrap();
        let known = Known {
            reads: &reads(source, &checked.node),
            patterns: &checked.patterns,
        };
        assert!(known.direct(&checked.node).is_none(), "{source}");
    }
    let letter = Condition::compile("email.subject[0] == \"R\"", &names()).unwrap();
    assert!(letter.evaluate(&scope()).unwrap().truth);
}

#[test]
fn a_name_under_a_root_is_set_beside_the_others() {
    let mut scope = scope();
    scope.set_under("custom", [("note".to_owned(), "new".into())]);
    scope.set_under("fresh", [("name".to_owned(), 1_u64.into())]);
    let shown = Template::compile("{{ custom.note }} {{ custom.known.user.name }}", &names()).unwrap();
    assert_eq!(shown.render(&scope).as_deref(), Ok("new Ann"));
    let path = Path::of(vec!["fresh".to_owned(), "name".to_owned()]).unwrap();
    assert!(path.find(&scope).is_some());
}

#[test]
fn a_path_finds_a_name_wherever_it_stands() {
    let path = |steps: &[&str]| Path::of(steps.iter().map(|step| (*step).to_owned()).collect()).unwrap();
    let (name, second) = (
        path(&["custom", "user", "name"]),
        path(&["custom", "users", "1", "name"]),
    );
    for (custom, expected) in [
        (json!({"user": {"id": 1, "name": "Ann"}}), "Ann"),
        (json!({"user": {"id": 2, "name": "Bo"}}), "Bo"),
        (json!({"user": {"name": "Al", "id": 3}}), "Al"),
        (json!({"user": {"id": 4}}), ""),
        (json!({"user": {}}), ""),
        (json!({"other": 1, "user": {"name": "Cy"}}), "Cy"),
        (json!({"user": ["name"]}), ""),
        (json!({"user": null}), ""),
        (json!({}), ""),
    ] {
        let mut scope = Scope::new();
        scope.set("custom", &custom);
        let found = name.find(&scope).and_then(tera::Value::as_str);
        assert_eq!(found.unwrap_or_default(), expected, "{custom}");
        scope.set("custom", &json!({"users": [custom["user"], custom["user"]]}));
        let found = second.find(&scope).and_then(tera::Value::as_str);
        assert_eq!(found.unwrap_or_default(), expected, "{custom}");
    }
}
