//! What `check` says of sign-ins with OAuth 2.

use jiff::Timestamp;

use super::{Report, say};
use crate::{
    config::{Config, Grant, OAuthConfig},
    oauth::{OAuthError, SignIns, expiry::Expiry},
};

/// Without asking anybody: how old each sign-in is, and when client secrets end.
pub(super) fn lines(config: &Config, sign_ins: &SignIns, now: Timestamp) {
    for (what, oauth) in config.sign_ins() {
        if oauth.grant == Grant::RefreshToken {
            match sign_ins.kept(oauth) {
                Ok(Some(kept)) => say(format_args!(
                    "{what}: {} signed in {}, last renewed {}",
                    oauth.login,
                    ago(kept.signed_in, now),
                    ago(kept.given, now)
                )),
                Ok(None) if oauth.refresh_token.is_none() => {
                    eprintln!("warning: {what}: {}", OAuthError::not_signed_in(oauth));
                }
                Ok(None) => {}
                Err(error) => eprintln!("warning: {what}: {error}"),
            }
        }
        match Expiry::of(oauth, now) {
            Some(expiry) if expiry.warning().is_some() => eprintln!("warning: {what}: {}", expiry.sentence()),
            Some(expiry) => say(format_args!("{what}: {}", expiry.sentence())),
            None => {}
        }
    }
}

fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.duration_since(then).as_secs() / 86_400 {
        ..1 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

impl Report {
    /// Fetches the token and says what it allows; says whether there is one.
    pub(super) async fn token(&mut self, what: &str, oauth: &OAuthConfig, sign_ins: &SignIns) -> bool {
        match sign_ins.token(oauth).await {
            Ok(token) => self.good(what, &format!("there is {}", token.described())),
            Err(ref error) => {
                self.bad(what, &error.to_string(), error.class());
                return false;
            }
        }
        true
    }
}
