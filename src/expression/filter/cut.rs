//! Filters that cut a part out of a text.

use std::{borrow::Cow, ops::Range, sync::Arc};

use tera::Value;

use super::Input;
use crate::expression::budget::{Pattern, Stop, folded};

type Made = Result<Value, Stop>;

fn empty() -> Made {
    Ok(Value::from(""))
}

/// What stands before the first or last delimiter.
pub fn before(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    match delimiter(input, &text, "delimiter", input.truth_argument("last"))? {
        Some(found) => input.made(text[..found.start].to_owned()),
        None => empty(),
    }
}

/// What stands after the first or last delimiter.
pub fn after(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    match delimiter(input, &text, "delimiter", input.truth_argument("last"))? {
        Some(found) => input.made(text[found.end..].to_owned()),
        None => empty(),
    }
}

/// What stands between the first or last start and the end that comes next.
pub fn between(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let Some(start) = delimiter(input, &text, "start", input.truth_argument("last"))? else {
        return empty();
    };
    let rest = &text[start.end..];
    match delimiter(input, rest, "end", false)? {
        Some(end) => input.made(rest[..end.start].to_owned()),
        None => empty(),
    }
}

/// Where the text of an argument stands; an empty one stands nowhere.
fn delimiter(
    input: &mut Input<'_>,
    text: &str,
    argument: &'static str,
    last: bool,
) -> Result<Option<Range<usize>>, Stop> {
    let wanted = input.text_argument(argument)?.unwrap_or_default();
    if wanted.is_empty() {
        return Ok(None);
    }
    if input.truth_argument("ignore_case") {
        let pattern = input.run.pattern(&folded(&wanted), text)?;
        let found = if last {
            pattern.regex.find_iter(text).last()
        } else {
            pattern.regex.find(text)
        };
        return Ok(found.map(|found| found.range()));
    }
    let start = if last {
        text.rfind(&*wanted)
    } else {
        text.find(&*wanted)
    };
    Ok(start.map(|start| start..start + wanted.len()))
}

/// The pattern beside the input, and the input.
fn pattern<'a>(input: &mut Input<'a>) -> Result<(Arc<Pattern>, Cow<'a, str>), Stop> {
    let text = input.text()?;
    let pattern = input.text_argument("pattern")?.unwrap_or_default();
    Ok((input.run.pattern(&pattern, &text)?, text))
}

/// The first match.
pub fn regex_find(input: &mut Input<'_>) -> Made {
    let (pattern, text) = pattern(input)?;
    input.made(
        pattern
            .regex
            .find(&text)
            .map_or_else(String::new, |found| found.as_str().to_owned()),
    )
}

/// A group of the first match.
pub fn regex_capture(input: &mut Input<'_>) -> Made {
    let (pattern, text) = pattern(input)?;
    let regex = &pattern.regex;
    let group = input.text_argument("group")?.unwrap_or(Cow::Borrowed("1"));
    let index = match group.parse::<usize>() {
        Ok(index) => (index < regex.captures_len()).then_some(index),
        Err(_) => regex.capture_names().position(|name| name == Some(&*group)),
    };
    let Some(index) = index else {
        return Err(Stop::Failed(format!(
            "the pattern {:?} has no group {group:?}",
            regex.as_str()
        )));
    };
    let found = regex.captures(&text).and_then(|captures| captures.get(index));
    input.made(found.map_or_else(String::new, |found| found.as_str().to_owned()))
}

/// What stands before the first match.
pub fn before_regex(input: &mut Input<'_>) -> Made {
    let (pattern, text) = pattern(input)?;
    input.made(
        pattern
            .regex
            .find(&text)
            .map_or_else(String::new, |found| text[..found.start()].to_owned()),
    )
}

/// What stands after the first match.
pub fn after_regex(input: &mut Input<'_>) -> Made {
    let (pattern, text) = pattern(input)?;
    input.made(
        pattern
            .regex
            .find(&text)
            .map_or_else(String::new, |found| text[found.end()..].to_owned()),
    )
}

/// The text as a pattern for just itself.
pub fn regex_escape(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    input.made(regex::escape(&text))
}

/// Lines by number.
pub fn lines(input: &mut Input<'_>) -> Made {
    let text = input.text()?;
    let select = input.text_argument("select")?.unwrap_or_default();
    let wanted = selection(&select).ok_or_else(|| {
        Stop::Failed(format!(
            "{select:?} selects no lines; write numbers from 1 as in \"1,3-4\""
        ))
    })?;
    let lines: Vec<&str> = text.lines().collect();
    let mut chosen: Vec<&str> = Vec::new();
    for (first, last) in wanted {
        let chunk = lines.get(first - 1..last.min(lines.len())).unwrap_or_default();
        input.run.charge(chunk.iter().map(|line| line.len() + 1).sum())?;
        chosen.extend(chunk);
    }
    input.made(chosen.join("\n"))
}

/// The line numbers of `1,3-4,7-`, each from 1, first and last.
pub fn selection(select: &str) -> Option<Vec<(usize, usize)>> {
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number > 0);
    select
        .split(',')
        .map(|part| match part.split_once('-') {
            None => number(part).map(|line| (line, line)),
            Some((first, last)) if last.trim().is_empty() => Some((number(first)?, usize::MAX)),
            Some((first, last)) => Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last),
        })
        .collect()
}
