//! A copy of this system to install on, and what is installed.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
};

use tempfile::TempDir;

pub const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// The package of the program that the tests are run with, and one of a higher version.
pub struct Packages {
    pub folder: TempDir,
}

pub static PACKAGES: LazyLock<Packages> = LazyLock::new(|| {
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

pub fn succeeded(output: Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{words}");
    said.into_owned()
}

/// A copy of this system. What is done to it is in memory alone, and only processes that it started see it.
pub struct Machine {
    holder: Child,
    root: PathBuf,
    _folder: TempDir,
}

impl Machine {
    pub fn new() -> Machine {
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

    pub fn command(&self, script: &str) -> Command {
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
    pub fn says(&self, script: &str) -> String {
        succeeded(self.command(script).output().expect("nsenter is there"))
    }

    pub fn has(&self, path: &str) -> bool {
        let found = self.command(&format!("test -e {path} || test -h {path}")).status();
        found.expect("nsenter is there").success()
    }

    pub fn installed() -> Machine {
        let machine = Machine::new();
        machine.says("dpkg --install /tmp/first.deb");
        machine
    }

    /// What systemd was told since this was asked last.
    pub fn told(&self) -> Vec<String> {
        let text = self.says("cat /run/told 2>/dev/null || true; rm -f /run/told");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The end of its input; the kernel takes the mounts away with the last process in it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
