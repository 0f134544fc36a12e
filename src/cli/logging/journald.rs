//! The systemd journal's own form (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram of fields, or, where it is too large
//! for one, a sealed file in memory that is handed over.

use std::{
    io::{self, IoSlice, Write},
    mem::MaybeUninit,
    os::{fd::AsFd, unix::net::UnixDatagram},
    path::PathBuf,
};

use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    io::Errno,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr},
};
use serde_json::Value;
use tracing::Level;

use super::record::Record;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// By which `journalctl -t` finds the lines.
const IDENTIFIER: &str = "halo-intake";

/// The way to the journal. It is taken anew for each line, so that a journald that was restarted hears the next.
pub struct Journald {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journald {
    /// Says whether somebody listens there.
    pub fn reach() -> io::Result<Journald> {
        let journald = Journald {
            socket: UnixDatagram::unbound()?,
            path: path(),
        };
        // The journal drops an empty datagram.
        journald.socket.send_to(&[], &journald.path)?;
        Ok(journald)
    }

    /// Hands a line over.
    pub fn send(&self, record: &Record) -> io::Result<()> {
        let entry = entry(record);
        match self.socket.send_to(&entry, &self.path) {
            Err(error)
                if [Errno::MSGSIZE, Errno::NOBUFS].contains(&Errno::from_io_error(&error).unwrap_or(Errno::IO)) =>
            {
                self.send_file(&entry)
            }
            sent => sent.map(drop),
        }
    }

    fn send_file(&self, entry: &[u8]) -> io::Result<()> {
        let file = memfd_create(IDENTIFIER, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = std::fs::File::from(file);
        file.write_all(entry)?;
        fcntl_add_seals(
            &file,
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
        )?;
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&files));
        let address = SocketAddrUnix::new(&self.path)?;
        let nothing = [IoSlice::new(&[])];
        sendmsg_addr(&self.socket, &address, &nothing, &mut control, SendFlags::empty())?;
        Ok(())
    }
}

/// A story listens elsewhere.
fn path() -> PathBuf {
    #[cfg(feature = "test-hooks")]
    if let Some(path) = std::env::var_os("HALO_INTAKE_TEST_JOURNALD") {
        return path.into();
    }
    SOCKET.into()
}

fn entry(record: &Record) -> Vec<u8> {
    let mut entry = Vec::new();
    add(&mut entry, "MESSAGE", &record.message);
    add(&mut entry, "PRIORITY", priority(record.level));
    add(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
    for (name, value) in &record.fields {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        add(&mut entry, &name_of(name), &text);
    }
    add(&mut entry, "TARGET", &record.target);
    entry
}

/// With its length before it: a value of several lines is one value.
fn add(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// By syslog.h.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

/// Capital letters, digits and `_`, not at the beginning (systemd.journal-fields(7)).
fn name_of(name: &str) -> String {
    let letters = name.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    let name: String = letters.collect();
    name.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{IoSliceMut, Read};

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    use serde_json::json;

    use super::*;

    /// What a journald that listens receives of this line.
    fn received(record: &Record) -> (Vec<u8>, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        Journald { socket, path }.send(record).unwrap();
        let mut datagram = vec![0; 1 << 20];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut datagram)];
        let got = recvmsg(&listener, &mut parts, &mut control, RecvFlags::empty()).unwrap();
        let files = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let Some(file) = files else {
            datagram.truncate(got.bytes);
            return (datagram, false);
        };
        // The sender's place in it is shared: a reader maps it or begins at its start.
        let mut octets = Vec::new();
        let mut file = std::fs::File::from(file);
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut octets).unwrap();
        (octets, true)
    }

    fn record(message: &str) -> Record {
        Record {
            time: jiff::Timestamp::UNIX_EPOCH,
            level: Level::WARN,
            target: "halo_intake".to_owned(),
            message: message.to_owned(),
            fields: vec![("id", json!(17)), ("_took.ms", json!("a\nPRIORITY=0"))],
        }
    }

    #[test]
    fn fields_have_names_that_an_operator_would_type_and_their_length_before_them() {
        let (entry, is_file) = received(&record("a"));
        let field = |name: &str, value: &str| {
            let mut field = format!("{name}\n").into_bytes();
            field.extend_from_slice(&(value.len() as u64).to_le_bytes());
            field.extend_from_slice(format!("{value}\n").as_bytes());
            field
        };
        let expected = [
            ("MESSAGE", "a"),
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "halo-intake"),
            ("ID", "17"),
            ("TOOK_MS", "a\nPRIORITY=0"),
            ("TARGET", "halo_intake"),
        ];
        assert_eq!(entry, expected.map(|(name, value)| field(name, value)).concat());
        assert!(!is_file);
    }

    #[test]
    fn what_is_too_large_for_a_datagram_is_handed_over_as_a_file() {
        let long = record(&"x".repeat(2 << 20));
        let (octets, is_file) = received(&long);
        assert!(is_file);
        assert_eq!(octets, entry(&long));
    }
}
