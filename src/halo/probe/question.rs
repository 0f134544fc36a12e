//! The questions of a probe, as a table: each is answered from what was heard, and asks nothing itself.

use serde_json::Value;

use super::{
    ask::{Ask, LARGE_PAGE},
    scene::{Reply, Scene, made_in},
};
use crate::halo::{
    findings::{
        AGENTS_ARE_READABLE, Answer, CREATE_STATUS, DUPLICATE_USERS, Finding, PAGE_CAP, RETURNALL,
        ROWS_SHOW_FURTHER_ADDRESSES, SEARCH_FINDS_FURTHER_ADDRESSES, THIRD_PARTY_ID_FILTER,
    },
    wire::{self, Listing},
};

mod reading;

use reading::{emaildomain_separator, invalid_client_status, rows_show_message_id, third_party_id_filter};

/// An answer and its evidence.
type Told = (Answer, String);

/// One row of the table.
struct Question {
    name: &'static str,
    asks: &'static str,
    answer: fn(&Scene) -> Told,
}

const TABLE: &[Question] = &[
    Question {
        name: DUPLICATE_USERS,
        asks: "What becomes of a second user with an address that is taken?",
        answer: duplicate_users,
    },
    Question {
        name: CREATE_STATUS,
        asks: "With which status does Halo answer when it has created a record?",
        answer: create_status,
    },
    Question {
        name: RETURNALL,
        asks: "Does returnall=true show every record of a POST of several?",
        answer: returnall,
    },
    Question {
        name: SEARCH_FINDS_FURTHER_ADDRESSES,
        asks: "Does a search for users look at email2 and email3?",
        answer: search_finds_further_addresses,
    },
    Question {
        name: ROWS_SHOW_FURTHER_ADDRESSES,
        asks: "Do the rows of a list of users show email2 and email3?",
        answer: rows_show_further_addresses,
    },
    Question {
        name: PAGE_CAP,
        asks: "How many rows does a page have at most?",
        answer: page_cap,
    },
    Question {
        name: "record_count_is_total",
        asks: "Does record_count of a page count all rows of the listing?",
        answer: record_count_is_total,
    },
    Question {
        name: "pages_advance",
        asks: "Does the second page show other rows than the first?",
        answer: pages_advance,
    },
    Question {
        name: "bare_object_is_refused",
        asks: "Is a POST refused whose body is no array?",
        answer: |scene| refused(scene, Ask::Bare, "POST /Users of an object that is in no array"),
    },
    Question {
        name: "text_id_is_refused",
        asks: "Is an id refused that is written as a text?",
        answer: |scene| refused(scene, Ask::TextId, "POST /Users with client_id as a text"),
    },
    Question {
        name: "float_id_is_refused",
        asks: "Is an id refused that is written with a fraction?",
        answer: |scene| refused(scene, Ask::FloatId, "POST /Users with client_id as a float"),
    },
    Question {
        name: "client_domain_filter",
        asks: "What does GET /Client?domain= filter by?",
        answer: client_domain_filter,
    },
    Question {
        name: AGENTS_ARE_READABLE,
        asks: "May the API application list the agents?",
        answer: agents_are_readable,
    },
    Question {
        name: "agents_shape",
        asks: "How is the list of agents wrapped?",
        answer: agents_shape,
    },
    Question {
        name: "no_record_status",
        asks: "Which status has a record that is not there?",
        answer: |scene| status(scene, Ask::NoUser, "GET /Users of an id that nobody has"),
    },
    Question {
        name: "no_id_status",
        asks: "Which status has an id that is no number?",
        answer: |scene| status(scene, Ask::NoId, "GET /Users/none"),
    },
    Question {
        name: "actions_without_ticket",
        asks: "Which status has GET /Actions that names no ticket?",
        answer: |scene| status(scene, Ask::AnyAction, "GET /Actions without ticket_id"),
    },
    Question {
        name: "rows_show_message_id",
        asks: "Do the rows of a list of tickets show email_message_id?",
        answer: rows_show_message_id,
    },
    Question {
        name: THIRD_PARTY_ID_FILTER,
        asks: "Can tickets be listed by third_party_id_string?",
        answer: third_party_id_filter,
    },
    Question {
        name: "emaildomain_separator",
        asks: "What stands between the mail domains of a site?",
        answer: emaildomain_separator,
    },
    Question {
        name: "invalid_client_status",
        asks: "Which status has a sign-in of an application that is not known?",
        answer: invalid_client_status,
    },
    Question {
        name: "new_token_ends_former",
        asks: "Does a new token make the former one useless?",
        answer: new_token_ends_former,
    },
];

/// A finding for each question.
pub(super) fn findings(scene: &Scene) -> Vec<Finding> {
    let finding = |question: &Question| {
        let (answer, evidence) = (question.answer)(scene);
        Finding {
            name: question.name.to_owned(),
            question: question.asks.to_owned(),
            answer,
            evidence,
        }
    };
    TABLE.iter().map(finding).collect()
}

fn open(evidence: impl Into<String>) -> Told {
    (Answer::Open, evidence.into())
}

fn word(word: &str, evidence: String) -> Told {
    (Answer::Word(word.to_owned()), evidence)
}

/// The reply, or that the request was not sent since something before it did not work.
fn heard(scene: &Scene, ask: Ask) -> Result<&Reply, Told> {
    let unsent = || open("it was not asked: what it needs did not come about");
    scene.reply(ask).ok_or_else(unsent)
}

/// The rows of a listing that was answered as one.
fn listed(scene: &Scene, ask: Ask, (what, key): (&str, &str)) -> Result<Listing, Told> {
    let reply = heard(scene, ask)?;
    let listing = wire::listing(reply.body.clone(), key)
        .ok()
        .filter(|_| reply.is_success());
    listing.ok_or_else(|| open(format!("{what} {}", reply.ending())))
}

/// The answer, whichever way it came about.
fn either(told: Result<Told, Told>) -> Told {
    told.unwrap_or_else(|open| open)
}

fn duplicate_users(scene: &Scene) -> Told {
    either(heard(scene, Ask::Taken).map(|reply| {
        let evidence = format!("POST /Users with an address that is taken {}", reply.ending());
        if reply.is_refusal() {
            return word("reject", evidence);
        }
        let record = made_in(reply).into_iter().next();
        let Some((record, (id, _))) = record.and_then(|record| Some((record, wire::probe::id_and_name(record)?)))
        else {
            return open(evidence);
        };
        if scene.user.is_some_and(|first| first.0 == id) {
            return word("existing", format!("{evidence} and shows the user who was there, {id}"));
        }
        match wire::probe::warning(record) {
            Some(said) => word("warn", format!("{evidence}, a user {id} and the warning {said:?}")),
            None => word("allow", format!("{evidence} and a second user, {id}")),
        }
    }))
}

fn create_status(scene: &Scene) -> Told {
    let asks = [
        (Ask::Client, "Client"),
        (Ask::Pair, "Users"),
        (Ask::Alone, "Users"),
        (Ask::Taken, "Users"),
    ];
    let worked = asks
        .iter()
        .find_map(|(ask, path)| Some((scene.reply(*ask).filter(|reply| !made_in(reply).is_empty())?, path)));
    match worked {
        Some((reply, path)) => {
            let evidence = format!("POST /{path} {}", reply.ending());
            (Answer::Count(reply.http_status.into()), evidence)
        }
        None => open("no POST created anything"),
    }
}

fn returnall(scene: &Scene) -> Told {
    either(heard(scene, Ask::Pair).map(|reply| {
        let evidence = format!("POST /Users?returnall=true of two {}", reply.ending());
        let shown = made_in(reply).into_iter().filter(|record| scene.mark.is_on(record));
        let shown = shown.filter_map(wire::probe::id_and_name).count();
        let alone_works = || scene.reply(Ask::Alone).is_some_and(Reply::is_success);
        match shown {
            2 => (Answer::Truth(true), format!("{evidence} and both")),
            1 => (Answer::Truth(false), format!("{evidence} and one of them")),
            0 if reply.is_refusal() && alone_works() => {
                (Answer::Truth(false), format!("{evidence}; one alone is taken"))
            }
            _ => open(evidence),
        }
    }))
}

fn search_finds_further_addresses(scene: &Scene) -> Told {
    let found = |ask, what| -> Result<bool, Told> {
        let rows = listed(scene, ask, ("GET /Users?search= of a further address", "users"))?.rows;
        let (ours, others): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(|row| is_first(scene, row));
        match (ours.is_empty(), others.is_empty()) {
            (true, _) => Ok(false),
            (false, true) => Ok(true),
            (false, false) => Err(open(format!(
                "the search for {what} gives other users as well, so it proves nothing"
            ))),
        }
    };
    let told = found(Ask::Second, "email2").and_then(|second| Ok((second, found(Ask::Third, "email3")?)));
    either(told.map(|(second, third)| {
        let evidence = match (second, third) {
            (true, true) => "a search finds a user by email2 and by email3",
            (true, false) => "a search finds a user by email2, not by email3",
            (false, true) => "a search finds a user by email3, not by email2",
            (false, false) => "a search finds a user neither by email2 nor by email3",
        };
        (Answer::Truth(second || third), evidence.to_owned())
    }))
}

fn rows_show_further_addresses(scene: &Scene) -> Told {
    either(
        listed(scene, Ask::First, ("GET /Users?search= of an address", "users")).map(|listing| {
            let row = listing
                .rows
                .iter()
                .find(|row| is_first(scene, row))
                .and_then(Value::as_object);
            let Some(row) = row else {
                return open("a search for the main address of a new user does not find it");
            };
            let further = scene.mark.further_addresses();
            if wire::probe::shows_further(row, [further[0].as_str(), further[1].as_str()]) {
                (Answer::Truth(true), "the row of a user shows both".to_owned())
            } else {
                (
                    Answer::Truth(false),
                    "the row of a user who has both does not show both".to_owned(),
                )
            }
        }),
    )
}

fn is_first(scene: &Scene, row: &Value) -> bool {
    scene.user.is_some() && wire::user(row).map(|user| user.id) == scene.user
}

fn page_cap(scene: &Scene) -> Told {
    let what = format!("a page of {LARGE_PAGE}");
    either(listed(scene, Ask::LargePage, (&what, "users")).map(|listing| {
        let rows = u64::try_from(listing.rows.len()).unwrap_or(u64::MAX);
        let said = listing.page_size.and_then(|size| u64::try_from(size).ok());
        let counted = listing.record_count.unwrap_or(0);
        match said {
            _ if rows >= LARGE_PAGE => (Answer::Count(LARGE_PAGE), format!("{what} has {rows} rows")),
            _ if rows > 0 && counted > rows => (
                Answer::Count(rows),
                format!("{what} has {rows} rows, of {counted} that there are"),
            ),
            Some(size) if size < LARGE_PAGE && size >= rows => {
                (Answer::Count(size), format!("{what} says that its size is {size}"))
            }
            _ => open(format!(
                "{what} has all {rows} users there are and says nothing of a cap"
            )),
        }
    }))
}

fn record_count_is_total(scene: &Scene) -> Told {
    either(listed(scene, Ask::FirstRow, ("a page of one", "users")).map(|listing| {
        let rows = listing.rows.len();
        match listing.record_count {
            // The tenant has the users of the probe at least.
            Some(count) if rows == 1 && count > 1 => (
                Answer::Truth(true),
                format!("a page of one says that there are {count}"),
            ),
            Some(count) if rows == 1 && scene.user.is_some() => (
                Answer::Truth(false),
                format!("a page of one says that there are {count}, and there are more"),
            ),
            Some(count) => open(format!("a page of one has {rows} rows and says {count}")),
            None => open("a page of one says nothing of how many there are"),
        }
    }))
}

fn pages_advance(scene: &Scene) -> Told {
    let ids = |ask, what| -> Result<Vec<i64>, Told> {
        let rows = listed(scene, ask, (what, "users"))?.rows;
        Ok(rows.iter().filter_map(wire::user).map(|user| user.id.0).collect())
    };
    let told = ids(Ask::FirstRow, "page 1").and_then(|first| Ok((first, ids(Ask::NextRow, "page 2")?)));
    either(told.map(|(first, next)| match (first.as_slice(), next.as_slice()) {
        ([first], [next]) if first != next => (
            Answer::Truth(true),
            format!("of pages of one row the first has user {first}, the second user {next}"),
        ),
        ([first], [_]) => (Answer::Truth(false), format!("both pages have user {first}")),
        _ => open("a page of one row has another number of rows"),
    }))
}

/// Whether a change in a form that may be refused is refused.
fn refused(scene: &Scene, ask: Ask, what: &str) -> Told {
    either(heard(scene, ask).map(|reply| {
        let evidence = format!("{what} {}", reply.ending());
        match (reply.is_refusal(), reply.is_success()) {
            (true, _) => (Answer::Truth(true), evidence),
            (_, true) => (Answer::Truth(false), evidence),
            _ => open(evidence),
        }
    }))
}

fn client_domain_filter(scene: &Scene) -> Told {
    if !scene.is_own {
        return open("it is asked only with a client of the probe's own");
    }
    let found = |ask, what| -> Result<(bool, usize), Told> {
        let rows = listed(scene, ask, (what, "clients"))?.rows;
        let clients: Vec<_> = rows.iter().filter_map(wire::client).collect();
        let has_ours = clients.iter().any(|client| Some(client.id) == scene.client);
        Ok((has_ours, clients.len() - usize::from(has_ours)))
    };
    let told = found(Ask::Domain, "GET /Client?domain=").and_then(|whole| {
        let part = found(Ask::PartOfDomain, "GET /Client?domain= of a part")?;
        Ok((whole, part))
    });
    either(told.map(|((has_ours, others), (part_has_ours, _))| {
        if others > 0 {
            let evidence = format!("the domain of one client gives {others} others");
            return word("ignored", evidence);
        }
        match (has_ours, part_has_ours) {
            (true, true) => word("part", "a client is found by its domain and by a part of it".to_owned()),
            (true, false) => word(
                "exact",
                "a client is found by its domain and not by a part of it".to_owned(),
            ),
            (false, _) => word("other", "a client is not found by its domain or website".to_owned()),
        }
    }))
}

fn agents_are_readable(scene: &Scene) -> Told {
    either(heard(scene, Ask::Agents).map(|reply| {
        let evidence = format!("GET /Agent {}", reply.ending());
        match reply.http_status {
            401 | 403 => (Answer::Truth(false), evidence),
            _ if reply.is_success() && wire::listing(reply.body.clone(), "results").is_ok() => {
                (Answer::Truth(true), evidence)
            }
            _ => open(evidence),
        }
    }))
}

fn agents_shape(scene: &Scene) -> Told {
    either(heard(scene, Ask::Agents).map(|reply| {
        let shape = wire::probe::shape(&reply.body).filter(|_| reply.is_success());
        match shape.as_deref() {
            Some("array") => word("array", "GET /Agent gives an array".to_owned()),
            Some(key) => word(key, format!("GET /Agent gives an object with its rows in {key:?}")),
            None => open(format!("GET /Agent {}", reply.ending())),
        }
    }))
}

/// A status that says something about what was asked for.
fn status(scene: &Scene, ask: Ask, what: &str) -> Told {
    either(heard(scene, ask).map(|reply| {
        let evidence = format!("{what} {}", reply.ending());
        match reply.http_status {
            200..=299 | 400 | 404 | 405 | 410 | 422 => (Answer::Count(reply.http_status.into()), evidence),
            _ => open(evidence),
        }
    }))
}

fn new_token_ends_former(scene: &Scene) -> Told {
    either(heard(scene, Ask::OldToken).map(|old| {
        let evidence = format!(
            "after another sign-in, GET /Users with the former token {}",
            old.ending()
        );
        let new_works = scene.reply(Ask::NewToken).is_some_and(Reply::is_success);
        match old.http_status {
            200..=299 => (Answer::Truth(false), evidence),
            401 if new_works => (Answer::Truth(true), evidence),
            _ => open(evidence),
        }
    }))
}

#[cfg(test)]
mod tests;
