use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::rustls::ServerConfig;

use super::*;
use crate::{
    class::Class,
    clock::Clock,
    config::SignIn,
    sandbox::smtp_sink::{Protection, Says, SmtpSink},
    secret::Secret,
};

const LETTER: &str = "From: support@msp.example\r\nSubject: x\r\n\r\n.\r\n..two\r\nend\r\n";

fn letter(recipients: &[&str]) -> Letter {
    Letter {
        return_path: None,
        recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
        octets: LETTER.into(),
        not_after: None,
    }
}

fn config(sink: &SmtpSink) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: sink.address().port(),
        tls: Tls::None,
        ca_file: None,
        login: None,
        timeout: Duration::from_secs(5),
    }
}

fn with_login(sink: &SmtpSink, password: &str) -> SmtpConfig {
    let login = Some((
        "intake".to_owned(),
        SignIn::Password(Secret::Literal(password.to_owned().into())),
    ));
    SmtpConfig { login, ..config(sink) }
}

fn smtp(config: &SmtpConfig) -> Result<Smtp, SmtpError> {
    Smtp::new(
        config,
        &Arc::new(SignIns::new("/nonexistent".as_ref(), Clock::system())),
    )
}

/// Sends one letter; the class of the fault, with its text.
async fn fault(config: &SmtpConfig) -> (Class, String) {
    let error = smtp(config)
        .unwrap()
        .send(&letter(&["ann@customer.example"]))
        .await
        .unwrap_err();
    (error.class(), error.to_string())
}

#[tokio::test]
async fn a_letter_without_return_path_leaves_with_the_null_reverse_path() {
    let sink = SmtpSink::start().await.unwrap();
    let smtp = smtp(&config(&sink)).unwrap().named("mx.msp.example");
    let words = smtp.send(&letter(&["ann@customer.example"])).await.unwrap();
    assert_eq!(words, "250 2.0.0 taken");
    assert_eq!(
        sink.commands(),
        [
            "EHLO mx.msp.example",
            "MAIL FROM:<>",
            "RCPT TO:<ann@customer.example>",
            "DATA"
        ]
    );
    let mails = sink.mails();
    assert_eq!(
        (mails[0].mail_from.as_str(), mails[0].rcpt_to.as_slice()),
        ("", &["ann@customer.example".to_owned()][..])
    );
    assert_eq!(String::from_utf8_lossy(&mails[0].octets), LETTER);
}

#[tokio::test]
async fn letters_one_after_the_other_share_a_connection() {
    let sink = SmtpSink::start().await.unwrap();
    let smtp = smtp(&config(&sink)).unwrap();
    for _ in 0..3 {
        smtp.send(&letter(&["ann@customer.example"])).await.unwrap();
    }
    assert_eq!((sink.mails().len(), sink.connections()), (3, 1));
    smtp.close().await;
    assert_eq!(sink.commands().last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn a_connection_whose_transaction_failed_is_not_used_again() {
    let sink = SmtpSink::start().await.unwrap();
    let smtp = smtp(&config(&sink)).unwrap();
    sink.switch(|switches| switches.rcpt = Some(("ann@".into(), "550 5.1.1 nobody here".into())));
    smtp.send(&letter(&["ann@customer.example"])).await.unwrap_err();
    smtp.send(&letter(&["bob@customer.example"])).await.unwrap();
    assert_eq!((sink.mails().len(), sink.connections()), (1, 2));
}

#[tokio::test]
async fn a_refusal_for_good_is_permanent_and_one_for_now_is_transient() {
    let sink = SmtpSink::start().await.unwrap();
    let config = config(&sink);
    let at = format!("127.0.0.1:{}", sink.address().port());

    sink.switch(|switches| switches.rcpt = Some((String::new(), "550 5.1.1 nobody here".into())));
    let refused = format!("{at} refuses the recipient ann@customer.example: 550 5.1.1 nobody here");
    assert_eq!(fault(&config).await, (Class::Permanent, refused));

    sink.switch(|switches| switches.rcpt = Some((String::new(), "450 4.2.0 greylisted".into())));
    let deferred = format!("{at} does not take the recipient ann@customer.example now: 450 4.2.0 greylisted");
    assert_eq!(fault(&config).await, (Class::Transient, deferred));

    sink.switch(|switches| (switches.rcpt, switches.data) = (None, Some("554 5.6.0 not wanted".into())));
    assert_eq!(
        fault(&config).await,
        (
            Class::Permanent,
            format!("{at} refuses the letter: 554 5.6.0 not wanted")
        )
    );

    sink.switch(|switches| switches.data = Some("452 4.3.1 disk full".into()));
    assert_eq!(fault(&config).await.0, Class::Transient);
    assert!(sink.mails().is_empty());
}

#[test]
fn only_what_is_said_to_a_letter_counts_against_it() {
    let recipient = || Step::Recipient("ann@customer.example".to_owned());
    for (step, code, text, of_this_letter, counts) in [
        (recipient(), 450, "4.2.0 greylisted", true, true),
        (Step::Content, 451, "4.7.1 try again", true, true),
        (Step::Content, 452, "4.3.1 disk full", true, false),
        (recipient(), 451, "4.3.0 temporary lookup failure", true, false),
        (recipient(), 421, "4.7.0 too many connections", false, false),
        (Step::Sender, 451, "4.7.1 try again", false, false),
        (Step::Greeting, 454, "4.7.0 try again", false, false),
    ] {
        let error = SmtpError::of_reply("mx".to_owned(), &step, code, text);
        let found = (error.class(), error.is_of_this_letter(), error.counts());
        assert_eq!(found, (Class::Transient, of_this_letter, counts), "{error}");
    }
}

#[tokio::test]
async fn a_sender_that_is_refused_is_a_fault_of_the_configuration_and_of_no_letter() {
    let sink = SmtpSink::start().await.unwrap();
    let config = config(&sink);
    let denied = "Client does not have permissions to send as this sender";
    for (mail, data) in [
        (Some("550 5.7.1 no null senders".to_owned()), None),
        (Some(format!("550 5.7.60 SMTP; {denied}")), None),
        (None, Some(format!("550 5.7.60 SMTP; {denied}"))),
        (None, Some("554 5.2.252 SendAsDenied; intake@msp.example".to_owned())),
    ] {
        sink.switch(|switches| (switches.mail, switches.data) = (mail, data));
        let (class, text) = fault(&config).await;
        assert_eq!(class, Class::Credentials, "{text}");
        assert!(text.contains("let [smtp] username send as [bounce] from"), "{text}");
    }
    sink.switch(|switches| switches.data = Some("550 5.7.1 not permitted to send 5.7.60 of these".into()));
    assert_eq!(fault(&config).await.0, Class::Permanent);
    sink.switch(|switches| (switches.mail, switches.data) = (Some("555 5.5.4 BODY is not known".into()), None));
    assert_eq!(fault(&config).await.0, Class::Permanent);
}

#[tokio::test]
async fn a_server_that_hangs_up_before_its_answer_is_transient_although_it_has_the_letter() {
    let sink = SmtpSink::start().await.unwrap();
    sink.switch(|switches| switches.drops_before_answer = true);
    let error = smtp(&config(&sink))
        .unwrap()
        .send(&letter(&["ann@customer.example"]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("hangs up at the letter"), "{error}");
    let found = (
        error.class(),
        error.is_unanswered(),
        error.is_of_this_letter(),
        error.counts(),
    );
    assert_eq!(found, (Class::Transient, true, true, false));
    assert_eq!(
        sink.wait_for(1, Duration::from_secs(5)).await.map(|mails| mails.len()),
        Some(1)
    );
}

#[tokio::test]
async fn a_server_that_is_down_or_silent_is_transient() {
    let sink = SmtpSink::start().await.unwrap();
    sink.switch(|switches| switches.down = true);
    assert_eq!(fault(&config(&sink)).await.0, Class::Transient);

    sink.switch(|switches| (switches.down, switches.stalls) = (false, true));
    let impatient = SmtpConfig {
        timeout: Duration::from_millis(50),
        ..config(&sink)
    };
    assert_eq!(fault(&impatient).await.0, Class::Transient);

    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let nobody = SmtpConfig {
        port: free.local_addr().unwrap().port(),
        ..config(&sink)
    };
    drop(free);
    let (class, text) = fault(&nobody).await;
    assert_eq!(class, Class::Transient);
    assert!(text.contains("is not reachable: Connection refused"), "{text}");
}

#[tokio::test]
async fn a_login_is_used_only_where_configured_and_its_refusal_says_what_to_do() {
    let sink = SmtpSink::start().await.unwrap();
    sink.switch(|switches| switches.login = Some(("intake".into(), "right".into())));
    smtp(&with_login(&sink, "right"))
        .unwrap()
        .send(&letter(&["ann@customer.example"]))
        .await
        .unwrap();
    assert!(sink.commands().contains(&"AUTH".to_owned()));

    let (class, text) = fault(&with_login(&sink, "open sesame")).await;
    assert_eq!(class, Class::Credentials);
    assert!(
        text.contains("refuses the sign-in of intake: 535 5.7.8") && text.contains("check [smtp] username"),
        "{text}"
    );
    assert!(!text.contains("sesame"), "{text}");

    let (class, text) = fault(&config(&sink)).await;
    assert_eq!(class, Class::Credentials);
    assert!(text.contains("530 5.7.0 sign in first; it wants a sign-in"), "{text}");

    sink.switch(|switches| switches.login = None);
    let (class, text) = fault(&with_login(&sink, "right")).await;
    assert_eq!(class, Class::Credentials);
    assert!(text.contains("neither AUTH PLAIN nor AUTH LOGIN"), "{text}");

    let missing = SmtpConfig {
        login: Some((
            "intake".into(),
            SignIn::Password(Secret::File("/nonexistent/secret".into())),
        )),
        ..config(&sink)
    };
    assert_eq!(fault(&missing).await.0, Class::Credentials);
}

#[tokio::test]
async fn one_refused_recipient_does_not_keep_the_others_from_their_letter() {
    let sink = SmtpSink::start().await.unwrap();
    let smtp = smtp(&config(&sink)).unwrap();
    let to = letter(&["ops@msp.example", "gone@msp.example", "lead@msp.example"]);

    sink.switch(|switches| switches.rcpt = Some(("gone@".into(), "550 5.1.1 gone".into())));
    let words = smtp.send(&to).await.unwrap();
    assert!(
        words.starts_with("250 2.0.0 taken; ") && words.ends_with("gone@msp.example: 550 5.1.1 gone"),
        "{words}"
    );
    assert_eq!(sink.mails()[0].rcpt_to, ["ops@msp.example", "lead@msp.example"]);

    sink.switch(|switches| switches.rcpt = Some(("gone@".into(), "450 4.2.0 later".into())));
    assert_eq!(smtp.send(&to).await.unwrap_err().class(), Class::Transient);
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn an_address_can_not_carry_commands_or_parameters() {
    let sink = SmtpSink::start().await.unwrap();
    let smtp = smtp(&config(&sink)).unwrap();
    for address in [
        "a@x.example>\r\nRCPT TO:<b@x.example",
        "\"a\"> NOTIFY=NEVER <\"@x.example",
        "\"a> NOTIFY=NEVER <\"@x.example",
        "a b@x.example",
        "ann",
        "",
    ] {
        let result = smtp.send(&letter(&[address])).await;
        assert!(matches!(result, Err(SmtpError::NotAnAddress { .. })), "{address:?}");
        let as_sender = Letter {
            return_path: Some(address.to_owned()),
            ..letter(&["ann@customer.example"])
        };
        assert!(
            matches!(smtp.send(&as_sender).await, Err(SmtpError::NotAnAddress { .. })),
            "{address:?}"
        );
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn eight_bit_mail_is_declared_and_not_sent_where_it_is_not_taken() {
    let sink = SmtpSink::start().await.unwrap();
    let eight_bit = Letter {
        octets: "Subject: x\r\n\r\nÜber\r\n".into(),
        ..letter(&["ann@customer.example"])
    };
    smtp(&config(&sink)).unwrap().send(&eight_bit).await.unwrap();
    assert_eq!(sink.mails()[0].parameters, "BODY=8BITMIME");

    sink.switch(|switches| switches.seven_bit = true);
    let smtp = smtp(&config(&sink)).unwrap();
    assert!(matches!(smtp.send(&eight_bit).await, Err(SmtpError::NoEightBit { .. })));
    assert!(matches!(
        smtp.send(&letter(&["jürgen@customer.example"])).await,
        Err(SmtpError::NoUtf8 { .. })
    ));
    smtp.send(&letter(&["ann@bücher.example"])).await.unwrap();
    assert_eq!(sink.mails()[1].rcpt_to, ["ann@xn--bcher-kva.example"]);
}

#[tokio::test]
async fn check_says_what_was_found_and_sends_nothing() {
    let sink = SmtpSink::start().await.unwrap();
    sink.switch(|switches| switches.login = Some(("intake".into(), "right".into())));
    let said = smtp(&with_login(&sink, "right")).unwrap().check().await.unwrap();
    assert_eq!(
        said,
        format!(
            "127.0.0.1:{} takes mail without TLS, signed in as intake",
            sink.address().port()
        )
    );
    assert!(sink.mails().is_empty());
}

/// A certificate for `localhost` from an authority of its own, whose own certificate is in a file.
struct Authority {
    folder: tempfile::TempDir,
    server: Arc<ServerConfig>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        Authority::with(name, CertificateParams::new(["localhost".to_owned()]).unwrap())
    }

    /// Its server's certificate is no longer valid.
    fn expired(name: &str) -> Authority {
        let mut server = CertificateParams::new(["localhost".to_owned()]).unwrap();
        server.not_after = rcgen::date_time_ymd(2020, 1, 1);
        Authority::with(name, server)
    }

    fn with(name: &str, server: CertificateParams) -> Authority {
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = server.signed_by(&key, &issuer).unwrap();

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Authority {
            folder,
            server: Arc::new(server),
        }
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

fn protected(sink: &SmtpSink, tls: Tls, ca_file: Option<PathBuf>) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        tls,
        ca_file,
        ..with_login(sink, "right")
    }
}

async fn protected_sink(protection: Protection) -> SmtpSink {
    let sink = SmtpSink::start_with(protection).await.unwrap();
    sink.switch(|switches| switches.login = Some(("intake".into(), "right".into())));
    sink
}

#[tokio::test]
async fn implicit_tls_trusts_the_ca_file_and_nobody_else() {
    let authority = Authority::new("Test Authority");
    let sink = protected_sink(Protection::Implicit(authority.server.clone())).await;
    let trusting = protected(&sink, Tls::Implicit, Some(authority.ca_file()));
    smtp(&trusting)
        .unwrap()
        .send(&letter(&["ann@customer.example"]))
        .await
        .unwrap();

    let (class, text) = fault(&protected(
        &sink,
        Tls::Implicit,
        Some(Authority::new("Another Authority").ca_file()),
    ))
    .await;
    assert_eq!(class, Class::Credentials);
    assert!(text.contains("authority that is not known here; set ca_file"), "{text}");

    let other_name = SmtpConfig {
        host: "127.0.0.1".into(),
        ..trusting
    };
    let (class, text) = fault(&other_name).await;
    assert_eq!(class, Class::Credentials);
    assert!(
        text.contains("connect by a name in the certificate: localhost"),
        "{text}"
    );
    assert_eq!((sink.mails().len(), sink.commands().len()), (1, 5));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_before_anything_secret_is_said() {
    let authority = Authority::expired("Test Authority");
    for protection in [
        Protection::Implicit(authority.server.clone()),
        Protection::Starttls(authority.server.clone()),
    ] {
        let tls = match protection {
            Protection::Implicit(_) => Tls::Implicit,
            _ => Tls::Starttls,
        };
        let sink = protected_sink(protection).await;
        let (class, text) = fault(&protected(&sink, tls, Some(authority.ca_file()))).await;
        assert_eq!(class, Class::Credentials);
        assert!(
            text.contains("its certificate has expired; renew it at the server"),
            "{text}"
        );
        assert!(!sink.commands().contains(&"AUTH".to_owned()));
    }
}

#[tokio::test]
async fn starttls_is_required_and_the_password_never_goes_in_the_clear() {
    let authority = Authority::new("Test Authority");
    let sink = protected_sink(Protection::Starttls(authority.server.clone())).await;
    let config = protected(&sink, Tls::Starttls, Some(authority.ca_file()));
    let smtp = smtp(&config).unwrap().named("mx.msp.example");
    smtp.send(&letter(&["ann@customer.example"])).await.unwrap();
    let expected = [
        "EHLO mx.msp.example",
        "STARTTLS",
        "EHLO mx.msp.example",
        "AUTH",
        "MAIL FROM:<>",
    ];
    assert_eq!(sink.commands()[..5], expected);

    sink.switch(|switches| switches.hides_starttls = true);
    let (class, text) = fault(&config).await;
    assert_eq!(class, Class::Credentials);
    assert!(text.contains("does not offer STARTTLS"), "{text}");
    assert_eq!(sink.commands().iter().filter(|command| *command == "AUTH").count(), 1);
}

#[tokio::test]
async fn where_starttls_is_answered_with_no_nothing_follows_in_the_clear() {
    let authority = Authority::new("Test Authority");
    let sink = protected_sink(Protection::Starttls(authority.server.clone())).await;
    let config = protected(&sink, Tls::Starttls, Some(authority.ca_file()));
    for (says, class) in [
        (Says::Reply("454 4.7.0 not now"), Class::Transient),
        (Says::Reply("502 5.5.1 not known here"), Class::Credentials),
        (Says::Half, Class::Transient),
        (Says::Endless, Class::Transient),
    ] {
        sink.switch(|switches| switches.says = vec![("STARTTLS", says.clone())]);
        assert_eq!(fault(&config).await.0, class, "{says:?}");
    }
    let is_said = |command: &String| command.starts_with("EHLO") || command == "STARTTLS";
    assert!(sink.commands().iter().all(is_said), "{:?}", sink.commands());
}

#[tokio::test]
async fn an_answer_that_has_no_end_is_not_read_for_ever() {
    let sink = SmtpSink::start().await.unwrap();
    for (at, step) in [("EHLO", "the connection"), ("MAIL", "the sender"), (".", "the letter")] {
        for says in [Says::Endless, Says::Long(10_000_000)] {
            sink.switch(|switches| switches.says = vec![(at, says)]);
            let (class, text) = fault(&config(&sink)).await;
            assert_eq!(class, Class::Transient, "{text}");
            let expected = format!("hangs up at {step}: its answer has no end");
            assert!(text.contains(&expected), "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_said_behind_the_answer_to_starttls_is_not_believed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let meddler = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 mx.example ESMTP\r\n").await.unwrap();
        stream.read_line(&mut String::new()).await.unwrap();
        stream.write_all(b"250-mx.example\r\n250 starttls\r\n").await.unwrap();
        stream.read_line(&mut String::new()).await.unwrap();
        stream.write_all(b"220 go\r\n250 AUTH PLAIN\r\n").await.unwrap();
        stream.read_line(&mut String::new()).await.unwrap_or(0)
    });
    let sink = SmtpSink::start().await.unwrap();
    let (class, text) = fault(&SmtpConfig {
        port,
        ..protected(&sink, Tls::Starttls, None)
    })
    .await;
    assert_eq!(class, Class::Credentials);
    assert!(text.contains("says more before TLS begins"), "{text}");
    assert_eq!(meddler.await.unwrap(), 0, "nothing is said after that");
}

#[tokio::test]
async fn what_speaks_no_smtp_or_no_tls_is_told_apart() {
    let sink = SmtpSink::start().await.unwrap();
    let (class, text) = fault(&protected(&sink, Tls::Implicit, None)).await;
    assert_eq!(class, Class::Credentials);
    assert!(text.contains("does not speak TLS; check port and tls"), "{text}");
}

#[test]
fn a_ca_file_that_is_missing_is_a_fault_of_the_connection() {
    let config = SmtpConfig {
        host: "localhost".into(),
        port: 25,
        tls: Tls::Implicit,
        ca_file: Some("/nonexistent/ca.pem".into()),
        login: None,
        timeout: Duration::from_secs(5),
    };
    assert_eq!(smtp(&config).err().map(|error| error.class()), Some(Class::Credentials));
}
