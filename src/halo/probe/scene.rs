//! Where a probe takes place: its mark, by which all that it makes can be told, and what it knows so far.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ask::Ask;
use crate::{
    foreign::cut,
    halo::{
        ClientId, SiteId, UserId, answer,
        client::HaloError,
        http::Answer,
        wire::{self, probe::Guest},
    },
    message::address::AddrSpec,
};

/// What nobody else uses: it stands in every name that the probe makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    letters: String,
    /// Parts of the further addresses, which share nothing with the first: a search that finds parts must not find these by it.
    further: [String; 2],
}

impl Mark {
    /// A new one.
    pub fn new() -> Mark {
        // No digits: a search for a name that ends in one has been seen to go wrong.
        let letters = || std::iter::repeat_with(fastrand::lowercase).take(10).collect::<String>();
        Mark {
            letters: letters(),
            further: [letters(), letters()],
        }
    }

    /// The client's name, and how those of users begin.
    pub fn name(&self) -> String {
        format!("halo-intake probe {}", self.letters)
    }

    /// Whether a record was made by this probe.
    pub(super) fn is_on(&self, record: &Map<String, Value>) -> bool {
        wire::probe::bears(record, &self.letters)
    }

    /// A domain where nobody receives mail (RFC 2606).
    pub(super) fn domain(&self) -> String {
        format!("{}.example.com", self.letters)
    }

    /// The end of that domain, which is no whole domain of anybody's.
    pub(super) fn part_of_domain(&self) -> String {
        self.domain().split_off(3)
    }

    pub(super) fn letters(&self) -> &str {
        &self.letters
    }

    fn address(&self, number: u8) -> String {
        format!("halo-intake-probe-{number}@{}", self.domain())
    }

    /// The address of the first user, which the third has as well.
    pub(super) fn first_address(&self) -> AddrSpec {
        AddrSpec::parse(&self.address(1)).expect("letters make an address")
    }

    /// The further addresses of the first user.
    pub(super) fn further_addresses(&self) -> [AddrSpec; 2] {
        let [second, third] = &self.further;
        [format!("{second}@example.net"), format!("{third}@example.org")]
            .map(|text| AddrSpec::parse(&text).expect("letters make an address"))
    }
}

impl Default for Mark {
    fn default() -> Mark {
        Mark::new()
    }
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    /// 0 where no answer came.
    pub http_status: u16,
    /// Null where the body is no JSON.
    pub body: Value,
    /// The answer's own words, or why there is none.
    pub said: String,
}

impl Reply {
    pub(super) fn of(answer: &Answer) -> Reply {
        Reply {
            http_status: answer.http_status,
            body: serde_json::from_slice(&answer.body).unwrap_or_default(),
            said: cut(&answer::sentence(answer.http_status, &answer.body), 200),
        }
    }

    pub(super) fn lost(error: &HaloError) -> Reply {
        Reply {
            http_status: 0,
            body: Value::Null,
            said: error.to_string(),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self.http_status, 200..=299)
    }

    /// Whether Halo says no to what was sent; not to who sent it, nor that it is broken itself.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.http_status, 400 | 405 | 409 | 413 | 415 | 422)
    }

    /// How the sentence goes on that names the request.
    pub(super) fn ending(&self) -> String {
        match self.http_status {
            0 => format!("has no answer: {}", self.said),
            status if self.is_success() => format!("is answered with {status}"),
            status => format!("is answered with {status}: {}", self.said),
        }
    }
}

/// Everything that is known, from which requests are made and answers to questions are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub mark: Mark,
    /// Given, or made by the probe.
    pub client: Option<ClientId>,
    pub site: Option<SiteId>,
    /// Whether the client is the probe's own.
    pub is_own: bool,
    /// The first user.
    pub user: Option<UserId>,
    pub heard: BTreeMap<Ask, Reply>,
    /// What each site that was read is matched by, as it is written there.
    pub domains: Vec<String>,
}

impl Scene {
    /// The rows of a listing that was answered as one.
    pub(super) fn rows(&self, ask: Ask, key: &str) -> Option<Vec<Value>> {
        let reply = self.reply(ask).filter(|reply| reply.is_success())?;
        Some(wire::listing(reply.body.clone(), key).ok()?.rows)
    }

    pub(super) fn reply(&self, ask: Ask) -> Option<&Reply> {
        self.heard.get(&ask)
    }

    /// The name of the user with that number.
    pub(super) fn guest_name(&self, number: u8) -> String {
        // Letters at the end, as in the mark.
        let words = ["one", "two", "three"];
        let word = words.get(usize::from(number.saturating_sub(1))).unwrap_or(&"more");
        format!("{} {word}", self.mark.name())
    }

    /// `POST /Users` of those numbers. The first has further addresses, the third the address of the first.
    pub(super) fn guests(&self, numbers: &[u8]) -> Option<Value> {
        let further = self.mark.further_addresses();
        let texts: Vec<(String, String)> = numbers
            .iter()
            .map(|&number| {
                (
                    self.guest_name(number),
                    self.mark.address(if number == 3 { 1 } else { number }),
                )
            })
            .collect();
        let guests: Vec<Guest<'_>> = numbers
            .iter()
            .zip(&texts)
            .map(|(number, (name, address))| Guest {
                name,
                address,
                further: if *number == 1 {
                    [further[0].as_str(), further[1].as_str()]
                } else {
                    [""; 2]
                },
            })
            .collect();
        Some(wire::probe::guests(&guests, self.client?, self.site?))
    }

    /// Whether this request was to bring about a client or site and did not.
    pub(super) fn lacks_place_after(&self, ask: Ask) -> bool {
        match ask {
            Ask::Client => self.client.is_none(),
            Ask::Sites => self.site.is_none(),
            _ => false,
        }
    }

    /// Keeps a reply, and what later requests need of it.
    pub(super) fn take(&mut self, ask: Ask, reply: Reply) {
        match ask {
            Ask::Client => self.take_client(&reply),
            Ask::Sites => self.site = self.first_site(&reply),
            Ask::Pair | Ask::Alone | Ask::First => self.user = self.user.or_else(|| self.first_user(ask, &reply)),
            Ask::Site => self.domains.extend(wire::probe::email_domains(&reply.body)),
            _ => {}
        }
        self.heard.insert(ask, reply);
    }

    fn take_client(&mut self, reply: &Reply) {
        // A server that shows another record made nothing that we know of.
        let made = made_in(reply).into_iter().find(|record| self.mark.is_on(record));
        let id = made.and_then(wire::probe::id_and_name).map(|(id, _)| ClientId(id));
        self.client = id;
        self.site = made.and_then(wire::probe::main_site).filter(|_| id.is_some());
    }

    fn first_site(&self, reply: &Reply) -> Option<SiteId> {
        let rows = wire::listing(reply.body.clone(), "sites").ok()?.rows;
        let sites = rows.iter().filter_map(wire::site);
        sites
            .filter(|site| site.client_id.is_some() && site.client_id == self.client)
            .map(|site| site.id)
            .min()
    }

    fn first_user(&self, ask: Ask, reply: &Reply) -> Option<UserId> {
        let address = self.mark.first_address();
        let rows = match ask {
            Ask::First => wire::listing(reply.body.clone(), "users").ok()?.rows,
            _ => made_in(reply).into_iter().cloned().map(Value::Object).collect(),
        };
        let mut users = rows.iter().filter_map(wire::user);
        let first = users.find(|user| user.emailaddress.eq_ignore_ascii_case(address.as_str()));
        first.map(|user| user.id)
    }
}

/// The records that a successful POST shows.
pub(super) fn made_in(reply: &Reply) -> Vec<&Map<String, Value>> {
    if reply.is_success() {
        wire::probe::written(&reply.body)
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_probe_makes_bears_its_mark_and_is_at_reserved_domains() {
        let (mark, other) = (Mark::new(), Mark::new());
        let is_on = |record: Value| mark.is_on(record.as_object().unwrap());
        assert!(is_on(json!({ "name": mark.name().to_uppercase() })));
        assert!(is_on(json!({ "name": "", "emailaddress": mark.first_address() })));
        assert!(!is_on(
            json!({ "name": other.name(), "emailaddress": other.first_address() })
        ));
        let [second, third] = mark.further_addresses();
        for address in [mark.first_address(), second.clone(), third] {
            let domain = address.domain().to_owned();
            assert!(domain.ends_with("example.com") || domain == "example.net" || domain == "example.org");
        }
        assert!(!second.as_str().contains(mark.letters()));
        assert!(mark.domain().ends_with(&mark.part_of_domain()) && mark.domain() != mark.part_of_domain());
    }

    fn heard(body: Value) -> Reply {
        Reply {
            http_status: 200,
            body,
            said: String::new(),
        }
    }

    #[test]
    fn client_site_and_first_user_are_learnt_from_what_bears_the_mark() {
        let mark = Mark::new();
        let mut scene = Scene {
            mark: mark.clone(),
            client: None,
            site: None,
            is_own: true,
            user: None,
            heard: BTreeMap::new(),
            domains: Vec::new(),
        };
        scene.take(
            Ask::Client,
            heard(json!({ "id": 1, "name": "Acme Ltd", "main_site_id": 2 })),
        );
        assert!(scene.lacks_place_after(Ask::Client) && scene.site.is_none());
        scene.take(Ask::Client, heard(json!([{ "id": 33, "name": mark.name() }])));
        assert_eq!((scene.client, scene.site), (Some(ClientId(33)), None));
        scene.take(Ask::Sites, heard(json!([{ "id": 9, "client_id": 12.0 }, { "id": 10 }])));
        assert!(scene.lacks_place_after(Ask::Sites));
        let sites = json!({ "sites": [{ "id": 46, "client_id": 33.0 }, { "id": 44, "client_id": 33.0 }] });
        scene.take(Ask::Sites, heard(sites));
        assert_eq!(scene.site, Some(SiteId(44)));
        scene.take(Ask::Pair, heard(json!({ "id": 8, "emailaddress": mark.address(2) })));
        assert_eq!(scene.user, None, "the answer shows the second one alone");
        scene.take(
            Ask::First,
            heard(json!({ "users": [{ "id": 7, "emailaddress": mark.address(1) }] })),
        );
        assert_eq!(scene.user, Some(UserId(7)));
    }
}
