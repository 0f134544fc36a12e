//! The steps a rule is made of: one table says what each is called, which fields it takes and what it stores;
//! it feeds the checker, the errors and the manual.

use crate::{config::ConnectionName, expression::shape::Shape, halo::fault::Fault};

pub mod create_halo_client;
pub mod create_halo_user;
pub mod fields;
pub mod find_halo_user_and_client;
pub mod query;
mod resolve;

pub use fields::{Fields, Rendered};

/// Why a step did not work, cut by what the run does next.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// For good: `on_error` decides.
    #[error("{reason}")]
    Failed {
        /// One sentence naming the field, the expression and the value, or what Halo said.
        reason: String,
    },
    /// For now: the message comes back, not before `not_before` where that is set.
    #[error("{reason}")]
    Later {
        /// What happened.
        reason: String,
        /// Coming back earlier would be of no use.
        not_before: Option<jiff::Timestamp>,
    },
    /// A limit that the operator set is reached: the message waits for its turn, and its clock stands still.
    #[error("{reason}")]
    Held {
        /// Which limit.
        reason: String,
        /// When its turn comes.
        until: jiff::Timestamp,
    },
    /// A fault of the connection: its messages wait as long as it lasts, their clock stands still.
    #[error("{reason}")]
    Connection {
        /// Which connection.
        connection: ConnectionName,
        /// What of it, for whoever waits for its end.
        fault: Fault,
        /// What is wrong and what to do.
        reason: String,
        /// When it goes on, where Halo said so.
        until: Option<jiff::Timestamp>,
    },
    /// Only in a dry run: what nobody knows without asking.
    #[error("can not be told without asking: {what}")]
    Unknown {
        /// The question.
        what: String,
    },
}

impl StepError {
    /// A failure for good.
    pub fn failed(reason: impl Into<String>) -> StepError {
        StepError::Failed { reason: reason.into() }
    }
}

/// What a step does; its word is the `type` in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    CreateHaloUser,
    FindHaloUserAndClient,
    QueryHaloUsers,
    QueryHaloClients,
    QueryHaloSites,
    CreateHaloClient,
    Set,
    ForEach,
    Bounce,
    Stop,
    StopAll,
}

/// How a field is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text expression.
    Text,
    /// A client or site: an id, an exact name, or `{ name = "…" }`; a text expression.
    Reference,
    /// `true` or `false`, or a text expression that renders one of the two.
    Truth,
    /// A whole number from 1 up to this one, or a text expression that renders one.
    Count(u32),
    /// One of these words, written literally.
    Word(&'static [&'static str]),
    /// A table of text expressions.
    Table,
    /// An expression without braces whose value is taken as it is.
    Expression,
    /// A name for a variable, written literally.
    Name,
}

/// One field of a step.
#[derive(Debug)]
pub struct Field {
    /// The key in a configuration.
    pub name: &'static str,
    /// How it is written and read.
    pub kind: FieldKind,
    /// Whether it must be written.
    pub required: bool,
    /// What stands in its place when it is not written; empty: nothing.
    pub default: &'static str,
    /// One sentence for the manual.
    pub doc: &'static str,
}

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

/// A row of the table of steps.
#[derive(Debug)]
pub struct Row {
    /// What it does.
    pub kind: Kind,
    /// The `type` in a configuration.
    pub word: &'static str,
    /// Whether it asks Halo, and so takes `halo`.
    pub asks_halo: bool,
    /// What it costs there.
    pub cost: Cost,
    /// Its own fields; `name`, `when`, `halo`, `on_error` and `store_as` are every step's.
    pub fields: &'static [Field],
    /// One sentence for the manual.
    pub doc: &'static str,
}

/// How many requests a step sends at most, as a rule: nothing goes wrong, no listing has a second page, and the
/// connection's directory knows agents, clients, sites and mail domains, which all messages share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Whatever comes of it.
    pub looks: u32,
    /// Further ones where it creates something.
    pub creates: u32,
}

/// The largest page that Halo gives, whatever is asked (fact sheet, 2.4).
pub const LARGEST_PAGE: u32 = 100;

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

impl Kind {
    /// Its row in the table.
    pub fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.kind == self).expect("every kind has a row")
    }

    /// The row with that `type`.
    pub fn of_word(word: &str) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.word == word)
    }

    /// The shape of what the step stores; `set` and `for_each` depend on how they are written.
    pub fn result_shape(self) -> Shape {
        match self {
            Kind::CreateHaloUser => create_halo_user::result_shape(),
            Kind::FindHaloUserAndClient => find_halo_user_and_client::result_shape(),
            Kind::QueryHaloUsers => query::result_shape("users", fields::user_shape()),
            Kind::QueryHaloClients => query::result_shape("clients", fields::client_shape()),
            Kind::QueryHaloSites => query::result_shape("sites", fields::site_shape()),
            Kind::CreateHaloClient => create_halo_client::result_shape(),
            Kind::Set => Shape::Text,
            Kind::ForEach => Shape::list(Shape::Any),
            Kind::Bounce | Kind::Stop | Kind::StopAll => Shape::Any,
        }
    }
}
