//! The systemd unit: systemd itself says whether it is well formed and how much it leaves open.

use std::{
    path::Path,
    process::{Command, Output},
};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/halo-intake.service");
/// `product.md`, section 10: below 1.5. `--threshold` counts in tenths and lets the bound itself pass.
const THRESHOLD: &str = "--threshold=14";

fn systemd_analyze(arguments: &[&str]) -> Output {
    let run = Command::new("systemd-analyze")
        .args(arguments)
        .env("SYSTEMD_COLORS", "0")
        .output();
    run.expect("systemd-analyze runs; install the package systemd")
}

fn lines(output: &Output) -> Vec<String> {
    [&output.stdout, &output.stderr]
        .iter()
        .flat_map(|octets| {
            String::from_utf8_lossy(octets)
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn unit() -> String {
    std::fs::read_to_string(UNIT).expect("the unit stands in the repository")
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    nothing_is_wrong_with("");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_drop_ins_of_the_manual() {
    let manual = include_str!("../docs/configuration.md");
    let (_, beside_an_mta) = manual.split_once("## Beside an MTA").unwrap();
    let drop_ins: Vec<String> = beside_an_mta
        .split("    [Service]\n")
        .skip(1)
        .map(|rest| rest.lines().map_while(|line| line.strip_prefix("    ")))
        .map(|lines| lines.map(|line| format!("{line}\n")).collect())
        .collect();
    assert_eq!(drop_ins.len(), 3, "{drop_ins:?}");
    for drop_in in drop_ins {
        assert!(drop_in.contains('='), "{drop_in:?}");
        nothing_is_wrong_with(&drop_in);
    }
}

/// The unit, and with `drop_in` after it.
fn nothing_is_wrong_with(drop_in: &str) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("halo-intake.service");
    let built = env!("CARGO_BIN_EXE_halo-intake");
    assert!(Path::new(built).exists());
    let text = unit()
        .replace("/usr/bin/halo-intake", built)
        .replace("Documentation=", "#Documentation=");
    std::fs::write(&path, format!("{text}[Service]\n{drop_in}")).expect("the unit can be written");

    let output = systemd_analyze(&[
        "verify",
        "--man=no",
        "--recursive-errors=no",
        path.to_str().expect("a plain path"),
    ]);
    // Keys of systemd 254 that an older one ignores, and counts as a fault; the unit says so.
    let newer = |line: &String| line.contains("'RestartSteps'") || line.contains("'RestartMaxDelaySec'");
    let (ignored, found): (Vec<String>, Vec<String>) = lines(&output).into_iter().partition(newer);
    assert!(found.is_empty(), "{found:#?}");
    assert!(output.status.success() || !ignored.is_empty());
}

#[test]
fn the_unit_leaves_little_open() {
    let output = systemd_analyze(&["security", "--offline=true", THRESHOLD, "--no-pager", UNIT]);
    assert!(output.status.success(), "{}", lines(&output).join("\n"));
    let overall = lines(&output)
        .into_iter()
        .find(|line| line.contains("Overall exposure level"));
    assert!(overall.is_some_and(|line| line.contains("OK")));
}

#[test]
fn the_unit_promises_what_the_daemon_keeps() {
    let unit = unit();
    for line in [
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=60",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=on-failure",
        "RestartPreventExitStatus=78",
        "DynamicUser=yes",
        "StateDirectory=halo-intake",
        "StateDirectoryMode=0700",
    ] {
        assert!(unit.lines().any(|found| found == line), "the unit has no {line}");
    }
}

#[test]
fn a_missing_credential_does_not_keep_the_unit_from_starting() {
    assert!(unit().contains("\n#LoadCredential="));
    assert!(!unit().lines().any(|line| line.starts_with("LoadCredential")));
}
