//! `init`: from a folder with nothing in it to a configuration that works, with wrong answers on the way.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use halo_intake::sandbox::smtp_sink::{Protection, SmtpSink};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    authorization::{Authorization, CLIENT_ID, Device, ISSUER, KEY},
    dovecot::{Dovecot, Options, PASSWORD},
    running::Signal,
    servers::child::free_port,
    talk::Talk,
    world::{Ran, World, dovecot, finish, next_user, program},
};

const WRONG: &str = "not-the-password";
const MAIL_PASSWORD: &str = "smtp-geheim";

/// A desk that has a mailbox, a Halo and a mail server, and no configuration.
struct Desk {
    /// Its configuration is not used.
    world: World,
    server: Arc<Dovecot>,
    user: String,
}

impl Desk {
    fn new() -> Desk {
        let (server, user) = (dovecot(), next_user());
        Desk {
            world: World::with_server("", server.clone(), user.clone()),
            server,
            user,
        }
    }

    fn etc(&self) -> PathBuf {
        self.world.folder.join("etc")
    }

    fn file(&self) -> PathBuf {
        self.etc().join("halo-intake.toml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.env("HALO_INTAKE_CONFIG", self.file()).args(arguments);
        command.env("HALO_INTAKE_LOG", "warn").current_dir(&self.world.folder);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    fn talk(&self) -> Talk {
        let mut talk = Talk::on_terminal(self.command(&["init"]));
        talk.answer(&[("Folder of the journal", "state")]);
        talk
    }

    /// The right answers about a Maildir, up to Halo.
    fn maildir(&self, talk: &mut Talk) {
        let path = self.world.folder.join("Maildir");
        for part in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(path.join(part)).unwrap();
        }
        talk.answer(&[
            ("On an IMAP server", "maildir"),
            ("Its address", "support@desk.example"),
            ("What it is called", ""),
            ("Path of the Maildir", "Maildir"),
            ("Further addresses", ""),
            ("that were completed", ""),
            ("that failed", ""),
        ]);
    }

    /// A mail server that has the mailbox server's certificate, by STARTTLS.
    fn protected_sink(&self) -> SmtpSink {
        let file = |name: &str| self.server.ca_pem.with_file_name(name);
        let certificates = CertificateDer::pem_file_iter(file("leaf.pem")).unwrap();
        let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(file("leaf.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let protection = Protection::Starttls(Arc::new(config.with_single_cert(certificates, key).unwrap()));
        self.world.runtime().block_on(SmtpSink::start_with(protection)).unwrap()
    }

    fn url(&self) -> String {
        self.world.sandbox.url().to_string()
    }

    /// The right answers about Halo, without a catch-all.
    fn halo(&self, talk: &mut Talk) {
        talk.answer(&[
            ("Its address", &self.url()),
            ("Client ID", self.world.sandbox.client_id()),
            ("Client secret", self.world.sandbox.client_secret()),
            ("the catch-all", "no"),
        ]);
    }

    /// What lies in the folder of the configuration, below it too.
    fn written(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.etc()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(self.etc()).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The certificate of an authority that signs nothing here.
fn other_authority(desk: &Desk) -> String {
    let path = desk.world.folder.join("other.pem");
    std::fs::write(&path, "no certificate").unwrap();
    path.display().to_string()
}

#[test]
fn wrong_answers_are_told_at_each_step_and_right_ones_make_a_configuration_that_works() {
    let desk = Desk::new();
    let (user, sandbox) = (desk.user.as_str(), &desk.world.sandbox);
    let folders = ["Fr&APw-her", "R&-D", "Kunden.M&APw-ller"];
    let creates: Vec<String> = folders.iter().map(|name| format!("CREATE \"{name}\"")).collect();
    desk.server
        .commands(user, &creates.iter().map(String::as_str).collect::<Vec<_>>());
    desk.world.mail("old@customer.example", "From before");
    let (imaps, ca) = (
        desk.server.imaps_port.to_string(),
        desk.server.ca_pem.display().to_string(),
    );
    let closed = free_port().to_string();

    let mut talk = desk.talk();
    talk.answer(&[("On an IMAP server", "pop"), ("On an IMAP server", "imap")]);
    let said = talk.answer(&[("Its address", "nobody"), ("Its address", user)]);
    assert!(said.contains("\"nobody\" is no address"), "{said}");
    talk.answer(&[("What it is called", "help desk"), ("What it is called", "helpdesk")]);
    let said = talk.answer(&[
        ("IMAP server", "localhost:993"),
        ("IMAP server", "localhost"),
        ("Encryption", ""),
        ("Port [993]", "many"),
        ("Port [993]", &closed),
        ("IMAP server", ""),
    ]);
    for part in ["the port has a key of its own", "\"many\"", "can not be reached"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Its authority is not known here, then a file that is no certificate is named.
    let said = talk.answer(&[
        ("Encryption", "implicit"),
        (&closed, &imaps),
        ("certificate of an authority", &other_authority(&desk)),
        ("certificate of an authority", &ca),
        ("User name", ""),
    ]);
    for part in [
        "from an authority that is not known here",
        "holds no certificate",
        "answers",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = talk.answer(&[
        ("password, or with OAuth 2", ""),
        ("Password", WRONG),
        ("Take another server", ""),
        ("User name", ""),
        ("password, or with OAuth 2", ""),
        ("Password [as before]", PASSWORD),
        ("Folder to watch", "Nowhere"),
    ]);
    for part in [
        "refuses the sign-in",
        "who sees 4 folders",
        "    2  Früher\n",
        "Kunden/Müller\n",
        "R&D\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = talk.answer(&[
        ("Folder to watch", ""),
        ("skip it, or process", "perhaps"),
        ("skip it, or process", "process"),
        ("Further addresses", "no address"),
        ("Further addresses", "help@desk.example, hilfe@desk.example"),
        ("that were completed [Processed]", "inbox"),
        ("that were completed", "2"),
        ("that failed [Failed]", ""),
        ("Its address", "ftp://halo.example"),
        ("Its address", &format!("http://127.0.0.1:{closed}")),
    ]);
    for part in [
        "\"Nowhere\" can not be used",
        "INBOX holds 1 message\n",
        "One of these is needed: report, skip, process",
        "\"no address\"",
        "ok: folder \"Früher\" exists",
        "ok: folder \"Failed\" is missing and will be made",
        "is no web address",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.matches("settle.completed").count(), 1, "{said}");
    let said = talk.answer(&[
        ("Its address", &desk.url()),
        ("Set what is mostly found", ""),
        ("Client ID", sandbox.client_id()),
        ("Client secret", WRONG),
        (
            &format!("Its address, such as https://example.halopsa.com [{}", desk.url()),
            "",
        ),
        ("Set what is mostly found", ""),
        (&format!("Client ID [{}]", sandbox.client_id()), ""),
        ("Client secret [as before]", sandbox.client_secret()),
        ("the catch-all", ""),
        ("catch-all client", "14"),
        ("The site of Northgate Clinic", "back"),
        ("catch-all client", "Globex"),
        ("catch-all client", "acme"),
        ("catch-all client: its number, or a part of its name [12]", ""),
        ("The site of Acme Ltd", "Annex"),
        ("The site of Acme Ltd", "Warehouse"),
    ]);
    for part in [
        "invalid_client",
        "It begins again from the address",
        "no active client has \"Globex\"",
        "has no such site: \"Annex\"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let sink = desk.protected_sink();
    sink.switch(|switches| switches.login = Some((user.to_owned(), MAIL_PASSWORD.to_owned())));
    let (port, unprotected) = (sink.address().port(), desk.world.sink.address().port());
    let said = talk.answer(&[
        ("Set it up", ""),
        ("SMTP server", "127.0.0.1"),
        ("Encryption", "starttls"),
        ("Port [587]", &unprotected.to_string()),
        ("Answer this again", ""),
        ("SMTP server", ""),
        ("Encryption", ""),
        ("Port", &port.to_string()),
        // The authority of the mailbox's server is proposed, and its password, which is not that of this server.
        (&ca, ""),
        ("User name", ""),
        ("Password [that of the mailbox]", ""),
        ("Answer this again", ""),
        ("SMTP server", ""),
        ("Encryption", ""),
        ("Port", ""),
        ("User name", ""),
        ("Password", MAIL_PASSWORD),
        ("Bounces come from", "Example Desk"),
        ("Bounces come from", &format!("Example Desk <{user}>")),
        ("Who hears", user),
        ("Who hears", "ops@desk.example"),
        ("Where Halo takes no user", "bounce"),
        ("Where they are", "file"),
    ]);
    for part in [
        "does not offer STARTTLS",
        "535",
        "takes mail with TLS, signed in",
        "no address to send from",
        "reports go to",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(
        desk.written(),
        Vec::<String>::new(),
        "nothing is written before the last answer"
    );
    assert_eq!(talk.ends(), 0, "{}", talk.text);
    for secret in [PASSWORD, WRONG, MAIL_PASSWORD, sandbox.client_secret()] {
        assert!(!talk.text.contains(secret), "{secret}: {}", talk.text);
    }

    let files = [
        "halo-intake.toml",
        "secrets/halo-secret",
        "secrets/helpdesk-imap",
        "secrets/helpdesk-smtp",
    ];
    assert_eq!(desk.written(), files);
    assert_eq!((mode(&desk.etc()), mode(&desk.file())), (0o755, 0o644));
    assert_eq!(
        (
            mode(&desk.etc().join("secrets")),
            mode(&desk.etc().join("secrets/halo-secret"))
        ),
        (0o700, 0o600)
    );
    let checked = desk.run(&["check", "--online"]);
    assert_eq!((checked.status, checked.stderr.as_str()), (0, ""), "{checked:?}");
    assert!(
        checked.stdout.contains("site 22 is \"Warehouse\"") && !checked.stdout.contains("FAULT"),
        "{checked:?}"
    );

    desk.world.mail("Ann Lee <ann@stranger.example>", "A question");
    let ran = desk.run(&["run", "--once"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for address in ["ann@stranger.example", "old@customer.example"] {
        let made = desk.world.users(address);
        assert_eq!(made[0]["site_name"], "Warehouse", "{made:?}");
    }
    assert_eq!(desk.server.folder(user, "Fr&APw-her").len(), 2);
}

#[test]
fn the_end_of_the_answers_leaves_nothing_behind() {
    let desk = Desk::new();
    let mut talk = Talk::by_pipes(desk.command(&["init"]));
    talk.answer(&[("Folder of the journal", "state")]);
    desk.maildir(&mut talk);
    assert_eq!(talk.ends(), 2, "{}", talk.text);
    assert!(
        talk.text.contains("the answers end at the question \"Its address"),
        "{}",
        talk.text
    );
    assert!(talk.text.contains("; no configuration was written"), "{}", talk.text);
    assert!(!desk.etc().exists() && !desk.world.folder.join("state").exists());
}

#[test]
fn what_becomes_of_much_mail_has_to_be_said() {
    let desk = Desk::new();
    let path = desk.world.folder.join("Maildir");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(path.join(part)).unwrap();
    }
    for number in 0..501 {
        std::fs::write(path.join(format!("new/{number}")), "From: ann@customer.example\n\nx\n").unwrap();
    }
    let mut talk = desk.talk();
    let said = talk.answer(&[
        ("On an IMAP server", "m"),
        ("Its address", "support@desk.example"),
        ("What it is called", ""),
        ("Path of the Maildir", "Mail"),
        ("Path of the Maildir", "Maildir"),
        (
            "skip it, or process it like new mail (report/skip/process) [report]: ",
            "",
        ),
        ("Further addresses", ""),
    ]);
    assert!(
        said.contains("there is no such folder") && said.contains("holds 501 messages"),
        "{said}"
    );
    // The end of what is typed.
    talk.say("\u{4}");
    assert_eq!(talk.ends(), 2);
}

#[test]
fn what_is_there_is_replaced_by_nobody_who_was_not_asked() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.etc().join("secrets")).unwrap();
    std::fs::write(desk.file(), "of somebody").unwrap();
    std::fs::write(desk.etc().join("secrets/halo-secret"), "of somebody").unwrap();
    let held =
        || [desk.file(), desk.etc().join("secrets/halo-secret")].map(|path| std::fs::read_to_string(path).unwrap());

    let mut talk = Talk::by_pipes(desk.command(&["init"]));
    talk.answer(&[("It is there already. Replace it", "")]);
    assert_eq!(talk.ends(), 2, "{}", talk.text);
    assert!(
        talk.text
            .contains("name another with --output, or replace it with --force"),
        "{}",
        talk.text
    );

    let finish = |talk: &mut Talk, rest: &[(&str, &str)]| {
        talk.answer(&[("Folder of the journal", "state")]);
        desk.maildir(talk);
        desk.halo(talk);
        talk.answer(&[("Set it up", "no")]);
        talk.answer(rest);
        assert_eq!(talk.ends(), 0, "{}", talk.text);
    };
    let mut talk = Talk::by_pipes(desk.command(&["init"]));
    talk.answer(&[("It is there already. Replace it", "yes")]);
    let rest = [
        ("Where they are", "file"),
        ("halo-secret. Replace it", ""),
        ("Where they are", "env"),
    ];
    finish(&mut talk, &rest);
    let [text, secret] = held();
    assert!(
        text.contains("{ env = \"HALO_SECRET\" }") && secret == "of somebody",
        "{text}"
    );
    let checked = desk
        .command(&["check", "--online"])
        .env("HALO_SECRET", desk.world.sandbox.client_secret())
        .output();
    assert_eq!(checked.unwrap().status.code(), Some(0));
    assert!(talk.text.contains("export HALO_SECRET="), "{}", talk.text);

    let mut talk = Talk::by_pipes(desk.command(&["init", "--force"]));
    finish(&mut talk, &[("Where they are", "credential")]);
    let [text, secret] = held();
    assert!(text.contains("{ credential = \"halo-secret\" }"), "{text}");
    assert_eq!(secret, desk.world.sandbox.client_secret());
    let folder = desk.etc().join("secrets");
    let line = format!("LoadCredential=halo-secret:{}", folder.join("halo-secret").display());
    assert!(talk.text.contains(&line), "{}", talk.text);
    // Nothing lay in that mailbox, and it is not the service's file.
    for part in ["backlog", "systemctl enable"] {
        assert!(!talk.text.contains(part), "{part}: {}", talk.text);
    }
    let next = format!(
        "env CREDENTIALS_DIRECTORY={} halo-intake check --online",
        folder.display()
    );
    assert!(talk.text.contains(&next), "{}", talk.text);
    let checked = desk
        .command(&["check", "--online"])
        .env("CREDENTIALS_DIRECTORY", folder)
        .output();
    assert_eq!(checked.unwrap().status.code(), Some(0));
}

#[test]
fn a_terminal_shows_no_secret_and_is_as_it_was_after_an_interruption() {
    let desk = Desk::new();
    let mut talk = Talk::on_terminal(desk.command(&["init"]));
    talk.answer(&[("Folder of the journal", "state")]);
    desk.maildir(&mut talk);
    talk.answer(&[
        ("Its address", &desk.url()),
        ("Client ID", desk.world.sandbox.client_id()),
    ]);
    talk.answer(&[("Client secret", WRONG)]);
    talk.answer(&[("Its address", ""), ("Set what is mostly found", ""), ("Client ID", "")]);
    talk.asks("Client secret [as before]");
    assert!(!talk.shows());
    talk.signal(Signal::INT);
    assert_eq!(talk.ends(), 75, "{}", talk.text);
    assert!(talk.shows());
    assert!(
        talk.text.contains("interrupted; no configuration was written"),
        "{}",
        talk.text
    );
    assert!(
        talk.text.contains("sandbox-client") && !talk.text.contains(WRONG),
        "{}",
        talk.text
    );
    assert!(!desk.etc().exists() && !desk.world.folder.join("state").exists());
}

#[test]
fn somebody_signs_in_with_a_code_on_the_way() {
    let office = "desk@office.example";
    let server = Dovecot::start_with(&Options {
        tokens: Some(("xoauth2 oauthbearer", KEY, ISSUER)),
        ..Options::default()
    });
    server.add_user(office);
    let provider = Authorization::start(office);
    let desk = Desk::new();
    let mut talk = desk.talk();
    let (port, ca) = (server.imaps_port.to_string(), server.ca_pem.display().to_string());
    talk.answer(&[
        ("On an IMAP server", ""),
        ("Its address", office),
        ("What it is called", ""),
        ("IMAP server", "localhost"),
        ("Encryption", ""),
        ("Port", &port),
        ("certificate of an authority", ""),
        ("IMAP server", ""),
        ("Encryption", ""),
        ("Port", ""),
        ("certificate of an authority", &ca),
        ("User name", ""),
        ("password, or with OAuth 2", "oauth"),
        ("Provider", ""),
    ]);
    // As the application itself, with a wrong secret; then somebody who declines; then somebody who signs in.
    let said = talk.answer(&[
        ("gives tokens", &provider.url("token")),
        ("Client ID", CLIENT_ID),
        ("Scope", ""),
        ("signs in as the application", ""),
        ("Client secret", WRONG),
        ("Last day", "tomorrow"),
        ("Last day", "2099-05-31"),
        ("User name", ""),
        ("password, or with OAuth 2", ""),
    ]);
    assert!(
        said.contains("\"tomorrow\", which is no date") && said.contains("That does not work: "),
        "{said}"
    );
    provider.switch(|switches| switches.device = [Device::Denied].into());
    talk.answer(&[
        ("Provider", ""),
        ("gives tokens", ""),
        ("Client ID", ""),
        ("Scope", ""),
        ("signs in as the application", "code"),
        ("Has the client a secret", ""),
        ("gives codes", &provider.url("device")),
    ]);
    talk.asks("Try it with another code");
    provider.switch(|switches| switches.device = [Device::Pending, Device::Granted].into());
    talk.say("");
    let said = talk.answer(&[("Folder to watch", ""), ("Further addresses", "")]);
    for part in [
        "enter the code ABCD-EFGH",
        "has signed in",
        "there is a token",
        "INBOX is empty",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    talk.answer(&[("that were completed", ""), ("that failed", "")]);
    desk.halo(&mut talk);
    let bearers = provider.issued().into_iter().map(|token| (office.to_owned(), token));
    desk.world
        .sink
        .switch(|switches| switches.bearers = Some(bearers.collect()));
    talk.answer(&[
        ("Set it up", ""),
        ("SMTP server", "127.0.0.1"),
        ("Encryption", "none"),
        ("Port", &desk.world.sink.address().port().to_string()),
        ("Signs in there as the mailbox does", ""),
        ("Bounces come from", ""),
        ("Who hears", "ops@office.example"),
        ("Where Halo takes no user", ""),
        ("Where they are", "file"),
    ]);
    assert_eq!(talk.ends(), 0, "{}", talk.text);
    assert!(!talk.text.contains(WRONG), "{}", talk.text);
    assert_eq!(desk.written(), ["halo-intake.toml", "secrets/halo-secret"]);
    let checked = desk.run(&["check"]);
    assert!(
        checked.stdout.contains(&format!("{office} signed in today")),
        "{checked:?}"
    );
    desk.world.sink.switch(|switches| switches.bearers = None);
}
