//! A real Dovecot as a child.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    child::{NOBODY, READY_WITHIN, end, free_port, write_certificates},
    raw::{Kept, Raw},
};

/// Every account's password, unless another is given.
pub const PASSWORD: &str = "geheim";

/// What differs from one server to another.
pub struct Options {
    /// Where the server's folder is made, mail and all.
    pub root: PathBuf,
    /// Replaces the list that is advertised after the sign-in.
    pub capability: Option<&'static str>,
    /// Whom the certificate is for.
    pub names: &'static [&'static str],
    /// The certificate's time is over.
    pub expired: bool,
    pub separator: char,
    /// Before every folder but INBOX, as Courier has it; empty or ending in the separator.
    pub prefix: &'static str,
    /// Octets that one account may hold, as Dovecot writes it; counting them makes deliveries slow.
    pub quota: Option<&'static str>,
    /// Accounts may give others rights in their folders (`SETACL`), which those see below `shared/ACCOUNT/`; the separator is
    /// `/` then.
    pub shared: bool,
    /// Takes tokens by these mechanisms, besides passwords: their key (HS256, in base64) and issuer.
    pub tokens: Option<(&'static str, &'static str, &'static str)>,
    /// For thousands of sessions that mostly wait: those that do are put to sleep.
    pub is_large: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            root: PathBuf::from("/tmp"),
            capability: None,
            names: &["localhost", "127.0.0.1"],
            expired: false,
            separator: '.',
            prefix: "",
            quota: None,
            shared: false,
            tokens: None,
            is_large: false,
        }
    }
}

/// A running server. It ends when this is dropped; its folder stays when the test failed.
pub struct Dovecot {
    pub imap_port: u16,
    pub imaps_port: u16,
    pub lmtp_port: u16,
    /// The authority that its certificate comes from.
    pub ca_pem: PathBuf,
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Dovecot {
    pub fn start() -> Dovecot {
        Dovecot::start_with(&Options::default())
    }

    pub fn start_with(options: &Options) -> Dovecot {
        // Another process may take a port between our look and Dovecot's start; then with other ports.
        for _ in 0..3 {
            let server = Dovecot::prepare(options);
            match server.run() {
                Ok(()) => return server,
                Err(reason) => eprintln!("dovecot did not start: {reason}"),
            }
        }
        panic!("dovecot does not start; its words stand above");
    }

    fn prepare(options: &Options) -> Dovecot {
        // A unix socket's path has 107 octets at most, and Dovecot's processes must be able to enter.
        let folder = tempfile::Builder::new()
            .prefix("dc-")
            .tempdir_in(&options.root)
            .expect("a folder for the server");
        let path = folder.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own folder");
        fs::create_dir(path.join("mail")).expect("a new folder");
        chown(path.join("mail"), Some(NOBODY), Some(NOBODY)).expect("the tests with Dovecot run as root");
        // Accounts of a large server have system users of their own, which make their folders here.
        fs::set_permissions(path.join("mail"), fs::Permissions::from_mode(0o1777)).expect("our own folder");
        fs::write(path.join("users"), "").expect("a new file");
        write_certificates(&path, options.names, options.expired);
        if let Some((_, key, issuer)) = options.tokens {
            write_token_key(&path, key, issuer);
        }
        let ports = [free_port(), free_port(), free_port()];
        fs::write(path.join("dovecot.conf"), configuration(&path, options, ports)).expect("a new file");
        let [imap_port, imaps_port, lmtp_port] = ports;
        Dovecot {
            imap_port,
            imaps_port,
            lmtp_port,
            ca_pem: path.join("ca.pem"),
            folder: Some(folder),
            path,
            child: Mutex::new(None),
        }
    }

    fn run(&self) -> Result<(), String> {
        let program = ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"]
            .iter()
            .find(|path| Path::new(path).exists());
        let program = program.expect("dovecot is not installed; run tests/run install");
        let conf = self.path.join("dovecot.conf");
        let words = fs::File::create(self.path.join("stderr")).map_err(|error| error.to_string())?;
        let started = Command::new(program)
            .arg("-F")
            .arg("-c")
            .arg(conf)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .spawn();
        let mut child = started.map_err(|error| error.to_string())?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                let words = fs::read_to_string(self.path.join("stderr")).unwrap_or_default();
                return Err(format!("it ended with {status}: {words}"));
            }
            // An open port is not enough: the greeting shows that a worker answers.
            if Raw::greeted(self.imap_port).is_some() {
                *self.child() = Some(child);
                return Ok(());
            }
            if Instant::now() > deadline {
                end(&mut child);
                return Err("no greeting in time".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An account with `PASSWORD`.
    pub fn add_user(&self, name: &str) {
        self.add_user_with(name, PASSWORD);
    }

    /// Many accounts with `PASSWORD`, spread over system users: inotify gives each of those 128 instances.
    pub fn add_users<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let spread = (20_000..20_020).cycle();
        let line = |(name, id): (&str, u32)| format!("{name}:{{PLAIN}}{PASSWORD}:{id}:{id}::::\n");
        self.add_lines(&names.zip(spread).map(line).collect::<String>());
    }

    pub fn add_user_with(&self, name: &str, password: &str) {
        self.add_lines(&format!("{name}:{{PLAIN}}{password}:{NOBODY}:{NOBODY}::::\n"));
    }

    fn add_lines(&self, lines: &str) {
        // Stories add their users at the same time, and this reads, changes and writes.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let users = self.path.join("users");
        let mut text = fs::read_to_string(&users).expect("the users file");
        text.push_str(lines);
        // Replaced whole: Dovecot may read it at any moment.
        fs::write(users.with_extension("new"), text).expect("a file in our folder");
        fs::rename(users.with_extension("new"), users).expect("a file in our folder");
    }

    /// Puts a message into a folder (the server's name for it) without any flag.
    pub fn deliver(&self, user: &str, folder: &str, octets: &[u8]) {
        self.deliver_flagged(user, folder, "", octets);
    }

    /// `flags` as IMAP writes them, separated by spaces.
    pub fn deliver_flagged(&self, user: &str, folder: &str, flags: &str, octets: &[u8]) {
        self.deliver_all(user, folder, flags, &[octets.to_vec()]);
    }

    /// Many in one connection, some hundred to a command (RFC 3502).
    pub fn deliver_all(&self, user: &str, folder: &str, flags: &str, messages: &[Vec<u8>]) {
        let mut raw = self.raw(user);
        for some in messages.chunks(200) {
            raw.append_many(folder, flags, some);
        }
    }

    /// What lies in a folder (the server's name for it), by ascending UID; empty where there is no such folder.
    pub fn folder(&self, user: &str, name: &str) -> Vec<Kept> {
        self.raw(user).folder(name)
    }

    /// The server's names of all folders of the account.
    pub fn folders(&self, user: &str) -> Vec<String> {
        self.raw(user).folders()
    }

    /// Those that the account is subscribed to.
    pub fn subscribed(&self, user: &str) -> Vec<String> {
        self.raw(user).subscribed()
    }

    /// Where the account's mail lies: INBOX itself, the folders in it.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.path.join("mail").join(user).join("Maildir")
    }

    /// Numbers the user's INBOX anew: another UIDVALIDITY, as after a restore from a backup.
    pub fn renumber(&self, user: &str) {
        let second = || std::time::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs();
        let before = second();
        // Dovecot takes the time in seconds for a new one.
        while second() == before {
            std::thread::sleep(Duration::from_millis(10));
        }
        for entry in fs::read_dir(self.maildir(user)).expect("the Maildir is there") {
            let entry = entry.expect("a readable folder");
            if entry.file_name().to_string_lossy().starts_with("dovecot") {
                fs::remove_file(entry.path()).expect("it can be removed");
            }
        }
    }

    /// Commands as they are, for what the other methods do not say: `command("ann", &["SELECT INBOX", …])`.
    pub fn commands(&self, user: &str, commands: &[&str]) {
        let mut raw = self.raw(user);
        for command in commands {
            raw.command(command);
        }
    }

    /// Signed in as that account.
    pub fn raw(&self, user: &str) -> Raw {
        let mut raw = Raw::greeted(self.imap_port).expect("dovecot answers");
        let line = fs::read_to_string(self.path.join("users")).expect("the users file");
        let password = line
            .lines()
            .find_map(|line| line.strip_prefix(user)?.strip_prefix(":{PLAIN}"));
        let password = password
            .and_then(|rest| rest.split(':').next())
            .expect("a user that was added");
        raw.log_in(user, password);
        raw
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn stop(&self) {
        if let Some(mut child) = self.child().take() {
            end(&mut child);
        }
    }

    /// The same mail on the same ports.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    pub fn start_again(&self) {
        self.run().expect("dovecot starts again");
    }

    /// So many signed in within one second by its clock, at most.
    pub fn most_sign_ins_a_second(&self) -> f64 {
        let log = fs::read_to_string(self.path.join("dovecot.log")).expect("the log");
        let mut seconds: BTreeMap<&str, u32> = BTreeMap::new();
        for line in log.lines().filter(|line| line.contains("imap-login: Info: Login:")) {
            // Nov 23 10:00:00 imap-login: …
            *seconds.entry(line.get(..15).unwrap_or_default()).or_default() += 1;
        }
        seconds.into_values().max().map_or(0.0, f64::from)
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("dovecot's folder is kept: {}", folder.keep().display());
        }
    }
}

/// Tokens are verified by key, without asking anybody.
fn write_token_key(path: &Path, key: &str, issuer: &str) {
    let keys = path.join("keys/default/HS256");
    fs::create_dir_all(&keys).expect("a new folder");
    fs::write(keys.join("default"), key).expect("a new file");
    let text = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/keys/\nusername_attribute = email\nissuers = {issuer}\n",
        path.display()
    );
    fs::write(path.join("oauth2.conf"), text).expect("a new file");
}

/// Dovecot 2.3 wants every setting and every brace on a line of its own; here `;` ends a line.
fn configuration(path: &Path, options: &Options, [imap_port, imaps_port, lmtp_port]: [u16; 3]) -> String {
    let dir = path.display();
    let Options { separator, prefix, .. } = options;
    let layout = if *separator == '/' { ":LAYOUT=fs" } else { "" };
    let (shared, shared_plugin) = if options.shared {
        shared(path, layout)
    } else {
        Default::default()
    };
    let capability = options
        .capability
        .map(|list| format!("imap_capability = {list}"))
        .unwrap_or_default();
    let counted = |limit: &str| {
        format!(
            "mail_plugins = quota; plugin {{; quota = count:User quota; quota_vsizes = yes; quota_rule = *:storage={limit}; }}"
        )
    };
    let quota = options.quota.map(counted).unwrap_or_default();
    let mechanisms = options.tokens.map(|(mechanisms, ..)| mechanisms).unwrap_or_default();
    let tokens = match options.tokens {
        Some(_) => format!("passdb {{; driver = oauth2; mechanisms = {mechanisms}; args = {dir}/oauth2.conf; }}"),
        None => String::new(),
    };
    // Who sleeps hears of mail at once, and who waits awake half a second later. To wake needs a process, which is
    // there already.
    let (protocols, most, asleep, at_hand) = if options.is_large {
        ("imap lmtp", 4_000, "imap_hibernate_timeout = 1s", 4)
    } else {
        ("imap", 400, "", 0)
    };
    let folded = format!(
        "base_dir = {dir}/run; state_dir = {dir}/state; log_path = {dir}/dovecot.log; protocols = {protocols}; listen = 127.0.0.1
ssl = yes; ssl_cert = <{dir}/leaf.pem; ssl_key = <{dir}/leaf.key; disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}; auth_failure_delay = 0; auth_username_chars =
mail_uid = nobody; mail_gid = nogroup; first_valid_uid = 1; mail_home = {dir}/mail/%u
mail_location = maildir:~/Maildir{layout}; mail_fsync = never
namespace inbox {{; inbox = yes; separator = {separator}; prefix = {prefix}; }}
{tokens}
passdb {{; driver = passwd-file; mechanisms = plain login; args = scheme=PLAIN username_format=%u {dir}/users; }}
userdb {{; driver = passwd-file; args = username_format=%u {dir}/users; }}
{quota}
{shared}
service imap-login {{; inet_listener imap {{; port = {imap_port}; }}; inet_listener imaps {{; port = {imaps_port}; ssl = yes; }}
service_count = 0; process_min_avail = 1; process_limit = 2; client_limit = {most}; }}
service imap {{; process_limit = {most}; process_min_avail = {at_hand}; unix_listener imap-master {{; user = dovecot; }}; }}
service imap-hibernate {{; client_limit = {most}; unix_listener imap-hibernate {{; mode = 0666; }}; }}
service lmtp {{; inet_listener lmtp {{; port = {lmtp_port}; }}; }}
service auth {{; client_limit = 10000; }}; service stats {{; client_limit = 10000; }}
service anvil {{; client_limit = 10000; unix_listener anvil-auth-penalty {{; mode = 0; }}; }}
protocol imap {{; mail_max_userip_connections = 0; {capability}; {shared_plugin}; {asleep}; }}; protocol lmtp {{; auth_username_format = %u; }}
"
    );
    folded.replace("; ", "\n").replace(";\n", "\n")
}

/// The namespace of what others share, and the plugin's line for IMAP.
fn shared(path: &Path, layout: &str) -> (String, String) {
    let dir = path.display();
    let namespace = format!(
        "namespace {{; type = shared; separator = /; prefix = shared/%%u/; list = children; subscriptions = no
location = maildir:%%h/Maildir{layout}; }}
mail_plugins = acl; plugin {{; acl = vfile; acl_shared_dict = file:{dir}/mail/shared.db; }}"
    );
    (namespace, "mail_plugins = acl imap_acl".to_owned())
}
