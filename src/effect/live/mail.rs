//! Mails of steps: into the outbox, each once.

use super::{Writing, later};
use crate::{
    action::StepError,
    effect::{Answer, NewMail},
    journal::{Change, Receipt, Way},
    metrics::Metric,
};

impl Writing<'_> {
    /// From then on it leaves, whatever becomes of the message.
    pub(super) async fn post(&self, mail: &NewMail) -> Result<Answer, StepError> {
        let Some(claim) = self.asking.claim else {
            return Ok(Answer::default());
        };
        let now = self.live.clock.now();
        let post = self.asking.enclosed.post(mail, now);
        let post = Box::new(post.ok_or_else(|| StepError::failed(crate::action::send_email::too_long()))?);
        match self
            .live
            .journal
            .write(Change::Posted { claim, post })
            .await
            .map_err(later)?
        {
            Receipt::Suppressed(reason) => {
                let meters = &self.live.halos.meters;
                meters.add(Metric::Letters, &[Way::Mail.word(), "suppressed"], 1);
                Err(StepError::Failed { reason })
            }
            Receipt::Stale => Err(self.taken_over()),
            _ => {
                self.live.posted.notify_one();
                Ok(Answer::default())
            }
        }
    }
}
