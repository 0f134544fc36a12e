//! What steps name of the lists that a tenant has set up: types, statuses, teams and the like.

use super::{Report, locked};
use crate::{
    action::FieldKind,
    class::Class,
    halo::{
        Reference,
        alike::no_match,
        choice::List,
        client::{Calls, Halo},
    },
    rules::Step,
};

impl Report {
    /// Every one that a step names without an expression is there, once.
    pub(super) async fn choices(&mut self, what: &str, step: &Step, halo: &Halo, calls: &Calls) {
        for field in step.kind.row().fields {
            if let FieldKind::Choice(list) = field.kind
                && let Some(reference) = locked(step, field.name)
            {
                self.choice(what, (field.name, list), &reference, halo, calls).await;
            }
        }
    }

    async fn choice(
        &mut self,
        what: &str,
        (field, list): (&str, List),
        reference: &Reference,
        halo: &Halo,
        calls: &Calls,
    ) {
        let found = halo.choices_by(list, reference, calls).await;
        if let (Ok([]), Reference::Name(name)) = (found.as_deref(), reference)
            && let Ok(alike) = halo.choices_alike(list, name, calls).await
        {
            let (problem, needed) = no_match(&alike, name, list.word(), "");
            let text = format!("{field} {reference} {problem}; {needed}");
            return self.bad(what, &text, Class::Permanent);
        }
        self.one(what, (reference, format!("{list} {reference}")), found, |choice| {
            (choice.id, &choice.name)
        });
    }
}
