//! `backlog = "report"`: what lies in a mailbox at its first start is read and run dry, operators are told what would be
//! done with it, and nothing else happens until somebody says what it means. Halo and the mailbox are read, no more.

use std::{collections::BTreeMap, io, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use url::form_urlencoded;

use super::{BATCH_OCTETS, ReceiveError, Watched};
use crate::{
    clock,
    count::counted,
    draft::Draft,
    effect::{
        Effects,
        simulated::{Lookups, Simulated},
    },
    generation::Generation,
    halo::{client::Call, fault::Fault},
    journal::{Change, Claim, EntryId, Notice, Place, Work},
    mailbox::{
        Batch, Fetched, Listed, Mailbox, MailboxError, Selected,
        position::{Plan, windows},
    },
    outcome::{Outcome, Reason, field::line},
    pipeline::attempt::Reading,
    run::{self, End, Through, trace::Trace},
};

/// So many of the newest are looked at: each costs requests that count towards the connection's rate.
const LOOKED_AT: usize = 500;
/// So many are fetched at a time, so that the server is not kept waiting while Halo is asked.
const BATCH: usize = 25;
/// While Halo asks to be left alone it is tried so often; nothing is sent until that is over.
const HELD_AGAIN: Duration = Duration::from_secs(5);
/// In the place of an outcome.
const UNTOLD: &str = "can not be told";
/// So many reasons are named of each outcome.
const REASONS: usize = 3;

impl Watched {
    /// Why the mailbox waits: what would be done with what lies there. It is found out once, also across restarts.
    pub(super) async fn first_contact(
        &self,
        session: &mut dyn Mailbox,
        selected: Selected,
    ) -> Result<ReceiveError, ReceiveError> {
        let name = format!("backlog report {} {} {}", self.name, self.folder(), selected.validity);
        let known = self.world.journal.kept(&name).await?;
        let known = known.as_ref().and_then(|value| value.as_str());
        if let Some(text) = known {
            return Ok(self.waits(text.to_owned()));
        }
        // What comes from now on is no backlog, whatever is said of it later.
        self.keep_skipping(selected).await?;
        let text = self.look(session, selected).await?;
        let value = json!(text);
        let waits = self.waits(text);
        // Operators are told in the same commit, whatever they have heard of the mailbox before: once, and not never.
        let notice = Notice {
            entry: None,
            topic: self.thing().to_string(),
            text: waits.to_string(),
            at: self.world.clock.now(),
        };
        self.world.journal.write(Change::Told { notice, name, value }).await?;
        Ok(waits)
    }

    fn waits(&self, text: String) -> ReceiveError {
        let mailbox = self.name.clone();
        ReceiveError::Waits { text, mailbox }
    }

    async fn look(&self, session: &mut dyn Mailbox, selected: Selected) -> Result<String, ReceiveError> {
        let (newest, there) = newest(session, selected).await?;
        self.world.state.reaches(&self.name, newest.len());
        let generation = self.world.generation.load_full();
        // One for all of them: a user whom the first message would make is there for the second.
        let simulated = Simulated::new(
            Lookups::Online(self.world.halos.clone()),
            Some(self.world.journal.clone()),
        );
        let mut found = Found::default();
        let mut rest = newest.as_slice();
        while !rest.is_empty() {
            let mut octets = 0_u64;
            let belongs = |listed: &&Listed| {
                octets = octets.saturating_add(listed.size);
                octets <= BATCH_OCTETS
            };
            let length = rest.iter().take(BATCH).take_while(belongs).count().max(1);
            let (batch, later) = rest.split_at(length);
            rest = later;
            let sizes = batch
                .iter()
                .map(|listed| usize::try_from(listed.size).unwrap_or(usize::MAX));
            let _memory = self.lane.memory(sizes).await;
            for fetched in self.fetch_all(session, batch).await? {
                let told = tokio::select! {
                    told = Box::pin(self.dry(&simulated, &generation, &fetched)) => told?,
                    () = self.stop.cancelled() => return Err(MailboxError::Lost { reason: "the daemon stops".to_owned() }.into()),
                };
                found.add(told);
                self.note_read(1);
            }
        }
        let name: String = form_urlencoded::byte_serialize(self.name.0.as_bytes()).collect();
        let path = generation.config.state_dir.join(format!("backlog-{name}.txt"));
        found.lines.insert(0, HEADER.to_owned());
        let listed = match write(&path, &found.lines) {
            Ok(()) => format!("each is listed in {}", path.display()),
            Err(error) => format!("{} can not be written: {error}", path.display()),
        };
        Ok(format!("{}; {listed}", found.summary(there)))
    }

    /// One batch, whole; of a message that is too large the header alone. What does not come is left out.
    async fn fetch_all(&self, session: &mut dyn Mailbox, batch: &[Listed]) -> Result<Vec<Fetched>, ReceiveError> {
        let mut all = Vec::new();
        let is_large = |listed: &&Listed| listed.size > self.config.max_message_size;
        for header_only in [false, true] {
            let wanted: Vec<Listed> = batch
                .iter()
                .filter(|listed| is_large(listed) == header_only)
                .cloned()
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let (to, mut fetched) = mpsc::channel(BATCH);
            let (fetching, ()) = tokio::join!(session.fetch(Batch::just(&wanted), header_only, to), async {
                while let Some((one, _)) = fetched.recv().await {
                    all.push(one);
                }
            });
            fetching?;
        }
        Ok(all)
    }

    /// What would become of the message.
    async fn dry(
        &self,
        simulated: &Simulated,
        generation: &Generation,
        fetched: &Fetched,
    ) -> Result<Told, ReceiveError> {
        let claim = Claim {
            entry: EntryId(0),
            token: 0,
        };
        let place = Place {
            mailbox: self.name.clone(),
            folder: self.folder().to_owned(),
            spot: fetched.spot.clone(),
        };
        let now = self.world.clock.now();
        let work = Work::first(claim, place, fetched.internal_date, now);
        let reading = Reading::of(&work, &fetched.octets, generation, &self.world.hostname);
        let is_large = fetched.size > self.config.max_message_size;
        let unread = is_large.then_some(Reason::TooLarge).or_else(|| reading.ends_unread());
        let (end, traces) = match unread {
            Some(reason) => (Ok(reading.attempted(now, 0.0).unread(reason)), Vec::new()),
            None => {
                let (end, traces) = self.through(simulated, &reading, now).await;
                let newest = traces.last().cloned().unwrap_or_default();
                (concluded(end, &reading, &newest, now)?, traces)
            }
        };
        let (outcome, reason) = match end {
            Ok(Change::Ended { ended, .. }) => (ended.outcome.word().to_owned(), ended.reason),
            Ok(_) => (String::new(), String::new()),
            Err((word, reason)) => (word.to_owned(), reason),
        };
        Ok(Told {
            outcome,
            reason,
            made: made(&traces),
            date: fetched.internal_date,
            from: reading.message.author.address.clone(),
            subject: reading.message.subject.clone(),
        })
    }
}

impl Watched {
    /// Takes the message through its rules. Where Halo asks to be left alone it goes on afterwards where it stopped, so
    /// that neither it nor those before it are asked for again; a trace each time.
    async fn through(&self, simulated: &Simulated, reading: &Reading<'_>, now: Timestamp) -> (End, Vec<Trace>) {
        let (mut resumed, mut traces) = (None, Vec::new());
        loop {
            let mut effects = Effects::new(simulated, reading, None, Vec::new());
            let Through { end, trace } = run::through(&reading.setting(now), resumed, &mut effects).await;
            traces.push(trace);
            let End::Deferred {
                reason,
                fault: Some((_, Fault::Held)),
                run,
                ..
            } = end
            else {
                return (end, traces);
            };
            tracing::debug!(
                mailbox = self.name.0,
                reason,
                "what would be done there is asked later: {reason}"
            );
            resumed = Some(run);
            clock::sleep(HELD_AGAIN).await;
        }
    }
}

/// The change that would end it, or in a word why none would and in more. Where Halo is away nobody knows anything of
/// any message, so all of them are looked at again.
type Concluded = Result<Change, (&'static str, String)>;

fn concluded(end: End, reading: &Reading<'_>, trace: &Trace, now: Timestamp) -> Result<Concluded, ReceiveError> {
    Ok(match end {
        End::Deferred {
            reason,
            fault: Some((_, Fault::Unreachable)),
            ..
        } => return Err(ReceiveError::Unasked { reason }),
        End::Deferred { reason, .. } | End::Held { reason, .. } => Err(("deferred", reason)),
        End::Untold { what } => Err((UNTOLD, what)),
        end => Ok(reading.attempted(now, 0.0).change(end, trace)),
    })
}

/// The newest, oldest first, and how many lie there. Never all of a large mailbox at once.
async fn newest(session: &mut dyn Mailbox, selected: Selected) -> Result<(Vec<Listed>, usize), MailboxError> {
    let (mut newest, mut there): (Vec<Listed>, usize) = Default::default();
    for range in windows(&Plan::Rescan, &selected) {
        let listed = session.list(range).await?;
        there += listed.len();
        newest.extend(listed);
        // UIDs ascend; in a Maildir the time tells.
        newest.sort_by_key(|listed| listed.arrived);
        newest.drain(..newest.len().saturating_sub(LOOKED_AT));
    }
    Ok((newest, there))
}

fn write(path: &std::path::Path, lines: &[String]) -> io::Result<()> {
    let mut draft = Draft::begin(path)?;
    draft.fill(lines.concat().as_bytes())?;
    draft.put()
}

/// The first line of the list.
const HEADER: &str = "TIME\tFROM\tSUBJECT\tOUTCOME\tREASON\tWOULD BE CREATED IN HALO\n";

/// What would become of one message.
struct Told {
    outcome: String,
    reason: String,
    /// What would be created for it in Halo: its kind, and who or what and where.
    made: Vec<(&'static str, String)>,
    date: Timestamp,
    from: String,
    subject: String,
}

/// What would be created: the requests that were not sent, without those that change what is there.
fn made(traces: &[Trace]) -> Vec<(&'static str, String)> {
    let rules = traces.iter().flat_map(|trace| &trace.rules);
    let effects = rules.flat_map(|rule| &rule.steps).flat_map(|step| &step.effects);
    let calls = effects.flat_map(|effect| effect.calls.iter().map(move |call| (call, &effect.effect)));
    let creations = calls.filter(|(call, _)| is_creation(call));
    creations
        .filter_map(|(call, words)| {
            let what = match call.path.split('?').next() {
                Some("/Users") => "user",
                Some("/Client") => "client",
                Some("/Tickets") => "ticket",
                _ => return None,
            };
            Some((what, words.clone()))
        })
        .collect()
}

fn is_creation(call: &Call) -> bool {
    call.method == "POST" && call.answer == "simulated" && call.body.pointer("/0/id").is_none()
}

/// What would become of all of them.
#[derive(Default)]
struct Found {
    looked_at: usize,
    /// By outcome, with how often for each reason.
    outcomes: BTreeMap<String, BTreeMap<String, usize>>,
    made: BTreeMap<&'static str, usize>,
    /// For the list: a line each, in columns.
    lines: Vec<String>,
}

impl Found {
    fn add(&mut self, told: Told) {
        self.looked_at += 1;
        let made: Vec<String> = told.made.iter().map(|(_, words)| line(words)).collect();
        let columns = [
            told.date.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            line(&told.from),
            line(&told.subject),
            told.outcome.clone(),
            line(&told.reason),
            made.join("; "),
        ];
        self.lines.push(format!("{}\n", columns.join("\t")));
        let reasons = self.outcomes.entry(told.outcome).or_default();
        *reasons.entry(line(&told.reason)).or_default() += 1;
        for (what, _) in told.made {
            *self.made.entry(what).or_default() += 1;
        }
    }

    /// `1,200 messages are there at the first start; of the newest 500, 480 would be completed, …`
    fn summary(&self, there: usize) -> String {
        let words = Outcome::ALL.map(Outcome::word).into_iter().chain(["deferred", UNTOLD]);
        let of = |word: &str| Some((word.to_owned(), self.outcomes.get(word)?));
        let mut verb = "would be ";
        let mut part = |(word, reasons): (String, &BTreeMap<String, usize>)| {
            let verb = if word == UNTOLD { "" } else { std::mem::take(&mut verb) };
            let count: usize = reasons.values().sum();
            format!("{count} {verb}{word}{}", named(reasons))
        };
        let parts: Vec<String> = words.filter_map(of).map(&mut part).collect();
        let are = if there == 1 { "is" } else { "are" };
        let mut text = format!("{} {are} there at the first start; ", counted(there, "message"));
        if there > self.looked_at {
            text += &format!("of the newest {}, ", self.looked_at);
        }
        text += &parts.join(", ");
        let made = named_kinds(&self.made);
        if !made.is_empty() {
            text += &format!("; {made} would be created");
        }
        text
    }
}

/// `1 user, 2 clients`
fn named_kinds(made: &BTreeMap<&'static str, usize>) -> String {
    let parts = made.iter().map(|(what, count)| counted(*count, what));
    parts.collect::<Vec<_>>().join(", ")
}

/// The most frequent reasons in brackets, where there are any.
fn named(reasons: &BTreeMap<String, usize>) -> String {
    let mut sorted: Vec<(&String, &usize)> = reasons.iter().filter(|(reason, _)| !reason.is_empty()).collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut texts: Vec<String> = sorted
        .iter()
        .take(REASONS)
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if sorted.len() > REASONS {
        texts.push("…".to_owned());
    }
    if texts.is_empty() {
        return String::new();
    }
    format!(" ({})", texts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: &str, reason: &str, users: usize) -> Told {
        Told {
            outcome: outcome.to_owned(),
            reason: reason.to_owned(),
            made: vec![("user", "main: create the user Ann".to_owned()); users],
            date: Timestamp::UNIX_EPOCH,
            from: "ann@customer.example".to_owned(),
            subject: "a\tb\nc\u{1b}[2J".to_owned(),
        }
    }

    #[test]
    fn the_summary_says_how_many_and_why() {
        let mut found = Found::default();
        for (outcome, reason, users) in [
            ("completed", "", 1),
            ("completed", "", 0),
            ("failed", "no_author", 0),
            ("can not be told", "GET https://desk.example/", 0),
        ] {
            found.add(told(outcome, reason, users));
        }
        let rest = "2 would be completed, 1 failed (1 no_author), 1 can not be told (1 GET https://desk.example/); \
                    1 user would be created";
        let begin = "messages are there at the first start;";
        assert_eq!(found.summary(4), format!("4 {begin} {rest}"));
        assert_eq!(found.summary(50_000), format!("50000 {begin} of the newest 4, {rest}"));
    }

    #[test]
    fn a_line_of_the_list_is_one_line_whatever_a_mail_holds() {
        let mut found = Found::default();
        found.add(told("completed", "", 1));
        let expected =
            "1970-01-01 00:00:00 UTC\tann@customer.example\ta b c [2J\tcompleted\t\tmain: create the user Ann\n";
        assert_eq!(found.lines, [expected]);
    }
}
