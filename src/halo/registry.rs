//! The connections by name. They outlive a reload: token, pace and directory go on where nothing changed.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use super::client::Halo;
use crate::config::{Config, ConnectionName, HaloConfig};

/// All connections.
#[derive(Debug, Default)]
pub struct Registry {
    connections: RwLock<BTreeMap<ConnectionName, Connection>>,
}

#[derive(Debug)]
struct Connection {
    halo: Arc<Halo>,
    /// What it was made from; another configuration makes another connection.
    made_from: String,
}

impl Registry {
    /// Connections for everything in `config`; those whose configuration is as it was are kept.
    pub fn update(&self, config: &Config) -> Result<(), String> {
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut fresh = BTreeMap::new();
        for (name, halo_config) in &config.halo {
            let made_from = describe(halo_config);
            let connection = match connections.remove(name).filter(|known| known.made_from == made_from) {
                Some(known) => known,
                None => Connection {
                    halo: Arc::new(Halo::connect(name.clone(), halo_config)?),
                    made_from,
                },
            };
            fresh.insert(name.clone(), connection);
        }
        *connections = fresh;
        Ok(())
    }

    /// The connection of that name.
    pub fn find(&self, name: &ConnectionName) -> Option<Arc<Halo>> {
        let connections = self
            .connections
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        connections.get(name).map(|connection| connection.halo.clone())
    }
}

/// Everything of a configuration that a connection is made from. A secret shows its source alone.
fn describe(config: &HaloConfig) -> String {
    format!("{config:?}")
}
