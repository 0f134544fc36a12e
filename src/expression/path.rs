//! A name that a condition reads, and the steps that lead to it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tera::{Map, Value, value::Key};

use super::{Roots, Scope, filter::list};

/// A root name and the steps under it: `email.headers["x-foo"]`, `email.to.0`.
#[derive(Debug)]
pub struct Path {
    root: Step,
    steps: Vec<Step>,
}

/// A name in a map, or a number in a list.
#[derive(Debug)]
struct Step {
    name: String,
    /// Where the name stood when it was last found: each message's map has it at the same place, and a look there
    /// costs less than a search.
    place: AtomicUsize,
}

impl Path {
    /// The path of these steps, the root name first.
    pub fn of(steps: Vec<String>) -> Option<Path> {
        let mut steps = steps.into_iter().map(|name| Step {
            name,
            place: AtomicUsize::new(0),
        });
        Some(Path {
            root: steps.next()?,
            steps: steps.collect(),
        })
    }

    /// Whether these are its steps.
    pub fn is(&self, steps: &[String]) -> bool {
        let own = std::iter::once(&self.root).chain(&self.steps);
        own.map(|step| &step.name).eq(steps)
    }

    /// What stands there.
    pub fn find<'v>(&'v self, scope: &'v Scope) -> Option<&'v Value> {
        let root = self.root.among(&scope.roots)?;
        self.steps.iter().try_fold(root, |value, step| match value.as_map() {
            Some(map) => step.under(map),
            None => list::step_into(value, &step.name),
        })
    }
}

impl Step {
    fn among<'v>(&self, roots: &'v Roots) -> Option<&'v Value> {
        let known = roots.at(self.place.load(Ordering::Relaxed), &self.name);
        if known.is_some() {
            return known;
        }
        let place = roots.place_of(&self.name)?;
        self.place.store(place, Ordering::Relaxed);
        roots.at(place, &self.name)
    }

    fn under<'v>(&self, map: &'v Map) -> Option<&'v Value> {
        let known = map.get_index(self.place.load(Ordering::Relaxed));
        if let Some((_, value)) = known.filter(|(key, _)| key.as_str() == Some(&self.name)) {
            return Some(value);
        }
        let place = map.get_index_of(&Key::Str(&self.name))?;
        self.place.store(place, Ordering::Relaxed);
        map.get_index(place).map(|(_, value)| value)
    }
}
