//! What the world said to an effect: records of Halo as they were read, anything else as data.

use std::any::Any;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::halo::{Client, Site, User};

/// What the world said. Records are most of what is asked for, and what is long in them is shared: they are neither
/// written out nor read again on their way to a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, from = "Value")]
pub enum Said {
    Users(Vec<User>),
    Clients(Vec<Client>),
    Sites(Vec<Site>),
    Data(Value),
}

/// What an answer may be read as.
pub trait Readable: DeserializeOwned + Clone + 'static {}

impl<T: DeserializeOwned + Clone + 'static> Readable for T {}

impl Said {
    /// As whoever asked wants it.
    pub fn read<T: Readable>(&self) -> serde_json::Result<T> {
        let records: &dyn Any = match self {
            Said::Users(users) => users,
            Said::Clients(clients) => clients,
            Said::Sites(sites) => sites,
            Said::Data(value) => return T::deserialize(value),
        };
        match records.downcast_ref::<T>() {
            Some(records) => Ok(records.clone()),
            None => serde_json::from_value(self.json()),
        }
    }

    /// Whether it is a list of one.
    pub fn is_one(&self) -> bool {
        let count = match self {
            Said::Users(users) => Some(users.len()),
            Said::Clients(clients) => Some(clients.len()),
            Said::Sites(sites) => Some(sites.len()),
            Said::Data(value) => value.as_array().map(Vec::len),
        };
        count == Some(1)
    }

    /// As data.
    pub fn json(&self) -> Value {
        serde_json::to_value(self).expect("records are plain data")
    }
}

impl Default for Said {
    fn default() -> Said {
        Said::Data(Value::Null)
    }
}

impl From<Value> for Said {
    fn from(value: Value) -> Said {
        Said::Data(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::halo::{ClientId, SiteId};

    fn acme() -> Client {
        Client {
            id: ClientId(12),
            name: "Acme".into(),
            main_site_id: Some(SiteId(21)),
            website: String::new(),
            domain: String::new(),
            inactive: false,
            raw: json!({"id": 12, "name": "Acme"}).into(),
        }
    }

    #[test]
    fn records_are_written_like_data_and_read_as_what_is_wanted() {
        let (said, data) = (Said::Clients(vec![acme()]), Said::Data(json!([acme()])));
        assert_eq!(json!(said).to_string(), json!(data).to_string());
        assert_eq!(said.read::<Vec<Client>>().unwrap(), [acme()]);
        assert_eq!(data.read::<Vec<Client>>().unwrap(), [acme()]);
        assert_eq!(said.read::<Value>().unwrap(), json!([acme()]));
        assert!(said.read::<Vec<Site>>().is_err() && said.read::<bool>().is_err());
        assert_eq!(serde_json::from_value::<Said>(json!(said)).unwrap(), data);
    }

    #[test]
    fn one_is_a_list_of_one() {
        for (said, expected) in [
            (Said::Clients(vec![acme()]), true),
            (Said::Clients(Vec::new()), false),
            (Said::Data(json!([{}])), true),
            (Said::Data(json!([{}, {}])), false),
            (Said::Data(json!({"id": 1})), false),
            (Said::default(), false),
        ] {
            assert_eq!(said.is_one(), expected, "{said:?}");
        }
    }
}
