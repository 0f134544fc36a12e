//! `password` or `oauth`: how a login signs in to a mail server.

use std::path::PathBuf;

use ::config::{Map, Value};
use jiff::civil::Date;
use url::Url;

use super::{
    MailboxName,
    connections::url,
    endpoint::secret,
    table::Table,
    value::{Read, line, refuse},
};
use crate::secret::Secret;

/// How a login signs in.
#[derive(Debug, Clone, PartialEq)]
pub enum SignIn {
    /// With a password.
    Password(Secret),
    /// With a token of OAuth 2.
    OAuth(Box<OAuthConfig>),
}

/// Where the tokens of a login come from (RFC 6749).
#[derive(Debug, Clone, PartialEq)]
pub struct OAuthConfig {
    pub provider: Provider,
    pub grant: Grant,
    pub token_url: Url,
    /// `None`: nobody can sign in with a code.
    pub device_url: Option<Url>,
    /// Empty for a service account, whose key names it.
    pub client_id: String,
    pub client_secret: Option<Secret>,
    /// The last day of the client secret, as the operator noted it.
    pub client_secret_expires: Option<Date>,
    pub scope: String,
    /// The first one; what the provider gives in its place is kept in the state folder.
    pub refresh_token: Option<Secret>,
    /// Google's key, as JSON.
    pub service_account: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    /// Whose token it is: who signed in, or whom a service account acts for.
    pub login: String,
    /// The mailbox that `halo-intake signin` signs in.
    pub mailbox: Option<MailboxName>,
}

/// Whose words the errors are in, and whose addresses and scopes are built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Microsoft,
    Google,
    Other,
}

/// What a token is asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// As the application itself (RFC 6749, 4.4).
    ClientCredentials,
    /// As somebody who signed in once (RFC 6749, 6).
    RefreshToken,
    /// With an assertion that a service account signs (RFC 7523).
    ServiceAccount,
}

const PROVIDERS: [(&str, Provider); 3] = [
    ("microsoft", Provider::Microsoft),
    ("google", Provider::Google),
    ("other", Provider::Other),
];
const GRANTS: [(&str, Grant); 3] = [
    ("client_credentials", Grant::ClientCredentials),
    ("refresh_token", Grant::RefreshToken),
    ("service_account", Grant::ServiceAccount),
];

const MICROSOFT: &str = "https://login.microsoftonline.com";
const OF_THE_APPLICATION: &str = "https://outlook.office365.com/.default";
const DELEGATED: &str =
    "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access";
const GOOGLE: &str = "https://oauth2.googleapis.com/token";
const GOOGLE_MAIL: &str = "https://mail.google.com/";

/// Who is to sign in.
pub struct Who<'a> {
    /// The name behind `username`.
    pub username: &'a str,
    /// The mailbox that is opened, or the address that mail leaves from.
    pub acts_as: &'a str,
    /// `None` in [smtp].
    pub mailbox: Option<MailboxName>,
}

impl SignIn {
    /// The password's or the tokens' side of a table; exactly one of both has to be there.
    pub fn read(table: &Table<'_>, who: Option<&Who<'_>>) -> Option<SignIn> {
        const EXAMPLE: &str = "{ credential = \"NAME\" }, or oauth = { provider = \"…\", … }";
        let password = table.get("password", secret);
        match (table.wrote("password"), table.wrote("oauth")) {
            (_, true) => {
                let oauth = table.table("oauth", Map::new());
                let oauth = oauth.map(|table| {
                    let read = OAuthConfig::read(&table, who);
                    table.finish();
                    read
                });
                if table.wrote("password") {
                    table.fault("oauth", "stands beside a password", "remove one of them");
                    return None;
                }
                oauth?.map(|oauth| SignIn::OAuth(Box::new(oauth)))
            }
            (true, false) => password.map(SignIn::Password),
            (false, false) => {
                table.lacks("password", EXAMPLE);
                None
            }
        }
    }

    /// Where tokens come from, if it is by tokens.
    pub fn oauth(&self) -> Option<&OAuthConfig> {
        match self {
            SignIn::Password(_) => None,
            SignIn::OAuth(oauth) => Some(oauth),
        }
    }
}

impl OAuthConfig {
    fn read(table: &Table<'_>, who: Option<&Who<'_>>) -> Option<OAuthConfig> {
        let provider = table.need("provider", "\"microsoft\", \"google\" or \"other\"", |value| {
            super::value::choice(value, &PROVIDERS)
        });
        let written = Written::read(table);
        let provider = provider?;
        let grant = written.grant(provider);
        written.check(table, provider, grant, who.is_some_and(|who| who.mailbox.is_some()));
        let (token_url, device_url) = written.urls(table, provider, grant)?;
        let scope = written.scope.unwrap_or_else(|| usual_scope(provider, grant).to_owned());
        let who = who?;
        let login = if grant == Grant::ServiceAccount {
            who.acts_as
        } else {
            who.username
        };
        Some(OAuthConfig {
            provider,
            grant,
            token_url,
            device_url,
            client_id: written.client_id.unwrap_or_default(),
            client_secret: written.client_secret,
            client_secret_expires: written.client_secret_expires,
            scope,
            refresh_token: written.refresh_token,
            service_account: written.service_account,
            ca_file: written.ca_file,
            login: login.to_owned(),
            mailbox: who.mailbox.clone(),
        })
    }
}

/// The keys of the table, each by itself.
struct Written {
    grant: Option<Grant>,
    tenant: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    client_secret_expires: Option<Date>,
    refresh_token: Option<Secret>,
    service_account: Option<Secret>,
    scope: Option<String>,
    token_url: Option<Url>,
    device_url: Option<Url>,
    ca_file: Option<PathBuf>,
}

impl Written {
    fn read(table: &Table<'_>) -> Written {
        Written {
            grant: table.choice("grant", &GRANTS),
            tenant: table.get("tenant", tenant),
            client_id: table.line("client_id"),
            client_secret: table.get("client_secret", secret),
            client_secret_expires: table.get("client_secret_expires", date),
            refresh_token: table.get("refresh_token", secret),
            service_account: table.get("service_account", secret),
            scope: table.line("scope"),
            token_url: table.get("token_url", endpoint),
            device_url: table.get("device_url", endpoint),
            ca_file: table.path_value("ca_file"),
        }
    }

    /// What is written decides, where nobody says it.
    fn grant(&self, provider: Provider) -> Grant {
        let delegated = self.refresh_token.is_some();
        self.grant.unwrap_or(match provider {
            Provider::Microsoft if self.client_secret.is_some() && !delegated => Grant::ClientCredentials,
            Provider::Google if self.service_account.is_some() => Grant::ServiceAccount,
            Provider::Other if self.service_account.is_some() => Grant::ServiceAccount,
            Provider::Other if !delegated && self.device_url.is_none() => Grant::ClientCredentials,
            _ => Grant::RefreshToken,
        })
    }

    /// What each grant needs.
    fn check(&self, table: &Table<'_>, provider: Provider, grant: Grant, can_sign_in: bool) {
        let lacks = |key: &str, example: &str| {
            if !table.wrote(key) {
                table.lacks(key, example);
            }
        };
        if grant != Grant::ServiceAccount {
            lacks("client_id", "\"…\", as the provider shows it for the application");
        }
        match (provider, grant) {
            (_, Grant::ServiceAccount) => lacks("service_account", "{ file = \"PATH\" }, the key as JSON"),
            (_, Grant::ClientCredentials) => lacks("client_secret", "{ credential = \"NAME\" }"),
            (Provider::Google, Grant::RefreshToken) => lacks(
                "refresh_token",
                "{ credential = \"NAME\" }, or service_account = { file = \"PATH\" }",
            ),
            (Provider::Microsoft, Grant::RefreshToken) if can_sign_in => {}
            (Provider::Other, Grant::RefreshToken) if can_sign_in && table.wrote("device_url") => {}
            (_, Grant::RefreshToken) if can_sign_in => {
                lacks("refresh_token", "{ credential = \"NAME\" }, or device_url = \"…\"");
            }
            (_, Grant::RefreshToken) => lacks(
                "refresh_token",
                "{ credential = \"NAME\" }, or write oauth = { mailbox = \"NAME\" } to sign in as a mailbox does",
            ),
        }
        if provider != Provider::Microsoft {
            table.forbid("tenant", "belongs to provider \"microsoft\"", "remove it");
        }
    }

    fn urls(&self, table: &Table<'_>, provider: Provider, grant: Grant) -> Option<(Url, Option<Url>)> {
        let built_in = |path: &str| {
            let tenant = self.tenant.as_ref()?;
            Some(fixed(&format!("{MICROSOFT}/{tenant}/oauth2/v2.0/{path}")))
        };
        let (token_url, device_url) = match provider {
            Provider::Microsoft => (built_in("token"), built_in("devicecode")),
            Provider::Google => (Some(fixed(GOOGLE)), None),
            Provider::Other => (None, None),
        };
        let token_url = self.token_url.clone().or(token_url);
        if token_url.is_none() && provider == Provider::Microsoft {
            if !table.wrote("tenant") && !table.wrote("token_url") {
                table.lacks("tenant", "\"…\", the directory's id or one of its domains");
            }
        } else if token_url.is_none() && !table.wrote("token_url") {
            table.lacks("token_url", "\"https://…\", where the provider gives tokens");
        }
        let device_url = self.device_url.clone().or(device_url);
        Some((token_url?, device_url.filter(|_| grant == Grant::RefreshToken)))
    }
}

fn usual_scope(provider: Provider, grant: Grant) -> &'static str {
    match (provider, grant) {
        (Provider::Microsoft, Grant::RefreshToken) => DELEGATED,
        (Provider::Microsoft, _) => OF_THE_APPLICATION,
        (Provider::Google, _) => GOOGLE_MAIL,
        (Provider::Other, _) => "",
    }
}

fn fixed(text: &str) -> Url {
    Url::parse(text).expect("a fixed address with a tenant of letters, digits, dots and dashes")
}

/// Where secrets are sent to: never in the clear beyond this machine.
fn endpoint(value: &Value) -> Read<Url> {
    const EXAMPLE: &str = "write the provider's address, with https://";
    url(value, false).or_else(|refusal| refuse(refusal.problem, EXAMPLE))
}

/// It becomes part of an address.
fn tenant(value: &Value) -> Read<String> {
    let written = line(value)?;
    if written.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) && !written.contains("..") {
        return Ok(written);
    }
    refuse(
        format!("is {written:?}, which is no tenant"),
        "write the directory's id, or one of its domains such as \"example.com\"",
    )
}

fn date(value: &Value) -> Read<Date> {
    let written = line(value)?;
    written.parse().or_else(|_| {
        refuse(
            format!("is {written:?}, which is no date"),
            "write it as \"2027-05-31\"",
        )
    })
}

#[cfg(test)]
mod tests;
