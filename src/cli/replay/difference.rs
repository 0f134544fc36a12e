//! What differs between the two ways of a message, and the rule or step that made the difference. Pure.

use super::{
    origins::Worlds,
    requests::{self, between_texts},
};
use crate::{
    cli::{
        dry::{Taken, Verdict},
        print::short,
    },
    expression::Evaluated,
    run::trace::{RuleTrace, StepTrace, Trace},
};

/// A message by the present configuration and by the new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// In a word of [`RESULTS`].
    pub result: &'static str,
    /// Of the same outcome: what is done otherwise (`create_halo_user.client 12 → 15`).
    pub changes: Vec<String>,
    /// Otherwise the first place where the ways part, in words; empty where nothing differs.
    pub why: String,
}

/// Of changes in a line of words; more of them are counted.
const MOST: usize = 4;

/// What a message can come to in a replay: `same`, `differs`, `untold`, `without_octets`.
pub const RESULTS: [&str; 4] = ["same", "differs", "untold", "without_octets"];

impl Difference {
    /// Between the present configuration and the new one.
    pub fn between(present: &Taken<'_>, new: &Taken<'_>, worlds: Worlds<'_>) -> Difference {
        let (one, other) = (&present.verdict, &new.verdict);
        if one.is_untold() || other.is_untold() {
            return Difference {
                result: RESULTS[2],
                changes: Vec::new(),
                why: untold(one, other),
            };
        }
        if one.outcome != other.outcome {
            let why = first(&present.trace, &new.trace).unwrap_or_else(|| reasons(one, other));
            return Difference {
                result: RESULTS[1],
                changes: Vec::new(),
                why,
            };
        }
        let mut changes = requests::differences(&present.trace, &new.trace, worlds);
        for (what, one, other) in [
            ("reason", one.reason.clone(), other.reason.clone()),
            (
                "bounce.message",
                one.bounce.clone().unwrap_or_default(),
                other.bounce.clone().unwrap_or_default(),
            ),
            ("told", one.told.join(", "), other.told.join(", ")),
            ("settled", one.settle.clone(), other.settle.clone()),
        ] {
            if !worlds.say_the_same(&one, &other) {
                changes.push(format!("{what} {}", between_texts(&one, &other)));
            }
        }
        let result = if changes.is_empty() { RESULTS[0] } else { RESULTS[1] };
        Difference {
            result,
            changes,
            why: String::new(),
        }
    }

    /// What differs, in a line.
    pub fn in_words(&self) -> String {
        let further = self.changes.len().saturating_sub(MOST);
        let mut parts: Vec<String> = self.changes.iter().take(MOST).cloned().collect();
        parts.extend((further > 0).then(|| format!("and {further} more")));
        parts.extend(Some(self.why.clone()).filter(|why| !why.is_empty()));
        parts.join("; ")
    }
}

fn untold(present: &Verdict, new: &Verdict) -> String {
    match (present.is_untold(), new.is_untold()) {
        (true, true) if present.reason == new.reason => present.reason.clone(),
        (true, true) => format!("{}; by the new configuration {}", present.reason, new.reason),
        (true, false) => format!("by the present configuration {}", present.reason),
        _ => new.reason.clone(),
    }
}

fn reasons(present: &Verdict, new: &Verdict) -> String {
    match (present.reason.as_str(), new.reason.as_str()) {
        ("", "") => "what an outcome means is configured otherwise".to_owned(),
        (before, "") => format!("no longer {before}"),
        (_, now) => now.to_owned(),
    }
}

/// The first place where the ways part, in the order of the rules.
fn first(present: &Trace, new: &Trace) -> Option<String> {
    let mut places: Vec<(usize, String)> = Vec::new();
    for (place, rule) in present.rules.iter().enumerate() {
        let text = match find(new, &rule.rule) {
            Some(other) => between_rules(rule, other),
            None => matched(rule).then(|| format!("rule {:?} no longer has its turn", rule.rule)),
        };
        places.extend(text.map(|text| (place, text)));
    }
    for (place, rule) in new.rules.iter().enumerate() {
        if find(present, &rule.rule).is_none() && matched(rule) {
            let text = match &rule.condition {
                Some(condition) => format!("rule {:?} has its turn now: {}", rule.rule, in_words(condition)),
                None => format!("rule {:?} has its turn now", rule.rule),
            };
            places.push((place, text));
        }
    }
    places.into_iter().min_by_key(|(place, _)| *place).map(|(_, text)| text)
}

fn find<'t>(trace: &'t Trace, rule: &str) -> Option<&'t RuleTrace> {
    trace.rules.iter().find(|other| *other.rule == *rule)
}

fn matched(rule: &RuleTrace) -> bool {
    rule.mailbox_matches && rule.condition.as_ref().is_none_or(|condition| condition.truth)
}

fn between_rules(present: &RuleTrace, new: &RuleTrace) -> Option<String> {
    let name = &present.rule;
    match (matched(present), matched(new)) {
        (true, false) if !new.mailbox_matches => Some(format!("rule {name:?} is for other mailboxes now")),
        (true, false) => Some(format!("rule {name:?} does not match any more{}", condition(new))),
        (false, true) => Some(format!("rule {name:?} matches now{}", condition(new))),
        (false, false) => None,
        (true, true) => between_steps(present, new)
            .map(|text| format!("rule {name:?}, {text}"))
            .or_else(|| (present.end != new.end).then(|| format!("rule {name:?}: {}", new.end))),
    }
}

fn condition(rule: &RuleTrace) -> String {
    rule.condition
        .as_ref()
        .map(|condition| format!(": {}", in_words(condition)))
        .unwrap_or_default()
}

fn between_steps(present: &RuleTrace, new: &RuleTrace) -> Option<String> {
    let find = |rule: &'_ RuleTrace, path: &str| rule.steps.iter().position(|step| step.path == path);
    for step in &new.steps {
        let text = match find(present, &step.path).map(|at| &present.steps[at]) {
            Some(before) if before.kind == step.kind => between_two(before, step),
            Some(before) => Some(format!("it was {} before", before.kind)),
            None => step
                .ran
                .then(|| failure(step).unwrap_or_else(|| "it is new".to_owned())),
        };
        if let Some(text) = text {
            return Some(format!("step {} {}: {text}", step.path, step.name));
        }
    }
    let gone = present.steps.iter().find(|step| find(new, &step.path).is_none())?;
    Some(format!("step {} {} has no turn any more", gone.path, gone.name))
}

fn between_two(present: &StepTrace, new: &StepTrace) -> Option<String> {
    if present.ran != new.ran {
        let why = new
            .when
            .as_ref()
            .map(|when| format!(": {}", in_words(when)))
            .unwrap_or_default();
        let what = if new.ran {
            "it runs now"
        } else {
            "it does not run any more"
        };
        return Some(format!("{what}{why}"));
    }
    if present.error != new.error {
        return failure(new).or_else(|| Some("it does not fail any more".to_owned()));
    }
    if present.on_error != new.on_error {
        let word = |step: &StepTrace| step.on_error.clone().unwrap_or_default();
        return Some(format!("on_error {} → {}", word(present), word(new)));
    }
    None
}

fn failure(step: &StepTrace) -> Option<String> {
    step.error.as_ref().map(|error| format!("it fails: {error}"))
}

/// The part that decides a condition, with what it read: `email.size > 5 is false (email.size = 2)`.
fn in_words(condition: &Evaluated) -> String {
    let part = deciding(condition);
    let mut values = Vec::new();
    collect(part, &mut values);
    let values = if values.is_empty() {
        String::new()
    } else {
        format!(" ({})", values.join(", "))
    };
    format!("{} is {}{values}", part.text, part.truth)
}

fn deciding(condition: &Evaluated) -> &Evaluated {
    let asked: Vec<&Evaluated> = condition.parts.iter().filter(|part| part.asked).collect();
    let alike: Vec<&&Evaluated> = asked.iter().filter(|part| part.truth == condition.truth).collect();
    match alike.as_slice() {
        // Of `not x` the part is the other way round, and of several alike ones each has its say.
        [one] if condition.parts.len() > 1 => deciding(one),
        _ => condition,
    }
}

fn collect(part: &Evaluated, values: &mut Vec<String>) {
    for (name, value) in &part.values {
        let text = format!("{name} = {}", short(&value.json()));
        if !values.contains(&text) {
            values.push(text);
        }
    }
    part.parts.iter().for_each(|part| collect(part, values));
}

/// Where the record says otherwise than the present configuration: `was completed, present says failed`. What waits for its
/// end, and a copy of another message, says nothing of rules.
pub fn since_it_ran(recorded: &str, reason: &str, present: &Verdict) -> Option<String> {
    // That it was to be bounced is what the rules said; a limit decided the rest.
    let recorded = match reason.split(':').next() {
        Some("bounce_limit" | "bounce_unanswered") => "bounced",
        _ => recorded,
    };
    let is_an_end = ["completed", "stopped", "bounced", "failed", "ignored"].contains(&recorded);
    let differs = is_an_end && !present.is_untold() && recorded != present.outcome;
    differs.then(|| format!("was {recorded}, present says {}", present.outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, truth: bool, parts: Vec<Evaluated>) -> Evaluated {
        let own = parts.is_empty().then(|| (text.into(), truth.into()));
        Evaluated {
            text: text.into(),
            truth,
            values: own.into_iter().collect(),
            parts,
            asked: true,
        }
    }

    #[test]
    fn the_part_that_decides_is_named_with_what_it_read() {
        let unasked = Evaluated {
            asked: false,
            ..part("c", false, Vec::new())
        };
        for (condition, expected) in [
            (part("a", true, Vec::new()), "a is true (a = true)"),
            (
                part(
                    "a and b and c",
                    false,
                    vec![
                        part("a", true, Vec::new()),
                        part("b", false, Vec::new()),
                        unasked.clone(),
                    ],
                ),
                "b is false (b = false)",
            ),
            (
                part("a or c", true, vec![part("a", true, Vec::new()), unasked]),
                "a is true (a = true)",
            ),
            (
                part("not a", false, vec![part("a", true, Vec::new())]),
                "not a is false (a = true)",
            ),
            (
                part(
                    "a or b",
                    false,
                    vec![part("a", false, Vec::new()), part("b", false, Vec::new())],
                ),
                "a or b is false (a = false, b = false)",
            ),
        ] {
            assert_eq!(in_words(&condition), expected);
        }
    }

    #[test]
    fn the_record_is_held_against_the_present_where_it_is_an_end() {
        let present = |outcome: &str| Verdict {
            outcome: outcome.to_owned(),
            reason: String::new(),
            rule: String::new(),
            told: Vec::new(),
            settle: String::new(),
            bounce: None,
        };
        let said = |recorded, reason, now| since_it_ran(recorded, reason, &present(now));
        assert_eq!(said("completed", "", "completed"), None);
        assert_eq!(
            said("completed", "", "failed").as_deref(),
            Some("was completed, present says failed")
        );
        assert_eq!(said("deferred", "", "completed"), None);
        assert_eq!(said("failed", "bounce_limit: the step bounce says so", "bounced"), None);
        assert_eq!(said("completed", "", "can not be told"), None);
    }
}
