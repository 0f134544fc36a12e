//! A token of the page that lets nobody in is told before somebody tries it.

use crate::{
    asking::{get_with, served_at},
    running::{Daemon, Signal, USERS},
    world::World,
};

#[test]
fn a_token_that_lets_nobody_in_is_told_by_the_check_at_the_start_and_at_a_reload() {
    let mut world = World::new(USERS);
    let token = world.folder.join("http-token");
    world.settings = format!("[http]\nlisten = \"127.0.0.1:0\"\ntoken = {{ file = {token:?} }}\n");
    world.configure();
    let check = |expected: &str, status: i32| {
        let checked = world.run(&["check", "--online"]);
        assert!(checked.stdout.contains(expected), "{checked:?}");
        assert_eq!(checked.status, status, "{checked:?}");
    };
    let missing = format!(
        "the token of [http] can not be used: the secret file {} can not be read",
        token.display()
    );
    let short = "the token of [http] can not be used: it is shorter than 16 characters";
    check(&format!("FAULT http: {missing}"), 78);
    let daemon = Daemon::start(&world, &[]);
    daemon.says(&missing);
    let address = served_at(&daemon);

    std::fs::write(&token, "tok\n").unwrap();
    check(&format!("FAULT http: {short}"), 78);
    daemon.signal(Signal::HUP);
    daemon.says(short);

    std::fs::write(&token, "a token that is long enough\n").unwrap();
    check("ok    http: its token can be used", 0);
    let bearer = "Authorization: Bearer a token that is long enough\r\n";
    assert_eq!(get_with(address, "/", bearer).status, 200);
}
