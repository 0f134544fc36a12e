//! A real PostgreSQL as a child, one for all tests of a binary; each has a schema of its own in it.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::child::{NOBODY, READY_WITHIN, free_port, hand_over, write_certificates};

/// Starts the server anew with each line of its standard input, and ends it and removes its folder with the end of that: a
/// static is never dropped, and a test may end in any way.
const GUARD: &str = r#"
folder=$1; shift
"$@" &
while read -r line; do kill -INT $!; wait $!; "$@" & done
kill -INT $!; wait $!
rm -rf "$folder"
"#;

/// A server; it ends with whoever started it.
pub struct Postgres {
    pub port: u16,
    path: PathBuf,
    _guard: Child,
    line: Mutex<ChildStdin>,
}

impl Postgres {
    /// The one of this process.
    pub fn shared() -> &'static Postgres {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Postgres::start)
    }

    pub fn start() -> Postgres {
        Postgres::start_with(&[])
    }

    /// With these settings (`NAME=VALUE`) in the place of those that make tests quick.
    pub fn start_with(settings: &[&str]) -> Postgres {
        let path = tempfile::Builder::new()
            .prefix("pg-")
            .tempdir_in("/tmp")
            .expect("a folder for the server")
            .keep();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("our own folder");
        write_certificates(&path, &["localhost", "127.0.0.1"], false);
        fs::set_permissions(path.join("leaf.key"), fs::Permissions::from_mode(0o600)).expect("our own file");
        if is_root() {
            hand_over(&path);
        }
        let made = program(&path, "initdb")
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(path.join("data"))
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for _ in 0..3 {
            if let Some(server) = Postgres::run(&path, free_port(), settings) {
                return server;
            }
        }
        panic!(
            "postgres does not start; its words are in {}",
            path.join("words").display()
        );
    }

    /// Another process may take the port before it does.
    fn run(path: &Path, port: u16, settings: &[&str]) -> Option<Postgres> {
        let words = fs::File::create(path.join("words")).expect("a new file");
        let server = program(path, "postgres");
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "sh"])
            .arg(path)
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(path.join("data"))
            .args(["-p", &port.to_string(), "-k"])
            .arg(path)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300"])
            .args([
                "-c",
                "fsync=off",
                "-c",
                "full_page_writes=off",
                "-c",
                "shared_buffers=32MB",
            ])
            .args(["-c", "ssl=on", "-c"])
            .arg(format!("ssl_cert_file={}", path.join("leaf.pem").display()))
            .arg("-c")
            .arg(format!("ssl_key_file={}", path.join("leaf.key").display()))
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .current_dir(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(words)
            .spawn()
            .expect("a shell");
        let line = guard.stdin.take().expect("it was piped");
        let server = Postgres {
            port,
            path: path.to_owned(),
            _guard: guard,
            line: Mutex::new(line),
        };
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if server.psql("SELECT 1").is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Ends every session and starts again.
    pub fn restart(&self) {
        let began = "SELECT pg_postmaster_start_time()";
        let before = self.psql(began).expect("it runs");
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(line, "again").expect("the guard listens");
        let deadline = Instant::now() + READY_WITHIN;
        while !self.psql(began).is_ok_and(|now| now != before) {
            assert!(Instant::now() < deadline, "it does not start again");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address of a schema that nobody else has.
    pub fn schema(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.psql(&format!("CREATE SCHEMA {name}")).expect("a new schema");
        format!(
            "postgres://postgres@127.0.0.1:{}/postgres?options=-csearch_path%3D{name}",
            self.port
        )
    }

    /// Takes this user by his password alone from now on; all others as before.
    pub fn ask_for_password(&self, user: &str) {
        let rules = self.path.join("data/pg_hba.conf");
        let before = fs::read_to_string(&rules).expect("initdb has written it");
        let first = format!("host all {user} 127.0.0.1/32 scram-sha-256\n");
        fs::write(&rules, first + &before).expect("our own file");
        self.psql("SELECT pg_reload_conf()").expect("it runs");
        let is_so = format!("SELECT count(*) FROM pg_hba_file_rules WHERE user_name = '{{{user}}}' AND error IS NULL");
        assert_eq!(self.psql(&is_so).expect("it runs"), "1");
    }

    /// A session that has said this, and ends with its standard input.
    pub fn session(&self, sql: &str) -> Child {
        let mut session = self
            .client(&[])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("psql runs");
        let mut line = session.stdin.take().expect("it was piped");
        writeln!(line, "{sql};").expect("psql listens");
        session.stdin = Some(line);
        session
    }

    /// The authority that its certificate comes from.
    pub fn ca_pem(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// What statements say, or why they fail.
    pub fn psql(&self, sql: &str) -> Result<String, String> {
        let said = self.client(&["-c", sql]).output().expect("psql runs");
        if said.status.success() {
            Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&said.stderr).into_owned())
        }
    }
}

impl Postgres {
    fn client(&self, arguments: &[&str]) -> Command {
        let mut psql = program(&self.path, "psql");
        psql.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "postgres",
            "-XAtq",
        ]);
        psql.args(arguments);
        psql
    }
}

/// The newest that is installed, as a user that is not root: it refuses that one.
fn program(folder: &Path, name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("postgresql is not installed; run tests/run install");
    let version = versions
        .filter_map(|version| version.ok()?.file_name().into_string().ok()?.parse::<u32>().ok())
        .max()
        .expect("a version of postgresql");
    let programs = format!("/usr/lib/postgresql/{version}/bin");
    let mut command = Command::new(if is_root() { "setpriv" } else { "env" });
    if is_root() {
        command.args([
            &format!("--reuid={NOBODY}"),
            &format!("--regid={NOBODY}"),
            "--clear-groups",
            "env",
        ]);
    }
    command
        .args(["-i", &format!("PATH={programs}:/usr/bin:/bin"), "LC_ALL=C.UTF-8"])
        .arg(format!("HOME={}", folder.display()))
        .arg(format!("{programs}/{name}"))
        .current_dir(folder);
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
