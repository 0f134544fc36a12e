//! The table of metrics by the conventions of Prometheus; docs/metrics.md is what the table says, and alerts and dashboard
//! ask for nothing else. `UPDATE=1 cargo test --test metrics` writes the page.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use halo_intake::metrics::{KINDS_OF_TROUBLE, Kind, Metric, Row, TABLE, Unit};
use serde_json::Value;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
const ALERTS: &str = include_str!("../docs/alerts.yml");
const DASHBOARD: &str = include_str!("../docs/dashboard.json");

/// What stands before the tables and after them is written by hand.
const BEGIN: &str = "<!-- made from the table: UPDATE=1 cargo test --test metrics -->\n";
const END: &str = "<!-- end of what is made -->\n";

#[test]
fn the_page_is_what_the_table_says() {
    let found = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = found.split_once(BEGIN).expect("the page has a place for the tables");
    let (_, after) = rest.split_once(END).expect("which ends");
    let expected = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, &expected).unwrap();
        return;
    }
    assert_eq!(
        found, expected,
        "docs/metrics.md is out of date: UPDATE=1 cargo test --test metrics"
    );
}

fn tables() -> String {
    let mut text = String::new();
    for (title, prefixes) in [
        (
            "Messages",
            &["halo_intake_message", "halo_intake_attempt", "halo_intake_rule"][..],
        ),
        ("Mailboxes", &["halo_intake_mailbox_", "halo_intake_canary_"]),
        ("Halo", &["halo_intake_halo_"]),
        (
            "Sign-ins of mail servers",
            &["halo_intake_sign_in", "halo_intake_client_secret"],
        ),
        ("Letters", &["halo_intake_outbox", "halo_intake_letters"]),
        (
            "The program",
            &[
                "halo_intake_things",
                "halo_intake_work",
                "halo_intake_journal",
                "halo_intake_nodes",
                "halo_intake_duties",
                "halo_intake_open_duties",
                "halo_intake_build",
                "halo_intake_config",
            ],
        ),
        ("The process", &["process_"]),
    ] {
        let rows = TABLE
            .iter()
            .filter(|row| prefixes.iter().any(|prefix| row.name.starts_with(prefix)));
        writeln!(
            text,
            "\n## {title}\n\n| name | kind | labels | what it says | why to look |"
        )
        .unwrap();
        writeln!(text, "| --- | --- | --- | --- | --- |").unwrap();
        for row in rows {
            let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind, labels) = (row.name, row.kind.word(), labels.join(", "));
            writeln!(text, "| `{name}` | {kind} | {labels} | {} | {} |", row.help, row.why).unwrap();
        }
    }
    for row in TABLE {
        assert_eq!(
            text.matches(&format!("| `{}` |", row.name)).count(),
            1,
            "{} stands once",
            row.name
        );
    }
    let (last, kinds) = KINDS_OF_TROUBLE.split_last().unwrap();
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
    writeln!(text, "\n`kind` of a trouble is {} or `{last}`.\n", kinds.join(", ")).unwrap();
    text
}

#[test]
fn every_row_stands_at_its_metric() {
    for row in TABLE {
        assert_eq!(row.metric.row().name, row.name);
    }
    assert_eq!(Metric::MessagesSeen.row().name, "halo_intake_messages_seen_total");
}

#[test]
fn names_keep_to_the_conventions() {
    let mut names = BTreeSet::new();
    for row in TABLE {
        let faults = faults(row);
        assert_eq!(faults, [""; 0], "{}", row.name);
        assert!(names.insert(row.name), "{} stands twice", row.name);
    }
}

/// What is wrong with it by <https://prometheus.io/docs/practices/naming/> and the OpenMetrics format.
fn faults(row: &Row) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |is_so: bool, what: &str| {
        if !is_so {
            faults.push(what.to_owned());
        }
    };
    let name = row.name;
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    must(is_word(name) && !name.contains("__") && !name.ends_with('_'), "letters");
    must(
        name.starts_with("halo_intake_") || name.starts_with("process_"),
        "prefix",
    );
    must(
        (row.kind == Kind::Counter) == name.ends_with("_total"),
        "a counter alone ends with _total",
    );
    must(
        (row.kind == Kind::Info) == name.ends_with("_info"),
        "an info alone ends with _info",
    );
    let stem = name.strip_suffix(row.kind.suffix()).unwrap_or(name);
    must(stem.ends_with(row.unit.suffix()), "the unit stands at the end");
    let is_timed = stem.ends_with("_seconds") || stem.ends_with("_bytes");
    must(is_timed == (row.unit != Unit::Things), "what ends with a unit has it");
    for part in ["millis", "_ms", "minutes", "hours", "days", "kib", "kb", "percent"] {
        must(!name.contains(part), "base units alone");
    }
    for reserved in ["_count", "_sum", "_bucket", "_created"] {
        must(!stem.ends_with(reserved), "a suffix of histograms");
    }
    must(
        !name.contains("counter") && !name.contains("gauge") && !name.contains("histogram"),
        "no kind in a name",
    );
    if let Kind::Histogram(bounds) = row.kind {
        must(
            bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.len() < 16,
            "buckets grow, and are few",
        );
        must(row.unit == Unit::Seconds, "histograms are of times");
    }
    must(
        row.help.len() > 10 && !row.help.ends_with('.') && !row.help.contains('\n'),
        "help in one line",
    );
    must(!row.why.is_empty() && !row.why.ends_with('.'), "why");
    // Each of them has few values. Nobody's address, and nothing that a mail says, is among them.
    let bounded = [
        "mailbox",
        "outcome",
        "result",
        "rule",
        "connection",
        "method",
        "resource",
        "status",
        "kind",
        "state",
        "way",
        "version",
        "digest",
    ];
    must(row.labels.iter().all(|label| bounded.contains(label)), "labels are few");
    must(
        row.labels.len() == row.labels.iter().collect::<BTreeSet<_>>().len(),
        "each label once",
    );
    faults
}

/// The names of metrics in an expression, each with the labels that it is asked for.
fn asked(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = ["halo_intake_", "process_"]
        .iter()
        .filter_map(|prefix| rest.find(prefix))
        .min()
    {
        let before = rest[..at].chars().next_back();
        let end = rest[at..].find(|c| !is_part(c)).map_or(rest.len(), |end| at + end);
        let name = rest[at..end].to_owned();
        rest = &rest[end..];
        if before.is_some_and(is_part) {
            continue;
        }
        let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = braces.map_or(Vec::new(), |(labels, _)| {
            let names = labels.split(',').filter_map(|label| label.split(['=', '!']).next());
            names
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect()
        });
        found.push((name, labels));
    }
    found
}

/// Labels by which an expression groups: by (…), on (…).
fn grouped(expression: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for word in ["by (", "on (", "group_left (", "without ("] {
        for (at, _) in expression.match_indices(word) {
            let list = expression[at + word.len()..].split(')').next().unwrap_or_default();
            labels.extend(list.split(',').map(|label| label.trim().to_owned()));
        }
    }
    labels
}

/// The lists of labels that an expression keeps at its end: those of `by (…)` and `on (…)` that stand in no brackets.
/// `and on (…)` keeps all that stands before it.
fn kept(expression: &str) -> Vec<BTreeSet<String>> {
    let (mut depth, mut lists, mut begin) = (0, Vec::new(), None);
    for (at, c) in expression.char_indices() {
        match c {
            '(' => {
                let before = expression[..at].trim_end();
                let keeps = ["by", "on"].iter().any(|word| before.ends_with(&format!(" {word}")));
                if depth == 0 && keeps && !before.ends_with("and on") {
                    begin = Some(at + 1);
                }
                depth += 1;
            }
            ')' => {
                depth -= 1;
                if let Some(begin) = begin.take_if(|_| depth == 0) {
                    let labels = expression[begin..at].split(',').map(|label| label.trim().to_owned());
                    lists.push(labels.collect());
                }
            }
            _ => {}
        }
    }
    lists
}

/// The names of the labels that an annotation shows.
fn shown(text: &str) -> Vec<&str> {
    let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let labels = text.split("$labels.").skip(1);
    labels.map(|rest| rest.split(is_end).next().unwrap()).collect()
}

/// Checks that the table has what an expression asks for; gives the metrics.
fn check(expression: &str) -> BTreeSet<&'static str> {
    let asked = asked(expression);
    // Whether the service is scraped says Prometheus alone.
    let of_prometheus = expression.contains("up{job=~\".*halo-intake.*\"}");
    assert!(
        !asked.is_empty() || of_prometheus,
        "{expression} asks for nothing of ours"
    );
    let mut known: BTreeSet<&str> = ["le", "instance", "job", ""].into();
    let mut names = BTreeSet::new();
    for (name, labels) in asked {
        let is_of = |row: &&Row| {
            let is_histogram = matches!(row.kind, Kind::Histogram(_));
            let ends = ["_bucket", "_sum", "_count"];
            (!is_histogram && row.name == name)
                || (is_histogram && ends.iter().any(|end| name.strip_suffix(end) == Some(row.name)))
        };
        let row = TABLE.iter().find(is_of);
        let row = row.unwrap_or_else(|| panic!("{expression}: {name} is not in the table"));
        for label in labels {
            let is_known = row.labels.contains(&label.as_str()) || ["le", "instance", "job"].contains(&label.as_str());
            assert!(is_known, "{expression}: {name} has no label {label}");
        }
        known.extend(row.labels);
        names.insert(row.name);
    }
    for label in grouped(expression) {
        assert!(known.contains(label.as_str()), "{expression}: no label {label}");
    }
    names
}

/// The value of each `key:` in the file, also where it is folded over lines.
fn values(yaml: &str, key: &str) -> Vec<String> {
    let start = format!("{key}: ");
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = yaml.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(value) = line.trim_start().trim_start_matches("- ").strip_prefix(&start) else {
            continue;
        };
        let value = match value {
            ">-" | "|" => {
                let folded = lines[number + 1..]
                    .iter()
                    .take_while(|next| indent(next) > indent(line));
                folded.map(|line| line.trim()).collect::<Vec<_>>().join(" ")
            }
            value => value.to_owned(),
        };
        found.push(value);
    }
    found
}

#[test]
fn alerts_ask_for_what_the_table_has_and_say_what_to_do() {
    let expressions = values(ALERTS, "expr");
    assert!(expressions.len() > 12, "{expressions:#?}");
    for expression in &expressions {
        check(expression);
    }
    let names = values(ALERTS, "alert");
    assert_eq!(names.len(), expressions.len());
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "each name once"
    );
    for key in ["summary", "description", "severity", "for"] {
        assert_eq!(values(ALERTS, key).len(), names.len(), "each has its {key}");
    }
    let severities: BTreeSet<String> = values(ALERTS, "severity").into_iter().collect();
    assert!(
        severities
            .iter()
            .all(|word| ["critical", "warning"].contains(&word.as_str()))
    );
    // What an annotation shows of a series, its expression keeps.
    let texts = values(ALERTS, "summary").into_iter().zip(values(ALERTS, "description"));
    for ((summary, description), expression) in texts.zip(&expressions) {
        let labels: BTreeSet<&str> = check(expression)
            .into_iter()
            .flat_map(|name| TABLE.iter().find(|row| row.name == name).unwrap().labels)
            .copied()
            .collect();
        for text in [summary, description] {
            for label in shown(&text) {
                assert!(labels.contains(label) || label == "instance", "{text}: {label}");
                let is_kept = kept(expression).iter().all(|kept| kept.contains(label));
                assert!(is_kept, "{text}: {expression} does not keep {label}");
            }
        }
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_imports_and_asks_for_what_the_table_has() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    assert_eq!(dashboard["id"], Value::Null, "an import gives it one");
    assert!(dashboard["uid"].as_str().unwrap().len() <= 40);
    assert!(!dashboard["title"].as_str().unwrap().is_empty());
    let variables: BTreeMap<&str, &Value> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| (variable["name"].as_str().unwrap(), variable))
        .collect();
    assert_eq!(variables["datasource"]["type"], "datasource");
    assert_eq!(variables["datasource"]["query"], "prometheus");
    let source = serde_json::json!({ "type": "prometheus", "uid": "${datasource}" });
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut places: Vec<[u64; 4]> = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{title}: its id is another one's"
        );
        let place = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(
            place[2] > 0 && place[3] > 0 && place[0] + place[2] <= 24,
            "{title}: {place:?}"
        );
        let covers = |[x, y, w, h]: &[u64; 4]| {
            *x < place[0] + place[2] && place[0] < x + w && *y < place[1] + place[3] && place[1] < y + h
        };
        assert!(!places.iter().any(covers), "{title} lies over another panel");
        places.push(place);
        let kind = panel["type"].as_str().unwrap();
        if kind == "row" {
            continue;
        }
        assert!(
            ["timeseries", "stat", "table", "heatmap", "bargauge"].contains(&kind),
            "{title}: {kind}"
        );
        assert_eq!(panel["datasource"], source, "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} shows nothing");
        let mut letters = BTreeSet::new();
        for target in targets {
            assert!(letters.insert(target["refId"].as_str().unwrap()), "{title}");
            assert_eq!(target["datasource"], source, "{title}");
            let expression = target["expr"].as_str().unwrap();
            for (at, _) in expression.match_indices('$') {
                let name = expression[at + 1..]
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .next()
                    .unwrap();
                assert!(
                    name == "__rate_interval" || variables.contains_key(name),
                    "{title}: ${name}"
                );
            }
            used.extend(check(expression));
        }
    }
    for needed in [
        "halo_intake_messages",
        "halo_intake_messages_seen_total",
        "halo_intake_mailbox_last_check_age_seconds",
    ] {
        assert!(used.contains(needed), "{needed} is not shown");
    }
}

#[test]
fn what_an_expression_keeps_is_what_stands_outermost() {
    let check = |expression: &str, expected: &[&[&str]]| {
        let expected: Vec<BTreeSet<String>> = expected
            .iter()
            .map(|labels| labels.iter().map(|label| (*label).to_owned()).collect())
            .collect();
        assert_eq!(kept(expression), expected, "{expression}");
    };
    check(
        "sum by (instance) (sum by (instance, mailbox) (a)) > 0",
        &[&["instance"]],
    );
    check(
        "a != on (instance, mailbox) sum by (mailbox) (b)",
        &[&["instance", "mailbox"], &["mailbox"]],
    );
    check("a > 0 and on (connection) b >= c", &[]);
    check("max(sum by (mailbox) (a))", &[]);
    assert_eq!(
        shown("of {{ $labels.kind }} {{ $labels.mailbox }}"),
        ["kind", "mailbox"]
    );
}

#[test]
fn a_name_that_the_table_does_not_have_is_found() {
    for wrong in [
        "halo_intake_mesages > 1",
        "sum by (mailboxes) (halo_intake_messages)",
        "halo_intake_messages{user=\"x\"}",
    ] {
        assert!(std::panic::catch_unwind(|| check(wrong)).is_err(), "{wrong}");
    }
    check(
        "sum by (mailbox) (rate(halo_intake_attempt_duration_seconds_bucket{result=\"failed\", le=\"1\"}[5m]))  / on (mailbox) halo_intake_messages",
    );
}
