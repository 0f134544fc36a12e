//! Names: an exact one is a match, one that differs in upper and lower case is worth a question.

use super::{Client, Site};

/// What bears a name in Halo.
pub trait NamedRecord: Clone {
    /// Halo's id.
    fn number(&self) -> i64;
    /// As Halo has it.
    fn name(&self) -> &str;
    /// Whether it is out of use.
    fn is_inactive(&self) -> bool;
}

impl NamedRecord for Client {
    fn number(&self) -> i64 {
        self.id.0
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn is_inactive(&self) -> bool {
        self.inactive
    }
}

impl NamedRecord for Site {
    fn number(&self) -> i64 {
        self.id.0
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn is_inactive(&self) -> bool {
        self.inactive
    }
}

/// Those whose name differs from this one in upper and lower case at most, active or not, by id.
pub(super) fn alike<T: NamedRecord>(rows: Vec<T>, name: &str) -> Vec<T> {
    let folded = name.trim().to_lowercase();
    let mut alike: Vec<T> = rows;
    alike.retain(|row| row.name().trim().to_lowercase() == folded);
    alike.sort_by_key(NamedRecord::number);
    alike
}

/// The active ones of exactly that name.
pub(super) fn exact<T: NamedRecord>(alike: &[T], name: &str) -> Vec<T> {
    let active = alike.iter().filter(|row| !row.is_inactive());
    active.filter(|row| is_exact(*row, name)).cloned().collect()
}

/// What is used instead of making another of that name: the active ones of exactly that name, else those that differ
/// in upper and lower case alone.
pub fn instead_of_another<T: NamedRecord>(alike: &[T], name: &str) -> Vec<T> {
    let exact = exact(alike, name);
    if !exact.is_empty() {
        return exact;
    }
    alike.iter().filter(|row| !row.is_inactive()).cloned().collect()
}

/// Why a name is none, and what is needed instead: `what` is `"client"` or `"site"`.
pub fn no_match<T: NamedRecord>(alike: &[T], name: &str, what: &str, within: &str) -> (String, String) {
    let needed = format!("it needs the id or the exact name of a {what}");
    if let Some(inactive) = alike.iter().find(|row| row.is_inactive() && is_exact(*row, name)) {
        let problem = format!("is inactive in Halo{within} ({what} {})", inactive.number());
        return (problem, format!("make it active there, or name another {what}"));
    }
    let problem = format!("is no {what} in Halo{within}");
    let meant = alike.iter().filter(|row| !row.is_inactive());
    let meant: Vec<String> = meant
        .map(|row| format!("{:?} ({})", row.name().trim(), row.number()))
        .collect();
    if meant.is_empty() {
        (problem, needed)
    } else {
        (problem, format!("{needed}; did you mean {}?", meant.join(" or ")))
    }
}

fn is_exact(row: &impl NamedRecord, name: &str) -> bool {
    row.name().trim() == name.trim()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::halo::wire;

    fn clients() -> Vec<Client> {
        let row = |id: i64, name: &str, inactive: bool| json!({"id": id, "name": name, "inactive": inactive});
        let rows = [
            row(9, "ACME", false),
            row(7, " Acme ", false),
            row(8, "Acme", false),
            row(6, "Acme Ltd", false),
            row(5, "Gone", true),
            row(4, "gone", false),
        ];
        rows.iter().filter_map(wire::client).collect()
    }

    fn ids(clients: &[Client]) -> Vec<i64> {
        clients.iter().map(NamedRecord::number).collect()
    }

    #[test]
    fn a_name_is_exact_and_another_case_is_another_name() {
        for (name, expected) in [
            ("Acme", &[7, 8][..]),
            (" ACME ", &[9]),
            ("acme", &[]),
            ("Acme L", &[]),
            ("Gone", &[]),
        ] {
            assert_eq!(ids(&exact(&alike(clients(), name), name)), expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_made_beside_one_that_differs_in_case_alone() {
        let found = |name: &str| ids(&instead_of_another(&alike(clients(), name), name));
        assert_eq!(found("acme ltd"), [6]);
        assert_eq!(found("ACME"), [9]);
        assert_eq!(found("Gone"), [4]);
        assert_eq!(found("New"), [0; 0]);
    }

    #[test]
    fn what_is_meant_perhaps_is_said() {
        for (name, problem, expected) in [
            (
                "acme ltd",
                "is no client in Halo",
                r#"it needs the id or the exact name of a client; did you mean "Acme Ltd" (6)?"#,
            ),
            (
                "acme",
                "is no client in Halo",
                r#"it needs the id or the exact name of a client; did you mean "Acme" (7) or "Acme" (8) or "ACME" (9)?"#,
            ),
            (
                "Gone",
                "is inactive in Halo (client 5)",
                "make it active there, or name another client",
            ),
            (
                "Nobody",
                "is no client in Halo",
                "it needs the id or the exact name of a client",
            ),
        ] {
            let said = no_match(&alike(clients(), name), name, "client", "");
            assert_eq!(said, (problem.to_owned(), expected.to_owned()), "{name}");
        }
    }
}
