//! What nobody else may see: secrets in whatever the program says or keeps, its files, its memory.

use std::{
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::{Command, Output, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use halo_intake::sandbox::{Fault, Mishap};

use crate::{
    dovecot::Dovecot,
    running::{Daemon, Signal},
    world::World,
};

const IMAP: &str = "Imap-Geheimnis-4711";
const SMTP: &str = "Smtp-Geheimnis-4711";
/// In the place of each of the three, where the servers refuse it.
const WRONG: &str = "Falsch-Geheimnis-4711";
const LOGIN: &str = "intake@desk.example";

/// One becomes a user, one is bounced, one fails and is reported.
const RULES: &str = r#"
[[rule]]
name = "users"

  [[rule.action]]
  type = "bounce"
  when = "email.subject == 'Back'"

  [[rule.action]]
  type = "create_halo_user"
  client = "{{ 'Nobody' if email.subject == 'Fail' else 'Acme Ltd' }}"
  site = "Warehouse"
"#;

/// A world in which every place for a secret has one; the Dovecot is this story's own.
fn world(dovecot: &Dovecot) -> World {
    dovecot.add_user_with(LOGIN, IMAP);
    let world = World::new(RULES);
    world
        .sink
        .switch(|switches| switches.login = Some((LOGIN.into(), SMTP.into())));
    world.more(&format!(
        "[mailbox.imap]\ntype = \"imap\"\nhost = \"localhost\"\nport = {}\ntls = \"implicit\"\nca_file = {:?}\n\
         username = \"{LOGIN}\"\npassword = \"{IMAP}\"\n[smtp]\nusername = \"{LOGIN}\"\npassword = {{ file = {:?} }}\n",
        dovecot.imaps_port,
        dovecot.ca_pem,
        world.folder.join("smtp-secret"),
    ));
    std::fs::write(world.folder.join("smtp-secret"), SMTP).unwrap();
    world
}

/// What a program said, run so that it says all it can, libraries included.
fn said(world: &World, arguments: &[&str]) -> String {
    let mut command = world.command(arguments);
    command
        .env("HALO_INTAKE_LOG", "trace,halo_intake=trace")
        .stdin(Stdio::null());
    let Output { stdout, stderr, .. } = command.output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    )
}

/// A secret as it is, and as AUTH PLAIN, LOGIN and a form spell it.
fn spellings(secret: &str) -> Vec<String> {
    vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("\0{LOGIN}\0{secret}")),
    ]
}

#[track_caller]
fn assert_hidden(secrets: &[String], place: &str, text: &[u8]) {
    for secret in secrets.iter().flat_map(|secret| spellings(secret)) {
        let found = memchr::memmem::find(text, secret.as_bytes());
        if let Some(at) = found {
            let around = &text[at.saturating_sub(200)..(at + 100).min(text.len())];
            panic!("{place} shows {secret:?}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// The files of `state_dir`, with their octets.
fn kept(world: &World) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(world.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn no_secret_stands_in_anything_that_is_said_sent_or_kept() {
    let dovecot = Dovecot::start();
    let world = world(&dovecot);
    dovecot.deliver(
        LOGIN,
        "INBOX",
        b"From: imap@stranger.example\r\nSubject: By IMAP\r\n\r\nText\r\n",
    );
    for subject in ["User", "Back", "Fail"] {
        world.mail(&format!("{subject} <{subject}@stranger.example>"), subject);
    }
    let mut texts = vec![
        ("check", said(&world, &["check", "--online"])),
        ("run", said(&world, &["run", "--once"])),
    ];
    let log = world.log();
    let outcomes: Vec<&str> = log.iter().filter_map(|row| row["outcome"].as_str()).collect();
    assert_eq!(outcomes.len(), 4, "{log:#?}");
    assert!(
        outcomes.contains(&"bounced") && outcomes.contains(&"failed"),
        "{outcomes:?}"
    );
    assert!(texts[1].1.contains("TRACE"), "nothing was traced");
    for row in &log {
        let id = row["id"].to_string();
        texts.push(("show", said(&world, &["show", &id])));
        texts.push(("show --format json", said(&world, &["show", &id, "--format", "json"])));
    }
    texts.push(("log", said(&world, &["log", "--format", "json"])));
    texts.push(("halo users", said(&world, &["halo", "users"])));

    let mut secrets = [IMAP, SMTP, world.sandbox.client_secret()].map(str::to_owned).to_vec();
    let tokens = world.sandbox.tokens();
    assert!(!tokens.is_empty(), "nobody signed in to Halo");
    secrets.extend(tokens);
    for (place, text) in &texts {
        assert_hidden(&secrets, place, text.as_bytes());
    }
    for (path, octets) in kept(&world) {
        assert_hidden(&secrets, &path, &octets);
    }
    assert_eq!(world.sink.mails().len(), 2, "the bounce and the report");
    for mail in world.sink.mails() {
        assert_hidden(&secrets, "a letter", &mail.octets);
    }
}

#[test]
fn no_refused_secret_stands_in_the_words_that_refuse_it() {
    let dovecot = Dovecot::start();
    let world = world(&dovecot);
    world.more(&format!(
        "[mailbox.imap]\npassword = \"{WRONG}\"\n[smtp]\npassword = \"{WRONG}\"\n[halo.main]\nclient_secret = \"{WRONG}\"\n"
    ));
    for subject in ["User", "Back"] {
        world.mail(&format!("{subject} <{subject}@stranger.example>"), subject);
    }
    let mut texts = vec![said(&world, &["check", "--online"]), said(&world, &["run", "--once"])];
    for part in ["imap: localhost refuses the sign-in of", "the connection main", "SMTP"] {
        assert!(
            texts.iter().any(|text| text.contains(part)),
            "nobody says {part:?}: {}",
            texts[0]
        );
    }
    for row in world.log() {
        texts.push(said(&world, &["show", &row["id"].to_string()]));
    }
    let secrets = [WRONG.to_owned()];
    for text in &texts {
        assert_hidden(&secrets, "a refusal", text.as_bytes());
    }
    for (path, octets) in kept(&world) {
        assert_hidden(&secrets, &path, &octets);
    }
}

#[test]
fn a_server_that_repeats_the_client_secret_is_not_quoted_with_it() {
    let world = World::new(RULES);
    let message = format!("no {} is known", world.sandbox.client_secret());
    let refusal = Mishap::Status { status: 400, message };
    let refused = Fault::once("POST", "/auth/token", refusal).times(9);
    world.sandbox.set(|switches| switches.faults.push(refused));
    let text = said(&world, &["check", "--online"]);
    assert!(text.contains("sign-in is refused: no (secret) is known"), "{text}");
    assert_hidden(&[world.sandbox.client_secret().to_owned()], "check", text.as_bytes());
}

/// The same program with a umask that takes nothing away.
fn with_open_umask(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    shell.env_clear().current_dir(command.get_current_dir().unwrap());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

fn is_private(path: &Path) -> bool {
    path.symlink_metadata().unwrap().permissions().mode() & 0o077 == 0
}

#[test]
fn whatever_the_umask_the_state_is_for_its_user_alone() {
    let world = World::new(RULES);
    // A folder that is made is as private as the mailbox that it is made in.
    let cur = world.folder.join("Maildir/cur");
    std::fs::set_permissions(&cur, std::fs::Permissions::from_mode(0o700)).unwrap();
    let daemon = Daemon::spawn(with_open_umask(&world.command(&["run"])), &[]);
    daemon.says("is watched");
    world.mail("User <user@stranger.example>", "User");
    daemon.says("completed");
    assert!(is_private(&world.state_dir()));
    let files: Vec<_> = std::fs::read_dir(world.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let named = |name: &str| files.iter().any(|path| path.ends_with(name));
    assert!(
        named("control.sock") && named("journal.db") && named("journal.db-wal"),
        "{files:?}"
    );
    for path in &files {
        assert!(is_private(path), "{} is open to others", path.display());
    }
    let settled = world.folder.join("Maildir/.Processed");
    world.wait_until("settling", |_| settled.exists());
    assert!(is_private(&settled), "{}", settled.display());
}

#[test]
fn a_state_folder_that_others_may_enter_shows_them_no_file() {
    let world = World::new(RULES);
    let state = world.state_dir();
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    // As a backup that was copied back may be.
    std::fs::write(state.join("journal.db"), "").unwrap();
    std::fs::set_permissions(state.join("journal.db"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let daemon = Daemon::spawn(with_open_umask(&world.command(&["run"])), &[]);
    daemon.says("is watched");
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert!(is_private(&path), "{} is open to others", path.display());
    }
}

/// Whether a program that is ended by SIGABRT leaves a core dump here.
fn dumps_core(program: &mut Command) -> bool {
    let status = program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().core_dumped()
}

#[test]
fn the_daemon_leaves_no_core_dump() {
    let world = World::new(RULES);
    let mut other = Command::new("/bin/sh");
    other
        .args(["-c", "ulimit -c unlimited 2>/dev/null; kill -ABRT $$"])
        .current_dir(&world.folder);
    let dumps = dumps_core(&mut other);
    assert!(
        dumps,
        "this machine dumps nobody's memory, so nothing is seen here; raise the hard limit: ulimit -H -c"
    );
    let command = world.command(&["run"]);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    shell.env_clear().current_dir(&world.folder);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let daemon = Daemon::spawn(shell, &[]);
    daemon.says("is watched");
    daemon.signal(Signal::ABORT);
    assert!(!daemon.died().core_dumped());
}
