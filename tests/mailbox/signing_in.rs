//! Connecting and signing in: passwords, certificates, what is refused.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use halo_intake::{class::Class, config::Tls, mailbox::MailboxError};

use super::*;
use crate::{
    dovecot::Options,
    script::{Script, Step},
};

#[tokio::test]
async fn a_wrong_password_rests_the_mailbox_and_is_not_repeated_in_the_error() {
    let server = Dovecot::start();
    server.add_user("ann");
    let error = open(ImapConfig {
        sign_in: password("not-it"),
        ..imap(&server, "ann")
    })
    .await
    .err()
    .unwrap();
    assert!(
        matches!(&error, MailboxError::SignIn { login, .. } if login == "ann"),
        "{error}"
    );
    assert_eq!(error.class(), Class::Credentials);
    assert!(error.to_string().contains("[AUTHENTICATIONFAILED]"), "{error}");
    assert!(!error.to_string().contains("not-it"));
}

#[tokio::test]
async fn odd_passwords_sign_in_by_plain_and_by_login() {
    let odd = "pä\"ss\\wörd {3} ✓";
    let server = Dovecot::start();
    server.add_user_with("änn", odd);
    let mut mailbox = open(ImapConfig {
        sign_in: password(odd),
        ..imap(&server, "änn")
    })
    .await
    .unwrap();
    in_time(mailbox.select()).await.unwrap();
    // A script that offers no AUTH=PLAIN: both arguments come as literals, each when it is asked for.
    let script = Script::play(vec![
        Step::Say("* OK [CAPABILITY IMAP4rev1] hello\r\n".to_owned()),
        Step::Expect("LOGIN {4}"),
        Step::Say("+ \r\n".to_owned()),
        Step::Expect("änn {20}"),
        Step::Say("+ \r\n".to_owned()),
        Step::Expect("pä\"ss\\wörd {3} ✓"),
        Step::Say("H1 NO [AUTHENTICATIONFAILED] no\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let config = ImapConfig {
        username: "änn".to_owned(),
        sign_in: password(odd),
        ..scripted(script.port)
    };
    let error = open(config).await.err().unwrap();
    assert!(matches!(error, MailboxError::SignIn { .. }), "{error}");
    script.join();
}

#[tokio::test]
async fn a_quoted_password_keeps_its_quotes_and_backslashes() {
    let script = Script::play(vec![
        Step::Say("* OK [CAPABILITY IMAP4rev1] hello\r\n".to_owned()),
        Step::Expect(r#"LOGIN "ann" "a\"b\\c""#),
        Step::Say("TAG NO [UNAVAILABLE] the user database is down\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let error = open(ImapConfig {
        sign_in: password("a\"b\\c"),
        ..scripted(script.port)
    })
    .await
    .err()
    .unwrap();
    assert!(matches!(error, MailboxError::Refused { .. }), "{error}");
    assert_eq!(error.class(), Class::Transient);
    script.join();
}

#[tokio::test]
async fn a_mailbox_of_another_name_is_asked_for_with_plain() {
    let script = Script::play(vec![
        Step::Say("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n".to_owned()),
        Step::Expect("AUTHENTICATE PLAIN"),
        Step::Say("+ \r\n".to_owned()),
        // shared@example.com NUL ann NUL geheim
        Step::Expect("c2hhcmVkQGV4YW1wbGUuY29tAGFubgBnZWhlaW0="),
        Step::Say("H1 NO [AUTHORIZATIONFAILED] not yours\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let config = ImapConfig {
        mailbox: Some("shared@example.com".to_owned()),
        ..scripted(script.port)
    };
    let error = open(config).await.err().unwrap();
    assert!(matches!(error, MailboxError::SignIn { .. }), "{error}");
    script.join();
}

#[tokio::test]
async fn where_the_server_takes_it_at_once_the_password_costs_no_round_trip_more() {
    let script = Script::play(vec![
        Step::Say("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n".to_owned()),
        Step::Expect("AUTHENTICATE PLAIN c2hhcmVkQGV4YW1wbGUuY29tAGFubgBnZWhlaW0="),
        Step::Say("H1 NO [AUTHORIZATIONFAILED] not yours\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let config = ImapConfig {
        mailbox: Some("shared@example.com".to_owned()),
        ..scripted(script.port)
    };
    let error = open(config).await.err().unwrap();
    assert!(matches!(error, MailboxError::SignIn { .. }), "{error}");
    script.join();
}

#[tokio::test]
async fn a_certificate_that_can_not_be_trusted_says_what_to_do() {
    let server = Dovecot::start_with(&Options {
        names: &["mail.example.com"],
        ..Options::default()
    });
    server.add_user("ann");
    let check = |error: MailboxError, part: &str| {
        assert!(matches!(error, MailboxError::Tls { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    let stranger = ImapConfig {
        ca_file: None,
        ..imap(&server, "ann")
    };
    check(open(stranger).await.err().unwrap(), "ca_file");
    let misnamed = imap(&server, "ann");
    check(
        open(misnamed.clone()).await.err().unwrap(),
        "connect by a name in the certificate: mail.example.com",
    );
    let upgraded = ImapConfig {
        port: server.imap_port,
        tls: Tls::Starttls,
        ..misnamed.clone()
    };
    check(open(upgraded).await.err().unwrap(), "mail.example.com");
    let plain_port = ImapConfig {
        port: server.imap_port,
        ..misnamed
    };
    check(open(plain_port).await.err().unwrap(), "does not speak TLS");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_before_anything_secret_is_said() {
    let server = Dovecot::start_with(&Options {
        expired: true,
        ..Options::default()
    });
    server.add_user("ann");
    let starttls = ImapConfig {
        port: server.imap_port,
        tls: Tls::Starttls,
        ..imap(&server, "ann")
    };
    for config in [imap(&server, "ann"), starttls] {
        let error = open(config).await.err().unwrap();
        assert!(matches!(error, MailboxError::Tls { .. }), "{error}");
        let expected = "its certificate has expired; renew it at the server, or check this machine's clock";
        assert!(error.to_string().ends_with(expected), "{error}");
        assert_eq!(error.class(), Class::Credentials);
    }
}

#[tokio::test]
async fn without_starttls_nothing_secret_is_said() {
    let script = Script::play(vec![
        Step::Say("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let error = open(ImapConfig {
        tls: Tls::Starttls,
        ..scripted(script.port)
    })
    .await
    .err()
    .unwrap();
    assert!(error.to_string().contains("does not offer STARTTLS"), "{error}");
    script.join();
    let script = Script::play(vec![
        Step::Say("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n".to_owned()),
        Step::ExpectEnd,
    ]);
    let error = open(ImapConfig {
        tls: Tls::Starttls,
        ..scripted(script.port)
    })
    .await
    .err()
    .unwrap();
    assert!(matches!(error, MailboxError::Tls { .. }), "{error}");
    script.join();
}

#[tokio::test]
async fn nobody_there_is_told_with_host_and_port() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = open(scripted(closed)).await.err().unwrap();
    assert!(
        matches!(&error, MailboxError::Unreachable { port, .. } if *port == closed),
        "{error}"
    );
    assert_eq!(error.class(), Class::Transient);
}

/// Passes on what both say, and puts `injected` behind the server's consent to STARTTLS, in the same segment.
fn injecting_proxy(port: u16, injected: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let (mut server, mut client, mut buffer) = (server, client, [0; 4096]);
        while let Ok(read) = server.read(&mut buffer)
            && read > 0
        {
            let mut octets = buffer[..read].to_vec();
            if octets.windows(9).any(|part| part == b"Begin TLS") {
                octets.extend_from_slice(injected);
            }
            if client.write_all(&octets).is_err() {
                return;
            }
        }
    });
    own
}

#[tokio::test]
async fn what_is_injected_before_the_encryption_is_dropped() {
    let server = Dovecot::start();
    server.add_user("ann");
    // Taken for the answer to our next command, it would end it with a lie.
    let port = injecting_proxy(
        server.imap_port,
        b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nH1 OK done\r\n",
    );
    let config = ImapConfig {
        port,
        tls: Tls::Starttls,
        ..imap(&server, "ann")
    };
    let mut mailbox = open(config).await.unwrap();
    assert_eq!(in_time(mailbox.select()).await.unwrap().exists, 0);
}
