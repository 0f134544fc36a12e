//! `signin`: somebody signs a mailbox in with a code, once; from then on the program renews the sign-in itself.

use std::io::Write;

use super::{Common, Ended, Failure, Status, runtime};
use crate::{
    class::Class,
    clock::Clock,
    config::{Config, MailboxName, MailboxSource, OAuthConfig, fault::suggest},
    oauth::{Code, DeviceError, SignIns},
};

/// Signs a mailbox in with a code that somebody types into a browser: for delegated OAuth 2
#[derive(Debug, clap::Args)]
pub struct Signin {
    /// Which mailbox
    mailbox: String,
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Failure {
        let status = match error.class() {
            Class::Transient => Status::Unavailable,
            Class::Permanent => Status::TryAgain,
            Class::Credentials | Class::Fatal => Status::Configuration,
        };
        Failure::new(status, error.to_string())
    }
}

/// What somebody who signs in has to do.
pub fn invitation(code: &Code, oauth: &OAuthConfig) -> [String; 3] {
    let minutes = code.life.as_secs().div_ceil(60);
    [
        format!("Open {} in a browser, on any machine,", code.url),
        format!("enter the code {} within {minutes} min,", code.text),
        format!("and sign in as {}.", oauth.login),
    ]
}

impl Signin {
    /// Prints where the code is typed in, and waits until it was.
    pub fn perform(&self, common: &Common) -> Ended {
        let config = common.generation()?.config;
        common.begin_logging("warn")?;
        let oauth = self.oauth(&config)?;
        let sign_ins = SignIns::new(&config.state_dir, Clock::system());
        let who = runtime()?.block_on(async {
            let code = sign_ins.code(oauth).await?;
            let mut out = std::io::stdout();
            invitation(&code, oauth)
                .iter()
                .try_for_each(|line| writeln!(out, "{line}"))?;
            Ok::<_, Failure>(sign_ins.signed_in(oauth, &code).await?)
        })?;
        self.say_who(oauth, who.as_deref())
    }

    fn oauth<'a>(&self, config: &'a Config) -> Result<&'a OAuthConfig, Failure> {
        let known = || config.mailboxes.keys().map(|name| name.0.as_str());
        let wanted = &self.mailbox;
        let Some(mailbox) = config.mailboxes.get(&MailboxName(wanted.clone())) else {
            let text = format!("there is no [mailbox.{wanted}]; {}", suggest(wanted, known()));
            return Err(Failure::new(Status::Usage, text));
        };
        let oauth = match &mailbox.source {
            MailboxSource::Imap(imap) => imap.sign_in.oauth(),
            MailboxSource::Maildir { .. } => None,
        };
        oauth.ok_or_else(|| {
            let text = format!("mailbox {wanted:?} does not sign in with OAuth; give it an oauth table");
            Failure::new(Status::Configuration, text)
        })
    }

    fn say_who(&self, oauth: &OAuthConfig, who: Option<&str>) -> Ended {
        let mailbox = &self.mailbox;
        let mut out = std::io::stdout();
        match who {
            Some(who) => writeln!(out, "{who} has signed in for mailbox {mailbox}.")?,
            None => writeln!(out, "Mailbox {mailbox} is signed in.")?,
        }
        writeln!(
            out,
            "A running service takes it within a quarter of an hour, after a reload at once."
        )?;
        if let Some(who) = who.filter(|who| !who.eq_ignore_ascii_case(&oauth.login)) {
            eprintln!(
                "warning: username is {}, and {who} has signed in; where these are two accounts, correct username or sign in again",
                oauth.login
            );
        }
        Ok(Status::Done)
    }
}
