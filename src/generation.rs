//! One loaded configuration with its rules, ready to run: what a reload swaps as a whole.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    config::{
        Config, MailboxSource,
        effective::Written,
        fault::{PlacedFault, closest},
        load::{self, Draft},
    },
    message::address::AddrSpec,
    rules::RuleSet,
};

/// A configuration that can be run.
#[derive(Debug)]
pub struct Generation {
    /// The file it came from.
    pub path: PathBuf,
    /// Everything but the rules.
    pub config: Config,
    /// Compiled.
    pub rules: RuleSet,
    /// Names this configuration in the journal.
    pub digest: String,
    /// As it was written, for what differs from another one.
    pub written: Written,
    /// Addresses that are ours: nobody there is ever told anything.
    pub own_addresses: HashSet<AddrSpec>,
}

/// Every fault of a configuration, each with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<PlacedFault>);

impl Generation {
    /// Loads and checks everything. With the generation come its warnings.
    pub fn load(path: &Path, environment: &[(String, String)]) -> Result<(Generation, Faults), Faults> {
        Generation::of(path, load::load(path, environment))
    }

    /// The same of a draft that is there.
    pub(crate) fn of(path: &Path, draft: Draft) -> Result<(Generation, Faults), Faults> {
        match Generation::with_faults(path, draft) {
            (Some(generation), faults) if faults.errors() == 0 => Ok((generation, faults)),
            (_, faults) => Err(faults),
        }
    }

    /// For whoever only reads what is there: also where rules are wrong, as long as it is certain which journal is meant.
    pub fn to_read(path: &Path, environment: &[(String, String)]) -> Result<(Generation, Faults), Faults> {
        match Generation::with_faults(path, load::load(path, environment)) {
            (Some(generation), faults) if !faults.hide_the_journal() => Ok((generation, faults)),
            (_, faults) => Err(faults),
        }
    }

    fn with_faults(path: &Path, draft: Draft) -> (Option<Generation>, Faults) {
        let mut faults = Vec::new();
        let rules = draft
            .config
            .as_ref()
            .map(|config| RuleSet::compile(&draft, config, &mut faults));
        let placed = Faults(draft.placed(&faults));
        let generation = draft.config.zip(rules).map(|(config, rules)| Generation {
            path: path.to_owned(),
            own_addresses: own_addresses(&config),
            config,
            rules,
            digest: draft.digest,
            written: draft.written,
        });
        (generation, placed)
    }
}

impl Faults {
    /// How many are no warnings.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|placed| !placed.fault.warning).count()
    }

    /// Where the journal lies can not be understood; what a default says in its place is another journal.
    fn hide_the_journal(&self) -> bool {
        let faults = self.0.iter().filter(|placed| !placed.fault.warning);
        let mut keys = faults.filter_map(|placed| placed.fault.path.split('.').next());
        // A misspelt one as well.
        keys.any(|key| closest(key, ["journal", "state_dir"]).is_some())
    }

    /// In one line, where all of them stand elsewhere: the first, and how many there are.
    pub fn in_short(&self) -> String {
        let first = self.0.iter().find(|placed| !placed.fault.warning);
        let first = first.map_or(String::new(), ToString::to_string);
        match self.errors() {
            0 | 1 => first,
            count => format!("{count} faults, the first: {first}"),
        }
    }
}

/// The addresses of all mailboxes, the one we send from, and those who hear of exceptions.
fn own_addresses(config: &Config) -> HashSet<AddrSpec> {
    let mut own: HashSet<AddrSpec> = config.desk_addresses().into_iter().collect();
    for mailbox in config.mailboxes.values() {
        if let MailboxSource::Imap(imap) = &mailbox.source {
            own.extend(AddrSpec::parse(&imap.username));
        }
    }
    own.extend(config.report.to.iter().cloned());
    own
}
