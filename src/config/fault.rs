//! What is wrong with a configuration, where it stands, and what to do about it.

use std::fmt;

/// One fault, before its place is looked up. `path` names the value (`rule[3].action[1].when`): keys that are
/// not bare are quoted as in TOML, indexes count from 0, those of rules over all files. See [`join`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub path: String,
    /// Whether the key itself is at fault (an unknown key), not its value.
    pub at_key: bool,
    /// How far into the text of the value the fault lies, in bytes; for faults within an expression.
    pub offset: Option<usize>,
    /// The place, where it is known beforehand: a file that can not be read has no values to name.
    pub place: Option<String>,
    /// The values that show it, where there are several; they are listed with it.
    pub seen: Vec<Fault>,
    /// What is wrong: lower case, present tense, naming the thing and its value.
    pub problem: String,
    /// What to do; "did you mean …" where a name is close. May be empty.
    pub remedy: String,
    /// A warning does not keep the configuration from loading.
    pub warning: bool,
}

impl Fault {
    /// A fault of the value at `path`.
    pub fn at(path: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            path: path.into(),
            at_key: false,
            offset: None,
            place: None,
            seen: Vec::new(),
            problem: problem.into(),
            remedy: remedy.into(),
            warning: false,
        }
    }

    /// A fault of the key that `path` ends with, for a key that should not be there.
    pub fn at_key(path: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            at_key: true,
            ..Fault::at(path, problem, remedy)
        }
    }

    /// A fault of a whole file, at a place that is known.
    pub fn placed(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            place: Some(place.into()),
            ..Fault::at("", problem, remedy)
        }
    }

    /// The same fault, `offset` bytes into the text of the value.
    pub fn within(mut self, offset: usize) -> Fault {
        self.offset = Some(offset);
        self
    }

    /// The same, seen at all these places.
    pub fn seen_at(self, seen: Vec<Fault>) -> Fault {
        Fault { seen, ..self }
    }

    /// The same as a warning.
    pub fn as_warning(mut self) -> Fault {
        self.warning = true;
        self
    }
}

/// A fault with its place: `FILE:LINE:COLUMN: what is wrong; what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFault {
    /// `FILE:LINE:COLUMN`, or `$VARIABLE` for a value of the environment; empty where a built-in default is at fault.
    pub place: String,
    /// Those where it is seen.
    pub seen: Vec<String>,
    pub fault: Fault,
}

impl fmt::Display for PlacedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        if self.fault.warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.fault.problem)?;
        if !self.fault.remedy.is_empty() {
            write!(f, "; {}", self.fault.remedy)?;
        }
        if !self.seen.is_empty() {
            let seen: Vec<&str> = self.seen.iter().map(|place| self.within_file(place)).collect();
            write!(f, " ({} places: {})", seen.len(), seen.join(", "))?;
        }
        Ok(())
    }
}

impl PlacedFault {
    /// For a log line, whose level says that it is a warning.
    pub fn in_log(&self) -> String {
        let mut placed = self.clone();
        placed.fault.warning = false;
        placed.to_string()
    }

    /// `LINE:COLUMN` alone, where the file is that of the fault.
    fn within_file<'a>(&self, place: &'a str) -> &'a str {
        let file = self.place.rsplitn(3, ':').nth(2);
        let rest = file.and_then(|file| place.strip_prefix(file)?.strip_prefix(':'));
        rest.unwrap_or(place)
    }
}

/// The path of `key` in the table at `path`; a key that is not bare is quoted as TOML quotes it.
pub fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if bare {
        key.to_owned()
    } else {
        format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The name among `known` that `name` was probably meant to be, for a suggestion.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(wanted.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "…"?` where a name is close, else the list of what is known.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match closest(name, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_name_is_suggested_and_a_far_one_gets_the_list() {
        for (name, expected) in [
            ("hots", "did you mean \"host\"?"),
            ("HOST", "did you mean \"host\"?"),
            ("prot", "did you mean \"port\"?"),
            ("database", "known are host, port"),
        ] {
            assert_eq!(suggest(name, ["host", "port"]), expected);
        }
    }

    #[test]
    fn a_placed_fault_reads_as_one_line() {
        let fault = Fault::at("retry.first", "retry.first is \"soon\"", "write a duration");
        let placed = |place: &str, fault: Fault| {
            PlacedFault {
                place: place.into(),
                seen: Vec::new(),
                fault,
            }
            .to_string()
        };
        assert_eq!(
            placed("a.toml:2:9", fault.clone()),
            "a.toml:2:9: retry.first is \"soon\"; write a duration"
        );
        assert_eq!(
            placed("", fault.as_warning()),
            "warning: retry.first is \"soon\"; write a duration"
        );
    }

    #[test]
    fn keys_that_are_not_bare_are_quoted_in_paths() {
        assert_eq!(
            join("halo.main.domains", "acme.example"),
            "halo.main.domains.\"acme.example\""
        );
        assert_eq!(join("", "smtp"), "smtp");
    }
}
