//! The parts, each as something that is done with one message again and again.

use std::hint::black_box;

use halo_intake::{
    bench,
    context::{self, Arrival},
    expression::{Condition, Names, Scope, Shared, Template},
    generation::Generation,
    message::Message,
};

use crate::rules::{self, RULES};

const EXPRESSION: &str = "{{ email.from.display }}: {{ email.topic }}";
const CONDITION: &str = "not email.automatic and email.from.domain == \"nobody.example\"";

/// What is measured.
pub struct Part {
    pub name: &'static str,
    pub does: fn(&Subject<'_>),
}

pub const READING: &str = "reading";
pub const CONDITIONS: &str = "100 conditions";
/// With all that an attempt does about them.
pub const RULES_TAKEN: &str = "through 100 rules";

pub const ALL: [Part; 7] = [
    Part {
        name: READING,
        does: |subject| drop(black_box(Message::read(&subject.octets))),
    },
    Part {
        name: "context",
        does: |subject| drop(black_box(subject.context())),
    },
    Part {
        name: "scope",
        does: |subject| drop(black_box(scope(&subject.email))),
    },
    Part {
        name: "one expression",
        does: |subject| drop(black_box(subject.expression.render(&subject.scope).unwrap())),
    },
    Part {
        name: "one condition",
        does: |subject| drop(black_box(subject.condition.evaluate(&subject.scope).unwrap())),
    },
    Part {
        name: CONDITIONS,
        does: |subject| subject.conditions(),
    },
    Part {
        name: RULES_TAKEN,
        does: |subject| {
            let through = bench::through(subject.generation, &rules::mailbox(), &subject.email);
            assert_eq!(black_box(through), (RULES, 0));
        },
    },
];

/// A message, and what each part begins with.
pub struct Subject<'g> {
    octets: Vec<u8>,
    message: Message,
    email: Shared,
    scope: Scope,
    expression: Template,
    condition: Condition,
    generation: &'g Generation,
}

impl Subject<'_> {
    pub fn of(octets: Vec<u8>, generation: &Generation) -> Subject<'_> {
        let names = Names {
            roots: vec![("email".to_owned(), context::email_shape())],
        };
        let message = Message::read(&octets);
        let mut subject = Subject {
            octets,
            message,
            email: Shared::default(),
            scope: Scope::new(),
            expression: Template::compile(EXPRESSION, &names).unwrap(),
            condition: Condition::compile(CONDITION, &names).unwrap(),
            generation,
        };
        subject.email = subject.context();
        subject.scope = scope(&subject.email);
        subject
    }

    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    fn context(&self) -> Shared {
        let arrival = Arrival {
            mailbox: "support",
            folder: "INBOX",
            uid: 7,
            received: jiff::Timestamp::UNIX_EPOCH,
            size: u64::try_from(self.octets.len()).unwrap(),
            trusted_authserv_ids: &["mx.desk.example".to_owned()],
            subject_tags: &[("[ID:".to_owned(), "]".to_owned())],
        };
        context::email(&self.message, &arrival)
    }

    fn conditions(&self) {
        for rule in &self.generation.rules.rules {
            let when = rule.when.as_ref().unwrap();
            assert!(!black_box(when.evaluate(&self.scope).unwrap()).truth);
        }
    }
}

/// The value as expressions see it.
fn scope(email: &Shared) -> Scope {
    let mut scope = Scope::new();
    scope.put("email", email.clone());
    scope
}
