//! The steps that reach others than Halo.

use super::{FREE, needed, optional};
use crate::action::{FieldKind, Kind, Row};

pub(super) const SEND_EMAIL: Row = Row {
    kind: Kind::SendEmail,
    word: "send_email",
    asks_halo: false,
    cost: FREE,
    fields: &[
        needed(
            "to",
            FieldKind::Text,
            "one address or several with commas; one at most that is not written out",
        ),
        needed("subject", FieldKind::Text, "on one line; cut after 200 characters"),
        optional("text", FieldKind::Text, "", "what it says, as plain text"),
        optional(
            "html",
            FieldKind::Text,
            "",
            "the same as HTML; put texts of a message through `escape_html`",
        ),
        optional(
            "attach",
            FieldKind::Expression,
            "",
            "which of `email.attachments`, as an expression without braces",
        ),
    ],
    doc: "sends a mail from `[bounce].from`, once for each message and step",
};

pub(super) const HTTP_REQUEST: Row = Row {
    kind: Kind::HttpRequest,
    word: "http_request",
    asks_halo: false,
    cost: FREE,
    fields: &[
        optional(
            "method",
            FieldKind::Word(&["GET", "POST", "PUT", "PATCH", "DELETE"]),
            "POST",
            "what is asked; all but `GET` change something there",
        ),
        needed(
            "url",
            FieldKind::Url,
            "where to: an `https` one, or `http` on this machine; no message chooses the server",
        ),
        optional(
            "headers",
            FieldKind::Headers,
            "",
            "further header fields; a secret is never shown",
        ),
        optional(
            "json",
            FieldKind::Json,
            "",
            "what is sent as JSON: a table, or a text that is JSON once it is rendered",
        ),
        optional("body", FieldKind::Text, "", "what is sent as plain text instead"),
        optional(
            "expect",
            FieldKind::Statuses,
            "2xx",
            "the statuses that count as done, such as `2xx` or `200,404`",
        ),
    ],
    doc: "sends a request to another server, with the same `Idempotency-Key` whenever it is repeated",
};
