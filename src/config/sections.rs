//! The whole tree: every section read, and what only shows when they are seen beside each other.

use std::{cell::RefCell, collections::BTreeMap};

use ::config::{Map, Value, ValueKind};

use super::{
    Config, ConnectionName, MailboxName, RetentionConfig, RetryConfig,
    connections::connection,
    endpoint::secret,
    fault::Fault,
    http::http,
    layers::built_in_table,
    mailboxes::{beside_each_other, mailbox},
    table::Table,
    telling,
    value::{Read, refuse, show},
};
use crate::{
    journal::postgres,
    retry::Backoff,
    secret::{ExposeSecret, Secret},
};

/// What the tree says, and the names that it uses even where what they name can not be understood.
pub struct Sections {
    pub config: Option<Config>,
    pub mailboxes: Vec<MailboxName>,
    pub connections: Vec<ConnectionName>,
}

/// Reads the merged tree.
pub fn read(root: &Map<String, Value>, faults: &RefCell<Vec<Fault>>) -> Sections {
    let root = Table::new("", root, built_in_table(""), faults);
    let state_dir = root.path_value("state_dir");
    let journal = root.get("journal", journal);
    // Rules are read apart; here they can only come from the environment, which is a fault already.
    root.value("rule");
    let (mailboxes, named_mailboxes) = named(&root, "mailbox", mailbox);
    let (halo, named_connections) = named(&root, "halo", |_, table| connection(table));
    let smtp = section(&root, "smtp", |table| {
        telling::smtp(table, &mailboxes, &named_mailboxes)
    });
    let bounce = section(&root, "bounce", telling::bounce);
    let report = section(&root, "report", telling::report);
    let canary = section(&root, "canary", |table| {
        telling::canary(table, &mailboxes, &named_mailboxes)
    });
    let retry = section(&root, "retry", retry);
    let retention = section(&root, "retention", retention);
    let http = section(&root, "http", http);
    root.finish();

    let mailboxes: BTreeMap<_, _> = mailboxes
        .into_iter()
        .map(|(name, mailbox)| (MailboxName(name), mailbox))
        .collect();
    let halo: BTreeMap<_, _> = halo
        .into_iter()
        .map(|(name, connection)| (ConnectionName(name), connection))
        .collect();
    faults.borrow_mut().extend(beside_each_other(&mailboxes));
    let config = (|| {
        Some(Config {
            state_dir: state_dir?,
            journal,
            mailboxes,
            halo,
            smtp,
            bounce: bounce?,
            report: report?,
            canary,
            retry: retry?,
            retention: retention?,
            http,
        })
    })();
    let sections = Sections {
        config,
        mailboxes: named_mailboxes.into_iter().map(MailboxName).collect(),
        connections: named_connections.into_iter().map(ConnectionName).collect(),
    };
    faults.borrow_mut().extend(sections.absences());
    sections
}

impl Sections {
    /// What is missing as a whole.
    fn absences(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.mailboxes.is_empty() {
            faults.push(Fault::at(
                "mailbox",
                "there is no mailbox to watch",
                "add a [mailbox.NAME]",
            ));
        }
        if self.connections.is_empty() {
            let remedy = "add a [halo.NAME] for the steps that need one";
            faults.push(Fault::at("halo", "there is no connection to Halo", remedy).as_warning());
        }
        if let Some(config) = &self.config {
            if !config.mailboxes.is_empty() && config.mailboxes.values().all(|mailbox| !mailbox.enabled) {
                let remedy = "set enabled = true on one of them";
                faults.push(Fault::at("mailbox", "every mailbox rests, so nothing comes in", remedy).as_warning());
            }
            faults.extend(nobody_hears(config));
            if config.canary.is_some() && config.smtp.is_none() {
                let problem = "a canary needs a way out and there is no [smtp]";
                faults.push(Fault::at("canary", problem, "add an [smtp] table"));
            }
            faults.extend(reports_to_ourselves(config));
        }
        faults
    }
}

/// Nobody hears of exceptions. A summary that somebody wants and nobody gets is no oversight that may stay.
fn nobody_hears(config: &Config) -> Option<Fault> {
    let report = &config.report;
    if report.summary.is_some() && config.report_ways().is_empty() {
        let problem = "report.summary has nobody who hears it";
        return Some(Fault::at(
            "report.summary",
            problem,
            "add to with an [smtp] table, or webhook",
        ));
    }
    let is_nobody = report.to.is_empty() && report.webhook.is_none();
    let remedy = "add [report] with to = [\"ops@example.com\"]";
    is_nobody.then(|| Fault::at("report", "nobody hears of exceptions", remedy).as_warning())
}

/// Reports that would come in again.
fn reports_to_ourselves(config: &Config) -> Option<Fault> {
    let watched = config.mailboxes.iter().filter(|(_, mailbox)| mailbox.enabled);
    let own: Vec<_> = watched.map(|(name, mailbox)| (name, mailbox.own_addresses())).collect();
    config.report.to.iter().find_map(|to| {
        let (name, _) = own
            .iter()
            .find(|(_, own)| own.contains(to) || own.contains(&to.without_detail()))?;
        let problem = format!(
            "reports go to {to}, which is mailbox {:?}: they end there as ignored",
            name.0
        );
        let remedy = "name an address that people read and no mailbox watches";
        Some(Fault::at("report.to", problem, remedy).as_warning())
    })
}

/// The tables below `kind`, each read by `read`, and their names.
fn named<T>(
    root: &Table<'_>,
    kind: &str,
    read: impl Fn(&str, &Table<'_>) -> Option<T>,
) -> (BTreeMap<String, T>, Vec<String>) {
    let (mut found, mut names) = (BTreeMap::new(), Vec::new());
    let Some(all) = root.table(kind, Map::new()) else {
        return (found, names);
    };
    for name in all.keys() {
        let Some(entries) = all.value(name) else { continue };
        if !matches!(entries.kind, ValueKind::Table(_)) {
            let problem = format!(
                "{} stands in [{kind}] itself, which holds named tables alone",
                all.path_of(name)
            );
            let remedy = format!("write [{kind}.NAME] above it, the name being yours to choose");
            all.report(Fault::at_key(all.path_of(name), problem, remedy));
            continue;
        }
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            let problem = format!("{} is not a name", all.path_of(name));
            all.report(Fault::at_key(
                all.path_of(name),
                problem,
                "give it a name that can be read aloud",
            ));
        }
        names.push(name.to_owned());
        let Some(table) = all.table(name, built_in_table(kind)) else {
            continue;
        };
        if let Some(value) = read(name, &table) {
            found.insert(name.to_owned(), value);
        }
        table.finish();
    }
    (found, names)
}

/// The table at `key` read by `read`.
fn section<T>(root: &Table<'_>, key: &str, read: impl Fn(&Table<'_>) -> Option<T>) -> Option<T> {
    let table = root.table(key, built_in_table(key))?;
    let value = read(&table);
    table.finish();
    value
}

/// The address names a server and perhaps a password, so it does not print. One that lies elsewhere is read when the
/// journal is opened.
fn journal(value: &Value) -> Read<Secret> {
    let journal = secret(value)?;
    if let Secret::Literal(address) = &journal
        && let Err(problem) = postgres::check(address.expose_secret())
    {
        let remedy =
            "write \"postgres://USER:PASSWORD@HOST/DATABASE\", or leave the key out to have the journal in state_dir";
        return refuse(format!("can not be used: {problem}"), remedy);
    }
    Ok(journal)
}

fn retry(table: &Table<'_>) -> Option<RetryConfig> {
    let first = table.duration("first");
    let longest = table.duration("longest");
    let give_up_after = table.duration("give_up_after");
    if let (Some(first), Some(longest)) = (first, longest)
        && longest < first
    {
        table.fault(
            "longest",
            format!(
                "is {}, shorter than first ({})",
                written(table, "longest"),
                written(table, "first")
            ),
            "make it as long at least",
        );
    }
    Some(RetryConfig {
        backoff: Backoff {
            first: first?,
            longest: longest?,
        },
        give_up_after: give_up_after?,
    })
}

fn retention(table: &Table<'_>) -> Option<RetentionConfig> {
    let octets = table.duration("octets");
    let rows = table.duration("rows");
    if let (Some(octets), Some(rows)) = (octets, rows)
        && rows < octets
    {
        let problem = format!(
            "is {}, shorter than octets ({})",
            written(table, "rows"),
            written(table, "octets")
        );
        table.fault(
            "rows",
            problem,
            "keep rows as long as octets at least: a message without its row can not be found",
        );
    }
    Some(RetentionConfig {
        octets: octets?,
        rows: rows?,
    })
}

fn written(table: &Table<'_>, key: &str) -> String {
    table.value(key).map(show).unwrap_or_default()
}
