//! What `check` says of the requests that the rules will send: figures, not judgements.

use crate::{
    config::{ConnectionName, Rate},
    count::counted,
    rules::load::Load,
};

/// What messages cost at a connection, and how many its rate so carries.
pub(super) fn lines(name: &ConnectionName, load: Load, rate: Rate) -> Vec<String> {
    if load.new == 0 && load.new_each == 0 {
        return vec![format!("halo {name}: no rule asks it")];
    }
    let (known, new) = (u64::from(load.known), u64::from(load.new));
    let (known_takes, new_takes) = (counted(load.known, "request"), counted(load.new, "request"));
    let text = match (an_hour(rate, known), an_hour(rate, new)) {
        (None, None) => "no request for a message by itself".to_owned(),
        (None, Some(hour)) => {
            format!("up to {new_takes} for a message that makes a user or client; {rate} is enough for {hour} an hour")
        }
        (Some(_), Some(hour)) if known == new => {
            format!("up to {new_takes} for a message; {rate} is enough for {hour} an hour")
        }
        (Some(most), hour) => format!(
            "up to {known_takes} for a message, up to {} where it makes a user or client; {rate} is enough for {most} \
             or {} an hour",
            load.new,
            hour.unwrap_or_default()
        ),
    };
    let mut lines = vec![format!("halo {name}: {text}")];
    if load.new_each > 0 {
        let creating = if load.new_each > load.known_each {
            format!(", {} where it makes a user or client", load.new_each)
        } else {
            String::new()
        };
        let each = counted(load.known_each, "request");
        lines.push(format!("  each turn of a for_each adds up to {each}{creating}"));
    }
    lines.push(
        "  agents, clients, sites and mail domains are asked for now and then, for all messages together; a sender's \
         address once in a minute"
            .to_owned(),
    );
    lines
}

/// How many messages of so many requests a rate is enough for, as people write it.
fn an_hour(rate: Rate, requests: u64) -> Option<String> {
    let of_rate = u128::from(rate.count.get()) * 3_600_000 / rate.per.as_millis().max(1);
    let digits = of_rate.checked_div(requests.into())?.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<String> = groups
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    Some(groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::unit::parse_rate, generation::Generation};

    /// The lines for these rules, under a connection of 300 requests in five minutes.
    fn check(rules: &str, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("halo-intake.toml");
        let text = format!(
            "[mailbox.support]\ntype = \"maildir\"\npath = \"/tmp\"\n[report]\nto = [\"ops@desk.example\"]\n\
             [mailbox.sales]\ntype = \"maildir\"\npath = \"/var\"\n\
             [halo.main]\nurl = \"https://halo.example\"\nclient_id = \"x\"\nclient_secret = \"y\"\n{rules}"
        );
        std::fs::write(&path, text).unwrap();
        let (generation, _) = Generation::load(&path, &[]).unwrap();
        let name = ConnectionName("main".into());
        let load = generation.rules.load(&generation.config, &name);
        let lines = lines(&name, load, parse_rate("300 per 5m").unwrap());
        assert_eq!(lines, expected);
    }

    const SHARED: &str = "  agents, clients, sites and mail domains are asked for now and then, for all messages \
                          together; a sender's address once in a minute";
    const FIND: &str = "[[rule.action]]\ntype = \"find_halo_user_and_client\"\nstore_as = \"sender\"\n";
    const CREATE: &str = "[[rule.action]]\ntype = \"create_halo_user\"\nclient = 12\nsite = 21\n";

    fn rule(name: &str, steps: &[&str]) -> String {
        format!("[[rule]]\nname = \"{name}\"\n{}", steps.concat())
    }

    #[test]
    fn a_known_sender_and_a_new_one_differ() {
        let when = format!("{CREATE}when = \"not custom.sender.user\"\n");
        check(
            &rule("r", &[FIND, &when]),
            &[
                "halo main: up to 1 request for a message, up to 3 where it makes a user or client; 300 per 5m is \
                 enough for 3,600 or 1,200 an hour",
                SHARED,
            ],
        );
    }

    #[test]
    fn a_step_that_creates_without_a_condition_looks_for_every_message() {
        check(
            &rule("r", &[CREATE]),
            &[
                "halo main: up to 1 request for a message, up to 2 where it makes a user or client; 300 per 5m is \
                 enough for 3,600 or 1,800 an hour",
                SHARED,
            ],
        );
    }

    #[test]
    fn a_ticket_is_one_whoever_wrote() {
        let ticket = "[[rule.action]]\ntype = \"create_halo_ticket_from_email\"\ndefault_client = \"Unknown senders\"\n\
                      create_user_if_not_found = true\n";
        check(
            &rule("r", &[ticket]),
            &[
                "halo main: up to 2 requests for a message, up to 3 where it makes a user or client; 300 per 5m is \
                 enough for 1,800 or 1,200 an hour",
                SHARED,
            ],
        );
        let plain = "[[rule.action]]\ntype = \"create_halo_ticket\"\nsummary = \"x\"\nwhen = \"not email.automatic\"\n";
        check(
            &rule("r", &[plain]),
            &[
                "halo main: up to 1 request for a message; 300 per 5m is enough for 3,600 an hour",
                SHARED,
            ],
        );
    }

    #[test]
    fn where_nothing_is_created_there_is_one_figure() {
        let query = "[[rule.action]]\ntype = \"query_halo_users\"\nsearch = \"x\"\n";
        check(
            &rule("r", &[FIND, query]),
            &[
                "halo main: up to 2 requests for a message; 300 per 5m is enough for 1,800 an hour",
                SHARED,
            ],
        );
    }

    #[test]
    fn a_for_each_multiplies_by_its_turns_and_nobody_knows_how_many_there_are() {
        let each = "[[rule.action]]\ntype = \"for_each\"\nitems = \"email.to\"\n\
                    [[rule.action.action]]\ntype = \"create_halo_user\"\nclient = 12\nsite = 21\n";
        check(
            &rule("r", &[each]),
            &[
                "halo main: no request for a message by itself",
                "  each turn of a for_each adds up to 1 request, 2 where it makes a user or client",
                SHARED,
            ],
        );
    }

    #[test]
    fn the_mailbox_whose_rules_ask_most_counts() {
        let sales = format!("[[rule]]\nname = \"sales\"\nmailboxes = [\"sales\"]\n{FIND}{FIND}");
        let support = format!("[[rule]]\nname = \"support\"\nmailboxes = [\"support\"]\n{FIND}");
        check(
            &format!("{sales}{support}"),
            &[
                "halo main: up to 2 requests for a message; 300 per 5m is enough for 1,800 an hour",
                SHARED,
            ],
        );
        check(
            &rule("r", &["[[rule.action]]\ntype = \"stop\"\n"]),
            &["halo main: no rule asks it"],
        );
    }
}
