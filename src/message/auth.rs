//! What a trusted server found about the author (Authentication-Results, RFC 8601).

use super::{
    HeaderField,
    address::{folded_domain, registrable_domain},
};

/// The name by which configuration believes the topmost field, whoever wrote it.
const TOPMOST: &str = "topmost";

/// The results; `"none"` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Of SPF (RFC 7208), such as `"pass"` or `"softfail"`.
    pub spf: String,
    /// Of DKIM (RFC 6376); of several signatures, one that passed.
    pub dkim: String,
    /// Of DMARC (RFC 7489).
    pub dmarc: String,
    /// Whether what passed belongs to the author's domain: `"pass"`, `"fail"`, or `"none"` without any result.
    pub aligned: String,
}

/// Whom the results are to vouch for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author<'a> {
    /// From names one author, of this domain.
    One(&'a str),
    /// From names several: what passed may have been found about another one than we read, and many servers look
    /// at none (RFC 7489, 6.6.1).
    Several,
    /// From names nobody, and another field stands in.
    Uncertain,
}

impl Default for Auth {
    fn default() -> Auth {
        let none = || "none".to_owned();
        Auth {
            spf: none(),
            dkim: none(),
            dmarc: none(),
            aligned: none(),
        }
    }
}

impl Auth {
    /// Reads the topmost field of a trusted authserv-id.
    pub fn read(fields: &[HeaderField], trusted: &[String], author: Author<'_>) -> Auth {
        let mut reported = fields
            .iter()
            .filter(|field| field.is("Authentication-Results"))
            .map(|field| Reported::read(&field.raw));
        let believes_topmost = trusted.iter().any(|id| id.eq_ignore_ascii_case(TOPMOST));
        let is_trusted = |id: &str| believes_topmost || trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(id));
        reported
            .find(|reported| is_trusted(&reported.authserv_id))
            .map_or_else(Auth::default, |reported| reported.judge(author))
    }
}

/// One field as it was read.
#[derive(Debug, Default)]
struct Reported {
    /// Empty where the server writes none (Microsoft 365).
    authserv_id: String,
    results: Vec<MethodResult>,
}

/// `dkim=pass header.d=example.org`.
#[derive(Debug, Default)]
struct MethodResult {
    method: String,
    result: String,
    properties: Vec<(String, String)>,
}

impl Reported {
    fn read(raw: &str) -> Reported {
        let mut reported = Reported::default();
        for (index, words) in statements(raw).into_iter().enumerate() {
            let result = MethodResult::read(&words);
            match (result, words.first()) {
                (Some(result), _) => reported.results.push(result),
                (None, Some(id)) if index == 0 => reported.authserv_id = id.clone(),
                _ => {}
            }
        }
        reported
    }

    /// The result of a method. Of several signatures one that passed will do (RFC 6376, 6.1); of SPF's results only the
    /// one on the return path counts, since anybody may pass for a HELO name; of DMARC's, a failure.
    fn find(&self, method: &str) -> Option<&MethodResult> {
        let mut of_method = self.results.iter().filter(|result| result.method == method);
        let first = of_method.clone().next();
        let chosen = of_method.find(|result| match method {
            "dkim" => result.result == "pass",
            "spf" => result.domain("smtp.mailfrom").is_some(),
            _ => result.result == "fail",
        });
        chosen.or(first)
    }

    fn judge(&self, author: Author<'_>) -> Auth {
        let result = |method: &str| {
            self.find(method)
                .map_or_else(|| "none".to_owned(), |result| result.result.clone())
        };
        let mut auth = Auth {
            spf: result("spf"),
            dkim: result("dkim"),
            dmarc: result("dmarc"),
            ..Auth::default()
        };
        let found = [&auth.spf, &auth.dkim, &auth.dmarc]
            .into_iter()
            .any(|result| result != "none");
        if !found && author != Author::Several {
            return auth;
        }
        let vouched = matches!(author, Author::One(domain) if self.vouches_for(domain));
        auth.aligned = if vouched { "pass" } else { "fail" }.to_owned();
        // A pass of somebody else's is none of this author's.
        if author == Author::Several || (auth.dmarc == "pass" && !vouched) {
            "fail".clone_into(&mut auth.dmarc);
        }
        auth
    }

    /// Whether DMARC passed for this domain; or, where DMARC said nothing, SPF or DKIM passed for its organisation.
    fn vouches_for(&self, domain: &str) -> bool {
        match self
            .find("dmarc")
            .map(|dmarc| (dmarc.result.as_str(), dmarc.domain("header.from")))
        {
            Some(("pass", from)) => from.is_none_or(|from| are_aligned(&from, domain)),
            Some(("fail", _)) => false,
            _ => {
                let mut signatures = self.results.iter().filter(|result| result.method == "dkim");
                self.find("spf").is_some_and(|spf| spf.vouches_for(domain))
                    || signatures.any(|signature| signature.vouches_for(domain))
            }
        }
    }
}

impl MethodResult {
    fn read(words: &[String]) -> Option<MethodResult> {
        let (method, result) = words.first()?.split_once('=')?;
        let method = method.split('/').next().unwrap_or(method).to_ascii_lowercase();
        let properties = words[1..].iter().filter_map(|word| word.split_once('='));
        Some(MethodResult {
            method,
            result: result
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_ascii_lowercase(),
            properties: properties
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_ascii_lowercase()))
                .collect(),
        })
    }

    /// The domain of a property that holds a domain or an address.
    fn domain(&self, property: &str) -> Option<String> {
        let (_, value) = self.properties.iter().find(|(name, _)| name == property)?;
        Some(
            value
                .rsplit('@')
                .next()
                .unwrap_or(value)
                .trim_matches(['<', '>', '.'])
                .to_owned(),
        )
    }

    fn vouches_for(&self, domain: &str) -> bool {
        let property = match self.method.as_str() {
            "spf" => "smtp.mailfrom",
            "dkim" => "header.d",
            _ => return false,
        };
        // Some servers name the identity alone (`header.i=@example.org`).
        let vouched = self
            .domain(property)
            .or_else(|| (self.method == "dkim").then(|| self.domain("header.i")).flatten());
        self.result == "pass" && vouched.is_some_and(|vouched| are_aligned(&vouched, domain))
    }
}

/// Relaxed alignment (RFC 7489, 3.1): one registrable domain.
fn are_aligned(one: &str, other: &str) -> bool {
    let (one, other) = (folded_domain(one), folded_domain(other));
    let organisation = registrable_domain(&one);
    !one.is_empty() && (one == other || organisation.is_some() && organisation == registrable_domain(&other))
}

/// Stands at the end of a field in which a quote or a comment never ends: it may have swallowed a failure.
const TORN: &str = "dmarc=fail";

/// The statements between semicolons as words, comments left out, `a = b` joined. What stands in quotes or behind a
/// backslash divides nothing (RFC 8601, 2.2): a sender chooses their own local part.
fn statements(raw: &str) -> Vec<Vec<String>> {
    let mut statements = vec![vec![String::new()]];
    let (mut comments, mut quoted) = (0_u32, false);
    // Behind an equals sign, or before one, white space divides nothing either.
    let mut joins = false;
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        let words = statements.last_mut().expect("there is always one");
        let mut push = |c: char| words.last_mut().into_iter().for_each(|word| word.push(c));
        match c {
            '\\' if quoted => chars.next().into_iter().for_each(push),
            '\\' if comments > 0 => drop(chars.next()),
            '"' if comments == 0 => (quoted, joins) = (!quoted, false),
            _ if quoted => push(c),
            '(' => comments += 1,
            ')' => comments = comments.saturating_sub(1),
            _ if comments > 0 => {}
            ';' => statements.push(vec![String::new()]),
            '=' => {
                if words.len() > 1 && words.last().is_some_and(String::is_empty) {
                    words.pop();
                }
                words.last_mut().into_iter().for_each(|word| word.push('='));
                joins = true;
            }
            c if c.is_whitespace() => {
                if !joins && words.last().is_some_and(|word| !word.is_empty()) {
                    words.push(String::new());
                }
            }
            c => {
                push(c);
                joins = false;
            }
        }
    }
    if quoted || comments > 0 {
        statements.push(vec![TORN.to_owned()]);
    }
    for words in &mut statements {
        words.retain(|word| !word.is_empty());
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is spf, dkim, dmarc, aligned.
    #[track_caller]
    fn check(results: &[&str], trusted: &[&str], expected: [&str; 4]) {
        let field = |raw: &&str| HeaderField {
            name: "Authentication-Results".into(),
            raw: (*raw).into(),
            value: (*raw).into(),
        };
        let fields: Vec<_> = results.iter().map(field).collect();
        let trusted: Vec<_> = trusted.iter().map(|id| (*id).to_owned()).collect();
        let auth = Auth::read(&fields, &trusted, Author::One("mail.example.org"));
        assert_eq!([&auth.spf, &auth.dkim, &auth.dmarc, &auth.aligned], expected.each_ref());
    }

    /// The same for another author, by one trusted field.
    #[track_caller]
    fn check_author(author: Author<'_>, results: &str, expected: [&str; 2]) {
        let field = HeaderField {
            name: "Authentication-Results".into(),
            raw: format!("mx.example.com; {results}"),
            value: String::new(),
        };
        let auth = Auth::read(&[field], &["mx.example.com".into()], author);
        assert_eq!(
            [auth.dmarc.as_str(), auth.aligned.as_str()],
            expected,
            "{author:?}: {results}"
        );
    }

    #[test]
    fn a_pass_of_somebody_elses_is_a_failure_of_this_author() {
        let pass = "dmarc=pass header.from=mail.example.org";
        check_author(Author::One("mail.example.org"), pass, ["pass", "pass"]);
        check_author(Author::One("acme.example"), pass, ["fail", "fail"]);
        check_author(Author::Uncertain, pass, ["fail", "fail"]);
        check_author(Author::Uncertain, "dmarc=none; spf=pass", ["none", "fail"]);
        check_author(Author::Uncertain, "none", ["none", "none"]);
    }

    #[test]
    fn hosts_are_no_organisations_and_spellings_of_a_domain_are_one() {
        check_author(
            Author::One("198.51.2.1"),
            "dmarc=pass header.from=192.0.2.1",
            ["fail", "fail"],
        );
        check_author(
            Author::One("bücher.example"),
            "dmarc=pass header.from=xn--bcher-kva.example",
            ["pass", "pass"],
        );
    }

    #[test]
    fn of_several_authors_none_is_vouched_for() {
        check_author(
            Author::Several,
            "dmarc=pass header.from=mail.example.org",
            ["fail", "fail"],
        );
        check_author(Author::Several, "dmarc=permerror", ["fail", "fail"]);
        check_author(Author::Several, "none", ["fail", "fail"]);
        let auth = Auth::read(&[], &["mx.example.com".into()], Author::Several);
        assert_eq!(auth, Auth::default(), "nobody looked at it");
    }

    #[test]
    fn the_topmost_field_of_a_trusted_server_is_read() {
        let forged = "evil.example; spf=pass smtp.mailfrom=mail.example.org; dmarc=pass";
        let true_one = "mx.example.com 1; spf=fail (no) smtp.mailfrom=evil.example; dkim=none; dmarc=fail header.from=mail.example.org";
        check(
            &[forged, true_one, "mx.example.com; dmarc=pass"],
            &["MX.example.com"],
            ["fail", "none", "fail", "fail"],
        );
        check(&[forged], &["mx.example.com"], ["none"; 4]);
        check(&[forged], &[], ["none"; 4]);
    }

    #[test]
    fn the_topmost_field_without_an_id_is_believed_where_it_is_wanted() {
        let microsoft = "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=pass (signature was verified) \
                         header.d=example.org;dmarc=pass action=none header.from=mail.example.org;compauth=pass reason=100";
        check(&[microsoft], &["topmost"], ["pass", "pass", "pass", "pass"]);
        check(&[microsoft], &["mx.example.com"], ["none"; 4]);
    }

    #[test]
    fn alignment_is_by_registrable_domain() {
        let trusted = &["mx.example.com"][..];
        check(
            &["mx.example.com; dkim=pass header.d=example.org"],
            trusted,
            ["none", "pass", "none", "pass"],
        );
        check(
            &["mx.example.com; dkim=pass header.i=@news.example.org"],
            trusted,
            ["none", "pass", "none", "pass"],
        );
        check(
            &["mx.example.com; spf=pass smtp.mailfrom=ann@evil.example"],
            trusted,
            ["pass", "none", "none", "fail"],
        );
        check(
            &["mx.example.com; dkim=fail header.d=a.example; dkim=pass header.d=b.example"],
            trusted,
            ["none", "pass", "none", "fail"],
        );
        check(
            &["mx.example.com; dmarc=pass header.from=evil.example"],
            trusted,
            ["none", "none", "fail", "fail"],
        );
        check(&["mx.example.com; none"], trusted, ["none"; 4]);
    }

    #[test]
    fn comments_and_quotes_do_not_forge_results() {
        check(
            &["mx.example.com; spf=fail (x; dmarc=pass) reason=\"; dmarc=pass\""],
            &["mx.example.com"],
            ["fail", "none", "none", "fail"],
        );
    }

    #[test]
    fn an_escaped_quote_ends_no_quote() {
        let honest = "dkim=none; dmarc=fail header.from=mail.example.org";
        for mailfrom in [
            r#"smtp.mailfrom="x\"; dmarc=pass header.from=mail.example.org; \""@evil.example"#,
            r#"(of "x\"; dmarc=pass header.from=mail.example.org; \""@evil.example)"#,
            r#"(x\); dmarc=pass header.from=mail.example.org; \()"#,
            r#"smtp.mailfrom="x\\"@evil.example reason="\"; dmarc=pass""#,
            r#"smtp.mailfrom="x header.from=mail.example.org=" header.from = evil.example"#,
        ] {
            let results = format!("mx.example.com; spf=pass {mailfrom}; {honest}");
            check(&[&results], &["mx.example.com"], ["pass", "none", "fail", "fail"]);
        }
    }

    #[test]
    fn a_quote_that_never_ends_hides_no_failure() {
        for torn in ["smtp.mailfrom=x\"@evil.example; dmarc=fail", "(x; dmarc=fail"] {
            check(
                &[&format!("mx.example.com; spf=pass {torn}")],
                &["mx.example.com"],
                ["pass", "none", "fail", "fail"],
            );
        }
    }

    #[test]
    fn of_several_results_a_pass_counts_for_dkim_alone() {
        check(
            &["mx.example.com; spf=pass smtp.helo=mail.example.org; spf=fail smtp.mailfrom=a@mail.example.org"],
            &["mx.example.com"],
            ["fail", "none", "none", "fail"],
        );
        check(
            &["mx.example.com; spf=fail smtp.helo=x; spf=pass smtp.helo=mail.example.org"],
            &["mx.example.com"],
            ["fail", "none", "none", "fail"],
        );
        check(
            &["mx.example.com; dmarc=none; dmarc=fail; dmarc=pass header.from=mail.example.org"],
            &["mx.example.com"],
            ["none", "none", "fail", "fail"],
        );
        check(
            &["mx.example.com; dmarc=none; dmarc=pass header.from=mail.example.org"],
            &["mx.example.com"],
            ["none"; 4],
        );
    }
}
