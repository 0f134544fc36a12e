//! The Maildir of another user: what is lacking is told with what to do, and what is given is used.

use std::os::unix::fs::{MetadataExt, chown};

use super::*;
use crate::{
    running::Signal,
    servers::child::{NOBODY, hand_over},
    world::finish,
};

/// The group of those who may read the mail.
const MAIL: u32 = 65_000;
/// As systemd starts a unit with a user of its own.
const AS_NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
/// The same with SupplementaryGroups= and PrivateUsers=, under which no other user has a name.
const IN_THE_GROUP: &[&str] = &[
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--groups=65000",
    "unshare",
    "--user",
    "--map-current-user",
];

/// A world that belongs to `nobody`, with a Maildir that belongs to root and this group.
fn world_of_nobody(group: u32, mode: u32) -> World {
    let world = super::world();
    fs::copy(env!("CARGO_BIN_EXE_halo-intake"), copy(&world)).unwrap();
    hand_over(&world.folder);
    allow(&maildir(&world), 0, group, mode);
    world
}

fn copy(world: &World) -> PathBuf {
    world.folder.join("halo-intake")
}

/// Of all below it; files can not be run.
fn allow(path: &Path, user: u32, group: u32, mode: u32) {
    chown(path, Some(user), Some(group)).unwrap();
    let mode_here = if path.is_dir() { mode } else { mode & 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode_here)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            allow(&entry.unwrap().path(), user, group, mode);
        }
    }
}

/// What `check --online` says, which finds a fault.
fn fault(world: &World, wrapper: &[&str]) -> String {
    let mut command = world.command_within(wrapper, &copy(world), &["check", "--online"]);
    let ran = finish(command.output().unwrap());
    assert_eq!(ran.status, 78, "{ran:?}");
    let fault = ran.stdout.lines().find(|line| line.starts_with("FAULT"));
    fault.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

fn run(world: &World, wrapper: &[&str]) -> Daemon {
    Daemon::spawn(world.command_within(wrapper, &copy(world), &["run"]), &[])
}

#[test]
fn a_maildir_that_may_not_be_read_is_told_with_the_right_and_taken_up_by_a_reload() {
    let world = world_of_nobody(0, 0o700);
    world.mail("Ann <ann@stranger.example>", "Not to be read yet");
    let told =
        "user 65534, group 65534 and needs the right to read and enter this folder (rx): have the mail delivered";
    let said = fault(&world, AS_NOBODY);
    assert!(
        said.contains(told) && said.contains("Maildir/new: Permission denied"),
        "{said}"
    );
    let daemon = run(&world, AS_NOBODY);
    daemon.says(told);
    allow(&maildir(&world), NOBODY, NOBODY, 0o700);
    daemon.signal(Signal::HUP);
    daemon.says("completed");
    world.wait_until("settling", |world| is_settled(world, 1));
}

#[test]
fn messages_that_are_for_their_user_alone_hold_up_no_other_and_come_when_they_may() {
    let world = world_of_nobody(MAIL, 0o2770);
    world.mail("Ann <ann@stranger.example>", "As Postfix delivers it");
    let delivered = fs::read_dir(maildir(&world).join("new")).unwrap().next().unwrap();
    let delivered = delivered.unwrap().path();
    allow(&delivered, 0, MAIL, 0o600);
    let told = "needs the right to read this file (r)";
    let said = fault(&world, IN_THE_GROUP);
    assert!(said.contains(told), "{said}");
    let daemon = run(&world, IN_THE_GROUP);
    daemon.says(told);
    world.mail("Bob <bob@stranger.example>", "For the group");
    daemon.says("completed");
    allow(&delivered, 0, MAIL, 0o660);
    world.mail("Cy <cy@stranger.example>", "Wakes it");
    world.wait_until("settling", |world| is_settled(world, 3));
    each_came_once(
        &world,
        3,
        ["ann", "bob", "cy"]
            .map(|name| format!("{name}@stranger.example"))
            .into_iter(),
    );
}

#[test]
fn a_maildir_that_may_not_be_changed_is_processed_once_and_settled_when_it_may() {
    let world = world_of_nobody(0, 0o755);
    let told = "needs the right to write to the folders that messages leave and come to (wx)";
    let said = fault(&world, AS_NOBODY);
    assert!(said.contains(told), "{said}");
    let daemon = run(&world, AS_NOBODY);
    world.mail("Ann <ann@stranger.example>", "First");
    let said = daemon.says("settling is refused");
    assert!(said.contains(told), "{said}");
    world.mail("Bob <bob@stranger.example>", "Second");
    daemon.says("completed");
    daemon.says("settling is refused");
    world.wait_until("both are put off", |world| {
        world.count_where("settle_reason IS NOT NULL") == 2
    });

    allow(&maildir(&world), NOBODY, NOBODY, 0o700);
    world.later(1_000);
    world.mail("Cy <cy@stranger.example>", "Third");
    world.wait_until("settling", |world| is_settled(world, 3));
    each_came_once(
        &world,
        3,
        ["ann", "bob", "cy"]
            .map(|name| format!("{name}@stranger.example"))
            .into_iter(),
    );
}

/// As ProtectSystem=strict leaves it.
#[test]
fn a_maildir_that_the_unit_may_not_write_to_is_told_with_the_setting() {
    let world = world_of_nobody(NOBODY, 0o777);
    let path = maildir(&world);
    let path = path.display();
    let read_only = format!(
        "mount --bind {path} {path} && mount -o remount,bind,ro {path} && exec {} \"$@\"",
        AS_NOBODY.join(" ")
    );
    let said = fault(&world, &["unshare", "--mount", "sh", "-c", &read_only, "sh"]);
    assert!(
        said.contains("Read-only file system") && said.contains("name the Maildir in ReadWritePaths="),
        "{said}"
    );
}

#[test]
fn a_group_that_may_read_and_write_is_enough_also_where_no_other_user_has_a_name() {
    let world = world_of_nobody(MAIL, 0o2770);
    let daemon = run(&world, IN_THE_GROUP);
    daemon.says("is watched");
    world.mail("Ann <ann@stranger.example>", "For the group");
    daemon.says("completed");
    world.wait_until("settling", |world| is_settled(world, 1));
    let made = fs::metadata(maildir(&world).join(".Processed/cur")).unwrap();
    assert_eq!(
        (made.gid(), made.mode() & 0o777),
        (MAIL, 0o770),
        "its readers may see what was moved"
    );
}
