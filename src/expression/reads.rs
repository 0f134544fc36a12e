//! Which names an expression reads: what nobody reads need not be built.

use std::collections::{BTreeMap, BTreeSet};

/// Root names with what is read directly under them. A variable counts as the root whose name it has: rather one too
/// many than one too few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads(BTreeMap<String, Under>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Under {
    Names(BTreeSet<String>),
    Everything,
}

impl Reads {
    /// Whether anything under this root is read.
    pub fn has(&self, root: &str) -> bool {
        self.0.contains_key(root)
    }

    /// Tells whether a name under the root is read.
    pub fn under(&self, root: &str) -> impl Fn(&str) -> bool {
        let under = self.0.get(root);
        move |name| match under {
            Some(Under::Names(names)) => names.contains(name),
            Some(Under::Everything) => true,
            None => false,
        }
    }

    /// The root is read as a whole.
    pub fn add(&mut self, root: &str) {
        self.0.insert(root.to_owned(), Under::Everything);
    }

    /// A name under the root is read.
    pub fn add_under(&mut self, root: &str, name: &str) {
        let under = self.0.entry(root.to_owned());
        if let Under::Names(names) = under.or_insert_with(|| Under::Names(BTreeSet::new())) {
            names.insert(name.to_owned());
        }
    }

    /// What another one reads, too.
    pub fn extend(&mut self, other: &Reads) {
        for (root, under) in &other.0 {
            match under {
                Under::Everything => self.add(root),
                Under::Names(names) => names.iter().for_each(|name| self.add_under(root, name)),
            }
        }
    }
}
