//! The rows of the steps that make and change tickets, each with one request of its own.

use super::{
    Cost, DESCENDING, Field, FieldKind, IN_CLIENT, Kind, List, ORDER_BY, PAGE_NO, PAGE_SIZE, Row, needed, optional,
};

const TICKET: Field = needed("ticket", FieldKind::Id, "the number of the ticket");
const DETAILS: Field = optional("details", FieldKind::Text, "", "what it is about, as plain text");
const DETAILS_HTML: Field = optional(
    "details_html",
    FieldKind::Text,
    "",
    "the same as HTML; made from `details` when not written",
);
const SITE: Field = optional(
    "site",
    FieldKind::Reference,
    "",
    "the site: an id, or an exact name within the client",
);
const USER: Field = optional("user", FieldKind::Id, "", "the id of the user it is for");
const TICKET_TYPE: Field = choice("ticket_type", List::TicketType, "what type of ticket it is");
const TEAM: Field = choice("team", List::Team, "the team that works on it");
const AGENT: Field = choice("agent", List::Agent, "the agent who works on it");
const PRIORITY: Field = choice("priority", List::Priority, "how urgent it is");
const STATUS: Field = choice("status", List::Status, "its status");
const CATEGORY: Field = choice(
    "category",
    List::Category,
    "what it is about, by the whole way: `Hardware>Printer`",
);
const SOURCE: Field = choice("source", List::Source, "where it came from");
const IMPACT: Field = choice("impact", List::Impact, "how much it touches");
const URGENCY: Field = choice("urgency", List::Urgency, "how soon it is wanted");
const CUSTOM_FIELDS: Field = optional(
    "custom_fields",
    FieldKind::Table,
    "",
    "a table of the tenant's own fields: by name or number, each a text",
);

const fn choice(name: &'static str, list: List, doc: &'static str) -> Field {
    optional(name, FieldKind::Choice(list), "", doc)
}

pub(super) const QUERY: Row = Row {
    kind: Kind::QueryHaloTickets,
    word: "query_halo_tickets",
    asks_halo: true,
    cost: Cost { looks: 1, creates: 0 },
    fields: &[
        optional(
            "search",
            FieldKind::Text,
            "",
            "a part of the number, the summary, the details or the user's name",
        ),
        IN_CLIENT,
        SITE,
        optional("user", FieldKind::Id, "", "only of the user with this id"),
        TICKET_TYPE,
        STATUS,
        AGENT,
        optional(
            "open_only",
            FieldKind::Truth,
            "false",
            "whether closed ones are left out",
        ),
        PAGE_SIZE,
        PAGE_NO,
        ORDER_BY,
        DESCENDING,
    ],
    doc: "lists a page of Halo tickets",
};

pub(super) const CREATE: Row = Row {
    kind: Kind::CreateHaloTicket,
    word: "create_halo_ticket",
    asks_halo: true,
    cost: Cost { looks: 1, creates: 0 },
    fields: &[
        needed(
            "summary",
            FieldKind::Text,
            "what it is about, on one line; cut after 255 characters",
        ),
        DETAILS,
        DETAILS_HTML,
        optional(
            "client",
            FieldKind::Reference,
            "",
            "the client: an id or an exact name; the user's when not written",
        ),
        SITE,
        USER,
        TICKET_TYPE,
        TEAM,
        AGENT,
        PRIORITY,
        STATUS,
        CATEGORY,
        SOURCE,
        IMPACT,
        URGENCY,
        CUSTOM_FIELDS,
        optional(
            "send_acknowledgement",
            FieldKind::Truth,
            "false",
            "whether Halo acknowledges it to the user by mail",
        ),
    ],
    doc: "creates a Halo ticket, once for each message and step",
};

pub(super) const CREATE_FROM_EMAIL: Row = Row {
    kind: Kind::CreateHaloTicketFromEmail,
    word: "create_halo_ticket_from_email",
    asks_halo: true,
    // The look for the user, the ticket; the user, and one for each file and each picture in the text.
    cost: Cost { looks: 2, creates: 1 },
    fields: &[
        optional(
            "email_address",
            FieldKind::Text,
            "{{ email.from.address }}",
            "whose ticket it is",
        ),
        optional(
            "default_client",
            FieldKind::Reference,
            "",
            "the client where nothing else matches",
        ),
        optional(
            "create_user_if_not_found",
            FieldKind::Truth,
            "false",
            "whether an unknown sender becomes a user",
        ),
        optional(
            "full_name",
            FieldKind::Text,
            "{{ email.from.display }}",
            "the name of such a user",
        ),
        optional(
            "summary",
            FieldKind::Text,
            "{{ email.subject | default(value=\"(no subject)\", boolean=true) }}",
            "what it is about, on one line; cut after 255 characters",
        ),
        optional(
            "details",
            FieldKind::Text,
            "",
            "what it is about, as plain text; the message when not written",
        ),
        optional(
            "details_html",
            FieldKind::Text,
            "",
            "the same as HTML; the message's, made safe, when not written",
        ),
        TICKET_TYPE,
        TEAM,
        AGENT,
        PRIORITY,
        STATUS,
        CATEGORY,
        SOURCE,
        IMPACT,
        URGENCY,
        CUSTOM_FIELDS,
        optional(
            "attach_files",
            FieldKind::Truth,
            "true",
            "whether the message's files are attached",
        ),
        optional(
            "send_acknowledgement",
            FieldKind::Truth,
            "false",
            "whether Halo acknowledges it to the user by mail",
        ),
        optional(
            "fold_by",
            FieldKind::Text,
            "",
            "messages for which this is the same are one ticket, which counts them; needs `fold_within`",
        ),
        optional(
            "fold_within",
            FieldKind::Duration,
            "",
            "for so long after its first message a ticket takes up further ones",
        ),
        optional(
            "fold_outcome",
            FieldKind::Choice(List::Outcome),
            "7",
            "what kind of action the note of further ones is; 7 is Halo's own private note",
        ),
    ],
    doc: "makes a Halo ticket of the message: its sender found or created, its text, its pictures in place and its files",
};

pub(super) const UPDATE: Row = Row {
    kind: Kind::UpdateHaloTicket,
    word: "update_halo_ticket",
    asks_halo: true,
    cost: Cost { looks: 1, creates: 0 },
    fields: &[
        TICKET,
        optional(
            "summary",
            FieldKind::Text,
            "",
            "what it is about; cut after 255 characters",
        ),
        DETAILS,
        DETAILS_HTML,
        optional("client", FieldKind::Reference, "", "the client: an id or an exact name"),
        SITE,
        USER,
        TICKET_TYPE,
        TEAM,
        AGENT,
        PRIORITY,
        STATUS,
        CATEGORY,
        SOURCE,
        IMPACT,
        URGENCY,
        CUSTOM_FIELDS,
    ],
    doc: "changes a Halo ticket; a field that is empty leaves it as it is",
};

pub(super) const UPDATE_FROM_EMAIL: Row = Row {
    kind: Kind::UpdateHaloTicketFromEmail,
    word: "update_halo_ticket_from_email",
    asks_halo: true,
    // The look for the user, the ticket, the action; one for each file and each picture in the text.
    cost: Cost { looks: 3, creates: 0 },
    fields: &[
        optional(
            "action_outcome",
            FieldKind::Choice(List::Outcome),
            "Email Update",
            "what kind of action the entry is, as the tenant names it",
        ),
        choice(
            "status",
            List::Status,
            "what status the ticket has from then on; as it is when not written, and number 2 where it was closed",
        ),
        optional(
            "when_closed",
            FieldKind::Word(&["reopen", "not_found"]),
            "reopen",
            "what a closed ticket means",
        ),
        optional(
            "attach_files",
            FieldKind::Truth,
            "true",
            "whether the message's files are attached",
        ),
    ],
    doc: "adds the newly written text and the files to the ticket that the message belongs to, as its author's entry",
};

pub(super) const ADD_ACTION: Row = Row {
    kind: Kind::AddHaloAction,
    word: "add_halo_action",
    asks_halo: true,
    cost: Cost { looks: 1, creates: 0 },
    fields: &[
        TICKET,
        needed(
            "outcome",
            FieldKind::Choice(List::Outcome),
            "what kind of action it is, as the tenant names it",
        ),
        optional("note", FieldKind::Text, "", "what it says, as plain text"),
        optional(
            "note_html",
            FieldKind::Text,
            "",
            "the same as HTML; made from `note` when not written",
        ),
        optional(
            "hidden_from_user",
            FieldKind::Truth,
            "true",
            "whether only agents see it",
        ),
        optional(
            "send_email",
            FieldKind::Truth,
            "false",
            "whether Halo sends it to the user by mail",
        ),
        choice("status", List::Status, "what status the ticket has from then on"),
    ],
    doc: "adds an action to a Halo ticket, once for each message and step",
};

pub(super) const ATTACH_FILES: Row = Row {
    kind: Kind::AttachFilesToHaloTicket,
    word: "attach_files_to_halo_ticket",
    asks_halo: true,
    // One for each file.
    cost: Cost { looks: 1, creates: 0 },
    fields: &[
        TICKET,
        optional(
            "action_id",
            FieldKind::Id,
            "",
            "the number of the ticket's action that they belong to",
        ),
        optional(
            "files",
            FieldKind::Expression,
            "email.attachments | filter(attribute=\"inline\", value=false)",
            "which of `email.attachments`, as an expression without braces",
        ),
    ],
    doc: "attaches files of the message to a Halo ticket, each once",
};
