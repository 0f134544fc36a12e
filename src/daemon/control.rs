//! The socket in `state_dir` by which `process` and `retry` hand their work to a running daemon and hear what became of
//! it, and by which `check --diff` hears of its configuration.
//!
//! One request a connection: a line of JSON, for a message then its octets; the answer is a line of JSON.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};
use tokio_util::task::TaskTracker;

use crate::{
    config::{
        MailboxName,
        effective::{Effective, Salt},
    },
    crash::{self, Step},
    journal::EntryId,
    pipeline::{
        World,
        handed::{self, Processed},
        lane::Held,
        reopen::{Reopened, reopen},
        work::Crew,
    },
    task,
};

/// The socket's name below `state_dir`.
const SOCKET: &str = "control.sock";
/// A request line is not longer: some hundred thousand ids.
const LONGEST_LINE: u64 = 4 << 20;
/// Whoever connects has to say all that he wants within this time.
const REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// After a connection that could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What is asked of the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// One message; its octets follow.
    Process { mailbox: MailboxName, size: u64 },
    /// Ended messages that shall run again.
    Retry { ids: Vec<EntryId> },
    /// The configuration that it has now.
    Effective,
}

/// The configuration of a running daemon, without its secrets.
#[derive(Debug, Serialize, Deserialize)]
pub struct Running {
    /// With this their digests are made.
    pub salt: Salt,
    /// All that may be shown.
    pub effective: Effective,
}

/// Serves the socket until the stop.
pub(super) async fn serve(world: Arc<World>, crew: Crew) {
    let path = socket(&world.generation.load().config.state_dir);
    // The lock on state_dir is ours, so what lies there is a dead process's.
    let _ = std::fs::remove_file(&path);
    let listener = match crash::across(Step::ControlSocket, || UnixListener::bind(&path)) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(
                "{}: {error}; process, retry and check --diff can not reach this service",
                path.display()
            );
            return world.stop.cancelled().await;
        }
    };
    let callers = TaskTracker::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (world, crew) = (world.clone(), crew.clone());
                    task::spawn_in(&callers, async move {
                        if let Err(error) = answer(&world, &crew, stream).await {
                            tracing::warn!("what a command asked through {SOCKET} was not answered: {error}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("a command was not heard on {}: {error}", path.display());
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
            () = world.stop.cancelled() => break,
        }
    }
    let _ = std::fs::remove_file(&path);
    // Each hears what became of its message, or that it is to come again.
    callers.close();
    callers.wait().await;
}

async fn answer(world: &Arc<World>, crew: &Crew, stream: UnixStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut request = (&mut stream).take(LONGEST_LINE);
    tokio::select! {
        read = tokio::time::timeout(REQUEST_WITHIN, request.read_line(&mut line)) => read??,
        () = world.stop.cancelled() => return Ok(()),
    };
    let answer = match serde_json::from_str(&line)? {
        Request::Process { mailbox, size } => {
            let processed = process(world, crew, &mut stream, &mailbox, size).await?;
            serde_json::to_vec(&processed)?
        }
        Request::Effective => serde_json::to_vec(&Running {
            salt: world.salt.clone(),
            effective: world.generation.load().written.effective(&world.salt),
        })?,
        Request::Retry { ids } => serde_json::to_vec(&reopen(world, ids).await.map_err(io::Error::other)?)?,
    };
    let stream = stream.get_mut();
    stream.write_all(&answer).await?;
    stream.write_all(b"\n").await
}

/// Its octets are read when there is a worker and the memory for them; until then whoever hands them over waits.
async fn process(
    world: &Arc<World>,
    crew: &Crew,
    stream: &mut BufReader<UnixStream>,
    mailbox: &MailboxName,
    size: u64,
) -> io::Result<Processed> {
    let largest = match handed::largest(&world.generation.load().config, mailbox) {
        Some(largest) => largest,
        None => return Ok(Processed::refused(format!("there is no [mailbox.{mailbox}]"))),
    };
    if size > largest {
        let reason = format!("the daemon takes no message of more than {largest} octets for mailbox {mailbox}");
        return Ok(Processed::refused(reason));
    }
    let taken = tokio::select! {
        taken = take(crew, stream, size) => taken?,
        () = world.stop.cancelled() => return Ok(Processed::refused(handed::STOPS)),
    };
    match taken {
        Some(taken) => Ok(handed::process(world, crew, mailbox, taken).await),
        None => Ok(Processed::refused("it broke off")),
    }
}

/// The octets with their place and memory; `None` where fewer came than were said.
async fn take(crew: &Crew, stream: &mut BufReader<UnixStream>, size: u64) -> io::Result<Option<(Bytes, Held)>> {
    let held = Held {
        place: Some(crew.handed.place().await),
        memory: crew.handed.memory(usize::try_from(size).into_iter()).await,
    };
    let mut octets = Vec::new();
    tokio::time::timeout(REQUEST_WITHIN, stream.take(size).read_to_end(&mut octets)).await??;
    let is_whole = u64::try_from(octets.len()).is_ok_and(|read| read == size);
    Ok(is_whole.then(|| (Bytes::from(octets), held)))
}

/// Hands a message to the daemon that runs on this `state_dir`; `None` where none does.
pub async fn hand_over(state_dir: &Path, mailbox: &MailboxName, octets: &[u8]) -> io::Result<Option<Processed>> {
    let request = Request::Process {
        mailbox: mailbox.clone(),
        size: u64::try_from(octets.len()).unwrap_or(u64::MAX),
    };
    ask(state_dir, &request, octets).await
}

/// Has the daemon that runs on this `state_dir` run messages again; `None` where none does.
pub async fn retry(state_dir: &Path, ids: Vec<EntryId>) -> io::Result<Option<Reopened>> {
    ask(state_dir, &Request::Retry { ids }, b"").await
}

/// What the daemon on this `state_dir` has for a configuration now; `None` where none runs.
pub async fn running(state_dir: &Path) -> io::Result<Option<Running>> {
    ask(state_dir, &Request::Effective, b"").await
}

async fn ask<T: DeserializeOwned>(state_dir: &Path, request: &Request, octets: &[u8]) -> io::Result<Option<T>> {
    let path = socket(state_dir);
    let mut stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if nobody_listens(&error) => return Ok(None),
        Err(error) => {
            let remedy = match error.kind() {
                io::ErrorKind::PermissionDenied => "; call it as root or as the service's user",
                _ => "",
            };
            return Err(io::Error::new(
                error.kind(),
                format!("{}: {error}{remedy}", path.display()),
            ));
        }
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    // A daemon that refuses a message need not read it all.
    let sent = stream.write_all(octets).await;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    if answer.is_empty() {
        sent?;
        return Err(io::Error::other("the daemon ended before it answered"));
    }
    serde_json::from_str(&answer).map(Some).map_err(Into::into)
}

/// Whether nobody hears what is asked there: no service runs, or its socket's name is too long for one. A queue that is
/// full is asked again by whoever finds the journal in use.
fn nobody_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, InvalidInput, NotFound, WouldBlock};
    matches!(error.kind(), NotFound | ConnectionRefused | InvalidInput | WouldBlock)
}

fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join(SOCKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_where_nobody_listens_there_is_no_service() {
        let folder = tempfile::tempdir().unwrap();
        let asked = || async { running(folder.path()).await.map(|running| running.is_some()) };
        assert!(matches!(asked().await, Ok(false)), "there is no socket");
        drop(UnixListener::bind(socket(folder.path())).unwrap());
        assert!(matches!(asked().await, Ok(false)), "its process is dead");
        std::fs::remove_file(socket(folder.path())).unwrap();
        std::os::unix::fs::symlink(SOCKET, socket(folder.path())).unwrap();
        let error = asked().await.unwrap_err().to_string();
        assert!(error.contains(SOCKET), "nobody knows whether one runs: {error}");
    }
}
