//! A provider's refusal as one plain sentence and the next step: Microsoft's numbers, Google's texts, and the words
//! of RFC 6749, section 5.2, for everybody else.

use super::{
    answer::{Said, words},
    error::sign_in_again,
};
use crate::config::{Grant, OAuthConfig, Provider};

/// What is wrong, with the provider's own words in brackets, and what to do.
pub(super) fn of(config: &OAuthConfig, said: &Said) -> (String, String) {
    let known = match config.provider {
        Provider::Microsoft => microsoft(config, said),
        Provider::Google => google(config, said),
        Provider::Other => None,
    };
    let (sentence, remedy) = known.unwrap_or_else(|| general(config, said));
    (format!("{sentence} ({})", words(said)), remedy)
}

/// By the number in `AADSTS7000215: …`.
fn microsoft(config: &OAuthConfig, said: &Said) -> Option<(String, String)> {
    let number = said.description.split_once("AADSTS")?.1;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    let (sentence, remedy) = match number[..digits].parse().ok()? {
        7_000_215 => (
            "the client secret is not the application's",
            "set client_secret to the secret's Value, not to its Secret ID",
        ),
        7_000_222 => (
            "the client secret has expired",
            "make a new one under Certificates & secrets, set client_secret, and note its end in client_secret_expires",
        ),
        700_016 => (
            "the tenant has no application with this client_id",
            "compare client_id and tenant with the overview of the app registration",
        ),
        90_002 | 900_023 => (
            "there is no such tenant",
            "set tenant to the directory's id or to one of its domains",
        ),
        7_000_229 => (
            "the tenant has no service principal for the application",
            "have an administrator consent to the application once",
        ),
        7_000_112 => (
            "the application is disabled in the tenant",
            "enable it under Enterprise applications",
        ),
        65_001 => (
            "nobody has consented to what the application asks for",
            "grant admin consent under API permissions, or sign in and consent",
        ),
        700_082 | 70_008 | 700_084 => return Some(sign_in("the sign-in has expired", config)),
        50_173 | 70_000 | 50_089 => {
            return Some(sign_in("the sign-in was revoked, as by a new password", config));
        }
        50_076 | 50_079 | 50_072 | 50_074 => return Some(sign_in("the sign-in needs a second factor", config)),
        53_000 | 53_001 | 53_003 => (
            "a Conditional Access policy forbids the sign-in",
            "exclude the account or this machine's address from the policy",
        ),
        50_034 => ("the tenant knows no such account", "compare username with the account"),
        50_057 => ("the account is disabled", "enable it, or sign in as another one"),
        7_000_218 => (
            "the application may not sign in without a secret",
            "set \"Allow public client flows\" under Authentication, or set client_secret",
        ),
        70_011 | 1_002_012 | 500_011 => (
            "the scope is none that can be asked for so",
            match config.grant {
                Grant::RefreshToken => "leave scope out",
                _ => "set scope to https://outlook.office365.com/.default, or leave it out",
            },
        ),
        _ => return None,
    };
    Some((sentence.to_owned(), remedy.to_owned()))
}

/// Google has a word for many things, and tells them apart in its description.
fn google(config: &OAuthConfig, said: &Said) -> Option<(String, String)> {
    let says = |text: &str| said.description.to_ascii_lowercase().contains(text);
    let assertion = config.grant == Grant::ServiceAccount;
    let (sentence, remedy) = match said.error.as_str() {
        "invalid_grant" if assertion && (says("iat") || says("exp") || says("timeframe")) => {
            ("the assertion is of another time", "set this machine's clock")
        }
        "invalid_grant" if assertion && says("signature") => (
            "the key of the service account is not valid any more",
            "make a new JSON key and set service_account to it",
        ),
        "invalid_grant" if assertion && (says("user id") || says("account not found")) => (
            "there is no such account",
            "compare username, or mailbox, with a user of your Workspace, and service_account with its key",
        ),
        "unauthorized_client" if assertion => (
            "the service account may not act for this user",
            "in the Admin console, under API controls, Domain-wide delegation, add the service account's client id with the scope https://mail.google.com/",
        ),
        "invalid_grant" if config.grant == Grant::RefreshToken => {
            let (sentence, remedy) = sign_in("the sign-in has expired or was revoked", config);
            let hint = "that of an app whose publishing status is Testing ends after seven days";
            return Some((sentence, format!("{remedy}; {hint}")));
        }
        "access_denied" | "admin_policy_enforced" => (
            "a policy of the Workspace forbids it",
            "have its administrator trust the app under API controls",
        ),
        _ => return None,
    };
    Some((sentence.to_owned(), remedy.to_owned()))
}

fn general(config: &OAuthConfig, said: &Said) -> (String, String) {
    let (sentence, remedy) = match said.error.as_str() {
        "" if (200..300).contains(&said.http_status) => (
            "its answer holds no token",
            "compare token_url with the provider's documentation",
        ),
        "" => (
            "nothing there gives tokens",
            match config.provider {
                Provider::Microsoft => "compare tenant and token_url with the overview of the app registration",
                _ => "compare token_url with the provider's documentation",
            },
        ),
        "invalid_client" => (
            "it does not know the application",
            "compare client_id and client_secret with the provider's",
        ),
        "invalid_grant" if config.grant == Grant::RefreshToken => {
            return sign_in("the sign-in has expired or was revoked", config);
        }
        "invalid_grant" => (
            "it does not take what the token is asked for with",
            "compare the application's settings with the provider's documentation",
        ),
        "unauthorized_client" | "unsupported_grant_type" => (
            "the application may not ask so",
            "allow this grant for the application, or set grant to another one",
        ),
        "invalid_scope" => ("it does not know the scope, or does not grant it", "correct scope"),
        "access_denied" => ("somebody declined", "sign in again and accept"),
        _ => ("it says no", "what it says stands in brackets"),
    };
    (sentence.to_owned(), remedy.to_owned())
}

fn sign_in(sentence: &str, config: &OAuthConfig) -> (String, String) {
    (sentence.to_owned(), sign_in_again(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::tests::config;

    fn check(provider: Provider, grant: Grant, error: &str, description: &str, sentence: &str, remedy: &str) {
        let said = Said {
            http_status: 400,
            error: error.to_owned(),
            description: description.to_owned(),
        };
        let (reason, next) = of(&config(provider, grant), &said);
        assert!(reason.starts_with(&format!("{sentence} ({error}")), "{reason}");
        assert!(next.contains(remedy), "{next}");
    }

    #[test]
    fn microsofts_numbers_become_sentences() {
        use Grant::{ClientCredentials, RefreshToken};
        let again = "run halo-intake signin support";
        for (grant, number, sentence, remedy) in [
            (
                ClientCredentials,
                7_000_215,
                "the client secret is not the application's",
                "not to its Secret ID",
            ),
            (
                ClientCredentials,
                7_000_222,
                "the client secret has expired",
                "make a new one",
            ),
            (
                ClientCredentials,
                700_016,
                "the tenant has no application with this client_id",
                "compare client_id",
            ),
            (ClientCredentials, 90_002, "there is no such tenant", "set tenant"),
            (
                ClientCredentials,
                7_000_229,
                "the tenant has no service principal for the application",
                "consent",
            ),
            (
                ClientCredentials,
                65_001,
                "nobody has consented to what the application asks for",
                "admin consent",
            ),
            (RefreshToken, 700_082, "the sign-in has expired", again),
            (RefreshToken, 70_008, "the sign-in has expired", again),
            (
                RefreshToken,
                50_173,
                "the sign-in was revoked, as by a new password",
                again,
            ),
            (RefreshToken, 50_076, "the sign-in needs a second factor", again),
            (RefreshToken, 50_079, "the sign-in needs a second factor", again),
            (
                RefreshToken,
                53_003,
                "a Conditional Access policy forbids the sign-in",
                "exclude",
            ),
            (
                RefreshToken,
                7_000_218,
                "the application may not sign in without a secret",
                "public client flows",
            ),
            (
                RefreshToken,
                70_011,
                "the scope is none that can be asked for so",
                "leave scope out",
            ),
            (
                ClientCredentials,
                1_002_012,
                "the scope is none that can be asked for so",
                "/.default",
            ),
            (
                ClientCredentials,
                4711,
                "it does not know the application",
                "compare client_id and client_secret",
            ),
        ] {
            let description = format!("AADSTS{number}: something of theirs.");
            check(
                Provider::Microsoft,
                grant,
                "invalid_client",
                &description,
                sentence,
                remedy,
            );
        }
    }

    #[test]
    fn googles_texts_become_sentences() {
        use Grant::{RefreshToken, ServiceAccount};
        for (grant, error, description, sentence, remedy) in [
            (
                ServiceAccount,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values",
                "the assertion is of another time",
                "set this machine's clock",
            ),
            (
                ServiceAccount,
                "invalid_grant",
                "Invalid JWT Signature.",
                "the key of the service account is not valid any more",
                "make a new JSON key",
            ),
            (
                ServiceAccount,
                "invalid_grant",
                "Invalid email or User ID",
                "there is no such account",
                "compare username",
            ),
            (
                ServiceAccount,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method",
                "the service account may not act for this user",
                "Domain-wide delegation",
            ),
            (
                RefreshToken,
                "invalid_grant",
                "Token has been expired or revoked.",
                "the sign-in has expired or was revoked",
                "Testing ends after seven days",
            ),
            (
                RefreshToken,
                "invalid_client",
                "Unauthorized",
                "it does not know the application",
                "compare client_id and client_secret",
            ),
        ] {
            check(Provider::Google, grant, error, description, sentence, remedy);
        }
    }

    #[test]
    fn every_word_of_the_standard_becomes_a_sentence() {
        for (error, sentence) in [
            ("invalid_client", "it does not know the application"),
            ("invalid_grant", "the sign-in has expired or was revoked"),
            ("unauthorized_client", "the application may not ask so"),
            ("unsupported_grant_type", "the application may not ask so"),
            ("invalid_scope", "it does not know the scope, or does not grant it"),
            ("access_denied", "somebody declined"),
            ("invalid_request", "it says no"),
        ] {
            check(Provider::Other, Grant::RefreshToken, error, "", sentence, "");
        }
    }
}
