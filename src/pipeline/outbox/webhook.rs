//! Reports on their way to a webhook, apart from the mail: neither waits for the other.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Failure, Sent, failed, taken};
use crate::{
    journal::{Change, JournalError, Way, node::Duty},
    pipeline::{World, report, thing::Thing},
    web::WebError,
};

/// Only a few ever wait: while one does, no other is made.
const BATCH: usize = 10;
/// A receiver that asks for more time is asked again after this.
const LONGEST_REST: Duration = Duration::from_secs(3600);

impl From<&WebError> for Failure {
    fn from(error: &WebError) -> Failure {
        Failure {
            reason: error.to_string(),
            class: error.class(),
            is_unanswered: matches!(error, WebError::NoAnswer { .. }),
            // It answers: perhaps another report pleases it better.
            counts: matches!(error, WebError::Unexpected { .. }),
            is_of_this_letter: false,
            asks_for: error.retry_after().unwrap_or_default().min(LONGEST_REST),
        }
    }
}

/// Posts what is due, until the stop; with `tried_before` what was not tried since then, due or not. Says how many still
/// wait.
pub async fn pass(
    world: &World,
    stop: &CancellationToken,
    tried_before: Option<Timestamp>,
) -> Result<usize, JournalError> {
    let generation = world.generation.load_full();
    let Some(webhook) = &generation.config.report.webhook else {
        return abandoned(world).await.map(|()| 0);
    };
    let mut waiting = 0;
    for due in world.journal.letters(Way::Webhook, BATCH, tried_before).await? {
        if stop.is_cancelled() || !world.may(&Duty::Outbox) {
            waiting += 1;
            continue;
        }
        let sent = match world.web.post(&webhook.url, due.letter.octets.clone()).await {
            Ok(()) => taken(world, Way::Webhook, &due).await?,
            Err(error) => failed(world, &generation, Way::Webhook, &due, &Failure::from(&error)).await?,
        };
        waiting += usize::from(!matches!(sent, Sent::Done));
    }
    Ok(waiting)
}

/// There is no webhook any more: what waited for it leaves in a report by the way that there is.
async fn abandoned(world: &World) -> Result<(), JournalError> {
    let why = "[report] has no webhook any more";
    for due in world.journal.letters(Way::Webhook, BATCH, Some(Timestamp::MAX)).await? {
        let (letter, reason) = (due.id, why.to_owned());
        tracing::warn!(letter = letter.0, "letter {} is not posted: {why}", letter.0);
        let refused = world.under(Duty::Outbox, Change::LetterRefused { letter, reason });
        world.journal.write(refused).await?;
    }
    if world.state.troubled_before(Timestamp::MAX).contains(&Thing::Webhook) {
        report::over(world, &Thing::Webhook, why).await;
    }
    Ok(())
}
