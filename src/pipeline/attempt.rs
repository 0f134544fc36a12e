//! One attempt at one message: read, taken through its rules, and made into what the journal shall keep of it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use jiff::Timestamp;

use super::{World, canary, ending::Attempted, finish::Finished, health, story};
use crate::{
    action::send_email::LONGEST,
    config::{Deduplicate, MailboxConfig},
    context::{self, Arrival},
    effect::{Effects, Enclosed, Extent, NewMail},
    expression::Shared,
    generation::Generation,
    hex::hex,
    journal::{Change, Letter, LetterLimit, Place, Post, Spot, Work},
    message::{Message, RemotePictures, address::AddrSpec, safe_html, text_to_html},
    outcome::{
        Reason,
        guard::{Guard, Unsafe},
        mail::{File, Mail},
        report::is_own,
    },
    run::{self, End, Setting, trace::Trace},
};

/// A message that makes the program panic this often in a row is set aside.
const MOST_PANICS: usize = 3;
/// And one in whose hands the whole process ended so often. From the third time on no other suspect was in hand.
const MOST_INTERRUPTIONS: u32 = 5;

/// A message as an attempt sees it, a real one or a dry one.
pub struct Reading<'a> {
    /// What the journal knows of it.
    pub work: &'a Work,
    /// The configuration that the attempt began with.
    pub generation: &'a Generation,
    /// As it came.
    pub octets: &'a [u8],
    /// As it was read.
    pub message: Message,
    /// The value of `email`; in an attempt, what the rules read of it.
    pub email: Shared,
    /// Of this machine.
    pub hostname: &'a str,
}

impl<'a> Reading<'a> {
    /// Reads the message, with everything that may be shown of it.
    pub fn of(work: &'a Work, octets: &'a [u8], generation: &'a Generation, hostname: &'a str) -> Reading<'a> {
        let message = Message::read(octets);
        let email = email_of(&message, &work.place, work.internal_date, octets.len(), generation);
        Reading {
            work,
            generation,
            octets,
            message,
            email,
            hostname,
        }
    }

    /// Why it ends before its rules see it, where it does.
    pub fn ends_unread(&self) -> Option<Reason> {
        if is_own(&self.message, &self.generation.own_addresses, self.hostname) {
            return Some(Reason::OwnReport);
        }
        let bound = self.message.passed_bound().map(Reason::Unread);
        bound.or_else(|| self.message.author.address.is_empty().then_some(Reason::NoAuthor))
    }

    /// What it meets in its rules.
    pub fn setting(&self, now: Timestamp) -> Setting<'_> {
        Setting {
            rules: &self.generation.rules,
            config: &self.generation.config,
            mailbox: &self.work.place.mailbox,
            email: &self.email,
            id: self.work.claim.entry.0,
            attempt: self.work.attempt,
            hostname: self.hostname,
            now,
            origin: self.origin(),
        }
    }

    /// What tells it from every other message, whichever journal knows it: steps find what they made of it by that.
    /// Where copies are not looked for, each is one of its own.
    fn origin(&self) -> String {
        let place = &self.work.place;
        let mailbox = self.generation.config.mailboxes.get(&place.mailbox);
        let is_itself = mailbox.is_some_and(|mailbox| mailbox.deduplicate == Deduplicate::Off);
        let own = is_itself.then(|| format!("{} {}", self.work.claim.entry, self.work.received));
        let fingerprint = hex(&self.message.fingerprint());
        format!("{} {fingerprint} {}", place.mailbox.0, own.unwrap_or_default())
    }

    fn guard(&self) -> Guard<'_> {
        let bounce = &self.generation.config.bounce;
        Guard {
            own: &self.generation.own_addresses,
            without_return_path: bounce.without_return_path,
            max_age: bounce.max_age,
        }
    }

    /// What is sent there comes back to the rules.
    fn is_watched(&self, to: &AddrSpec) -> bool {
        let mailboxes = self.generation.config.mailboxes.values();
        let mut own = mailboxes.flat_map(MailboxConfig::own_addresses);
        own.any(|own| own == *to || own == to.without_detail())
    }

    /// `email.auth.dmarc`
    fn dmarc(&self) -> &str {
        self.email.text_at(&["auth", "dmarc"]).unwrap_or("none")
    }

    /// What its ending is made from.
    pub fn attempted(&self, now: Timestamp, spread: f64) -> Attempted<'_> {
        Attempted {
            work: self.work,
            generation: self.generation,
            message: &self.message,
            octets: self.octets,
            dmarc: self.dmarc(),
            hostname: self.hostname,
            now,
            spread,
        }
    }
}

impl Enclosed for Reading<'_> {
    fn octets(&self, number: usize) -> Option<Vec<u8>> {
        self.message.attachment(self.octets, number)
    }

    fn html(&self, extent: Extent, picture: &mut dyn FnMut(&str) -> Option<String>) -> String {
        let message = &self.message;
        let (html, text) = match extent {
            Extent::Whole => (message.html.as_str(), &message.body),
            Extent::Visible => (message.visible_html(), &message.split.visible),
        };
        // What is cut off may be all of it, as in an answer of one picture.
        match (html.trim().is_empty(), text.trim().is_empty()) {
            (false, _) => safe_html(html, RemotePictures::Keep, picture),
            (true, false) => text_to_html(text),
            (true, true) => text_to_html(&message.body),
        }
    }

    fn may_be_told(&self, to: &AddrSpec, is_written_out: bool, now: Timestamp) -> Result<Timestamp, Unsafe> {
        let (guard, received) = (self.guard(), self.work.internal_date);
        if is_written_out && self.is_watched(to) {
            return Err(Unsafe::OwnAddress(to.clone()));
        }
        if !is_written_out {
            guard.allows_to(to, &self.message, self.dmarc(), (received, now))?;
        }
        Ok(guard.until(&self.message, received))
    }

    fn post(&self, mail: &NewMail, now: Timestamp) -> Option<Post> {
        let bounce = &self.generation.config.bounce;
        let from = bounce
            .from
            .as_ref()
            .expect("RuleSet::compile asks for it where a step sends mail");
        let composer = Mail {
            from,
            to: &mail.to,
            subject: &mail.subject,
            text: &mail.text,
            html: &mail.html,
            message_id: &mail.message_id,
            answers: mail.told.as_ref().map(|_| &self.message),
            now,
        };
        let files = mail.files.iter().map(|file| File {
            name: &file.name,
            content_type: &file.content_type,
            octets: self.octets(file.number).unwrap_or_default(),
        });
        let octets = composer.compose(files, LONGEST)?;
        // An answer never comes back as another message (RFC 3834, section 3.3).
        let return_path = from.addr_spec().filter(|_| mail.told.is_none());
        Some(Post {
            mark: mail.mark.clone(),
            letter: Letter {
                return_path: return_path.map(|address| address.to_string()),
                recipients: mail.to.iter().map(ToString::to_string).collect(),
                octets: octets.into(),
                not_after: mail.told.as_ref().map(|told| told.until),
            },
            limit: mail.told.as_ref().map(|told| LetterLimit {
                key: told.address.to_string(),
                rate: bounce.limit_per_sender,
            }),
        })
    }
}

/// An attempt of which a panic ends nothing else.
pub(super) async fn guarded(world: &Arc<World>, work: &Work, octets: Bytes, message: Option<Box<Message>>) -> Finished {
    let began = Instant::now();
    if let Some(set_aside) = poisonous(world, work) {
        return Finished::unread(set_aside);
    }
    // In a box: it is large, and whoever waits for it is moved about.
    let attempt = Box::pin(AssertUnwindSafe(attempt(world, work, &octets, message)).catch_unwind());
    match attempt.await {
        Ok((change, from)) => Finished {
            change,
            from,
            took: began.elapsed(),
        },
        Err(_panic) => {
            let (id, mailbox) = (work.claim.entry.0, &work.place.mailbox.0);
            tracing::error!(
                id,
                mailbox,
                "the attempt at message {id} broke off by a fault of the program"
            );
            Finished::unread(after_panic(world, work).await)
        }
    }
}

/// Takes the message through its rules and says what the journal shall keep, and whose message it is. Reads it where
/// nobody has yet.
async fn attempt(world: &World, work: &Work, octets: &[u8], message: Option<Box<Message>>) -> (Change, String) {
    let generation = world.generation.load_full();
    let message = message.map_or_else(|| Message::read(octets), |message| *message);
    let reading = Reading {
        work,
        generation: &generation,
        octets,
        email: email_as_read(&message, work, octets.len(), &generation),
        message,
        hostname: &world.hostname,
    };
    let from = reading.message.author.address.clone();
    story::begins(work, &reading.message, &generation.digest);
    #[cfg(test)]
    assert!(reading.message.subject != tests::PANICS, "the test wants it so");
    #[cfg(feature = "test-hooks")]
    trip(&reading.message.subject);
    let began = world.clock.now();
    if canary::meet(world, work, &reading.message).await {
        return (reading.attempted(began, 0.0).unread(Reason::Canary), from);
    }
    if let Some(reason) = reading.ends_unread() {
        return (reading.attempted(began, 0.0).unread(reason), from);
    }
    let mut effects = Effects::new(&world.live, &reading, Some(work.claim), work.intents.clone());
    let through = run::through(&reading.setting(began), work.run.clone(), &mut effects).await;
    story::tell(work, &through.trace);
    health::note(world, began, &through).await;
    let attempted = reading.attempted(world.clock.now(), fastrand::f64());
    (attempted.change(through.end, &through.trace), from)
}

/// What a test wants to happen while a message with that subject is in hand: `panic SUBJECT` or `abort SUBJECT`.
#[cfg(feature = "test-hooks")]
fn trip(subject: &str) {
    let wanted = std::env::var("HALO_INTAKE_TEST_TRIP").unwrap_or_default();
    match wanted.split_once(' ') {
        Some(("panic", of)) if of == subject => panic!("the test wants it so"),
        Some(("abort", of)) if of == subject => std::process::abort(),
        _ => {}
    }
}

/// The value of `email` for a message at its place.
pub fn email_of(
    message: &Message,
    place: &Place,
    internal_date: Timestamp,
    size: usize,
    generation: &Generation,
) -> Shared {
    arrived(place, internal_date, size, generation, |arrival| {
        context::email(message, arrival)
    })
}

/// The same with what the rules read.
fn email_as_read(message: &Message, work: &Work, size: usize, generation: &Generation) -> Shared {
    arrived(&work.place, work.internal_date, size, generation, |arrival| {
        context::email_as_read(message, arrival, &generation.rules.reads)
    })
}

/// How it came, for whoever makes the value of `email`.
fn arrived(
    place: &Place,
    internal_date: Timestamp,
    size: usize,
    generation: &Generation,
    email: impl FnOnce(&Arrival<'_>) -> Shared,
) -> Shared {
    let mailbox = generation.config.mailboxes.get(&place.mailbox);
    let connections = generation.config.halo.values();
    let tags: Vec<(String, String)> = connections.flat_map(|halo| halo.subject_tags.clone()).collect();
    email(&Arrival {
        mailbox: &place.mailbox.0,
        folder: &place.folder,
        uid: match place.spot {
            Spot::Uid { uid, .. } => uid,
            Spot::File { .. } | Spot::Handed { .. } => 0,
        },
        received: internal_date,
        size: u64::try_from(size).unwrap_or(u64::MAX),
        trusted_authserv_ids: mailbox.map_or(&[][..], |mailbox| &mailbox.trusted_authserv_ids),
        subject_tags: &tags,
    })
}

/// The end of a message whose octets are no longer kept.
pub(super) fn without_octets(world: &World, work: &Work) -> Finished {
    Finished::unread(unread(world, work, |attempted| attempted.unread(Reason::OctetsGone)))
}

/// What becomes of a message whose attempt panicked: it comes again, but not for ever.
async fn after_panic(world: &World, work: &Work) -> Change {
    if panics_in_a_row(world, work).await + 1 >= MOST_PANICS {
        let detail = format!("{MOST_PANICS} attempts at it broke off by a fault of the program");
        return unread(world, work, |attempted| attempted.failed(Reason::Bound, &detail));
    }
    let end = End::Deferred {
        reason: Reason::Bound.word().to_owned(),
        fault: None,
        not_before: None,
        run: work.run.clone().unwrap_or_default(),
    };
    unread(world, work, |attempted| attempted.change(end, &Trace::default()))
}

/// The end of a message that has ended the process each time it was in hand, where this is one.
fn poisonous(world: &World, work: &Work) -> Option<Change> {
    if work.interruptions < MOST_INTERRUPTIONS {
        return None;
    }
    let detail = format!("the process ended {MOST_INTERRUPTIONS} times while it had the message in hand");
    Some(unread(world, work, |attempted| {
        attempted.failed(Reason::Bound, &detail)
    }))
}

/// How many of the newest attempts panicked, without another between them.
async fn panics_in_a_row(world: &World, work: &Work) -> usize {
    let last = world.journal.last_attempts(work.claim.entry, MOST_PANICS).await;
    let last = last.unwrap_or_default();
    last.iter()
        .take_while(|(_, reason)| reason == Reason::Bound.word())
        .count()
}

/// A change for a message that was not read.
fn unread(world: &World, work: &Work, change: impl FnOnce(&Attempted<'_>) -> Change) -> Change {
    change(&Attempted {
        work,
        generation: &world.generation.load_full(),
        message: &Message::default(),
        octets: b"",
        dmarc: "none",
        hostname: &world.hostname,
        now: world.clock.now(),
        spread: fastrand::f64(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    /// A message with this subject makes its attempt panic.
    pub(in super::super) const PANICS: &str = "make it panic";
}
