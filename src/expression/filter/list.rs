//! Filters on lists and maps.

use std::{cmp::Ordering, collections::HashSet};

use tera::{
    Value,
    value::{Key, ValueKind},
};

use super::{Input, full_text, is_nothing, json, kind_name};
use crate::expression::budget::Stop;

type Made = Result<Value, Stop>;

/// Numbers that `range` makes at most.
pub const LONGEST_RANGE: i64 = 10_000;
/// A map of so many names is sooner walked than a name is hashed: any record of an address, an attachment, a field.
const WALKED: usize = 8;

/// The first element.
pub fn first(input: &mut Input<'_>) -> Made {
    Ok(input.list()?.first().cloned().unwrap_or_else(Value::none))
}

/// The last element.
pub fn last(input: &mut Input<'_>) -> Made {
    Ok(input.list()?.last().cloned().unwrap_or_else(Value::none))
}

/// An element by its number.
pub fn nth(input: &mut Input<'_>) -> Made {
    let index = input.whole_argument("n")?.unwrap_or(0);
    let list = input.list()?;
    Ok(position(index, list.len())
        .and_then(|at| list.get(at))
        .cloned()
        .unwrap_or_else(Value::none))
}

/// Where an index points; negative ones count from the end.
pub fn position(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// The elements as one text.
pub fn join(input: &mut Input<'_>) -> Made {
    let list = input.list()?;
    let separator = input.text_argument("sep")?.unwrap_or_default();
    let mut made = String::new();
    for (number, item) in list.iter().enumerate() {
        if number > 0 {
            made.push_str(&separator);
        }
        made.push_str(&full_text(item, input.run)?);
        if made.len() > super::MOST_TEXT {
            break;
        }
    }
    input.made(made)
}

/// What stands under an attribute, dots between its steps.
fn attribute(item: &Value, path: &str) -> Value {
    let found = path.split('.').try_fold(item, step_into);
    found.cloned().unwrap_or_else(Value::none)
}

/// What stands under a name, or under a number in a list.
pub fn step_into<'v>(value: &'v Value, step: &'v str) -> Option<&'v Value> {
    match value.kind() {
        ValueKind::Map => match value.as_map()? {
            map if map.len() <= WALKED => map
                .iter()
                .find(|(key, _)| key.as_str() == Some(step))
                .map(|(_, value)| value),
            map => map.get(&Key::Str(step)),
        },
        ValueKind::Array => value.as_array()?.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Sorted; what is nothing comes last, what can not be compared is refused.
pub fn sort(input: &mut Input<'_>) -> Made {
    let list = input.list()?;
    input.run.charge_value(input.value)?;
    let path = input.text_argument("attribute")?;
    let mut decorated: Vec<(Value, &Value)> = list
        .iter()
        .map(|item| {
            (
                path.as_deref()
                    .map_or_else(|| item.clone(), |path| attribute(item, path)),
                item,
            )
        })
        .collect();
    decorated.sort_by(|(left, _), (right, _)| left.cmp(right));
    for pair in decorated.windows(2) {
        let (left, right) = (&pair[0].0, &pair[1].0);
        if !is_nothing(left) && !is_nothing(right) && left.partial_cmp(right).is_none() {
            return Err(Stop::Failed(format!(
                "sort can not compare {} with {}",
                kind_name(left),
                kind_name(right)
            )));
        }
    }
    input.made_list(decorated.into_iter().map(|(_, item)| item.clone()).collect())
}

/// Each element once, the first of its kind.
pub fn unique(input: &mut Input<'_>) -> Made {
    let list = input.list()?;
    let mut seen = HashSet::new();
    let mut made = Vec::new();
    for item in list {
        let written = json(item)?;
        input.run.charge(written.len())?;
        if seen.insert(written) {
            made.push(item.clone());
        }
    }
    input.made_list(made)
}

/// The part between two places of a text or a list.
pub fn slice(input: &mut Input<'_>) -> Made {
    let (start, end) = (input.whole_argument("start")?, input.whole_argument("end")?);
    sliced(input, start, end, None)
}

/// A slice with a step, as Python has it.
pub fn sliced(input: &mut Input<'_>, start: Option<i64>, end: Option<i64>, step: Option<i64>) -> Made {
    if is_nothing(input.value) {
        return Ok(Value::none());
    }
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Stop::Failed("a slice can not have the step 0".to_owned()));
    }
    if input.value.is_array() {
        let list = input.list()?;
        let made = chosen(list.len(), start, end, step)
            .into_iter()
            .filter_map(|at| list.get(at).cloned())
            .collect();
        return input.made_list(made);
    }
    let text = input.text()?;
    let letters: Vec<char> = text.chars().collect();
    let made = chosen(letters.len(), start, end, step)
        .into_iter()
        .filter_map(|at| letters.get(at))
        .collect();
    input.made(made)
}

/// The indexes of a slice.
fn chosen(length: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |bound: Option<i64>, otherwise: i64| match bound {
        None => otherwise,
        Some(bound) => (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(lowest, highest),
    };
    let (mut at, end) = if step > 0 {
        (place(start, lowest), place(end, highest))
    } else {
        (place(start, highest), place(end, lowest))
    };
    let mut made = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        made.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    made
}

/// One attribute of each element.
pub fn map(input: &mut Input<'_>) -> Made {
    let list = input.list()?;
    let path = input.text_argument("attribute")?.unwrap_or_default();
    input.made_list(list.iter().map(|item| attribute(item, &path)).collect())
}

/// The elements by an attribute.
pub fn filter(input: &mut Input<'_>) -> Made {
    let list = input.list()?;
    let path = input.text_argument("attribute")?.unwrap_or_default();
    let wanted = input.argument("value");
    let mut made = Vec::new();
    for item in list {
        let found = attribute(item, &path);
        if let Some(wanted) = wanted {
            input.run.charge_value(wanted)?;
        }
        if wanted.map_or_else(|| found.is_truthy(), |wanted| found == *wanted) {
            made.push(item.clone());
        }
    }
    input.made_list(made)
}

/// From the end to the start.
pub fn reverse(input: &mut Input<'_>) -> Made {
    if input.value.is_array() {
        let list = input.list()?;
        return input.made_list(list.iter().rev().cloned().collect());
    }
    let text = input.text()?;
    input.made(text.chars().rev().collect())
}

/// Characters, elements or keys.
pub fn length(input: &mut Input<'_>) -> Made {
    if is_nothing(input.value) {
        return Ok(Value::from(0));
    }
    input.run.charge(input.value.as_str().map_or(0, str::len))?;
    input
        .value
        .len()
        .map(Value::from)
        .ok_or_else(|| input.refuse("a text, a list or a map", input.value))
}

/// What stands under a key.
pub fn get(input: &mut Input<'_>) -> Made {
    let map = input.map()?;
    let key = input.text_argument("key")?.unwrap_or_default();
    let found = map
        .get(&Key::Str(&key))
        .filter(|found| !is_nothing(found))
        .or_else(|| input.argument("default"));
    Ok(found.cloned().unwrap_or_else(Value::none))
}

/// The keys.
pub fn keys(input: &mut Input<'_>) -> Made {
    let map = input.map()?;
    input.made_list(map.keys().map(Key::as_value).collect())
}

/// The values.
pub fn values(input: &mut Input<'_>) -> Made {
    let map = input.map()?;
    input.made_list(map.values().cloned().collect())
}

/// Keys with their values.
pub fn pairs(input: &mut Input<'_>) -> Made {
    let map = input.map()?;
    input.made_list(
        map.iter()
            .map(|(key, value)| Value::from(vec![key.as_value(), value.clone()]))
            .collect(),
    )
}

/// Whole numbers in a row.
pub fn range(input: &mut Input<'_>) -> Made {
    let start = input.whole_argument("start")?.unwrap_or(0);
    let end = input.whole_argument("end")?.unwrap_or(0);
    let step = input.whole_argument("step_by")?.unwrap_or(1);
    let mut made = Vec::new();
    let mut at = start;
    let onward = match step.cmp(&0) {
        Ordering::Equal => return Err(Stop::Failed("range can not have a step_by of 0".to_owned())),
        Ordering::Greater => |at: i64, end: i64| at < end,
        Ordering::Less => |at: i64, end: i64| at > end,
    };
    while onward(at, end) {
        made.push(Value::from(at));
        if i64::try_from(made.len()).is_ok_and(|length| length > LONGEST_RANGE) {
            return Err(Stop::Bound(format!("a range has more than {LONGEST_RANGE} numbers")));
        }
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    input.made_list(made)
}
