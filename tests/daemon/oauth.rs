//! Mailboxes and letters by tokens: the whole program beside an authorization server, a Dovecot and a sink that verify
//! what it hands out.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    authorization::{Authorization, CLIENT_ID, CLIENT_SECRET, Device, FIRST, ISSUER, KEY},
    dovecot::{Dovecot, Options},
    running::{Daemon, Signal},
    world::World,
};

const DESK: &str = "desk@office.example";
const BOUNCE: &str = "[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\n";

/// A mailbox `office` that takes tokens, and where they come from.
struct Office {
    world: World,
    server: Dovecot,
    provider: Authorization,
}

impl Office {
    /// `keys` follow those of its `oauth` table that say where it is asked.
    fn new(keys: &str) -> Office {
        let server = Dovecot::start_with(&Options {
            tokens: Some(("xoauth2 oauthbearer", KEY, ISSUER)),
            ..Options::default()
        });
        server.add_user(DESK);
        let provider = Authorization::start(DESK);
        let mut world = World::new(BOUNCE);
        world.settings = format!(
            "[mailbox.office]\nhost = \"localhost\"\nport = {}\nca_file = {:?}\nusername = \"{DESK}\"\n\
             oauth = {{ provider = \"microsoft\", token_url = {:?}, device_url = {:?}, client_id = \"{CLIENT_ID}\"{keys} }}\n",
            server.imaps_port,
            server.ca_pem,
            provider.url("token"),
            provider.url("device"),
        );
        Office {
            world,
            server,
            provider,
        }
    }

    fn application() -> Office {
        Office::new(&format!(", client_secret = \"{CLIENT_SECRET}\""))
    }

    fn delegated(refresh_token: Option<&str>) -> Office {
        let refresh_token = refresh_token.map(|token| format!(", refresh_token = {token:?}"));
        Office::new(&refresh_token.unwrap_or_default())
    }

    /// Letters leave as the mailbox signs in, and the sink takes the tokens that were handed out.
    fn with_letters(self) -> Office {
        self.world.more("[smtp]\noauth = { mailbox = \"office\" }\n");
        self.sink_learns_tokens();
        self
    }

    fn sink_learns_tokens(&self) {
        let tokens = self.provider.issued().into_iter();
        let bearers = tokens.map(|token| (DESK.to_owned(), token)).collect();
        self.world.sink.switch(|switches| switches.bearers = Some(bearers));
    }

    /// A message to the office, which is bounced.
    fn mail(&self, sender: &str) {
        let text = format!(
            "Return-Path: <{sender}>\r\nFrom: {sender}\r\nTo: {DESK}\r\nSubject: A question\r\nMessage-ID: <{sender}>\r\n\r\nWhere?\r\n"
        );
        self.server.deliver(DESK, "INBOX", text.as_bytes());
    }

    /// Waits until this sender was told.
    fn tells(&self, sender: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.world.told().iter().any(|told| told == sender) {
            assert!(
                Instant::now() < deadline,
                "{sender} was not told: {:#?}",
                self.world.log()
            );
            self.sink_learns_tokens();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl World {
    /// Letters leave by the tokens of this provider, each of which has a number.
    pub fn letters_by_token(&self, provider: &Authorization) {
        provider.switch(|switches| switches.opaque = true);
        self.more(&format!(
            "[smtp]\nusername = \"{DESK}\"\noauth = {{ provider = \"other\", token_url = {:?}, client_id = \"{CLIENT_ID}\", refresh_token = \"{FIRST}\" }}\n",
            provider.url("token"),
        ));
        let bearers = (1..200).map(|number| (DESK.to_owned(), format!("opaque-{number}")));
        self.sink.switch(|switches| switches.bearers = Some(bearers.collect()));
    }
}

#[test]
fn an_application_reads_and_sends_by_its_own_tokens() {
    let office = Office::application().with_letters();
    let daemon = Daemon::start(&office.world, &[]);
    office
        .world
        .wait_until("the first token", |_| !office.provider.issued().is_empty());
    office.sink_learns_tokens();
    office.mail("ann@customer.example");
    office.tells("ann@customer.example");
    assert_eq!(office.provider.asked(), 1, "mailbox and letters share a token");
    // An hour later the one that is kept is over, and the mailbox goes on.
    office.world.later(3500);
    office.mail("bob@customer.example");
    office.tells("bob@customer.example");
    assert!(office.provider.asked() >= 2);
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_token_that_holds_is_used_on_while_the_provider_is_down() {
    let office = Office::application().with_letters();
    let daemon = Daemon::start(&office.world, &[]);
    office
        .world
        .wait_until("the first token", |_| !office.provider.issued().is_empty());
    office.sink_learns_tokens();
    // It is here, and not only given out, before the clock goes on.
    office.mail("bob@customer.example");
    office.tells("bob@customer.example");
    let down = Some((500, "text/html", String::new()));
    office.provider.switch(|switches| switches.answer = down);
    // Two hundred seconds before its end: it is due, and still good.
    office.world.later(3400);
    office.mail("ann@customer.example");
    daemon.says("the token is used on: ");
    office.tells("ann@customer.example");
    assert_eq!(office.provider.issued().len(), 1);
}

#[test]
fn letters_leave_by_either_mechanism_and_a_refused_token_is_replaced_once() {
    for oauthbearer_alone in [false, true] {
        let world = World::new(BOUNCE);
        let provider = Authorization::start(DESK);
        world.letters_by_token(&provider);
        world
            .sink
            .switch(|switches| switches.oauthbearer_alone = oauthbearer_alone);
        let _daemon = Daemon::start(&world, &[]);
        let is_told = |sender: &str| {
            world.mail(sender, "A question");
            let told = |world: &World| world.told().iter().any(|told| told == sender);
            world.wait_until("the letter", told);
        };
        is_told("ann@customer.example");
        assert_eq!(provider.asked(), 1);
        // The server takes the first one no more, though it is not over.
        world
            .sink
            .switch(|switches| drop(switches.bearers.as_mut().unwrap().remove(0)));
        is_told("bob@customer.example");
        assert_eq!(provider.asked(), 2, "oauthbearer_alone: {oauthbearer_alone}");
    }
}

#[test]
fn a_rotated_refresh_token_outlives_a_kill() {
    let office = Office::delegated(Some(FIRST)).with_letters();
    office.provider.switch(|switches| switches.rotates = true);
    let daemon = Daemon::start(&office.world, &[]);
    office.mail("ann@customer.example");
    office.tells("ann@customer.example");
    daemon.signal(Signal::KILL);
    daemon.ends();
    let daemon = Daemon::start(&office.world, &[]);
    let since = daemon.says("mailbox office: is signed in");
    assert!(since.contains(" since=20"), "{since}");
    office.mail("bob@customer.example");
    office.tells("bob@customer.example");
    assert_eq!(daemon.stop().0, 0);
    let used = office.provider.refreshed_with();
    assert_eq!(used[0], FIRST);
    assert!(used.len() >= 2 && !used[1..].contains(&FIRST.to_owned()), "{used:?}");
}

#[test]
fn a_sign_in_that_was_revoked_is_told_and_made_again() {
    let office = Office::delegated(Some(FIRST));
    office.mail("ann@customer.example");
    office.provider.revoke();
    let ran = office.world.run(&["run", "--once"]);
    assert_eq!(ran.status, 69, "{ran:?}");
    let told = "the sign-in has expired or was revoked";
    assert!(
        ran.stderr.contains(told) && ran.stderr.contains("run halo-intake signin office"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains(FIRST), "{ran:?}");

    let signed_in = office.world.run(&["signin", "office"]);
    assert_eq!(signed_in.status, 0, "{signed_in:?}");
    office.world.once();
    assert_eq!(office.world.only().0, "bounced");
    let checked = office.world.run(&["check"]);
    let line = format!("mailbox office: {DESK} signed in today, last renewed today");
    assert!(checked.stdout.contains(&line), "{checked:?}");
}

/// `signin office`, up to the code.
fn signs_in(office: &Office) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = office.world.command(&["signin", "office"]);
    let piped = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    for _ in 0..3 {
        stdout.read_line(&mut said).unwrap();
    }
    assert_eq!(
        said,
        format!(
            "Open https://login.example.com/device in a browser, on any machine,\nenter the code ABCD-EFGH within 15 min,\nand sign in as {DESK}.\n"
        )
    );
    (child, stdout)
}

#[test]
fn somebody_signs_in_with_a_code_and_is_named() {
    let office = Office::delegated(None);
    let checked = office.world.run(&["check"]);
    assert_eq!(checked.status, 0, "{checked:?}");
    assert!(checked.stderr.contains("nobody has signed in as"), "{checked:?}");
    office.provider.switch(|switches| {
        switches.device = [Device::Pending, Device::SlowDown, Device::Pending, Device::Granted].into();
        switches.claims = json!({ "preferred_username": "eve@office.example" });
    });
    office.world.later(0);
    let (mut child, mut stdout) = signs_in(&office);
    // After slow_down it waits five seconds more, by the clock that this test holds.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut ahead = 0;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        if office.provider.asked() >= 2 {
            ahead += 5;
            office.world.later(ahead);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let (mut said, mut warned) = (String::new(), String::new());
    std::io::Read::read_to_string(&mut stdout, &mut said).unwrap();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut warned).unwrap();
    assert!(
        said.starts_with("eve@office.example has signed in for mailbox office.\n"),
        "{said}"
    );
    assert!(
        warned.contains(&format!("username is {DESK}, and eve@office.example")),
        "{warned}"
    );
    assert_eq!(office.provider.asked(), 4);
}

#[test]
fn a_sign_in_that_comes_to_nothing_ends_with_a_status_of_its_own() {
    let office = Office::delegated(None);
    let check = |status: i32, part: &str| {
        let ran = office.world.run(&["signin", "office"]);
        assert_eq!(ran.status, status, "{ran:?}");
        assert!(ran.stderr.contains(part), "{ran:?}");
    };
    office
        .provider
        .switch(|switches| switches.device = [Device::Denied].into());
    check(75, "declined");
    office
        .provider
        .switch(|switches| switches.device = [Device::Expired].into());
    check(75, "expired before anybody");
    office
        .provider
        .switch(|switches| switches.answer = Some((500, "text/html", String::new())));
    check(69, "500 Internal Server Error");
    office
        .provider
        .switch(|switches| switches.refuse(400, "unauthorized_client", "AADSTS700016: not here"));
    check(78, "compare client_id and tenant");
    let ran = office.world.run(&["signin", "offise"]);
    assert!(
        ran.status == 2 && ran.stderr.contains("did you mean \"office\"?"),
        "{ran:?}"
    );
    let ran = office.world.run(&["signin", "support"]);
    assert!(
        ran.status == 78 && ran.stderr.contains("does not sign in with OAuth"),
        "{ran:?}"
    );
}

#[test]
fn check_online_shows_the_token_and_names_the_permission_that_is_missing() {
    let office = Office::application().with_letters();
    let others = json!({ "email": "eve@office.example", "roles": ["Mail.Read"] });
    office.provider.switch(|switches| switches.claims = others);
    let ran = office.world.run(&["check", "--online"]);
    assert_eq!(ran.status, 78, "{ran:?}");
    for line in [
        "ok    mailbox office: there is a token for https://outlook.office365.com, roles Mail.Read, of eve@office.example, good for ",
        "the token lacks the role IMAP.AccessAsApp; add IMAP.AccessAsApp of Office 365 Exchange Online",
        "the token lacks the role SMTP.SendAsApp; add SMTP.SendAsApp of Office 365 Exchange Online",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {ran:?}");
    }
    assert!(!format!("{ran:?}").contains("eyJ"), "{ran:?}");

    office
        .provider
        .switch(|switches| switches.claims = json!({ "roles": ["IMAP.AccessAsApp"] }));
    let ran = office.world.run(&["check", "--online"]);
    let signed_in = format!(
        "ok    mailbox office: localhost:{}: signed in as {DESK}",
        office.server.imaps_port
    );
    assert!(ran.stdout.contains(&signed_in), "{ran:?}");
    assert!(ran.stdout.contains("folder \"INBOX\" holds 0 messages"), "{ran:?}");

    office.provider.switch(|switches| {
        switches.refuse(
            401,
            "invalid_client",
            "AADSTS7000215: Invalid client secret application-secret",
        );
    });
    let ran = office.world.run(&["check", "--online"]);
    assert_eq!(ran.status, 78, "{ran:?}");
    assert!(
        ran.stdout
            .contains("set client_secret to the secret's Value, not to its Secret ID"),
        "{ran:?}"
    );
    assert!(!format!("{ran:?}").contains(CLIENT_SECRET), "{ran:?}");
}

#[test]
fn the_end_of_a_client_secret_is_told_ahead_and_once_each() {
    let in_twenty_days = jiff::Timestamp::now() + Duration::from_secs(20 * 86_400 + 3600);
    let on = in_twenty_days.strftime("%Y-%m-%d").to_string();
    let office = Office::new(&format!(
        ", client_secret = \"{CLIENT_SECRET}\", client_secret_expires = \"{on}\""
    ));
    let told = || {
        let mails = office.world.sink.mails().into_iter();
        let texts = mails.map(|mail| {
            String::from_utf8_lossy(&mail.octets)
                .replace("=\r\n", "")
                .replace("\r\n", " ")
        });
        texts
            .filter(|text| text.contains("the client secret of intake expires"))
            .count()
    };
    for (day, expected) in [(0, 1), (1, 1), (14, 2), (15, 2), (20, 3)] {
        office.world.later(day * 86_400);
        office.world.once();
        assert_eq!(told(), expected, "on day {day}");
    }
    // What was told is still said when the service starts.
    Daemon::start(&office.world, &[]).says("mailbox office: the client secret of intake expires");
    let checked = office.world.run(&["check"]);
    assert!(
        checked.stderr.contains("the client secret of intake expires"),
        "{checked:?}"
    );
}
