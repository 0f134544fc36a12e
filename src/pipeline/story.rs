//! What happens between a message's reception and its end, line by line at debug: what `show` prints of it later.

use tracing::{Level, debug, enabled};

use crate::{
    journal::Work,
    message::Message,
    run::trace::{RuleTrace, StepTrace, Trace},
};

/// An attempt begins.
pub(super) fn begins(work: &Work, message: &Message, config: &str) {
    let (id, mailbox, attempts) = (work.claim.entry.0, &work.place.mailbox.0, work.attempt);
    debug!(
        id,
        mailbox,
        from = message.author.address,
        subject = message.subject,
        attempts,
        config,
        "attempt {attempts} at message {id} begins"
    );
}

/// What happened in it.
pub(super) fn tell(work: &Work, trace: &Trace) {
    if enabled!(Level::DEBUG) {
        trace.rules.iter().for_each(|rule| tell_rule(work, rule));
    }
}

fn tell_rule(work: &Work, rule: &RuleTrace) {
    let (id, mailbox, name) = (work.claim.entry.0, &work.place.mailbox.0, &*rule.rule);
    if !rule.mailbox_matches {
        return debug!(
            id,
            mailbox,
            rule = name,
            "message {id}: rule {name} is for other mailboxes"
        );
    }
    if rule.end.is_empty() {
        return debug!(id, mailbox, rule = name, "message {id}: rule {name} does not match");
    }
    rule.steps.iter().for_each(|step| tell_step(work, name, step));
    debug!(id, mailbox, rule = name, "message {id}: rule {name}: {}", rule.end);
}

fn tell_step(work: &Work, rule: &str, step: &StepTrace) {
    let (id, mailbox, number) = (work.claim.entry.0, &work.place.mailbox.0, &step.path);
    for effect in &step.effects {
        let connection = effect.connection.as_ref().map(|connection| connection.0.as_str());
        for call in &effect.calls {
            debug!(
                id,
                mailbox,
                connection,
                method = call.method,
                path = call.path,
                http_status = call.http_status,
                took_ms = call.took_ms,
                "message {id}: {} {} is answered with {}",
                call.method,
                call.path,
                call.http_status
            );
        }
    }
    let how = match (&step.error, step.ran) {
        (Some(error), _) => format!("failed: {error}"),
        (None, true) => "is done".to_owned(),
        (None, false) => "is not called for".to_owned(),
    };
    let took_ms = step.took_ms;
    debug!(
        id,
        mailbox,
        rule,
        step = number,
        took_ms,
        "message {id}: step {number} {} {how}",
        step.name
    );
}
