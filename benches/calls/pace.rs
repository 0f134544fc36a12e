//! The pace by itself: a connection as the daemon has it, with its journal, at which more work waits than it may send.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use halo_intake::{
    clock::Clock,
    config::ConnectionName,
    generation::Generation,
    halo::{
        client::{Calls, Halo},
        registry::Registry,
    },
    journal::{Opening, sqlite::Sqlite},
    sandbox::{LoggedRequest, RateLimit, Sandbox},
};

use crate::{run, seen};

/// So many ask all the time.
const WAITERS: usize = 64;

pub const COUNT: usize = 30;
pub const PERIOD: Duration = Duration::from_secs(3);
pub const RATE: &str = "30 per 3s";

/// What Halo says after a 429: long enough that the window is empty then, short enough to be waited for.
const HOLD_S: u64 = 4;

/// A connection at which work waits for so long; what the sandbox saw.
async fn busy(sandbox: &Sandbox, long: Duration) -> Vec<LoggedRequest> {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let path = run::configure(folder.path(), sandbox, RATE);
    std::fs::create_dir(folder.path().join("Maildir")).expect("our own folder");
    let (generation, _) = Generation::load(&path, &[]).unwrap();
    let journal = Sqlite::open(&generation.config.state_dir, Clock::system(), Opening::Alone).unwrap();
    let connections = Registry::counted_by(Arc::new(journal));
    connections.update(&generation.config).unwrap();
    let halo = connections
        .find(&ConnectionName("main".into()))
        .expect("it is configured");
    halo.check(&Calls::default()).await.unwrap();
    sandbox.clear_log();
    let end = Instant::now() + long;
    let tasks: Vec<_> = (0..WAITERS).map(|_| tokio::spawn(ask(halo.clone(), end))).collect();
    let mut random = fastrand::Rng::with_seed(1);
    while Instant::now() < end {
        sandbox.set(|switches| switches.latency_ms = random.u64(20..=50));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    sandbox.requests()
}

async fn ask(halo: Arc<Halo>, end: Instant) {
    while Instant::now() < end {
        // One that gave up after several 429s is followed by the next.
        let _ = halo.check(&Calls::default()).await;
    }
}

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    sandbox.set(|switches| switches.rate = None);
    sandbox
}

/// Whoever else used up the tenant's limit is gone by the time the hold ends.
async fn lift_after_a_429(sandbox: &Sandbox) {
    while !sandbox.requests().iter().any(|request| request.status == 429) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sandbox.set(|switches| switches.rate = None);
}

/// When requests came while work waited all the time.
pub async fn while_work_waits() -> Vec<f64> {
    let sandbox = sandbox().await;
    let requests = busy(&sandbox, 10 * PERIOD + Duration::from_millis(500)).await;
    sandbox.stop().await;
    seen::times(&requests)
}

/// From the end of a 429's hold until the whole window was used again, for each hold.
pub async fn to_full_pace() -> Vec<Duration> {
    let sandbox = sandbox().await;
    sandbox.set(|switches| {
        switches.rate = Some(RateLimit {
            count: 20,
            per_ms: 3000,
        });
        switches.retry_after_s = Some(HOLD_S);
    });
    let (requests, ()) = tokio::join!(busy(&sandbox, Duration::from_secs(14)), lift_after_a_429(&sandbox));
    sandbox.stop().await;
    let apart = |first: usize, next: usize| requests[next].at.duration_since(requests[first].at).as_secs_f64();
    let hold = Duration::from_secs(HOLD_S).as_secs_f64();
    let ends = (1..requests.len().saturating_sub(COUNT)).filter(|&at| apart(at - 1, at) >= hold - 0.5);
    ends.filter_map(|first| {
        let last_refused = requests[..first].iter().rposition(|request| request.status == 429)?;
        // The answer came a while after the request, so the hold ended somewhat later still.
        let late = apart(last_refused, first + COUNT - 1) - hold;
        Some(Duration::from_secs_f64(late.max(0.0)))
    })
    .collect()
}
