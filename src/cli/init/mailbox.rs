//! The mailbox: where it is, who signs in, which folder is watched.

use super::{Interview, ServerKind, dialogue::Picked, list::Item, place::absolute};
use crate::{
    cli::Failure,
    config::{ImapConfig, MailboxName, MailboxSource},
    count::counted,
    mailbox::{self, MailboxError, Turns},
    message::address::AddrSpec,
};

impl Interview {
    /// Asks until the mailbox can be opened, and what is to become of the mail in it.
    pub async fn mailbox(&mut self) -> Result<(), Failure> {
        self.dialogue.head("The mailbox")?;
        let kind = self
            .dialogue
            .choose("On an IMAP server, or a Maildir", &["imap", "maildir"], Some(0))
            .await?;
        self.address().await?;
        self.name().await?;
        let table = self.mailbox_table();
        let folders = if kind == 0 {
            self.imap_server(&table).await?;
            let folders = self.sign_in(&table).await?;
            self.folder(&table, &folders).await?;
            folders
        } else {
            self.maildir(&table).await?;
            Vec::new()
        };
        self.addresses(&table).await?;
        self.settling(&table, &folders).await
    }

    pub(super) fn mailbox_table(&self) -> String {
        format!("mailbox.{}", self.mailbox)
    }

    async fn address(&mut self) -> Result<(), Failure> {
        loop {
            let answer = self
                .dialogue
                .ask("Its address, such as support@example.com", None)
                .await?;
            match AddrSpec::parse(&answer) {
                Ok(_) => {
                    self.address = answer;
                    return Ok(());
                }
                Err(_) => self
                    .dialogue
                    .object(&format!("{answer:?} is no address; write name@domain"))?,
            }
        }
    }

    /// The local part, where it can be a name as it is.
    async fn name(&mut self) -> Result<(), Failure> {
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let local_part = self.address.split('@').next().unwrap_or_default();
        let default = if is_name(local_part) { local_part } else { "support" }.to_owned();
        loop {
            let answer = self
                .dialogue
                .ask("What it is called in the configuration", Some(&default))
                .await?;
            if is_name(&answer) {
                self.mailbox = answer;
                return Ok(());
            }
            let text = format!("{answer:?} is no name; take letters, digits, - and _");
            self.dialogue.object(&text)?;
        }
    }

    /// Asks for the server until it answers as configured.
    async fn imap_server(&mut self, table: &str) -> Result<(), Failure> {
        let domain = self.address.rsplit('@').next().unwrap_or_default();
        let kind = ServerKind {
            host: Some(format!("imap.{domain}")),
            tls: "implicit",
            ports: ["993", "143", "143"],
        };
        loop {
            let question = "IMAP server (Microsoft 365: outlook.office365.com, Google: imap.gmail.com)";
            self.server(table, question, &kind).await?;
            loop {
                let Some(error) = self.greeted(table).await? else {
                    return Ok(());
                };
                self.dialogue.object(&error.to_string())?;
                if !matches!(error, MailboxError::Tls { .. }) || !self.ca_file(table, None).await? {
                    break;
                }
            }
        }
    }

    /// Whether the server answers as configured; why not.
    async fn greeted(&mut self, table: &str) -> Result<Option<MailboxError>, Failure> {
        let imap = self.imap(table)?;
        let server = format!("{}:{}", imap.host, imap.port);
        self.dialogue.say(&format!("  connects to {server}"))?;
        match mailbox::greeted(&imap).await {
            Ok(()) => self.dialogue.praise(&format!("{server} answers")).map(|()| None),
            Err(error) => Ok(Some(error)),
        }
    }

    /// As far as it is known: until somebody was asked, a name and a password that nobody needs stand in.
    fn imap(&self, table: &str) -> Result<ImapConfig, Failure> {
        let mut answers = self.answers.clone();
        if answers.text(table, "username").is_none() {
            answers.set(table, "username", self.address.as_str());
            answers.set(table, "password", super::answers::reference("credential", "none"));
        }
        match answers.mailbox()?.source {
            MailboxSource::Imap(imap) => Ok(imap),
            MailboxSource::Maildir { .. } => unreachable!("no type was set, and imap is the default"),
        }
    }

    /// Asks who signs in, and how, until the server agrees; gives the folders.
    async fn sign_in(&mut self, table: &str) -> Result<Vec<String>, Failure> {
        loop {
            if !self.credentials(table).await? {
                continue;
            }
            let imap = self.imap(table)?;
            self.dialogue.say("  signs in")?;
            match mailbox::folders(&imap, &self.sign_ins).await {
                Ok(folders) => {
                    let sees = counted(folders.len(), "folder");
                    self.dialogue
                        .praise(&format!("signed in as {}, who sees {sees}", imap.username))?;
                    return Ok(folders);
                }
                Err(error) => self.dialogue.object(&error.to_string())?,
            }
            if self.dialogue.agrees("Take another server", false).await? {
                self.imap_server(table).await?;
            }
        }
    }

    /// Asks who signs in, with a password or with tokens; false where there is no token.
    async fn credentials(&mut self, table: &str) -> Result<bool, Failure> {
        let address = self.address.clone();
        let username = self
            .key(table, "username", "User name that signs in", Some(&address))
            .await?;
        let host = self.answers.text(table, "host").unwrap_or_default();
        let oauth = format!("{table}.oauth");
        let by_token = !self.answers.keys(&oauth).is_empty() || is_of_big_provider(&host);
        let question = "Signs in with a password, or with OAuth 2";
        let how = self
            .dialogue
            .choose(question, &["password", "oauth"], Some(usize::from(by_token)))
            .await?;
        if username == address {
            self.answers.unset(table, "mailbox");
        } else {
            self.other_mailbox(table, how == 1).await?;
        }
        if how == 1 {
            self.answers.unset(table, "password");
            return self.tokens(table, &host).await;
        }
        self.answers.forget(&oauth);
        let name = format!("{}-imap", self.mailbox);
        self.secret(table, "password", &name, "Password").await?;
        Ok(true)
    }

    /// With tokens one often signs in as somebody to open a shared mailbox; a password's user name is mostly the
    /// mailbox's own, whatever it looks like.
    async fn other_mailbox(&mut self, table: &str, by_token: bool) -> Result<(), Failure> {
        let address = by_token.then(|| self.address.clone());
        let question = "Mailbox to open, where it is not the login's own, such as a shared one (- for its own)";
        self.optional_key(table, "mailbox", question, address.as_deref())
            .await?;
        Ok(())
    }

    /// Asks for the folder until it can be opened.
    async fn folder(&mut self, table: &str, folders: &[String]) -> Result<(), Failure> {
        let items: Vec<Item> = (1..).zip(folders).map(|(number, name)| item(number, name)).collect();
        let inbox = folders.iter().position(|name| name == "INBOX");
        loop {
            let folder = match self
                .dialogue
                .pick("Folder to watch, a number or a name", &items, inbox, "", None)
                .await?
            {
                Picked::Item(at) => folders[at].clone(),
                // Folders of others need not be among those that are listed.
                Picked::Other(name) => name,
            };
            if self.takes(table, "folder", folder.as_str())? && self.backlog(table, &folder).await? {
                return Ok(());
            }
        }
    }

    async fn maildir(&mut self, table: &str) -> Result<(), Failure> {
        self.answers.set(table, "type", "maildir");
        loop {
            let path = self.key(table, "path", "Path of the Maildir", None).await?;
            let path = absolute(&path)?;
            self.answers.set(table, "path", path.as_str());
            if self.backlog(table, &path).await? {
                return Ok(());
            }
        }
    }

    /// Opens the folder, says what lies there, and asks what is to become of it; false where it can not be opened.
    async fn backlog(&mut self, table: &str, what: &str) -> Result<bool, Failure> {
        let config = self.answers.mailbox()?;
        let name = MailboxName(self.mailbox.clone());
        let looked = async {
            mailbox::open(&name, &config, &self.sign_ins, &Turns::default())
                .await?
                .select()
                .await
        };
        let there = match looked.await {
            Ok(selected) => selected.exists,
            Err(error) => {
                self.dialogue.object(&error.to_string())?;
                return Ok(false);
            }
        };
        self.answers.unset(table, "backlog");
        if there == 0 {
            self.dialogue.praise(&format!("{what} is empty"))?;
            return Ok(true);
        }
        let holds = counted(there, "message");
        self.dialogue.praise(&format!("{what} holds {holds}"))?;
        const WORDS: [&str; 3] = ["report", "skip", "process"];
        let question =
            "Mail that is there already: report first what would become of it, skip it, or process it like new mail";
        // Nothing is done because somebody pressed Enter.
        let at = self.dialogue.choose(question, &WORDS, Some(0)).await?;
        self.answers.set(table, "backlog", WORDS[at]);
        Ok(true)
    }

    /// The address that was given is known to be ours by itself only where it is the mailbox's name.
    async fn addresses(&mut self, table: &str) -> Result<(), Failure> {
        let question = "Further addresses that lead here, separated by commas";
        self.list_key(table, "addresses", question).await?;
        let known = self.answers.mailbox()?.own_addresses();
        if let Ok(address) = AddrSpec::parse(&self.address)
            && !known.contains(&address)
        {
            let mut all = vec![self.address.clone()];
            let further = self.answers.mailbox()?.addresses;
            all.extend(further.iter().map(|address| address.as_str().to_owned()));
            self.answers.set(table, "addresses", toml_edit::Array::from_iter(all));
        }
        Ok(())
    }
}

/// Both take no passwords, or none that people know.
fn is_of_big_provider(host: &str) -> bool {
    ["office365.com", "outlook.com", "gmail.com", "googlemail.com"]
        .iter()
        .any(|domain| host.to_ascii_lowercase().ends_with(domain))
}

fn item(number: i64, name: &str) -> Item {
    Item {
        number,
        name: name.to_owned(),
        note: String::new(),
    }
}
