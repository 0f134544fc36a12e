//! A mail that a step sends, as data.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::message::address::AddrSpec;

/// A mail that is to leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewMail {
    /// By which it is known when its step is repeated.
    pub mark: String,
    /// Without angle brackets; made from the mark.
    pub message_id: String,
    pub to: Vec<AddrSpec>,
    /// The one of them that the operator did not write out, where there is one: what is sent is an answer to it.
    pub told: Option<Told>,
    pub subject: String,
    /// Empty: there is none.
    pub text: String,
    /// The same.
    pub html: String,
    pub files: Vec<Enclosure>,
}

/// Whom a message had us tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub address: AddrSpec,
    /// Nobody is told any more then.
    pub until: Timestamp,
}

/// A file of the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enclosure {
    /// Among the message's attachments.
    pub number: usize,
    pub name: String,
    pub content_type: String,
}

impl NewMail {
    /// What it is, for people.
    pub fn describe(&self) -> String {
        let to: Vec<&str> = self.to.iter().map(AddrSpec::as_str).collect();
        format!("the mail {:?} to {}", self.subject, to.join(", "))
    }
}
