//! What `explain` and `show` print of a typical message of each kind, held against `tests/daemon/shown/*.txt`.
//! `UPDATE=1` writes them.

use crate::world::{World, repository};

const RULES: &str = r#"
[[rule]]
name = "Orders"
mailboxes = ["sales"]
  [[rule.action]]
  type = "stop_all"

[[rule]]
name = "Machines"
when = "email.automatic or email.subject is containing(pat='newsletter')"
  [[rule.action]]
  type = "stop_all"

[[rule]]
name = "Not for us"
when = "not (email.junk or email.size > 100000) and email.subject is matching(pat='^(job|application)')"
  [[rule.action]]
  type = "bounce"
  message = "Please write to jobs@desk.example."

[[rule]]
name = "Unknown senders become users"
  [[rule.action]]
  name = "who is it"
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  full_name = "{{ email.subject | split(pat=' from ') | nth(n=1) }}"
"#;

/// From Ann Lee, with this subject and further header fields, each ended by a newline.
fn mail(subject: &str, fields: &str) -> String {
    format!(
        "Return-Path: <ann@stranger.example>\nDate: Mon, 23 Nov 2026 09:00:00 +0000\nFrom: Ann Lee <ann@stranger.example>\n\
         To: support@desk.example\nSubject: {subject}\nMessage-ID: <one@stranger.example>\n{fields}\nIt is dead.\n"
    )
}

fn world() -> World {
    let mut world = World::new(RULES);
    world.settings =
        "[mailbox.sales]\ntype = \"maildir\"\npath = \"sales\"\naddresses = [\"sales@desk.example\"]".to_owned();
    // The mail below has the date that the texts show.
    world.more("[bounce]\nmax_age = \"9000d\"\n");
    world
}

fn check(name: &str, found: &str) {
    let path = repository(&format!("tests/daemon/shown/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} differs; UPDATE=1 writes it", path.display());
}

fn check_explained(name: &str, mail: &str) {
    let world = world();
    std::fs::write(world.folder.join("mail.eml"), mail.replace('\n', "\r\n")).unwrap();
    let ran = world.run(&["explain", "--mailbox", "support", "mail.eml"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    check(name, &ran.stdout);
}

#[test]
fn explain_shows_a_typical_message_of_each_kind() {
    check_explained("made", &mail("A question from Ann Lee", ""));
    check_explained("machine", &mail("Out of office", "Auto-Submitted: auto-replied\n"));
    check_explained("bounced", &mail("application as a cook", ""));
    check_explained("failed", &mail("A question", ""));
}

#[test]
fn show_has_the_same_with_what_was_sent_and_how_long_it_took() {
    let world = world();
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(world.folder.join("sales").join(part)).unwrap();
    }
    // She is known, so that her requests leave one after the other.
    let mail = mail("A question", "").replace("ann@stranger.example", "jane@acme.example");
    world.deliver(&mail.replace("Ann Lee", "Jane Doe"));
    world.once();
    let ran = world.run(&["show", "1"]);
    let trace = &ran.stdout[ran.stdout.find("\nrule \"").unwrap()..];
    let mut text = trace.to_owned();
    for (pattern, name) in [(r"[\d.]+ m?s\b", "N ms"), (r"127\.0\.0\.1:\d+", "HOST")] {
        text = regex::Regex::new(pattern)
            .unwrap()
            .replace_all(&text, name)
            .into_owned();
    }
    check("shown", &text);
}
