//! The rule that `init` writes: unknown senders become users. Pure.

use crate::cli::print::plain;

/// What the rule says of senders whose domain no client has.
pub struct CatchAll {
    /// The client, and what it is called.
    pub client: (i64, String),
    /// One of its sites.
    pub site: (i64, String),
    /// `find_halo_user_and_client` gives this site by itself.
    pub is_main_site: bool,
}

/// What was answered about users.
pub struct Rule<'a> {
    /// The name of the mailbox.
    pub mailbox: &'a str,
    /// `None`: such senders are left alone.
    pub catch_all: Option<CatchAll>,
    /// `"exception"` or `"bounce"`.
    pub on_error: &'a str,
}

const UNKNOWN: &str = "not custom.sender.user and not custom.sender.agent";

impl Rule<'_> {
    /// The rule in TOML, each step with its sentence.
    pub fn toml(&self) -> String {
        let find = self.find();
        let create = self.create();
        let mailbox = self.mailbox;
        format!(
            r#"[[rule]]
name = "Unknown senders become users"
# false rests the rule.
# enabled = true
# The mailboxes that it holds for; without the key, all.
mailboxes = ["{mailbox}"]
# The condition; without the key, always.
when = "not email.automatic and not email.junk"

{find}
{create}"#
        )
    }

    fn find(&self) -> String {
        let (where_else, default_client) = match &self.catch_all {
            Some(CatchAll { client, .. }) => (", then the catch-all", format!("default_client = {}\n", noted(client))),
            None => ("", "# default_client = \"Unknown senders\"\n".to_owned()),
        };
        format!(
            r#"  # Whom is it from? First by address, then by domain{where_else}.
  [[rule.action]]
  type = "find_halo_user_and_client"
  email_address = "{{{{ email.from.address }}}}"
  {default_client}  store_as = "sender"
"#
        )
    }

    fn create(&self) -> String {
        let found = ("\"{{ custom.sender.client.id }}\"", "\"{{ custom.sender.site.id }}\"");
        match &self.catch_all {
            Some(catch_all) if catch_all.is_main_site => {
                let why = "Nobody known: make the user, at the client and site that were found";
                self.step(why, UNKNOWN, found)
            }
            Some(CatchAll { client, site, .. }) => {
                let by_domain = format!("{UNKNOWN} and custom.sender.matched_by == 'domain'");
                let by_default = format!("{UNKNOWN} and custom.sender.matched_by == 'default'");
                format!(
                    "{}\n{}",
                    self.step(
                        "Nobody known, at a domain that a client has: make the user there",
                        &by_domain,
                        found
                    ),
                    self.step(
                        "Nobody known, at a domain that no client has: make the user at this site of the catch-all",
                        &by_default,
                        (&noted(client), &noted(site)),
                    )
                )
            }
            None => {
                let when = format!("{UNKNOWN} and custom.sender.client");
                self.step(
                    "Nobody known, at a domain that a client has: make the user there",
                    &when,
                    found,
                )
            }
        }
    }

    fn step(&self, why: &str, when: &str, (client, site): (&str, &str)) -> String {
        let on_error = self.on_error;
        format!(
            r#"  # {why}.
  [[rule.action]]
  type = "create_halo_user"
  when = "{when}"
  full_name = "{{{{ email.from.display }}}}"
  email_address = "{{{{ email.from.address }}}}"
  client = {client}
  site = {site}
  # "exception" (operators hear of it), "bounce" (the sender as well), "continue", "stop" or "stop_all".
  on_error = "{on_error}"
  store_as = "created"
"#
        )
    }
}

/// An id with the name that it has today: a name may change, or another one may come to have it.
fn noted((id, name): &(i64, String)) -> String {
    format!("{id}  # {}", plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::Generation;

    fn catch_all(is_main_site: bool) -> Option<CatchAll> {
        Some(CatchAll {
            client: (16, "Unknown \"senders\"\n[x]".to_owned()),
            site: (29, "Annex".to_owned()),
            is_main_site,
        })
    }

    /// The lines that differ from the rule of the sample; it loads in any case.
    fn check(catch_all: Option<CatchAll>, expected: &str) {
        let sample = include_str!("../../../config/halo-intake.toml");
        let rule = Rule {
            mailbox: "support",
            catch_all,
            on_error: "exception",
        };
        let text = rule.toml();
        let own: Vec<&str> = text
            .lines()
            .filter(|line| !sample.lines().any(|known| known == *line))
            .collect();
        assert_eq!(own.join("\n"), expected.trim_matches('\n'));
        let (before, _) = sample.split_once("[[rule]]").unwrap();
        let path = std::path::Path::new("/no/folder/a.toml");
        let draft = crate::config::load::of_text(path, format!("{before}{text}"), &[]);
        Generation::of(path, draft).unwrap();
    }

    #[test]
    fn with_the_main_site_it_is_the_rule_of_the_sample() {
        check(catch_all(true), "  default_client = 16  # Unknown \"senders\" [x]");
    }

    #[test]
    fn another_site_of_the_catch_all_is_named_in_a_step_of_its_own() {
        check(
            catch_all(false),
            r#"
  default_client = 16  # Unknown "senders" [x]
  # Nobody known, at a domain that a client has: make the user there.
  when = "not custom.sender.user and not custom.sender.agent and custom.sender.matched_by == 'domain'"
  # Nobody known, at a domain that no client has: make the user at this site of the catch-all.
  when = "not custom.sender.user and not custom.sender.agent and custom.sender.matched_by == 'default'"
  client = 16  # Unknown "senders" [x]
  site = 29  # Annex
"#,
        );
    }

    #[test]
    fn without_a_catch_all_users_are_made_where_a_client_was_found() {
        check(
            None,
            r#"
  # Whom is it from? First by address, then by domain.
  # default_client = "Unknown senders"
  # Nobody known, at a domain that a client has: make the user there.
  when = "not custom.sender.user and not custom.sender.agent and custom.sender.client"
"#,
        );
    }
}
