//! Where bounces and reports leave, and who hears what.

use std::sync::Arc;

use super::{Interview, ServerKind, answers::reference};
use crate::{
    cli::Failure,
    config::SmtpConfig,
    oauth::SignIns,
    outcome::smtp::{Smtp, SmtpError},
};

const TABLE: &str = "smtp";

impl Interview {
    /// Asks for the server and whom to tell; gives what the rule does when Halo takes no user.
    pub async fn smtp(&mut self) -> Result<&'static str, Failure> {
        self.dialogue
            .head("SMTP, by which bounces to senders and reports to operators leave")?;
        if !self
            .dialogue
            .agrees("Set it up? Without it nobody is told anything", true)
            .await?
            || !self.sends().await?
        {
            self.answers.forget(TABLE);
            return Ok("exception");
        }
        let from = self.address.clone();
        self.key(
            "bounce",
            "from",
            "Bounces come from (an address, or Name <address>)",
            Some(&from),
        )
        .await?;
        let question = "Who hears of messages that failed? Addresses, separated by commas";
        self.list_key("report", "to", question).await?;
        let question = "Where Halo takes no user: tell the operators (exception), or the sender as well (bounce)";
        let words = ["exception", "bounce"];
        Ok(words[self.dialogue.choose(question, &words, Some(0)).await?])
    }

    /// Asks until the server takes mail; false where it is given up.
    async fn sends(&mut self) -> Result<bool, Failure> {
        let domain = self.address.rsplit('@').next().unwrap_or_default();
        let incoming = self.answers.text(&self.mailbox_table(), "host").unwrap_or_default();
        let host = match incoming.as_str() {
            "outlook.office365.com" => "smtp.office365.com".to_owned(),
            "imap.gmail.com" => "smtp.gmail.com".to_owned(),
            _ => format!("smtp.{domain}"),
        };
        let kind = ServerKind {
            host: Some(host),
            tls: "starttls",
            ports: ["465", "587", "25"],
        };
        loop {
            let question = "SMTP server (Microsoft 365: smtp.office365.com, Google: smtp.gmail.com)";
            self.server(TABLE, question, &kind).await?;
            if self.is_reached().await? {
                self.login().await?;
                match checked(&self.answers.smtp()?, &self.sign_ins).await {
                    Ok(said) => {
                        self.dialogue.praise(&said)?;
                        return Ok(true);
                    }
                    Err(error) => self.dialogue.object(&error.to_string())?,
                }
            }
            let question = "Answer this again? With no it goes on without SMTP";
            if !self.dialogue.agrees(question, true).await? {
                return Ok(false);
            }
        }
    }

    /// Connects without a sign-in: what is wrong with the server is not said of a password.
    async fn is_reached(&mut self) -> Result<bool, Failure> {
        loop {
            let mut config = self.answers.smtp()?;
            config.login = None;
            self.dialogue
                .say(&format!("  connects to {}:{}", config.host, config.port))?;
            let Err(error) = checked(&config, &self.sign_ins).await else {
                return Ok(true);
            };
            self.dialogue.object(&error.to_string())?;
            let is_untrusted = matches!(error, SmtpError::Tls { .. } | SmtpError::Trust(_));
            // One's own servers mostly have one authority.
            let of_mailbox = self.answers.text(&self.mailbox_table(), "ca_file");
            if !is_untrusted || !self.ca_file(TABLE, of_mailbox.as_deref()).await? {
                return Ok(false);
            }
        }
    }

    /// As the mailbox does, with a password, or not at all.
    async fn login(&mut self) -> Result<(), Failure> {
        self.answers.unset(TABLE, "oauth");
        let by_token = !self.answers.keys(&format!("{}.oauth", self.mailbox_table())).is_empty();
        let how = if by_token {
            let question = "Signs in there as the mailbox does, with a password of its own, or not at all";
            let words = ["mailbox", "password", "none"];
            self.dialogue.choose(question, &words, Some(0)).await?
        } else {
            1
        };
        if how == 1 {
            return self.password().await;
        }
        self.answers.unset(TABLE, "username");
        self.answers.unset(TABLE, "password");
        if how == 0 {
            self.answers.set(TABLE, "oauth", reference("mailbox", &self.mailbox));
        }
        Ok(())
    }

    async fn password(&mut self) -> Result<(), Failure> {
        let mailbox = self.mailbox_table();
        let of_mailbox = self.answers.text(&mailbox, "username");
        let question = "User name that signs in there (- for none, where it takes mail from this machine without)";
        let username = self
            .optional_key(TABLE, "username", question, of_mailbox.as_deref())
            .await?;
        if username.is_none() {
            self.answers.unset(TABLE, "password");
            return Ok(());
        }
        // The same account mostly, so the same password.
        let same = self.answers.secret(&mailbox, "password").cloned();
        let same = same.filter(|_| username == of_mailbox);
        let before = self.answers.secret(TABLE, "password").map(|_| "as before");
        let default = before.or(same.as_ref().map(|_| "that of the mailbox"));
        let typed = self.dialogue.secret("Password", default).await?;
        if let Some(secret) = typed.or(same.filter(|_| before.is_none())) {
            let name = format!("{}-smtp", self.mailbox);
            self.answers.set_secret(TABLE, "password", &name, secret);
        }
        Ok(())
    }
}

/// As `check --online` does it; nothing is sent.
async fn checked(config: &SmtpConfig, sign_ins: &Arc<SignIns>) -> Result<String, SmtpError> {
    Smtp::new(config, sign_ins)?.check().await
}
