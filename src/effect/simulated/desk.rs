//! Tickets that a dry run would make or change.

use serde_json::json;

use super::Simulated;
use crate::{
    action::StepError,
    config::ConnectionName,
    effect::{Ask, Asking, Ensured},
    halo::{
        ActionId, TicketId,
        ticket::{Action, File, NewAction, NewFile, NewTicket, Ticket, TicketFields},
        unsent,
    },
};

impl Simulated {
    pub(super) fn create_ticket(
        &self,
        connection: &ConnectionName,
        new: &NewTicket,
        asking: &Asking<'_>,
    ) -> Ensured<Ticket> {
        asking.calls.note(unsent::create_ticket(new));
        let mut made = self.made();
        let blank = blank(TicketId(made.new_id()));
        let record = changed(blank, &new.fields);
        made.tickets.push((connection.clone(), record.clone()));
        Ensured { record, existed: false }
    }

    pub(super) async fn change_ticket(
        &self,
        connection: &ConnectionName,
        id: TicketId,
        fields: &TicketFields,
        asking: &Asking<'_>,
    ) -> Result<Ticket, StepError> {
        let known = match self.read(connection, &Ask::Ticket { ticket: id }, asking).await {
            Ok(answer) => answer.value.read().ok().flatten(),
            // Nobody knows what it is like, but what is changed is known.
            Err(StepError::Unknown { .. }) => None,
            Err(error) => return Err(error),
        };
        asking.calls.note(unsent::change_ticket(id, fields));
        let record = changed(known.unwrap_or_else(|| blank(id)), fields);
        let mut made = self.made();
        made.tickets.retain(|(of, ticket)| of != connection || ticket.id != id);
        made.tickets.push((connection.clone(), record.clone()));
        made.otherwise.push((connection.clone(), id));
        Ok(record)
    }

    pub(super) fn add_action(&self, new: &NewAction, asking: &Asking<'_>) -> Ensured<Action> {
        asking.calls.note(unsent::add_action(new));
        let record = Action {
            id: ActionId(self.made().new_id()),
            ticket_id: new.ticket,
            outcome: String::new(),
            outcome_id: Some(new.outcome),
            note: new.note.plain.clone(),
            raw: json!({}),
        };
        Ensured { record, existed: false }
    }

    pub(super) fn attach_file(&self, new: &NewFile, asking: &Asking<'_>) -> Ensured<File> {
        asking.calls.note(unsent::attach_file(new));
        let record = File {
            id: self.made().new_id(),
            filename: new.name.clone(),
            filesize: Some(new.size),
            raw: json!({}),
        };
        Ensured { record, existed: false }
    }
}

/// The address that a picture would have.
pub(super) fn picture(new: &NewFile, asking: &Asking<'_>) -> String {
    asking.calls.note(unsent::upload_picture(new));
    "https://simulated.invalid/picture".to_owned()
}

fn blank(id: TicketId) -> Ticket {
    Ticket {
        id,
        summary: String::new(),
        client_id: None,
        client_name: String::new(),
        site_id: None,
        user_id: None,
        user_name: String::new(),
        status_id: None,
        closed: false,
        deleted: false,
        merged_into_id: None,
        raw: json!({}),
    }
}

/// The ticket with what is said.
fn changed(ticket: Ticket, fields: &TicketFields) -> Ticket {
    let summary = if fields.summary.is_empty() {
        ticket.summary
    } else {
        fields.summary.clone()
    };
    Ticket {
        summary,
        client_id: fields.client.or(ticket.client_id),
        site_id: fields.site.or(ticket.site_id),
        user_id: fields.user.or(ticket.user_id),
        status_id: fields.status.or(ticket.status_id),
        ..ticket
    }
}
