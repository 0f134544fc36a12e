//! The table of steps.

use super::{Cost, Field, FieldKind, Kind, LARGEST_PAGE, Row};
use crate::halo::choice::List;

mod outward;
mod tickets;

const fn needed(name: &'static str, kind: FieldKind, doc: &'static str) -> Field {
    Field {
        name,
        kind,
        required: true,
        default: "",
        doc,
    }
}

const fn optional(name: &'static str, kind: FieldKind, default: &'static str, doc: &'static str) -> Field {
    Field {
        name,
        kind,
        required: false,
        default,
        doc,
    }
}

const SEARCH: Field = optional(
    "search",
    FieldKind::Text,
    "",
    "a part of what is looked for; Halo ignores case",
);
const ACTIVE: Field = optional(
    "include_active",
    FieldKind::Truth,
    "true",
    "whether active ones are listed",
);
const INACTIVE: Field = optional(
    "include_inactive",
    FieldKind::Truth,
    "false",
    "whether inactive ones are listed",
);
const PAGE_SIZE: Field = optional(
    "page_size",
    FieldKind::Count(LARGEST_PAGE),
    "25",
    "rows on a page, 100 at most",
);
const PAGE_NO: Field = optional("page_no", FieldKind::Count(u32::MAX), "1", "which page, from 1");
const ORDER_BY: Field = optional("order_by", FieldKind::Text, "", "the Halo field to order by");
const DESCENDING: Field = optional("order_descending", FieldKind::Truth, "false", "the largest first");
const IN_CLIENT: Field = optional(
    "client",
    FieldKind::Reference,
    "",
    "only of this client: an id or an exact name",
);

const FREE: Cost = Cost { looks: 0, creates: 0 };

/// The table of steps.
pub const TABLE: &[Row] = &[
    Row {
        kind: Kind::CreateHaloUser,
        word: "create_halo_user",
        asks_halo: true,
        cost: Cost { looks: 1, creates: 1 },
        fields: &[
            optional(
                "full_name",
                FieldKind::Text,
                "{{ email.from.display }}",
                "the user's name",
            ),
            optional(
                "first_name",
                FieldKind::Text,
                "",
                "with `surname` instead of `full_name`",
            ),
            optional(
                "surname",
                FieldKind::Text,
                "",
                "with `first_name` instead of `full_name`",
            ),
            optional(
                "email_address",
                FieldKind::Text,
                "{{ email.from.address }}",
                "the user's address",
            ),
            needed(
                "client",
                FieldKind::Reference,
                "the client: an id, an exact name or an expression",
            ),
            needed(
                "site",
                FieldKind::Reference,
                "the site of that client: an id, an exact name or an expression",
            ),
            optional(
                "existing_inactive",
                FieldKind::Word(&["use", "reactivate", "error"]),
                "use",
                "what an inactive user with that address means",
            ),
            optional(
                "send_welcome_email",
                FieldKind::Truth,
                "false",
                "whether Halo greets the new user by mail",
            ),
        ],
        doc: "creates the Halo user with this address, or finds the one that is there",
    },
    Row {
        kind: Kind::FindHaloUserAndClient,
        word: "find_halo_user_and_client",
        asks_halo: true,
        cost: Cost { looks: 1, creates: 0 },
        fields: &[
            optional(
                "email_address",
                FieldKind::Text,
                "{{ email.from.address }}",
                "whose user and client are looked for",
            ),
            optional(
                "default_client",
                FieldKind::Reference,
                "",
                "the client where nothing else matches",
            ),
        ],
        doc: "finds the user of an address and its client and site: by address, else by domain, else the default client",
    },
    Row {
        kind: Kind::QueryHaloUsers,
        word: "query_halo_users",
        asks_halo: true,
        cost: Cost { looks: 1, creates: 0 },
        fields: &[
            SEARCH,
            IN_CLIENT,
            optional(
                "site",
                FieldKind::Reference,
                "",
                "only of this site: an id, or an exact name within the client",
            ),
            ACTIVE,
            INACTIVE,
            PAGE_SIZE,
            PAGE_NO,
            ORDER_BY,
            DESCENDING,
        ],
        doc: "lists a page of Halo users",
    },
    Row {
        kind: Kind::QueryHaloClients,
        word: "query_halo_clients",
        asks_halo: true,
        cost: Cost { looks: 1, creates: 0 },
        fields: &[
            SEARCH,
            optional("domain", FieldKind::Text, "", "handed to Halo as `domain`"),
            ACTIVE,
            INACTIVE,
            PAGE_SIZE,
            PAGE_NO,
            ORDER_BY,
            DESCENDING,
        ],
        doc: "lists a page of Halo clients",
    },
    Row {
        kind: Kind::QueryHaloSites,
        word: "query_halo_sites",
        asks_halo: true,
        cost: Cost { looks: 1, creates: 0 },
        fields: &[
            SEARCH, IN_CLIENT, ACTIVE, INACTIVE, PAGE_SIZE, PAGE_NO, ORDER_BY, DESCENDING,
        ],
        doc: "lists a page of Halo sites",
    },
    Row {
        kind: Kind::CreateHaloClient,
        word: "create_halo_client",
        asks_halo: true,
        // The directory forgets clients and sites, and the next steps ask for both anew.
        cost: Cost { looks: 1, creates: 3 },
        fields: &[
            needed("client_name", FieldKind::Text, "the client's name"),
            optional(
                "website",
                FieldKind::Text,
                "",
                "its website, by which senders are matched later",
            ),
            optional("trading_name", FieldKind::Text, "", "the name it trades under"),
            optional("notes", FieldKind::Text, "", "notes on the client"),
            optional("site_name", FieldKind::Text, "Main", "the name of its first site"),
        ],
        doc: "creates the Halo client with this name, or finds the one that is there",
    },
    tickets::QUERY,
    tickets::CREATE,
    tickets::CREATE_FROM_EMAIL,
    tickets::UPDATE,
    tickets::UPDATE_FROM_EMAIL,
    tickets::ADD_ACTION,
    tickets::ATTACH_FILES,
    outward::SEND_EMAIL,
    outward::HTTP_REQUEST,
    Row {
        kind: Kind::Set,
        word: "set",
        asks_halo: false,
        cost: FREE,
        fields: &[
            optional("value", FieldKind::Text, "", "the text to store"),
            optional("values", FieldKind::Table, "", "a table of texts to store"),
        ],
        doc: "stores a text, or a table of texts, under `store_as`",
    },
    Row {
        kind: Kind::ForEach,
        word: "for_each",
        asks_halo: false,
        cost: FREE,
        fields: &[
            needed(
                "items",
                FieldKind::Expression,
                "the list, as an expression without braces",
            ),
            optional("as", FieldKind::Name, "item", "the variable that holds the item"),
            optional(
                "index",
                FieldKind::Name,
                "index",
                "the variable that holds its number, from 0",
            ),
        ],
        doc: "runs its own steps once for each item of a list; the result lists what the last step of each turn gave",
    },
    Row {
        kind: Kind::Bounce,
        word: "bounce",
        asks_halo: false,
        cost: FREE,
        fields: &[optional(
            "message",
            FieldKind::Text,
            "",
            "what the sender reads; `[bounce].message` when not written",
        )],
        doc: "ends the message and returns it to its sender",
    },
    Row {
        kind: Kind::Stop,
        word: "stop",
        asks_halo: false,
        cost: FREE,
        fields: &[],
        doc: "ends this rule; later rules still run",
    },
    Row {
        kind: Kind::StopAll,
        word: "stop_all",
        asks_halo: false,
        cost: FREE,
        fields: &[],
        doc: "ends all rules for this message",
    },
];
