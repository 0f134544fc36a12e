//! The root names of a scope with their values.

use tera::{Context, Value};

/// Names and values, each in two places: as the renderer takes them, and in a row, where a condition that knows the place
/// finds its name with one comparison.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    context: Context,
    row: Vec<(String, Value)>,
}

impl Roots {
    /// Sets a name; one that is there keeps its place.
    pub fn put(&mut self, name: &str, value: Value) {
        match self.row.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = value.clone(),
            None => self.row.push((name.to_owned(), value.clone())),
        }
        self.context.insert_value(name.to_owned(), value);
    }

    /// Takes a value out, so that nobody shares it, and leaves nothing in its place.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let (_, place) = self.row.iter_mut().find(|(known, _)| known == name)?;
        *place = Value::none();
        self.context.remove(name)
    }

    /// What stands under a name.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.place_of(name).and_then(|place| self.at(place, name))
    }

    /// Where a name stands.
    pub fn place_of(&self, name: &str) -> Option<usize> {
        self.row.iter().position(|(known, _)| known == name)
    }

    /// What stands at a place, where that is the place of this name.
    pub fn at(&self, place: usize, name: &str) -> Option<&Value> {
        let (known, value) = self.row.get(place)?;
        (known == name).then_some(value)
    }

    /// As the renderer takes them.
    pub fn context(&self) -> &Context {
        &self.context
    }
}
