//! The names that an expression may see where it stands, and the texts that are compiled against them.

use super::Compiler;
use crate::{
    config::fault::Fault,
    context,
    expression::{Condition, ExpressionFault, Names, Template, shape::Shape},
};

impl Compiler<'_> {
    pub(super) fn names(&self) -> Names {
        let mut roots = vec![
            ("email".to_owned(), context::email_shape()),
            ("custom".to_owned(), Shape::record(self.custom.clone())),
            ("global".to_owned(), Shape::record(self.globals.clone())),
            ("meta".to_owned(), context::meta_shape()),
        ];
        roots.extend(self.variables.iter().cloned());
        Names { roots }
    }

    pub(super) fn template(&mut self, text: &str, path: &str, names: &Names) -> Template {
        let template = Template::compile(text, names).unwrap_or_else(|faults| {
            self.add(path, faults);
            Template::compile("", names).expect("an empty text compiles")
        });
        self.reads.extend(template.reads());
        template
    }

    pub(super) fn condition(&mut self, text: &str, path: &str) -> Option<Condition> {
        let names = self.names();
        let condition = Condition::compile(text, &names)
            .map_err(|faults| self.add(path, faults))
            .ok()?;
        self.reads.extend(condition.reads());
        Some(condition)
    }

    /// How much was found wrong so far.
    pub(super) fn found(&self) -> usize {
        self.faults.len() + self.unknown.len()
    }

    pub(super) fn add(&mut self, path: &str, faults: Vec<ExpressionFault>) {
        for fault in faults {
            let placed = Fault::at(path, fault.problem, fault.remedy).within(fault.offset);
            match fault.unknown {
                Some(name) => self.unknown.push((name, placed)),
                None => self.faults.push(placed),
            }
        }
    }
}
