//! The sandbox as a program: its switches on the command line, and the file that keeps its records.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use halo_intake::sandbox::{Sandbox, Start};

use crate::{
    program::{Program, refused},
    world::{http, loopback},
};

async fn lay(program: &Program, kind: &str, record: Value) -> (u16, Value) {
    let url = program.at(&format!("sandbox/{kind}"));
    let answer = http().post(url).json(&record).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn held(program: &Program, kind: &str) -> Value {
    let url = program.at(&format!("sandbox/{kind}"));
    http().get(url).send().await.unwrap().json().await.unwrap()
}

async fn all(program: &Program) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in ["clients", "sites", "users", "tickets", "actions", "attachments"] {
        all.push(held(program, kind).await);
    }
    all
}

#[tokio::test]
async fn records_are_in_the_file_soon_after_a_change_and_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let file = path.to_str().unwrap();
    let program = Program::start(&["--state", file]);
    let (status, added) = lay(&program, "tickets", json!({"summary": "Kept", "user_id": 101})).await;
    assert_eq!(status, 201);
    let id = added[0]["id"].as_i64().unwrap();
    let before = all(&program).await;

    let deadline = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&path).unwrap().contains("\"Kept\"") {
        assert!(Instant::now() < deadline, "the ticket is not in the file");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(program);

    let program = Program::start(&["--state", file, "--empty"]);
    assert_eq!(
        all(&program).await,
        before,
        "what the file holds goes before the sample and before nothing"
    );
    let (_, added) = lay(&program, "tickets", json!({"summary": "Next"})).await;
    assert_eq!(added[0]["id"], id + 1, "numbers go on");
}

#[tokio::test]
async fn the_last_change_is_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let program = Program::start(&["--state", path.to_str().unwrap()]);
    let file = json!({"ticket_id": 2001, "filename": "a.txt", "data_base64": "data:text/plain;base64,aGk="});
    let ticket = json!({"summary": "Last", "attachments": [file]});
    lay(&program, "tickets", ticket).await;
    assert_eq!(program.terminate(), Some(0));
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(kept["records"]["tickets"].to_string().contains("\"Last\""));
    assert!(kept["records"]["contents"].to_string().contains("\"aGk=\""));
    assert!(!kept.to_string().contains("sandbox-secret"));
    let names = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|name| name.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["state.json", "state.json.lock"]);
}

#[tokio::test]
async fn what_was_taken_never_spoils_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let start = || Start {
        state: Some(path.clone()),
        ..Start::default()
    };
    let sandbox = Sandbox::start_with(loopback(), start()).await.unwrap();
    let deep = (0..120).fold(json!([]), |within, _| json!([within]));
    for (kind, ticket, expected) in [
        (
            "tickets",
            json!({"summary": "early", "dateoccurred": "-009999-01-01T00:00:00"}),
            400,
        ),
        ("tickets", json!({"summary": "deep", "customfields": deep}), 400),
        ("tickets", json!({"summary": "last", "id": i32::MAX}), 400),
        ("tickets", json!({"summary": "near", "id": i32::MAX - 1}), 201),
        ("tickets", json!([{"summary": "next"}, {"summary": "and next"}]), 201),
        (
            "clients",
            json!({"id": i32::MAX - 1, "main_site_id": i32::MAX - 1}),
            201,
        ),
        ("clients", json!({"name": "next"}), 201),
    ] {
        let url = sandbox.url().join(&format!("sandbox/{kind}")).unwrap();
        let answer = http().post(url).json(&ticket).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{ticket}");
    }
    let (tickets, clients) = (sandbox.tickets(), sandbox.clients());
    let numbers: Vec<&Value> = tickets.iter().map(|ticket| &ticket["id"]).collect();
    assert_eq!(json!(numbers), json!([2001, 2002, 3001, 3002, i32::MAX - 1]));
    sandbox.end().await.unwrap();
    let sandbox = Sandbox::start_with(loopback(), start()).await.unwrap();
    assert_eq!((sandbox.tickets(), sandbox.clients()), (tickets, clients));
}

#[tokio::test]
async fn a_file_is_of_one_sandbox_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let file = path.to_str().unwrap();
    let program = Program::start(&["--state", file]);
    let (status, said) = refused(&["--state", file]);
    assert!(
        status == Some(69) && said.contains("state.json: another sandbox keeps its state there"),
        "{said}"
    );
    lay(&program, "tickets", json!({"summary": "Kept"})).await;
    assert_eq!(program.terminate(), Some(0));
    let program = Program::start(&["--state", file]);
    assert!(held(&program, "tickets").await.to_string().contains("\"Kept\""));
}

#[test]
fn a_file_that_is_no_state_is_told_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let file = path.to_str().unwrap();
    for (text, part) in [
        ("{\"format\":1,\"records\"", "EOF while parsing"),
        ("", "EOF while parsing"),
        ("{\"format\":7,\"all\":{}}", "its format is 7, and 1 is known"),
        ("{\"format\":1,\"records\":{}}", "missing field"),
        ("my notes", "expected value"),
    ] {
        std::fs::write(&path, text).unwrap();
        let (status, said) = refused(&["--state", file]);
        assert_eq!(status, Some(65), "{said}");
        assert!(
            said.starts_with(file) && said.contains("left as it is") && said.contains(part),
            "{said}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let (status, said) = refused(&["--state", folder.path().to_str().unwrap()]);
    assert!(status == Some(65) && said.contains("can not be read: "), "{said}");
    let nowhere = folder.path().join("no/such/folder/state.json");
    let (status, said) = refused(&["--state", nowhere.to_str().unwrap()]);
    assert!(
        status == Some(70) && said.contains("can not be written: No such file"),
        "{said}"
    );
}

#[tokio::test]
async fn switches_are_set_on_the_command_line() {
    let program = Program::start(&[
        "--set",
        "page_cap=7",
        "--set",
        "duplicate_users=reject",
        "--set",
        r#"faults=[{"on":{"method":"GET","path":"/api/AuthInfo"},"mishap":{"kind":"html","status":502}}]"#,
    ]);
    let switches = held(&program, "switches").await;
    assert_eq!(switches["page_cap"], 7);
    assert_eq!(switches["duplicate_users"], "reject");
    let answer = http().get(program.at("api/AuthInfo")).send().await.unwrap();
    assert_eq!(answer.status(), 502);
}

#[test]
fn a_switch_that_can_not_be_set_ends_the_start_with_2_and_says_what_there_is() {
    for (set, parts) in [
        (
            "pagecap=7",
            [
                "\"pagecap\" is not known; did you mean \"page_cap\"?",
                "latency_ms, faults",
            ],
        ),
        ("colour=red", ["\"colour\" is not known", "latency_ms, faults"]),
        (
            "page_cap=many",
            ["\"page_cap\" can not be \"many\"", "No page is longer."],
        ),
        ("create_status=404", ["a status of success is expected", "201 or 200"]),
        ("page_cap", ["KEY=VALUE is expected", "--set page_cap"]),
    ] {
        let (status, said) = refused(&["--set", set]);
        assert_eq!(status, Some(2), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }
}

#[tokio::test]
async fn an_empty_sandbox_has_the_unknown_client_and_takes_records() {
    let program = Program::start(&["--empty"]);
    let clients = held(&program, "clients").await;
    assert_eq!(clients.as_array().unwrap().len(), 1);
    assert_eq!(clients[0]["name"], "Unknown");
    assert_eq!(held(&program, "tickets").await, json!([]));
    let (_, client) = lay(&program, "clients", json!({"id": 50, "name": "Acme"})).await;
    let site = client[0]["main_site_id"].clone();
    let users = json!([{"name": "Ann", "site_id": site}, {"name": "Bob", "site_id": site}]);
    let (status, added) = lay(&program, "users", users).await;
    assert_eq!((status, added.as_array().unwrap().len()), (201, 2));
    assert_eq!(added[0]["client_name"], "Acme");

    let (status, said) = lay(&program, "clients", json!({"id": 50, "name": "Again"})).await;
    assert_eq!((status, &said["error"]), (400, &json!("the id 50 is taken")));
    let (status, said) = lay(&program, "users", json!({"name": "x", "site_id": "50"})).await;
    assert!(status == 400 && said["[0].site_id"].is_array(), "{said}");
    let (status, _) = lay(&program, "users", json!("x")).await;
    assert_eq!(status, 400);
}
