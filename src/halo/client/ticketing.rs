//! What may be asked of a connection about tickets.

use super::{Calls, Halo, HaloError, Result};
use crate::halo::{
    Page, Reference, TicketId,
    alike::exact,
    choice::{Choice, List},
    choices,
    listing::{self, TICKETS},
    mailboxes,
    ticket::{Action, File, NewAction, NewFile, NewTicket, Ticket, TicketFields, TicketQuery},
    tickets, wire,
};

impl Halo {
    /// The row of a tenant's list of that number, or those in use of that exact name: two are for the caller to tell
    /// apart.
    pub async fn choices_by(&self, list: List, reference: &Reference, calls: &Calls) -> Result<Vec<Choice>> {
        let of = (&self.api, &self.directory, &self.times);
        match reference {
            Reference::Id(id) => Ok(Vec::from_iter(choices::by_id(of, list, *id, calls).await?)),
            Reference::Name(name) => {
                let alike = choices::alike_in(of, list, name, calls).await?;
                Ok(exact(&alike, name))
            }
        }
    }

    /// Those whose name differs from this one in upper and lower case at most, in use or not, by number.
    pub async fn choices_alike(&self, list: List, name: &str, calls: &Calls) -> Result<Vec<Choice>> {
        choices::alike_in((&self.api, &self.directory, &self.times), list, name, calls).await
    }

    /// The addresses of Halo's own mailboxes, as far as they may be read.
    pub async fn mailbox_addresses(&self, calls: &Calls) -> Result<Vec<String>> {
        let of = (&self.api, &self.directory, &self.times);
        Ok(mailboxes::addresses(of, calls).await?.to_vec())
    }

    /// The ticket of that number, closed or not, deleted or not.
    pub async fn ticket(&self, id: TicketId, calls: &Calls) -> Result<Option<Ticket>> {
        tickets::by_id(&self.api, id, calls).await
    }

    /// One page of tickets, as Halo lists them.
    pub async fn query_tickets(&self, query: &TicketQuery, calls: &Calls) -> Result<Page<Ticket>> {
        let listing = listing::one(&self.api, TICKETS, wire::ticket_query(query), calls).await?;
        let rows: Vec<Ticket> = listing.rows.iter().filter_map(wire::ticket).collect();
        let counted = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Ok(Page {
            record_count: listing.record_count.unwrap_or(counted),
            rows,
        })
    }

    /// The tickets with the marker of this one, by number; deleted ones are none. Asked now.
    pub async fn tickets_with_marker(&self, new: &NewTicket, calls: &Calls) -> Result<Vec<Ticket>> {
        tickets::with_marker(&self.api, new, calls).await
    }

    /// One POST, and no other one at the same time: numbers of tickets can race (fact sheet, 2.6). No look before it.
    pub async fn create_ticket(&self, new: &NewTicket, calls: &Calls) -> Result<Ticket> {
        let _turn = self.ticket_turn.lock().await;
        let created = tickets::create(&self.api, new, calls).await;
        if created.as_ref().is_err_and(HaloError::speaks_of_people) {
            // Somebody is perhaps gone since they were looked up: whoever tries again looks anew.
            if let Some(user) = new.fields.user {
                self.lookups.changed(user, &self.times);
            }
            self.directory.forget_places();
        }
        created
    }

    /// One POST; what is none or empty is left as it is.
    pub async fn change_ticket(&self, id: TicketId, fields: &TicketFields, calls: &Calls) -> Result<Ticket> {
        tickets::change(&self.api, id, fields, calls).await
    }

    /// The actions of its ticket that are the same as this one, by number. Asked now.
    pub async fn same_actions(&self, new: &NewAction, calls: &Calls) -> Result<Vec<Action>> {
        tickets::same_actions(&self.api, new, calls).await
    }

    /// One POST; no look before it.
    pub async fn add_action(&self, new: &NewAction, calls: &Calls) -> Result<Action> {
        tickets::add_action(&self.api, new, calls).await
    }

    /// The files of its ticket or action that have the name and size of this one, by id. Asked now.
    pub async fn same_files(&self, new: &NewFile, calls: &Calls) -> Result<Vec<File>> {
        tickets::same_files(&self.api, new, calls).await
    }

    /// One POST; no look before it.
    pub async fn attach_file(&self, new: &NewFile, octets: &[u8], calls: &Calls) -> Result<File> {
        tickets::attach(&self.api, new, octets, calls).await
    }

    /// Uploads a picture that stands in a text of the ticket; gives its address. Each upload makes another one.
    pub async fn upload_picture(&self, new: &NewFile, octets: Vec<u8>, calls: &Calls) -> Result<String> {
        tickets::upload(&self.api, new, octets, calls).await
    }
}
