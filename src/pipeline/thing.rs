//! What can have trouble, and what shows that the trouble is over.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    config::{ConnectionName, MailboxName},
    effect::EffectTrace,
    halo::fault::{Fault, Named, Permission},
};

/// What can have trouble. Its text is the topic under which operators hear of it, and names in the journal what a
/// message waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A mailbox can not be read.
    Mailbox(MailboxName),
    /// What ended can not be moved, marked or deleted there.
    Settling(MailboxName),
    /// A Halo connection: it is not reached, refuses to sign in, or asks to slow down.
    Connection(ConnectionName),
    /// A permission that is missing there.
    Permission(ConnectionName, Permission),
    /// A client or site that the configuration names and Halo has not exactly once.
    Missing(ConnectionName, Named),
    /// The SMTP server.
    Smtp,
    /// Reports to operators are refused for good.
    Report,
    /// The receiver of the webhook does not take reports.
    Webhook,
    /// Mail to a mailbox does not come, or not in time.
    Canary(MailboxName),
    /// A new configuration that was not taken.
    Configuration,
    /// The address of health, metrics and the page.
    Http,
}

impl Thing {
    /// The words of `kind`.
    pub const KINDS: [&str; 11] = [
        "mailbox",
        "settling",
        "connection",
        "permission",
        "missing",
        "smtp",
        "report",
        "webhook",
        "canary",
        "configuration",
        "http",
    ];

    /// What kind of thing it is, without its name.
    pub fn kind(&self) -> &'static str {
        match self {
            Thing::Mailbox(_) => "mailbox",
            Thing::Settling(_) => "settling",
            Thing::Connection(_) => "connection",
            Thing::Permission(..) => "permission",
            Thing::Missing(..) => "missing",
            Thing::Smtp => "smtp",
            Thing::Report => "report",
            Thing::Webhook => "webhook",
            Thing::Canary(_) => "canary",
            Thing::Configuration => "configuration",
            Thing::Http => "http",
        }
    }

    /// Where it is: the mailbox or the connection, without what operators alone are told.
    pub fn place(&self) -> String {
        match self.connection() {
            Some(connection) => format!("connection {connection}"),
            None => self.to_string(),
        }
    }

    /// The part of a connection that is at fault.
    pub fn at_fault(connection: &ConnectionName, fault: &Fault) -> Thing {
        let connection = connection.clone();
        match fault {
            Fault::Unreachable | Fault::Held | Fault::Credentials => Thing::Connection(connection),
            Fault::Forbidden(permission) => Thing::Permission(connection, permission.clone()),
            Fault::Missing(named) => Thing::Missing(connection, named.clone()),
        }
    }

    /// The connection that it is of, where messages wait for it.
    pub fn connection(&self) -> Option<&ConnectionName> {
        match self {
            Thing::Connection(name) | Thing::Permission(name, _) | Thing::Missing(name, _) => Some(name),
            Thing::Mailbox(_)
            | Thing::Settling(_)
            | Thing::Smtp
            | Thing::Report
            | Thing::Webhook
            | Thing::Canary(_)
            | Thing::Configuration
            | Thing::Http => None,
        }
    }

    /// The mailbox that it is of, where it is of one.
    pub fn mailbox(&self) -> Option<&MailboxName> {
        match self {
            Thing::Mailbox(name) | Thing::Settling(name) | Thing::Canary(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is so by what a configuration asks for, and perhaps not under another one.
    pub fn is_of_rules(&self) -> bool {
        matches!(self, Thing::Permission(..) | Thing::Missing(..))
    }

    /// Whether what was asked and answered shows that it is well: only an answer of its own kind does.
    pub fn is_well_by(&self, effect: &EffectTrace) -> bool {
        if self.connection().is_none() || self.connection() != effect.connection.as_ref() {
            return false;
        }
        let mut granted = effect.calls.iter().filter_map(|call| call.granted());
        match self {
            Thing::Permission(_, permission) => granted.any(|granted| granted == *permission),
            Thing::Missing(_, named) => effect.found.as_ref() == Some(named),
            _ => granted.next().is_some(),
        }
    }

    /// What operators hear at the end of its trouble.
    pub fn well_again(&self) -> &'static str {
        match self {
            Thing::Mailbox(_) => "the mailbox is well again",
            Thing::Settling(_) => "messages are settled again",
            Thing::Connection(_) => "Halo answers again; the messages that waited are taken up",
            Thing::Permission(_, Permission { write: true, .. }) => {
                "Halo takes writes again; the messages that waited are taken up"
            }
            Thing::Permission(..) => "Halo allows it again; the messages that waited are taken up",
            Thing::Missing(..) => "it is there; the messages that waited are taken up",
            Thing::Smtp => "the SMTP server takes letters again",
            Thing::Report => "reports are taken again",
            Thing::Webhook => "the webhook takes reports again",
            Thing::Canary(_) => "the canary comes in time again",
            Thing::Configuration => "a new configuration was taken",
            Thing::Http => "health, metrics and the page are served",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Mailbox(name) => write!(f, "mailbox {name}"),
            Thing::Settling(name) => write!(f, "settling in mailbox {name}"),
            Thing::Connection(name) => write!(f, "connection {name}"),
            Thing::Permission(name, permission) => write!(f, "connection {name}, {permission}"),
            Thing::Missing(name, named) => write!(f, "connection {name}, {named}"),
            Thing::Smtp => f.write_str("smtp"),
            Thing::Report => f.write_str("report"),
            Thing::Webhook => f.write_str("webhook"),
            Thing::Canary(name) => write!(f, "canary {name}"),
            Thing::Configuration => f.write_str("configuration"),
            Thing::Http => f.write_str("http"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Asked, Said},
        halo::{Reference, client::Call},
    };

    fn main() -> ConnectionName {
        ConnectionName("main".to_owned())
    }

    /// An answered read of this path; with a name, of the client that it found.
    fn answered(path: &str, client: Option<&str>) -> EffectTrace {
        let call = Call {
            at: jiff::Timestamp::UNIX_EPOCH,
            method: "GET".to_owned(),
            path: path.to_owned(),
            body: serde_json::Value::Null,
            http_status: 200,
            answer: String::new(),
            took_ms: 1,
            shared: 0,
            counts_elsewhere: false,
        };
        EffectTrace {
            connection: Some(main()),
            effect: String::new(),
            asked: Asked::default(),
            calls: vec![call],
            from: None,
            answer: Said::default(),
            refused: None,
            unanswered: false,
            found: client.map(|name| Named::Client(Reference::Name(name.to_owned()))),
        }
    }

    fn reading(resource: &str) -> Thing {
        let permission = Permission {
            write: false,
            resource: resource.to_owned(),
        };
        Thing::at_fault(&main(), &Fault::Forbidden(permission))
    }

    fn missing(client: &str) -> Thing {
        Thing::at_fault(
            &main(),
            &Fault::Missing(Named::Client(Reference::Name(client.to_owned()))),
        )
    }

    #[test]
    fn only_an_answer_of_its_own_kind_shows_that_a_thing_is_well() {
        let users = answered("/Users?search=ann", None);
        let acme = answered("/Client?search=Acme", Some("Acme"));
        for (thing, by_users, by_acme) in [
            (Thing::at_fault(&main(), &Fault::Unreachable), true, true),
            (Thing::at_fault(&main(), &Fault::Credentials), true, true),
            (reading("users"), true, false),
            (reading("client"), false, true),
            (missing("Acme"), false, true),
            (missing("Globex"), false, false),
            (Thing::Connection(ConnectionName("other".to_owned())), false, false),
            (Thing::Smtp, false, false),
        ] {
            assert_eq!(
                (thing.is_well_by(&users), thing.is_well_by(&acme)),
                (by_users, by_acme),
                "{thing}"
            );
        }
    }
}
