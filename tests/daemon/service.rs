//! The daemon as a service: it watches, reloads, stops, is alone on its state, takes what is handed to it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixDatagram,
    process::{Child, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::world::{World, dovecot, finish, next_user};

const USERS: &str = r#"
[[rule]]
name = "users"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Warehouse"
"#;

/// A running daemon; stopped when the story ends.
struct Daemon {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Daemon {
    fn start(world: &World, environment: &[(&str, &str)]) -> Daemon {
        let mut command = world.command(&["run"]);
        command
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .for_each(|line| drop(send.send(line)))
        });
        Daemon { child, lines }
    }

    /// Waits for a line with this text.
    fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut said = Vec::new();
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => said.push(line),
                Err(error) => panic!("{text:?} was not said ({error}): {said:#?}"),
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM; gives the exit status and how long it took.
    fn stop(mut self) -> (i32, Duration) {
        let began = Instant::now();
        self.signal(rustix::process::Signal::TERM);
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), began.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It is our own child; after `stop` it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mail_that_comes_while_it_watches_becomes_a_user_at_once() {
    let mut world = World::with_dovecot(USERS);
    // Long enough that only IDLE can bring it.
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    world.mail("Ann <ann@stranger.example>", "First");
    daemon.says("completed");
    world.mail("Bob <bob@stranger.example>", "Second");
    daemon.says("completed");
    world.wait_until("settling", |world| world.folder("Processed").len() == 2);
    assert_eq!(world.users("bob@stranger.example").len(), 1);
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_maildir_is_watched_too() {
    let mut world = World::new(USERS);
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    world.wait_until("the first look", |world| {
        world.state_dir().join("control.sock").exists()
    });
    world.mail("Ann <ann@stranger.example>", "First");
    daemon.says("completed");
}

#[test]
fn a_second_daemon_on_the_same_state_says_so_and_exits() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let second = world.run(&["run"]);
    assert_eq!(second.status, 69, "{second:?}");
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
}

#[test]
fn process_hands_its_message_to_the_daemon_that_runs() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    let ran = process(
        &world,
        b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("completed"), "{ran:?}");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    drop(daemon);
}

#[test]
fn process_does_its_work_alone_where_no_daemon_runs() {
    let world = World::new(USERS);
    let ran = process(
        &world,
        b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(world.only().0, "completed");
}

#[test]
fn process_exits_75_when_the_message_is_deferred() {
    use halo_intake::sandbox::{Fault, Mishap};
    let world = World::new(USERS);
    world.sandbox.set(|switches| {
        switches.faults = vec![
            Fault::once(
                "",
                "/api/users",
                Mishap::Status {
                    status: 503,
                    message: String::new(),
                },
            )
            .times(1000),
        ]
    });
    let ran = process(
        &world,
        b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n",
    );
    assert_eq!(ran.status, 75, "{ran:?}");
    assert_eq!(world.only().0, "deferred");
}

fn process(world: &World, octets: &[u8]) -> crate::world::Ran {
    let mut child = world
        .command(&["process", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(octets).unwrap();
    finish(child.wait_with_output().unwrap())
}

#[test]
fn sighup_loads_a_new_configuration_and_keeps_the_old_one_when_the_new_is_bad() {
    let mut world = World::with_dovecot(USERS);
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");

    world.rules =
        "[[rule]]\nname = \"broken\"\nwhen = \"emial.subject\"\n[[rule.action]]\ntype = \"stop\"\n".to_owned();
    world.configure();
    daemon.signal(rustix::process::Signal::HUP);
    daemon.says("did you mean \"email\"?");
    daemon.says("the one before goes on");
    world.rules = USERS.to_owned();
    world.mail("Ann <ann@stranger.example>", "Under the old one");
    // Written again only for the commands that the story itself runs.
    daemon.says("completed");

    world.rules = USERS
        .replace("Warehouse", "Main")
        .replace("\"users\"", "\"users anew\"");
    world.configure();
    daemon.signal(rustix::process::Signal::HUP);
    daemon.says("the configuration was reloaded");
    world.mail("Bob <bob@stranger.example>", "Under the new one");
    daemon.says("completed");
    let rules: Vec<_> = world
        .log()
        .iter()
        .map(|row| row["rule"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(rules, ["users", "users anew"]);
}

#[test]
fn systemd_is_told_when_it_is_ready_how_it_is_and_that_it_lives() {
    let world = World::with_dovecot(USERS);
    let path = world.folder.join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let daemon = Daemon::start(
        &world,
        &[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "3000000")],
    );
    let mut told = String::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !(told.contains("READY=1")
        && told.contains("WATCHDOG=1")
        && told.contains("STATUS=1 of 1 mailboxes are well"))
    {
        assert!(Instant::now() < deadline, "{told}");
        let mut buffer = [0; 4096];
        let read = socket.recv(&mut buffer).unwrap();
        told.push_str(&String::from_utf8_lossy(&buffer[..read]));
        told.push('\n');
    }
    let (status, _) = daemon.stop();
    assert_eq!(status, 0);
    let mut buffer = [0; 4096];
    let mut last = String::new();
    while !last.contains("STOPPING=1") {
        let read = socket.recv(&mut buffer).unwrap();
        last = String::from_utf8_lossy(&buffer[..read]).into_owned();
    }
}

#[test]
fn a_stop_hands_back_what_hangs_and_the_next_start_takes_it_up() {
    let mut world = World::with_dovecot(USERS);
    world.halo = "timeout = \"60s\"".to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 40_000);
    world.mail("Ann <ann@stranger.example>", "Slow");
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the request", |world| !world.sandbox.requests().is_empty());
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(world.only().0, "pending");

    world.sandbox.set(|switches| switches.latency_ms = 0);
    world.once();
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_mailbox_that_can_not_sign_in_is_named_and_does_not_stop_the_others() {
    let world = World::with_dovecot(USERS);
    let user = next_user();
    world.more(&format!(
        "[mailbox.other]\ntype = \"imap\"\nhost = \"localhost\"\nport = {}\ntls = \"implicit\"\nca_file = {:?}\nusername = \"{user}\"\npassword = \"not this\"\n",
        dovecot().imaps_port,
        dovecot().ca_pem,
    ));
    world.mail("Ann <ann@stranger.example>", "Still taken");
    let ran = world.run(&["run", "--once"]);
    assert_eq!(ran.status, 69, "{ran:?}");
    assert!(
        ran.stderr
            .contains(&format!("mailbox other: localhost refuses the sign-in of {user}")),
        "{}",
        ran.stderr
    );
    assert_eq!(world.only().0, "completed");
}

#[test]
fn an_untrusted_certificate_is_named_with_what_to_do() {
    let world = World::with_dovecot(USERS);
    let text = std::fs::read_to_string(world.configure()).unwrap();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("ca_file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let path = world.folder.join("no-ca.toml");
    std::fs::write(&path, text).unwrap();
    let output = crate::world::program()
        .arg("--config")
        .arg(&path)
        .args(["run", "--once"])
        .output()
        .unwrap();
    let ran = finish(output);
    assert_eq!(ran.status, 69, "{ran:?}");
    assert!(ran.stderr.contains("ca_file"), "{}", ran.stderr);
}

#[test]
fn what_another_program_puts_at_the_socket_is_answered_or_dropped() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    let mut stream = std::os::unix::net::UnixStream::connect(world.state_dir().join("control.sock")).unwrap();
    stream.write_all(b"this is no request\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "");
    world.mail("Ann <ann@stranger.example>", "It lives");
    daemon.says("completed");
}
