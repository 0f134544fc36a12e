//! A node that was taken for dead.

use super::*;
use crate::{
    clock::Clock,
    journal::{Opening, postgres::Postgres},
    servers::postgres::Postgres as Server,
};

/// A daemon that has begun nothing yet, and the schema of its journal.
fn begun(folder: &std::path::Path) -> (Duties, String) {
    let path = folder.join("halo-intake.toml");
    let text = format!(
        "state_dir = {folder:?}\n[mailbox.support]\ntype = \"maildir\"\npath = {folder:?}\n[[rule]]\nname = \"r\"\n\
         [[rule.action]]\ntype = \"set\"\nvalue = \"x\"\nstore_as = \"x\"\n"
    );
    std::fs::write(&path, text).unwrap();
    let (generation, _) = Generation::load(&path, &[]).unwrap();
    let address = Server::shared().schema();
    let journal = Arc::new(Postgres::open(&address, Clock::system(), Opening::Node, None).unwrap());
    let world = World::new(journal, Clock::system(), generation, "desk.example".to_owned());
    let world = Arc::new(world.unwrap());
    let duties = Duties::new(world.clone(), Crew::new(world), mpsc::channel(1).0, TaskTracker::new());
    (duties, address.rsplit("%3D").next().unwrap().to_owned())
}

#[tokio::test]
async fn a_node_that_is_taken_for_dead_goes_on_as_another_one_before_its_first_word_too() {
    let folder = tempfile::tempdir().unwrap();
    let (mut duties, schema) = begun(folder.path());
    let outbox = Duty::Outbox;
    let mut numbers = BTreeSet::new();
    for _ in 0..3 {
        let dead = format!("UPDATE {schema}.node SET gone = 1 WHERE gone IS NULL");
        Server::shared().psql(&dead).unwrap();
        duties.turn().await;
        assert!(duties.world.may(&outbox), "it goes on");
        numbers.insert(duties.node);
    }
    assert_eq!(numbers.len(), 3);
    duties.turn().await;
    assert!(
        duties.world.may(&outbox) && numbers.contains(&duties.node),
        "it stays who it is"
    );
    duties.world.stop.cancel();
}
