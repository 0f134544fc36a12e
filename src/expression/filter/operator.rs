//! Operators, paths and loops as filters: so they are safe under a null, and counted.

use std::cmp::Ordering;

use tera::{Number, Value, value::ValueKind};

use super::{Apply, Function, Input, full_text, is_nothing, kind_name, list, number, scalar_text, test};
use crate::expression::budget::{STEP, Stop};

type Made = Result<Value, Stop>;

/// The name that Tera knows, what it is called in errors, and what it does. The other operand is the argument `b`.
pub const OPERATORS: &[(&str, &str, Apply)] = &[
    ("op_print", "{{ }}", print),
    ("op_keep", "an expression", keep),
    ("op_turns", "a loop", turns),
    ("op_items", "... in a list", items),
    ("op_entries", "... in a map", entries),
    ("op_at", "[]", at),
    ("op_slice", "[:]", slice),
    ("op_in", "in", inside),
    ("op_equal", "==", equal),
    ("op_less", "<", less),
    ("op_less_or_equal", "<=", less_or_equal),
    ("op_greater", ">", greater),
    ("op_greater_or_equal", ">=", greater_or_equal),
    ("op_join", "~", join),
    ("op_add", "+", add),
    ("op_subtract", "-", subtract),
    ("op_multiply", "*", multiply),
    ("op_divide", "/", divide),
    ("op_divide_floor", "//", divide_floor),
    ("op_remainder", "%", remainder),
    ("op_power", "**", power),
    ("op_negate", "-", negate),
];

/// The operator that is written so between two operands.
pub fn with_sign(wanted: &str) -> Option<Function> {
    let (_, sign, apply) = OPERATORS.iter().find(|(_, sign, _)| *sign == wanted)?;
    Some(Function::operator(sign, *apply))
}

/// What is written out: nothing for nothing.
fn print(input: &mut Input<'_>) -> Made {
    if let Some(text) = input.value.as_str() {
        input.run.charge_text(text.len())?;
        return Ok(input.value.clone());
    }
    let text = full_text(input.value, input.run)?;
    Ok(Value::from(&*text))
}

/// Keeps the value for the caller, and writes nothing.
fn keep(input: &mut Input<'_>) -> Made {
    input.run.kept = Some(input.value.clone());
    Ok(Value::from(""))
}

/// What a loop walks, its turns counted.
fn turns(input: &mut Input<'_>) -> Made {
    let cost = input
        .whole_argument("cost")?
        .and_then(|cost| usize::try_from(cost).ok())
        .unwrap_or(STEP);
    let keyed = input.truth_argument("keyed");
    match input.value.kind() {
        ValueKind::None | ValueKind::Undefined if keyed => Ok(Value::from(tera::Map::new())),
        ValueKind::None | ValueKind::Undefined => Ok(Value::from(Vec::<Value>::new())),
        ValueKind::Array | ValueKind::Map => {
            if keyed && !input.value.is_map() {
                return Err(Stop::Failed(
                    "a loop over keys and values takes a map, not a list".to_owned(),
                ));
            }
            input.run.charge_turns(input.value.len().unwrap_or(0), cost)?;
            Ok(input.value.clone())
        }
        _ => Err(Stop::Failed(format!(
            "a loop walks a list or a map, not {}",
            kind_name(input.value)
        ))),
    }
}

/// The elements that `...` brings into a list.
fn items(input: &mut Input<'_>) -> Made {
    if is_nothing(input.value) {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    let list = input.list()?.to_vec();
    input.made_list(list)
}

/// The pairs that `...` brings into a map.
fn entries(input: &mut Input<'_>) -> Made {
    if is_nothing(input.value) {
        return Ok(Value::from(tera::Map::new()));
    }
    input.map()?;
    Ok(input.value.clone())
}

/// What stands at an index or under a key; nothing where there is none.
fn at(input: &mut Input<'_>) -> Made {
    let Some(index) = input.argument("b") else {
        return Ok(Value::none());
    };
    let value = input.value;
    let whole = index.as_i64().or_else(|| number::whole(index.as_f64()?));
    let found = match (value.kind(), whole) {
        (ValueKind::Array, Some(whole)) => {
            let list = value.as_array().unwrap_or_default();
            list::position(whole, list.len()).and_then(|at| list.get(at)).cloned()
        }
        (ValueKind::String, Some(whole)) => {
            let text = input.text()?;
            let length = if whole < 0 { text.chars().count() } else { 0 };
            list::position(whole, length)
                .and_then(|at| text.chars().nth(at))
                .map(|letter| Value::from(letter.to_string()))
        }
        _ => scalar_text(index).and_then(|key| list::step_into(value, &key).cloned()),
    };
    Ok(found.unwrap_or_else(Value::none))
}

fn slice(input: &mut Input<'_>) -> Made {
    let bounds = (
        input.whole_argument("b")?,
        input.whole_argument("c")?,
        input.whole_argument("d")?,
    );
    list::sliced(input, bounds.0, bounds.1, bounds.2)
}

fn other<'a>(input: &Input<'a>) -> Option<&'a Value> {
    input.argument("b")
}

fn inside(input: &mut Input<'_>) -> Made {
    match other(input) {
        Some(container) => test::contains(input, container, input.value),
        None => Ok(Value::from(false)),
    }
}

/// What is missing equals null.
fn equal(input: &mut Input<'_>) -> Made {
    let Some(other) = other(input) else {
        return Ok(Value::from(is_nothing(input.value)));
    };
    if let (Some(text), Some(other)) = (input.value.as_str(), other.as_str()) {
        if letters(text) == letters(other) {
            input.run.charge(other.len())?;
        }
        return Ok(Value::from(text == other));
    }
    if input.value.len() == other.len() {
        input.run.charge_value(other)?;
    }
    Ok(Value::from(input.value == other))
}

fn letters(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// How two values compare; what is nothing is neither more nor less.
fn compare(input: &mut Input<'_>, holds: fn(Ordering) -> bool) -> Made {
    let Some(other) = other(input) else {
        return Ok(Value::from(false));
    };
    if is_nothing(input.value) {
        return Ok(Value::from(false));
    }
    input.run.charge_value(other)?;
    match input.value.partial_cmp(other) {
        Some(ordering) => Ok(Value::from(holds(ordering))),
        None => {
            let (left, right) = (kind_name(input.value), kind_name(other));
            Err(Stop::Failed(format!(
                "{} can not compare {left} with {right}",
                input.name
            )))
        }
    }
}

fn less(input: &mut Input<'_>) -> Made {
    compare(input, Ordering::is_lt)
}

fn less_or_equal(input: &mut Input<'_>) -> Made {
    compare(input, Ordering::is_le)
}

fn greater(input: &mut Input<'_>) -> Made {
    compare(input, Ordering::is_gt)
}

fn greater_or_equal(input: &mut Input<'_>) -> Made {
    compare(input, Ordering::is_ge)
}

/// Two values as one text.
fn join(input: &mut Input<'_>) -> Made {
    let left = full_text(input.value, input.run)?;
    let right = match other(input) {
        Some(other) => full_text(other, input.run)?,
        None => "".into(),
    };
    input.run.charge_text(left.len() + right.len())?;
    Ok(Value::from(format!("{left}{right}")))
}

/// Both operands as numbers.
fn operands(input: &Input<'_>) -> Result<(Number, Number), Stop> {
    let take = |value: &Value| {
        value.as_number().ok_or_else(|| {
            let hint = if value.is_string() && input.name == "+" {
                "; texts are joined by ~"
            } else {
                ""
            };
            Stop::Failed(format!("{} takes numbers, not {}{hint}", input.name, kind_name(value)))
        })
    };
    let none = Value::none();
    Ok((take(input.value)?, take(other(input).unwrap_or(&none))?))
}

/// Whole numbers as such, floats where one operand is a float; what has no result is refused.
fn calculate(input: &Input<'_>, whole: fn(i128, i128) -> Option<i128>, float: fn(f64, f64) -> f64) -> Made {
    match operands(input)? {
        (Number::Integer(left), Number::Integer(right)) => {
            whole(left, right).map(whole_value).ok_or_else(|| no_result(input))
        }
        (left, right) => finite(input, float(left.as_float(), right.as_float())),
    }
}

fn finite(input: &Input<'_>, made: f64) -> Made {
    let made = Some(made).filter(|made| made.is_finite()).map(Value::from);
    made.ok_or_else(|| no_result(input))
}

fn no_result(input: &Input<'_>) -> Stop {
    Stop::Failed(format!("{} has no result for these numbers", input.name))
}

/// The smaller kind where it fits, as JSON has it.
fn whole_value(whole: i128) -> Value {
    i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from)
}

fn add(input: &mut Input<'_>) -> Made {
    calculate(input, i128::checked_add, |left, right| left + right)
}

fn subtract(input: &mut Input<'_>) -> Made {
    calculate(input, i128::checked_sub, |left, right| left - right)
}

fn multiply(input: &mut Input<'_>) -> Made {
    calculate(input, i128::checked_mul, |left, right| left * right)
}

fn divide(input: &mut Input<'_>) -> Made {
    if let (Number::Integer(left), Number::Integer(right)) = operands(input)?
        && left.checked_rem(right) != Some(0)
    {
        let (left, right) = operands(input)?;
        let made = Some(left.as_float() / right.as_float()).filter(|made| made.is_finite());
        return made
            .map(Value::from)
            .ok_or_else(|| Stop::Failed("/ can not divide by 0".to_owned()));
    }
    calculate(input, i128::checked_div, |left, right| left / right)
}

fn divide_floor(input: &mut Input<'_>) -> Made {
    let floor = |left: i128, right: i128| {
        let rest = left.checked_rem(right)?;
        let quotient = left.checked_div(right)?;
        Some(if rest != 0 && (rest < 0) != (right < 0) {
            quotient - 1
        } else {
            quotient
        })
    };
    calculate(input, floor, |left, right| (left / right).floor())
}

fn remainder(input: &mut Input<'_>) -> Made {
    calculate(input, i128::checked_rem, |left, right| left % right)
}

fn power(input: &mut Input<'_>) -> Made {
    if let (Number::Integer(base), Number::Integer(exponent)) = operands(input)?
        && exponent < 0
    {
        let made = Number::Integer(base)
            .as_float()
            .powf(Number::Integer(exponent).as_float());
        return finite(input, made);
    }
    let whole = |base: i128, exponent: i128| base.checked_pow(u32::try_from(exponent).ok()?);
    calculate(input, whole, f64::powf)
}

fn negate(input: &mut Input<'_>) -> Made {
    match input.value.as_number() {
        Some(Number::Integer(whole)) => Ok(whole_value(whole.saturating_neg())),
        Some(number) => Ok(Value::from(-number.as_float())),
        None => Err(Stop::Failed(format!(
            "- takes a number, not {}",
            kind_name(input.value)
        ))),
    }
}
