//! Reading one table: each value by its type, every fault kept, every key that nobody asked for reported.

use std::{cell::RefCell, collections::BTreeSet, path::PathBuf, time::Duration};

use ::config::{Map, Value, ValueKind};

use super::{
    Rate,
    fault::{Fault, join, suggest},
    layers::DEFAULTS,
    value::{Read, Refusal, choice, duration, flag, items, kind, line, rate, size},
};

/// One table of the merged tree. A key is known when it was asked for; a value that is refused is a fault, and
/// the built-in default stands in for it, so that reading goes on.
pub struct Table<'a> {
    path: String,
    /// What faults call it: its path, or for a rule its name, since nobody counts rules from 0.
    called: String,
    entries: &'a Map<String, Value>,
    defaults: Map<String, Value>,
    asked: RefCell<BTreeSet<String>>,
    /// Keys that have a fault of their own, so that they are neither unknown nor suggested.
    forbidden: RefCell<BTreeSet<String>>,
    faults: &'a RefCell<Vec<Fault>>,
}

impl<'a> Table<'a> {
    /// The table at `path`, with the defaults that stand in for what is refused.
    pub fn new(
        path: impl Into<String>,
        entries: &'a Map<String, Value>,
        defaults: Map<String, Value>,
        faults: &'a RefCell<Vec<Fault>>,
    ) -> Table<'a> {
        let path = path.into();
        Table {
            called: path.clone(),
            path,
            entries,
            defaults,
            asked: RefCell::default(),
            forbidden: RefCell::default(),
            faults,
        }
    }

    /// The same table under another name in faults.
    pub fn called(mut self, name: impl Into<String>) -> Table<'a> {
        self.called = name.into();
        self
    }

    /// What faults call the value at `key`, or at `key[index]`.
    fn name_of(&self, key: &str, index: &str) -> String {
        if self.called == self.path {
            return format!("{}{index}", self.path_of(key));
        }
        format!("{key}{index} of {}", self.called)
    }

    /// The path of a key in it.
    pub fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The value at `key`, which is known from now on.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.entries.get(key)
    }

    /// Whether somebody wrote `key`, rather than its being a built-in default.
    pub fn wrote(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.origin() != Some(DEFAULTS))
    }

    /// Every key that is there, in order.
    pub fn keys(&self) -> Vec<&'a str> {
        let mut keys: Vec<&str> = self.entries.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    /// Keeps a fault of the value at `key`.
    pub fn fault(&self, key: &str, problem: impl AsRef<str>, remedy: impl Into<String>) {
        let problem = format!("{} {}", self.name_of(key, ""), problem.as_ref());
        self.report(Fault::at(self.path_of(key), problem, remedy));
    }

    /// Keeps a fault.
    pub fn report(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// The value at `key` as `read` understands it; `None` where it is missing, or refused without a default.
    pub fn get<T>(&self, key: &str, read: impl Fn(&Value) -> Read<T>) -> Option<T> {
        let value = self.value(key)?;
        // What no key can hold became nothing when the file was read, and a fault as well.
        if value.kind != ValueKind::Nil {
            match read(value) {
                Ok(value) => return Some(value),
                Err(Refusal { problem, remedy }) => self.fault(key, problem, remedy),
            }
        }
        self.defaults.get(key).and_then(|value| read(value).ok())
    }

    /// The same for a key that has to be there.
    pub fn need<T>(&self, key: &str, example: &str, read: impl Fn(&Value) -> Read<T>) -> Option<T> {
        if self.value(key).is_none() {
            self.lacks(key, example);
        }
        self.get(key, read)
    }

    /// Keeps the fault that `key` is missing.
    pub fn lacks(&self, key: &str, example: &str) {
        let problem = format!("{} has no {key}", self.called);
        self.report(Fault::at(self.path_of(key), problem, format!("add {key} = {example}")));
    }

    /// Keeps a fault where `key` is written although it does not belong here; says whether it is.
    pub fn forbid(&self, key: &str, why: &str, remedy: &str) -> bool {
        self.forbidden.borrow_mut().insert(key.to_owned());
        let written = self
            .entries
            .get(key)
            .is_some_and(|value| value.origin() != Some(DEFAULTS));
        if written {
            let problem = format!("{} {why}", self.name_of(key, ""));
            self.report(Fault::at_key(self.path_of(key), problem, remedy));
        }
        written
    }

    /// A text of one line.
    pub fn line(&self, key: &str) -> Option<String> {
        self.get(key, line)
    }

    /// True or false.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key, flag)
    }

    /// A path in the file system, relative to the working directory.
    pub fn path_value(&self, key: &str) -> Option<PathBuf> {
        self.get(key, |value| line(value).map(PathBuf::from))
    }

    /// A duration that is not zero.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.get(key, duration)
    }

    /// A size in octets that is not zero.
    pub fn size(&self, key: &str) -> Option<u64> {
        self.get(key, size)
    }

    /// A rate.
    pub fn rate(&self, key: &str) -> Option<Rate> {
        self.get(key, rate)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.get(key, |value| choice(value, words))
    }

    /// A list, each item as `read` understands it; what is refused is left out.
    pub fn list<T>(&self, key: &str, read: impl Fn(&Value) -> Read<T>) -> Option<Vec<T>> {
        let items = self.get(key, items)?;
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate().filter(|(_, item)| item.kind != ValueKind::Nil) {
            match read(item) {
                Ok(value) => list.push(value),
                Err(Refusal { problem, remedy }) => {
                    let index = format!("[{index}]");
                    let problem = format!("{} {problem}", self.name_of(key, &index));
                    self.report(Fault::at(format!("{}{index}", self.path_of(key)), problem, remedy));
                }
            }
        }
        Some(list)
    }

    /// The table at `key`; its defaults are those of its own path.
    pub fn table(&self, key: &str, defaults: Map<String, Value>) -> Option<Table<'a>> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        match &value.kind {
            ValueKind::Table(entries) => Some(Table::new(path, entries, defaults, self.faults)),
            _ => {
                let remedy = format!("write it as a table, [{path}], with its keys below");
                // By its kind alone: what is out of place may be a secret.
                self.fault(key, format!("is {}, not a table", kind(value)), remedy);
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        let forbidden = self.forbidden.borrow();
        let known = |key: &str| asked.contains(key) || forbidden.contains(key);
        for key in self.keys().into_iter().filter(|key| !known(key)) {
            let owner = if self.called.is_empty() {
                "the configuration"
            } else {
                &self.called
            };
            let remedy = suggest(key, asked.iter().map(String::as_str));
            self.report(Fault::at_key(
                self.path_of(key),
                format!("{owner} has no key {key:?}"),
                remedy,
            ));
        }
    }
}
