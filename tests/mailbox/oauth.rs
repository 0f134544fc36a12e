//! Signing in with tokens: a Dovecot that verifies those of a small authorization server.

use std::{path::Path, time::Duration};

use halo_intake::{
    class::Class,
    config::{Grant, OAuthConfig, Provider},
    oauth::{DeviceError, OAuthError, Protocol, Token, advice},
    secret::ExposeSecret,
};
use serde_json::json;

use super::*;
use crate::{
    authorization::{Authorization, CLIENT_ID, CLIENT_SECRET, Device, FIRST, ISSUER, KEY},
    dovecot::Options,
    script::{Script, Step},
};

const ANN: &str = "ann@example.org";

fn literal(text: &str) -> Option<Secret> {
    Some(Secret::Literal(SecretString::from(text)))
}

/// As the application itself, at a provider that speaks as Microsoft does.
fn application(provider: &Authorization) -> OAuthConfig {
    OAuthConfig {
        provider: Provider::Microsoft,
        grant: Grant::ClientCredentials,
        token_url: provider.url("token").parse().unwrap(),
        device_url: None,
        client_id: CLIENT_ID.to_owned(),
        client_secret: literal(CLIENT_SECRET),
        client_secret_expires: None,
        scope: "https://outlook.office365.com/.default".to_owned(),
        refresh_token: None,
        service_account: None,
        ca_file: None,
        login: ANN.to_owned(),
        mailbox: Some(name()),
    }
}

/// As somebody who signed in.
fn delegated(provider: &Authorization, refresh_token: Option<&str>) -> OAuthConfig {
    OAuthConfig {
        grant: Grant::RefreshToken,
        device_url: Some(provider.url("device").parse().unwrap()),
        client_secret: None,
        refresh_token: refresh_token.and_then(literal),
        ..application(provider)
    }
}

fn by_token(config: ImapConfig, oauth: OAuthConfig) -> ImapConfig {
    ImapConfig {
        sign_in: SignIn::OAuth(Box::new(oauth)),
        ..config
    }
}

fn dovecot(mechanisms: &'static str) -> Dovecot {
    let server = Dovecot::start_with(&Options {
        tokens: Some((mechanisms, KEY, ISSUER)),
        ..Options::default()
    });
    server.add_user(ANN);
    server
}

fn sign_ins(state_dir: &Path) -> SignIns {
    SignIns::new(state_dir, Clock::system())
}

async fn token(sign_ins: &SignIns, config: &OAuthConfig) -> Result<Token, OAuthError> {
    in_time(sign_ins.token(config)).await
}

fn shown(token: &Token) -> &str {
    token.bearer.expose_secret()
}

#[tokio::test]
async fn a_token_signs_in_by_either_mechanism_and_is_used_again() {
    for mechanisms in ["xoauth2 oauthbearer", "oauthbearer"] {
        let (server, provider) = (dovecot(mechanisms), Authorization::start(ANN));
        let state = tempfile::tempdir().unwrap();
        let sign_ins = sign_ins(state.path());
        let config = by_token(imap(&server, ANN), application(&provider));
        for _ in 0..2 {
            let mut mailbox = open_with(config.clone(), &sign_ins).await.unwrap();
            in_time(mailbox.select()).await.unwrap();
        }
        assert_eq!(provider.asked(), 1, "{mechanisms}");
    }
}

#[tokio::test]
async fn a_refused_token_is_told_with_what_is_wrong_with_it() {
    let (server, provider) = (dovecot("xoauth2 oauthbearer"), Authorization::start(ANN));
    let bearer_only = dovecot("oauthbearer");
    let state = tempfile::tempdir().unwrap();
    let roles = json!(["IMAP.AccessAsApp"]);
    for (exp, claims, part) in [
        (-60, json!({ "roles": roles }), "Add-MailboxPermission"),
        (
            3600,
            json!({ "iss": "https://other.example", "aud": "https://graph.microsoft.com" }),
            "the token is for https://graph.microsoft.com, not for Exchange Online; set scope to",
        ),
        (
            3600,
            json!({ "email": "bob@example.org" }),
            "the token lacks the role IMAP.AccessAsApp; add IMAP.AccessAsApp of Office 365 Exchange Online",
        ),
    ] {
        provider.switch(|switches| (switches.exp, switches.claims) = (exp, claims));
        for server in [&server, &bearer_only] {
            let sign_ins = sign_ins(state.path());
            let config = by_token(imap(server, ANN), application(&provider));
            let error = open_with(config, &sign_ins).await.err().unwrap();
            assert!(matches!(error, MailboxError::Token { .. }), "{error}");
            assert_eq!(error.class(), Class::Credentials);
            let text = error.to_string();
            assert!(text.contains(part) && text.contains("(status "), "{text}");
            assert!(!text.contains("eyJ"), "{text}");
        }
    }
    assert_eq!(provider.asked(), 6, "a token that is new is not fetched once more");
}

#[tokio::test]
async fn a_token_that_was_good_and_is_refused_is_replaced_once() {
    let provider = Authorization::start("ann");
    let state = tempfile::tempdir().unwrap();
    let sign_ins = sign_ins(state.path());
    let oauth = application(&provider);
    let first = token(&sign_ins, &oauth).await.unwrap();
    let refuse = || {
        [
            Step::Expect("AUTHENTICATE XOAUTH2"),
            Step::Say("+ \r\n".to_owned()),
            Step::Expect("dXNlcj1hbm4BYXV0aD1CZWFyZXIg"),
            Step::Say("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n".to_owned()),
            Step::Expect("\r\n"),
        ]
    };
    let greeting = || Step::Say("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 AUTH=OAUTHBEARER] hello\r\n".to_owned());
    let mut steps = vec![greeting()];
    steps.extend(refuse());
    steps.push(Step::Say("H1 NO [AUTHENTICATIONFAILED] expired\r\n".to_owned()));
    steps.extend(refuse());
    steps.push(Step::Say("H2 NO [AUTHENTICATIONFAILED] not yours\r\n".to_owned()));
    steps.push(Step::ExpectEnd);
    let script = Script::play(steps);
    let config = by_token(scripted(script.port), oauth.clone());
    let error = open_with(config, &sign_ins).await.err().unwrap();
    assert!(error.to_string().contains("not yours (status 401)"), "{error}");
    script.join();
    assert_eq!(provider.asked(), 2);
    let second = token(&sign_ins, &oauth).await.unwrap();
    assert_ne!(shown(&first), shown(&second));
    assert_eq!(provider.asked(), 2, "the one that came last is kept");
}

#[tokio::test]
async fn a_server_that_takes_no_tokens_is_shown_none() {
    let provider = Authorization::start("ann");
    let script = Script::play(vec![
        Step::Say("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let error = open_with(by_token(scripted(script.port), application(&provider)), &nobody()).await;
    let text = error.err().unwrap().to_string();
    assert!(text.contains("offers neither XOAUTH2 nor OAUTHBEARER"), "{text}");
    script.join();
    assert_eq!(provider.asked(), 0);
}

#[tokio::test]
async fn a_mailbox_that_is_not_connected_names_the_permission() {
    let provider = Authorization::start("ann");
    let script = Script::play(vec![
        Step::Say("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] hello\r\n".to_owned()),
        Step::Expect("AUTHENTICATE XOAUTH2"),
        Step::Say("+ \r\n".to_owned()),
        // user=shared@example.com, whoever signs in
        Step::Expect("dXNlcj1zaGFyZWRAZXhhbXBsZS5jb20B"),
        Step::Say("H1 OK [CAPABILITY IMAP4rev1] in\r\n".to_owned()),
        Step::Expect("LIST"),
        Step::Say("TAG BAD User is authenticated but not connected.\r\n".to_owned()),
        Step::Expect("SELECT"),
        Step::Say("TAG BAD User is authenticated but not connected.\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let config = ImapConfig {
        mailbox: Some("shared@example.com".to_owned()),
        ..by_token(scripted(script.port), application(&provider))
    };
    let error = open_with(config, &nobody()).await.err().unwrap();
    assert_eq!(error.class(), Class::Credentials);
    let text = error.to_string();
    assert!(
        text.contains("does not open the mailbox shared@example.com") && text.contains("Add-MailboxPermission"),
        "{text}"
    );
    script.join();
}

#[tokio::test]
async fn many_who_need_a_token_share_one() {
    let provider = Authorization::start(ANN);
    provider.switch(|switches| switches.slow = Some(Duration::from_millis(50)));
    let state = tempfile::tempdir().unwrap();
    let (sign_ins, oauth) = (sign_ins(state.path()), application(&provider));
    let tokens = futures_util::future::join_all((0..20).map(|_| sign_ins.token(&oauth))).await;
    let first = tokens[0].as_ref().unwrap();
    assert!(
        tokens
            .iter()
            .all(|token| shown(token.as_ref().unwrap()) == shown(first))
    );
    assert_eq!(provider.asked(), 1);
    // What goes away while it waits breaks nothing off, and what is refused is not asked for again at once.
    sign_ins.discard(&oauth, first).await;
    provider.switch(|switches| switches.refuse(401, "invalid_client", "AADSTS7000222: over. Trace ID: 1"));
    for _ in 0..3 {
        let error = token(&sign_ins, &oauth).await.unwrap_err();
        assert!(error.to_string().contains("the client secret has expired"), "{error}");
        assert!(!error.to_string().contains("Trace ID"), "{error}");
    }
    assert_eq!(provider.asked(), 2);
    sign_ins.forget();
    token(&sign_ins, &oauth).await.unwrap_err();
    assert_eq!(provider.asked(), 3, "a reload asks again");
}

#[tokio::test]
async fn a_provider_that_can_not_just_now_is_told_from_one_that_refuses() {
    let provider = Authorization::start(ANN);
    let state = tempfile::tempdir().unwrap();
    let oauth = application(&provider);
    let page = "<html><body>Sorry</body></html>";
    for (http_status, media_type, body, class, part) in [
        (500, "text/html", page, Class::Transient, "500 Internal Server Error"),
        (429, "application/json", "{}", Class::Transient, "429 Too Many Requests"),
        (403, "text/html", page, Class::Transient, "403 Forbidden"),
        (
            503,
            "application/json",
            r#"{"error":"temporarily_unavailable"}"#,
            Class::Transient,
            "temporarily_unavailable",
        ),
        (404, "text/html", page, Class::Credentials, "nothing there gives tokens"),
        (200, "text/html", page, Class::Credentials, "its answer holds no token"),
        (302, "text/html", "", Class::Credentials, "nothing there gives tokens"),
    ] {
        provider.switch(|switches| switches.answer = Some((http_status, media_type, body.to_owned())));
        let error = token(&sign_ins(state.path()), &oauth).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let nobody_there = OAuthConfig {
        token_url: "http://127.0.0.1:1/token".parse().unwrap(),
        ..oauth
    };
    let error = token(&sign_ins(state.path()), &nobody_there).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn no_error_repeats_a_secret() {
    let provider = Authorization::start(ANN);
    let state = tempfile::tempdir().unwrap();
    let sign_ins = sign_ins(state.path());
    provider.switch(|switches| {
        switches.refuse(400, "invalid_grant", "application-secret and refresh-0 are both wrong");
    });
    let both = OAuthConfig {
        client_secret: literal(CLIENT_SECRET),
        ..delegated(&provider, Some(FIRST))
    };
    let text = token(&sign_ins, &both).await.unwrap_err().to_string();
    assert!(text.contains("(secret) and (secret) are both wrong"), "{text}");
    let debug = format!("{sign_ins:?} {both:?}");
    assert!(!debug.contains(FIRST) && !debug.contains(CLIENT_SECRET), "{debug}");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_and_outlives_the_process() {
    let provider = Authorization::start(ANN);
    provider.switch(|switches| (switches.rotates, switches.life) = (true, 0));
    let state = tempfile::tempdir().unwrap();
    let oauth = delegated(&provider, Some(FIRST));
    for _ in 0..2 {
        let sign_ins = sign_ins(state.path());
        token(&sign_ins, &oauth).await.unwrap();
        token(&sign_ins, &oauth).await.unwrap();
    }
    let used = provider.refreshed_with();
    assert_eq!(used, [FIRST, "refresh-1", "refresh-3", "refresh-5"]);
    let kept: Vec<_> = std::fs::read_dir(state.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    for file in &kept {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!file.file_name().to_string_lossy().ends_with(".new"), "{file:?}");
    }
    // The operator has replaced it: that one is meant.
    provider.allow("refresh-new");
    let replaced = delegated(&provider, Some("refresh-new"));
    token(&sign_ins(state.path()), &replaced).await.unwrap();
    token(&sign_ins(state.path()), &replaced).await.unwrap();
    assert_eq!(
        provider.refreshed_with()[4..],
        ["refresh-new".to_owned(), "refresh-9".to_owned()]
    );
}

#[tokio::test]
async fn two_processes_never_use_one_refresh_token_twice() {
    let provider = Authorization::start(ANN);
    provider.switch(|switches| {
        (switches.rotates, switches.life) = (true, 0);
        switches.slow = Some(Duration::from_millis(20));
    });
    let state = tempfile::tempdir().unwrap();
    let oauth = delegated(&provider, Some(FIRST));
    let processes: Vec<SignIns> = (0..6).map(|_| sign_ins(state.path())).collect();
    let all = futures_util::future::join_all(processes.iter().map(|sign_ins| sign_ins.token(&oauth)));
    for token in in_time(all).await {
        token.unwrap();
    }
    let mut used = provider.refreshed_with();
    used.sort();
    used.dedup();
    assert_eq!(used.len(), 6);
}

#[tokio::test]
async fn who_goes_away_meanwhile_loses_no_refresh_token() {
    let provider = Authorization::start(ANN);
    provider.switch(|switches| {
        switches.rotates = true;
        switches.slow = Some(Duration::from_millis(200));
    });
    let state = tempfile::tempdir().unwrap();
    let (sign_ins, oauth) = (sign_ins(state.path()), delegated(&provider, Some(FIRST)));
    let gone = tokio::time::timeout(Duration::from_millis(50), sign_ins.token(&oauth)).await;
    assert!(gone.is_err(), "it was to be cut short");
    token(&sign_ins, &oauth).await.unwrap();
    assert_eq!(provider.refreshed_with(), [FIRST], "the answer was waited for");
}

#[tokio::test]
async fn a_folder_that_can_not_be_written_to_costs_no_refresh_token() {
    let provider = Authorization::start(ANN);
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("file"), "").unwrap();
    let sign_ins = sign_ins(&state.path().join("file/state"));
    let error = token(&sign_ins, &delegated(&provider, Some(FIRST))).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(provider.asked(), 0, "{error}");
}

#[tokio::test]
async fn nobody_has_signed_in_until_somebody_does_with_a_code() {
    let provider = Authorization::start(ANN);
    let state = tempfile::tempdir().unwrap();
    let (sign_ins, oauth) = (sign_ins(state.path()), delegated(&provider, None));
    let error = token(&sign_ins, &oauth).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("nobody has signed in as {ANN} yet; run halo-intake signin support")
    );
    provider.switch(|switches| {
        switches.device = [Device::Pending, Device::Pending, Device::Granted].into();
        switches.claims = json!({ "upn": ANN });
    });
    let code = in_time(sign_ins.code(&oauth)).await.unwrap();
    assert_eq!(
        (code.url.as_str(), code.text.as_str()),
        ("https://login.example.com/device", "ABCD-EFGH")
    );
    assert_eq!(
        in_time(sign_ins.signed_in(&oauth, &code)).await,
        Ok(Some(ANN.to_owned()))
    );
    token(&sign_ins, &oauth).await.unwrap();
    assert_eq!(provider.refreshed_with(), ["refresh-1"]);
    // Revoked, and signed in again.
    provider.revoke();
    sign_ins.forget();
    let error = token(&sign_ins, &oauth).await.unwrap_err().to_string();
    assert!(error.ends_with("; run halo-intake signin support"), "{error}");
    in_time(sign_ins.signed_in(&oauth, &code)).await.unwrap();
    token(&sign_ins, &oauth).await.unwrap();
}

#[tokio::test]
async fn a_code_that_comes_to_nothing_says_why() {
    let provider = Authorization::start(ANN);
    let state = tempfile::tempdir().unwrap();
    let (sign_ins, oauth) = (sign_ins(state.path()), delegated(&provider, None));
    let code = in_time(sign_ins.code(&oauth)).await.unwrap();
    for (device, expected) in [
        (Device::Denied, DeviceError::Declined),
        (Device::Expired, DeviceError::Expired),
    ] {
        provider.switch(|switches| switches.device = [device].into());
        assert_eq!(in_time(sign_ins.signed_in(&oauth, &code)).await, Err(expected));
    }
    provider.switch(|switches| {
        switches.device = [Device::Granted].into();
        switches.forgets_refresh_token = true;
    });
    let ended = in_time(sign_ins.signed_in(&oauth, &code)).await;
    assert_eq!(ended, Err(DeviceError::NoRefreshToken));
    let error = in_time(sign_ins.code(&application(&provider))).await.err().unwrap();
    assert_eq!(error.class(), Class::Credentials, "{error}");
    provider.switch(|switches| switches.refuse(401, "invalid_client", "AADSTS7000218: a secret is missing"));
    let error = in_time(sign_ins.code(&oauth)).await.unwrap_err().to_string();
    assert!(error.contains("Allow public client flows"), "{error}");
}

#[tokio::test]
async fn a_service_account_signs_for_the_mailbox() {
    let (server, provider) = (dovecot("xoauth2"), Authorization::start(ANN));
    let folder = tempfile::tempdir().unwrap();
    let key = service_account(folder.path());
    let state = tempfile::tempdir().unwrap();
    let oauth = OAuthConfig {
        provider: Provider::Google,
        grant: Grant::ServiceAccount,
        client_id: String::new(),
        client_secret: None,
        service_account: Some(Secret::File(key)),
        scope: "https://mail.google.com/".to_owned(),
        ..application(&provider)
    };
    let config = by_token(imap(&server, ANN), oauth.clone());
    open_with(config, &sign_ins(state.path())).await.unwrap();
    let stranger = OAuthConfig {
        login: "eve@example.org".to_owned(),
        ..oauth.clone()
    };
    let error = token(&sign_ins(state.path()), &stranger).await.unwrap_err().to_string();
    assert!(error.contains("Domain-wide delegation"), "{error}");
    let no_key = OAuthConfig {
        service_account: literal("{\"client_email\": \"a@example.org\", \"private_key\": \"hunter2\"}"),
        ..oauth
    };
    let error = token(&sign_ins(state.path()), &no_key).await.unwrap_err().to_string();
    assert!(
        error.contains("BEGIN PRIVATE KEY") && !error.contains("hunter2"),
        "{error}"
    );
}

/// A key as Google hands it out; its `kid` names the file of the public half.
fn service_account(folder: &Path) -> PathBuf {
    let openssl = |arguments: &[&str]| {
        let ran = std::process::Command::new("openssl")
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    openssl(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        "key.pem",
    ]);
    openssl(&[
        "rsa",
        "-in",
        "key.pem",
        "-RSAPublicKey_out",
        "-outform",
        "DER",
        "-out",
        "key.der",
    ]);
    let account = json!({
        "type": "service_account",
        "client_email": "intake@project.example",
        "private_key": std::fs::read_to_string(folder.join("key.pem")).unwrap(),
        "private_key_id": folder.join("key.der"),
    });
    let path = folder.join("account.json");
    std::fs::write(&path, account.to_string()).unwrap();
    path
}

#[tokio::test]
async fn what_a_token_says_of_itself_is_told_to_people() {
    let provider = Authorization::start(ANN);
    let state = tempfile::tempdir().unwrap();
    let oauth = application(&provider);
    provider.switch(|switches| switches.claims = json!({ "roles": ["IMAP.AccessAsApp"] }));
    let signs_in = token(&sign_ins(state.path()), &oauth).await.unwrap();
    assert_eq!(
        signs_in.described(),
        "a token for https://outlook.office365.com, roles IMAP.AccessAsApp, of ann@example.org, good for 59 min"
    );
    assert_eq!(advice(&oauth, Some(&signs_in), ANN, Protocol::Imap).fault, None);
    let sends = advice(&oauth, Some(&signs_in), ANN, Protocol::Smtp);
    assert_eq!(sends.fault.as_deref(), Some("the token lacks the role SMTP.SendAsApp"));
    provider.switch(|switches| switches.opaque = true);
    let opaque = token(&sign_ins(state.path()), &oauth).await.unwrap();
    assert_eq!(
        opaque.described(),
        "a token that only its issuer can read, good for 59 min"
    );
}
