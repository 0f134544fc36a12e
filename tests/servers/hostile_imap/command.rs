//! A command of the client, cut into what the server acts on.

use std::collections::BTreeSet;

use super::{misbehaviour::At, state::Folder};

/// A command, cut.
pub struct Command {
    pub tag: String,
    pub verb: String,
    pub arguments: String,
    pub at: Option<At>,
}

impl Command {
    pub fn read(line: &str) -> Command {
        let (tag, rest) = line.split_once(' ').unwrap_or((line, ""));
        let uid = rest.strip_prefix("UID ");
        let (verb, arguments) = uid.unwrap_or(rest).split_once(' ').unwrap_or((uid.unwrap_or(rest), ""));
        let at = match verb {
            "LOGIN" => Some(At::Login),
            "SELECT" => Some(At::Select),
            "FETCH" if arguments.contains("BODY") => Some(At::Fetch),
            "FETCH" => Some(At::List),
            "IDLE" => Some(At::Idle),
            "MOVE" => Some(At::Move),
            "COPY" => Some(At::Copy),
            "STORE" => Some(At::Store),
            "EXPUNGE" => Some(At::Expunge),
            _ => None,
        };
        Command {
            tag: tag.to_owned(),
            verb: verb.to_owned(),
            arguments: arguments.to_owned(),
            at,
        }
    }

    /// What stands behind the UID set.
    pub fn rest(&self) -> &str {
        self.arguments.split_once(' ').map_or("", |(_, rest)| rest)
    }

    /// The UIDs of the set that lie in the folder.
    pub fn uids(&self, folder: Option<&Folder>) -> BTreeSet<u32> {
        let Some(folder) = folder else { return BTreeSet::new() };
        let set = self.arguments.split(' ').next().unwrap_or("");
        let newest = folder.messages.last().map_or(0, |message| message.uid);
        let number = |text: &str| if text == "*" { newest } else { text.parse().unwrap_or(0) };
        let ranges: Vec<(u32, u32)> = set
            .split(',')
            .map(|part| {
                let (from, to) = part.split_once(':').unwrap_or((part, part));
                let (from, to) = (number(from), number(to));
                (from.min(to), from.max(to))
            })
            .collect();
        let named = |uid: &u32| ranges.iter().any(|(from, to)| (*from..=*to).contains(uid));
        folder
            .messages
            .iter()
            .map(|message| message.uid)
            .filter(named)
            .collect()
    }

    /// The last argument without its quotes.
    pub fn folder(&self) -> String {
        let text = self.arguments.trim_end_matches('"');
        text.rsplit('"').next().unwrap_or("").to_owned()
    }
}
