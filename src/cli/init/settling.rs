//! What becomes of messages in the mailbox once they are done with.

use toml_edit::Value;

use super::{Interview, answers::reference};
use crate::{
    cli::Failure,
    config::MailboxName,
    mailbox::{self, MailboxError},
};

/// The outcomes that are asked for, each with what is asked, and the folder that is proposed.
const OUTCOMES: [(&str, &str, &str); 2] = [
    ("settle.completed", "Messages that were completed", "Processed"),
    ("settle.failed", "Messages that failed", "Failed"),
];
const WORDS: [&str; 3] = ["keep", "seen", "delete"];

impl Interview {
    /// Asks until the mailbox can do it.
    pub(super) async fn settling(&mut self, table: &str, folders: &[String]) -> Result<(), Failure> {
        self.dialogue.tell(
            "What becomes of a message in the mailbox: a folder that it is moved to (made when missing), or keep, seen or \
             delete.",
        )?;
        let mut kept = false;
        loop {
            for (key, question, folder) in OUTCOMES {
                let default = if kept { "keep" } else { folder };
                self.outcome(table, key, question, default, folders).await?;
            }
            let config = self.answers.mailbox()?;
            let name = MailboxName(self.mailbox.clone());
            match mailbox::inspect(&name, &config, &self.sign_ins).await {
                Ok(found) => return found.lines.iter().try_for_each(|line| self.dialogue.praise(line)),
                Err(error) => {
                    // Nothing can be done to a folder that is opened read-only.
                    kept |= matches!(error, MailboxError::Folder { .. });
                    self.dialogue.object(&error.to_string())?;
                }
            }
        }
    }

    async fn outcome(
        &mut self,
        table: &str,
        key: &str,
        question: &str,
        default: &str,
        folders: &[String],
    ) -> Result<(), Failure> {
        loop {
            let answer = self.dialogue.ask(question, Some(default)).await?;
            let listed = answer
                .parse::<usize>()
                .ok()
                .and_then(|number| folders.get(number.checked_sub(1)?));
            let value: Value = match listed {
                Some(folder) => reference("move_to", folder).into(),
                None if WORDS.contains(&answer.as_str()) => answer.into(),
                None => reference("move_to", &answer).into(),
            };
            if self.takes(table, key, value)? {
                return Ok(());
            }
        }
    }
}
