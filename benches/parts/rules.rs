//! A hundred rules as a desk with many customers has them. No message here matches one, so all of them are asked.

use std::fs;

use halo_intake::{config::MailboxName, generation::Generation};

pub const RULES: usize = 100;

/// Whose rules they are.
pub fn mailbox() -> MailboxName {
    MailboxName("support".to_owned())
}

/// A configuration with them, loaded.
pub fn generation() -> Generation {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("halo-intake.toml");
    let mailbox = "[mailbox.support]\ntype = \"maildir\"\npath = \"/nowhere\"\nbacklog = \"skip\"\n";
    let rules: String = (0..RULES)
        .map(|number| {
            let when = when(number);
            format!("[[rule]]\nname = \"rule {number}\"\nwhen = '{when}'\naction = [{{ type = \"stop\" }}]\n")
        })
        .collect();
    fs::write(&path, format!("{mailbox}{rules}")).unwrap();
    Generation::load(&path, &[]).unwrap().0
}

/// Of ten rules four look at the domain, two for words, two by patterns, two in lists.
fn when(number: usize) -> String {
    match number % 10 {
        0..3 => format!("email.from.domain == \"client{number}.example\""),
        3 => format!("not email.automatic and email.from.domain == \"client{number}.example\""),
        4 => format!("email.subject is containing(pat=\"ALERT {number}\", ignore_case=true)"),
        5 => format!("email.body is containing(pat=\"contract {number}\", ignore_case=true)"),
        6 => format!("email.subject is matching(pat=\"(?i)\\\\b(order|invoice) no\\\\. {number}\\\\b\")"),
        7 => format!("email.visible is matching(pat=\"(?m)^Serial number: SN-{number}-\\\\d+$\")"),
        8 => format!("email.from.domain in [{}]", domains(number)),
        _ => format!("\"queue{number}@desk.example\" in email.recipients | map(attribute=\"address\")"),
    }
}

fn domains(number: usize) -> String {
    let domains = (0..12).map(|of| format!("\"group{number}-{of}.example\""));
    domains.collect::<Vec<_>>().join(", ")
}
