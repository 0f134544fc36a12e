//! The names of the email context, once: the checker, the values and the manual are made of this table.

use crate::expression::shape::Shape;

/// One name of the context.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// As an expression writes it, without what stands before it.
    pub name: &'static str,
    /// What a path may go on with.
    pub kind: Kind,
    /// A sentence for the manual.
    pub doc: &'static str,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Empty where it is missing.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Truth,
    /// Further names.
    Record(&'static [Fact]),
    /// Further names, or null.
    Nullable(&'static [Fact]),
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Numbers,
    /// A list of records.
    Records(&'static [Fact]),
    /// Texts by any key.
    TextsByName,
}

impl Kind {
    /// The shape that expressions are checked against.
    pub fn shape(self) -> Shape {
        match self {
            Kind::Text => Shape::Text,
            Kind::Number => Shape::Number,
            Kind::Truth => Shape::Truth,
            Kind::Record(facts) => shape_of(facts),
            Kind::Nullable(facts) => Shape::nullable(shape_of(facts)),
            Kind::Texts => Shape::list(Shape::Text),
            Kind::Numbers => Shape::list(Shape::Number),
            Kind::Records(facts) => Shape::list(shape_of(facts)),
            Kind::TextsByName => Shape::map(Shape::Text),
        }
    }
}

/// The shape of a record with these names.
pub fn shape_of(facts: &'static [Fact]) -> Shape {
    Shape::record(facts.iter().map(|fact| (fact.name, fact.kind.shape())))
}

const fn fact(name: &'static str, kind: Kind, doc: &'static str) -> Fact {
    Fact { name, kind, doc }
}

/// A mailbox: who wrote, who is written to.
pub const MAILBOX: &[Fact] = &[
    fact(
        "address",
        Kind::Text,
        "The address in lower case, its domain in ASCII, such as `ann@example.org`.",
    ),
    fact(
        "display",
        Kind::Text,
        "The display name, or the address where there is none.",
    ),
    fact("name", Kind::Text, "The display name."),
    fact("local", Kind::Text, "What stands before the `@` of the address."),
    fact("domain", Kind::Text, "What stands after the `@` of the address."),
];

/// The author.
pub const AUTHOR: &[Fact] = &[
    MAILBOX[0],
    MAILBOX[1],
    MAILBOX[2],
    MAILBOX[3],
    MAILBOX[4],
    fact(
        "source",
        Kind::Text,
        "Which field named the author: `from`, `sender`, `reply-to` or `return-path`.",
    ),
];

/// A header field.
pub const FIELD: &[Fact] = &[
    fact("name", Kind::Text, "The field name as it was written."),
    fact("value", Kind::Text, "The field body, unfolded and decoded."),
];

/// An attachment.
pub const ATTACHMENT: &[Fact] = &[
    fact("name", Kind::Text, "The file name."),
    fact(
        "content_type",
        Kind::Text,
        "The media type in lower case, such as `image/png`.",
    ),
    fact("size", Kind::Number, "The size in octets, decoded."),
    fact(
        "inline",
        Kind::Truth,
        "A picture that the HTML shows, such as a signature's logo.",
    ),
    fact("content_id", Kind::Text, "The Content-ID without angle brackets."),
    fact("number", Kind::Number, "Its place among the attachments, from 0."),
];

/// A delivery report.
pub const REPORT: &[Fact] = &[
    fact("final_recipient", Kind::Text, "The address that could not be reached."),
    fact("status", Kind::Text, "The status code, such as `5.1.1`."),
    fact("diagnostic", Kind::Text, "What the refusing server said."),
    fact(
        "original_message_id",
        Kind::Text,
        "The Message-ID of the message it is about.",
    ),
];

/// What a trusted server found about the author.
pub const AUTH: &[Fact] = &[
    fact(
        "spf",
        Kind::Text,
        "The result of SPF on the return path, such as `pass`, `softfail`, `none`.",
    ),
    fact(
        "dkim",
        Kind::Text,
        "The result of DKIM; of several signatures, one that passed.",
    ),
    fact(
        "dmarc",
        Kind::Text,
        "The result of DMARC; a failure where what passed is not the author's.",
    ),
    fact(
        "aligned",
        Kind::Text,
        "`pass` where what passed belongs to the author's domain, else `fail`; `none` without results.",
    ),
];

/// Everything under `email`, in the order of the manual.
pub const EMAIL: &[Fact] = &[
    fact(
        "from",
        Kind::Record(AUTHOR),
        "The author: From, else Sender, Reply-To, Return-Path.",
    ),
    fact("sender", Kind::Record(MAILBOX), "The mailbox of the Sender field."),
    fact(
        "reply_to",
        Kind::Record(MAILBOX),
        "The first mailbox of the Reply-To field.",
    ),
    fact(
        "return_path",
        Kind::Record(MAILBOX),
        "Where failures are reported to; empty where that is nobody.",
    ),
    fact("to", Kind::Records(MAILBOX), "The mailboxes of To, groups flattened."),
    fact("cc", Kind::Records(MAILBOX), "The mailboxes of Cc, groups flattened."),
    fact(
        "recipients",
        Kind::Records(MAILBOX),
        "The mailboxes of To and Cc, none twice.",
    ),
    fact("subject", Kind::Text, "The subject, decoded and on one line."),
    fact(
        "topic",
        Kind::Text,
        "The subject without `Re:`, `AW:`, `[EXT]` and their like.",
    ),
    fact("message_id", Kind::Text, "The Message-ID without angle brackets."),
    fact(
        "in_reply_to",
        Kind::Texts,
        "The Message-IDs it answers, without angle brackets.",
    ),
    fact(
        "references",
        Kind::Texts,
        "The Message-IDs of its conversation, the oldest first.",
    ),
    fact(
        "date",
        Kind::Text,
        "The date that the author's program wrote, by RFC 3339.",
    ),
    fact("received", Kind::Text, "When it came into the mailbox, by RFC 3339."),
    fact(
        "body",
        Kind::Text,
        "The text a person would read, part by part: of an alternative the text, else the HTML as text. An invitation or a delivery report without a text is told in a few lines.",
    ),
    fact("text", Kind::Text, "The text part."),
    fact("html", Kind::Text, "The HTML part."),
    fact(
        "visible",
        Kind::Text,
        "What was newly written, also between what is quoted; what is in doubt is here.",
    ),
    fact(
        "quoted",
        Kind::Text,
        "What is quoted from earlier messages, with the lines that lead it in.",
    ),
    fact(
        "signature",
        Kind::Text,
        "The author's signature, and lines such as `Sent from my iPhone`.",
    ),
    fact(
        "headers",
        Kind::TextsByName,
        "Header fields by name in lower case; repeated ones are joined with newlines.",
    ),
    fact("header_list", Kind::Records(FIELD), "Every header field in order."),
    fact(
        "attachments",
        Kind::Records(ATTACHMENT),
        "What is attached, inline pictures too; of a `winmail.dat` what is in it.",
    ),
    fact("size", Kind::Number, "The size of the message in octets."),
    fact("mailbox", Kind::Text, "The name of the mailbox in the configuration."),
    fact("uid", Kind::Number, "The message's UID; 0 where the mailbox has none."),
    fact("folder", Kind::Text, "The folder it lies in."),
    fact(
        "automatic",
        Kind::Truth,
        "No person wrote it just now: answers of programs, lists, bulk mail, bounces.",
    ),
    fact(
        "automatic_reason",
        Kind::Text,
        "The sign that says so, such as `Auto-Submitted: auto-replied`.",
    ),
    fact("junk", Kind::Truth, "The mail server took it for junk."),
    fact(
        "report",
        Kind::Nullable(REPORT),
        "The delivery report that it is, else null.",
    ),
    fact(
        "auth",
        Kind::Record(AUTH),
        "What a trusted server found about the author.",
    ),
    fact(
        "original_sender",
        Kind::Nullable(MAILBOX),
        "Whom a forwarded message was first from, as its text or its attached message says, else null. Nobody vouches for it: anybody can write it there.",
    ),
    fact(
        "ticket_ids",
        Kind::Numbers,
        "Halo ticket numbers that the subject names between the connection's tags.",
    ),
];

/// Everything under `meta`.
pub const META: &[Fact] = &[
    fact("id", Kind::Number, "The message's number in the journal."),
    fact("attempt", Kind::Number, "Which attempt this is, from 1."),
    fact("now", Kind::Text, "When the message's run began, by RFC 3339."),
    fact("rule", Kind::Text, "The name of the rule that runs."),
    fact("version", Kind::Text, "The version of halo-intake."),
    fact("hostname", Kind::Text, "The name of the machine it runs on."),
];
