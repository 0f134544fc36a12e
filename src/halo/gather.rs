//! Creations of users that wait at the same time go out as one array, and each gets its own answer out of it.
//!
//! Users are created by one request at a time, since Halo's ids can race. Whoever is first in line sends for all who
//! wait; one that is alone is sent at once. While more keep coming, the sender first waits for as long as one slot of
//! the connection's rate takes to come back, or as long as the last request took: so many more are in the array, and
//! the rate is not used up by small ones.
//!
//! One bad element has Halo refuse the array, perhaps after those before it were made. Then nobody knows anything of
//! its own element, and each is looked for and created by itself.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::oneshot;
use tracing::warn;

use super::{
    NewUser, User,
    api::{Api, Request},
    client::{Call, Calls, HaloError},
    http::kept_of,
    users::{creation, creations, is_created, is_same, user_in},
    verdict::unusable,
    wire,
};

/// An array is no longer: its answer has to come within the time of one request.
const MOST: usize = 50;
/// Nobody is waited for any longer, however slow the rate.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

type Result<T> = std::result::Result<T, HaloError>;

/// What came of a creation; nothing where its array was refused as a whole, so that it has to be looked for.
pub(super) type Sent = Option<Result<User>>;

/// The creations of one connection that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Gather {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Held by whoever sends; the last request that was sent.
    sending: tokio::sync::Mutex<Option<Last>>,
    /// An answer showed fewer users than were sent, so the server doesn't know `returnall`.
    pub is_one_by_one: AtomicBool,
}

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
struct Last {
    ended: Instant,
    took: Duration,
}

#[derive(Debug)]
struct Waiting {
    user: NewUser,
    calls: Calls,
    answer: oneshot::Sender<Sent>,
}

impl Last {
    fn since(began: Instant) -> Last {
        Last {
            ended: Instant::now(),
            took: began.elapsed(),
        }
    }
}

impl Gather {
    /// Creates a user, together with others where they wait. No look before it: that is the caller's.
    pub(super) async fn create(&self, api: &Api, user: &NewUser, calls: &Calls) -> Sent {
        let (send, mut answer) = oneshot::channel();
        self.waiting().push_back(Waiting {
            user: user.clone(),
            calls: calls.clone(),
            answer: send,
        });
        loop {
            tokio::select! {
                biased;
                sent = &mut answer => return sent.unwrap_or_else(|_| Some(Err(lost(user)))),
                mut last = self.sending.lock() => {
                    *last = Some(self.send_next(api, *last).await);
                }
            }
        }
    }

    /// Whether arrays are of no use, since not all that they create is shown.
    pub(super) fn send_one_by_one(&self, is_so: bool) {
        self.is_one_by_one.store(is_so, Ordering::Relaxed);
    }

    /// Creates a user by itself, in an array of one.
    pub(super) async fn create_alone(&self, api: &Api, user: &NewUser, calls: &Calls) -> Result<User> {
        let mut last = self.sending.lock().await;
        let began = Instant::now();
        let created = alone(api, user, calls).await;
        *last = Some(Last::since(began));
        created
    }

    /// Sends for those who have waited longest. Where the sender is given up meanwhile, their answers are dropped with
    /// it, which tells them so.
    async fn send_next(&self, api: &Api, last: Option<Last>) -> Last {
        let is_one_by_one = self.is_one_by_one.load(Ordering::Relaxed);
        let wait = worth_waiting(self.waiting().len(), last, api.http.pace.spacing());
        if !is_one_by_one && !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let began = Instant::now();
        let mut together = self.take(if is_one_by_one { 1 } else { MOST });
        if together.len() > 1 {
            self.send_together(api, together).await;
        } else if let Some(one) = together.pop() {
            let created = alone(api, &one.user, &one.calls).await;
            // Whoever is no longer there needs no answer.
            let _ = one.answer.send(Some(created));
        }
        Last::since(began)
    }

    async fn send_together(&self, api: &Api, together: Vec<Waiting>) {
        let request = creations(together.iter().map(|one| &one.user));
        let calls = Calls::default();
        let answered = api.ask(&request, &calls).await;
        let shown = match &answered {
            Ok(answer) => matched(&together, wire::several(answer.clone())),
            Err(_) => vec![None; together.len()],
        };
        note(&calls.take(), &together, &shown);
        self.learn(api, &shown);
        for (one, user) in together.into_iter().zip(shown) {
            let sent = match &answered {
                Ok(_) => Some(user.ok_or_else(|| not_shown(&request, &one.user))),
                Err(HaloError::Refused { .. }) => None,
                Err(error) => Some(Err(error.clone())),
            };
            let _ = one.answer.send(sent);
        }
    }

    /// A server that shows some of them and not all doesn't know `returnall`: with it arrays save nothing.
    fn learn(&self, api: &Api, shown: &[Option<User>]) {
        let is_partial = shown.contains(&None) && shown.iter().any(Option::is_some);
        if is_partial && !self.is_one_by_one.swap(true, Ordering::Relaxed) {
            warn!(connection = %api.connection, "connection {}: Halo doesn't show all of several new users; from now on each is created by a request of its own", api.connection);
        }
    }

    /// The next ones in line; those that were given up are left out.
    fn take(&self, most: usize) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        waiting.retain(|one| !one.answer.is_closed());
        let taken = waiting.len().min(most);
        waiting.drain(..taken).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn alone(api: &Api, user: &NewUser, calls: &Calls) -> Result<User> {
    let request = creation(user);
    user_in(&request, &api.ask(&request, calls).await?, |shown| {
        is_created(shown, user)
    })
}

/// How long it is worth to wait for more: as long as others do wait or the last request was just now, and the array has
/// room for them.
fn worth_waiting(waiting: usize, last: Option<Last>, slot: Duration) -> Duration {
    let wait = slot
        .max(last.map_or(Duration::ZERO, |last| last.took))
        .min(LONGEST_WAIT);
    let keep_coming = waiting > 1 || last.is_some_and(|last| last.ended.elapsed() < wait);
    if keep_coming && waiting < MOST {
        wait
    } else {
        Duration::ZERO
    }
}

/// Each one's user out of the answer, by address and not by place.
fn matched(together: &[Waiting], answer: Vec<Value>) -> Vec<Option<User>> {
    let mut users: Vec<User> = answer.iter().filter_map(wire::user).collect();
    let mut user_of = |one: &Waiting| {
        let is_of = |user: &User| is_same(&user.emailaddress, &one.user.emailaddress);
        users.iter().position(is_of).map(|place| users.remove(place))
    };
    together.iter().map(&mut user_of).collect()
}

/// Each one's trace shows its own element and its own answer. A sign-in on the way is shown to the first.
fn note(calls: &[Call], together: &[Waiting], shown: &[Option<User>]) {
    let shared = u32::try_from(together.len()).unwrap_or(u32::MAX);
    for call in calls {
        if call.body.is_null() {
            together.iter().take(1).for_each(|one| one.calls.note(call.clone()));
            continue;
        }
        for (place, (one, user)) in together.iter().zip(shown).enumerate() {
            let answer = user.as_ref().filter(|_| (200..300).contains(&call.http_status));
            one.calls.note(Call {
                body: wire::new_users([&one.user]),
                answer: answer.map_or_else(|| call.answer.clone(), |user| kept_of(&user.raw.to_string())),
                shared,
                counts_elsewhere: place > 0,
                ..call.clone()
            });
        }
    }
}

fn not_shown(request: &Request, user: &NewUser) -> HaloError {
    let address = &user.emailaddress;
    unusable(
        request,
        format!("the answer to several shows no user with the address {address} and an id"),
    )
}

fn lost(user: &NewUser) -> HaloError {
    let reason = "it was sent together with others, by one that was stopped before the answer came";
    unusable(&creation(user), reason.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        halo::{ClientId, SiteId},
        message::address::AddrSpec,
    };

    fn waiting(address: &str) -> Waiting {
        Waiting {
            user: NewUser {
                name: "New Person".into(),
                first_name: String::new(),
                surname: String::new(),
                emailaddress: AddrSpec::parse(address).unwrap(),
                client_id: ClientId(12),
                site_id: SiteId(21),
                send_welcome_email: false,
            },
            calls: Calls::default(),
            answer: oneshot::channel().0,
        }
    }

    #[test]
    fn one_that_is_alone_waits_for_nobody() {
        let (slot, short) = (Duration::from_millis(500), Duration::from_millis(20));
        let ago = |ago: Duration, took: Duration| {
            Some(Last {
                ended: Instant::now() - ago,
                took,
            })
        };
        let at_once = Duration::ZERO;
        assert_eq!(worth_waiting(1, None, slot), at_once);
        assert_eq!(worth_waiting(1, ago(slot, short), slot), at_once);
        assert_eq!(worth_waiting(1, ago(slot / 2, short), slot), slot);
        assert_eq!(worth_waiting(2, None, slot), slot);
        // A rate that is no limit: as long as a request takes.
        assert_eq!(worth_waiting(2, ago(slot, short), at_once), short);
        assert_eq!(worth_waiting(1, ago(slot, short), at_once), at_once);
        assert_eq!(worth_waiting(2, ago(slot, slot * 9), at_once), LONGEST_WAIT);
        assert_eq!(worth_waiting(MOST, ago(at_once, slot), slot), at_once);
    }

    #[test]
    fn an_answer_is_matched_by_address_and_needs_an_id() {
        let together = ["a@acme.example", "b@acme.example", "c@acme.example", "b@acme.example"].map(waiting);
        let answer = json!([{"id": 9, "emailaddress": "B@acme.example "}, {"id": 0, "emailaddress": "c@acme.example"},
            {"id": 8, "emailaddress": "a@acme.example"}, {"id": 7, "emailaddress": "other@acme.example"}]);
        let ids = |answer| -> Vec<Option<i64>> {
            let users = matched(&together, wire::several(answer)).into_iter();
            users.map(|user| user.map(|user| user.id.0)).collect()
        };
        assert_eq!(ids(answer), [Some(8), Some(9), None, None]);
        assert_eq!(
            ids(json!({"id": 7, "emailaddress": "c@acme.example"})),
            [None, None, Some(7), None]
        );
        assert_eq!(ids(json!("done")), [None; 4]);
    }

    #[test]
    fn each_trace_shows_its_own_element_and_answer() {
        let together = ["a@acme.example", "b@acme.example"].map(waiting);
        let shown = matched(&together, vec![json!({"id": 8, "emailaddress": "a@acme.example"})]);
        let call = |http_status, body| Call {
            http_status,
            body,
            answer: "all of them".into(),
            ..creation(&together[0].user).unsent("")
        };
        note(&[call(200, Value::Null), call(201, json!([{}, {}]))], &together, &shown);
        let [first, second] = [&together[0], &together[1]].map(|one| one.calls.take());
        assert_eq!((first.len(), second.len()), (2, 1));
        assert_eq!((first[0].shared, first[1].shared, second[0].shared), (0, 2, 2));
        assert_eq!((first[1].counts_elsewhere, second[0].counts_elsewhere), (false, true));
        assert_eq!(first[1].body[0]["emailaddress"], "a@acme.example");
        assert_eq!(second[0].body[0]["emailaddress"], "b@acme.example");
        assert_eq!(first[1].answer, r#"{"id":8,"emailaddress":"a@acme.example"}"#);
        assert_eq!(second[0].answer, "all of them");
    }
}
