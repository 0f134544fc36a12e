//! The state file: the records of a tenant as JSON, loaded at the start and written after changes. Switches, tokens
//! and the log are not in it.

use std::{
    fs::{File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    actions, attachments, clients,
    record::{self, Field},
    sites,
    state::{Store, Table, World},
    tickets, users,
};
use crate::task;

/// Changes that come close after each other are written once.
const SETTLES: Duration = Duration::from_millis(250);
/// The form of the file; another one is not read.
const FORMAT: u32 = 1;

/// Why a state file is not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is there and can't be read.
    #[error("{path}: the state can not be read")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds something else. It is left as it is.
    #[error("{path}: this is no state of a sandbox, and it is left as it is: {reason}")]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another sandbox has it.
    #[error("{path}: another sandbox keeps its state there")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// It can't be written.
    #[error("{path}: the state can not be written")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<S> {
    format: u32,
    records: S,
}

/// What a file of any form says.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

/// Holds a state file for one sandbox as long as it lives. The lock is on a file beside it, which is never replaced.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    _lock: File,
}

impl Claim {
    pub(super) fn of(path: PathBuf) -> Result<Claim, StateError> {
        if path.is_dir() {
            let source = io::ErrorKind::IsADirectory.into();
            return Err(StateError::Read { path, source });
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let lock = File::options().create(true).append(true).open(beside);
        let taken = lock.map(|lock| (lock.try_lock(), lock));
        match taken {
            Ok((Ok(()), lock)) => Ok(Claim { path, _lock: lock }),
            Ok((Err(TryLockError::WouldBlock), _)) => Err(StateError::InUse { path }),
            Ok((Err(TryLockError::Error(source)), _)) | Err(source) => Err(StateError::Write { path, source }),
        }
    }

    pub(super) fn load(&self) -> Result<Option<Store>, StateError> {
        load(&self.path)
    }
}

/// Reads the records; none where there is no file.
fn load(path: &Path) -> Result<Option<Store>, StateError> {
    let octets = match std::fs::read(path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(StateError::Read { path, source });
        }
    };
    let broken = |reason: String| StateError::Broken {
        path: path.to_owned(),
        reason,
    };
    let form: Form = serde_json::from_slice(&octets).map_err(|error| broken(error.to_string()))?;
    if form.format != FORMAT {
        return Err(broken(format!("its format is {}, and {FORMAT} is known", form.format)));
    }
    let written: Written<Store> = serde_json::from_slice(&octets).map_err(|error| broken(error.to_string()))?;
    check(&written.records).map_err(broken)?;
    Ok(Some(written.records))
}

/// Whether every record is one that the binding takes, as it took all that this program writes.
fn check(store: &Store) -> Result<(), String> {
    for (name, fields, table) in [
        ("clients", clients::FIELDS, &store.clients),
        ("sites", sites::FIELDS, &store.sites),
        ("users", users::FIELDS, &store.users),
        ("tickets", tickets::FIELDS, &store.tickets),
        ("attachments", attachments::FIELDS, &store.attachments),
    ] {
        check_table(fields, table).map_err(|reason| format!("{name}: {reason}"))?;
    }
    if !store.has_sound_numbers() {
        return Err("a number was given out that no record can bear".to_owned());
    }
    for (ticket, thread) in &store.threads {
        check_table(actions::FIELDS, &thread.actions).map_err(|reason| format!("threads: {ticket}: {reason}"))?;
    }
    Ok(())
}

fn check_table(fields: &[Field], table: &Table) -> Result<(), String> {
    for (id, each) in table {
        let said = record::bind(fields, &Value::Object(each.clone()), 0);
        said.map_err(|faults| format!("{id}: {}", Value::Object(faults)))?;
        if record::number(each, "id") != *id {
            return Err(format!("{id}: its id is {}", each.get("id").unwrap_or(&Value::Null)));
        }
    }
    Ok(())
}

/// What keeps a state file: it writes after changes, and once more at the end.
#[derive(Debug)]
pub(super) struct Keeper {
    claim: Claim,
    world: Arc<World>,
    /// What is in the file.
    last: Mutex<Vec<u8>>,
}

impl Keeper {
    /// Writes the file at once, so that one that can't be written is known at the start.
    pub(super) fn new(claim: Claim, world: Arc<World>) -> Result<Keeper, StateError> {
        let keeper = Keeper {
            claim,
            world,
            last: Mutex::default(),
        };
        keeper.write()?;
        Ok(keeper)
    }

    /// Goes on until it is told to end.
    pub(super) fn keep(self: Arc<Keeper>, end: CancellationToken) -> JoinHandle<()> {
        task::spawn(async move {
            loop {
                tokio::select! {
                    () = end.cancelled() => return,
                    () = self.world.changed.notified() => {}
                }
                tokio::select! {
                    () = end.cancelled() => return,
                    () = tokio::time::sleep(SETTLES) => {}
                }
                let keeper = Arc::clone(&self);
                let written = task::blocking(move || keeper.write()).await;
                if let Ok(Err(error)) = written {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(cause, "{error}");
                }
            }
        })
    }

    /// Writes the records if they are not what the file holds.
    pub(super) fn write(&self) -> Result<(), StateError> {
        // The lock orders writers: an older state never replaces a newer one.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let store = self.world.store().clone();
        let written = Written {
            format: FORMAT,
            records: &store,
        };
        let failed = |source: io::Error| StateError::Write {
            path: self.claim.path.clone(),
            source,
        };
        let octets = serde_json::to_vec(&written).map_err(|error| failed(error.into()))?;
        if octets != *last {
            replace(&self.claim.path, &octets).map_err(failed)?;
            *last = octets;
        }
        Ok(())
    }
}

/// A file is whole at every moment: a new one beside it takes its name.
fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{record::Record, sample};

    fn read(text: &str) -> Result<Option<Store>, StateError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let store = sample::full();
        let written = serde_json::to_string(&Written {
            format: FORMAT,
            records: &store,
        });
        let again = read(&written.unwrap()).unwrap().unwrap();
        assert_eq!(serde_json::json!(again), serde_json::json!(store));
        assert!(load(Path::new("no/such/file")).unwrap().is_none());
    }

    /// Values at the edges of what a field takes, and beyond.
    fn edges() -> Vec<Value> {
        let mut deep = serde_json::json!([]);
        let mut edges: Vec<Value> = [0_i64, 1, -1, i32::MAX.into(), i32::MIN.into(), i64::MAX]
            .map(Value::from)
            .to_vec();
        for _ in 0..120 {
            deep = serde_json::json!([deep]);
            edges.push(deep.clone());
            edges.push(serde_json::json!({ "a": deep }));
        }
        let texts = ["", "x", "57", "\u{0}\u{10ffff}", "2026-10-06T06:19:13.1234567+02:00"];
        let dates = [
            "-009999-01-01T00:00:00",
            "0000-01-01",
            "0001-01-01",
            "9999-12-31T23:59:59.999999999",
        ];
        let zoned = [
            "9999-12-31T23:30:00-01:00",
            "0001-01-01T00:30:00+01:00",
            "9999-12-30T22:00:00.5Z",
        ];
        edges.extend(texts.into_iter().chain(dates).chain(zoned).map(Value::from));
        edges.extend([true.into(), 0.5.into(), f64::MAX.into(), u64::MAX.into(), Value::Null]);
        edges
    }

    #[test]
    fn whatever_a_record_may_be_is_read_again() {
        let edges = edges();
        let mut taken = 0;
        for fields in [
            clients::FIELDS,
            sites::FIELDS,
            users::FIELDS,
            tickets::FIELDS,
            attachments::FIELDS,
            actions::FIELDS,
        ] {
            let pairs = fields
                .iter()
                .flat_map(|field| edges.iter().map(move |edge| (field.name, edge)));
            for (name, edge) in pairs {
                let sent = Value::Object(Record::from_iter([(name.to_owned(), edge.clone())]));
                let Ok(mut record) = record::bind(fields, &sent, 0) else {
                    continue;
                };
                taken += 1;
                record.insert("id".into(), 7.into());
                let table = serde_json::json!({ "records": { "of": { "7": [record] } } }).to_string();
                let again: Value = serde_json::from_str(&table).unwrap_or_else(|error| panic!("{name}: {error}"));
                let again = again["records"]["of"]["7"][0].as_object().unwrap().clone();
                assert_eq!(again, record);
                check_table(fields, &Table::from([(7, again)])).unwrap();
            }
        }
        assert!(taken > 1000, "{taken}");
    }

    #[test]
    fn numbers_that_nothing_can_bear_are_no_state() {
        let mut whole = serde_json::json!({ "format": FORMAT, "records": sample::full() });
        whole["records"]["given_out"] = i64::MAX.into();
        let said = read(&whole.to_string()).unwrap_err().to_string();
        assert!(said.contains("a number was given out"), "{said}");
    }

    #[test]
    fn what_is_no_state_says_where_it_is_wrong() {
        let whole = serde_json::json!({ "format": FORMAT, "records": sample::full() });
        let changed = |pointer: &str, value: Value| {
            let mut changed = whole.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            read(&changed.to_string()).unwrap_err().to_string()
        };
        for (said, part) in [
            (read("{").unwrap_err().to_string(), "EOF"),
            (read("[]").unwrap_err().to_string(), "no state of a sandbox"),
            (changed("/format", 2.into()), "its format is 2, and 1 is known"),
            (
                changed("/records/users/101/site_id", "21".into()),
                "users: 101: {\"[0].site_id\"",
            ),
            (changed("/records/users/101/id", 7.into()), "users: 101: its id is 7"),
        ] {
            assert!(said.contains(part) && said.contains("left as it is"), "{said}");
        }
    }
}
