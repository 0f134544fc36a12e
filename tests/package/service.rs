//! The package under a systemd that runs: the unit starts with all that it forbids itself, and dpkg restarts and stops it.

use std::process::Command;

use crate::machine::{PACKAGES, REPOSITORY};

const EXPECTED: &str = "\
installed: enabled, inactive
without a configuration: inactive, condition met: no
with one: active: 1 of 1 mailboxes are well
state: 700 halo-intake, user: yes
a message: \"outcome\":\"completed\"
reloaded: active: 1 of 1 mailboxes are well
upgraded: active, another process, 1 message in the journal
stopped: success
a stopped one upgraded: inactive
removed: inactive, 2 of 2 kept
installed again: active, 1 message in the journal
purged: inactive, 0 left
";

#[test]
fn systemd_starts_reloads_restarts_and_stops_what_the_package_brings() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let booted = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(format!("{REPOSITORY}/tests/package/boot.sh"))
        .args([folder.path(), PACKAGES.folder.path()])
        .output()
        .expect("unshare is there");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap_or_default();
    let words = String::from_utf8_lossy(&booted.stderr);
    assert_eq!(
        read("said"),
        EXPECTED,
        "{}\n{words}\n(the tests run as root, who may mount)",
        read("heard")
    );
}
