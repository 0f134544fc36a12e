//! Creations, with a journal and a sandbox of their own.

use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;

use crate::{
    config::{Deduplicate, MailboxName},
    effect::{Bare, Ensured},
    generation::Generation,
    halo::{
        ClientId, NewUser, SiteId, User,
        client::{Calls, Freshness},
    },
    journal::{Change, Claim, CreationKey, Ledger, Opening, Place, Receipt, Received, Spot, sqlite::Sqlite},
    message::address::AddrSpec,
    sandbox::{Duplicates, Fault, Mishap, Sandbox},
};

mod nodes;

struct World {
    folder: TempDir,
    sandbox: Arc<Sandbox>,
    journal: Arc<Ledger>,
}

impl World {
    async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        World {
            sandbox: sandbox().await,
            journal: Arc::new(Sqlite::open(folder.path(), Clock::system(), Opening::Alone).unwrap()),
            folder,
        }
    }

    /// Somebody who performs, and knows of Halo what he has asked himself.
    fn live(&self) -> Live {
        let text = format!(
            "[mailbox.support]\ntype = \"maildir\"\npath = \"/tmp\"\n[report]\nto = [\"ops@desk.example\"]\n\
             [[rule]]\nname = \"r\"\naction = [{{ type = \"stop\" }}]\n\
             [halo.main]\ntimeout = \"3s\"\nurl = {:?}\nclient_id = {:?}\nclient_secret = {:?}\n",
            self.sandbox.url().as_str(),
            self.sandbox.client_id(),
            self.sandbox.client_secret(),
        );
        let path = self.folder.path().join("halo-intake.toml");
        std::fs::write(&path, text).unwrap();
        let halos = Arc::new(Registry::default());
        halos.update(&Generation::load(&path, &[]).unwrap().0.config).unwrap();
        Live::new(self.journal.clone(), Clock::system(), halos)
    }

    /// A message in hand.
    async fn claim(&self, name: &str) -> Claim {
        let received = Received {
            place: Place {
                mailbox: MailboxName("support".to_owned()),
                folder: String::new(),
                spot: Spot::File { name: name.to_owned() },
            },
            internal_date: Timestamp::now(),
            size: 1,
            octets: Bytes::from_static(b"x"),
            from: "ann@stranger.example".to_owned(),
            subject: name.to_owned(),
            message_id: String::new(),
            fingerprint: [0; 32],
            digest: [0; 32],
            header_digest: [0; 32],
            author_key: String::new(),
            thread_key: String::new(),
            deduplicate: Deduplicate::Off,
            end: None,
            claim: true,
        };
        match self.journal.write(Change::Received(Box::new(received))).await.unwrap() {
            Receipt::New(_, _, Some(claim)) => claim,
            other => panic!("{other:?}"),
        }
    }

    /// The user that a message in hand asks for, found or created.
    async fn ensured(&self, live: &Live, claim: Claim) -> Ensured<User> {
        ensure(live, claim, ann()).await.unwrap()
    }
}

async fn sandbox() -> Arc<Sandbox> {
    let started = Sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    Arc::new(started.unwrap())
}

async fn ensure(live: &Live, claim: Claim, emailaddress: AddrSpec) -> Result<Ensured<User>, StepError> {
    let user = NewUser {
        name: "Ann".into(),
        first_name: String::new(),
        surname: String::new(),
        emailaddress,
        client_id: ClientId(12),
        site_id: SiteId(21),
        send_welcome_email: false,
    };
    let effect = Effect::Halo {
        connection: ConnectionName("main".into()),
        ask: Ask::EnsureUser { user },
    };
    let calls = Calls::default();
    let asking = Asking {
        claim: Some(claim),
        step: "r/0",
        calls: &calls,
        enclosed: &Bare,
    };
    let answer = live.perform(&effect, asking).await?;
    Ok(answer.value.read().unwrap())
}

fn ann() -> AddrSpec {
    AddrSpec::parse("ann@stranger.example").unwrap()
}

/// From now on this one knows for a while that there is no such user.
async fn learn_that_there_is_none(live: &Live) {
    let halo = live.halos.find(&ConnectionName("main".into())).unwrap();
    let (ann, calls) = (ann(), Calls::default());
    let found = halo.users_with_address(&ann, Freshness::Cached, &calls).await;
    assert_eq!(found.unwrap(), []);
}

#[tokio::test]
async fn what_was_made_is_looked_for_afresh_before_it_is_made_again() {
    let world = World::new().await;
    let (maker, late) = (world.live(), world.live());
    learn_that_there_is_none(&late).await;
    let [one, other] = [world.claim("one").await, world.claim("other").await];
    let made = world.ensured(&maker, one).await;
    let found = world.ensured(&late, other).await;
    assert_eq!((made.existed, found.existed), (false, true));
    assert_eq!(made.record.id, found.record.id);
}

#[tokio::test]
async fn a_look_without_an_answer_is_repeated_at_once() {
    let world = World::new().await;
    let broken = Fault::once("GET", "/api/users", Mishap::Html { status: 502 }).times(2);
    world.sandbox.set(|switches| switches.faults = vec![broken]);
    let made = world.ensured(&world.live(), world.claim("one").await).await;
    assert!(!made.existed);
}

#[tokio::test]
async fn of_several_that_were_there_before_nobody_is_told() {
    let world = World::new().await;
    let live = world.live();
    learn_that_there_is_none(&live).await;
    let user = serde_json::json!({ "name": "Ann", "emailaddress": ann().as_str(), "site_id": 21 });
    let first = world.sandbox.add_user(user.clone());
    world.sandbox.add_user(user);
    world
        .sandbox
        .set(|switches| switches.duplicate_users = Duplicates::Reject);
    let found = world.ensured(&live, world.claim("one").await).await;
    assert_eq!((found.existed, found.record.id), (true, first));
    assert!(
        world
            .journal
            .notices(crate::journal::Way::Mail)
            .await
            .unwrap()
            .is_empty()
    );
}
