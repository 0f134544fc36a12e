//! A Maildir in a temporary folder, with other readers at work.

use std::{fs, path::Path};

use halo_intake::mailbox::Woke;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;

fn maildir() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["tmp", "new", "cur"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    folder
}

/// Everything below the Maildir but its folders, sorted.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn spot(name: &str) -> Spot {
    Spot::File { name: name.to_owned() }
}

#[tokio::test]
async fn new_and_read_messages_are_listed_and_nothing_else() {
    let folder = maildir();
    let root = folder.path();
    fs::write(root.join("new/1.a"), message(1)).unwrap();
    fs::write(root.join("cur/2.b:2,RS"), message(2)).unwrap();
    fs::write(root.join("cur/odd näme"), message(3)).unwrap();
    fs::write(root.join("cur/.hidden"), "no").unwrap();
    fs::write(root.join("tmp/3.c"), "no").unwrap();
    fs::create_dir(root.join("new/folder")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("new/4.link")).unwrap();
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let selected = in_time(mailbox.select()).await.unwrap();
    assert_eq!((selected.validity, selected.uid_next, selected.exists), (0, 0, 3));
    let mut listed = list(mailbox.as_mut()).await;
    listed.sort_by(|one, other| one.spot.cmp(&other.spot));
    assert_eq!(spots(&listed), [spot("1.a"), spot("2.b"), spot("odd näme")]);
    let fetched = fetch(mailbox.as_mut(), &listed, false).await;
    assert_eq!(
        fetched.iter().map(|one| one.octets.to_vec()).collect::<Vec<_>>(),
        [message(1), message(2), message(3)]
    );
    let headers = fetch(mailbox.as_mut(), &listed[..1], true).await;
    assert!(headers[0].octets.ends_with(b"<1@example.org>\r\n\r\n"));
}

#[tokio::test]
async fn messages_that_other_readers_rename_or_delete_are_found_or_passed_over() {
    let folder = maildir();
    let root = folder.path();
    for number in 1..=3 {
        fs::write(root.join(format!("new/{number}.a")), message(number)).unwrap();
    }
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let mut listed = list(mailbox.as_mut()).await;
    listed.sort_by(|one, other| one.spot.cmp(&other.spot));
    fs::rename(root.join("new/1.a"), root.join("cur/1.a:2,S")).unwrap();
    fs::remove_file(root.join("new/2.a")).unwrap();
    let fetched = fetch(mailbox.as_mut(), &listed, false).await;
    let came: Vec<Spot> = fetched.iter().map(|one| one.spot.clone()).collect();
    assert_eq!(came, [spot("1.a"), spot("3.a")]);
}

#[tokio::test]
async fn settling_moves_marks_and_deletes_once_and_again() {
    let folder = maildir();
    let root = folder.path();
    for number in 1..=4 {
        fs::write(root.join(format!("new/{number}.a")), message(number)).unwrap();
    }
    fs::rename(root.join("new/2.a"), root.join("cur/2.a:2,FS")).unwrap();
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let moved = Settle::MoveTo("Erledigt/Früher".to_owned());
    let work = [
        (
            moved,
            vec![spot("1.a"), spot("2.a"), spot("gone")],
            Settled::leaving("moved to Erledigt/Früher"),
        ),
        (Settle::Seen, vec![spot("3.a")], Settled::staying("marked seen")),
        (Settle::Delete, vec![spot("4.a")], Settled::leaving("deleted")),
        (Settle::Keep, vec![spot("3.a")], Settled::staying("kept")),
    ];
    for _ in 0..2 {
        for (how, spots, done) in &work {
            let expected = vec![Settling::Done(done.clone()); spots.len()];
            assert_eq!(in_time(mailbox.settle(spots, how)).await.unwrap(), expected);
        }
        let below = ".Erledigt.Fr&APw-her";
        let expected = [
            format!("{below}/cur/1.a:2,"),
            format!("{below}/cur/2.a:2,FS"),
            format!("{below}/maildirfolder"),
            "cur/3.a:2,S".to_owned(),
        ];
        assert_eq!(files(root), expected);
    }
}

#[tokio::test]
async fn a_file_that_can_not_be_touched_holds_up_no_other() {
    let folder = maildir();
    let root = folder.path();
    for number in 1..=2 {
        fs::write(root.join(format!("new/{number}.a")), message(number)).unwrap();
    }
    // A folder that stands where the first message would have to go.
    fs::create_dir_all(root.join(".Done/cur/1.a:2,/x")).unwrap();
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let (spots, how) = ([spot("1.a"), spot("2.a")], Settle::MoveTo("Done".to_owned()));
    let came = in_time(mailbox.settle(&spots, &how)).await.unwrap();
    assert!(
        matches!(&came[0], Settling::Refused(reason) if reason.contains("new/1.a")),
        "{came:?}"
    );
    assert_eq!(came[1], Settling::Done(Settled::leaving("moved to Done")));
}

#[tokio::test]
async fn a_delivery_wakes_and_a_stop_ends_the_wait() {
    let folder = maildir();
    let root = folder.path();
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let stop = CancellationToken::new();
    let soon = || Instant::now() + Duration::from_millis(50);
    assert_eq!(
        in_time(mailbox.wait(true, soon(), &stop)).await.unwrap(),
        Woke::Deadline
    );
    // As a delivery agent does it: written in tmp/, renamed into new/.
    fs::write(root.join("tmp/1.a"), message(1)).unwrap();
    fs::rename(root.join("tmp/1.a"), root.join("new/1.a")).unwrap();
    let long = Instant::now() + DEADLINE;
    assert_eq!(in_time(mailbox.wait(true, long, &stop)).await.unwrap(), Woke::News);
    assert_eq!(
        in_time(mailbox.wait(false, soon(), &stop)).await.unwrap(),
        Woke::Deadline
    );
    stop.cancel();
    assert_eq!(in_time(mailbox.wait(true, long, &stop)).await.unwrap(), Woke::Stopped);
}

#[tokio::test]
async fn a_folder_that_is_no_maildir_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_maildir(folder.path().to_owned()).await.err().unwrap();
    let path = folder.path().display();
    assert_eq!(
        error.to_string(),
        format!("{path}: the mailbox's path is no Maildir: there is no new/ in it")
    );
}
