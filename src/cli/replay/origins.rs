//! What the messages of a replay make. The same thing has another number in each of the two worlds: it is known by who
//! made it. Pure.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    config::ConnectionName,
    effect::{Ask, Effect},
    journal::EntryId,
    run::trace::Trace,
};

/// What a record is, by the name of the fields that name it.
const RECORDS: [&str; 5] = ["user", "client", "site", "ticket", "action"];

/// What the messages so far have made in one world.
#[derive(Debug, Default)]
pub struct Origins(HashMap<i64, Vec<Origin>>);

/// A record that was made.
#[derive(Debug, PartialEq)]
struct Origin {
    connection: ConnectionName,
    kind: &'static str,
    /// The same in both worlds.
    what: String,
}

impl Origins {
    /// Takes note of what the message made on its way.
    pub fn note(&mut self, entry: EntryId, trace: &Trace) {
        let steps = trace.rules.iter().flat_map(|rule| &rule.steps);
        let mut tickets = 0;
        let mut actions = 0;
        for effect in steps.flat_map(|step| &step.effects) {
            let Ok(Effect::Halo { connection, ask }) = effect.asked.effect() else {
                continue;
            };
            let answer = effect.answer.json();
            let record = &answer["record"];
            let is_new = answer["existed"] == false;
            match ask {
                Ask::EnsureUser { user } if is_new => {
                    self.add(&record["id"], &connection, "user", user.emailaddress.to_string());
                }
                Ask::EnsureClient { client } if is_new => {
                    let what = client.name.trim().to_lowercase();
                    self.add(&record["main_site_id"], &connection, "site", what.clone());
                    self.add(&record["id"], &connection, "client", what);
                }
                // By its marker it is found again where it was made before: it is this message's in any case.
                Ask::CreateTicket { .. } => {
                    tickets += 1;
                    self.add(
                        &record["id"],
                        &connection,
                        "ticket",
                        format!("{tickets} of message {entry}"),
                    );
                }
                Ask::AddAction { .. } => {
                    actions += 1;
                    self.add(
                        &record["id"],
                        &connection,
                        "action",
                        format!("{actions} of message {entry}"),
                    );
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, id: &Value, connection: &ConnectionName, kind: &'static str, what: String) {
        if let Some(id) = id.as_i64() {
            let origin = Origin {
                connection: connection.clone(),
                kind,
                what,
            };
            self.0.entry(id).or_default().push(origin);
        }
    }

    fn of(&self, id: i64) -> &[Origin] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// The present world and the new one.
#[derive(Debug, Clone, Copy)]
pub struct Worlds<'w> {
    pub present: &'w Origins,
    pub new: &'w Origins,
}

impl Worlds<'_> {
    /// Whether two values of a field are the same thing: a record is by who made it, whatever number it has.
    pub fn are_alike(&self, field: &str, present: &Value, new: &Value) -> bool {
        match (present, new) {
            (Value::Number(one), Value::Number(other)) => {
                let last = field.rsplit('.').next().unwrap_or(field);
                let kind = RECORDS.into_iter().find(|kind| *kind == last);
                one == other || kind.is_some() && self.are_one(one.as_i64(), other.as_i64(), kind)
            }
            (Value::String(one), Value::String(other)) => self.say_the_same(one, other),
            _ => present == new,
        }
    }

    /// Whether two texts are the same but for the numbers of what was made.
    pub fn say_the_same(&self, present: &str, new: &str) -> bool {
        let (mut one, mut other) = (runs(present), runs(new));
        let number = |run: &[u8]| std::str::from_utf8(run).ok().and_then(|run| run.parse().ok());
        loop {
            match (one.next(), other.next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one == other || self.are_one(number(one), number(other), None) => {}
                _ => return false,
            }
        }
    }

    fn are_one(&self, present: Option<i64>, new: Option<i64>, kind: Option<&str>) -> bool {
        let (Some(present), Some(new)) = (present, new) else {
            return false;
        };
        let is_meant = |origin: &&Origin| kind.is_none_or(|kind| origin.kind == kind);
        let there = self.new.of(new);
        let mut here = self.present.of(present).iter().filter(is_meant);
        here.any(|origin| there.contains(origin))
    }
}

/// Its digits, and what stands between them.
fn runs(text: &str) -> impl Iterator<Item = &[u8]> {
    text.as_bytes()
        .chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::effect::{EffectTrace, simulated::INVENTED};

    /// What is known once these messages have made their tickets, of these numbers.
    fn tickets(made: &[(i64, i64)]) -> Origins {
        let mut origins = Origins::default();
        for (entry, id) in made {
            let what = format!("1 of message {entry}");
            origins.add(&json!(id), &ConnectionName("main".to_owned()), "ticket", what);
        }
        origins
    }

    #[test]
    fn what_the_same_message_made_is_the_same_whatever_its_number() {
        let (new, other) = (INVENTED + 1, INVENTED + 2);
        let (present, there) = (tickets(&[(1, 3001), (2, 3002)]), tickets(&[(2, new), (1, other)]));
        let worlds = Worlds {
            present: &present,
            new: &there,
        };
        let alike = |field: &str, one: i64, other: i64| worlds.are_alike(field, &json!(one), &json!(other));
        assert!(alike("ticket", 3001, other) && alike("mail.ticket", 3002, new));
        assert!(!alike("ticket", 3001, new) && !alike("ticket", 3001, 3002) && !alike("ticket", 17, new));
        // The client of that number is another thing.
        assert!(!alike("client", 3001, other) && alike("client", 3001, 3001));
        assert!(worlds.say_the_same("[#3001] your ticket", &format!("[#{other}] your ticket")));
        assert!(!worlds.say_the_same("[#3001] your ticket", &format!("[#{new}] your ticket")));
        assert!(!worlds.say_the_same("[#3001]", &format!("[#{other}] x")));
        assert!(worlds.say_the_same("room 3001", "room 3001"));
    }

    #[test]
    fn a_user_is_known_by_the_address_wherever_it_was_made() {
        let made = |entry: i64, id: i64, existed: bool| {
            let asked = json!({ "connection": "main", "ask": { "ensure_user": { "user": {
                "name": "Ann", "first_name": "", "surname": "Ann", "emailaddress": "ann@stranger.example", "client_id": 12,
                "site_id": 3, "send_welcome_email": false } } } });
            let effect = EffectTrace {
                connection: None,
                effect: String::new(),
                asked: asked.into(),
                calls: Vec::new(),
                from: None,
                answer: json!({ "record": { "id": id }, "existed": existed }).into(),
                refused: None,
                unanswered: false,
                found: None,
            };
            let mut trace: Trace = serde_json::from_value(json!({ "rules": [{ "rule": "r", "mailbox_matches": true,
                "condition": null, "resumed": false, "end": "", "steps": [{ "path": "1", "name": "s", "kind": "s",
                "when": null, "ran": true, "fields": [], "effects": [], "result": null, "error": null,
                "on_error": null, "took_ms": 0 }] }] }))
            .unwrap();
            trace.rules[0].steps[0].effects.push(effect);
            let mut origins = Origins::default();
            origins.note(EntryId(entry), &trace);
            origins
        };
        let alike = |one: &Origins, other: &Origins| {
            let worlds = Worlds {
                present: one,
                new: other,
            };
            worlds.are_alike("user", &json!(55), &json!(INVENTED + 1))
        };
        let now = made(2, INVENTED + 1, false);
        assert!(alike(&made(1, 55, false), &now));
        // Who was there before is somebody else than who would be made.
        assert!(!alike(&made(1, 55, true), &now));
    }
}
