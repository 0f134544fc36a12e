//! Names that nothing is known of: one mistake is one fault, in however many expressions it shows.

use serde_json::Value;

use super::{Compiler, find, store::is_name};
use crate::config::{
    ActionSource,
    fault::{Fault, closest},
};

impl Compiler<'_> {
    /// Reports what was gathered while the steps of a rule were compiled, each name once.
    pub(super) fn tell_unknown(&mut self, steps: &[ActionSource]) {
        let mut names: Vec<(String, Vec<Fault>)> = Vec::new();
        for (name, fault) in std::mem::take(&mut self.unknown) {
            // A step that stores under a name stores its error as well.
            let name = name.strip_suffix("_error").unwrap_or(&name);
            match names.iter_mut().find(|(known, _)| known == name) {
                Some((_, faults)) => faults.push(fault),
                None => names.push((name.to_owned(), vec![fault])),
            }
        }
        for (name, faults) in names {
            if faults.len() == 1 {
                self.faults.extend(faults);
                continue;
            }
            let fault = misspelt_store(&name, steps).unwrap_or_else(|| first(&faults));
            self.faults.push(fault.seen_at(faults));
        }
    }
}

/// The first of the faults with what to do of the last, before which most is stored.
fn first(faults: &[Fault]) -> Fault {
    let first = faults[0].clone();
    let last = faults.iter().rfind(|fault| fault.problem == first.problem);
    let remedy = last.map_or(String::new(), |last| last.remedy.clone());
    Fault { remedy, ..first }
}

/// The `store_as` that was meant to be this name: it is close, and no expression of the rule has its word.
fn misspelt_store(unknown: &str, steps: &[ActionSource]) -> Option<Fault> {
    let wanted = unknown.strip_prefix("custom.").filter(|name| is_name(name))?;
    let mut stores = Vec::new();
    gather_stores(steps, &mut stores);
    let unused = stores
        .iter()
        .filter(|(_, stored)| !steps.iter().any(|step| has_word(step, stored)));
    let near = closest(wanted, unused.map(|(_, stored)| *stored))?;
    let (path, _) = stores.iter().find(|(_, stored)| *stored == near)?;
    let problem = format!("store_as {near:?} is used nowhere, and \"custom.{wanted}\" is stored nowhere");
    Some(Fault::at(path, problem, format!("did you mean store_as = {wanted:?}?")))
}

/// The place and the name of all that is kept for the rule.
fn gather_stores<'a>(steps: &'a [ActionSource], stores: &mut Vec<(String, &'a str)>) {
    for step in steps {
        let stored = find(step, "store_as").and_then(Value::as_str);
        let stored = stored.map(|text| text.strip_prefix("custom.").unwrap_or(text));
        let stored = stored.filter(|name| is_name(name));
        stores.extend(stored.map(|name| (format!("{}.store_as", step.path), name)));
        gather_stores(&step.actions, stores);
    }
}

/// Whether a text of the step has this word, but for its `store_as`: to be in doubt is to leave the name alone.
fn has_word(step: &ActionSource, name: &str) -> bool {
    let fields = step.fields.iter().filter(|(key, _)| key != "store_as");
    let mut texts = fields.map(|(_, value)| value.to_string());
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_word = |word: &str| word.strip_suffix("_error").unwrap_or(word) == name;
    texts.any(|text| text.split(|c| !is_part(c)).any(is_word)) || step.actions.iter().any(|step| has_word(step, name))
}
