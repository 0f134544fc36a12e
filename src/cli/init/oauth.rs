//! Signing in with OAuth 2: the provider's keys, a code where somebody signs in, and the first token.

use super::{Interview, place::absolute};
use crate::{
    class::Class,
    cli::{Failure, signin},
    config::{MailboxSource, OAuthConfig},
    oauth::DeviceError,
    secret::Secret,
};

const PROVIDERS: [&str; 3] = ["microsoft", "google", "other"];

impl Interview {
    /// Asks for the keys of `oauth` and fetches a token; false where there is none.
    pub(super) async fn tokens(&mut self, mailbox: &str, host: &str) -> Result<bool, Failure> {
        let table = format!("{mailbox}.oauth");
        let default = match host.to_ascii_lowercase() {
            host if host.ends_with("office365.com") || host.ends_with("outlook.com") => 0,
            host if host.ends_with("gmail.com") || host.ends_with("googlemail.com") => 1,
            _ => 2,
        };
        let before = self.answers.text(&table, "provider");
        let before = before.and_then(|before| PROVIDERS.iter().position(|name| *name == before));
        let at = self
            .dialogue
            .choose("Provider", &PROVIDERS, Some(before.unwrap_or(default)))
            .await?;
        if before.is_some_and(|before| before != at) {
            self.answers.forget(&table);
        }
        self.answers.set(&table, "provider", PROVIDERS[at]);
        match at {
            0 => self.microsoft(&table).await?,
            1 => self.google(&table).await?,
            _ => self.other(&table).await?,
        }
        let MailboxSource::Imap(imap) = self.answers.mailbox()?.source else {
            unreachable!("a Maildir is not signed in to");
        };
        let oauth = imap.sign_in.oauth().expect("its table was just answered").clone();
        if oauth.device_url.is_some() && oauth.refresh_token.is_none() && !self.code(&oauth).await? {
            return Ok(false);
        }
        match self.sign_ins.token(&oauth).await {
            Ok(token) => self.dialogue.praise(&format!("there is {}", token.described()))?,
            Err(error) => {
                self.dialogue.object(&error.to_string())?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn microsoft(&mut self, table: &str) -> Result<(), Failure> {
        self.dialogue
            .say("  docs/configuration.md says how the application is registered.")?;
        let by_code =
            self.answers.text(table, "client_id").is_some() && self.answers.secret(table, "client_secret").is_none();
        self.key(table, "tenant", "Directory (tenant) ID, or a domain of it", None)
            .await?;
        self.key(table, "client_id", "Application (client) ID", None).await?;
        let question = "It signs in as the application itself, with a client secret, or somebody signs in with a code";
        match self
            .dialogue
            .choose(question, &["application", "code"], Some(usize::from(by_code)))
            .await?
        {
            0 => self.client_secret(table).await,
            _ => {
                self.answers.unset(table, "client_secret");
                self.answers.unset(table, "client_secret_expires");
                Ok(())
            }
        }
    }

    async fn client_secret(&mut self, table: &str) -> Result<(), Failure> {
        let name = format!("{}-oauth", self.mailbox);
        self.secret(table, "client_secret", &name, "Client secret (its value)")
            .await?;
        let question = "Last day of the client secret, such as 2027-05-31: you are told before it is over";
        self.optional_key(table, "client_secret_expires", question, None)
            .await?;
        Ok(())
    }

    async fn google(&mut self, table: &str) -> Result<(), Failure> {
        self.dialogue
            .say("  docs/configuration.md says how a service account is made.")?;
        let question = "It signs in by a service account, or by a refresh token";
        match self
            .dialogue
            .choose(question, &["service_account", "refresh_token"], Some(0))
            .await?
        {
            0 => {
                for key in ["client_id", "client_secret", "refresh_token"] {
                    self.answers.unset(table, key);
                }
                self.service_account(table).await
            }
            _ => {
                self.answers.unset(table, "service_account");
                self.key(table, "client_id", "Client ID", None).await?;
                let name = format!("{}-oauth", self.mailbox);
                self.secret(table, "client_secret", &name, "Client secret").await?;
                self.refresh_token(table).await
            }
        }
    }

    /// The key is many lines long, so its file is named, and its content kept as any other secret.
    async fn service_account(&mut self, table: &str) -> Result<(), Failure> {
        loop {
            let path = self.dialogue.ask("File of its key (JSON)", None).await?;
            match Secret::File(absolute(&path)?.into()).open() {
                Ok(key) => {
                    let name = format!("{}-google", self.mailbox);
                    self.answers.set_secret(table, "service_account", &name, key);
                    return Ok(());
                }
                Err(error) => self.dialogue.object(&error.to_string())?,
            }
        }
    }

    async fn refresh_token(&mut self, table: &str) -> Result<(), Failure> {
        let name = format!("{}-refresh", self.mailbox);
        self.secret(table, "refresh_token", &name, "Refresh token").await
    }

    async fn other(&mut self, table: &str) -> Result<(), Failure> {
        self.key(table, "token_url", "Address that gives tokens (https://…)", None)
            .await?;
        self.key(table, "client_id", "Client ID", None).await?;
        self.optional_key(table, "scope", "Scope", None).await?;
        let question =
            "It signs in as the application itself, somebody signs in with a code, or there is a refresh token";
        match self
            .dialogue
            .choose(question, &["application", "code", "refresh_token"], Some(0))
            .await?
        {
            0 => {
                self.answers.unset(table, "device_url");
                self.answers.unset(table, "refresh_token");
                self.client_secret(table).await?;
            }
            1 => {
                self.answers.unset(table, "refresh_token");
                self.secret_of_client(table).await?;
                self.key(table, "device_url", "Address that gives codes (https://…)", None)
                    .await?;
            }
            _ => {
                self.answers.unset(table, "device_url");
                self.secret_of_client(table).await?;
                self.refresh_token(table).await?;
            }
        }
        Ok(())
    }

    /// Some providers want one beside the sign-in of a person.
    async fn secret_of_client(&mut self, table: &str) -> Result<(), Failure> {
        if self.dialogue.agrees("Has the client a secret as well", false).await? {
            return self.client_secret(table).await;
        }
        self.answers.unset(table, "client_secret");
        self.answers.unset(table, "client_secret_expires");
        Ok(())
    }

    /// Somebody signs in with a code, unless somebody has; false where nobody did.
    async fn code(&mut self, oauth: &OAuthConfig) -> Result<bool, Failure> {
        if matches!(self.sign_ins.kept(oauth), Ok(Some(_)))
            && self
                .dialogue
                .agrees(&format!("{} has signed in before. Use that sign-in", oauth.login), true)
                .await?
        {
            return Ok(true);
        }
        loop {
            match self.signed_in(oauth).await {
                Ok(who) => {
                    let who = who.unwrap_or_else(|| "somebody".to_owned());
                    self.dialogue
                        .praise(&format!("{who} has signed in; the sign-in is kept in state_dir"))?;
                    return Ok(true);
                }
                Err(Asked::Device(error)) => {
                    self.dialogue.object(&error.to_string())?;
                    // A code that ran out is asked for again; what is set up wrongly has to be answered anew.
                    let again = error.class() != Class::Credentials;
                    if !again || !self.dialogue.agrees("Try it with another code", true).await? {
                        return Ok(false);
                    }
                }
                Err(Asked::Failed(failure)) => return Err(failure),
            }
        }
    }

    async fn signed_in(&mut self, oauth: &OAuthConfig) -> Result<Option<String>, Asked> {
        let code = self.sign_ins.code(oauth).await.map_err(Asked::Device)?;
        for line in signin::invitation(&code, oauth) {
            self.dialogue.say(&format!("  {line}")).map_err(Asked::Failed)?;
        }
        self.sign_ins.signed_in(oauth, &code).await.map_err(Asked::Device)
    }
}

/// Why nobody signed in: the provider or somebody in front of it, or the dialogue itself.
enum Asked {
    Device(DeviceError),
    Failed(Failure),
}
