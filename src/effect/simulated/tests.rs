use futures_util::FutureExt;
use serde_json::json;

use super::*;
use crate::{
    effect::Bare,
    halo::{
        ClientId, NewClient, NewUser, Reference, SiteId, UserId,
        client::{Call, Calls},
    },
    message::address::AddrSpec,
};

fn address() -> AddrSpec {
    AddrSpec::parse("ann@stranger.example").unwrap()
}

fn new_client(name: &str) -> Ask {
    Ask::EnsureClient {
        client: NewClient {
            name: name.to_owned(),
            website: "https://www.stranger.example/".to_owned(),
            trading_name: String::new(),
            notes: String::new(),
            site_name: "Head Office".to_owned(),
        },
    }
}

fn new_user(client: i64) -> Ask {
    Ask::EnsureUser {
        user: NewUser {
            name: "Ann Lee".to_owned(),
            first_name: String::new(),
            surname: String::new(),
            emailaddress: address(),
            client_id: ClientId(client),
            site_id: SiteId(21),
            send_welcome_email: false,
        },
    }
}

/// Asks at a connection; gives the answer and each request as text.
fn ask(simulated: &Simulated, connection: &str, ask: Ask) -> (Result<Value, StepError>, Vec<String>) {
    let effect = Effect::Halo {
        connection: ConnectionName(connection.to_owned()),
        ask,
    };
    let calls = Calls::default();
    let asking = Asking {
        claim: None,
        step: "",
        calls: &calls,
        enclosed: &Bare,
    };
    let answer = simulated.perform(&effect, asking).now_or_never().unwrap();
    let said = |call: &Call| format!("{} {} {} [{}]", call.method, call.path, call.body, call.answer);
    (
        answer.map(|answer| answer.value.json()),
        calls.take().iter().map(said).collect(),
    )
}

fn assuming(assume: Assume) -> Simulated {
    Simulated::new(Lookups::Assumed(assume), None)
}

const SEARCH: &str = "GET /Users?search=ann%40stranger.example&includeactive=true&includeinactive=true\
                      &exclude_generaluser=true&order=id&pageinate=true&page_size=100&page_no=1 null [assumed]";

#[test]
fn a_write_shows_the_request_that_would_be_sent() {
    let simulated = assuming(Assume::Unknown);
    let (answer, calls) = ask(&simulated, "main", new_user(12));
    assert_eq!(answer.unwrap()["existed"], false);
    let body = r#"[{"name":"Ann Lee","emailaddress":"ann@stranger.example","client_id":12,"site_id":21,"sendwelcomeemail":false}]"#;
    assert_eq!(calls, [SEARCH, &format!("POST /Users {body} [simulated]")]);
    let (_, calls) = ask(&simulated, "main", new_client("Stranger"));
    let body = r#"[{"name":"Stranger","newclient_sitename":"Head Office","website":"https://www.stranger.example/"}]"#;
    assert_eq!(calls, [format!("POST /Client {body} [simulated]")]);
}

#[test]
fn a_user_who_is_there_is_not_created_and_keeps_its_name_when_made_active() {
    let simulated = assuming(Assume::Known);
    let (answer, calls) = ask(&simulated, "main", new_user(12));
    let answer = answer.unwrap();
    assert_eq!((&answer["existed"], calls), (&json!(true), vec![SEARCH.to_owned()]));
    let user = UserId(answer["record"]["id"].as_i64().unwrap());
    let (answer, calls) = ask(&simulated, "main", Ask::ReactivateUser { user });
    assert_eq!(answer.unwrap()["emailaddress"], "ann@stranger.example");
    let body = format!(r#"[{{"id":{user},"inactive":false}}]"#);
    assert_eq!(calls, [format!("POST /Users {body} [simulated]")]);
}

#[test]
fn later_lookups_see_what_would_have_been_made_at_that_connection_alone() {
    let simulated = assuming(Assume::Unknown);
    let users = || Ask::UsersWithAddress { address: address() };
    ask(&simulated, "main", new_user(12)).0.unwrap();
    let found = |connection: &str| ask(&simulated, connection, users()).0.unwrap();
    assert_eq!(found("main")[0]["name"], "Ann Lee");
    assert_eq!(found("other"), json!([]));
}

#[test]
fn a_client_that_would_have_been_made_is_found_by_id_name_and_domain_and_so_is_its_site() {
    let simulated = assuming(Assume::Unknown);
    let made = ask(&simulated, "main", new_client("Stranger")).0.unwrap()["record"].clone();
    let (id, site) = (made["id"].as_i64().unwrap(), made["main_site_id"].as_i64().unwrap());
    assert_eq!(
        Reference::parse(&id.to_string()),
        Some(Reference::Id(id)),
        "it renders as an id"
    );
    let client = Some(ClientId(id));
    for (question, pointer) in [
        (
            Ask::Clients {
                client: Reference::Id(id),
            },
            "/0/id",
        ),
        (
            Ask::Clients {
                client: Reference::Name("Stranger".into()),
            },
            "/0/id",
        ),
        (
            Ask::ClientsOfDomain {
                domain: "stranger.example".into(),
            },
            "/0/id",
        ),
        (
            Ask::Sites {
                client: None,
                site: Reference::Id(site),
            },
            "/0/client_id",
        ),
        (
            Ask::Sites {
                client,
                site: Reference::Name("Head Office".into()),
            },
            "/0/client_id",
        ),
        (Ask::MainSite { client: ClientId(id) }, "/client_id"),
    ] {
        let (answer, calls) = ask(&simulated, "main", question.clone());
        assert_eq!(answer.unwrap().pointer(pointer), Some(&json!(id)), "{question:?}");
        assert!(calls.is_empty(), "{question:?}");
    }
    let again = ask(&simulated, "main", new_client("Stranger"));
    assert_eq!((&again.0.unwrap()["existed"], again.1.len()), (&json!(true), 0));
}

#[test]
fn what_no_assumption_answers_is_unknown_and_its_request_is_shown() {
    let query = crate::halo::ListQuery {
        search: "lena".to_owned(),
        client: Some(ClientId(12)),
        site: None,
        domain: String::new(),
        include_active: true,
        include_inactive: false,
        page_size: 25,
        page_no: 1,
        order_by: String::new(),
        order_descending: false,
    };
    let (answer, calls) = ask(&assuming(Assume::Known), "main", Ask::QueryUsers { query });
    assert!(matches!(answer, Err(StepError::Unknown { what }) if what == "main: a page of users"));
    assert_eq!(
        calls,
        [
            "GET /Users?search=lena&client_id=12&includeactive=true&includeinactive=false&pageinate=true&page_size=25&page_no=1 null [assumed]"
        ]
    );
}
