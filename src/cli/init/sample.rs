//! The sample configuration with the answers in it: every key with its sentence, those that were answered set, the
//! others behind a comment sign. So what `init` writes can not explain less than the sample does. Pure.

use super::answers::Answers;

const SAMPLE: &str = include_str!("../../../config/halo-intake.toml");
const HEAD: &str = "# Written by halo-intake init.\n";
/// What the sample calls its mailbox.
const MAILBOX: &str = "mailbox.support";

/// A table of the sample, from its header to the next one; the first has none.
struct Section {
    lines: Vec<Line>,
    /// In the sample it is set, not behind a comment sign.
    is_set: bool,
    table: String,
}

/// A line, and the key that it sets or shows.
struct Line {
    text: String,
    key: Option<String>,
}

/// The text of the configuration: the answers about this mailbox and the rest, then the rules.
pub fn fill(answers: &Answers, mailbox: &str, rules: &str) -> String {
    let (before, _) = SAMPLE.split_once("[[rule]]").unwrap_or((SAMPLE, ""));
    let mut text = HEAD.to_owned();
    for mut section in sections(before) {
        let table = section.table.replacen(MAILBOX, &format!("mailbox.{mailbox}"), 1);
        section.answer(&table, answers);
        section
            .lines
            .iter()
            .for_each(|line| text.push_str(&format!("{}\n", line.text)));
    }
    text + rules
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section {
        lines: Vec::new(),
        is_set: true,
        table: String::new(),
    }];
    for line in text.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if let Some(table) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section {
                lines: Vec::new(),
                is_set: bare == line,
                table: table.to_owned(),
            });
        }
        let key = bare.split_once(" = ").map(|(key, _)| key);
        let is_key = |key: &&str| key.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
        let last = sections.last_mut().expect("there is one from the start");
        last.lines.push(Line {
            text: line.to_owned(),
            key: key.filter(is_key).map(str::to_owned),
        });
    }
    sections
}

impl Section {
    /// Sets what was answered of this table, and comments the rest.
    fn answer(&mut self, table: &str, answers: &Answers) {
        let answered = answers.keys(table);
        let has_set = self.lines.iter().any(Line::is_set);
        if !self.table.is_empty() {
            // A table of which the sample sets nothing may stand there empty.
            let is_set = !answered.is_empty() || (self.is_set && !has_set);
            let sign = if is_set { "" } else { "# " };
            self.lines[0].text = format!("{sign}[{table}]");
        }
        for line in self.lines.iter_mut().filter(|line| line.is_set()) {
            line.text = format!("# {}", line.text);
        }
        // A key that the sample does not show follows the one that was answered before it.
        let mut place = 0;
        for (key, value) in answered {
            let text = format!("{key} = {value}");
            match self.lines.iter().position(|line| line.key.as_ref() == Some(key)) {
                Some(at) => {
                    self.lines[at].text = text;
                    place = at;
                }
                None => {
                    place = (place + 1).min(self.lines.len());
                    let key = Some(key.clone());
                    self.lines.insert(place, Line { text, key });
                }
            }
        }
    }
}

impl Line {
    fn is_set(&self) -> bool {
        self.key.is_some() && !self.text.starts_with('#')
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{cli::init::answers::reference, config::load, secret::SecretString};

    /// The lines that the file has and the sample has not, and that it loads to what the answers say.
    fn check(answers: &Answers, mailbox: &str, expected: &str) {
        let text = fill(answers, mailbox, "");
        let sample: BTreeSet<&str> = SAMPLE.lines().collect();
        let own: Vec<&str> = text.lines().filter(|line| !sample.contains(line)).collect();
        assert_eq!(own.join("\n"), expected.trim());
        let load = |text: String| load::of_text(std::path::Path::new("/no/folder/a.toml"), text, &[]);
        let (filled, bare) = (load(text), load(answers.toml()));
        assert!(filled.is_sound(), "{:?}", filled.faults);
        assert_eq!(filled.digest, bare.digest, "an answer is lost or added");
    }

    fn with_halo() -> Answers {
        let mut answers = Answers::default();
        answers.set("", "state_dir", "/var/lib/halo-intake");
        answers.set("halo.main", "url", "https://desk.example");
        answers.set("halo.main", "client_id", "intake");
        answers.set_secret("halo.main", "client_secret", "halo-secret", SecretString::from("x"));
        answers
    }

    #[test]
    fn what_was_answered_is_set_and_the_rest_is_shown_as_the_sample_shows_it() {
        let mut answers = with_halo();
        let table = "mailbox.helpdesk";
        for (key, value) in [
            ("host", "mail.desk.example"),
            ("username", "help@desk.example"),
            ("backlog", "skip"),
        ] {
            answers.set(table, key, value);
        }
        answers.set(table, "port", 1993);
        answers.set_secret(table, "password", "helpdesk-imap", SecretString::from("x"));
        answers.set(table, "settle.completed", reference("move_to", "Done/Früher"));
        answers.set("smtp", "host", "mail.desk.example");
        answers.set("bounce", "from", "Help <help@desk.example>");
        answers.set("report", "to", toml_edit::Array::from_iter(["ops@desk.example"]));
        check(
            &answers,
            "helpdesk",
            r##"
# Written by halo-intake init.
state_dir = "/var/lib/halo-intake"
[mailbox.helpdesk]
host = "mail.desk.example"
port = 1993
username = "help@desk.example"
password = { credential = "helpdesk-imap" }
backlog = "skip"
settle.completed = { move_to = "Done/Früher" }
# settle.failed = { move_to = "Failed" }
# [mailbox.helpdesk.oauth]
url = "https://desk.example"
client_id = "intake"
host = "mail.desk.example"
# username = "support@example.com"
# password = { credential = "support-smtp" }
from = "Help <help@desk.example>"
to = ["ops@desk.example"]
"##,
        );
    }

    #[test]
    fn a_maildir_has_its_path_and_without_smtp_nobody_is_told() {
        let mut answers = with_halo();
        answers.set("mailbox.support", "type", "maildir");
        answers.set("mailbox.support", "path", "/var/mail/support");
        check(
            &answers,
            "support",
            r##"
# Written by halo-intake init.
state_dir = "/var/lib/halo-intake"
type = "maildir"
path = "/var/mail/support"
# host = "imap.example.com"
# username = "support@example.com"
# password = { credential = "support-imap" }
# settle.completed = { move_to = "Processed" }
# settle.failed = { move_to = "Failed" }
url = "https://desk.example"
client_id = "intake"
# [smtp]
# host = "smtp.example.com"
# username = "support@example.com"
# password = { credential = "support-smtp" }
# [bounce]
# from = "Example Support <support@example.com>"
# [report]
# to = ["ops@example.com"]
"##,
        );
    }

    #[test]
    fn a_sign_in_with_tokens_has_a_table_of_its_own() {
        let mut answers = with_halo();
        answers.set("mailbox.support", "host", "mail.desk.example");
        answers.set("mailbox.support", "username", "robot@desk.example");
        let oauth = "mailbox.support.oauth";
        for (key, value) in [
            ("provider", "other"),
            ("token_url", "https://login.desk.example/token"),
            ("device_url", "https://login.desk.example/device"),
            ("client_id", "intake"),
        ] {
            answers.set(oauth, key, value);
        }
        check(
            &answers,
            "support",
            r##"
# Written by halo-intake init.
state_dir = "/var/lib/halo-intake"
host = "mail.desk.example"
username = "robot@desk.example"
# password = { credential = "support-imap" }
# settle.completed = { move_to = "Processed" }
# settle.failed = { move_to = "Failed" }
[mailbox.support.oauth]
provider = "other"
token_url = "https://login.desk.example/token"
device_url = "https://login.desk.example/device"
client_id = "intake"
url = "https://desk.example"
client_id = "intake"
# [smtp]
# host = "smtp.example.com"
# username = "support@example.com"
# password = { credential = "support-smtp" }
# [bounce]
# from = "Example Support <support@example.com>"
# [report]
# to = ["ops@example.com"]
"##,
        );
    }
}
