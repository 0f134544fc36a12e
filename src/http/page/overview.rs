//! The first page: what needs somebody, the mailboxes, the connections, and what became of all messages.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension,
    extract::{RawQuery, State},
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Answer, Site,
    log::{Columns, listed},
    nodes,
    query::{self, Query},
    sheet::{Sheet, Tab},
    words,
};
use crate::{
    config::{MailboxConfig, MailboxName, MailboxSource},
    count::counted,
    generation::Generation,
    http::{
        access::Caller,
        health::{self, Wrong},
    },
    journal::{
        Row, RowFilter, Survey, Totals, Way,
        node::{Duty, Node, Nodes},
    },
    outcome::Outcome,
    pipeline::states::{Checked, Reading, Sort, States, Thing, Trouble},
};

/// Of so many mailboxes each has its line; of more those that need somebody stand before the others.
const MOST_MAILBOXES: usize = 200;
/// So many failed messages of the last day are shown.
const MOST_FAILED: usize = 5;
/// The browser asks again after so many seconds, where a person wants it to.
const AGAIN: u32 = 10;
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// All that the page tells.
struct Overview {
    now: Timestamp,
    generation: Arc<Generation>,
    troubles: Vec<(Thing, Trouble)>,
    /// What makes health red besides.
    wrong: Vec<Wrong>,
    survey: Survey,
    nodes: Nodes,
    /// Of this machine.
    host: String,
    failed: Vec<Row>,
    /// The mailboxes that need somebody.
    ill: BTreeMap<MailboxName, Ill>,
}

/// Why a mailbox needs somebody, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ill {
    /// It is in trouble since then.
    Trouble(Timestamp),
    /// It was not checked for too long.
    Silent,
    /// Nothing is wrong: it waits for a word since then.
    Waits(Timestamp),
}

/// `GET /`; with `?again=on` the browser asks for it again and again.
pub async fn page(State(site): State<Site>, Extension(caller): Extension<Caller>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::of(query.as_deref());
    let world = &site.0.world;
    let now = world.clock.now();
    let (survey, nodes, failed) = site
        .look(move |journal| async move {
            let filter = RowFilter {
                outcome: Some(Outcome::Failed.word().to_owned()),
                since: now.checked_sub(DAY).ok(),
                limit: Some(MOST_FAILED + 1),
                ..RowFilter::default()
            };
            Ok((
                journal.survey().await?,
                journal.nodes().await?,
                journal.rows(filter).await?,
            ))
        })
        .await?;
    let (troubles, wrong) = (world.state.troubles(), health::wrong(world));
    let overview = Overview {
        now,
        generation: world.generation.load_full(),
        ill: ill(&troubles, &wrong),
        troubles,
        wrong,
        survey,
        nodes,
        host: world.hostname.clone(),
        failed,
    };
    let again = (query.text("again") == "on").then_some(AGAIN);
    let sheet = Sheet {
        again,
        ..Sheet::new("Overview", Tab::Overview, &caller)
    };
    Ok(sheet.around(&overview.content(&world.state, query.text("all") == "on", again.is_some())))
}

fn ill(troubles: &[(Thing, Trouble)], wrong: &[Wrong]) -> BTreeMap<MailboxName, Ill> {
    let silent = wrong.iter().filter_map(|wrong| wrong.mailbox.clone());
    let mut ill: BTreeMap<MailboxName, Ill> = silent.map(|name| (name, Ill::Silent)).collect();
    for (thing, trouble) in troubles {
        if let Some(name) = thing.mailbox() {
            let this = match trouble.sort {
                Sort::Waits => Ill::Waits(trouble.since),
                _ => Ill::Trouble(trouble.since),
            };
            let worst = ill.entry(name.clone()).or_insert(this);
            *worst = this.min(*worst);
        }
    }
    ill
}

impl Overview {
    fn content(&self, state: &States, all: bool, again: bool) -> Markup {
        html! {
            h1 { "Overview" }
            (self.needs_somebody())
            (self.mailboxes(state, all))
            (self.connections())
            (nodes::section(&self.nodes, &self.survey, &self.host))
            p .faint {
                "Configuration " code { (self.generation.digest) } " of " code { (self.generation.path.display()) } ". "
                @if again { a href="/" { "Stop renewing this page" } }
                @else { a href="/?again=on" { "Renew this page every " (AGAIN) " s" } }
            }
        }
    }

    /// What stands on top.
    fn needs_somebody(&self) -> Markup {
        html! {
            section aria-labelledby="needs" {
                h2 #needs { "Needs somebody" }
                @if self.troubles.is_empty() && self.wrong.is_empty() && self.failed.is_empty()
                    && self.nodes.left_for().is_none()
                {
                    p .good { "Nothing does." }
                }
                @for wrong in &self.wrong {
                    div .card.trouble { strong { (words::line(&wrong.text)) } }
                }
                (nodes::left(&self.nodes))
                @for (thing, trouble) in &self.troubles {
                    div .card.trouble[trouble.sort != Sort::Waits] {
                        strong { (words::line(&thing.to_string())) }
                        @if trouble.sort == Sort::Waits { " waits" }
                        " since " (words::time(trouble.since, self.now))
                        p { (words::line(&trouble.reason)) }
                    }
                }
                @if !self.failed.is_empty() {
                    h3 { "Failed in the last 24 hours" }
                    (listed(&self.failed[..self.failed.len().min(MOST_FAILED)], self.now, Columns::Short))
                    @if self.failed.len() > MOST_FAILED {
                        p { a href="/log?outcome=failed&since=24h" { "All that failed in the last 24 hours" } }
                    }
                }
            }
        }
    }

    fn mailboxes(&self, state: &States, all: bool) -> Markup {
        let is_ill = |name: &MailboxName| self.ill.contains_key(name);
        let configured = self.generation.config.mailboxes.iter();
        let (mut mailboxes, well): (Vec<_>, Vec<_>) = configured.partition(|(name, _)| is_ill(name));
        // All that need somebody are shown, however many.
        let most = if all { usize::MAX } else { MOST_MAILBOXES };
        let room = most.saturating_sub(mailboxes.len()).min(well.len());
        mailboxes.extend(&well[..room]);
        let gone = self
            .survey
            .totals
            .keys()
            .filter(|name| !self.generation.config.mailboxes.contains_key(name));
        html! {
            section aria-labelledby="mailboxes" {
                h2 #mailboxes { "Mailboxes" }
                @for (name, config) in mailboxes {
                    (self.mailbox(name, Some(config), state))
                }
                @if room < well.len() {
                    p { "… and " (well.len() - room) " more without trouble: " a href="/?all=on" { "show all" } }
                }
                @for name in gone {
                    (self.mailbox(name, None, state))
                }
            }
        }
    }

    fn mailbox(&self, name: &MailboxName, config: Option<&MailboxConfig>, state: &States) -> Markup {
        let totals = self.survey.totals.get(name).cloned().unwrap_or_default();
        html! {
            article .card {
                div .line {
                    h3 { (words::line(&name.0)) }
                    span { (self.state_of(name, config, state)) }
                    @if let Some(config) = config { span .faint { (source(config)) } }
                }
                (counts(name, &totals))
                @if let Some(oldest) = self.survey.oldest_open.get(name) {
                    p { "The oldest without an outcome was received " (words::time(*oldest, self.now)) }
                }
            }
        }
    }

    /// How it is, and when it was looked at.
    fn state_of(&self, name: &MailboxName, config: Option<&MailboxConfig>, state: &States) -> Markup {
        let Some(config) = config else {
            return html! { span .chip { "no longer configured" } };
        };
        if !config.enabled {
            return html! { span .chip { "rests" } " by enabled = false" };
        }
        let reading = state.reading(name);
        html! {
            @if let Some(ill) = self.ill.get(name) {
                @match ill {
                    Ill::Trouble(since) => { span .chip.bad { "trouble" } " since " (words::time(*since, self.now)) }
                    Ill::Silent => { span .chip.bad { "not checked" } " for too long" }
                    Ill::Waits(since) => { span .chip.open { "waits" } " for a word since " (words::time(*since, self.now)) }
                }
            } @else if let Some(reading) = reading.filter(|reading| reading.of > 0) {
                span .chip.open { "reading" } " " (progress(&reading))
            } @else if state.is_well(&Thing::Mailbox(name.clone())) == Some(true) {
                span .chip.good { "watched" }
            } @else if let Some(node) = self.elsewhere(name, state) {
                span .chip.good { "watched" } " at node " (node.node) " (" (words::line(&node.host)) ")"
            } @else {
                span .chip.open { "not reached yet" }
            }
            (self.checked(state.checked(name)))
        }
    }

    /// The other node that watches it.
    fn elsewhere(&self, name: &MailboxName, state: &States) -> Option<&Node> {
        let node = self.nodes.at(&Duty::Mailbox(name.clone()));
        node.filter(|_| state.checked(name).is_none())
    }

    fn checked(&self, checked: Option<Checked>) -> Markup {
        let last = checked.and_then(|checked| checked.last);
        html! {
            @if let Some(last) = last { ", checked " (words::time(last, self.now)) }
        }
    }

    fn connections(&self) -> Markup {
        let config = &self.generation.config;
        html! {
            section aria-labelledby="connections" {
                h2 #connections { "Connections" }
                @for (name, halo) in &config.halo {
                    @let of_it = self.count(|thing| thing.connection() == Some(name));
                    div .card.line {
                        h3 { "Halo " (name.0) }
                        (chip(of_it))
                        code { (halo.url) }
                        span .faint { "requests: up to " (halo.rate) }
                    }
                }
                @if let Some(smtp) = &config.smtp {
                    div .card.line {
                        h3 { "SMTP" }
                        (chip(self.count(|thing| matches!(thing, Thing::Smtp | Thing::Report))))
                        code { (smtp.host) ":" (smtp.port) }
                        (self.letters(Way::Mail))
                    }
                }
                @if config.report.webhook.is_some() {
                    div .card.line {
                        h3 { "Webhook" }
                        (chip(self.count(|thing| *thing == Thing::Webhook)))
                        span .faint { "for reports" }
                        (self.letters(Way::Webhook))
                    }
                }
            }
        }
    }

    fn letters(&self, way: Way) -> Markup {
        let one = match way {
            Way::Mail => "letter",
            Way::Webhook => "report",
        };
        html! {
            @match self.survey.letters.get(&way) {
                None => { span .faint { "no " (one) " waits" } }
                Some(waiting) => {
                    span .open { (counted(waiting.count, one)) " in the outbox" }
                    span { "the oldest of " (words::time(waiting.oldest, self.now)) }
                }
            }
        }
    }

    /// How many troubles there are of such things.
    fn count(&self, of: impl Fn(&Thing) -> bool) -> usize {
        self.troubles.iter().filter(|(thing, _)| of(thing)).count()
    }
}

/// A connection that nothing is wrong with is said to be so, also where nobody has used it yet.
fn chip(troubles: usize) -> Markup {
    html! {
        @if troubles == 0 { span .chip.good { "no trouble" } }
        @else { span .chip.bad { "trouble" } }
    }
}

fn progress(reading: &Reading) -> Markup {
    html! { (reading.done) " of " (reading.of) " " progress max=(reading.of) value=(reading.done) {} }
}

fn source(config: &MailboxConfig) -> String {
    match &config.source {
        MailboxSource::Imap(imap) => format!("{} on {}", imap.username, imap.host),
        MailboxSource::Maildir { path } => path.display().to_string(),
    }
}

/// The accounting identity: what was seen is what has come of it. Each number leads to its messages.
fn counts(name: &MailboxName, totals: &Totals) -> Markup {
    let of = |word| totals.by_state.get(word).copied().unwrap_or(0);
    let counts: Vec<(&str, u64)> = Outcome::words()
        .map(|word| (word, of(word)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let sum: u64 = counts.iter().map(|(_, count)| count).sum();
    html! {
        p .sum {
            a href=(query::path("/log", &[("mailbox", &name.0)])) { (totals.seen) " seen" }
            @for (place, (word, count)) in counts.iter().enumerate() {
                span .part {
                    @if place == 0 { "= " } @else { "+ " }
                    a .(words::tone(word)) href=(query::path("/log", &[("mailbox", &name.0), ("outcome", word)])) {
                        (count) " " (word)
                    }
                }
            }
            @if sum != totals.seen {
                strong .bad { "These are " (sum) ": a fault of the program, please report it." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::states::Urgency;

    #[test]
    fn a_mailbox_needs_somebody_by_any_trouble_of_its_own_and_by_silence() {
        let name = |name: &str| MailboxName(name.to_owned());
        let (states, now) = (States::default(), Timestamp::UNIX_EPOCH);
        for (thing, sort) in [
            (Thing::Canary(name("support")), Sort::Hampered),
            (Thing::Settling(name("sales")), Sort::Hampered),
            (Thing::Mailbox(name("sales")), Sort::Waits),
            (Thing::Mailbox(name("new")), Sort::Waits),
            (Thing::Smtp, Sort::Hampered),
        ] {
            states.trouble(&thing, "it".to_owned(), sort, Urgency::Now, now);
        }
        let silent = ["quiet", "sales"].map(|mailbox| Wrong {
            mailbox: Some(name(mailbox)),
            text: String::new(),
        });
        let expected = [
            ("new", Ill::Waits(now)),
            ("quiet", Ill::Silent),
            ("sales", Ill::Trouble(now)),
            ("support", Ill::Trouble(now)),
        ];
        assert_eq!(
            ill(&states.troubles(), &silent),
            expected.map(|(mailbox, ill)| (name(mailbox), ill)).into()
        );
    }
}
