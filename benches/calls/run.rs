//! `run --once` over the whole mailbox, and what Halo saw of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use halo_intake::sandbox::{LoggedRequest, Sandbox};
use serde_json::Value;

use crate::{measure, measure::Measured, tenant};

/// The README's rules.
const RULES: &str = r#"
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
"#;

/// What came of a run.
pub struct Ran {
    pub measured: Measured,
    pub requests: Vec<LoggedRequest>,
    /// Messages by outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// The sum of what `log` says of each message.
    pub calls: u64,
    pub users_made: usize,
}

/// Takes so many messages of each sender under this rate, on a tenant and in a folder of its own.
pub async fn run(rate: &str, of_each: usize) -> Ran {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    tenant::furnish(&sandbox);
    tenant::deliver(&folder.path().join("Maildir"), of_each);
    sandbox.set(|switches| (switches.latency_ms, switches.rate) = (20, None));
    let path = configure(folder.path(), &sandbox, rate);
    let once = command(&path, &["run", "--once"]);
    // The sandbox lives on this runtime.
    let measured = tokio::task::spawn_blocking(|| measure::measure(&mut { once }))
        .await
        .expect("no panic");
    let rows = rows(&path);
    let mut outcomes = BTreeMap::new();
    for row in &rows {
        *outcomes
            .entry(row["outcome"].as_str().unwrap_or_default().to_owned())
            .or_default() += 1;
    }
    let ran = Ran {
        measured,
        requests: sandbox.requests(),
        outcomes,
        calls: rows.iter().filter_map(|row| row["calls"].as_u64()).sum(),
        users_made: tenant::made(&sandbox),
    };
    sandbox.stop().await;
    ran
}

fn rows(path: &Path) -> Vec<Value> {
    let log = command(path, &["log", "--limit", "all", "--format", "json"])
        .stdout(Stdio::piped())
        .output()
        .expect("our own program");
    let log = String::from_utf8(log.stdout).expect("JSON");
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn command(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
    command
        .env_clear()
        .arg("--config")
        .arg(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Writes the configuration; gives its path.
pub fn configure(folder: &Path, sandbox: &Sandbox, rate: &str) -> PathBuf {
    let text = format!(
        r#"
state_dir = {state:?}

[mailbox.support]
type = "maildir"
path = {maildir:?}
addresses = ["support@desk.example"]
backlog = "process"

[halo.main]
url = "{url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
freemail_domains = ["{provider}"]
rate = "{rate}"
{RULES}"#,
        state = folder.join("state"),
        maildir = folder.join("Maildir"),
        url = sandbox.url().as_str().trim_end_matches('/'),
        client_id = sandbox.client_id(),
        client_secret = sandbox.client_secret(),
        provider = tenant::PROVIDER,
    );
    let path = folder.join("halo-intake.toml");
    fs::write(&path, text).expect("our own folder");
    path
}
