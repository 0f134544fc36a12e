//! The Tera behind every expression: programs are compiled into it once and run by many threads.
//!
//! A Tera of its own for each expression would cost its filter tables each time, so programs share one, up to a number.

use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use tera::{ErrorKind, Tera, Value};

use super::{
    ExpressionFault, Scope,
    budget::{Bounded, MOST_OUTPUT, Patterns, Run, Stop},
    emit::Emitted,
    filter,
    token::fault,
};

/// Programs that share one Tera: adding one looks at all the others again.
const SHARED: usize = 48;

/// The Tera that every other is copied from.
static PROTOTYPE: LazyLock<Tera> = LazyLock::new(filter::tera);
/// The engine that is being filled, and how many programs it has.
static FILLING: Mutex<(Weak<RwLock<Tera>>, usize)> = Mutex::new((Weak::new(), 0));

/// A compiled expression.
#[derive(Clone)]
pub struct Program {
    engine: Arc<RwLock<Tera>>,
    name: Arc<str>,
    marks: Arc<[(usize, usize)]>,
    patterns: Arc<Patterns>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a program ended early, and the offset in the source of what was being done.
#[derive(Debug)]
pub struct Stopped {
    pub offset: usize,
    pub stop: Stop,
}

impl Program {
    /// Compiles what was emitted.
    pub fn load(emitted: Emitted, patterns: Arc<Patterns>) -> Result<Program, ExpressionFault> {
        let mut filling = FILLING.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = filling.0.upgrade().filter(|_| filling.1 < SHARED);
        let engine = shared.unwrap_or_else(|| {
            let fresh = Arc::new(RwLock::new(PROTOTYPE.clone()));
            *filling = (Arc::downgrade(&fresh), 0);
            fresh
        });
        filling.1 += 1;
        let name = filling.1.to_string();
        let added = engine
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .add_raw_template(&name, &emitted.text);
        drop(filling);
        added.map_err(|error| refused(&error, &emitted))?;
        Ok(Program {
            engine,
            name: name.into(),
            marks: emitted.marks.into(),
            patterns,
        })
    }

    /// The text that it renders to.
    pub fn text(&self, scope: &Scope) -> Result<String, Stopped> {
        self.run(scope).map(|(text, _)| text)
    }

    /// The value that it keeps.
    pub fn value(&self, scope: &Scope) -> Result<Value, Stopped> {
        self.run(scope).map(|(_, kept)| kept.unwrap_or_else(Value::none))
    }

    fn run(&self, scope: &Scope) -> Result<(String, Option<Value>), Stopped> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let run = Run::new(&scope.freemail).knowing(&self.patterns);
        let mut output = Bounded::new(MOST_OUTPUT);
        let (result, run) = run.during(|| engine.render_to(&self.name, scope.roots.context(), &mut output));
        let Err(error) = result else {
            return Ok((output.into_text(), run.kept));
        };
        let (place, reason) = told(&error);
        let stop = match run.stop {
            Some(stop) => stop,
            None if output.passed => Stop::Bound(format!("it renders to more than {MOST_OUTPUT} octets")),
            None => Stop::Failed(reason),
        };
        Err(Stopped {
            offset: Emitted::origin(&self.marks, place),
            stop,
        })
    }
}

/// Where in the text Tera stopped, and what it says, on one line.
fn told(error: &tera::Error) -> (usize, String) {
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            (report.span().range.start, sentence(report.message()))
        }
        other => (0, sentence(other.to_string().lines().next().unwrap_or_default())),
    }
}

/// As the house writes it: no capital at the start, no full stop, no back-ticks.
fn sentence(text: &str) -> String {
    let mut letters = text.trim().trim_end_matches('.').chars();
    let first = letters
        .next()
        .map(|first| first.to_lowercase().to_string())
        .unwrap_or_default();
    (first + letters.as_str()).replace('`', "\"").replace('\n', " ")
}

/// The parser before has read the grammar, so what Tera still refuses is too large for it.
fn refused(error: &tera::Error, emitted: &Emitted) -> ExpressionFault {
    let (place, reason) = told(error);
    let offset = Emitted::origin(&emitted.marks, place);
    if ["too complex", "too deep", "nested brackets", "dimensions"]
        .into_iter()
        .any(|sign| reason.contains(sign))
    {
        return fault(
            offset,
            "the expression is nested too deeply",
            "divide it with {% set %} or several steps",
        );
    }
    fault(offset, format!("the expression can not be compiled: {reason}"), "")
}
