//! Tests: what stands after `is`.

use tera::{Value, value::ValueKind};

use super::{Arguments, Input, full_text, is_nothing, kind_name, scalar_text};
use crate::expression::{
    budget::{STEP, Stop, folded},
    catalog::Entry,
};

type Made = Result<Value, Stop>;

fn answer(truth: bool) -> Made {
    Ok(Value::from(truth))
}

/// The pattern that a test with these arguments looks for in a text; `None` where it looks for none.
pub fn pattern(entry: &Entry, arguments: Arguments<'_>) -> Option<String> {
    if !matches!(entry.name, "containing" | "starting_with" | "ending_with" | "matching") {
        return None;
    }
    let pat = scalar_text(arguments.find("pat")?)?;
    if entry.name == "matching" {
        return Some(pat.into_owned());
    }
    let folds = arguments.find("ignore_case").is_some_and(Value::is_truthy);
    folds.then(|| folded_for(entry.name, &pat))
}

/// What a test looks for whatever the case of letters is.
pub fn folded_for(name: &str, pat: &str) -> String {
    match name {
        "starting_with" => format!("^{}", folded(pat)),
        "ending_with" => format!("{}$", folded(pat)),
        _ => folded(pat),
    }
}

/// Whether a text has a part, a list an element, a map a key.
pub fn containing(input: &mut Input<'_>) -> Made {
    let Some(wanted) = input.argument("pat") else {
        return answer(false);
    };
    if input.truth_argument("ignore_case") && input.value.is_string() {
        let text = input.text()?;
        let part = full_text(wanted, input.run)?;
        return input.matches(&text, || folded(&part)).map(Value::from);
    }
    contains(input, input.value, wanted)
}

/// What `in` and `containing` mean; nothing contains nothing.
pub fn contains(input: &mut Input<'_>, container: &Value, wanted: &Value) -> Made {
    match container.kind() {
        ValueKind::Undefined | ValueKind::None => answer(false),
        ValueKind::Array => {
            let items = container.as_array().unwrap_or_default();
            input.run.charge(STEP * items.len())?;
            let Some(wanted) = wanted.as_str() else {
                items.iter().try_for_each(|item| input.run.charge_value(item))?;
                return answer(items.contains(wanted));
            };
            for item in items {
                let Some(text) = item.as_str() else { continue };
                input.run.charge(text.len())?;
                if text == wanted {
                    return answer(true);
                }
            }
            answer(false)
        }
        ValueKind::Map => {
            let key = scalar_text(wanted).unwrap_or_default();
            answer(
                container
                    .as_map()
                    .is_some_and(|map| map.keys().any(|known| known.as_str() == Some(&*key))),
            )
        }
        ValueKind::String => {
            let text = container.as_str().unwrap_or_default();
            input.run.charge_text(text.len())?;
            let Some(part) = scalar_text(wanted) else {
                return Err(Stop::Failed(format!("a text can not contain {}", kind_name(wanted))));
            };
            answer(text.contains(&*part))
        }
        _ => Err(Stop::Failed(format!(
            "{} can not contain anything",
            kind_name(container)
        ))),
    }
}

/// Whether a text begins so.
pub fn starting_with(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let pat = input.text_argument("pat")?.unwrap_or_default();
    if input.truth_argument("ignore_case") {
        return input
            .matches(&text, || folded_for("starting_with", &pat))
            .map(Value::from);
    }
    answer(text.starts_with(&*pat))
}

/// Whether a text ends so.
pub fn ending_with(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let pat = input.text_argument("pat")?.unwrap_or_default();
    if input.truth_argument("ignore_case") {
        return input
            .matches(&text, || folded_for("ending_with", &pat))
            .map(Value::from);
    }
    answer(text.ends_with(&*pat))
}

/// Whether a pattern matches somewhere.
pub fn matching(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let pattern = input.text_argument("pat")?.unwrap_or_default();
    input.matches(&text, || pattern.into_owned()).map(Value::from)
}

/// Whether it is there and not null.
pub fn defined(input: &mut Input<'_>) -> Made {
    answer(!is_nothing(input.value))
}

/// Whether it is missing or null.
pub fn undefined(input: &mut Input<'_>) -> Made {
    answer(is_nothing(input.value))
}

/// Whether it is a text.
pub fn string(input: &mut Input<'_>) -> Made {
    answer(input.value.is_string())
}

/// Whether it is a number.
pub fn number(input: &mut Input<'_>) -> Made {
    answer(input.value.is_number())
}

/// Whether it is a whole number.
pub fn integer(input: &mut Input<'_>) -> Made {
    answer(whole(input).is_some())
}

/// Whether it has a fraction.
pub fn float(input: &mut Input<'_>) -> Made {
    answer(input.value.is_number() && whole(input).is_none())
}

/// Whether it is true or false.
pub fn truth(input: &mut Input<'_>) -> Made {
    answer(input.value.is_bool())
}

/// Whether it is a list.
pub fn array(input: &mut Input<'_>) -> Made {
    answer(input.value.is_array())
}

/// Whether it is a map.
pub fn map(input: &mut Input<'_>) -> Made {
    answer(input.value.is_map())
}

/// Whether a loop can walk it.
pub fn iterable(input: &mut Input<'_>) -> Made {
    answer(input.value.is_array() || input.value.is_map())
}

/// Whether it is odd.
pub fn odd(input: &mut Input<'_>) -> Made {
    remainder(input, 2).map(|rest| Value::from(rest != 0))
}

/// Whether it is even.
pub fn even(input: &mut Input<'_>) -> Made {
    remainder(input, 2).map(|rest| Value::from(rest == 0))
}

/// Whether it is a multiple.
pub fn divisible_by(input: &mut Input<'_>) -> Made {
    match input.whole_argument("divisor")?.unwrap_or(0) {
        0 => answer(false),
        divisor => remainder(input, divisor).map(|rest| Value::from(rest == 0)),
    }
}

fn whole(input: &Input<'_>) -> Option<i128> {
    input.value.as_number().and_then(|number| number.as_integer())
}

fn remainder(input: &Input<'_>, divisor: i64) -> Result<i128, Stop> {
    let whole = whole(input).ok_or_else(|| input.refuse("a whole number", input.value))?;
    Ok(whole.checked_rem_euclid(i128::from(divisor)).unwrap_or(0))
}
