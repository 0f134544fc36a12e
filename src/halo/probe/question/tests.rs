//! Each answer from replies alone: what Halo may say, and what it may not be taken for.

use serde_json::{Value, json};

use super::{super::ask, *};
use crate::halo::{ClientId, SiteId, UserId, probe::scene::Mark};

/// A scene with a client, a site and the first user, in which nothing was heard.
fn scene() -> Scene {
    Scene {
        mark: Mark::new(),
        client: Some(ClientId(33)),
        site: Some(SiteId(44)),
        is_own: true,
        user: Some(UserId(7)),
        heard: Default::default(),
        domains: Vec::new(),
    }
}

fn reply(http_status: u16, body: Value) -> Reply {
    Reply {
        http_status,
        body,
        said: "said so".into(),
    }
}

/// The answer to the question of that name after these replies.
fn answer(name: &str, replies: impl Fn(&Scene) -> Vec<(Ask, Reply)>) -> Answer {
    let mut scene = scene();
    scene.heard = replies(&scene).into_iter().collect();
    let finding = findings(&scene)
        .into_iter()
        .find(|finding| finding.name == name)
        .unwrap();
    assert!(
        !finding.evidence.is_empty() && !finding.evidence.contains('\n'),
        "{finding:?}"
    );
    finding.answer
}

/// The answer after one reply.
fn check(name: &str, ask: Ask, http_status: u16, body: Value, expected: Answer) {
    let found = answer(name, |_| vec![(ask, reply(http_status, body.clone()))]);
    assert_eq!(found, expected, "{name} after {http_status} {body}");
}

fn word(word: &str) -> Answer {
    Answer::Word(word.into())
}

#[test]
fn a_question_whose_request_was_not_sent_stays_open() {
    let findings = findings(&scene());
    assert_eq!(findings.len(), TABLE.len());
    for finding in findings {
        assert_eq!(finding.answer, Answer::Open, "{finding:?}");
    }
}

#[test]
fn the_manual_says_of_each_finding_what_it_changes() {
    let manual = include_str!("../../../../docs/probe.md");
    for question in TABLE {
        assert!(manual.contains(&format!("`{}`", question.name)), "{}", question.name);
    }
}

#[test]
fn a_key_filters_where_it_finds_nothing_among_something() {
    let (none, one) = (json!({"tickets": []}), json!({"tickets": [{"id": 7}]}));
    for (any, of_key, expected) in [
        (&one, &none, Answer::Truth(true)),
        (&one, &one, Answer::Truth(false)),
        (&none, &none, Answer::Open),
        (&one, &json!("x"), Answer::Open),
    ] {
        let replies = |_: &Scene| {
            vec![
                (Ask::AnyTicket, reply(200, any.clone())),
                (Ask::NoTicket, reply(200, of_key.clone())),
            ]
        };
        assert_eq!(answer("third_party_id_filter", replies), expected, "{any} {of_key}");
    }
    for (row, expected) in [
        (json!([{"id": 7, "email_message_id": ""}]), Answer::Truth(true)),
        (json!([{"id": 7}]), Answer::Truth(false)),
        (json!([]), Answer::Open),
    ] {
        check("rows_show_message_id", Ask::AnyTicket, 200, row, expected);
    }
}

#[test]
fn an_application_that_is_not_known_is_refused_by_halo_itself() {
    let error = json!({"error": "invalid_client"});
    check(
        "invalid_client_status",
        Ask::Stranger,
        401,
        error.clone(),
        Answer::Count(401),
    );
    check(
        "invalid_client_status",
        Ask::Stranger,
        400,
        error.clone(),
        Answer::Count(400),
    );
    check("invalid_client_status", Ask::Stranger, 401, Value::Null, Answer::Open);
    check("invalid_client_status", Ask::Stranger, 200, error, Answer::Open);
}

#[test]
fn separators_are_what_stands_between_two_domains() {
    let found = |domains: &[&str]| {
        let mut scene = scene();
        scene.domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        emaildomain_separator(&scene).0
    };
    for (domains, expected) in [
        (&["a.example, b.example,c.example", "", "d.example"][..], word("comma")),
        (&["@a.example;@b.example;"], word("semicolon")),
        (&["a.example b.example", "a.example , b.example"], word("blank, comma")),
        (&["a.example\r\nb.example"], word("line end")),
        (&["a.example|b.example"], word("other")),
        (&["a-b.example,", " ;x.example "], Answer::Open),
        (&[], Answer::Open),
    ] {
        assert_eq!(found(domains), expected, "{domains:?}");
    }
}

#[test]
fn nothing_is_concluded_from_a_failure_or_a_missing_permission() {
    let asks = |reply: &Reply| {
        ask::TABLE
            .iter()
            .map(|(ask, _)| (*ask, reply.clone()))
            .collect::<Vec<_>>()
    };
    for http_status in [0, 403, 408, 429, 500, 502, 503] {
        let mut scene = scene();
        scene.heard = asks(&reply(http_status, Value::Null)).into_iter().collect();
        for finding in findings(&scene) {
            // A 403 says something about one thing: the permission.
            let expected = match (http_status, finding.name.as_str()) {
                (403, AGENTS_ARE_READABLE) => Answer::Truth(false),
                _ => Answer::Open,
            };
            assert_eq!(finding.answer, expected, "{http_status}: {finding:?}");
        }
    }
}

#[test]
fn a_second_user_of_an_address_is_made_refused_warned_of_or_the_first_one() {
    let taken = |http_status, body, expected| check(DUPLICATE_USERS, Ask::Taken, http_status, body, expected);
    taken(201, json!({ "id": 8 }), word("allow"));
    taken(
        200,
        json!([{ "id": 8.0, "_email_collision": 0, "_warning": "" }]),
        word("allow"),
    );
    taken(201, json!({ "id": 8, "_warning": "in use" }), word("warn"));
    taken(201, json!({ "id": 8, "_email_collision": 7 }), word("warn"));
    taken(400, json!("a User with this Email Address exists"), word("reject"));
    taken(409, Value::Null, word("reject"));
    taken(200, json!({ "id": 7 }), word("existing"));
    taken(200, json!({}), Answer::Open);
}

#[test]
fn the_status_of_a_create_counts_only_with_a_record() {
    check(CREATE_STATUS, Ask::Taken, 200, json!({ "id": 8 }), Answer::Count(200));
    check(CREATE_STATUS, Ask::Client, 201, json!({ "id": 8 }), Answer::Count(201));
    check(CREATE_STATUS, Ask::Client, 400, json!({ "id": 8 }), Answer::Open);
    check(CREATE_STATUS, Ask::Client, 200, json!("done"), Answer::Open);
}

#[test]
fn a_post_of_two_shows_both_or_one_or_is_refused() {
    let ours = |scene: &Scene, id: i64| json!({ "id": id, "name": scene.guest_name(1) });
    let shown = |body: fn(Value, Value) -> Value| {
        answer(RETURNALL, |scene| {
            vec![(Ask::Pair, reply(201, body(ours(scene, 7), ours(scene, 8))))]
        })
    };
    assert_eq!(shown(|one, two| json!([one, two])), Answer::Truth(true));
    assert_eq!(shown(|_, two| two), Answer::Truth(false));
    assert_eq!(shown(|_, two| json!([two])), Answer::Truth(false));
    assert_eq!(shown(|_, _| json!([{ "id": 1, "name": "Jane" }])), Answer::Open);
    let refused = |alone| {
        answer(RETURNALL, |_| {
            vec![
                (Ask::Pair, reply(400, Value::Null)),
                (Ask::Alone, reply(alone, Value::Null)),
            ]
        })
    };
    assert_eq!(refused(201), Answer::Truth(false));
    assert_eq!(
        refused(400),
        Answer::Open,
        "what is refused alone, too, is refused for another reason"
    );
}

#[test]
fn a_search_finds_by_a_further_address_only_when_it_finds_nobody_else() {
    let (us, them, nobody) = (json!([{ "id": 7 }]), json!([{ "id": 7 }, { "id": 9 }]), json!([]));
    for (second, third, expected) in [
        (&us, &us, Answer::Truth(true)),
        (&us, &nobody, Answer::Truth(true)),
        (&nobody, &us, Answer::Truth(true)),
        (&nobody, &nobody, Answer::Truth(false)),
        (&json!([{ "id": 9 }]), &nobody, Answer::Truth(false)),
        (&them, &us, Answer::Open),
        (&json!("x"), &us, Answer::Open),
    ] {
        let listed = |rows: &Value| reply(200, json!({ "users": rows }));
        let found = answer(SEARCH_FINDS_FURTHER_ADDRESSES, |_| {
            vec![(Ask::Second, listed(second)), (Ask::Third, listed(third))]
        });
        assert_eq!(found, expected, "{second} {third}");
    }
}

#[test]
fn rows_show_further_addresses_only_with_their_values() {
    let shown = |row: fn(&str, &str) -> Value| {
        answer(ROWS_SHOW_FURTHER_ADDRESSES, |scene| {
            let [second, third] = scene.mark.further_addresses();
            vec![(
                Ask::First,
                reply(200, json!([{ "id": 3 }, row(second.as_str(), third.as_str())])),
            )]
        })
    };
    assert_eq!(
        shown(|second, third| json!({ "id": 7, "email2": second, "email3": third })),
        Answer::Truth(true)
    );
    assert_eq!(shown(|_, _| json!({ "id": 7 })), Answer::Truth(false));
    assert_eq!(
        shown(|_, _| json!({ "id": 7, "email2": "", "email3": null })),
        Answer::Truth(false)
    );
    assert_eq!(shown(|second, _| json!({ "id": 8, "email2": second })), Answer::Open);
}

#[test]
fn the_cap_is_what_was_served_of_more_or_what_the_page_says() {
    let rows = |count: i64| (1..=count).map(|id| json!({ "id": id })).collect::<Value>();
    let large = |body, expected| check(PAGE_CAP, Ask::LargePage, 200, body, expected);
    large(
        json!({ "record_count": 717, "page_size": 500, "users": rows(100) }),
        Answer::Count(100),
    );
    large(json!({ "record_count": 717, "users": rows(100) }), Answer::Count(100));
    large(
        json!({ "record_count": 12, "page_size": 50, "users": rows(12) }),
        Answer::Count(50),
    );
    large(
        json!({ "record_count": 12, "page_size": 500, "users": rows(12) }),
        Answer::Open,
    );
    large(
        json!({ "record_count": 12, "page_size": 5, "users": rows(12) }),
        Answer::Open,
    );
    large(json!({ "record_count": 717, "users": rows(500) }), Answer::Count(500));
    large(rows(12), Answer::Open);
    large(
        json!({ "record_count": 717, "page_size": 0, "users": [] }),
        Answer::Open,
    );
}

#[test]
fn a_count_is_of_all_when_it_is_more_than_the_page_has() {
    let name = "record_count_is_total";
    let first = |body, expected| check(name, Ask::FirstRow, 200, body, expected);
    first(
        json!({ "record_count": 717, "users": [{ "id": 1 }] }),
        Answer::Truth(true),
    );
    first(
        json!({ "record_count": 1, "users": [{ "id": 1 }] }),
        Answer::Truth(false),
    );
    first(
        json!({ "record_count": 50, "users": [{ "id": 1 }, { "id": 2 }] }),
        Answer::Open,
    );
    first(json!([{ "id": 1 }]), Answer::Open);
}

#[test]
fn the_second_page_is_another_or_the_first_again() {
    let pages = |first: Value, next: Value| {
        answer("pages_advance", |_| {
            vec![
                (Ask::FirstRow, reply(200, first.clone())),
                (Ask::NextRow, reply(200, next.clone())),
            ]
        })
    };
    assert_eq!(pages(json!([{ "id": 1 }]), json!([{ "id": 2 }])), Answer::Truth(true));
    assert_eq!(pages(json!([{ "id": 1 }]), json!([{ "id": 1 }])), Answer::Truth(false));
    assert_eq!(pages(json!([{ "id": 1 }, { "id": 2 }]), json!([])), Answer::Open);
}

#[test]
fn a_form_is_refused_or_taken() {
    for (name, ask) in [
        ("bare_object_is_refused", Ask::Bare),
        ("text_id_is_refused", Ask::TextId),
        ("float_id_is_refused", Ask::FloatId),
    ] {
        check(name, ask, 400, json!({ "": ["no"] }), Answer::Truth(true));
        check(name, ask, 200, json!({ "id": 7 }), Answer::Truth(false));
        check(name, ask, 404, Value::Null, Answer::Open);
    }
}

#[test]
fn a_domain_filters_wholly_in_part_not_at_all_or_something_else() {
    let (us, nobody, all) = (json!([{ "id": 33 }]), json!([]), json!([{ "id": 1 }, { "id": 33 }]));
    for (whole, part, expected) in [
        (&us, &nobody, "exact"),
        (&us, &us, "part"),
        (&all, &all, "ignored"),
        (&nobody, &nobody, "other"),
    ] {
        let found = answer("client_domain_filter", |_| {
            vec![
                (Ask::Domain, reply(200, whole.clone())),
                (Ask::PartOfDomain, reply(200, json!({ "clients": part }))),
            ]
        });
        assert_eq!(found, word(expected));
    }
}

#[test]
fn agents_are_listed_in_some_shape_or_hidden() {
    for (http_status, body, readable, shape) in [
        (200, json!([]), Answer::Truth(true), word("array")),
        (
            200,
            json!({ "record_count": 1, "results": [{ "id": 1 }] }),
            Answer::Truth(true),
            word("results"),
        ),
        (200, json!({ "agents": [] }), Answer::Truth(true), word("agents")),
        (200, json!({ "a": [], "b": [] }), Answer::Open, Answer::Open),
        (401, Value::Null, Answer::Truth(false), Answer::Open),
        (403, Value::Null, Answer::Truth(false), Answer::Open),
        (404, Value::Null, Answer::Open, Answer::Open),
    ] {
        check(AGENTS_ARE_READABLE, Ask::Agents, http_status, body.clone(), readable);
        check("agents_shape", Ask::Agents, http_status, body, shape);
    }
}

#[test]
fn a_status_is_told_as_it_is() {
    check("no_record_status", Ask::NoUser, 404, Value::Null, Answer::Count(404));
    check("no_record_status", Ask::NoUser, 200, json!({}), Answer::Count(200));
    check(
        "no_id_status",
        Ask::NoId,
        400,
        json!({ "id": ["no"] }),
        Answer::Count(400),
    );
}

#[test]
fn a_former_token_is_useless_only_when_the_new_one_works() {
    let tokens = |old, new: Option<u16>| {
        answer("new_token_ends_former", |_| {
            let new = new.map(|status| (Ask::NewToken, reply(status, json!([]))));
            [(Ask::OldToken, reply(old, json!([])))]
                .into_iter()
                .chain(new)
                .collect()
        })
    };
    assert_eq!(tokens(200, None), Answer::Truth(false));
    assert_eq!(tokens(401, Some(200)), Answer::Truth(true));
    assert_eq!(tokens(401, Some(401)), Answer::Open);
    assert_eq!(tokens(401, None), Answer::Open);
}
