//! Folder names between the configuration's spelling and the server's: separator, namespace, modified UTF-7. Pure.

use crate::mailbox::utf7;

/// How this server builds folder names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// `None`: the server knows no hierarchy.
    separator: Option<char>,
    /// Before every folder of our own but INBOX, such as `INBOX.`; often empty.
    personal: String,
    /// Before the folders of others, which the personal prefix must not be put before.
    foreign: Vec<String>,
}

impl Names {
    /// From the separator that `LIST "" ""` gives, and the NAMESPACE answer (RFC 2342) where there is one.
    pub(super) fn new(separator: Option<char>, namespace: Option<&str>) -> Names {
        let groups = namespace.map(prefixes).unwrap_or_default();
        let mut groups = groups.into_iter();
        let personal = groups.next().unwrap_or_default();
        let foreign = groups
            .flatten()
            .map(|(prefix, _)| prefix)
            .filter(|prefix| !prefix.is_empty())
            .collect();
        let first = personal.into_iter().next();
        let separator = first.as_ref().and_then(|(_, own)| *own).or(separator);
        Names {
            separator,
            personal: first.map(|(prefix, _)| prefix).unwrap_or_default(),
            foreign,
        }
    }

    /// The name for the wire, not yet quoted. `/` may be written for whatever the server's separator is.
    pub(super) fn to_server(&self, ours: &str) -> String {
        let joined = match self.separator {
            Some(separator) => ours.replace('/', separator.encode_utf8(&mut [0; 4])),
            None => ours.to_owned(),
        };
        let name = utf7::encode(&joined);
        let is_inbox = |text: &str| text.eq_ignore_ascii_case("INBOX");
        if is_inbox(&name) {
            return "INBOX".to_owned();
        }
        let top = self.separator.and_then(|separator| name.split_once(separator));
        if let (Some(separator), Some((first, below))) = (self.separator, top)
            && is_inbox(first)
        {
            return format!("INBOX{separator}{below}");
        }
        let placed = name.starts_with(&self.personal) || self.foreign.iter().any(|prefix| name.starts_with(prefix));
        if placed {
            name
        } else {
            format!("{}{name}", self.personal)
        }
    }

    /// Our spelling of the server's name; `None` where no spelling of ours leads back to it.
    pub(super) fn to_ours(&self, theirs: &str) -> Option<String> {
        let spelling = |name: &str| {
            let decoded = utf7::decode(name)?;
            let ours = match self.separator {
                Some(separator) => decoded.replace(separator, "/"),
                None => decoded,
            };
            (self.to_server(&ours) == theirs).then_some(ours)
        };
        let own = theirs.strip_prefix(&self.personal);
        own.and_then(spelling).or_else(|| spelling(theirs))
    }

    /// The folder that this one lies below, as the server names it.
    pub(super) fn parent<'a>(&self, theirs: &'a str) -> Option<&'a str> {
        theirs.rsplit_once(self.separator?).map(|(parent, _)| parent)
    }
}

/// The prefix and separator pairs of each of the three groups: personal, other users', shared.
fn prefixes(namespace: &str) -> Vec<Vec<(String, Option<char>)>> {
    let mut groups = Vec::new();
    let (mut depth, mut strings) = (0_u32, Vec::<String>::new());
    let mut rest = namespace.chars();
    while let Some(c) = rest.next() {
        match c {
            '(' if depth == 0 => {
                depth = 1;
                groups.push(Vec::new());
            }
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                if let (1, Some(group), [prefix, tail @ ..]) = (depth, groups.last_mut(), strings.as_slice()) {
                    group.push((prefix.clone(), tail.first().and_then(|text| text.chars().next())));
                    strings.clear();
                }
            }
            '"' => strings.push(quoted(&mut rest)),
            'N' | 'n' if depth == 0 => {
                groups.push(Vec::new());
                // The rest of the word NIL.
                rest.nth(1);
            }
            _ => {}
        }
    }
    groups
}

fn quoted(rest: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => text.extend(rest.next()),
            _ => text.push(c),
        }
    }
    text
}

/// A quoted string (RFC 9051, 4.3) of text without line breaks and controls.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(separator: Option<char>, namespace: Option<&str>, ours: &str, theirs: &str) {
        assert_eq!(Names::new(separator, namespace).to_server(ours), theirs);
    }

    #[test]
    fn a_slash_stands_for_the_servers_separator() {
        check(Some('/'), None, "Done/Entwürfe", "Done/Entw&APw-rfe");
        check(Some('.'), None, "Done/2026", "Done.2026");
        check(Some('.'), None, "Done.2026", "Done.2026");
        check(None, None, "a/b", "a/b");
    }

    #[test]
    fn the_personal_namespace_is_put_before_what_is_ours() {
        let courier = Some(r#"(("INBOX." ".")) NIL (("shared." "."))"#);
        check(Some('.'), courier, "Processed", "INBOX.Processed");
        check(Some('.'), courier, "Done/2026", "INBOX.Done.2026");
        check(Some('.'), courier, "INBOX/Done", "INBOX.Done");
        check(Some('.'), courier, "inbox.Done", "INBOX.Done");
        check(Some('.'), courier, "inbox", "INBOX");
        check(Some('.'), courier, "shared/team", "shared.team");
    }

    #[test]
    fn an_empty_namespace_changes_nothing() {
        check(Some('/'), Some(r#"(("" "/")) NIL NIL"#), "Done", "Done");
        check(Some('/'), Some("NIL NIL NIL"), "Done", "Done");
        check(Some('/'), Some("((odd"), "Done", "Done");
    }

    #[test]
    fn other_users_folders_are_left_where_they_are() {
        let cyrus = Some(r#"(("" "/" "X-PARAM" ("a" "b"))) (("Other Users/" "/")) (("Shared/" "/"))"#);
        check(Some('/'), cyrus, "Other Users/ann", "Other Users/ann");
        let prefixed = Some(r#"(("me/" "/")) (("Other Users/" "/")) NIL"#);
        check(Some('/'), prefixed, "Other Users/ann", "Other Users/ann");
        check(Some('/'), prefixed, "Done", "me/Done");
    }

    #[test]
    fn a_name_of_the_servers_has_a_spelling_that_leads_back_to_it() {
        let check = |separator, namespace: Option<&str>, theirs: &str, ours: Option<&str>| {
            assert_eq!(Names::new(separator, namespace).to_ours(theirs).as_deref(), ours);
        };
        let courier = Some(r#"(("INBOX." ".")) NIL (("shared." "."))"#);
        check(Some('.'), courier, "INBOX", Some("INBOX"));
        check(Some('.'), courier, "INBOX.Done.Fr&APw-her", Some("Done/Früher"));
        check(Some('.'), courier, "shared.team", Some("shared/team"));
        check(Some('.'), None, "Done.2026", Some("Done/2026"));
        check(Some('/'), None, "R&-D/Entw&APw-rfe", Some("R&D/Entwürfe"));
        // A slash would stand for the separator, and what is no modified UTF-7 would be encoded once more.
        check(Some('.'), None, "in/out", None);
        check(Some('/'), None, "R&D", None);
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(quote(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }
}
