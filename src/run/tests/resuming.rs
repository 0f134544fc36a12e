//! Resuming: what an earlier attempt did and froze, and what a reload has changed meanwhile.

use super::*;

/// The way goes on where it was put off, and completes.
#[track_caller]
fn check_resumed(way: &mut Way, run: Value, expected: &[&str]) -> Through {
    way.mended();
    let through = way.attempt(Some(run));
    assert_eq!(concluded(&through).0, Outcome::Completed);
    way.created(expected);
    through
}

#[test]
fn a_message_resumes_at_the_step_that_failed_with_what_was_stored_and_rendered() {
    let made = format!("{}store_as = \"made\"\n", create("one"));
    let rules = rule(
        "r",
        &(made + &create("two {{ meta.attempt }}") + &create("{{ custom.made.id }} {{ meta.attempt }} {{ meta.now }}")),
    );
    let mut way = Way::new(&rules, "x");
    way.down("two 1");
    let run = way.put_off();
    way.created(&["one", "two 1"]);
    let through = check_resumed(&mut way, run, &["two 1", "1 2 1970-01-01T00:00:01Z"]);
    assert!(through.trace.rules[0].resumed);
    assert_eq!(
        through.trace.rules[0].condition, None,
        "its condition is not asked again"
    );
}

#[test]
fn no_condition_is_asked_again_on_the_way_back() {
    let step = format!("{}when = \"meta.attempt == 1\"\n", create("one"));
    let each = "[[rule.action]]\ntype = \"for_each\"\nwhen = \"meta.attempt == 1\"\nitems = \"email.to\"\n";
    for steps in [step, format!("{each}{}", create_each("one"))] {
        let mut way = Way::new(&rule("r", &format!("when = \"meta.attempt == 1\"\n{steps}")), "x");
        way.down("one");
        let run = way.put_off();
        way.mended();
        way.attempt(Some(run));
        assert_eq!(way.script.asked().created[0], "one");
    }
}

#[test]
fn turns_that_were_taken_are_not_taken_again() {
    let outer = "[[rule.action]]\ntype = \"for_each\"\nitems = \"email.to\"\nas = \"to\"\nstore_as = \"all\"\n";
    let inner = "[[rule.action.action]]\ntype = \"for_each\"\nitems = \"'x,y,z' | split(pat=',')\"\n\
                 [[rule.action.action.action]]\ntype = \"create_halo_client\"\nclient_name = \"{{ to.local }}{{ item }}\"\n";
    let after = create_each("{{ to.local }} done");
    let show = create("{{ custom.all.0.name }}, {{ custom.all.1.name }}");
    let mut way = Way::new(&rule("r", &format!("{outer}{inner}{after}{show}")), "x");
    way.down("by");
    let run = way.put_off();
    way.created(&["ax", "ay", "az", "a done", "bx", "by"]);
    check_resumed(&mut way, run, &["by", "bz", "b done", "a done, b done"]);
}

#[test]
fn an_answered_write_gives_back_its_answer_when_its_rule_begins_anew() {
    let made = format!("{}store_as = \"made\"\n", create("one"));
    let mut way = Way::new(&rule("r", &(made + &create("two {{ custom.made.id }}"))), "x");
    way.down("two 1");
    way.put_off();
    way.mended();
    // The process ended before it could be kept where the message stands.
    let through = way.attempt(None);
    way.created(&["two 1"]);
    let effect = &through.trace.rules[0].steps[0].effects[0];
    assert_eq!(effect.from.as_deref(), Some("recorded"));
}

#[test]
fn an_answer_to_another_request_is_not_given_back() {
    let mut way = Way::new(&rule("r", &create("{{ meta.attempt }}")), "x");
    way.attempt(None);
    way.created(&["1"]);
    way.attempt(None);
    way.created(&["2"]);
}

#[test]
fn a_read_is_repeated() {
    let ask = "[[rule.action]]\ntype = \"query_halo_clients\"\nsearch = \"acme\"\n";
    let mut way = Way::new(&rule("r", &format!("{ask}{}", create("one"))), "x");
    way.attempt(None);
    way.attempt(None);
    way.created(&["? acme"]);
}

#[test]
fn a_rule_that_changed_meanwhile_begins_at_its_top() {
    let globals = "[[rule.action]]\ntype = \"set\"\nvalue = \"{{ meta.attempt }}\"\nstore_as = \"global.g\"\n";
    let first = rule("first", &format!("{globals}{}", create("first")));
    let second = |more: &str| rule("second", &(create("one") + &create("two") + more));
    let mut way = Way::new(&format!("{first}{}", second("")), "x");
    way.down("two");
    let run = way.put_off();
    way.created(&["first", "one", "two"]);
    let changed = second(&create("three {{ global.g }} {{ meta.now }}"));
    way.generation = load(&format!("{first}{changed}"));
    check_resumed(&mut way, run, &["one", "two", "three 1 1970-01-01T00:00:01Z"]);
}

#[test]
fn a_changed_rule_that_matches_no_longer_is_left_behind() {
    let (first, last) = (rule("first", &create("first")), rule("last", &create("last")));
    let changing = |when: &str| rule("changing", &format!("when = \"{when}\"\n{}", create("one")));
    let mut way = Way::new(&format!("{first}{}{last}", changing("true")), "x");
    way.down("one");
    let run = way.put_off();
    way.generation = load(&format!("{first}{}{last}", changing("false")));
    check_resumed(&mut way, run, &["last"]);
}

#[test]
fn where_its_rule_is_gone_it_goes_on_behind_the_last_that_ended() {
    let of = |name: &str| rule(name, &create(name));
    let mut way = Way::new(&["a", "b", "c", "d"].map(of).concat(), "x");
    way.down("c");
    let run = way.put_off();
    way.created(&["a", "b", "c"]);
    for (rules, expected) in [
        (&["a", "b", "d"][..], &["d"][..]),
        // What ended is gone as well, or stands elsewhere now: it is not run twice.
        (&["a", "d"], &["d"]),
        (&["b", "a", "d"], &["d"]),
        (&["d", "b", "a", "e"], &["e"]),
        (&["c", "a", "b", "d"], &["c", "d"]),
    ] {
        way.generation = load(&rules.iter().map(|name| of(name)).collect::<String>());
        way.script.asked().intents.clear();
        check_resumed(&mut way, run.clone(), expected);
    }
}

#[test]
fn a_run_that_can_not_be_read_begins_anew() {
    let mut way = Way::new(&rule("r", &create("one")), "x");
    check_resumed(&mut way, json!({ "of": "another version" }), &["one"]);
}

#[test]
fn the_rules_that_matched_in_earlier_attempts_are_still_told() {
    let when = |when: &str| format!("when = \"{when}\"\n{}", create("none"));
    let rules = rule("first", &create("first"))
        + &rule("not this one", &when("false"))
        + &rule("second", &(create("one") + &create("two")))
        + &rule("broken", &when("email.body | regex_find(pattern=email.subject)"));
    let mut way = Way::new(&rules, "(");
    way.down("two");
    let run = way.put_off();
    assert_eq!(Run::matched_in(&run), ["first", "second"]);
    way.mended();
    match way.attempt(Some(run)).end {
        End::Concluded { outcome, matched, .. } => {
            assert_eq!(
                (outcome, matched),
                (Outcome::Failed, vec!["first".into(), "second".into()])
            );
        }
        other => panic!("{other:?}"),
    }
}
