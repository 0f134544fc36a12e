//! The JSON of tickets, actions, files, and of what a tenant has set up for them.

use serde_json::{Map, Value, json};

use super::{Query, flag, id, text, tidy, whole};
use crate::{
    halo::{
        ActionId, ClientId, Reference, SiteId, TicketId, UserId,
        choice::{Choice, List},
        ticket::{
            Action, CustomField, File, LONGEST_SUMMARY, Mail, NewAction, NewTicket, Text, Ticket, TicketFields,
            TicketQuery,
        },
    },
    message::{address, text_to_html},
};

/// A row of a list that a tenant sets up; none without a number and a name.
pub(in super::super) fn choice(list: List, value: &Value) -> Option<Choice> {
    let row = value.as_object()?;
    // The id of a priority is a GUID; tickets refer to its number. Outcomes and sources may be number 0.
    let number = match list {
        List::Priority => "priorityid",
        _ => "id",
    };
    let names: &[&str] = match list {
        List::Outcome => &["outcome", "buttonname", "name"],
        List::Category => &["category_name", "value", "name"],
        _ => &["name"],
    };
    let name = names.iter().map(|key| text(row, key)).find(|name| !name.is_empty())?;
    Some(Choice {
        id: row.get(number).and_then(whole).filter(|&id| id >= 0)?,
        name,
        inactive: flag(row, "inactive"),
    })
}

/// The addresses that one of Halo's mailboxes writes from.
pub(in super::super) fn mailbox_addresses(value: &Value) -> Vec<String> {
    let Some(row) = value.as_object() else {
        return Vec::new();
    };
    let addresses = ["smtpaddress", "display_address"].map(|key| address::folded(&text(row, key)));
    addresses.into_iter().filter(|address| address.contains('@')).collect()
}

/// A ticket from a row or a detail; none without an id.
pub(in super::super) fn ticket(value: &Value) -> Option<Ticket> {
    let row = value.as_object()?;
    let raw = tidy(value);
    // `hasbeenclosed` may stay with a ticket that was opened again; then it has no date of closing.
    let has_date = raw.get("dateclosed").is_none_or(|date| !date.is_null());
    Some(Ticket {
        id: TicketId(id(row, "id")?),
        summary: text(row, "summary"),
        client_id: id(row, "client_id").map(ClientId),
        client_name: text(row, "client_name"),
        site_id: id(row, "site_id").map(SiteId),
        user_id: id(row, "user_id").map(UserId),
        user_name: text(row, "user_name"),
        status_id: row.get("status_id").and_then(whole),
        closed: flag(row, "hasbeenclosed") && has_date,
        deleted: flag(row, "deleted") || flag(row, "inactive"),
        merged_into_id: id(row, "merged_into_id").map(TicketId),
        raw,
    })
}

/// The marker of a ticket; none where its row does not show it.
pub(in super::super) fn marker(ticket: &Ticket) -> Option<&str> {
    ticket.raw.get("third_party_id_string")?.as_str()
}

/// An action from a row or a detail; none without its number, which is one within its ticket.
pub(in super::super) fn action(value: &Value) -> Option<Action> {
    let row = value.as_object()?;
    Some(Action {
        id: ActionId(id(row, "id")?),
        ticket_id: TicketId(id(row, "ticket_id")?),
        outcome: text(row, "outcome"),
        outcome_id: row.get("outcome_id").and_then(whole),
        note: text(row, "note"),
        raw: tidy(value),
    })
}

/// The Message-ID of the mail that an action was made from, without angle brackets.
pub(in super::super) fn message_id_of(action: &Action) -> &str {
    let id = action.raw.get("email_message_id").and_then(Value::as_str);
    id.unwrap_or_default().trim().trim_matches(['<', '>'])
}

/// An attachment from a row or a detail; none without an id.
pub(in super::super) fn file(value: &Value) -> Option<File> {
    let row = value.as_object()?;
    Some(File {
        id: id(row, "id")?,
        filename: text(row, "filename"),
        filesize: row
            .get("filesize")
            .and_then(whole)
            .and_then(|size| u64::try_from(size).ok()),
        raw: tidy(value),
    })
}

/// The address of a picture that was uploaded.
pub(in super::super) fn link(value: &Value) -> Option<String> {
    let link = value.as_object()?.get("link")?.as_str()?.trim();
    (!link.is_empty()).then(|| link.to_owned())
}

/// `POST /Tickets`
pub(in super::super) fn new_ticket(ticket: &NewTicket) -> Value {
    let mut body = Map::new();
    put_fields(&mut body, &ticket.fields);
    put(&mut body, "third_party_id_string", &ticket.marker);
    body.insert("sendack".to_owned(), json!(ticket.acknowledge));
    if let Some(mail) = &ticket.mail {
        put(&mut body, "reportedby", &mail.from);
        put(&mut body, "emailcclist", &mail.cc);
        put(&mut body, "email_message_id", &in_brackets(&mail.message_id));
        put(&mut body, "dateoccurred", &date(mail));
    }
    json!([body])
}

/// `POST /Tickets` for one that is there; only what is said is changed.
pub(in super::super) fn changed_ticket(id: TicketId, fields: &TicketFields) -> Value {
    let mut body = Map::new();
    body.insert("id".to_owned(), json!(id.0));
    put_fields(&mut body, fields);
    json!([body])
}

fn put_fields(body: &mut Map<String, Value>, fields: &TicketFields) {
    put(
        body,
        "summary",
        &fields.summary.chars().take(LONGEST_SUMMARY).collect::<String>(),
    );
    put_text(body, "details", "details_html", &fields.details);
    for (key, number) in [
        ("client_id", fields.client.map(|id| id.0)),
        ("site_id", fields.site.map(|id| id.0)),
        ("user_id", fields.user.map(|id| id.0)),
        ("tickettype_id", fields.ticket_type),
        ("status_id", fields.status),
        ("priority_id", fields.priority),
        ("agent_id", fields.agent.map(|id| id.0)),
        ("source", fields.source),
        ("impact", fields.impact),
        ("urgency", fields.urgency),
    ] {
        if let Some(number) = number {
            body.insert(key.to_owned(), json!(number));
        }
    }
    put(body, "team", &fields.team);
    put(body, "category_1", &fields.category);
    if !fields.custom_fields.is_empty() {
        let fields = fields.custom_fields.iter().map(custom_field);
        body.insert("customfields".to_owned(), fields.collect());
    }
}

fn custom_field(field: &CustomField) -> Value {
    match &field.field {
        Reference::Id(id) => json!({ "id": id, "value": field.value }),
        Reference::Name(name) => json!({ "name": name, "value": field.value }),
    }
}

/// `POST /Actions`
pub(in super::super) fn new_action(action: &NewAction) -> Value {
    let mut body = Map::new();
    body.insert("ticket_id".to_owned(), json!(action.ticket.0));
    body.insert("outcome_id".to_owned(), json!(action.outcome));
    put_text(&mut body, "note", "note_html", &action.note);
    body.insert("hiddenfromuser".to_owned(), json!(action.hidden_from_user));
    body.insert("sendemail".to_owned(), json!(action.send_email));
    if let Some(status) = action.status {
        body.insert("new_status".to_owned(), json!(status));
    }
    if let Some(user) = action.user {
        body.insert("actionby_user_id".to_owned(), json!(user.0));
        body.insert("who_agentid".to_owned(), json!(-1));
    }
    put(&mut body, "who", &action.who);
    if let Some(mail) = &action.mail {
        put_mail(&mut body, mail);
    }
    json!([body])
}

fn put_mail(body: &mut Map<String, Value>, mail: &Mail) {
    put(body, "emaildirection", "I");
    put(body, "emailfrom", &mail.from);
    put(body, "emailto", &mail.to);
    put(body, "emailcc", &mail.cc);
    put(body, "emailsubject", &mail.subject);
    put_text(body, "emailbody", "emailbody_html", &mail.body);
    put(body, "dateemailed", &date(mail));
    let message_id = in_brackets(&mail.message_id);
    put(body, "email_message_id", &message_id);
    put(body, "actioninternetmessageid", &message_id);
}

/// `POST /Attachment`: the form that is proven (fact sheet, 7.1).
pub(in super::super) fn new_file(
    (ticket, action): (TicketId, Option<ActionId>),
    (name, content_type): (&str, &str),
    base64: &str,
) -> Value {
    let mut body = Map::new();
    body.insert("ticket_id".to_owned(), json!(ticket.0));
    if let Some(action) = action {
        body.insert("action_id".to_owned(), json!(action.0));
    }
    put(&mut body, "filename", name);
    body.insert(
        "data_base64".to_owned(),
        json!(format!("data:{content_type};base64,{base64}")),
    );
    json!([body])
}

/// The parameters of one page of tickets.
pub(in super::super) fn ticket_query(query: &TicketQuery) -> Query {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let said = [
        ("search", query.search.clone()),
        ("client_id", number(query.client.map(|id| id.0))),
        ("site_id", number(query.site.map(|id| id.0))),
        ("user_id", number(query.user.map(|id| id.0))),
        ("requesttype_id", number(query.ticket_type)),
        ("status_id", number(query.status)),
        ("agent_id", number(query.agent.map(|id| id.0))),
        (
            "open_only",
            if query.open_only {
                "true".to_owned()
            } else {
                String::new()
            },
        ),
        ("order", query.order_by.clone()),
        (
            "orderdesc",
            if query.order_by.is_empty() {
                String::new()
            } else {
                query.order_descending.to_string()
            },
        ),
        ("pageinate", "true".to_owned()),
        ("page_size", query.page_size.clamp(1, 100).to_string()),
        ("page_no", query.page_no.max(1).to_string()),
    ];
    said.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// The newest tickets of which this is so.
pub(in super::super) fn newest_tickets(name: &'static str, value: String) -> Query {
    vec![
        (name, value),
        ("order", "id".to_owned()),
        ("orderdesc", "true".to_owned()),
        ("pageinate", "true".to_owned()),
        ("page_size", "100".to_owned()),
        ("page_no", "1".to_owned()),
    ]
}

fn put(body: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.trim().is_empty() {
        body.insert(key.to_owned(), json!(text));
    }
}

fn put_text(body: &mut Map<String, Value>, plain: &str, html: &str, text: &Text) {
    if text.is_empty() {
        return;
    }
    put(body, plain, &text.plain);
    if text.html.trim().is_empty() {
        put(body, html, &text_to_html(&text.plain));
    } else {
        put(body, html, &text.html);
    }
}

fn in_brackets(message_id: &str) -> String {
    if message_id.is_empty() {
        String::new()
    } else {
        format!("<{message_id}>")
    }
}

/// UTC without a zone, as Halo writes it.
fn date(mail: &Mail) -> String {
    let date = mail.date.map(|date| date.strftime("%Y-%m-%dT%H:%M:%S").to_string());
    date.unwrap_or_default()
}
