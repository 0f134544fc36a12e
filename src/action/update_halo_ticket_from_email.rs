//! `update_halo_ticket_from_email`: the ticket that the message belongs to, its newly written text as the author's
//! entry there, and its files.

use serde_json::{Value, json};

use super::{
    Fields, StepError,
    add_halo_action::{action_shape, action_value},
    attach_files_to_halo_ticket::Destination,
    fields::{user_shape, user_value},
    find_halo_user_and_client::{self, Found},
    from_email::{self, At, Letter},
    resolve,
    ticket_fields::{ticket_shape, ticket_value},
};
use crate::{
    effect::{Ask, Effect, Effects, Ensured, Extent},
    expression::shape::Shape,
    halo::{
        AgentId, TicketId,
        choice::List,
        ticket::{Action, NewAction, Text, Ticket},
    },
    message::{address::AddrSpec, ticket_ids},
};

/// So many numbers in one subject are looked at.
const MOST_NUMBERS: usize = 3;
/// The factory's status of a ticket in hand (fact sheet, 2.6), for one that is opened again and is given no other.
const IN_PROGRESS: i64 = 2;

/// Finds the ticket and continues it. Where there is none, or the author has no part in it, nothing is done, which the
/// result says: it is no error.
pub async fn perform(
    fields: &Fields,
    letter: &Letter<'_>,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let Some(author) = letter.author() else {
        return Ok(not_found("the author's address is not believed"));
    };
    if from_email::is_from_halo(letter, at, effects).await? {
        return Ok(not_found("Halo itself wrote it"));
    }
    let found = find_halo_user_and_client::by_address(&author, (at.connection, at.halo), effects).await?;
    // What an earlier attempt began stays where it was begun, whatever has become of the ticket since.
    if let Some(begun) = effects.begun_action(&letter.mark) {
        let ask = Ask::Ticket { ticket: begun.ticket };
        let connection = at.connection.clone();
        let ticket: Option<Ticket> = effects.ask(Effect::Halo { connection, ask }).await?;
        return match ticket {
            Some(ticket) => go_on(fields, letter, (&found, ticket, Some(begun)), at, effects).await,
            None => Ok(not_found(&format!("there is no ticket {} any more", begun.ticket))),
        };
    }
    let mut reason = "no ticket is named and the conversation is not known".to_owned();
    let mut seen = Vec::new();
    for candidate in candidates(letter, at, effects).await? {
        let mut way = vec![candidate];
        let Some(ticket) = from_email::follow_from(&mut way, at, effects).await? else {
            reason = format!("there is no ticket {candidate}");
            continue;
        };
        if seen.contains(&ticket.id) {
            continue;
        }
        seen.push(ticket.id);
        if is_made_of(&ticket, letter) {
            reason = format!("the ticket {} was made of this message", ticket.id);
        } else if ticket.closed && fields.text("when_closed") == "not_found" {
            reason = format!("the ticket {} is closed", ticket.id);
        } else if !belongs((&ticket, &way), &found, (letter, &author), at, effects).await? {
            reason = format!("{author} has no part in the ticket {}", ticket.id);
        } else {
            return go_on(fields, letter, (&found, ticket, None), at, effects).await;
        }
    }
    Ok(not_found(&reason))
}

/// Whether this very message was made that ticket before.
fn is_made_of(ticket: &Ticket, letter: &Letter<'_>) -> bool {
    let id = ticket.raw.get("email_message_id").and_then(Value::as_str);
    let id = id.unwrap_or_default().trim().trim_matches(['<', '>']);
    !id.is_empty() && letter.own_key().as_deref() == Some(id)
}

/// Tickets that the message may belong to: those that its subject names, then the one of its conversation.
async fn candidates(letter: &Letter<'_>, at: &At<'_>, effects: &mut Effects<'_>) -> Result<Vec<TicketId>, StepError> {
    let subject = letter.text(&["subject"]);
    let numbers = ticket_ids(subject, &at.halo.subject_tags)
        .into_iter()
        .take(MOST_NUMBERS);
    // Halo's numbers have 32 bits (fact sheet, 2.6): a longer one is another desk's.
    let mut candidates: Vec<TicketId> = numbers
        .filter_map(|id| i32::try_from(id).ok().map(i64::from))
        .map(TicketId)
        .collect();
    let keys = letter.answers();
    if !keys.is_empty() {
        let ask = Ask::TicketsOfConversation { keys };
        let connection = at.connection.clone();
        candidates.extend(effects.ask::<Vec<TicketId>>(Effect::Halo { connection, ask }).await?);
    }
    Ok(candidates)
}

/// Whether the author has a part in the ticket: a number in a subject is a claim that anybody can make. `way` are the
/// tickets that have become part of it.
async fn belongs(
    (ticket, way): (&Ticket, &[TicketId]),
    found: &Found,
    (letter, author): (&Letter<'_>, &AddrSpec),
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<bool, StepError> {
    let user = found.user.as_ref();
    let is_theirs = user.is_some_and(|user| ticket.user_id == Some(user.id));
    let is_of_client = user.is_some_and(|user| user.client_id.is_some() && user.client_id == ticket.client_id);
    if is_theirs || (is_of_client && !at.catch_alls.hold(ticket)) || names(ticket, author) {
        return Ok(true);
    }
    if let Some(agent) = &found.agent
        && (letter.is_vouched_for() || works_on(ticket, agent.id))
    {
        return Ok(true);
    }
    for &ticket in way {
        let ask = Ask::TookPart {
            ticket,
            address: author.clone(),
        };
        let connection = at.connection.clone();
        if effects.ask(Effect::Halo { connection, ask }).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether it is that agent's ticket.
fn works_on(ticket: &Ticket, agent: AgentId) -> bool {
    ticket.raw.get("agent_id").and_then(Value::as_i64) == Some(agent.0)
}

/// Whether the ticket itself says that somebody with this address has a part in it.
fn names(ticket: &Ticket, author: &AddrSpec) -> bool {
    let fields = ["reportedby", "user_email", "emailcclist", "emailtolist"];
    let texts = fields.iter().filter_map(|field| ticket.raw.get(*field)?.as_str());
    let mut addresses = texts.flat_map(|text| text.split([';', ',', ' ']));
    addresses.any(|address| AddrSpec::parse(address.trim()).is_ok_and(|address| address == *author))
}

/// Adds the entry and the files, and opens the ticket where it was closed.
async fn go_on(
    fields: &Fields,
    letter: &Letter<'_>,
    (found, ticket, begun): (&Found, Ticket, Option<NewAction>),
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let mut to = Destination {
        ticket: ticket.id,
        action: None,
        mark: letter.mark.clone(),
        most: at.halo.max_file_size,
    };
    let shown = letter.shown(Extent::Visible, effects.enclosed());
    let mut attached = letter.attachments();
    if !fields.truth("attach_files")? {
        attached.retain(|one| one.inline);
    }
    let quoted = letter.shown(Extent::Whole, effects.enclosed());
    let mut sorted = from_email::sorted(attached, (&shown, &quoted), to.most);
    let status = resolve::choice(fields, ("status", List::Status), false, at.connection, effects).await?;
    let outcome = resolve::choice(fields, ("action_outcome", List::Outcome), false, at.connection, effects).await?;
    let outcome = outcome.ok_or_else(|| fields.wrong("action_outcome", "is empty", "it is needed"))?;
    let (links, pictures_error) = from_email::upload(&mut sorted, &to, at, effects).await?;
    let note = Text {
        plain: letter.visible(),
        html: from_email::html_with(&links, Extent::Visible, effects),
    };
    let was_closed = ticket.closed
        || begun
            .as_ref()
            .is_some_and(|begun| status.is_none() && begun.status.is_some());
    let action = begun.unwrap_or_else(|| NewAction {
        ticket: ticket.id,
        marker: letter.mark.clone(),
        outcome: outcome.id,
        note: from_email::with_left_out(note, &sorted.left_out),
        hidden_from_user: false,
        send_email: false,
        status: status
            .as_ref()
            .map(|status| status.id)
            .or(ticket.closed.then_some(IN_PROGRESS)),
        user: found.user.as_ref().map(|user| user.id),
        who: letter.author_name(),
        mail: Some(letter.mail(at, effects)),
    });
    let connection = at.connection.clone();
    let ask = Ask::AddAction { action };
    let action: Ensured<Action> = effects.ask(Effect::Halo { connection, ask }).await?;
    from_email::join(ticket.id, letter, at, effects).await?;
    to.action = Some(action.record.id);
    let mut files = from_email::enclose(&sorted, &to, at, effects).await?;
    if files.error.is_empty() {
        files.error = pictures_error;
    }
    let mut result = json!({
        "found": true, "reason": "", "reopened": was_closed,
        "ticket": ticket_value(&ticket), "action": action_value(&action), "user": found.user.as_ref().map(user_value),
    });
    files.show(&mut result, &sorted.left_out);
    Ok(result)
}

fn not_found(reason: &str) -> Value {
    json!({
        "found": false, "reason": reason, "reopened": false, "ticket": null, "action": null, "user": null,
        "files": [], "left_out": [], "files_error": "",
    })
}

/// What the step stores.
pub fn result_shape() -> Shape {
    let shape = Shape::record([
        ("found", Shape::Truth),
        ("reason", Shape::Text),
        ("reopened", Shape::Truth),
        ("ticket", Shape::nullable(ticket_shape())),
        ("action", Shape::nullable(action_shape())),
        ("user", Shape::nullable(user_shape())),
    ]);
    from_email::with_files(shape)
}
