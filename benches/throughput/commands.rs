//! Each program as it is called, and the configuration that it gets.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    bare,
    desk::Place,
    servers::{
        child::{NOBODY, hand_over},
        dovecot::PASSWORD,
    },
};

/// What our configuration says of Halo beyond the defaults, as an operator can.
pub const BEYOND_DEFAULTS: &str = r#"rate = "1000000 per 1m""#;

const RULES: &str = r#"
[[rule]]
name = "Never"
when = 'email.from.domain == "nobody.example"'
  [[rule.action]]
  type = "stop_all"

[[rule]]
name = "Large mail of strangers"
when = 'not email.automatic and email.subject is containing(pat="Anfrage") and (email.size > 60000 or email.to | length > 3) and not email.from.domain == "acme.example"'
  [[rule.action]]
  type = "set"
  value = "{{ email.from.display }}: {{ email.attachments | length }}"
  store_as = "note"

[[rule]]
name = "Unknown senders become users"
when = "not email.automatic and not email.junk"
  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user and not custom.sender.agent"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  store_as = "created"
"#;

/// The program under test with these arguments.
pub fn halo_intake(place: &Place, arguments: &[&str]) -> Command {
    let path = place.folder.join("halo-intake.toml");
    fs::write(&path, configuration(place)).expect("our own folder");
    let log = std::env::var("HALO_INTAKE_LOG").unwrap_or_else(|_| "info".to_owned());
    let mut command = quiet(place, env!("CARGO_BIN_EXE_halo-intake"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HALO_INTAKE_LOG", log)
        .arg("--config")
        .arg(path)
        .args(arguments);
    command
}

fn configuration(place: &Place) -> String {
    format!(
        r#"
state_dir = {state:?}

[mailbox.support]
host = "localhost"
port = {port}
tls = "implicit"
ca_file = {ca:?}
username = "{user}"
password = "{PASSWORD}"
addresses = ["support@desk.example"]
backlog = "process"
settle.completed = {{ move_to = "Processed" }}

[halo.main]
url = "{url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
{BEYOND_DEFAULTS}

[smtp]
host = "127.0.0.1"
port = {smtp_port}
tls = "none"

[report]
to = ["ops@desk.example"]
{RULES}"#,
        state = place.folder.join("state"),
        port = place.port,
        ca = place.ca_pem,
        user = place.user,
        url = place.sandbox.url().as_str().trim_end_matches('/'),
        client_id = place.sandbox.client_id(),
        client_secret = place.sandbox.client_secret(),
        smtp_port = place.sink.address().port(),
    )
}

/// `mbsync` as it pulls the mailbox into a Maildir.
pub fn mbsync(place: &Place, fsync: bool) -> Command {
    let path = place.folder.join("mbsyncrc");
    let text = format!(
        "FSync {fsync}\nIMAPAccount desk\nHost localhost\nPort {port}\nUser {user}\nPass {PASSWORD}\nAuthMechs LOGIN\n\
         SSLType IMAPS\nSystemCertificates no\nCertificateFile {ca}\n\n\
         IMAPStore far\nAccount desk\n\nMaildirStore near\nPath {near}/\nInbox {near}/INBOX\n\n\
         Channel all\nFar :far:\nNear :near:\nSync Pull\nCreate Near\nSyncState *\n",
        fsync = if fsync { "yes" } else { "no" },
        port = place.port,
        user = place.user,
        ca = place.ca_pem.display(),
        near = place.folder.join("Maildir").display(),
    );
    fs::write(&path, text).expect("our own folder");
    let mut command = quiet(place, "mbsync");
    command.arg("-q").arg("-c").arg(path).arg("all");
    command
}

/// getmail6 misses the end of a child that is quicker than itself, and waits for it in vain. Loaded by Python before it.
const GETMAIL_MENDED: &str = "
import os
from getmailcore.baseclasses import ForkingBase

ForkingBase._child_handler = lambda *_: None
ForkingBase._wait_for_child = lambda self, pid: os.WEXITSTATUS(os.waitpid(pid, 0)[1])
";

/// `getmail` as it copies the mailbox into a Maildir, which it wants to be there; it does not deliver as root.
pub fn getmail(place: &Place) -> Command {
    let near = place.folder.join("Maildir/INBOX");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(near.join(part)).expect("our own folder");
    }
    let text = format!(
        "[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = localhost\nport = {port}\nusername = {user}\n\
         password = {PASSWORD}\nca_certs = {ca}\nmailboxes = (\"INBOX\",)\n\n\
         [destination]\ntype = Maildir\npath = {near}/\n\n[options]\nread_all = true\ndelete = false\nverbose = 0\n",
        port = place.port,
        user = place.user,
        ca = place.ca_pem.display(),
        near = near.display(),
    );
    fs::write(place.folder.join("getmailrc"), text).expect("our own folder");
    fs::write(place.folder.join("sitecustomize.py"), GETMAIL_MENDED).expect("our own folder");
    let mut command = quiet(place, "getmail");
    hand_over(&place.folder);
    command
        .uid(NOBODY)
        .gid(NOBODY)
        .env("PYTHONPATH", &place.folder)
        .arg("--rcfile=getmailrc")
        .arg("--getmaildir")
        .arg(&place.folder);
    command
}

/// The client that keeps nothing: this program itself.
pub fn bare_client(place: &Place) -> Command {
    let mut command = quiet(place, std::env::current_exe().expect("our own program"));
    command
        .arg(bare::WORD)
        .arg(place.port.to_string())
        .arg(&place.user)
        .arg(&place.ca_pem);
    command
}

/// What it says goes into a file, for where it does not end well.
fn quiet(place: &Place, program: impl AsRef<OsStr>) -> Command {
    let words = fs::File::create(words(place)).expect("our own folder");
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words);
    command
}

pub fn words(place: &Place) -> PathBuf {
    place.folder.join("stderr")
}
