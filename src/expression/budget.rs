//! What one rendering may use up, and where its filters leave what they found.
//!
//! Tera has no place for this in what it hands to a filter, so it rests in the thread: rendering never waits and never
//! changes threads.

use std::{cell::RefCell, collections::HashMap, io, sync::Arc};

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};
use tera::{Value, value::ValueKind};

/// Octets a text field may render to.
pub const MOST_OUTPUT: usize = 1 << 20;
/// Octets of one value that a filter or an operator is given, or makes.
pub const MOST_TEXT: usize = 4 << 20;
/// Elements of a list that a filter makes.
pub const MOST_ITEMS: usize = 100_000;
/// Turns of all loops together.
pub const MOST_TURNS: usize = 100_000;
/// Octets that pass through filters and operators in all; a turn counts by what its body holds. A second's work or two.
pub const MOST_WORK: usize = 128 << 20;
/// What a step of a loop's body counts for: about what an octet-wise filter does with so many octets.
pub const STEP: usize = 64;
/// The size of a compiled pattern that stands in the source: the default of `regex`, enough for `\w{1,100}`.
const MOST_PATTERN: usize = 10 << 20;
/// The size of one that is computed, so that it is compiled within milliseconds.
const MOST_COMPUTED_PATTERN: usize = 1 << 20;
/// What a place of a pattern costs at each octet where the search has to follow all of them at once: 13 ns were
/// measured, and [`MOST_WORK`] is a second.
const PLACE: usize = 2;

/// The patterns that stood in the source, compiled at load.
pub type Patterns = HashMap<String, Arc<Pattern>>;

/// A compiled regular expression and what it costs.
#[derive(Debug)]
pub struct Pattern {
    pub regex: Regex,
    /// For each octet that it looks at: the time of a search grows with text times pattern.
    cost: usize,
}

/// How the error of a pattern beyond its bound begins; what to do about it is known at load alone.
pub const TOO_LARGE: &str = "is too large when compiled";

/// Why a rendering ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The bound that was passed.
    Bound(String),
    /// What a filter or an operator can not do.
    Failed(String),
}

/// One rendering.
#[derive(Debug, Default)]
pub struct Run {
    turns: usize,
    work: usize,
    /// Nothing where none stood in the source.
    patterns: Option<Arc<Patterns>>,
    /// Few: [`MOST_WORK`] is passed after 128.
    computed: Vec<(String, Arc<Pattern>)>,
    /// Further domains of free mail; nothing where there are none.
    pub freemail: Option<Arc<[String]>>,
    /// The value that the expression came to, where it is wanted as a value.
    pub kept: Option<Value>,
    /// Why a filter refused: Tera carries texts only.
    pub stop: Option<Stop>,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

impl Run {
    pub fn new(freemail: &Arc<[String]>) -> Run {
        Run {
            freemail: (!freemail.is_empty()).then(|| freemail.clone()),
            ..Run::default()
        }
    }

    /// The same, where these patterns stood in the source.
    pub fn knowing(mut self, patterns: &Arc<Patterns>) -> Run {
        self.know(patterns);
        self
    }

    /// These patterns stood in the source.
    pub fn know(&mut self, patterns: &Arc<Patterns>) {
        self.patterns = (!patterns.is_empty()).then(|| patterns.clone());
    }

    /// Renders with this run in the thread's place, and gives it back as it became.
    pub fn during<T>(self, render: impl FnOnce() -> T) -> (T, Run) {
        RUN.with(|place| place.replace(Some(self)));
        let result = render();
        (result, RUN.with(RefCell::take).unwrap_or_default())
    }

    /// The run of the rendering that is under way.
    pub fn current<T>(act: impl FnOnce(&mut Run) -> T) -> T {
        RUN.with(|place| act(place.borrow_mut().get_or_insert_default()))
    }

    /// Counts octets that a filter or an operator looks at or makes.
    pub fn charge(&mut self, octets: usize) -> Result<(), Stop> {
        self.work = self.work.saturating_add(octets);
        if self.work > MOST_WORK {
            return Err(Stop::Bound(format!(
                "more than {MOST_WORK} octets pass through its filters and loops"
            )));
        }
        Ok(())
    }

    /// Counts a text, which has a bound of its own.
    pub fn charge_text(&mut self, octets: usize) -> Result<(), Stop> {
        if octets > MOST_TEXT {
            return Err(Stop::Bound(format!("a text is longer than {MOST_TEXT} octets")));
        }
        self.charge(octets)
    }

    /// Counts a value with all that is in it.
    pub fn charge_value(&mut self, value: &Value) -> Result<(), Stop> {
        match value.kind() {
            ValueKind::String => self.charge(value.as_str().map_or(0, str::len)),
            ValueKind::Array => {
                let items = value.as_array().unwrap_or_default();
                self.charge(STEP * items.len())?;
                items.iter().try_for_each(|item| match item.as_str() {
                    Some(text) => self.charge(text.len()),
                    None => self.charge_value(item),
                })
            }
            ValueKind::Map => {
                let map = value.as_map();
                self.charge(STEP * map.map_or(0, |map| map.len()))?;
                map.into_iter()
                    .flatten()
                    .try_for_each(|(_, item)| self.charge_value(item))
            }
            _ => self.charge(8),
        }
    }

    /// Counts the turns of a loop before it begins, each with what its body costs.
    pub fn charge_turns(&mut self, turns: usize, cost: usize) -> Result<(), Stop> {
        self.turns = self.turns.saturating_add(turns);
        if self.turns > MOST_TURNS {
            return Err(Stop::Bound(format!("its loops have more than {MOST_TURNS} turns")));
        }
        self.charge(turns.saturating_mul(cost))
    }

    /// Counts the search for a pattern in a text, and gives the pattern: from load where it stood in the source, else
    /// compiled now and kept for this rendering.
    pub fn pattern(&mut self, pattern: &str, text: &str) -> Result<Arc<Pattern>, Stop> {
        let written = self.patterns.as_ref().and_then(|patterns| patterns.get(pattern));
        let compiled = match written.or_else(|| self.computed(pattern)) {
            Some(known) => known.clone(),
            None => self.compile(pattern)?,
        };
        self.charge_search(&compiled, text)?;
        Ok(compiled)
    }

    /// Counts the search for a pattern in a text.
    pub fn charge_search(&mut self, pattern: &Pattern, text: &str) -> Result<(), Stop> {
        self.charge(text.len().saturating_mul(pattern.cost))
    }

    fn compile(&mut self, pattern: &str) -> Result<Arc<Pattern>, Stop> {
        self.charge(MOST_COMPUTED_PATTERN)?;
        let compiled = Pattern::compile(pattern, MOST_COMPUTED_PATTERN).map_err(|reason| {
            let shown: String = pattern.chars().take(60).collect();
            Stop::Failed(format!("the pattern {shown:?} {reason}"))
        })?;
        let compiled = Arc::new(compiled);
        self.computed.push((pattern.to_owned(), compiled.clone()));
        Ok(compiled)
    }

    fn computed(&self, pattern: &str) -> Option<&Arc<Pattern>> {
        let found = self.computed.iter().find(|(text, _)| text == pattern);
        found.map(|(_, compiled)| compiled)
    }
}

impl Pattern {
    /// One that stands in the source.
    pub fn literal(pattern: &str) -> Result<Pattern, String> {
        Pattern::compile(pattern, MOST_PATTERN)
    }

    /// Compiles a pattern within a bound; the error goes on after the pattern's name.
    fn compile(pattern: &str, most: usize) -> Result<Pattern, String> {
        let compiled = RegexBuilder::new(pattern).size_limit(most).build();
        let regex = compiled.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => TOO_LARGE.to_owned(),
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                format!(
                    "is no regular expression: {}",
                    last.trim().trim_start_matches("error: ")
                )
            }
        })?;
        let places = regex_syntax::parse(pattern).map_or(usize::MAX, |hir| places(&hir));
        // Where groups are asked for, each place carries their bounds along.
        let cost = places
            .saturating_mul(PLACE)
            .saturating_mul(1 + regex.captures_len() / 4);
        Ok(Pattern { regex, cost })
    }
}

/// In how many places of a pattern a search can be at once: its letters and classes, written out as often as they are
/// repeated.
fn places(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => 1,
        HirKind::Capture(capture) => places(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.max(1)).max(1);
            places(&repetition.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .fold(1, |sum: usize, part| sum.saturating_add(places(part))),
    }
}

/// The pattern that finds a text whatever the case of its letters.
pub fn folded(text: &str) -> String {
    format!("(?i){}", regex::escape(text))
}

/// Takes octets up to a bound, then refuses.
pub struct Bounded {
    pub octets: Vec<u8>,
    most: usize,
    /// Whether something was refused.
    pub passed: bool,
}

impl Bounded {
    pub fn new(most: usize) -> Bounded {
        Bounded {
            octets: Vec::new(),
            most,
            passed: false,
        }
    }

    /// The text; empty where it is none, which Tera and JSON never write.
    pub fn into_text(self) -> String {
        String::from_utf8(self.octets).unwrap_or_default()
    }
}

impl io::Write for Bounded {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.octets.len() + octets.len() > self.most {
            self.passed = true;
            return Err(io::Error::other("the bound is passed"));
        }
        self.octets.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
