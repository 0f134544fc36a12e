//! Filters on numbers.

use tera::{Number, Value};

use super::{Input, is_nothing};
use crate::expression::budget::Stop;

type Made = Result<Value, Stop>;

/// Above this, not every whole number is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A float's whole number, where it is one.
pub fn whole(float: f64) -> Option<i64> {
    // Parsing what is printed keeps the conversion exact and without a narrowing cast.
    (float.fract() == 0.0 && float.abs() <= EXACT)
        .then(|| format!("{float:.0}").parse().ok())
        .flatten()
}

/// A float in writing; whole numbers without a point.
pub fn written(float: f64) -> String {
    whole(float).map_or_else(|| float.to_string(), |whole| whole.to_string())
}

/// The number that the input is.
fn number(input: &Input<'_>) -> Result<Number, Stop> {
    input
        .value
        .as_number()
        .ok_or_else(|| input.refuse("a number", input.value))
}

/// A whole number of a text or a number.
pub fn int(input: &mut Input<'_>) -> Made {
    if is_nothing(input.value) {
        return Ok(Value::none());
    }
    if let Some(number) = input.value.as_number() {
        return match number {
            Number::Float(float) => whole(float.trunc())
                .map(Value::from)
                .ok_or_else(|| no_number(&float.to_string(), "whole ")),
            _ => Ok(input.value.clone()),
        };
    }
    let text = input.text()?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::none());
    }
    let base = input
        .whole_argument("base")?
        .and_then(|base| u32::try_from(base).ok())
        .unwrap_or(10);
    if !(2..=36).contains(&base) {
        return Err(Stop::Failed(format!("int takes a base from 2 to 36, not {base}")));
    }
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let digits = text.strip_prefix(prefix).unwrap_or(text);
    let parsed = i64::from_str_radix(digits, base)
        .ok()
        .or_else(|| whole(text.parse().ok().filter(|_| base == 10)?));
    parsed.map(Value::from).ok_or_else(|| no_number(text, "whole "))
}

/// The number of a text.
pub fn float(input: &mut Input<'_>) -> Made {
    if is_nothing(input.value) {
        return Ok(Value::none());
    }
    if let Some(number) = input.value.as_number() {
        return Ok(Value::from(number.as_float()));
    }
    let text = input.text()?;
    match text.trim() {
        "" => Ok(Value::none()),
        text => text
            .parse::<f64>()
            .ok()
            .filter(|float| float.is_finite())
            .map(Value::from)
            .ok_or_else(|| no_number(text, "")),
    }
}

fn no_number(text: &str, kind: &str) -> Stop {
    let short: String = text.chars().take(40).collect();
    Stop::Failed(format!("{short:?} is no {kind}number"))
}

/// Rounded.
pub fn round(input: &mut Input<'_>) -> Made {
    let float = match number(input)? {
        Number::Float(float) => float,
        _ => return Ok(input.value.clone()),
    };
    let precision = input.whole_argument("precision")?.unwrap_or(0).clamp(-300, 300);
    let scale = 10f64.powi(i32::try_from(precision).unwrap_or(0));
    let scaled = float * scale;
    let rounded = match input.text_argument("method")?.as_deref() {
        Some("ceil") => scaled.ceil(),
        Some("floor") => scaled.floor(),
        None => scaled.round(),
        Some(other) => {
            return Err(Stop::Failed(format!(
                "round takes the method ceil or floor, not {other:?}"
            )));
        }
    };
    Ok(Value::from(rounded / scale))
}

/// Without its sign.
pub fn abs(input: &mut Input<'_>) -> Made {
    Ok(match number(input)? {
        Number::Float(float) => Value::from(float.abs()),
        Number::Integer(whole) => Value::from(whole.saturating_abs()),
        _ => input.value.clone(),
    })
}

/// The ending for a count.
pub fn pluralize(input: &mut Input<'_>) -> Made {
    let one = number(input)?.as_integer().is_some_and(|count| count.abs() == 1);
    let ending = if one {
        input.text_argument("singular")?
    } else {
        input.text_argument("plural")?
    };
    input.made(ending.map_or_else(|| if one { "" } else { "s" }.to_owned(), |ending| ending.into_owned()))
}
