//! The corpus: every mail beside its expected email context. `UPDATE=1` rewrites the expectations; read them then.

#![allow(clippy::unwrap_used)] // a test ends where it can not go on

use std::{
    fs,
    path::{Path, PathBuf},
};

use halo_intake::{
    context::{self, Arrival, table},
    expression::shape::Shape,
    message::Message,
};
use serde_json::Value;

const FOLDERS: &[&str] = &[
    "plain",
    "reply",
    "quoted",
    "automatic",
    "report",
    "malformed",
    "private",
];

/// Every mail of the corpus, and of the private folder where there is one.
fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let entries = FOLDERS
        .iter()
        .filter_map(|folder| fs::read_dir(root.join(folder)).ok())
        .flatten();
    let mut mails: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .collect();
    mails.sort();
    assert!(mails.len() >= 40, "the corpus is not there");
    mails
}

fn email(octets: &[u8]) -> Value {
    let arrival = Arrival {
        mailbox: "support",
        folder: "INBOX",
        uid: 7,
        received: "2026-11-23T09:00:05Z".parse().unwrap(),
        size: u64::try_from(octets.len()).unwrap(),
        trusted_authserv_ids: &["mx.example.com".to_owned()],
        subject_tags: &[("[ID:".to_owned(), "]".to_owned())],
    };
    context::email(&Message::read(octets), &arrival).json()
}

#[test]
fn every_mail_has_the_context_that_is_expected() {
    let mut wrong = Vec::new();
    for path in corpus() {
        let found = serde_json::to_string_pretty(&email(&fs::read(&path).unwrap())).unwrap() + "\n";
        let expectation = path.with_extension("expected");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expectation, &found).unwrap();
        }
        match fs::read_to_string(&expectation) {
            Ok(expected) if expected == found => {}
            Ok(expected) => wrong.push(difference(&path, &expected, &found)),
            Err(_) => wrong.push(format!("{}: its expectation is missing", path.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first line that differs.
fn difference(path: &Path, expected: &str, found: &str) -> String {
    let mut lines = expected
        .lines()
        .zip(found.lines())
        .filter(|(expected, found)| expected != found);
    let (expected, found) = lines.next().unwrap_or(("(ends)", "(goes on, or ends early)"));
    format!("{}:\n  expected {expected}\n  found    {found}", path.display())
}

#[test]
fn every_context_holds_exactly_the_names_of_the_table() {
    for path in corpus() {
        let email = email(&fs::read(&path).unwrap());
        check_shape(&email, &context::email_shape(), &format!("{}: email", path.display()));
    }
    let names: Vec<_> = context::meta_shape().names().into_iter().map(str::to_owned).collect();
    assert_eq!(names, ["id", "attempt", "now", "rule", "version", "hostname"]);
}

fn check_shape(value: &Value, shape: &Shape, place: &str) {
    match (shape, value) {
        (Shape::Text, Value::String(_)) | (Shape::Truth, Value::Bool(_)) | (Shape::Nullable(_), Value::Null) => {}
        (Shape::Number, Value::Number(number)) => assert!(number.is_u64(), "{place}: {number}"),
        (Shape::List(of), Value::Array(items)) => items.iter().for_each(|item| check_shape(item, of, place)),
        (Shape::Map(of), Value::Object(items)) => items.values().for_each(|item| check_shape(item, of, place)),
        (Shape::Nullable(of), _) => check_shape(value, of, place),
        (Shape::Record(fields), Value::Object(items)) => {
            assert_eq!(
                items.keys().collect::<Vec<_>>(),
                fields.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                "{place}"
            );
            fields
                .iter()
                .for_each(|(name, shape)| check_shape(&items[name], shape, &format!("{place}.{name}")));
        }
        _ => panic!("{place}: {value} is not {shape:?}"),
    }
}

#[test]
fn every_name_has_a_sentence_for_the_manual() {
    let tables = [
        table::EMAIL,
        table::META,
        table::MAILBOX,
        table::AUTHOR,
        table::FIELD,
        table::ATTACHMENT,
        table::REPORT,
        table::AUTH,
    ];
    for fact in tables.into_iter().flatten() {
        assert!(fact.doc.ends_with('.'), "{}", fact.name);
    }
}

#[test]
fn no_name_address_or_subject_ever_holds_a_line_end() {
    for path in corpus() {
        let email = email(&fs::read(&path).unwrap());
        let mut single = vec![
            &email["subject"],
            &email["topic"],
            &email["message_id"],
            &email["automatic_reason"],
        ];
        for name in ["from", "sender", "reply_to", "return_path"] {
            single.extend([&email[name]["address"], &email[name]["name"], &email[name]["display"]]);
        }
        for list in ["to", "cc", "recipients", "attachments", "header_list"] {
            single.extend(
                email[list]
                    .as_array()
                    .unwrap()
                    .iter()
                    .flat_map(|one| one.as_object().unwrap().values()),
            );
        }
        for text in single.into_iter().filter_map(Value::as_str) {
            assert!(!text.chars().any(char::is_control), "{}: {text:?}", path.display());
        }
    }
}

#[test]
fn mail_on_disk_ends_its_lines_with_crlf_but_where_that_is_the_point() {
    for path in corpus()
        .into_iter()
        .filter(|path| !path.to_string_lossy().contains("private"))
    {
        let octets = fs::read(&path).unwrap();
        let bare = octets
            .iter()
            .enumerate()
            .filter(|(at, octet)| **octet == b'\n' && (*at == 0 || octets[at - 1] != b'\r'))
            .count();
        assert_eq!(
            bare > 0,
            path.ends_with("malformed/bare_line_feeds.eml"),
            "{}",
            path.display()
        );
    }
}

/// What of a mail's HTML is left without what it quotes.
#[track_caller]
fn check_html(name: &str, ends_with: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/mail/quoted")
        .join(name);
    let message = Message::read(&fs::read(path.with_extension("eml")).unwrap());
    let visible = message.visible_html();
    assert!(message.html.starts_with(visible), "{name}");
    assert_eq!(
        &visible[visible.len().saturating_sub(ends_with.len())..],
        ends_with,
        "{name}"
    );
}

#[test]
fn html_ends_where_a_known_program_begins_to_quote() {
    check_html("gmail_top_post", "thank you.</div><br>");
    check_html("gmail_html_alone", "<div>Acme GmbH</div></div></div><br>");
    check_html("outlook_english", "<o:p>&nbsp;</o:p></p><div>");
    check_html(
        "outlook_unknown_language",
        "<p class=\"MsoNormal\">Virkar aftur.</p><div>",
    );
    check_html("outlook_on_the_web", "<div id=\"appendonsend\"></div>");
    check_html("outlook_for_ios", "Outlook for iOS</a></div></div>");
    check_html("apple_mail", "<div>Jane<br><div><br>");
    check_html("thunderbird_top_post_html", "<p>Ja, jetzt geht es.</p>");
    check_html("yahoo_html_alone", "Ya funciona.</div></div>");
    check_html("proton_mail", "secure email.</div></div>");
    check_html("gmx", "<div>&nbsp;");
}

#[test]
fn html_with_answers_between_or_below_what_is_quoted_stays_whole() {
    check_html("gmail_interleaved_html", "<div>Zweite Antwort.</div></div></div>\n");
    check_html("thunderbird_bottom_post", "</div></body></html>\n");
    check_html("indented_by_the_author", "<div>Jane</div></div>\n");
}

#[test]
fn contents_of_attachments_come_decoded_and_unpacked() {
    let path = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/mail/plain")
            .join(name)
    };
    let contents = |name: &str| -> Vec<(String, Vec<u8>)> {
        let octets = fs::read(path(name)).unwrap();
        let message = Message::read(&octets);
        let one = |one: &halo_intake::message::Attachment| (one.name.clone(), one.contents(&octets));
        message.attachments.iter().map(one).collect()
    };
    let wrapped = contents("winmail_rtf_and_files.eml");
    assert_eq!(
        wrapped[0],
        ("Quote für März.pdf".to_owned(), b"%PDF-1.4 invented".to_vec())
    );
    assert!(wrapped[1].1.starts_with(b"\x89PNG"));
    let bare = contents("winmail.eml");
    assert_eq!(bare, [("winmail.dat".to_owned(), b"\x78\x9f\x3e\x22\0\0".to_vec())]);
}
