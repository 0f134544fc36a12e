//! A Maildir in a temporary folder, with other readers at work.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant as Clock,
};

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
        // Those that were moved are found where they were moved to.
        (
            moved,
            vec![spot("1.a"), spot("2.a")],
            Settled::leaving("moved to Erledigt/Früher"),
        ),
        (Settle::Seen, vec![spot("3.a")], Settled::staying("marked seen")),
        (Settle::Delete, vec![spot("4.a")], Settled::leaving("deleted")),
        (Settle::Keep, vec![spot("3.a")], Settled::staying("kept")),
    ];
    for is_first in [true, false] {
        for (how, spots, done) in &work {
            let came = shown(in_time(mailbox.settle(spots, how)).await.unwrap());
            let expected = match how {
                Settle::Delete if !is_first => Settling::Gone,
                _ => Settling::Done(done.clone()),
            };
            assert_eq!(came, vec![expected; spots.len()]);
            let came = in_time(mailbox.settle(&[spot("gone"), spot("Erledigt/gone"), spot("None/5.a")], how)).await;
            assert_eq!(came.unwrap(), vec![Settling::Gone; 3]);
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
    assert_eq!(shown(came)[1], Settling::Done(Settled::leaving("moved to Done")));
}

/// As a delivery agent does it: written in tmp/, renamed into new/.
fn deliver(root: &Path, name: &str, octets: &[u8]) {
    fs::write(root.join("tmp").join(name), octets).unwrap();
    fs::rename(root.join("tmp").join(name), root.join("new").join(name)).unwrap();
}

/// What a wait ends with; one that nothing ends before is over soon.
async fn woke(mailbox: &mut dyn Mailbox, is_news_expected: bool) -> Woke {
    let patience = if is_news_expected {
        DEADLINE
    } else {
        Duration::from_millis(50)
    };
    let stop = CancellationToken::new();
    in_time(mailbox.wait(true, Instant::now() + patience, &stop))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_delivery_wakes_and_a_stop_ends_the_wait() {
    let folder = maildir();
    let root = folder.path();
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    assert_eq!(
        woke(mailbox.as_mut(), true).await,
        Woke::News,
        "what came before the watch began is looked for"
    );
    assert_eq!(woke(mailbox.as_mut(), false).await, Woke::Deadline);
    deliver(root, "1.a", &message(1));
    assert_eq!(woke(mailbox.as_mut(), true).await, Woke::News);
    let stop = CancellationToken::new();
    let soon = Instant::now() + Duration::from_millis(50);
    assert_eq!(in_time(mailbox.wait(false, soon, &stop)).await.unwrap(), Woke::Deadline);
    stop.cancel();
    let long = Instant::now() + DEADLINE;
    assert_eq!(in_time(mailbox.wait(true, long, &stop)).await.unwrap(), Woke::Stopped);
}

#[tokio::test]
async fn many_deliveries_are_one_piece_of_news_even_where_the_system_can_not_queue_them_all() {
    let folder = maildir();
    let root = folder.path();
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let deliveries = queue.trim().parse::<usize>().unwrap().min(20_000) + 100;
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    woke(mailbox.as_mut(), true).await;
    fs::write(root.join("tmp/one"), message(1)).unwrap();
    for number in 0..deliveries {
        fs::hard_link(root.join("tmp/one"), root.join(format!("new/{number}.a"))).unwrap();
    }
    assert_eq!(woke(mailbox.as_mut(), true).await, Woke::News);
    assert_eq!(list(mailbox.as_mut()).await.len(), deliveries);
    assert_eq!(
        woke(mailbox.as_mut(), false).await,
        Woke::Deadline,
        "one look, not one for each"
    );
}

#[tokio::test]
async fn a_maildir_that_is_removed_and_made_anew_is_watched_again() {
    let folder = maildir();
    let root = folder.path().join("Maildir");
    let make = || {
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(root.join(part)).unwrap();
        }
    };
    make();
    let mut mailbox = open_maildir(root.clone()).await.unwrap();
    woke(mailbox.as_mut(), true).await;
    let moved = folder.path().join("before");
    let changes: [&dyn Fn(); 3] = [
        // The new folder may have the number of the old one.
        &|| fs::remove_dir_all(root.join("new")).unwrap(),
        &|| fs::rename(&root, &moved).unwrap(),
        &|| fs::rename(root.join("cur"), folder.path().join("cur before")).unwrap(),
    ];
    for (number, change) in changes.iter().enumerate() {
        change();
        make();
        assert_eq!(woke(mailbox.as_mut(), true).await, Woke::News, "change {number}");
        // Where the old watch told it, the new one begins with a look as well.
        while woke(mailbox.as_mut(), false).await == Woke::News {
            list(mailbox.as_mut()).await;
        }
        deliver(&root, &format!("{number}.a"), &message(1));
        assert_eq!(
            woke(mailbox.as_mut(), true).await,
            Woke::News,
            "a delivery after change {number}"
        );
    }
    fs::rename(&root, folder.path().join("gone")).unwrap();
    assert_eq!(woke(mailbox.as_mut(), true).await, Woke::News);
    let error = in_time(mailbox.select()).await.unwrap_err();
    assert!(error.to_string().contains("there is no such folder"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_passed_over_while_other_readers_rename_all_of_it() {
    const MESSAGES: usize = 3_000;
    let folder = maildir();
    let root = folder.path();
    for number in 0..MESSAGES {
        fs::write(root.join(format!("cur/{number}.reader:2,")), message(number)).unwrap();
    }
    let over = AtomicBool::new(false);
    let renames = std::thread::scope(|scope| {
        // A mail client that changes flags as fast as it can; what is gone was settled.
        let reader = scope.spawn(|| {
            let mut renames = 0_u32;
            for number in (0..MESSAGES).rev().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                for (from, to) in [("", "S"), ("S", "FS"), ("FS", "")] {
                    let name = |flags: &str| root.join(format!("cur/{number}.reader:2,{flags}"));
                    renames += u32::from(fs::rename(name(from), name(to)).is_ok());
                }
            }
            renames
        });
        let ended = std::panic::catch_unwind(|| {
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
                    let wanted: Vec<Listed> = (0..MESSAGES)
                        .map(|number| Listed {
                            spot: spot(&format!("{number}.reader")),
                            size: 500,
                            arrived: None,
                        })
                        .collect();
                    let fetched = fetch(mailbox.as_mut(), &wanted, false).await;
                    assert_eq!(fetched.len(), MESSAGES);
                    for (one, number) in fetched.iter().zip(0..) {
                        assert_eq!(one.octets, message(number), "each is read whole");
                    }
                    for some in wanted.chunks(500) {
                        let how = Settle::MoveTo("Done".to_owned());
                        let came = in_time(mailbox.settle(&spots(some), &how)).await.unwrap();
                        assert_eq!(
                            shown(came),
                            vec![Settling::Done(Settled::leaving("moved to Done")); some.len()]
                        );
                    }
                });
            });
        });
        over.store(true, Ordering::Relaxed);
        let renames = reader.join().unwrap();
        ended
            .map(|()| renames)
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    println!("{renames} renames meanwhile");
    assert!(renames > 0);
    assert_eq!(
        fs::read_dir(root.join("cur")).unwrap().count(),
        0,
        "all of it was moved"
    );
    assert_eq!(fs::read_dir(root.join(".Done/cur")).unwrap().count(), MESSAGES);
}

#[tokio::test]
async fn odd_names_are_messages_like_others() {
    let folder = maildir();
    let root = folder.path();
    let names: [&[u8]; 8] = [
        b"100%",
        b"%FF",
        b"\xff",
        b"\xff2:2,S",
        b"two\nlines",
        b"a b\t'\"$(x)",
        b":2,S",
        b"1.colon:1,x",
    ];
    for (number, name) in names.iter().enumerate() {
        let part = if name.contains(&b':') { "cur" } else { "new" };
        fs::write(root.join(part).join(OsStr::from_bytes(name)), message(number)).unwrap();
    }
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let listed = list(mailbox.as_mut()).await;
    let mut fetched = fetch(mailbox.as_mut(), &listed, false).await;
    fetched.sort_by(|one, other| one.octets.cmp(&other.octets));
    assert_eq!(fetched.len(), names.len());
    let came = in_time(mailbox.settle(&spots(&listed), &Settle::MoveTo("Done".to_owned()))).await;
    assert_eq!(
        shown(came.unwrap()),
        vec![Settling::Done(Settled::leaving("moved to Done")); names.len()]
    );
    assert!(list(mailbox.as_mut()).await.is_empty());
    assert_eq!(fs::read_dir(root.join(".Done/cur")).unwrap().count(), names.len());
}

#[tokio::test]
async fn a_destination_on_another_file_system_is_copied_to() {
    let folder = maildir();
    let root = folder.path();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(root), device(elsewhere.path()), "these are two file systems");
    symlink(elsewhere.path(), root.join(".Done")).unwrap();
    deliver(root, "1.a", &message(1));
    fs::write(root.join("cur/2.b:2,FS"), message(2)).unwrap();
    let before = fs::metadata(root.join("new/1.a")).unwrap().modified().unwrap();
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let (spots, how) = ([spot("1.a"), spot("2.b")], Settle::MoveTo("Done".to_owned()));
    let mut settled = async || {
        let came = in_time(mailbox.settle(&spots, &how)).await.unwrap();
        assert_eq!(shown(came), vec![Settling::Done(Settled::leaving("moved to Done")); 2]);
        assert_eq!(files(elsewhere.path()), ["cur/1.a:2,", "cur/2.b:2,FS", "maildirfolder"]);
    };
    settled().await;
    let copy = elsewhere.path().join("cur/1.a:2,");
    assert_eq!(fs::read(&copy).unwrap(), message(1));
    assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), before);
    // As if it had ended between the copy and the end of the original.
    deliver(root, "1.a", &message(1));
    settled().await;
    for part in ["new", "cur", "tmp"] {
        assert_eq!(fs::read_dir(root.join(part)).unwrap().count(), 0, "{part}");
    }
}

#[tokio::test]
async fn a_folder_that_is_made_is_as_open_as_the_maildir() {
    for mode in [0o700, 0o770] {
        let folder = maildir();
        let root = folder.path();
        fs::set_permissions(root.join("cur"), fs::Permissions::from_mode(mode)).unwrap();
        deliver(root, "1.a", &message(1));
        let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
        in_time(mailbox.settle(&[spot("1.a")], &Settle::MoveTo("Done".to_owned())))
            .await
            .unwrap();
        let made = fs::metadata(root.join(".Done/cur")).unwrap().permissions().mode();
        assert_eq!(made & 0o777, mode, "{made:o}");
    }
}

/// Prints what a look, a reading and single settlings cost in a large folder: none of them may read it for each message.
#[tokio::test]
async fn twenty_thousand_messages_are_read_and_settled() {
    const MESSAGES: usize = 20_000;
    let folder = maildir();
    let root = folder.path();
    for number in 0..MESSAGES {
        let part = if number % 2 == 0 { "new" } else { "cur" };
        fs::write(root.join(part).join(format!("{number:05}.large")), message(number)).unwrap();
    }
    let mut mailbox = open_maildir(root.to_owned()).await.unwrap();
    let began = Clock::now();
    let listed = list(mailbox.as_mut()).await;
    println!("listed {} in {:?}", listed.len(), began.elapsed());
    let began = Clock::now();
    let mut fetched = 0;
    for some in listed.chunks(500) {
        fetched += fetch(mailbox.as_mut(), some, false).await.len();
    }
    println!("fetched {fetched} in {:?}", began.elapsed());
    assert_eq!((listed.len(), fetched), (MESSAGES, MESSAGES));
    let began = Clock::now();
    for number in (0..400).step_by(2) {
        let one = [spot(&format!("{number:05}.large"))];
        let came = in_time(mailbox.settle(&one, &Settle::MoveTo("Done".to_owned()))).await;
        assert_eq!(
            shown(came.unwrap()),
            [Settling::Done(Settled::leaving("moved to Done"))]
        );
    }
    println!("settled 200, each by itself, in {:?}", began.elapsed());
    let gone: Vec<Spot> = (0..500).map(|number| spot(&format!("{number}.gone"))).collect();
    let began = Clock::now();
    in_time(mailbox.settle(&gone, &Settle::Delete)).await.unwrap();
    println!("500 that are gone in {:?}", began.elapsed());
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
