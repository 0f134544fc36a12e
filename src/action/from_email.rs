//! What the steps that make or continue a ticket take from the message itself.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Fields, StepError,
    attach_files_to_halo_ticket::{
        Attached, Destination, LeftOut, attach, file_of, file_shape, left_out_shape, too_long,
    },
};
use crate::{
    config::{ConnectionName, HaloConfig},
    effect::{Ask, Effect, Effects, Enclosed, Extent},
    expression::{Shared, shape::Shape},
    halo::{
        ClientId, Reference, TicketId,
        ticket::{Mail, Text, Ticket},
    },
    message::{address::AddrSpec, text_to_html, ticket_ids},
};

/// So many pictures are put in their places; further ones are attached as files.
const MOST_PICTURES: usize = 20;
/// A ticket may be part of another one, which is part of another one.
const MOST_MERGES: usize = 5;
/// By so many Message-IDs a conversation is known at most.
const MOST_KEYS: usize = 100;

/// The names of `email` that these steps read beside `auth`: for them, the context holds no others.
pub const READS: &[&str] = &[
    "from",
    "to",
    "cc",
    "subject",
    "message_id",
    "received",
    "body",
    "visible",
    "in_reply_to",
    "references",
    "headers",
    "attachments",
    "automatic",
];

/// The message as such a step sees it.
pub struct Letter<'a> {
    /// The value of `email`.
    pub email: &'a Shared,
    /// Its author's DMARC failed, as a trusted server says.
    pub dmarc_failed: bool,
    /// Marks what is made of it.
    pub mark: String,
}

/// What a step works with beside its fields.
pub struct At<'a> {
    pub connection: &'a ConnectionName,
    pub halo: &'a HaloConfig,
    /// To belong to one of these clients says nothing of who somebody is: anybody does of whom no client is known.
    pub catch_alls: &'a CatchAlls,
    /// The addresses that are ours.
    pub own: Vec<AddrSpec>,
}

/// The clients for strangers.
#[derive(Debug, Clone, Default)]
pub struct CatchAlls {
    /// As rules name them.
    pub clients: Vec<Reference>,
    /// A rule has them by an expression, so that any may be one.
    pub may_be_any: bool,
}

/// Halo's own client for what belongs to nobody (fact sheet, 2.6).
const UNKNOWN: ClientId = ClientId(1);

impl CatchAlls {
    /// Whether the client of that ticket may be one.
    pub fn hold(&self, ticket: &Ticket) -> bool {
        let named = ticket.client_name.trim();
        let is_meant = |client: &Reference| match client {
            Reference::Id(id) => ticket.client_id == Some(ClientId(*id)),
            // Where the ticket shows no name it may be that one.
            Reference::Name(name) => named.is_empty() || named == name.trim(),
        };
        self.may_be_any || ticket.client_id == Some(UNKNOWN) || self.clients.iter().any(is_meant)
    }
}

/// What became of the message's files.
#[derive(Default)]
pub struct Enclosures {
    value: Value,
    pub error: String,
}

impl Letter<'_> {
    /// What stands under a name of `email`; every reading of it comes by here.
    pub fn fact(&self, name: &'static str) -> Shared {
        debug_assert!(name == "auth" || READS.contains(&name), "{name} is not in READS");
        self.email.get(name).unwrap_or_default()
    }

    /// The text at a path of `email`; empty where there is none.
    pub fn text(&self, path: &'static [&'static str]) -> &str {
        debug_assert!(READS.contains(&path[0]), "{} is not in READS", path[0]);
        self.email.text_at(path).unwrap_or_default()
    }

    /// The mail that the entry is made from.
    pub fn mail(&self, at: &At<'_>, effects: &Effects<'_>) -> Mail {
        Mail {
            from: self.text(&["from", "address"]).to_owned(),
            to: addresses(&self.fact("to"), &[]),
            // Halo writes to them: not to us.
            cc: addresses(&self.fact("cc"), &at.own),
            subject: self.text(&["subject"]).to_owned(),
            message_id: self.text(&["message_id"]).to_owned(),
            date: self.text(&["received"]).parse().ok(),
            body: Text {
                plain: self.text(&["body"]).to_owned(),
                html: effects.enclosed().html(Extent::Whole, &mut |_| None),
            },
        }
    }

    /// What the messages of its conversation are known by, the nearest first: what it answers, what it refers to from the
    /// last to the first, and the root of its Thread-Index.
    pub fn answers(&self) -> Vec<String> {
        let ids = |name: &'static str| {
            let list = self.fact(name);
            let ids = list.items().filter_map(|id| id.text_at(&[]).map(str::to_owned));
            ids.collect::<Vec<_>>()
        };
        let mut keys = ids("in_reply_to");
        let mut references = ids("references");
        references.reverse();
        keys.extend(references);
        keys.truncate(MOST_KEYS);
        keys.extend(thread_root(self.text(&["headers", "thread-index"])));
        keys
    }

    /// The same with the message itself.
    pub fn keys(&self) -> Vec<String> {
        self.own_key().into_iter().chain(self.answers()).collect()
    }

    /// The message itself, where it has a name.
    pub fn own_key(&self) -> Option<String> {
        Some(self.text(&["message_id"]).to_owned()).filter(|id| !id.is_empty())
    }

    /// Whose message it is, as far as that is believed.
    pub fn author(&self) -> Option<AddrSpec> {
        AddrSpec::parse(self.text(&["from", "address"]))
            .ok()
            .filter(|_| !self.dmarc_failed)
    }

    /// Whether a trusted server says that the author's address is no forgery.
    pub fn is_vouched_for(&self) -> bool {
        let auth = self.fact("auth");
        ["dmarc", "aligned"]
            .iter()
            .any(|of| auth.text_at(&[of]) == Some("pass"))
    }

    /// What was newly written; all of it where that is nothing, as in an answer of one picture.
    pub fn visible(&self) -> String {
        let visible = self.text(&["visible"]);
        if visible.trim().is_empty() {
            self.text(&["body"]).to_owned()
        } else {
            visible.to_owned()
        }
    }

    /// The author's name, or the address.
    pub fn author_name(&self) -> String {
        self.text(&["from", "display"]).to_owned()
    }

    /// The files that the author attached, and the pictures that the text shows.
    pub fn attachments(&self) -> Vec<Attached> {
        serde_json::from_value(self.fact("attachments").json()).unwrap_or_default()
    }

    /// The Content-IDs of the pictures that this much of the text shows, in order.
    pub fn shown(&self, extent: Extent, enclosed: &dyn Enclosed) -> Vec<String> {
        let mut shown = Vec::new();
        enclosed.html(extent, &mut |id| {
            if !shown.iter().any(|known| known == id) {
                shown.push(id.to_owned());
            }
            None
        });
        shown
    }
}

/// The first 22 octets of a Thread-Index are the same in a whole conversation of Outlook's ([MS-OXOMSG], 2.2.1.3).
fn thread_root(index: &str) -> Option<String> {
    let compact: String = index.split_whitespace().collect();
    let octets = STANDARD.decode(compact).ok()?;
    let root = octets.get(..22)?;
    Some(format!("thread-index {}", STANDARD.encode(root)))
}

/// Addresses as Halo has several in one field.
fn addresses(list: &Shared, but: &[AddrSpec]) -> String {
    let addresses = list
        .items()
        .filter_map(|one| one.text_at(&["address"]).map(str::to_owned))
        .filter(|address| !address.is_empty() && !but.iter().any(|own| own.as_str() == address));
    addresses.collect::<Vec<_>>().join("; ")
}

/// The attachments that go as files, those that are too long for that, and the pictures that go into the text.
pub struct Sorted {
    pub files: Vec<Attached>,
    pub left_out: Vec<LeftOut>,
    pub pictures: Vec<Attached>,
}

/// Sorts them. `shown` are the pictures that the entry's text shows; what is in its place only in text that is `quoted` came
/// with an earlier message.
pub fn sorted(attached: Vec<Attached>, (shown, quoted): (&[String], &[String]), most: u64) -> Sorted {
    let mut sorted = Sorted {
        files: Vec::new(),
        left_out: Vec::new(),
        pictures: Vec::new(),
    };
    for one in attached {
        let is_shown = shown.contains(&one.content_id) && one.content_type.starts_with("image/");
        if one.inline && !is_shown && quoted.contains(&one.content_id) {
            continue;
        }
        if one.size > most {
            sorted.left_out.push(too_long(&one, most));
        } else if one.inline && is_shown && sorted.pictures.len() < MOST_PICTURES {
            sorted.pictures.push(one);
        } else {
            sorted.files.push(one);
        }
    }
    sorted
}

/// The text with a sentence on what was left out, for whoever works on the ticket.
pub fn with_left_out(mut text: Text, left_out: &[LeftOut]) -> Text {
    for file in left_out {
        let line = format!("Not attached: {} ({} octets): {}.", file.name, file.size, file.reason);
        text.plain.push_str(&format!("\n\n{line}"));
        if !text.html.is_empty() {
            text.html.push_str(&format!("<p>{}</p>", text_to_html(&line)));
        }
    }
    text
}

/// Whether Halo itself wrote the message, as it does to acknowledge a ticket: automatically, or with a ticket's number, from
/// one of its mailboxes or from an address that is ours. A ticket made of it would be acknowledged in turn. A form on a
/// web site writes from our address, too, and people do.
pub async fn is_from_halo(letter: &Letter<'_>, at: &At<'_>, effects: &mut Effects<'_>) -> Result<bool, StepError> {
    let author = letter.text(&["from", "address"]);
    let subject = letter.text(&["subject"]);
    if letter.fact("automatic") != true.into() && ticket_ids(subject, &at.halo.subject_tags).is_empty() {
        return Ok(false);
    }
    if at.own.iter().any(|own| own.as_str() == author) {
        return Ok(true);
    }
    let connection = at.connection.clone();
    let ask = Ask::HaloMailboxes;
    let mailboxes: Vec<String> = effects.ask(Effect::Halo { connection, ask }).await?;
    Ok(mailboxes.iter().any(|address| address == author))
}

/// From now on the conversation belongs to that ticket.
pub async fn join(
    ticket: TicketId,
    letter: &Letter<'_>,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<(), StepError> {
    let ask = Ask::Join {
        ticket,
        keys: letter.keys(),
        author: letter.author(),
    };
    let connection = at.connection.clone();
    effects.ask(Effect::Halo { connection, ask }).await
}

/// The ticket, or the one that it has become part of; none where it was deleted.
pub async fn follow(id: TicketId, at: &At<'_>, effects: &mut Effects<'_>) -> Result<Option<Ticket>, StepError> {
    follow_from(&mut vec![id], at, effects).await
}

/// The same; all that were come by are in `way` then, the last one the ticket's own.
pub async fn follow_from(
    way: &mut Vec<TicketId>,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<Option<Ticket>, StepError> {
    for _ in 0..=MOST_MERGES {
        let connection = at.connection.clone();
        let Some(&id) = way.last() else { return Ok(None) };
        let ask = Ask::Ticket { ticket: id };
        let ticket: Option<Ticket> = effects.ask(Effect::Halo { connection, ask }).await?;
        match ticket {
            Some(Ticket {
                merged_into_id: Some(next),
                ..
            }) => way.push(next),
            other => return Ok(other.filter(|ticket| !ticket.deleted)),
        }
    }
    Ok(None)
}

/// Uploads the pictures one after the other; gives each Content-ID its address. A picture that Halo does not take so is
/// told of, and goes as a file.
pub async fn upload(
    sorted: &mut Sorted,
    to: &Destination,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<(Vec<(String, String)>, String), StepError> {
    let (mut links, mut error) = (Vec::new(), String::new());
    for picture in std::mem::take(&mut sorted.pictures) {
        let ask = Ask::UploadPicture {
            file: file_of(&picture, to),
        };
        let connection = at.connection.clone();
        match effects.ask::<String>(Effect::Halo { connection, ask }).await {
            Ok(link) => links.push((picture.content_id.clone(), link)),
            Err(StepError::Failed { reason }) => {
                error = reason;
                sorted.files.push(picture);
            }
            Err(other) => return Err(other),
        }
    }
    Ok((links, error))
}

/// The HTML of this much of the text, each picture in its place.
pub fn html_with(links: &[(String, String)], extent: Extent, effects: &Effects<'_>) -> String {
    effects.enclosed().html(extent, &mut |id| {
        let link = links.iter().find(|(known, _)| known == id);
        link.map(|(_, link)| link.clone())
    })
}

/// Attaches the files. What Halo refuses for good is told of and fails nothing: the entry that they belong to is there.
pub async fn enclose(
    sorted: &Sorted,
    to: &Destination,
    at: &At<'_>,
    effects: &mut Effects<'_>,
) -> Result<Enclosures, StepError> {
    let mut error = String::new();
    let mut files = Vec::new();
    for file in &sorted.files {
        match attach(std::slice::from_ref(file), to, at.connection, effects).await {
            Ok(attached) => files.extend(attached.files),
            Err(StepError::Failed { reason }) => error = reason,
            Err(other) => return Err(other),
        }
    }
    Ok(Enclosures {
        value: json!(files),
        error,
    })
}

impl Enclosures {
    /// Puts what became of the files into a result.
    pub fn show(&self, result: &mut Value, left_out: &[LeftOut]) {
        result["files"] = self.value.clone();
        result["left_out"] = left_out.iter().map(LeftOut::value).collect();
        result["files_error"] = json!(self.error);
    }
}

/// Whether the step's text is the message's own.
pub fn writes_its_own_text(fields: &Fields) -> bool {
    !fields.text("details").is_empty() || !fields.text("details_html").is_empty()
}

/// The shape of what `show` puts into a result.
pub fn with_files(shape: Shape) -> Shape {
    shape
        .with("files", Shape::list(file_shape()))
        .with("left_out", Shape::list(left_out_shape()))
        .with("files_error", Shape::Text)
}
