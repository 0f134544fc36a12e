//! The probe: what only a real tenant can tell is tried there, with a client and users that are removed again.
//!
//! `ask` is the table of requests, `question` that of questions, which read the replies and ask nothing themselves;
//! `made` and `removal` see to it that nothing stays, whatever happens in between.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    ClientId, SiteId,
    api::Request,
    client::{Calls, Halo, HaloError},
    findings::{Finding, Findings},
    http::Answer,
};
use crate::class::Class;

mod ask;
mod made;
mod question;
mod removal;
mod scene;

use ask::Ask;
use made::Made;
pub use made::{Kind, Left, State, Thing};
pub use scene::Mark;
use scene::{Reply, Scene};

/// Halo counts requests over five minutes; whoever waits for longer waits for something else.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 60);

/// So many requests it takes at most where nothing goes wrong: it depends on how many sites there are.
pub const REQUESTS: usize = 70;

/// A probe of one connection.
#[derive(Debug)]
pub struct Probe<'a> {
    halo: &'a Halo,
    mark: Mark,
    place: Option<(ClientId, SiteId)>,
    made: Mutex<Made>,
    calls: Calls,
}

/// How a probe ended.
#[derive(Debug)]
pub struct Probed {
    /// Something for each question, or why it was given up.
    pub findings: Result<Findings, ProbeError>,
    /// What was made and could not be removed.
    pub left: Vec<Left>,
    /// How many requests it took, sign-ins and removal included.
    pub requests: usize,
}

/// Why a probe has no findings.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProbeError {
    #[error("the probe was interrupted")]
    Interrupted,
    #[error("the probe has no client and site to work in: {reason}; name a client that is there with --client")]
    NoPlace { reason: String },
    #[error(transparent)]
    Halo(#[from] HaloError),
}

impl ProbeError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            ProbeError::Interrupted => Class::Transient,
            ProbeError::NoPlace { .. } => Class::Permanent,
            ProbeError::Halo(error) => error.class(),
        }
    }
}

impl<'a> Probe<'a> {
    /// A probe within that client and site, or within a client of its own. Nothing is sent yet.
    pub fn new(halo: &'a Halo, place: Option<(ClientId, SiteId)>) -> Probe<'a> {
        Probe {
            halo,
            mark: Mark::new(),
            place,
            made: Mutex::default(),
            calls: Calls::default(),
        }
    }

    /// What stands in the name of everything that it makes.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Asks everything, then removes what it made, also when it is stopped or something fails.
    pub async fn run(&self, stop: &CancellationToken) -> Probed {
        let findings = self.ask(stop).await;
        self.remove().await;
        let findings = findings.map(|findings| Findings {
            url: self.halo.api().base.clone(),
            probed: Timestamp::now(),
            findings,
        });
        Probed {
            findings,
            left: self.left(),
            requests: self.calls.take().len(),
        }
    }

    /// What was made and is not removed so far.
    pub fn left(&self) -> Vec<Left> {
        self.made().left(&self.mark.name())
    }

    async fn ask(&self, stop: &CancellationToken) -> Result<Vec<Finding>, ProbeError> {
        let mut scene = self.scene();
        for (ask, request) in ask::TABLE {
            let Some(request) = request(&scene) else { continue };
            let reply = self.reply(*ask, &request, stop).await?;
            if ask.makes() {
                self.made().note(*ask, &reply, &self.mark);
            }
            let reason = format!("{request} {}", reply.ending());
            scene.take(*ask, reply);
            if *ask == Ask::SomeSites {
                self.read_sites(&mut scene, stop).await?;
            }
            if scene.lacks_place_after(*ask) {
                return Err(ProbeError::NoPlace { reason });
            }
        }
        Ok(question::findings(&scene))
    }

    async fn read_sites(&self, scene: &mut Scene, stop: &CancellationToken) -> Result<(), ProbeError> {
        for request in ask::sites(scene) {
            let reply = self.reply(Ask::Site, &request, stop).await?;
            scene.take(Ask::Site, reply);
        }
        Ok(())
    }

    fn scene(&self) -> Scene {
        Scene {
            mark: self.mark.clone(),
            client: self.place.map(|(client, _)| client),
            site: self.place.map(|(_, site)| site),
            is_own: self.place.is_none(),
            user: None,
            heard: Default::default(),
            domains: Vec::new(),
        }
    }

    /// A stop is heard at once, but for a request that makes something: its answer says what has to be removed.
    async fn reply(&self, ask: Ask, request: &Request, stop: &CancellationToken) -> Result<Reply, ProbeError> {
        if stop.is_cancelled() {
            return Err(ProbeError::Interrupted);
        }
        let asked = async {
            match ask {
                Ask::OldToken => Ok(self.with_former_token(request).await),
                Ask::Stranger => Ok(self.as_a_stranger().await),
                _ => self.answer(request).await,
            }
        };
        if request.is_write() {
            if ask.makes() {
                self.made().begin();
            }
            return Ok(asked.await?);
        }
        tokio::select! {
            reply = asked => Ok(reply?),
            () = stop.cancelled() => Err(ProbeError::Interrupted),
        }
    }

    /// An answer of any status, or that there was none. What is wrong with the connection itself is an error: then no
    /// other question would fare better.
    async fn answer(&self, request: &Request) -> Result<Reply, HaloError> {
        match self.patient_answer(request).await {
            Ok(answer) => Ok(Reply::of(&answer)),
            Err(error) if error.is_of_connection() => Err(error),
            Err(error) => Ok(Reply::lost(&error)),
        }
    }

    /// Waits out a 429, also one that asks for minutes.
    async fn patient_answer(&self, request: &Request) -> Result<Answer, HaloError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.halo.api().answer(request, &self.calls).await {
                Err(HaloError::TooMany {
                    retry_after: Some(wait),
                    ..
                }) if waited + wait <= LONGEST_WAIT => {
                    waited += wait;
                    tokio::time::sleep(wait).await;
                }
                answered => return answered,
            }
        }
    }

    /// Signs in again and asks with the token from before.
    async fn with_former_token(&self, request: &Request) -> Reply {
        let api = self.halo.api();
        let asked = async {
            let former = api.tokens.token(&api.http, &self.calls).await?;
            api.tokens.another(&api.http, &self.calls).await?;
            api.answer_to(&former, request, &self.calls).await
        };
        match asked.await {
            Ok(answer) => Reply::of(&answer),
            Err(error) => Reply::lost(&error),
        }
    }

    /// Signs in as an application that nobody has; the connection's own is not touched.
    async fn as_a_stranger(&self) -> Reply {
        let api = self.halo.api();
        let letters = self.mark.letters();
        match api.tokens.answer_to_stranger(letters, &api.http, &self.calls).await {
            Ok(answer) => Reply::of(&answer),
            Err(error) => Reply::lost(&error),
        }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
