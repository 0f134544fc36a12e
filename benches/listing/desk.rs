//! A state folder with so many messages, and the program on it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::fill;

const RULES: &str = r#"
[halo.main]
url = "http://127.0.0.1:9"
client_id = "x"
client_secret = "x"

[smtp]
host = "127.0.0.1"
port = 9
tls = "none"

[bounce]
from = "Example Desk <support@desk.example>"

[report]
to = ["ops@desk.example"]

[[rule]]
name = "Alerts"
when = 'email.automatic and email.subject is containing(pat="ALERT")'
  [[rule.action]]
  type = "set"
  value = "{{ email.from.display }}: {{ email.attachments | length }}"
  store_as = "note"

[[rule]]
name = "Unknown senders become users"
when = "not email.automatic and not email.junk"
  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user and not custom.sender.agent"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  store_as = "created"
"#;

/// A journal that is filled.
pub struct Desk {
    pub messages: usize,
    config: PathBuf,
}

impl Desk {
    /// Takes the journal of that size which is there, or fills one.
    pub fn with(messages: usize) -> Desk {
        let state = fill::journal(messages);
        let config = state.with_file_name("halo-intake.toml");
        let mailboxes: String = fill::mailboxes()
            .map(|name| {
                format!("[mailbox.{name}]\ntype = \"maildir\"\npath = \"/nowhere/{name}\"\nbacklog = \"skip\"\n")
            })
            .collect();
        fs::write(&config, format!("state_dir = {state:?}\n{mailboxes}{RULES}")).unwrap();
        Desk { messages, config }
    }

    /// Asks this, and waits for all of the answer.
    pub fn ask(&self, question: &str) {
        let question = question.replace("#FIRST#", "case-1.").replace("FIRST", "1");
        let question = question.replace("LAST", &(self.messages - fill::OPEN).to_string());
        let done = Command::new(env!("CARGO_BIN_EXE_halo-intake"))
            .arg("--config")
            .arg(&self.config)
            .args(question.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "{question}");
    }
}
