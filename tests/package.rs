//! The Debian package as dpkg takes it: installed, upgraded, removed and purged on a copy of this system, which is laid
//! over it and forgotten afterwards. No systemd runs there; a stand-in notes what it would have been told.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
};

use tempfile::TempDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
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

/// The package of the program that the tests are run with, and one of a higher version.
struct Packages {
    folder: TempDir,
}

static PACKAGES: LazyLock<Packages> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let release = folder.path().join("target/release");
    std::fs::create_dir_all(&release).expect("a folder can be made");
    // cargo deb takes no program of the tests' profile, so it gets this one as another's; without its symbols it is
    // small enough to be packed and unpacked several times.
    let stripped = Command::new("strip")
        .arg("-o")
        .args([
            &release.join("halo-intake"),
            Path::new(env!("CARGO_BIN_EXE_halo-intake")),
        ])
        .output();
    succeeded(stripped.expect("strip is there, as the linker is"));
    let packed = Command::new(Path::new(REPOSITORY).join("systemd/package"))
        .args(["--no-build", "--fast", "-Z", "gz", "--compress-system", "-o"])
        .arg(folder.path().join("first.deb"))
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .output();
    succeeded(packed.expect("systemd/package runs"));
    let again = "cd $0 && dpkg-deb --raw-extract first.deb tree && sed -i 's/^Version: .*/Version: 99.0-1/' tree/DEBIAN/control \
        && dpkg-deb -Znone --build tree second.deb && rm -rf tree target";
    let higher = Command::new("sh").args(["-c", again]).arg(folder.path()).output();
    succeeded(higher.expect("sh is there"));
    Packages { folder }
});

fn succeeded(output: Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{words}");
    said.into_owned()
}

/// A copy of this system. What is done to it is in memory alone, and only processes that it started see it.
struct Machine {
    holder: Child,
    root: PathBuf,
    _folder: TempDir,
}

impl Machine {
    fn new() -> Machine {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-euc", Machine::MADE])
            .arg(folder.path())
            .arg(PACKAGES.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut holder = holder.expect("unshare is there");
        let mut ready = String::new();
        let lines = holder.stdout.take().expect("its output is a pipe");
        BufReader::new(lines).read_line(&mut ready).expect("the pipe is read");
        assert_eq!(
            ready, "ready\n",
            "the tests run as root, who may mount and lay one file system over another"
        );
        let root = folder.path().join("root");
        Machine {
            holder,
            root,
            _folder: folder,
        }
    }

    /// Makes it: `$0` is a folder for it, `$1` where the packages are. It stays as long as the last command, which
    /// ends with its input.
    const MADE: &str = r#"
        cd "$0"
        mkdir memory root
        mount -t tmpfs none memory
        mkdir memory/upper memory/work
        mount -t overlay none -o "lowerdir=/,upperdir=memory/upper,workdir=memory/work" root
        mount -t proc none root/proc
        mount --rbind /dev root/dev
        mount -t tmpfs none root/tmp
        mount -t tmpfs none root/run
        mkdir -p root/run/systemd/system
        ln "$1"/*.deb root/tmp/ 2>/dev/null || cp "$1"/*.deb root/tmp/
        # Whoever tests in a container may have no manual there and start nothing.
        rm -rf root/etc/dpkg/dpkg.cfg.d/* root/usr/sbin/policy-rc.d
        # The index of all manual pages takes longer than all else.
        rm -f root/var/lib/man-db/auto-update
        # What is asked of files alone is done; all else is noted.
        mv root/usr/bin/systemctl root/usr/bin/systemctl.real
        cat >root/usr/bin/systemctl <<'END'
#!/bin/sh
case " $* " in
*" enable "* | *" disable "* | *" preset "* | *" is-enabled "* | *" mask "* | *" unmask "*)
    SYSTEMD_OFFLINE=1 exec systemctl.real "$@" ;;
esac
echo "$*" >>/run/told
END
        chmod 755 root/usr/bin/systemctl
        chroot root dpkg --purge halo-intake >/dev/null 2>&1
        rm -f root/run/told
        echo ready
        exec cat
    "#;

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .args(["chroot".as_ref(), self.root.as_os_str()])
            .args(["sh", "-euc", script])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("HOME", "/root")
            .stdin(Stdio::null());
        command
    }

    /// What a script there says.
    fn says(&self, script: &str) -> String {
        succeeded(self.command(script).output().expect("nsenter is there"))
    }

    fn has(&self, path: &str) -> bool {
        let found = self.command(&format!("test -e {path} || test -h {path}")).status();
        found.expect("nsenter is there").success()
    }

    fn installed() -> Machine {
        let machine = Machine::new();
        machine.says("dpkg --install /tmp/first.deb");
        machine
    }

    /// What systemd was told since this was asked last.
    fn told(&self) -> Vec<String> {
        let text = self.says("cat /run/told 2>/dev/null || true; rm -f /run/told");
        text.lines().map(str::to_owned).collect()
    }

    /// What operator and program write in the course of time.
    fn is_used(&self) {
        for path in WRITTEN {
            self.says(&format!(
                "mkdir -p $(dirname {path}); echo 'written for {path}' >{path}"
            ));
        }
        self.says("ln -s private/halo-intake /var/lib/halo-intake; chmod 700 /etc/halo-intake/secrets");
    }

    /// What of it is there, as it was.
    fn kept(&self) -> Vec<&'static str> {
        let is_kept =
            |path: &&str| self.has(path) && self.says(&format!("cat {path}")) == format!("written for {path}\n");
        WRITTEN.into_iter().filter(is_kept).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The end of its input; the kernel takes the mounts away with the last process in it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
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
    machine.is_used();
    machine.told();
    machine.says("dpkg --install /tmp/second.deb </dev/null");
    assert_eq!(machine.kept(), WRITTEN);
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
    machine.is_used();
    machine.told();
    machine.says("dpkg --remove halo-intake");
    assert!(machine.told().contains(&"stop halo-intake.service".to_owned()));
    assert!(!machine.has("/usr/bin/halo-intake") && !machine.has("/usr/lib/systemd/system/halo-intake.service"));
    assert_eq!(machine.kept(), WRITTEN);

    // It comes back as it was.
    machine.says("dpkg --install /tmp/second.deb");
    assert_eq!(machine.kept(), WRITTEN);
    assert!(machine.has(WANTED));

    machine.says("dpkg --purge halo-intake");
    // What "systemctl edit" wrote, and a folder that the configuration put elsewhere.
    assert_eq!(machine.kept(), [WRITTEN[3], WRITTEN[5]]);
    machine.says("rm -r /etc/systemd/system/halo-intake.service.d");
    assert_eq!(machine.says("find /etc /usr /var -xdev -name '*halo-intake*'"), "");
}

#[test]
fn the_changelog_begins_with_this_version() {
    let changelog =
        std::fs::read_to_string(Path::new(REPOSITORY).join("systemd/debian/changelog")).expect("it is there");
    assert!(changelog.starts_with(&format!("halo-intake ({VERSION}) ")));
}
