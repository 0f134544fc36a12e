#!/bin/bash
# Boots systemd as process 1 of a namespace of its own, on a copy of this system that is laid over it in memory, and has
# it run story.sh: boot.sh FOLDER PACKAGES. What the story says is in FOLDER/out/said then. To be called in a mount
# namespace that nobody else uses. Nothing of this system is changed; the kernel's own settings are only read.
set -euo pipefail
folder=$1 packages=$2
here=$(dirname "$(realpath "$0")")
cd "$folder"

if [ $# = 2 ]; then
    mkdir cgroups memory root out
    # A control group below ours, so that its systemd is the only one who arranges what is in it.
    mount -t cgroup2 none cgroups
    own=cgroups/halo-intake-test-$$
    mkdir "$own"
    status=0
    (
        echo "$BASHPID" >"$own/cgroup.procs"
        exec timeout 90 unshare --cgroup --pid --fork --kill-child --mount --ipc --uts --propagation private \
            "$here/boot.sh" "$folder" "$packages" inside
    ) || status=$?
    find "$own" -depth -type d -exec rmdir {} +
    exit "$status"
fi

mount -t tmpfs none memory
mkdir memory/upper memory/work
mount -t overlay none -o lowerdir=/,upperdir=memory/upper,workdir=memory/work root
mount -t proc none root/proc
mount --bind root/proc/sys root/proc/sys
mount -o remount,ro,bind root/proc/sys
mount -t sysfs none root/sys -o ro
mount -t cgroup2 none root/sys/fs/cgroup
mount -t tmpfs none root/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty root/dev/
mkdir root/dev/pts root/dev/shm
mount -t devpts none root/dev/pts -o newinstance
ln -s pts/ptmx root/dev/ptmx
mount -t tmpfs none root/run
mkdir -p root/out root/packages
mount --bind out root/out
mount --bind "$packages" root/packages
cp "$here/story.sh" root/run/story.sh

# Nothing of this system starts: no mounts, no services, and of the targets that all services stand on only the names.
units=root/etc/systemd/system
rm -rf "${units:?}"/* root/etc/fstab root/etc/dpkg/dpkg.cfg.d/* root/usr/sbin/policy-rc.d root/var/lib/man-db/auto-update
for target in sysinit basic network-online time-sync nss-lookup shutdown; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$units/$target.target"
done
cat >"$units/default.target" <<'END'
[Unit]
DefaultDependencies=no
Wants=systemd-journald.socket systemd-journald.service story.service
END
cat >"$units/story.service" <<'END'
[Unit]
DefaultDependencies=no
After=systemd-journald.service
[Service]
Type=oneshot
Environment=HOME=/root DEBIAN_FRONTEND=noninteractive
ExecStart=/bin/bash -eu /run/story.sh
StandardOutput=file:/out/said
StandardError=file:/out/heard
ExecStopPost=/bin/systemctl --force exit
END

cd root
mkdir -p old
pivot_root . old
umount --lazy old
export container=tests
exec /lib/systemd/systemd --system --show-status=0 --log-target=null </dev/null
