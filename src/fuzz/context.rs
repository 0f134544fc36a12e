//! From octets to the email context: every name of the table is there, of its kind, and the fields that steps have by
//! themselves render to what one line can hold.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    context::{
        self, Arrival,
        table::{EMAIL, Fact, Kind},
    },
    expression::{Names, Scope, Template},
    message::{Message, address::AddrSpec},
};

static DEFAULTS: LazyLock<[Template; 3]> = LazyLock::new(|| {
    let names = Names {
        roots: vec![("email".to_owned(), context::email_shape())],
    };
    [
        "{{ email.subject }}",
        "{{ email.from.display }}",
        "{{ email.from.address }}",
    ]
    .map(|text| Template::compile(text, &names).expect("a default of a step compiles"))
});

pub(super) fn check(octets: &[u8]) {
    let email = read(octets);
    assert_facts(&email, EMAIL);
    let mut scope = Scope::new();
    scope.set("email", &email);
    let [subject, name, address] = &*DEFAULTS;
    for template in [subject, name, address] {
        // A subject may be longer than a field; that is the step's failure, not the program's.
        if let Ok(text) = template.render(&scope) {
            assert!(!text.contains(['\r', '\n', '\0']), "{}: {text:?}", template.source());
        }
    }
    if let Ok(text) = address.render(&scope)
        && let Ok(address) = AddrSpec::parse(&text)
    {
        super::assert_one_line("address", address.as_str());
    }
}

/// The value of `email`, of a mailbox that trusts and knows everything.
pub(super) fn read(octets: &[u8]) -> Value {
    let message = Message::read(octets);
    let arrival = Arrival {
        mailbox: "support",
        folder: "INBOX",
        uid: 7,
        received: Timestamp::UNIX_EPOCH,
        size: u64::try_from(octets.len()).unwrap_or(u64::MAX),
        trusted_authserv_ids: &["topmost".to_owned()],
        subject_tags: &[("[ID:".to_owned(), "]".to_owned())],
    };
    context::email(&message, &arrival).json()
}

fn assert_facts(record: &Value, facts: &[Fact]) {
    for fact in facts {
        let value = record
            .get(fact.name)
            .unwrap_or_else(|| panic!("{} is not there", fact.name));
        assert_kind(fact.name, value, fact.kind);
    }
}

fn assert_kind(name: &str, value: &Value, kind: Kind) {
    let each = |is: fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(is));
    let is = match kind {
        Kind::Text => value.is_string(),
        Kind::Number => value.is_number(),
        Kind::Truth => value.is_boolean(),
        Kind::Texts => each(Value::is_string),
        Kind::Numbers => each(Value::is_number),
        Kind::TextsByName => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
        Kind::Record(facts) => return assert_facts(value, facts),
        Kind::Nullable(facts) => {
            if !value.is_null() {
                assert_facts(value, facts);
            }
            true
        }
        Kind::Records(facts) => {
            let list = value.as_array();
            list.into_iter()
                .flatten()
                .for_each(|record| assert_facts(record, facts));
            list.is_some()
        }
    };
    assert!(is, "{name} is {value}");
}
