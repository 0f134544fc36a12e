//! Requests to servers that an operator names: a write passes the journal before and after, and is repeated with the
//! same key where nobody knows what came of it.

use std::time::Duration;

use serde_json::Value;

use super::{FIRST_WAIT, TRIES_AT_ONCE, Writing, value};
use crate::{
    action::StepError,
    class::Class,
    effect::Answer,
    web::{Reply, Request, WebError},
};

/// No server keeps a message waiting for longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

impl Writing<'_> {
    pub(super) async fn request(&self, request: &Request) -> Result<Answer, StepError> {
        if request.writes() {
            self.intend(None).await?;
            // Another node may have it by now.
            if !self.live.journal.holds() {
                return Err(self.taken_over());
            }
        }
        let answered = self.asked_at_once(request).await;
        if request.writes() {
            match &answered {
                Ok(reply) => self.answered(value(reply), None).await?,
                Err(error) if error.class() == Class::Permanent => self.answered(Value::Null, None).await?,
                // Nobody knows what came of it, so it stays without an answer.
                Err(_) => {}
            }
        }
        let reply = answered.map_err(|error| self.step_error(&error))?;
        Ok(Answer {
            value: value(&reply).into(),
            assumed: None,
        })
    }

    /// A few times at once where the trouble may pass.
    async fn asked_at_once(&self, request: &Request) -> Result<Reply, WebError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES_AT_ONCE {
            match self.live.web.send(request, self.asking.calls).await {
                Err(error) if error.may_pass_at_once() => tokio::time::sleep(wait).await,
                answered => return answered,
            }
            wait *= 2;
        }
        self.live.web.send(request, self.asking.calls).await
    }

    fn step_error(&self, error: &WebError) -> StepError {
        let reason = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        if error.class() == Class::Permanent {
            return StepError::Failed { reason };
        }
        let wait = error.retry_after().map(|wait| wait.min(LONGEST_WAIT));
        StepError::Later {
            reason,
            not_before: wait.map(|wait| self.live.clock.now() + wait),
        }
    }
}
