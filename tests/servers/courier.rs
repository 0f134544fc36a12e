//! A real Courier as a child: no MOVE, no CONDSTORE, folders below `INBOX.`. Its package excludes the others', so
//! `tests/run install` unpacks it into a folder of the tests' own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    child::{NOBODY, READY_WITHIN, free_port, hand_over, unpacked, write_certificates},
    raw::Raw,
};

/// Every account's password.
pub const PASSWORD: &str = "geheim";
/// It changes to a user of this name before it speaks TLS.
const COURIER: &str = "courier:x:65533:65533::/nonexistent:/usr/sbin/nologin\n";

/// A running server. It ends when this is dropped; its folder stays when the test failed.
pub struct Courier {
    pub imap_port: u16,
    pub imaps_port: u16,
    /// The authority that its certificate comes from.
    pub ca_pem: PathBuf,
    folder: Option<tempfile::TempDir>,
    child: Child,
}

impl Courier {
    /// With these accounts.
    pub fn start(accounts: &[&str]) -> Courier {
        let root = unpacked("courier");
        let folder = tempfile::Builder::new().prefix("co-").tempdir_in("/tmp");
        let folder = folder.expect("a folder in /tmp");
        let path = folder.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own folder");
        for name in ["etc/courier", "run/courier/authdaemon", "mail"] {
            fs::create_dir_all(path.join(name)).expect("a new folder");
        }
        write_certificates(&path, &["localhost", "127.0.0.1"], false);
        write_settings(&root, &path);
        write_accounts(&root, &path, accounts);
        let (imap_port, imaps_port) = (free_port(), free_port());
        let child = Command::new("unshare")
            .args(["-m", "--pid", "--fork", "--kill-child", "sh"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/courier.sh"))
            .args([&root, &path])
            .args([imap_port.to_string(), imaps_port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path.join("stderr")).expect("a new file"))
            .spawn()
            .expect("unshare starts");
        let server = Courier {
            imap_port,
            imaps_port,
            ca_pem: path.join("ca.pem"),
            folder: Some(folder),
            child,
        };
        server.wait(&path);
        server
    }

    /// A greeting is not enough: before its authentication is there every sign-in fails.
    fn wait(&self, path: &Path) {
        let deadline = Instant::now() + READY_WITHIN;
        let authenticates = || {
            let log = fs::read_to_string(path.join("auth.log")).unwrap_or_default();
            path.join("run/courier/authdaemon/socket").exists() && log.contains("Installation complete")
        };
        while !(authenticates() && Raw::greeted(self.imap_port).is_some()) {
            assert!(Instant::now() < deadline, "courier does not greet: {}", path.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many octets the account may hold from now on.
    pub fn limit(&self, account: &str, octets: u64) {
        let folder = self.folder.as_ref().expect("it is there until the end").path();
        let file = folder.join("mail").join(account).join("Maildir/maildirsize");
        fs::write(&file, format!("{octets}S\n")).expect("a new file");
        hand_over(&file);
    }

    /// Signed in as that account.
    pub fn raw(&self, account: &str) -> Raw {
        let mut raw = Raw::greeted(self.imap_port).expect("courier answers");
        raw.log_in(account, PASSWORD);
        raw
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        // The first process of its namespace ignores SIGTERM; with it go all the others.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("courier's folder is kept: {}", folder.keep().display());
        }
    }
}

fn write_settings(root: &Path, path: &Path) {
    let etc = path.join("etc");
    for entry in fs::read_dir(root.join("etc/courier")).expect("it is unpacked") {
        let entry = entry.expect("a readable folder");
        if entry.path().is_file() {
            fs::copy(entry.path(), etc.join("courier").join(entry.file_name())).expect("a new file");
        }
    }
    let both = ["leaf.key", "leaf.pem"].map(|name| fs::read_to_string(path.join(name)).expect("our own file"));
    fs::write(path.join("both.pem"), both.concat()).expect("a new file");
    set(&etc.join("courier/authdaemonrc"), "authmodulelist", "\"authuserdb\"");
    let tls = etc.join("courier/imapd-ssl");
    set(&tls, "TLS_CERTFILE", &path.join("both.pem").display().to_string());
    set(&tls, "TLS_TRUSTCERTS", &path.join("ca.pem").display().to_string());
    set(&tls, "TLS_CACHEFILE", "");
    for name in ["passwd", "group"] {
        let mut text = fs::read_to_string(Path::new("/etc").join(name)).expect("every system has it");
        text.push_str(if name == "passwd" {
            COURIER
        } else {
            "courier:x:65533:\n"
        });
        fs::write(etc.join(name), text).expect("a new file");
    }
}

/// The last value of a variable in a file of settings wins.
fn set(file: &Path, name: &str, value: &str) {
    let mut text = fs::read_to_string(file).expect("it was unpacked");
    text.push_str(&format!("\n{name}={value}\n"));
    fs::write(file, text).expect("our own file");
}

fn write_accounts(root: &Path, path: &Path, accounts: &[&str]) {
    let hashed = Command::new("openssl").args(["passwd", "-6", PASSWORD]).output();
    let hashed = hashed.expect("openssl is there").stdout;
    let hashed = String::from_utf8(hashed).expect("ASCII");
    let mail = path.join("mail");
    let mut lines = String::new();
    for account in accounts {
        let home = mail.join(account);
        for part in ["new", "cur", "tmp"] {
            fs::create_dir_all(home.join("Maildir").join(part)).expect("a new folder");
        }
        let home = home.display();
        lines.push_str(&format!(
            "{account}\tuid={NOBODY}|gid={NOBODY}|home={home}|mail={home}/Maildir|imappw={}\n",
            hashed.trim()
        ));
    }
    hand_over(&mail);
    let users = path.join("etc/courier/userdb");
    fs::write(&users, lines).expect("a new file");
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).expect("our own file");
    make_user_database(root, path, &users);
}

/// The program's path to its helper is compiled in, too.
fn make_user_database(root: &Path, path: &Path, users: &Path) {
    let unpacked = root.join("usr/lib/courier/courier-authlib/makedatprog");
    let program = fs::read_to_string(root.join("usr/sbin/makeuserdb")).expect("it is unpacked");
    let program = program.replace(
        "/usr/lib/courier/courier-authlib/makedatprog",
        &unpacked.display().to_string(),
    );
    let copy = path.join("makeuserdb");
    fs::write(&copy, program).expect("a new file");
    let libraries = root.join("usr/lib");
    let of_architecture = libraries.join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let status = Command::new("perl")
        .arg(&copy)
        .arg("-f")
        .arg(users)
        .env(
            "LD_LIBRARY_PATH",
            format!("{}:{}", of_architecture.display(), libraries.display()),
        )
        .status()
        .expect("perl is there");
    assert!(status.success(), "makeuserdb makes the database of users");
}
