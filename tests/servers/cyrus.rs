//! A real Cyrus as a child. Its package excludes Dovecot's, so `tests/run install` unpacks it into a folder of the
//! tests' own, and nothing of it is registered on the machine.

use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    child::{READY_WITHIN, end, free_port, hand_over, unpacked, write_certificates},
    raw::Raw,
};

/// Every account's password.
pub const PASSWORD: &str = "geheim";
/// May make mailboxes and quotas.
const ADMIN: &str = "cyrus";

/// A running server. It ends when this is dropped; its folder stays when the test failed.
pub struct Cyrus {
    pub imap_port: u16,
    pub imaps_port: u16,
    /// The authority that its certificate comes from.
    pub ca_pem: PathBuf,
    folder: Option<tempfile::TempDir>,
    child: Child,
}

impl Cyrus {
    /// With these accounts, whose INBOX is there after their first sign-in. `hidden` are capabilities that it does not
    /// advertise.
    pub fn start(accounts: &[&str], hidden: &str) -> Cyrus {
        let root = unpacked("cyrus");
        // A unix socket's path has 107 octets at most, and its processes must be able to enter.
        let folder = tempfile::Builder::new().prefix("cy-").tempdir_in("/tmp");
        let folder = folder.expect("a folder in /tmp");
        let path = folder.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own folder");
        for name in ["conf/db", "conf/socket", "spool", "run/proc", "run/lock", "run/socket"] {
            fs::create_dir_all(path.join(name)).expect("a new folder");
        }
        write_certificates(&path, &["localhost", "127.0.0.1"], false);
        for account in accounts.iter().chain(&[ADMIN]) {
            add_account(&root, &path, account);
        }
        let (imap_port, imaps_port) = (free_port(), free_port());
        fs::write(path.join("imapd.conf"), settings(&path, hidden)).expect("a new file");
        fs::write(path.join("cyrus.conf"), services(&root, &path, imap_port, imaps_port)).expect("a new file");
        hand_over(&path);
        let child = Command::new(root.join("usr/sbin/cyrmaster"))
            .args(["-D", "-C"])
            .arg(path.join("imapd.conf"))
            .arg("-M")
            .arg(path.join("cyrus.conf"))
            .arg("-p")
            .arg(path.join("run/master.pid"))
            .arg("-L")
            .arg(path.join("log"))
            .env("LD_LIBRARY_PATH", libraries(&root))
            // When it ends it signals its whole group, and every other server of its user would end with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cyrmaster starts");
        let server = Cyrus {
            imap_port,
            imaps_port,
            ca_pem: path.join("ca.pem"),
            folder: Some(folder),
            child,
        };
        server.wait();
        for account in accounts {
            server.raw(account);
        }
        server
    }

    fn wait(&self) {
        let deadline = Instant::now() + READY_WITHIN;
        // The greeting shows that a worker answers; an open port is not enough.
        while Raw::greeted(self.imap_port).is_none() {
            assert!(Instant::now() < deadline, "cyrus does not greet");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Signed in as that account.
    pub fn raw(&self, account: &str) -> Raw {
        let mut raw = Raw::greeted(self.imap_port).expect("cyrus answers");
        raw.log_in(account, PASSWORD);
        raw
    }

    /// Commands of the administrator, for example `SETQUOTA user/ann (STORAGE 1)`.
    pub fn administer(&self, commands: &[&str]) {
        let mut raw = self.raw(ADMIN);
        for command in commands {
            raw.command(command);
        }
    }
}

impl Drop for Cyrus {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("cyrus's folder is kept: {}", folder.keep().display());
        }
    }
}

fn libraries(root: &Path) -> PathBuf {
    root.join("usr/lib")
        .join(format!("{}-linux-gnu", std::env::consts::ARCH))
}

/// The realm is the server's name, not the mail domain.
fn add_account(root: &Path, path: &Path, account: &str) {
    let mut child = Command::new(root.join("usr/sbin/saslpasswd2"))
        .args(["-p", "-c", "-f"])
        .arg(path.join("sasldb2"))
        .args(["-u", "localhost", account])
        .env("LD_LIBRARY_PATH", libraries(root))
        .stdin(Stdio::piped())
        .spawn()
        .expect("saslpasswd2 starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(PASSWORD.as_bytes()).expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("it ends").success(), "the account is kept");
}

fn settings(path: &Path, hidden: &str) -> String {
    let dir = path.display();
    // IDLE has a switch of its own.
    let without_idle = if hidden.contains("IDLE") {
        "imapidlepoll: 0\n"
    } else {
        ""
    };
    let hidden = if hidden.is_empty() {
        String::new()
    } else {
        format!("suppress_capabilities: {hidden}\n{without_idle}")
    };
    format!(
        "configdirectory: {dir}/conf\ndefaultpartition: default\npartition-default: {dir}/spool\n\
         proc_path: {dir}/run/proc\nmboxname_lockpath: {dir}/run/lock\nlmtpsocket: {dir}/run/socket/lmtp\n\
         idlesocket: {dir}/run/socket/idle\ncyrus_user: nobody\ncyrus_group: nogroup\nadmins: {ADMIN}\n\
         altnamespace: yes\nunixhierarchysep: yes\nautocreate_quota: 100000\nautocreate_post: yes\n\
         allowplaintext: yes\nsasl_pwcheck_method: auxprop\nsasl_auxprop_plugin: sasldb\n\
         sasl_sasldb_path: {dir}/sasldb2\nsasl_mech_list: PLAIN LOGIN\ntls_server_cert: {dir}/leaf.pem\n\
         tls_server_key: {dir}/leaf.key\nservername: localhost\n{hidden}"
    )
}

fn services(root: &Path, path: &Path, imap_port: u16, imaps_port: u16) -> String {
    let programs = root.join("usr/lib/cyrus/bin");
    let (bin, dir) = (programs.display(), path.display());
    format!(
        "START {{\n  recover cmd=\"{bin}/ctl_cyrusdb -C {dir}/imapd.conf -r\"\n}}\n\
         SERVICES {{\n  imap cmd=\"{bin}/imapd -C {dir}/imapd.conf\" listen=\"127.0.0.1:{imap_port}\" proto=\"tcp4\" prefork=1\n  \
         imaps cmd=\"{bin}/imapd -C {dir}/imapd.conf -s\" listen=\"127.0.0.1:{imaps_port}\" proto=\"tcp4\" prefork=0\n}}\n\
         DAEMON {{\n  idled cmd=\"{bin}/idled -C {dir}/imapd.conf\"\n}}\n\
         EVENTS {{\n  checkpoint cmd=\"{bin}/ctl_cyrusdb -C {dir}/imapd.conf -c\" period=30\n}}\n"
    )
}
