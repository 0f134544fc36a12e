//! The Debian package as dpkg takes it: installed, upgraded, removed and purged on a copy of this system, which is laid
//! over it and forgotten afterwards. A stand-in notes what systemd would be told; `service` has a real one.

mod machine;
mod service;

use std::path::Path;

use machine::{Machine, REPOSITORY};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/halo-intake.service";

/// What an operator and the program have written.
const WRITTEN: [&str; 6] = [
    "/etc/halo-intake/halo-intake.toml",
    "/etc/halo-intake/conf.d/rules.toml",
    "/etc/halo-intake/secrets/halo-secret",
    "/etc/systemd/system/halo-intake.service.d/override.conf",
    "/var/lib/private/halo-intake/journal.db",
    "/srv/halo-intake-elsewhere/journal.db",
];

/// What operator and program write in the course of time.
fn used(machine: &Machine) {
    for path in WRITTEN {
        machine.says(&format!(
            "mkdir -p $(dirname {path}); echo 'written for {path}' >{path}"
        ));
    }
    machine.says("ln -s private/halo-intake /var/lib/halo-intake; chmod 700 /etc/halo-intake/secrets");
}

/// What of it is there, as it was.
fn kept(machine: &Machine) -> Vec<&'static str> {
    let is_kept =
        |path: &&str| machine.has(path) && machine.says(&format!("cat {path}")) == format!("written for {path}\n");
    WRITTEN.into_iter().filter(is_kept).collect()
}

#[test]
fn a_first_installation_has_everything_in_its_place_and_starts_nothing() {
    let machine = Machine::installed();
    assert_eq!(
        machine.says(
            "dpkg-query --show --showformat '${db:Status-Status} ${Version} ${Depends}' halo-intake | sed 's/ (.*//'"
        ),
        format!("installed {VERSION} libc6")
    );
    for path in [
        "/usr/bin/halo-intake",
        "/usr/lib/systemd/system/halo-intake.service",
        "/usr/share/man/man1/halo-intake.1.gz",
        "/usr/share/bash-completion/completions/halo-intake",
        "/usr/share/zsh/vendor-completions/_halo-intake",
        "/usr/share/fish/vendor_completions.d/halo-intake.fish",
        "/usr/share/doc/halo-intake/copyright",
        "/usr/share/doc/halo-intake/third-party.gz",
        "/usr/share/doc/halo-intake/changelog.Debian.gz",
        "/usr/share/doc/halo-intake/examples/halo-intake.toml",
    ] {
        assert!(machine.has(path), "{path} is missing");
    }
    let modes = machine.says("dpkg --listfiles halo-intake | grep halo-intake | xargs stat --format '%U:%G %a %F %n'");
    for line in modes.lines() {
        let expected = match line.split(' ').nth(2) {
            Some("directory") => "root:root 755 ",
            Some("symbolic") => "root:root 777 ",
            _ if line.ends_with(" /usr/bin/halo-intake") => "root:root 755 ",
            _ => "root:root 644 ",
        };
        assert!(line.starts_with(expected), "{line}");
    }
    assert_eq!(machine.says("dpkg --verify halo-intake"), "");
    // It starts with the machine once there is a configuration, which nobody but the operator can write.
    assert!(machine.has(WANTED));
    assert!(!machine.has("/etc/halo-intake"));
    assert_eq!(
        machine.says("cat /var/lib/dpkg/info/halo-intake.conffiles 2>/dev/null || true"),
        ""
    );
    assert_eq!(machine.told(), ["--system daemon-reload"]);
}

#[test]
fn the_program_the_manual_and_the_completions_in_it_work() {
    let machine = Machine::installed();
    let version = machine.says("halo-intake --version");
    assert_eq!(version, concat!("halo-intake ", env!("CARGO_PKG_VERSION"), "\n"));
    let demo = machine.says("cd /tmp && halo-intake demo");
    assert!(demo.contains("The users in the sandbox now"), "{demo}");
    machine.says("cd /usr/share/doc/halo-intake/examples && halo-intake --config halo-intake.toml check");

    let manual = machine
        .command("MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings halo-intake")
        .output();
    let manual = manual.expect("nsenter is there");
    assert_eq!(String::from_utf8_lossy(&manual.stderr), "");
    let page = String::from_utf8_lossy(&manual.stdout).into_owned();
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "halo-intake - Email intake for Halo PSA",
        "halo-intake check [--online]",
        "EXIT STATUS 0 done",
    ] {
        assert!(words.contains(said), "{page}");
    }

    let completed = machine.says(
        "bash -euc 'source /usr/share/bash-completion/completions/halo-intake; complete -p halo-intake >/dev/null
        COMP_WORDS=(halo-intake che); COMP_CWORD=1; _halo__intake halo-intake che halo-intake; echo \"${COMPREPLY[*]}\"'",
    );
    assert_eq!(completed, "check\n");
    // Those that are there.
    for (shell, check) in [
        ("zsh", "zsh -n /usr/share/zsh/vendor-completions/_halo-intake"),
        (
            "fish",
            "fish --no-execute /usr/share/fish/vendor_completions.d/halo-intake.fish",
        ),
    ] {
        machine.says(&format!("if command -v {shell}; then {check}; fi"));
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_in_it() {
    let machine = Machine::installed();
    let verify = "SYSTEMD_COLORS=0 systemd-analyze verify --recursive-errors=no halo-intake.service 2>&1";
    let verified = machine.command(verify).output().expect("nsenter is there");
    let verified = String::from_utf8_lossy(&verified.stdout).into_owned();
    // Keys of systemd 254 that an older one ignores; the unit says so.
    let newer = |line: &&str| line.contains("'RestartSteps'") || line.contains("'RestartMaxDelaySec'");
    let found: Vec<&str> = verified.lines().filter(|line| !newer(line)).collect();
    assert!(found.is_empty(), "{found:#?}");
    machine.says("systemd-analyze security --offline=true --threshold=14 --no-pager halo-intake.service");
}

#[test]
fn an_upgrade_leaves_what_was_written_and_restarts_what_runs() {
    let machine = Machine::installed();
    used(&machine);
    machine.told();
    machine.says("dpkg --install /tmp/second.deb </dev/null");
    assert_eq!(kept(&machine), WRITTEN);
    assert_eq!(machine.says("stat --format %a /etc/halo-intake/secrets"), "700\n");
    // Nothing but this: it runs until the new program is there, and what does not run is not started.
    let told: Vec<String> = machine
        .told()
        .into_iter()
        .filter(|line| !line.contains("daemon-reload"))
        .collect();
    assert_eq!(told, ["try-restart halo-intake.service"]);
    assert!(machine.has(WANTED));

    // What dpkg does once more after a fault in between.
    let state = "find /etc/systemd /var/lib/systemd /etc/halo-intake | sort";
    let before = machine.says(state);
    machine.says("sh /var/lib/dpkg/info/halo-intake.postinst configure 99.0-1");
    assert_eq!(machine.says(state), before);
}

#[test]
fn a_service_that_was_disabled_stays_so() {
    let machine = Machine::installed();
    machine.says(&format!("rm {WANTED}; dpkg --install /tmp/second.deb"));
    assert!(!machine.has(WANTED));
}

#[test]
fn removed_the_written_stays_and_purged_it_is_gone() {
    let machine = Machine::installed();
    used(&machine);
    machine.told();
    machine.says("dpkg --remove halo-intake");
    assert!(machine.told().contains(&"stop halo-intake.service".to_owned()));
    assert!(!machine.has("/usr/bin/halo-intake") && !machine.has("/usr/lib/systemd/system/halo-intake.service"));
    assert_eq!(kept(&machine), WRITTEN);

    // It comes back as it was.
    machine.says("dpkg --install /tmp/second.deb");
    assert_eq!(kept(&machine), WRITTEN);
    assert!(machine.has(WANTED));

    machine.says("dpkg --purge halo-intake");
    // What "systemctl edit" wrote, and a folder that the configuration put elsewhere.
    assert_eq!(kept(&machine), [WRITTEN[3], WRITTEN[5]]);
    machine.says("rm -r /etc/systemd/system/halo-intake.service.d");
    assert_eq!(machine.says("find /etc /usr /var -xdev -name '*halo-intake*'"), "");
}

#[test]
fn the_changelog_begins_with_this_version() {
    let changelog =
        std::fs::read_to_string(Path::new(REPOSITORY).join("systemd/debian/changelog")).expect("it is there");
    assert!(changelog.starts_with(&format!("halo-intake ({VERSION}) ")));
}
