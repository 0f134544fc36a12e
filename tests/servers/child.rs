//! What every server of the tests is made of: a free port, certificates of its own, and an end.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Child,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// `nobody` and `nogroup`, whom the mail belongs to.
pub const NOBODY: u32 = 65_534;
pub const READY_WITHIN: Duration = Duration::from_secs(15);

/// SIGTERM, by its own id, and waits: a port is free only when the master has gone. A worker goes on after its
/// master as long as its client is busy, so the group that the master led is ended as well.
pub fn end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return;
    };
    let _ = kill_process(pid, Signal::TERM);
    let deadline = Instant::now() + Duration::from_secs(10);
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = kill_process_group(pid, Signal::TERM);
    let deadline = Instant::now() + Duration::from_millis(500);
    while test_kill_process_group(pid).is_ok() {
        if Instant::now() > deadline {
            let _ = kill_process_group(pid, Signal::KILL);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port at which nobody listens. Each is given once in this process, from those that the kernel gives nobody unasked (its
/// own begin at 32768, `ip_local_port_range` in ip(7)): until a server has begun to listen there, no other server and no
/// connection is to take it.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin apart.
    let begin = std::process::id().wrapping_mul(97);
    (0..COUNT)
        .map(|_| FIRST + begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

pub fn write_certificates(path: &Path, names: &[&str], expired: bool) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Example test authority");
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(authority, key).expect("a certificate");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf_key = KeyPair::generate().expect("a key");
    let mut leaf = CertificateParams::new(names).expect("names");
    if expired {
        leaf.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let leaf = leaf.signed_by(&leaf_key, &authority).expect("a certificate");
    fs::write(path.join("ca.pem"), authority.pem()).expect("a new file");
    fs::write(path.join("leaf.pem"), leaf.pem()).expect("a new file");
    fs::write(path.join("leaf.key"), leaf_key.serialize_pem()).expect("a new file");
}

/// Where `tests/run install` has unpacked a server that can not be installed beside the others.
pub fn unpacked(name: &str) -> PathBuf {
    // The library's own tests have none, and start no such server.
    let folder = option_env!("CARGO_TARGET_TMPDIR");
    let root = Path::new(folder.expect("it is a suite of its own"))
        .join("servers")
        .join(name);
    assert!(
        root.join("whole").exists(),
        "{name} is not unpacked; run tests/run install"
    );
    root
}

/// All below it belongs to `nobody` from now on.
pub fn hand_over(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("the tests with real servers run as root");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("our own folder") {
            hand_over(&entry.expect("a readable folder").path());
        }
    }
}
