//! Mail that was made to harm: cut, folded, repeated and flipped corpus mail, and bombs of every kind.
//!
//! The bounds on processor time guard against work that grows faster than the mail; they are wide, for slow machines.

#![allow(clippy::unwrap_used)] // a test ends where it can not go on

use std::{fs, path::Path, time::Duration};

use cpu_time::ThreadTime;
use halo_intake::{
    context::{self, Arrival},
    message::{Message, RemotePictures, safe_html},
};

/// For one bomb of a few megabytes. What is not linear takes minutes.
const A_WHILE: Duration = Duration::from_secs(20);
/// For one of less than a megabyte.
const A_MOMENT: Duration = Duration::from_secs(5);
/// The stack of a worker thread of tokio.
const STACK: usize = 2 * 1024 * 1024;

fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let folders = ["plain", "reply", "quoted", "automatic", "report", "malformed"];
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .collect();
    paths.sort();
    let mails: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(mails.len() >= 40, "the corpus is not there");
    mails
}

/// Reads as the daemon does, on a stack as small as its workers have; a panic within counts as a failure. With the time
/// of the processor that it takes: nobody else's work counts.
fn read(octets: Vec<u8>) -> (Message, Duration) {
    let reader = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        let begun = ThreadTime::now();
        let message = Message::read(&octets);
        check(&message, octets.len());
        (message, begun.elapsed())
    });
    reader.unwrap().join().unwrap()
}

fn check(message: &Message, size: usize) {
    assert!(!message.cut.contains(&"panic"), "reading broke off");
    let tags = [("[ID:".to_owned(), "]".to_owned())];
    let trusted = ["topmost".to_owned()];
    let arrival = Arrival {
        mailbox: "support",
        folder: "INBOX",
        uid: 1,
        received: jiff::Timestamp::UNIX_EPOCH,
        size: u64::try_from(size).unwrap(),
        trusted_authserv_ids: &trusted,
        subject_tags: &tags,
    };
    assert!(context::email(message, &arrival).json().is_object());
    assert!(message.to.len() <= 1_000 && message.attachments.len() <= 1_000);
    assert!(message.text.len() <= 4 << 20 && message.html.len() <= 4 << 20);
    assert!(message.html.starts_with(message.visible_html()));
    assert!(safe_html(&message.html, RemotePictures::Keep, |_| None).len() <= 32 << 20);
}

#[track_caller]
fn check_bomb(octets: impl Into<Vec<u8>>) -> Message {
    check_within(A_WHILE, octets)
}

#[track_caller]
fn check_within(most: Duration, octets: impl Into<Vec<u8>>) -> Message {
    let (message, took) = read(octets.into());
    assert!(took < most, "it took {took:?}");
    message
}

/// A small generator with a seed, so that a failure comes again (xorshift).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

fn on_one_thread(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn mail_cut_anywhere_is_read() {
    on_one_thread(|| {
        for mail in corpus() {
            // Each octet of what is short, every fifth one else; between them the mails part every pair of marks.
            let step = if mail.len() <= 480 { 1 } else { 5 };
            for end in (0..mail.len()).step_by(step) {
                check(&Message::read(&mail[..end]), end);
            }
        }
    });
}

#[test]
fn mail_without_its_beginning_is_read() {
    on_one_thread(|| {
        for mail in corpus() {
            for start in (0..mail.len()).step_by(11) {
                check(&Message::read(&mail[start..]), mail.len() - start);
            }
        }
    });
}

#[test]
fn mail_folded_everywhere_is_read() {
    on_one_thread(|| {
        for mail in corpus() {
            for fold in ["\r\n ", "\r\n", "\n", "\0", "\r"] {
                let folded: Vec<u8> = mail
                    .chunks(3)
                    .flat_map(|piece| [piece, fold.as_bytes()].concat())
                    .collect();
                check(&Message::read(&folded), folded.len());
            }
        }
    });
}

#[test]
fn mail_repeated_is_read() {
    on_one_thread(|| {
        for mail in corpus() {
            for times in [2, 50] {
                let repeated = mail.repeat(times);
                check(&Message::read(&repeated), repeated.len());
            }
        }
    });
}

#[test]
fn mail_with_flipped_bits_is_read() {
    on_one_thread(|| {
        let mut seeded = Seeded(0x9e37_79b9_7f4a_7c15);
        for mail in corpus().into_iter().filter(|mail| !mail.is_empty()) {
            for _ in 0..60 {
                let mut flipped = mail.clone();
                for _ in 0..=seeded.below(20) {
                    let at = seeded.below(flipped.len());
                    flipped[at] ^= 1 << seeded.below(8);
                }
                check(&Message::read(&flipped), flipped.len());
            }
        }
    });
}

#[test]
fn mail_spliced_from_two_mails_is_read() {
    on_one_thread(|| {
        let mails = corpus();
        let mut seeded = Seeded(42);
        for _ in 0..2_000 {
            let (one, other) = (&mails[seeded.below(mails.len())], &mails[seeded.below(mails.len())]);
            let spliced = [
                &one[..seeded.below(one.len() + 1)],
                &other[seeded.below(other.len() + 1)..],
            ]
            .concat();
            check(&Message::read(&spliced), spliced.len());
        }
    });
}

#[test]
fn thirty_thousand_nested_messages_do_not_end_the_process() {
    let message = check_bomb("Content-Type: message/rfc822\r\n\r\n".repeat(30_000));
    assert_eq!(message.attachments.len(), 1);
}

#[test]
fn deeply_nested_multiparts_are_cut() {
    let level = |depth: usize| format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n");
    let message = check_bomb((0..20_000).map(level).collect::<String>());
    assert!(message.cut.contains(&"nesting"), "{:?}", message.cut);
}

#[test]
fn a_storm_of_boundaries_is_cut() {
    let begin = "From: ann@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    let message = check_bomb(format!("{begin}{}", "--b\r\n\r\nx\r\n".repeat(300_000)));
    assert!(message.cut.contains(&"parts"), "{:?}", message.cut);
    check_bomb(format!("{begin}{}", "--b".repeat(1_000_000)));
    check_bomb(format!(
        "{begin}{}",
        "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(50_000)
    ));
}

#[test]
fn a_text_full_of_dashes_and_colons_is_a_part_like_others() {
    let begin = "From: ann@example.org\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\nHello\r\n\
                 --=_b\r\nContent-Type: text/plain; name=a.txt\r\n\r\n";
    let dashes = format!("{}\r\n", "-".repeat(78)).repeat(30_000);
    let cards = "BEGIN:VCARD\r\nN:Lee;Ann\r\nTEL:1\r\nEND:VCARD\r\n".repeat(60_000);
    for text in [dashes, cards, "The boundary of a part begins it.\r\n".repeat(60_000)] {
        let message = check_bomb(format!("{begin}{text}\r\n--=_b--\r\n"));
        assert!(message.cut.is_empty() && message.body == "Hello", "{:?}", message.cut);
        assert_eq!(message.attachments.len(), 1);
    }
}

#[test]
fn odd_boundaries_pass_no_bound_unseen() {
    for boundary in ["-", "--", "\"\\b\"", "(x)b", "\r\n b", "\"b\"", "b"] {
        for delimiter in ["---\r\n\r\n", "----", "--b\r\n\r\n", "--b\r\na:b\r\n\r\n"] {
            let begin = format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n");
            check_bomb(begin + &delimiter.repeat(300_000));
        }
    }
}

#[test]
fn nested_messages_within_an_encoded_one_do_not_end_the_process() {
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(30_000);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, nested);
    for folded in ["message/rfc822", "Message (x)\r\n / RFC822", "message/global"] {
        let message = check_bomb(format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: {folded}\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--"
        ));
        assert_eq!(message.attachments.len(), 1);
    }
    let digest = format!(
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--"
    );
    assert_eq!(check_bomb(digest).attachments[0].content_type, "message/rfc822");
}

#[test]
fn multiparts_whose_boundary_never_comes_take_bounded_time() {
    let part = "--b\r\nContent-Type: multipart/mixed; boundary=none\r\n\r\n";
    let begin = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for count in [2_000, 100_000] {
        check_bomb(format!("{begin}{}", part.repeat(count)));
    }
}

#[test]
fn odd_fields_of_a_part_take_bounded_time() {
    for value in [
        "filename*=x'",
        "name*=''",
        "name*0='';",
        "=?utf-8?q?",
        "\"=?q?q?",
        "(",
        "\\",
        ";a=b",
        "'",
    ] {
        for name in [
            "Content-Type: text/plain; name*=",
            "Content-Disposition: attachment; filename*=",
            "Content-ID: ",
        ] {
            let field = format!("{name}{}", value.repeat(100_000 / value.len()));
            check_bomb(format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--",
                format!("--b\r\n{field}\r\n\r\nx\r\n").repeat(5)
            ));
        }
    }
    let begin = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
    check_bomb(format!("{begin}{}\r\nx\r\n--b--", "a:\n".repeat(1_000_000)));
}

#[test]
fn a_hundred_thousand_sections_of_a_parameter_take_bounded_time() {
    let sections: String = (0..100_000)
        .map(|number| format!(";\r\n filename*{number}=x"))
        .collect();
    check_bomb(format!("Content-Disposition: attachment{sections}\r\n\r\nx"));
    check_bomb(format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment{sections}\r\n\r\nx\r\n--b--"
    ));
}

#[test]
fn a_header_line_of_a_megabyte_is_cut() {
    for line in [
        "x".repeat(1 << 20),
        "=?utf-8?q?".repeat(100_000),
        "=?utf-8?q?x?= ".repeat(80_000),
        "<".repeat(1 << 20),
        "(".repeat(1 << 20),
        "\"".to_owned() + &"\\\"".repeat(1 << 19),
        "@[".repeat(1 << 19),
        "=?a?q? ".repeat(150_000),
    ] {
        for name in [
            "Subject",
            "From",
            "To",
            "References",
            "Content-Type",
            "Authentication-Results",
            "Date",
        ] {
            let message = check_bomb(format!("{name}: {line}\r\n\r\nText"));
            assert!(
                message.cut.contains(&"header_section") || message.cut.contains(&"header_field"),
                "{:?}",
                message.cut
            );
        }
    }
}

#[test]
fn encoded_words_without_an_end_in_many_fields_take_bounded_time() {
    let field = format!("To: {}\r\n", "=?a?q? ".repeat(18_000));
    check_within(A_MOMENT, format!("{}\r\nText", field.repeat(7)));
}

#[test]
fn a_hundred_thousand_recipients_are_cut() {
    let recipients: String = (0..100_000)
        .map(|number| format!("a{number}@example.org,\r\n "))
        .collect();
    let message = check_bomb(format!("From: ann@example.org\r\nTo: {recipients}\r\n\r\nText"));
    assert_eq!(message.to.len(), 1_000);
    assert!(!message.cut.is_empty());
}

#[test]
fn a_hundred_thousand_fields_are_cut() {
    let message = check_bomb(format!("{}\r\nText", "X-A: b\r\n".repeat(100_000)));
    assert_eq!((message.header_fields.len(), message.body.as_str()), (2_000, "Text"));
    check_bomb("no field\r\n".repeat(200_000) + "A: b\r\n");
    check_bomb("A: b\r\n".to_owned() + &"no field\r\nno field\r\nB: c\r\n".repeat(100_000));
}

#[test]
fn html_bombs_take_bounded_time() {
    for piece in [
        "<div>",
        "<ul><li>",
        "<b>",
        "<table><tr><td>",
        "<div><table></div>",
        "<o:p>",
        "<a",
        "<a href=\"",
        "<p a=1 b=2",
        "<!--",
        "<svg><td>",
        "<i id=x><p>",
        "<blockquote>",
        "&#",
        "&amp",
        "<",
        "</",
        "<style>",
        "<br>",
        "<td colspan=99999>",
        "<li>",
        "<pre>\n",
        "x ",
        "<img alt=",
    ] {
        for size in [60_000, 60_000 * piece.len(), 1 << 20] {
            check_bomb(format!(
                "Content-Type: text/html\r\n\r\n{}",
                piece.repeat(size / piece.len())
            ));
        }
    }
}

#[test]
fn rows_behind_much_white_space_take_bounded_time() {
    let rows = "<tr>".repeat(20_000);
    check_within(
        A_MOMENT,
        format!("Content-Type: text/html\r\n\r\n<table>{}{rows}", " ".repeat(50_000)),
    );
    check_within(
        A_MOMENT,
        format!("Content-Type: text/html\r\n\r\n{}", "<table> <tr> ".repeat(40_000)),
    );
}

#[test]
fn a_million_content_ids_take_bounded_time() {
    for html in [
        "cid:".repeat(1_000_000),
        format!("<img src={}>", "cid:".repeat(1_000_000)),
        "<img src=cid:".repeat(300_000),
    ] {
        check_within(A_MOMENT, format!("Content-Type: text/html\r\n\r\n{html}"));
    }
}

#[test]
fn html_too_deep_for_a_tree_takes_bounded_time_too() {
    for piece in [
        "<a href=x>",
        "<script>",
        "<title>",
        "<style></styl",
        "<iframe>",
        "<!--",
        "<",
        "</",
        "<a href='",
        "&#",
        "&a",
        "<li>",
        "<p>x</p>",
        "<a href=javascript:x>y</a>",
        "<td>",
        "<img alt=x>",
        "\u{a0}",
    ] {
        let html = "<div>".repeat(200) + &piece.repeat((2 << 20) / piece.len());
        check_bomb(format!("Content-Type: text/html\r\n\r\n{html}"));
    }
}

#[test]
fn html_that_grows_when_it_is_shown_takes_bounded_memory() {
    for (begin, line) in [
        ("<blockquote>", "\n"),
        ("<blockquote>", "x<br>"),
        ("<ul><li>", "<li>x"),
        ("<blockquote>", "<p>x"),
    ] {
        for depth in [20, 99] {
            let html = format!("{}<pre>{}", begin.repeat(depth), line.repeat(200_000 / line.len()));
            assert!(check_bomb(format!("Content-Type: text/html\r\n\r\n{html}")).body.len() <= 4 << 20);
        }
    }
}

#[test]
fn bodies_beyond_the_bound_are_cut() {
    let message = check_bomb(format!("Subject: x\r\n\r\n{}", "Text and more.\r\n".repeat(1 << 19)));
    assert!(message.cut.contains(&"text"), "{:?}", message.cut);
    check_bomb(format!(
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n{}",
        "=".repeat(8 << 20)
    ));
    check_bomb(format!(
        "Content-Transfer-Encoding: base64\r\n\r\n{}",
        "=A".repeat(4 << 20)
    ));
    check_bomb(format!(
        "Content-Type: text/plain; format=flowed\r\n\r\n{}",
        "> \r\n".repeat(1 << 20)
    ));
    check_bomb(format!(
        "Content-Type: text/plain; charset=utf-7\r\n\r\n{}",
        "+A".repeat(2 << 20)
    ));
}

#[test]
fn a_subject_full_of_tags_and_prefixes_takes_bounded_time() {
    for piece in ["Re: ", "[EXT] ", "[ID:1]", "[ID:", "Re[1", "[", "(ext)"] {
        check_bomb(format!("Subject: {}\r\n\r\n", piece.repeat(120_000 / piece.len())));
    }
}

#[test]
fn quotations_without_an_end_take_bounded_time() {
    for piece in [
        ">",
        "> \n",
        ">>>> \n",
        "> quoted\nnot\n",
        "From: a@b.example\n",
        "From: a@b.example\nSent: x\n",
        "From: a\nSent: b\nTo: c\nSubject: d\n",
        "On 23.11.2026 10:00 <a@b.example>\n",
        "On 1 ",
        "wrote:\n",
        "wrote:\n\n\n\n\n\n> x\n",
        "-- \n",
        "-- \nx\n",
        "Sent from my iPhone\n",
        "________________________________\n\n",
        "-----Original Message-----\n",
        "Begin forwarded message:\n> \n",
        "\n",
        ":",
        "*",
    ] {
        for kind in ["text/plain", "text/html"] {
            let head = format!("Subject: Fwd: x\r\nIn-Reply-To: <a@b>\r\nContent-Type: {kind}\r\n\r\n");
            // In HTML each line is a paragraph.
            let piece = if kind == "text/html" {
                piece.replace('\n', "<br>")
            } else {
                piece.to_owned()
            };
            let count = (1 << 20) / piece.len();
            check_within(A_WHILE, format!("{head}{}", piece.repeat(count.min(90_000))));
        }
    }
}

#[test]
fn marks_of_html_without_an_end_take_bounded_time() {
    for piece in [
        "<blockquote type=cite>",
        "<blockquote type=cite>x</blockquote>y",
        "<div class=gmail_signature>x",
        "<div class='gmail_attr'>x</div>",
        "<hr id=stopSpelling>",
        "<hr id=stopSpelling>x",
        "<div id=divRplyFwdMsg>",
        "<div style='border:none;border-top:solid'>a:b@c<br>",
        "<div class=",
        "&#x10ff00;",
        "&#x10ff00;<blockquote type=cite>x</blockquote>",
    ] {
        let message = check_bomb(format!(
            "Content-Type: text/html\r\n\r\n{}",
            piece.repeat((1 << 20) / piece.len())
        ));
        assert!(message.html.starts_with(message.visible_html()));
    }
}

#[test]
fn wrapped_messages_of_every_kind_take_bounded_time() {
    let signature = b"\x78\x9f\x3e\x22\x01\x00";
    // Level, id, length and octets, without the sum.
    let attribute = |id: u32, octets: &[u8]| {
        let length = u32::try_from(octets.len()).unwrap();
        [&[2], &id.to_le_bytes()[..], &length.to_le_bytes(), octets, &[0, 0]].concat()
    };
    let one_property = |kind_and_id: [u8; 4], octets: &[u8]| {
        let length = u32::try_from(octets.len()).unwrap();
        [
            &[1, 0, 0, 0],
            &kind_and_id[..],
            &[1, 0, 0, 0],
            &length.to_le_bytes(),
            octets,
        ]
        .concat()
    };
    let rtf = |kind: &[u8; 4], octets: &[u8]| {
        let compressed = [&[0xff; 8], &kind[..], &[0; 4], octets].concat();
        attribute(0x0006_9003, &one_property([0x02, 0x01, 0x09, 0x10], &compressed))
    };
    let references = [&[0xff][..], &[0x00, 0x0e].repeat(8)].concat();
    for body in [
        attribute(0x0006_9002, b"").repeat(150_000),
        [
            attribute(0x0006_9002, b""),
            attribute(0x0001_8010, b"a.txt").repeat(100_000),
        ]
        .concat(),
        attribute(0x0006_9003, &[0xff; 1 << 20]),
        attribute(
            0x0006_9003,
            &[
                &[0xff; 4][..],
                &[0x1f, 0x10, 0x00, 0x10, 0xff, 0xff, 0xff, 0xff],
                &[0; 1 << 20],
            ]
            .concat(),
        ),
        attribute(
            0x0006_9003,
            &[&[0xff; 4][..], &[1, 0, 0, 0x10].repeat(1 << 18)].concat(),
        ),
        rtf(b"LZFu", &references.repeat(100_000)),
        rtf(b"MELA", &b"{".repeat(1 << 20)),
        rtf(b"MELA", &b"{}".repeat(1 << 19)),
        rtf(b"MELA", &b"\\u1 ".repeat(1 << 18)),
        rtf(b"MELA", &b"\\'e4\\par ".repeat(1 << 17)),
        rtf(b"MELA", &b"{\\*\\htmltag64 <p>}".repeat(1 << 16)),
        rtf(
            b"MELA",
            &[&b"\\fromhtml1 "[..], &b"{\\*\\htmltag64 <div>}".repeat(1 << 15)].concat(),
        ),
        rtf(b"MELA", &b"\\bin1 \\".repeat(1 << 17)),
    ] {
        let head = b"Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: binary\r\n\r\n";
        let octets = [&head[..], signature, &body].concat();
        let message = check_bomb(octets.clone());
        assert!(
            message
                .attachments
                .iter()
                .all(|one| one.contents(&octets).len() <= octets.len())
        );
    }
}

#[test]
fn calendars_without_an_end_take_bounded_time() {
    let begin = "Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n";
    for piece in [
        "BEGIN:X\r\n",
        "END:X\r\n",
        " x\r\n",
        "ATTENDEE;CN=a:mailto:a@b.example\r\n",
        "SUMMARY:",
        "\\n",
        ";A=\"",
        ":",
        "\r\n ",
        "DTSTART;TZID=",
    ] {
        let message = check_within(A_MOMENT, format!("{begin}{}", piece.repeat((1 << 20) / piece.len())));
        let text = message.invitation.map(|invitation| invitation.text());
        assert!(text.unwrap_or_default().len() < 1 << 20);
    }
}
