//! The connections by name. They outlive a reload: token, pace and directory go on where nothing changed.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::client::Halo;
use crate::config::{Config, ConnectionName, HaloConfig, Rate};

/// All connections.
#[derive(Debug, Default)]
pub struct Registry {
    connections: RwLock<BTreeMap<ConnectionName, Connection>>,
}

#[derive(Debug, Clone)]
struct Connection {
    halo: Arc<Halo>,
    /// Another configuration makes another connection; a secret that was replaced in the file is another one too.
    made_from: HaloConfig,
}

impl Registry {
    /// Connections for everything in `config`; those whose configuration is as it was are kept. Where one can not
    /// be made, all stay as they were.
    pub fn update(&self, config: &Config) -> Result<(), String> {
        let known = self.connections.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut fresh = BTreeMap::new();
        for (name, wanted) in &config.halo {
            let connection = match known.get(name) {
                Some(known) if known.made_from == *wanted => known.clone(),
                earlier => Connection::new(name, wanted, earlier)?,
            };
            fresh.insert(name.clone(), connection);
        }
        *self.connections.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The connection of that name.
    pub fn find(&self, name: &ConnectionName) -> Option<Arc<Halo>> {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        connections.get(name).map(|connection| connection.halo.clone())
    }

    /// How many users may be created there in which time; `None`: any number.
    pub fn new_users(&self, name: &ConnectionName) -> Option<Rate> {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        connections
            .get(name)
            .and_then(|connection| connection.made_from.new_users)
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Halo>> {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        connections.values().map(|connection| connection.halo.clone()).collect()
    }
}

impl Connection {
    /// What the earlier connection sent to the same server still counts there.
    fn new(name: &ConnectionName, wanted: &HaloConfig, earlier: Option<&Connection>) -> Result<Connection, String> {
        let halo = Arc::new(Halo::connect(name.clone(), wanted)?);
        if let Some(earlier) = earlier.filter(|earlier| earlier.made_from.url == wanted.url) {
            halo.restore(earlier.halo.snapshot());
        }
        Ok(Connection {
            halo,
            made_from: wanted.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::Generation;

    /// A configuration whose connection has these further lines.
    fn config(lines: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("halo-intake.toml");
        let text = format!(
            "[mailbox.support]\ntype = \"maildir\"\npath = \"/tmp\"\n[report]\nto = [\"ops@desk.example\"]\n\
             [[rule]]\nname = \"r\"\naction = [{{ type = \"stop\" }}]\n\
             [halo.main]\nurl = \"https://halo.example\"\nclient_id = \"intake\"\n{lines}"
        );
        std::fs::write(&path, text).unwrap();
        Generation::load(&path, &[]).unwrap().0.config
    }

    fn main(registry: &Registry) -> Arc<Halo> {
        registry.find(&ConnectionName("main".into())).unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_kept_while_its_configuration_is_as_it_was() {
        let registry = Registry::default();
        registry.update(&config("client_secret = 'one'")).unwrap();
        let first = main(&registry);
        registry.update(&config("client_secret = 'one'")).unwrap();
        assert!(Arc::ptr_eq(&first, &main(&registry)));
    }

    #[tokio::test]
    async fn a_secret_that_was_replaced_makes_another_connection_with_the_same_pace() {
        let registry = Registry::default();
        registry.update(&config("client_secret = 'one'")).unwrap();
        let first = main(&registry);
        let now = jiff::Timestamp::now().as_millisecond();
        first.restore(serde_json::json!({ "pace": { "sent": [now - 10, now - 5] } }));
        registry.update(&config("client_secret = 'two'")).unwrap();
        let second = main(&registry);
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(second.snapshot()["pace"]["sent"].as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn where_one_can_not_be_made_all_stay_as_they_were() {
        let registry = Registry::default();
        registry.update(&config("client_secret = 'one'")).unwrap();
        let first = main(&registry);
        let broken = config("client_secret = 'one'\nca_file = '/no/such/ca.pem'");
        assert!(registry.update(&broken).unwrap_err().contains("/no/such/ca.pem"));
        assert!(Arc::ptr_eq(&first, &main(&registry)));
    }
}
