//! The socket in `state_dir` by which `process` hands a message to a running daemon, and hears what became of it.
//!
//! One request a connection: a line of JSON, then the octets; the answer is a line of JSON.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{
    config::MailboxName,
    pipeline::{World, work::Crew},
};

/// The socket's name below `state_dir`.
pub const SOCKET: &str = "control.sock";
/// A handed message is not larger than this, whatever its mailbox allows.
const LARGEST: u64 = 1 << 30;

/// What is asked of the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// One message; its octets follow.
    Process {
        /// Whose rules.
        mailbox: MailboxName,
        /// In octets.
        size: u64,
    },
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Processed {
    /// In the journal; 0 where it did not come so far.
    pub id: i64,
    /// An outcome's word, `"deferred"`, or `"refused"` where the daemon could not take it.
    pub outcome: String,
    /// Why.
    pub reason: String,
}

/// Serves the socket until the stop.
pub async fn serve(world: Arc<World>, crew: Crew) {
    let path = socket(&world.generation.load().config.state_dir);
    // The lock on state_dir is ours, so what lies there is a dead process's.
    let _ = std::fs::remove_file(&path);
    let listener = match UnixListener::bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!("{}: {error}; process can not hand messages over", path.display());
            return world.stop.cancelled().await;
        }
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (world, crew) = (world.clone(), crew.clone());
                    tokio::spawn(async move {
                        if let Err(error) = answer(&world, &crew, stream).await {
                            tracing::warn!("a message that was handed over: {error}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("{}: {error}", path.display());
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            () = world.stop.cancelled() => {
                let _ = std::fs::remove_file(&path);
                return;
            }
        }
    }
}

async fn answer(world: &Arc<World>, crew: &Crew, stream: UnixStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(4096).read_line(&mut line).await?;
    let Request::Process { mailbox, size } = serde_json::from_str(&line)?;
    let mut octets = Vec::new();
    (&mut stream).take(size.min(LARGEST)).read_to_end(&mut octets).await?;
    let processed = if u64::try_from(octets.len()).is_ok_and(|read| read == size) {
        crate::pipeline::handed::process(world, crew, &mailbox, Bytes::from(octets)).await
    } else {
        Processed {
            id: 0,
            outcome: "refused".to_owned(),
            reason: "the message broke off".to_owned(),
        }
    };
    let mut answer = serde_json::to_vec(&processed)?;
    answer.push(b'\n');
    stream.get_mut().write_all(&answer).await
}

/// Hands a message to the daemon that runs on this `state_dir`; `None` where none does.
pub async fn hand_over(state_dir: &Path, mailbox: &MailboxName, octets: &[u8]) -> std::io::Result<Option<Processed>> {
    let Ok(mut stream) = UnixStream::connect(socket(state_dir)).await else {
        return Ok(None);
    };
    let size = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    let mut request = serde_json::to_vec(&Request::Process {
        mailbox: mailbox.clone(),
        size,
    })?;
    request.push(b'\n');
    stream.write_all(&request).await?;
    stream.write_all(octets).await?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    serde_json::from_str(&line).map(Some).map_err(Into::into)
}

fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join(SOCKET)
}
