//! The commands as their callers see them: output, exit status, and errors that name thing, place and next step.

use serde_json::json;

use crate::world::{World, finish, program, repository};

const RULES: &str = r#"
[[rule]]
name = "Unknown senders become users"
when = "not email.automatic and email.subject is not containing(pat='newsletter')"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  store_as = "created"
"#;

#[test]
fn check_says_that_all_is_well_and_online_that_everything_answers() {
    let world = World::with_dovecot(RULES);
    let ran = world.run(&["check"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let load = "halo main: up to 1 request for a message, up to 3 where it makes a user or client; 300 per 5m";
    assert!(ran.stdout.contains(load), "{}", ran.stdout);
    assert!(
        ran.stdout.ends_with("looked at with --online alone\n"),
        "{}",
        ran.stdout
    );
    let ran = world.run(&["check", "--online"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for part in [
        "mailbox support",
        "smtp",
        "halo main: signed in",
        "client \"Unknown senders\" has the id 16",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
    }
}

#[test]
fn check_names_every_fault_at_once_with_its_place() {
    let world = World::new(
        "[[rule]]\nname = \"r\"\nwhen = \"email.form.address\"\n[[rule.action]]\ntype = \"create_halo_user\"\nclient = 12\nsitte = 21\nfull_name = \"{{ emial.subject }}\"\n",
    );
    let ran = world.run(&["check"]);
    assert_eq!(ran.status, 78, "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (line, part) in lines.iter().zip([
        "did you mean \"from\"?",
        "needs \"site\"",
        "did you mean \"site\"?",
        "did you mean \"email\"?",
    ]) {
        assert!(
            line.contains("halo-intake.toml:") && line.contains(part),
            "{line} has no {part:?}"
        );
    }
}

#[test]
fn check_online_names_a_locked_client_that_is_not_there_and_a_wrong_password() {
    let mut world = World::with_dovecot(&RULES.replace(
        "default_client = \"Unknown senders\"",
        "default_client = \"Nobody Ltd\"",
    ));
    world.settings = String::new();
    world.more("[mailbox.support]\npassword = \"not this\"\n");
    let ran = world.run(&["check", "--online"]);
    assert_eq!(ran.status, 78, "{ran:?}");
    assert!(
        ran.stdout.contains("Halo has no client \"Nobody Ltd\""),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("refuses the sign-in"), "{}", ran.stdout);
    assert!(
        !ran.stdout.contains("not this") && !ran.stderr.contains("not this"),
        "a secret was printed"
    );
}

#[test]
fn check_online_looks_for_a_site_within_its_client() {
    let check = |client: &str, site: &str| {
        let world = World::new(&format!(
            "[[rule]]\nname = \"r\"\n[[rule.action]]\ntype = \"find_halo_user_and_client\"\nstore_as = \"s\"\n\
             [[rule.action]]\ntype = \"create_halo_user\"\nclient = {client:?}\nsite = {site:?}\n"
        ));
        let ran = world.run(&["check", "--online"]);
        (ran.status, ran.stdout)
    };
    let (status, said) = check("{{ custom.s.client.id }}", "Main");
    assert!(status == 0 && said.contains("within each message's client"), "{said}");
    let (status, said) = check("{{ custom.s.client.id }}", "Nowhere");
    assert!(
        status == 78 && said.contains("no client has a site \"Nowhere\""),
        "{said}"
    );
    let (status, said) = check("Acme Ltd", "Annex");
    let expected = "site \"Annex\" belongs to \"Northgate Clinic\", not to \"Acme Ltd\"";
    assert!(status == 78 && said.contains(expected), "{said}");
    let (status, said) = check("Acme Ltd", "Warehouse");
    assert!(
        status == 0 && said.contains("site \"Warehouse\" of \"Acme Ltd\" has the id"),
        "{said}"
    );
}

#[test]
fn explain_says_what_would_happen_and_does_nothing() {
    let world = World::new(RULES);
    let mail = world.folder.join("mail.eml");
    std::fs::write(&mail, "Return-Path: <ann@stranger.example>\r\nFrom: Ann Lee <ann@stranger.example>\r\nSubject: A question\r\n\r\nx\r\n").unwrap();
    let path = mail.to_str().unwrap();
    let ran = world.run(&["explain", path]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for part in [
        "matches",
        "email.automatic = false",
        "= \"ann@stranger.example\"",
        "outcome  completed",
        "create the user Ann Lee",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
    }
    let known = world.run(&["explain", "--assume", "known", path]);
    assert!(!known.stdout.contains("create the user"), "{}", known.stdout);
    let online = world.run(&["explain", "--online", path]);
    assert_eq!(online.status, 0, "{online:?}");
    assert!(
        online
            .stdout
            .contains("create the user Ann Lee <ann@stranger.example> at client 16, site 28"),
        "{}",
        online.stdout
    );
    assert_eq!(world.requests("POST", "/api"), 0);
    assert!(!world.state_dir().exists(), "explain wrote a journal");
    assert_eq!(world.run(&["explain", "no-such-file.eml"]).status, 65);
}

#[test]
fn explain_takes_several_files_and_goes_on_after_one_that_can_not_be_read() {
    let mut world = World::new(RULES);
    world.mailbox = "max_message_size = \"1 KiB\"".to_owned();
    let write = |name: &str, text: &str| {
        std::fs::write(world.folder.join(name), text).unwrap();
        name.to_owned()
    };
    let names = [
        write(
            "first.eml",
            "From: Ann <ann@stranger.example>\r\nSubject: First\r\n\r\nx\r\n",
        ),
        "missing.eml".to_owned(),
        write(
            "large.eml",
            &format!(
                "From: Ann <ann@stranger.example>\r\nSubject: Large\r\n\r\n{}",
                "x".repeat(2000)
            ),
        ),
        write("nobody.eml", "Subject: Nobody\r\n\r\nx\r\n"),
    ];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ran = world.run(&[&["explain"], names.as_slice()].concat());
    assert_eq!(ran.status, 65, "{ran:?}");
    assert!(ran.stderr.contains("missing.eml"), "{}", ran.stderr);
    let ran = world.run(&["explain", "--format", "json", "first.eml", "large.eml", "nobody.eml"]);
    let lines: Vec<serde_json::Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ends: Vec<_> = lines
        .iter()
        .map(|line| (line["outcome"].as_str(), line["reason"].as_str()))
        .collect();
    assert_eq!(
        ends[1..],
        [(Some("failed"), Some("too_large")), (Some("failed"), Some("no_author"))]
    );
    // No rule sees them, so none is shown.
    assert_eq!(
        (
            lines[1]["rules"].as_array().unwrap().len(),
            lines[2]["rules"].as_array().unwrap().len()
        ),
        (0, 0)
    );
    assert_eq!(lines[0]["outcome"], "completed");
}

#[test]
fn what_was_cut_is_shown_and_what_can_not_be_read_whole_is_failed() {
    let world = World::new(RULES);
    let fields = "X-Field: x\r\n".repeat(3000);
    let long = "Dear all, this goes on.\r\n".repeat(200_000);
    for (name, text) in [
        (
            "fields.eml",
            format!("From: Ann <ann@stranger.example>\r\nSubject: Fields\r\n{fields}\r\nx\r\n"),
        ),
        (
            "long.eml",
            format!("From: Ann <ann@stranger.example>\r\nSubject: Long\r\n\r\n{long}"),
        ),
    ] {
        std::fs::write(world.folder.join(name), &text).unwrap();
        world.deliver(&text);
    }
    let ran = world.run(&["explain", "fields.eml", "long.eml"]);
    assert!(ran.stdout.contains("  cut      header_fields\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("reason   header_fields\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  cut      text\n"), "{}", ran.stdout);
    world.once();
    let ends: Vec<_> = ["Fields", "Long"]
        .map(|subject| world.json(&["log", "--grep", subject])[0].clone())
        .into_iter()
        .map(|row| {
            let shown = &world.json(&["show", &row["id"].to_string()])[0];
            (row["outcome"].clone(), row["reason"].clone(), shown["cut"].clone())
        })
        .collect();
    let expected = [
        (json!("failed"), json!("header_fields"), json!(["header_fields"])),
        (json!("completed"), json!(""), json!(["text"])),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn explain_agrees_with_what_a_run_does() {
    for from in [
        "Jane Doe <jane@acme.example>",
        "Ann Lee <ann@stranger.example>",
        "Tom <tom@acme.example>",
    ] {
        let world = World::new(RULES);
        world.mail(from, "A question");
        let mail = world.folder.join("mail.eml");
        std::fs::write(&mail, &world.folder("INBOX")[0]).unwrap();
        let explained = &world.json(&["explain", "--online", mail.to_str().unwrap()])[0];
        world.once();
        let ran = &world.log()[0];
        assert_eq!(explained["outcome"], ran["outcome"], "{from}");
        let shown = &world.json(&["show", &ran["id"].to_string()])[0];
        let fields = |trace: &serde_json::Value| {
            trace["rules"][0]["steps"]
                .as_array()
                .unwrap()
                .iter()
                .map(|step| step["fields"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(explained), fields(&shown["attempts_made"][0]["trace"]), "{from}");
    }
}

#[test]
fn log_filters_and_show_tells_everything() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.mail("Jane Doe <jane@acme.example>", "Monthly newsletter");
    world.once();
    assert_eq!(world.json(&["log", "--outcome", "ignored"]).len(), 1);
    assert_eq!(world.json(&["log", "--from", "ANN@"]).len(), 1);
    assert_eq!(world.json(&["log", "--grep", "question", "--since", "1h"]).len(), 1);
    assert_eq!(world.json(&["log", "--mailbox", "other"]).len(), 0);
    assert_eq!(world.json(&["log", "--limit", "1"])[0]["subject"], "Monthly newsletter");

    let row = &world.json(&["log", "--grep", "question"])[0];
    for name in [
        "id", "time", "mailbox", "from", "subject", "outcome", "rule", "reason", "attempts", "calls",
    ] {
        assert!(!row[name].is_null(), "{name} is not in {row}");
    }
    let requests = world.sandbox.requests().len();
    assert_eq!(row["calls"], requests, "the other message asked for nothing");
    let id = row["id"].to_string();
    let shown = world.run(&["show", &id]);
    assert_eq!(shown.status, 0, "{shown:?}");
    for part in [
        "POST /Users",
        "answered",
        "attempt 1",
        &format!("calls      {requests} requests to Halo, "),
        "From: Ann Lee",
        "email.from.address = \"ann@stranger.example\"",
        "gives",
        "Processed",
    ] {
        assert!(shown.stdout.contains(part), "{part:?} is not in {}", shown.stdout);
    }
    assert!(
        !shown.stdout.contains(world.sandbox.client_secret()),
        "a secret was printed"
    );
    assert_eq!(world.run(&["show", "4711"]).status, 2);
}

#[test]
fn halo_lists_what_there_is_to_choose_from() {
    let world = World::new(RULES);
    let clients = world.json(&["halo", "clients"]);
    assert!(
        clients
            .iter()
            .any(|client| client["id"] == 12 && client["name"] == "Acme Ltd"),
        "{clients:?}"
    );
    let sites = world.json(&["halo", "sites", "--client", "Acme Ltd"]);
    assert!(
        sites.len() > 1 && sites.iter().all(|site| site["client_id"] == 12),
        "{sites:?}"
    );
    assert!(!world.json(&["halo", "users", "--client", "12"]).is_empty());
    assert_eq!(world.run(&["halo", "sites", "--client", "Nobody Ltd"]).status, 2);
}

#[test]
fn the_demo_needs_nothing_and_shows_messages_and_users() {
    let folder = tempfile::tempdir().unwrap();
    let output = program().arg("demo").current_dir(folder.path()).output().unwrap();
    let ran = finish(output);
    assert_eq!(ran.status, 0, "{ran:?}");
    for part in [
        "bounced",
        "completed",
        "ignored",
        "duplicate",
        "failed",
        "no_author",
        "tom.reed@acme.example",
        "new",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "the demo left something behind"
    );
}

#[test]
fn what_a_demo_kept_goes_on_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["demo", "--keep"])
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let ran = finish(output);
    assert_eq!(ran.status, 0, "{ran:?}");
    let after = |start: &str| {
        let lines = ran.stdout.lines().map(str::trim);
        let line = lines.filter_map(|line| line.strip_prefix(start)).next();
        line.unwrap_or_else(|| panic!("{start:?} is not in {}", ran.stdout))
            .to_owned()
    };
    let file = after("export HALO_INTAKE_CONFIG=");
    let begun = after("halo-intake sandbox ");
    let mut sandbox = program()
        .arg("sandbox")
        .args(begun.split(' '))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(sandbox.stdout.take().unwrap()));
    let listens = lines.any(|line| line.unwrap().contains("listens"));
    let again = program()
        .env("HALO_INTAKE_CONFIG", &file)
        .args(["halo", "users"])
        .output();
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();
    let (users, log) = (
        finish(again.unwrap()),
        program().env("HALO_INTAKE_CONFIG", &file).arg("log").output(),
    );
    assert!(listens && users.stdout.contains("tom.reed@acme.example"), "{users:?}");
    assert!(finish(log.unwrap()).stdout.contains("bounced"));
}

#[test]
fn the_sample_configuration_passes_check() {
    let output = program()
        .arg("--config")
        .arg(repository("config/halo-intake.toml"))
        .arg("check")
        .output()
        .unwrap();
    let ran = finish(output);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stderr, "", "the sample gives warnings");
}

#[test]
fn a_configuration_that_nobody_named_is_told_of() {
    let said = |named: bool| {
        let mut command = program();
        command.env_remove("HALO_INTAKE_CONFIG").current_dir(repository("."));
        if named {
            command.args(["--config", "config/halo-intake.toml"]);
        }
        finish(command.arg("check").output().unwrap()).stderr
    };
    let told = "the configuration is ./config/halo-intake.toml of this folder, since neither --config nor \
                HALO_INTAKE_CONFIG names one";
    // This machine may have one in the other usual place.
    assert!(said(false).starts_with(told), "{}", said(false));
    assert_eq!(said(true), "");
}

#[test]
fn check_warns_of_reports_by_mail_that_have_no_way_out() {
    let world = World::new(RULES);
    let text = std::fs::read_to_string(world.configure()).unwrap();
    let (before, smtp) = text.split_once("[smtp]").unwrap();
    let (_, after) = smtp.split_once("[bounce]").unwrap();
    let file = world.folder.join("silent.toml");
    std::fs::write(&file, format!("{before}[bounce]{after}")).unwrap();
    let ran = finish(program().arg("--config").arg(&file).arg("check").output().unwrap());
    assert_eq!(ran.status, 0, "{ran:?}");
    let warning = "warning: report.to: reports can not leave by mail: there is no [smtp]; add it, or remove to\n";
    assert_eq!(ran.stderr, warning);
    assert_eq!(world.run(&["check"]).stderr, "");
}

#[test]
fn usage_faults_exit_2_and_a_missing_configuration_78() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finish(program().args(arguments).current_dir(folder.path()).output().unwrap());
    assert_eq!(run(&["frobnicate"]).status, 2);
    assert_eq!(run(&["log", "--outcome", "nothing"]).status, 2);
    assert_eq!(run(&["check", "--config", "no-such.toml"]).status, 78);
    assert_eq!(run(&["completions", "bash"]).status, 0);
    assert!(run(&["man"]).stdout.contains("halo-intake"));
}

#[test]
fn a_reader_who_has_seen_enough_is_no_fault() {
    for arguments in [&["demo"][..], &["completions", "bash"], &["man"]] {
        let mut child = program()
            .args(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = finish(child.wait_with_output().unwrap());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}
