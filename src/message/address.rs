//! Addresses as RFC 5322 names them: an `AddrSpec` is `ann@example.org`, a `NameAddr` is `Ann <ann@example.org>`.

pub mod list;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// `local@domain` (RFC 5322, 3.4.1), in lower case and with the domain in its ASCII form (RFC 5890), so that equal
/// addresses compare equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AddrSpec(String);

/// What is wrong with a text that should be an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an email address (local@domain)")]
pub struct NotAnAddress {
    /// The text as it was given.
    pub text: String,
}

impl AddrSpec {
    /// Reads `local@domain`, strictly enough for what we create or send to: one `@` outside quotes, no white
    /// space or control characters, a domain of letters, digits, hyphens and dots (or an address literal).
    pub fn parse(text: &str) -> Result<AddrSpec, NotAnAddress> {
        let wrong = || NotAnAddress {
            text: text.chars().take(320).collect(),
        };
        let trimmed = text.trim();
        let (local, domain) = trimmed.rsplit_once('@').ok_or_else(wrong)?;
        if trimmed.len() > 320 || !local_part_is_usable(local) || !domain_is_usable(domain) {
            return Err(wrong());
        }
        Ok(AddrSpec(folded(trimmed)))
    }

    /// The address in each form that people write it in: where the domain has letters beyond ASCII, with them too.
    pub fn spellings(&self) -> Vec<String> {
        let (unicode, _) = idna::domain_to_unicode(self.domain());
        let mut spellings = vec![self.0.clone()];
        if unicode != self.domain() {
            spellings.push(format!("{}@{unicode}", self.local_part()));
        }
        spellings
    }

    /// The whole address, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// What stands after the last `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address without a detail behind `+` (RFC 5233): both arrive in the same mailbox.
    pub fn without_detail(&self) -> AddrSpec {
        let plain = || {
            let (user, _) = self.local_part().split_once('+')?;
            AddrSpec::parse(&format!("{user}@{}", self.domain())).ok()
        };
        plain().unwrap_or_else(|| self.clone())
    }
}

/// An address in lower case, with the domain in its ASCII form.
pub(crate) fn folded(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => format!("{}@{}", local.to_lowercase(), folded_domain(domain)),
        _ => address.to_lowercase(),
    }
}

/// The domain in lower case and in its ASCII form, so that `Bücher.example` and `xn--bcher-kva.example` are one.
pub fn folded_domain(domain: &str) -> String {
    let domain = domain.trim().trim_end_matches('.');
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase())
}

/// The part of a domain that its owner registered, by the public suffix list; nothing where it is an address of a host,
/// or no domain at all.
pub fn registrable_domain(domain: &str) -> Option<&str> {
    let last = domain.rsplit('.').next().unwrap_or(domain);
    let is_domain = domain.split('.').all(|label| !label.is_empty())
        && !domain.contains([':', '[', '@', ' '])
        && !last.bytes().all(|b| b.is_ascii_digit());
    psl::domain_str(domain).filter(|_| is_domain)
}

fn local_part_is_usable(local: &str) -> bool {
    if let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return !quoted.is_empty() && !quoted.chars().any(char::is_control);
    }
    let usable = |c: char| !c.is_control() && !c.is_whitespace() && !"()<>[]:;@\\,\"".contains(c);
    !local.is_empty() && local.len() <= 128 && local.chars().all(usable)
}

fn domain_is_usable(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !literal.is_empty() && literal.chars().all(|c| c.is_ascii_alphanumeric() || ".:".contains(c));
    }
    let label_is_usable = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    !domain.is_empty() && domain.len() <= 255 && domain.split('.').all(label_is_usable)
}

impl fmt::Display for AddrSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AddrSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        AddrSpec::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A display name and an address; the address may be missing or unusable, as mail has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NameAddr {
    /// The display name, decoded and trimmed; empty where there is none.
    pub name: String,
    /// The address as it came, trimmed, in lower case, its domain in ASCII; empty where there is none.
    pub address: String,
}

impl NameAddr {
    /// The display name, or the address where there is none.
    pub fn display(&self) -> &str {
        if self.name.is_empty() {
            &self.address
        } else {
            &self.name
        }
    }

    /// What stands before the last `@` of the address.
    pub fn local_part(&self) -> &str {
        self.address
            .rsplit_once('@')
            .map_or(self.address.as_str(), |(local, _)| local)
    }

    /// What stands after the last `@` of the address; empty where there is none.
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address, where it is one.
    pub fn addr_spec(&self) -> Option<AddrSpec> {
        AddrSpec::parse(&self.address).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_addresses_are_read_in_lower_case() {
        for (text, expected) in [
            ("Jane@Acme.Example", "jane@acme.example"),
            (" o'brien+tag@acme.example ", "o'brien+tag@acme.example"),
            ("\"a@b\"@example.org", "\"a@b\"@example.org"),
            ("root@[192.0.2.1]", "root@[192.0.2.1]"),
            ("jürgen@Bücher.example", "jürgen@xn--bcher-kva.example"),
        ] {
            assert_eq!(AddrSpec::parse(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_detail_is_no_part_of_the_mailbox() {
        for (text, expected) in [
            ("sales+x+y@desk.example", "sales@desk.example"),
            ("sales@desk.example", "sales@desk.example"),
            ("+x@desk.example", "+x@desk.example"),
        ] {
            assert_eq!(AddrSpec::parse(text).unwrap().without_detail().as_str(), expected);
        }
    }

    #[test]
    fn an_address_with_letters_beyond_ascii_is_one_in_both_spellings() {
        let ascii = AddrSpec::parse("a@xn--bcher-kva.example").unwrap();
        assert_eq!(AddrSpec::parse("A@BÜCHER.example").unwrap(), ascii);
        assert_eq!(ascii.spellings(), ["a@xn--bcher-kva.example", "a@bücher.example"]);
        assert_eq!(AddrSpec::parse("a@b.example").unwrap().spellings(), ["a@b.example"]);
    }

    #[test]
    fn only_domains_have_a_registered_part() {
        for (domain, expected) in [
            ("mail.example.co.uk", Some("example.co.uk")),
            ("example.org", Some("example.org")),
            ("192.0.2.1", None),
            ("[192.0.2.1]", None),
            ("2001:db8::1", None),
            ("..example.org", None),
            ("com", None),
            ("", None),
        ] {
            assert_eq!(registrable_domain(domain), expected, "{domain}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "jane",
            "@acme.example",
            "jane@",
            "a b@x.example",
            "jane@a..b",
            "a@b\r\nBcc: c@d",
            "a@b@c.example",
            "jane@-x.example",
        ] {
            assert!(AddrSpec::parse(text).is_err(), "{text:?}");
        }
    }
}
