//! `send_email`: a mail by way of the outbox, once for each message and step.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Fields, StepError,
    attach_files_to_halo_ticket::{Attached, listed, media_type, named},
};
use crate::{
    effect::{Effect, Effects, Enclosure, NewMail, Told},
    expression::shape::Shape,
    message::address::{AddrSpec, list},
};

/// More addresses than this are no mail of a service desk.
const MOST_RECIPIENTS: usize = 50;
/// A mail as it leaves; most servers take no longer one.
pub const LONGEST: usize = 25 * 1024 * 1024;

/// What the message tells of it.
pub struct Sending<'a> {
    /// By which it is known when the step is repeated.
    pub mark: String,
    /// Of this machine.
    pub hostname: &'a str,
    pub now: Timestamp,
}

/// Puts it into the outbox, unless it may not be sent.
pub async fn perform(fields: &Fields, sending: Sending<'_>, effects: &mut Effects<'_>) -> Result<Value, StepError> {
    let to = recipients(fields)?;
    let told = told(fields, &to, sending.now, effects)?;
    let files = files(fields)?;
    let message_id = format!("{}@{}", sending.mark.replace(':', "."), sending.hostname);
    let mail = NewMail {
        mark: sending.mark,
        message_id: message_id.clone(),
        to,
        told,
        subject: fields.required("subject")?,
        text: fields.text("text"),
        html: fields.text("html"),
        files,
    };
    if mail.text.is_empty() && mail.html.is_empty() {
        return Err(StepError::failed("text and html are empty; one of them is needed"));
    }
    effects.ask::<()>(Effect::Mail { mail }).await?;
    Ok(json!({ "message_id": message_id }))
}

fn recipients(fields: &Fields) -> Result<Vec<AddrSpec>, StepError> {
    let (named, _) = list::parse(&fields.required("to")?, MOST_RECIPIENTS + 1);
    let read: Option<Vec<AddrSpec>> = named.iter().map(|one| one.addr_spec()).collect();
    let mut to = read
        .filter(|to| !to.is_empty())
        .ok_or_else(|| fields.wrong("to", "holds what is no address", "it needs the form local@domain"))?;
    if to.len() > MOST_RECIPIENTS {
        return Err(fields.wrong("to", "holds too many addresses", &format!("it takes {MOST_RECIPIENTS}")));
    }
    to.sort();
    to.dedup();
    Ok(to)
}

/// The one that the operator did not write out. More of them would let a stranger choose to whom we send.
fn told(fields: &Fields, to: &[AddrSpec], now: Timestamp, effects: &Effects<'_>) -> Result<Option<Told>, StepError> {
    let written = written_out(fields.expression("to"));
    let mut told = None;
    for address in to {
        let is_written_out = written.contains(address);
        if !is_written_out && told.is_some() {
            let expected = "only one may come from elsewhere; write the others out";
            return Err(fields.wrong("to", "holds several addresses that are not written out", expected));
        }
        let allowed = effects.enclosed().may_be_told(address, is_written_out, now);
        let until = allowed.map_err(|unsafe_to_tell| {
            let word = unsafe_to_tell.word();
            StepError::failed(format!("{word}: nothing is sent to {address}: {unsafe_to_tell}"))
        })?;
        if !is_written_out {
            told = Some(Told {
                address: address.clone(),
                until,
            });
        }
    }
    Ok(told)
}

/// The addresses that stand in an expression as they are.
fn written_out(expression: &str) -> Vec<AddrSpec> {
    let words = expression.split(|c: char| c.is_whitespace() || ",;<>(){}%\"'".contains(c));
    words.filter_map(|word| AddrSpec::parse(word).ok()).collect()
}

fn files(fields: &Fields) -> Result<Vec<Enclosure>, StepError> {
    if !fields.is_written("attach") {
        return Ok(Vec::new());
    }
    let attached = listed(fields, "attach")?;
    // In base64 three octets are four.
    let octets = attached.iter().fold(0_u64, |sum, one| sum.saturating_add(one.size));
    if octets / 3 * 4 > LONGEST as u64 {
        return Err(StepError::failed(too_long()));
    }
    let enclosure = |one: &Attached| Enclosure {
        number: one.number,
        name: named(&one.name),
        content_type: media_type(&one.content_type),
    };
    Ok(attached.iter().map(enclosure).collect())
}

/// Why it is not sent.
pub fn too_long() -> String {
    format!("the mail is longer than {} MiB; attach less", LONGEST >> 20)
}

/// What the step stores.
pub fn result_shape() -> Shape {
    Shape::record([("message_id", Shape::Text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_out_where_it_stands_in_the_expression_as_it_is() {
        let written = |expression: &str| {
            let texts = written_out(expression).into_iter().map(|address| address.to_string());
            texts.collect::<Vec<_>>().join(" ")
        };
        for (expression, expected) in [
            ("ops@example.com", "ops@example.com"),
            (
                "Ops <Ops@example.com>, it@example.com",
                "ops@example.com it@example.com",
            ),
            ("{{ email.from.address }}, ops@example.com", "ops@example.com"),
            (
                "{% if email.junk %}a@example.com{% else %}b@example.com{% endif %}",
                "a@example.com b@example.com",
            ),
            (
                "{{ 'ops@example.com' if email.junk else email.from.address }}",
                "ops@example.com",
            ),
            ("{{ email.from.local }}@example.com", ""),
        ] {
            assert_eq!(written(expression), expected, "{expression}");
        }
    }
}
