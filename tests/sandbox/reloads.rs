//! What a reload leaves of a connection: nobody is created twice because its configuration was changed.

use halo_intake::{
    config::{Config, ConnectionName},
    generation::Generation,
    halo::{client::Freshness, registry::Registry},
};

use crate::world::*;

/// The world's configuration with these further lines for its connection.
fn configured(world: &World, lines: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("halo-intake.toml");
    let text = format!(
        "[mailbox.support]\ntype = \"maildir\"\npath = \"/tmp\"\n[report]\nto = [\"ops@desk.example\"]\n\
         [[rule]]\nname = \"r\"\naction = [{{ type = \"stop\" }}]\n\
         [halo.main]\nurl = {:?}\nclient_id = {:?}\nclient_secret = {:?}\n{lines}\n",
        world.sandbox.url().as_str(),
        world.sandbox.client_id(),
        world.sandbox.client_secret(),
    );
    std::fs::write(&path, text).unwrap();
    Generation::load(&path, &[]).unwrap().0.config
}

#[tokio::test]
async fn a_user_whose_creation_began_before_a_reload_is_known_after_it() {
    for lines in ["freemail_domains = ['post.example']", "timeout = '9s'"] {
        let mut world = world().await;
        let registry = Registry::default();
        let main = || registry.find(&ConnectionName("main".into())).unwrap();
        registry.update(&configured(&world, "")).unwrap();
        let before = main();
        registry.update(&configured(&world, lines)).unwrap();
        world.halo = main();
        // Enough of them that all users are read, and each is known to be nobody's.
        let strangers: Vec<String> = (0..12).map(|number| format!("new{number}@stranger.example")).collect();
        let absent = |stranger| world.users(stranger, Freshness::Cached);
        futures_util::future::join_all(strangers.iter().map(|stranger| absent(stranger))).await;

        let created = before.create_user(&new_user(&strangers[11]), &world.calls).await;
        let found = world.users(&strangers[11], Freshness::Cached).await;
        assert_eq!(found, [created.unwrap().user.id.0], "{lines}");
    }
}
