//! The connections by name. They outlive a reload: token, directory and what waits go on where Halo is reached as
//! before, users are known on where the url is the same, and what was sent counts in any case.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tracing::warn;

use super::{
    client::{Halo, Times},
    findings,
    lookups::Lookups,
    meter::Meter,
    pace::{Ledger, Pace},
};
use crate::{
    config::{Config, ConnectionName, HaloConfig, Rate},
    journal::Journal,
    metrics::Meters,
};

/// All connections.
#[derive(Default)]
pub struct Registry {
    connections: RwLock<BTreeMap<ConnectionName, Connection>>,
    /// What a connection has sent counts, whatever is configured anew.
    paces: Mutex<BTreeMap<ConnectionName, Arc<Pace>>>,
    /// Where slots are kept before they are used.
    journal: Option<Arc<dyn Journal>>,
    /// What is counted as it happens, here and elsewhere.
    pub meters: Arc<Meters>,
}

#[derive(Debug, Clone)]
struct Connection {
    halo: Arc<Halo>,
    /// As it is configured now.
    config: HaloConfig,
}

impl Registry {
    /// Connections whose requests this journal counts; a default registry is for commands that have none.
    pub fn counted_by(journal: Arc<dyn Journal>) -> Registry {
        Registry {
            journal: Some(journal),
            ..Registry::default()
        }
    }

    /// Connections for everything in `config`; those that are reached as before are kept. Where one can not be made,
    /// all stay as they were.
    pub fn update(&self, config: &Config) -> Result<(), String> {
        let known = self.connections.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut fresh = BTreeMap::new();
        for (name, wanted) in &config.halo {
            let halo = match known.get(name) {
                Some(known) if is_reached_alike(&known.config, wanted) => known.halo.clone(),
                earlier => self.halo(name, wanted, earlier)?,
            };
            let connection = Connection {
                halo,
                config: wanted.clone(),
            };
            // Also for one that is kept: a reload takes in what was probed meanwhile.
            match findings::file::load(&config.state_dir, name, &wanted.url) {
                Ok(Some(findings)) => connection.halo.learn(Arc::new(findings)),
                Ok(None) => {}
                Err(error) => {
                    warn!(connection = %name, "connection {name}: the findings of the probe are not used: {error}")
                }
            }
            fresh.insert(name.clone(), connection);
        }
        fresh
            .values()
            .for_each(|connection| connection.halo.adjust(connection.config.rate));
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
        connections.get(name).and_then(|connection| connection.config.new_users)
    }

    /// What the earlier connection knows of the same server still holds there.
    fn halo(
        &self,
        name: &ConnectionName,
        wanted: &HaloConfig,
        earlier: Option<&Connection>,
    ) -> Result<Arc<Halo>, String> {
        let earlier = earlier.filter(|earlier| earlier.config.url == wanted.url);
        let times = Times::default();
        let pace = self.pace(name, wanted, &times);
        // A user whose creation began by the earlier connection must be known to whoever looks by this one.
        let lookups = earlier.map_or_else(|| Arc::new(Lookups::new()), |earlier| earlier.halo.lookups());
        let halo = Arc::new(Halo::sharing(name.clone(), wanted, times, (pace, lookups))?);
        if let Some(earlier) = earlier {
            halo.restore(earlier.halo.snapshot());
            if let Some(findings) = earlier.halo.findings() {
                halo.learn(findings);
            }
        }
        Ok(halo)
    }

    /// The pace of that connection.
    fn pace(&self, name: &ConnectionName, wanted: &HaloConfig, times: &Times) -> Arc<Pace> {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.entry(name.clone()).or_insert_with(|| {
            let ledger = self.journal.clone().map(|journal| Ledger::new(journal, name));
            let meter = Meter::new(name.clone(), self.meters.clone());
            Arc::new(Pace::new(wanted.rate, (times.hold, times.patience), ledger, meter))
        });
        pace.clone()
    }

    /// Credentials that were refused may have been mended: they are sent again at the next request.
    pub fn try_again(&self) {
        self.all().iter().for_each(|halo| halo.try_again());
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Halo>> {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        connections.values().map(|connection| connection.halo.clone()).collect()
    }
}

/// Whether Halo is reached in the same way. What else is configured is asked for when it is needed. A secret that was
/// replaced in the file is another way.
fn is_reached_alike(known: &HaloConfig, wanted: &HaloConfig) -> bool {
    let as_wanted = HaloConfig {
        rate: wanted.rate,
        new_users: wanted.new_users,
        subject_tags: wanted.subject_tags.clone(),
        freemail_domains: wanted.freemail_domains.clone(),
        domains: wanted.domains.clone(),
        max_file_size: wanted.max_file_size,
        ..known.clone()
    };
    as_wanted == *wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        class::Class,
        clock::Clock,
        generation::Generation,
        halo::client::Calls,
        journal::{Opening, sqlite::Sqlite},
    };

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
    async fn a_connection_is_kept_while_halo_is_reached_as_before() {
        let registry = Registry::default();
        registry.update(&config("client_secret = 'one'")).unwrap();
        let first = main(&registry);
        let others = "rate = '9 per 1m'\nnew_users = '5 per 1h'\nfreemail_domains = ['post.example']\n\
                      subject_tags = ['[#', ']']\ndomains = { 'acme.example' = 'Acme Ltd' }";
        for lines in ["", others] {
            registry
                .update(&config(&format!("client_secret = 'one'\n{lines}")))
                .unwrap();
            assert!(Arc::ptr_eq(&first, &main(&registry)), "{lines}");
        }
        assert_eq!(first.api().http.pace.spacing().as_secs(), 6, "at the new rate");
        assert_eq!(registry.new_users(first.name()).map(|rate| rate.count.get()), Some(5));
    }

    #[tokio::test]
    async fn a_secret_that_was_replaced_makes_another_connection_with_the_same_pace() {
        let registry = Registry::default();
        registry.update(&config("client_secret = 'one'")).unwrap();
        let first = main(&registry);
        registry
            .update(&config("client_secret = 'two'\nrate = '9 per 1m'"))
            .unwrap();
        let second = main(&registry);
        assert!(!Arc::ptr_eq(&first, &second));
        let paces = registry.paces.lock().unwrap();
        assert_eq!(paces.len(), 1);
        let shared = paces.values().next().unwrap();
        assert_eq!(Arc::strong_count(shared), 3, "both connections have it");
    }

    #[tokio::test]
    async fn what_was_probed_is_known_from_the_start_over_reloads_and_of_its_own_url_alone() {
        let folder = tempfile::tempdir().unwrap();
        let in_folder = |lines: &str| Config {
            state_dir: folder.path().to_owned(),
            ..config(lines)
        };
        let keep = |cap| {
            let name = ConnectionName("main".into());
            let draft = findings::file::Draft::begin(folder.path(), &name).unwrap();
            let answer = findings::Answer::Count(cap);
            draft
                .keep(&findings::tests::found(&[(findings::PAGE_CAP, answer)]))
                .unwrap()
        };
        let cap = |registry: &Registry| main(registry).findings().and_then(|findings| findings.page_cap());
        let registry = Registry::default();
        registry.update(&in_folder("client_secret = 'one'")).unwrap();
        assert_eq!(cap(&registry), None, "nobody probed it");
        let path = keep(50);
        registry.update(&in_folder("client_secret = 'one'")).unwrap();
        assert_eq!(cap(&registry), Some(50), "a reload takes it in");
        keep(70);
        registry.update(&in_folder("client_secret = 'two'")).unwrap();
        assert_eq!(cap(&registry), Some(70), "another connection does");
        std::fs::write(&path, "broken").unwrap();
        registry.update(&in_folder("client_secret = 'two'")).unwrap();
        registry.update(&in_folder("client_secret = 'three'")).unwrap();
        assert_eq!(cap(&registry), Some(70), "what was known still holds");
        keep(80);
        let mut elsewhere = in_folder("client_secret = 'three'");
        let name = ConnectionName("main".into());
        elsewhere.halo.get_mut(&name).unwrap().url = "https://other.example".parse().unwrap();
        registry.update(&elsewhere).unwrap();
        assert_eq!(cap(&registry), None, "it was found elsewhere");
    }

    #[tokio::test]
    async fn nothing_is_sent_that_the_journal_can_not_count() {
        let folder = tempfile::tempdir().unwrap();
        drop(Sqlite::open(folder.path(), Clock::system(), Opening::Alone).unwrap());
        let read_only = Sqlite::open(folder.path(), Clock::system(), Opening::Look).unwrap();
        let registry = Registry::counted_by(Arc::new(read_only));
        registry.update(&config("client_secret = 'one'")).unwrap();
        let calls = Calls::default();
        let error = main(&registry).check(&calls).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "nothing is sent to Halo while its requests can not be counted: the journal can not be written: it was \
             opened for reading only"
        );
        assert_eq!((error.class(), error.is_of_connection()), (Class::Transient, false));
        assert!(calls.take().is_empty());
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
