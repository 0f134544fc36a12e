//! Records that are laid as they are, without Halo's checks: all that one POST brings, or none of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    record::{self, Record},
    reply::Reply,
    resource::Resource,
    state::{LARGEST_ID, Store, Table},
};

/// `POST /sandbox/{kind}`: an object or an array of them. Ids that are given are kept, and must be free.
pub(super) fn add(store: &mut Store, resource: &Resource, body: &[u8]) -> Reply {
    let elements = match serde_json::from_slice(body) {
        Ok(Value::Array(elements)) => elements,
        Ok(object @ Value::Object(_)) => vec![object],
        _ => return refused("a record, or an array of records, is expected"),
    };
    let mut records = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        match record::bind(resource.fields, element, place) {
            Ok(record) => records.push(record),
            Err(faults) => return Reply::binding(faults),
        }
    }
    // What gets its id from us, a first site or a placeholder, must not take one that a later record bears.
    store.promised = match given(store, resource, &records) {
        Ok(ids) => ids,
        Err(reason) => return refused(&reason),
    };
    let mut added = Vec::new();
    for record in records {
        let id = (resource.add)(store, record);
        added.push(resource.shown(store, id));
    }
    store.promised.clear();
    Reply::json(201, added.into())
}

/// The ids that the records bear themselves; each is free, and no two are the same.
fn given(store: &Store, resource: &Resource, records: &[Record]) -> Result<BTreeSet<i64>, String> {
    let (mut ids, mut sites) = (BTreeSet::new(), BTreeSet::new());
    for record in records {
        claim(record, "id", (resource.rows)(store), &mut ids)?;
        if resource.key == "clients" {
            claim(record, "main_site_id", &store.sites, &mut sites)?;
        }
    }
    ids.extend(sites);
    Ok(ids)
}

fn claim(record: &Record, field: &str, table: &Table, claimed: &mut BTreeSet<i64>) -> Result<(), String> {
    let Some(id) = record.get(field).and_then(Value::as_i64) else {
        return Ok(());
    };
    if !(1..=LARGEST_ID).contains(&id) {
        return Err(format!("the {field} {id} is not one of 1 to {LARGEST_ID}"));
    }
    if table.contains_key(&id) || !claimed.insert(id) {
        return Err(format!("the {field} {id} is taken"));
    }
    Ok(())
}

/// What is wrong with something that is asked of the sandbox itself.
pub(super) fn refused(reason: &str) -> Reply {
    Reply::json(400, json!({ "error": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{clients, record::number, sample, tickets};

    fn laid(store: &mut Store, resource: &Resource, records: &Value) -> (u16, String) {
        let reply = add(store, resource, records.to_string().as_bytes());
        (reply.http_status, reply.text())
    }

    #[test]
    fn an_id_that_is_taken_or_none_refuses_all_of_them() {
        let sample = sample::full();
        for (resource, records, part) in [
            (
                &clients::RESOURCE,
                json!([{"id": 50}, {"id": 50}]),
                "the id 50 is taken",
            ),
            (
                &clients::RESOURCE,
                json!([{"id": 50}, {"id": 12}]),
                "the id 12 is taken",
            ),
            (
                &clients::RESOURCE,
                json!({"main_site_id": 21}),
                "the main_site_id 21 is taken",
            ),
            (
                &clients::RESOURCE,
                json!([{"main_site_id": 50}, {"main_site_id": 50}]),
                "the main_site_id 50 is taken",
            ),
            (&clients::RESOURCE, json!({"id": -5}), "the id -5 is not one of 1 to"),
            (&tickets::RESOURCE, json!({"id": 0}), "the id 0 is not one of 1 to"),
            (
                &tickets::RESOURCE,
                json!({"id": i32::MAX}),
                "the id 2147483647 is not one of 1 to 2147483646",
            ),
        ] {
            let mut store = sample.clone();
            let (status, said) = laid(&mut store, resource, &records);
            assert!(status == 400 && said.contains(part), "{records}: {said}");
            assert_eq!(json!(store), json!(sample), "{records}");
        }
    }

    #[test]
    fn what_gets_its_id_here_leaves_alone_what_brings_one() {
        let mut store = sample::full();
        let clients = json!([{"name": "A"}, {"id": 1020, "main_site_id": 1024}, {"id": 1022, "main_site_id": 1026}]);
        for free in (1010..1030).filter(|id| *id != 1022) {
            let mut clients = clients.clone();
            clients[1]["id"] = free.into();
            let mut store = store.clone();
            let (status, said) = laid(&mut store, &clients::RESOURCE, &clients);
            assert_eq!(status, 201, "{said}");
            assert_eq!(store.clients.len(), 9, "{free}");
            for client in store.clients.values() {
                let site = &store.sites[&number(client, "main_site_id")];
                assert_eq!(site["client_id"], client["id"], "{free}");
            }
        }
        let tickets = json!([{"summary": "a"}, {"id": 3001}, {"id": 3002}, {"summary": "b"}]);
        let (_, said) = laid(&mut store, &tickets::RESOURCE, &tickets);
        let ids: Vec<i64> = serde_json::from_str::<Vec<Record>>(&said)
            .unwrap()
            .iter()
            .map(|ticket| number(ticket, "id"))
            .collect();
        assert_eq!(ids, [3003, 3001, 3002, 3004]);
    }
}
