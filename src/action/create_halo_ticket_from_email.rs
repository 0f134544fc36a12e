//! `create_halo_ticket_from_email`: find whom the message is from, create the user where that is wanted, the ticket as
//! Halo's own intake would make it, and its files.

use serde_json::{Value, json};

use super::{
    Fields, StepError,
    attach_files_to_halo_ticket::Destination,
    create_halo_user,
    fields::{client_shape, client_value, user_shape, user_value},
    find_halo_user_and_client::{self, Found},
    fold::Fold,
    from_email::{self, At, Letter, Sorted, writes_its_own_text},
    ticket_fields::{self, ticket_shape, ticket_value},
};
use crate::{
    effect::{Ask, Effect, Effects, Ensured, Extent},
    expression::shape::Shape,
    halo::{
        NewUser, User,
        ticket::{NewTicket, Text, Ticket, TicketFields},
    },
};

/// Makes the ticket, or finds the one that was made of this message; or the message is one more of its kind.
pub async fn perform(
    fields: &Fields,
    letter: &Letter<'_>,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    fields.required("summary")?;
    if from_email::is_from_halo(letter, at, effects).await? {
        return Ok(from_halo());
    }
    let Some(fold) = Fold::of(fields, letter)? else {
        return make(fields, letter, None, at, effects).await;
    };
    if let Some(folded) = fold.join(fields, letter, at, effects).await? {
        return Ok(folded);
    }
    let made = make(fields, letter, Some(&fold), at, effects).await;
    if let Err(StepError::Failed { .. }) = made {
        fold.leave(at, effects).await?;
    }
    made
}

async fn make(
    fields: &Fields,
    letter: &Letter<'_>,
    fold: Option<&Fold>,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let mut found =
        find_halo_user_and_client::find(fields, (at.connection, at.halo), letter.dmarc_failed, effects).await?;
    let (created_user, user_error) = match create_user(fields, (letter, &found), at, effects).await {
        Ok(Some(ensured)) => {
            found.user = Some(ensured.record);
            (!ensured.existed, String::new())
        }
        Ok(None) => (false, String::new()),
        // The message is worth a ticket all the same, and the ticket says who wrote.
        Err(StepError::Failed { reason }) => (false, reason),
        Err(error) => return Err(error),
    };
    let mut sorted = sort(fields, letter, at, effects)?;
    let new = new_ticket(fields, letter, (&found, &sorted), at, effects).await?;
    let ticket = create(new, at, effects).await?;
    // At once: an answer to the message may come any moment.
    from_email::join(ticket.record.id, letter, at, effects).await?;
    if let Some(fold) = fold {
        fold.made(&ticket.record, at, effects).await?;
    }

    let to = Destination {
        ticket: ticket.record.id,
        action: None,
        mark: letter.mark.clone(),
        most: at.halo.max_file_size,
    };
    let pictures_error = put_pictures(letter, &mut sorted, &to, at, effects).await?;
    let mut files = from_email::enclose(&sorted, &to, at, effects).await?;
    if files.error.is_empty() {
        files.error = pictures_error;
    }
    let mut result = json!({
        "ticket": ticket_value(&ticket.record),
        "from_halo": false,
        "existed": ticket.existed,
        "user": found.user.as_ref().map(user_value),
        "client": found.client.as_ref().map(client_value),
        "matched_by": found.matched_by,
        "created_user": created_user,
        "user_error": user_error,
        "folded": false,
        "count": 1,
        "fold_error": "",
    });
    files.show(&mut result, &sorted.left_out);
    Ok(result)
}

/// The user, where there is none and one is wanted.
async fn create_user(
    fields: &Fields,
    (letter, found): (&Letter<'_>, &Found),
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<Option<Ensured<User>>, StepError> {
    if found.user.is_some() || !fields.truth("create_user_if_not_found")? {
        return Ok(None);
    }
    let emailaddress = fields.address("email_address")?;
    if letter.dmarc_failed {
        let problem = "is forged, as DMARC says";
        return Err(fields.wrong("email_address", problem, "nobody is made a user by it"));
    }
    if let Some(agent) = &found.agent {
        let problem = format!("is the address of the agent {:?}", agent.name);
        return Err(fields.wrong("email_address", &problem, "an agent is not made a user"));
    }
    let (Some(client), Some(site)) = (&found.client, &found.site) else {
        let problem = "belongs to no client with a site";
        return Err(fields.wrong("email_address", problem, "default_client says where such users go"));
    };
    let user = NewUser {
        name: create_halo_user::full_name(fields)?,
        first_name: String::new(),
        surname: String::new(),
        emailaddress,
        client_id: client.id,
        site_id: site.id,
        send_welcome_email: false,
    };
    create_halo_user::ensure(fields, user, at.connection, effects)
        .await
        .map(Some)
}

fn sort(fields: &Fields, letter: &Letter<'_>, at: &At<'_>, effects: &Effects<'_>) -> Result<Sorted, StepError> {
    let mut attached = letter.attachments();
    if !fields.truth("attach_files")? {
        attached.retain(|one| one.inline);
    }
    let shown = if writes_its_own_text(fields) {
        // The pictures have no place in it.
        attached.iter_mut().for_each(|one| one.inline = false);
        Vec::new()
    } else {
        letter.shown(Extent::Whole, effects.enclosed())
    };
    Ok(from_email::sorted(attached, (&shown, &[]), at.halo.max_file_size))
}

async fn new_ticket(
    fields: &Fields,
    letter: &Letter<'_>,
    (found, sorted): (&Found, &Sorted),
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<NewTicket, StepError> {
    let mail = letter.mail(at, effects);
    let mut ticket = ticket_fields::choices(fields, at.connection, effects).await?;
    ticket.summary = fields.text("summary");
    ticket.client = found.client.as_ref().map(|client| client.id);
    ticket.site = found.site.as_ref().map(|site| site.id);
    if let Some(user) = &found.user {
        ticket.user = Some(user.id);
        ticket.client = user.client_id.or(ticket.client);
        ticket.site = user.site_id.or(ticket.site);
    }
    let details = if writes_its_own_text(fields) {
        Text {
            plain: fields.text("details"),
            html: fields.text("details_html"),
        }
    } else {
        mail.body.clone()
    };
    ticket.details = from_email::with_left_out(details, &sorted.left_out);
    Ok(NewTicket {
        marker: letter.mark.clone(),
        fields: ticket,
        mail: Some(mail),
        acknowledge: fields.truth("send_acknowledgement")?,
    })
}

async fn create(ticket: NewTicket, at: &At<'_>, effects: &mut Effects<'_>) -> Result<Ensured<Ticket>, StepError> {
    let connection = at.connection.clone();
    let ask = Ask::CreateTicket { ticket };
    effects
        .ask(Effect::Halo { connection, ask })
        .await
        .map_err(|error| match error {
            StepError::Failed { reason } => StepError::failed(format!("the ticket was not made: {reason}")),
            other => other,
        })
}

/// Pictures are uploaded to a ticket that is there, and then its text shows them.
async fn put_pictures(
    letter: &Letter<'_>,
    sorted: &mut Sorted,
    to: &Destination,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<String, StepError> {
    let (links, error) = from_email::upload(sorted, to, at, effects).await?;
    if links.is_empty() {
        return Ok(error);
    }
    let text = Text {
        html: from_email::html_with(&links, Extent::Whole, effects),
        ..letter.mail(at, effects).body
    };
    let fields = TicketFields {
        details: from_email::with_left_out(text, &sorted.left_out),
        ..TicketFields::default()
    };
    let connection = at.connection.clone();
    let ask = Ask::ChangeTicket {
        ticket: to.ticket,
        fields,
    };
    match effects.ask::<Ticket>(Effect::Halo { connection, ask }).await {
        Ok(_) => Ok(error),
        Err(StepError::Failed { reason }) => Ok(reason),
        Err(other) => Err(other),
    }
}

/// Nothing is made of what Halo itself wrote.
fn from_halo() -> Value {
    json!({
        "ticket": null, "from_halo": true, "existed": false, "user": null, "client": null, "matched_by": "none",
        "created_user": false, "user_error": "", "folded": false, "count": 0, "fold_error": "", "files": [], "left_out": [], "files_error": "",
    })
}

/// What the step stores.
pub fn result_shape() -> Shape {
    let shape = Shape::record([
        ("ticket", Shape::nullable(ticket_shape())),
        ("from_halo", Shape::Truth),
        ("existed", Shape::Truth),
        ("user", Shape::nullable(user_shape())),
        ("client", Shape::nullable(client_shape())),
        ("matched_by", Shape::Text),
        ("created_user", Shape::Truth),
        ("user_error", Shape::Text),
        ("folded", Shape::Truth),
        ("count", Shape::Number),
        ("fold_error", Shape::Text),
    ]);
    from_email::with_files(shape)
}
