//! A real Postfix as a child, that hands all mail for one domain to a program (pipe(8)) or puts it into a Maildir.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::child::{NOBODY, READY_WITHIN, end, free_port};

/// Mail for it goes to the program.
pub const DOMAIN: &str = "desk.example";

/// Where the mail goes.
pub enum Delivery<'a> {
    /// To this program with its arguments, as `nobody`; the message is its standard input.
    Program(&'a str),
    /// Into this Maildir by virtual(8), as `nobody`.
    Virtual(&'a Path),
    /// Into this Maildir by local(8) and an alias, as `nobody`.
    Local(&'a Path),
}

/// A running server. It ends when this is dropped; its folder stays when the test failed.
pub struct Postfix {
    port: u16,
    path: PathBuf,
    folder: Option<tempfile::TempDir>,
    child: Child,
}

impl Postfix {
    pub fn start(delivery: &Delivery<'_>) -> Postfix {
        let folder = tempfile::Builder::new().prefix("po-").tempdir_in("/tmp");
        let folder = folder.expect("a folder in /tmp");
        let path = folder.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own folder");
        for name in ["etc", "spool", "data", "out"] {
            fs::create_dir(path.join(name)).expect("a new folder");
        }
        chown(path.join("data"), Some(id_of("postfix")), None).expect("the tests with Postfix run as root");
        let port = free_port();
        let (settings, services) = (settings(&path, delivery), services(port, delivery));
        fs::write(path.join("etc/main.cf"), settings).expect("a new file");
        fs::write(path.join("etc/master.cf"), services).expect("a new file");
        if let Delivery::Local(maildir) = delivery {
            let alias = format!("support {}/\n", maildir.display());
            fs::write(path.join("etc/aliases"), alias).expect("a new file");
        }
        // Makes the folders of the queue.
        let checked = control("postfix", &path)
            .arg("check")
            .status()
            .expect("postfix is installed");
        assert!(checked.success(), "postfix takes its configuration");
        let child = Command::new("/usr/lib/postfix/sbin/master")
            .arg("-c")
            .arg(path.join("etc"))
            .arg("-d")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postfix is installed; run tests/run install");
        let server = Postfix {
            port,
            path,
            folder: Some(folder),
            child,
        };
        let deadline = Instant::now() + READY_WITHIN;
        while server.greeted().is_none() {
            assert!(Instant::now() < deadline, "postfix does not greet");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Where it takes mail.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Takes a message into its queue; lines end with CRLF and none is a dot alone.
    pub fn submit(&self, from: &str, to: &str, message: &str) {
        let mut session = self.greeted().expect("postfix greets");
        session.say("HELO client.example", "250");
        session.say(&format!("MAIL FROM:<{from}>"), "250");
        session.say(&format!("RCPT TO:<{to}>"), "250");
        session.say("DATA", "354");
        session.say(&format!("{message}\r\n."), "250");
        session.say("QUIT", "221");
    }

    /// What lies in the queue, a line of JSON each.
    pub fn queue(&self) -> Vec<serde_json::Value> {
        let listed = control("postqueue", &self.path)
            .arg("-j")
            .output()
            .expect("postqueue runs");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        listed
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// What became of each delivery so far, as Postfix logs it.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path.join("out/maillog")).unwrap_or_default()
    }

    /// Tries again now all that is in the queue.
    pub fn flush(&self) {
        let status = control("postqueue", &self.path)
            .arg("-f")
            .status()
            .expect("postqueue runs");
        assert!(status.success(), "postqueue flushes");
    }

    fn greeted(&self) -> Option<Session> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let mut session = Session(BufReader::new(stream));
        let greeting = session.answer()?;
        greeting.starts_with("220 ").then_some(session)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("postfix's folder is kept: {}", folder.keep().display());
        }
    }
}

struct Session(BufReader<TcpStream>);

impl Session {
    fn say(&mut self, command: &str, expected: &str) {
        let line = format!("{command}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).expect("postfix reads");
        let answer = self.answer().unwrap_or_default();
        assert!(
            answer.starts_with(expected),
            "postfix answers {command:?} with {answer:?}"
        );
    }

    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line)
    }
}

fn control(program: &str, path: &Path) -> Command {
    let mut command = Command::new(format!("/usr/sbin/{program}"));
    command.arg("-c").arg(path.join("etc"));
    command
}

fn id_of(user: &str) -> u32 {
    let users = fs::read_to_string("/etc/passwd").expect("every system has it");
    let line = users.lines().find(|line| line.starts_with(&format!("{user}:")));
    let id = line
        .and_then(|line| line.split(':').nth(2))
        .and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("there is no user {user}; run tests/run install"))
}

fn settings(path: &Path, delivery: &Delivery<'_>) -> String {
    let dir = path.display();
    let delivery = match delivery {
        Delivery::Program(_) => format!(
            "mydestination =\nalias_maps =\nvirtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_maps = static:x\n\
             virtual_transport = prog:\nprog_destination_recipient_limit = 1\n"
        ),
        Delivery::Virtual(maildir) => {
            let base = maildir.parent().expect("it lies in a folder").display();
            let name = maildir.file_name().expect("it has a name").display();
            format!(
                "mydestination =\nalias_maps =\nvirtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_base = {base}\n\
                 virtual_mailbox_maps = inline:{{support@{DOMAIN}={name}/}}\n\
                 virtual_uid_maps = static:{NOBODY}\nvirtual_gid_maps = static:{NOBODY}\n"
            )
        }
        Delivery::Local(_) => format!("mydestination = {DOMAIN}\nalias_maps = texthash:{dir}/etc/aliases\n"),
    };
    format!(
        "compatibility_level = 3.6\nqueue_directory = {dir}/spool\ndata_directory = {dir}/data\n\
         maillog_file = {dir}/out/maillog\nmaillog_file_prefixes = {dir}\nmail_owner = postfix\nsetgid_group = postdrop\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mx.desk.example\n\
         mynetworks = 127.0.0.0/8\nalias_database =\nlocal_recipient_maps =\n\
         smtpd_relay_restrictions = reject_unauth_destination\n\
         default_transport = error:no outward mail\nrelay_transport = error:no outward mail\n\
         smtp_dns_support_level = disabled\nminimal_backoff_time = 2s\nmaximal_backoff_time = 4s\nqueue_run_delay = 2s\n\
         {delivery}"
    )
}

/// No chroot for anybody.
fn services(port: u16, delivery: &Delivery<'_>) -> String {
    let delivery = match delivery {
        Delivery::Program(program) => format!("prog unix - n n - 4 pipe flags=Rq user=nobody argv={program}"),
        Delivery::Virtual(_) => "virtual unix - n n - - virtual".to_owned(),
        Delivery::Local(_) => "local unix - n n - - local".to_owned(),
    };
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 1 1 qmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nerror unix - - n - - error\nretry unix - - n - - error\n\
         anvil unix - - n - 1 anvil\nshowq unix n - n - - showq\npostlog unix-dgram n - n - 1 postlogd\n\
         {delivery}\n"
    )
}
