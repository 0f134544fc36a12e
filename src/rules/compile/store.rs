//! Where a step's result is kept, and of what shape later steps see it.

use super::{Compiler, find};
use crate::{
    action::{Kind, Row},
    config::{ActionSource, fault::Fault},
    expression::shape::Shape,
    rules::{FieldSource, FieldTemplate, Store},
};

impl Compiler<'_> {
    pub(super) fn store_as(&mut self, source: &ActionSource, row: &Row, fields: &[FieldTemplate]) -> Option<Store> {
        let path = format!("{}.store_as", source.path);
        let shape = match row.kind {
            Kind::Set => self.set_shape(source, fields),
            // The last of its steps gives the element, or nothing where its `when` is false.
            Kind::ForEach => Shape::list(Shape::nullable(self.result.clone())),
            kind => kind.result_shape(),
        };
        self.result = shape.clone();
        let Some(text) = self.text_of(source, "store_as") else {
            if row.kind == Kind::Set {
                self.faults.push(Fault::at(
                    &source.path,
                    "set does not say where to",
                    "add store_as = \"NAME\"",
                ));
            }
            return None;
        };
        let (name, store) = match text.strip_prefix("global.") {
            Some(name) => (name, Store::Global(name.to_owned())),
            None => {
                let name = text.strip_prefix("custom.").unwrap_or(&text);
                (name, Store::Custom(name.to_owned()))
            }
        };
        if !is_name(name) {
            let remedy = "it needs letters, digits and _, beginning with a letter; \"global.NAME\" keeps it to the message's end";
            self.faults
                .push(Fault::at(path, format!("store_as {text:?} is no name"), remedy));
            return None;
        }
        let (known, stores) = match store {
            Store::Custom(_) => (&mut self.custom, &mut self.stores.0),
            Store::Global(_) => (&mut self.globals, &mut self.stores.1),
        };
        if !stores.iter().any(|stored| stored == name) {
            stores.push(name.to_owned());
        }
        keep(known, name.to_owned(), Shape::nullable(shape));
        keep(known, format!("{name}_error"), Shape::Text);
        Some(store)
    }

    fn set_shape(&mut self, source: &ActionSource, fields: &[FieldTemplate]) -> Shape {
        let written = |name: &str| fields.iter().find(|field| field.name == name && field.written);
        match (written("value"), written("values")) {
            (Some(_), Some(_)) => {
                self.faults.push(Fault::at(
                    &source.path,
                    "set has both value and values",
                    "leave one of them out",
                ));
            }
            (None, None) if find(source, "value").is_none() && find(source, "values").is_none() => {
                self.faults.push(Fault::at(
                    &source.path,
                    "set has neither value nor values",
                    "add one of them",
                ));
            }
            _ => {}
        }
        match written("values").map(|field| &field.source) {
            Some(FieldSource::Table(values)) => Shape::record(values.iter().map(|(key, _)| (key.clone(), Shape::Text))),
            _ => Shape::Text,
        }
    }
}

/// Two steps may store under one name (only one of them runs, say); where their shapes differ nothing is known.
fn keep(known: &mut Vec<(String, Shape)>, name: String, shape: Shape) {
    match known.iter_mut().find(|(stored, _)| *stored == name) {
        Some((_, stored)) if *stored == shape => {}
        Some((_, stored)) => *stored = Shape::Any,
        None => known.push((name, shape)),
    }
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
