//! Mail domains as operators and Halo write them, brought to one form in which equal domains compare equal.

pub(super) use crate::message::address::folded_domain as folded;

/// The mail domains in a site's `emaildomain`. Its separator is not documented: comma, semicolon and blanks are
/// taken, and the `@` that some people write in front.
pub(super) fn of_field(text: &str) -> Vec<String> {
    let mut domains = Vec::new();
    for part in text.split(|c: char| c == ',' || c == ';' || c.is_whitespace()) {
        let domain = folded(part.trim_start_matches('@'));
        if !domain.is_empty() && !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains
}

/// The host of a client's website, without `www.`; people write a URL, a host, or a host with a path.
pub(super) fn of_website(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let host = folded(host);
    let host = host.strip_prefix("www.").unwrap_or(&host);
    let is_host = host.contains('.') && !host.contains(char::is_whitespace);
    is_host.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_any_separator_gives_its_domains_once() {
        for (text, expected) in [
            ("", &[][..]),
            ("acme.example", &["acme.example"]),
            (
                "@Acme.example; www.other.example,third.example  acme.example.",
                &["acme.example", "www.other.example", "third.example"],
            ),
            (" , ;\n@ ", &[]),
            ("Bücher.example", &["xn--bcher-kva.example"]),
        ] {
            assert_eq!(of_field(text), expected, "{text}");
        }
    }

    #[test]
    fn a_website_gives_its_host_without_www() {
        for (text, expected) in [
            ("acme.example", Some("acme.example")),
            ("https://www.Acme.example/contact?x=1", Some("acme.example")),
            ("http://user@acme.example:8080#top", Some("acme.example")),
            ("https://portal.acme.example", Some("portal.acme.example")),
            ("https://bücher.example/", Some("xn--bcher-kva.example")),
            ("", None),
            ("none", None),
            ("see our shop.example page", None),
        ] {
            assert_eq!(of_website(text).as_deref(), expected, "{text}");
        }
    }
}
