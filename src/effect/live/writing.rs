//! A write to the world, kept in the journal before and after.

use serde_json::Value;

use super::{Live, later, value};
use crate::{
    action::StepError,
    effect::{Asking, Effect},
    journal::{Change, CreationKey, Intent, Notice, Receipt},
};

/// One effect being performed.
pub(super) struct Writing<'a> {
    pub(super) live: &'a Live,
    pub(super) effect: &'a Effect,
    pub(super) asking: Asking<'a>,
}

impl Writing<'_> {
    /// Something that operators shall hear of.
    pub(super) fn notice(&self, topic: String, text: String) -> Notice {
        Notice {
            entry: self.asking.claim.map(|claim| claim.entry),
            topic,
            text,
            at: self.live.clock.now(),
        }
    }

    pub(super) async fn intend(&self, creation: Option<CreationKey>) -> Result<Receipt, StepError> {
        let Some(claim) = self.asking.claim else {
            return Ok(Receipt::Done);
        };
        let begun = self.live.clock.now();
        let intent = Intent {
            step: self.asking.step.to_owned(),
            effect: value(self.effect),
            answer: None,
            begun,
        };
        self.write(Change::Intended {
            claim,
            intent,
            creation,
        })
        .await
    }

    pub(super) async fn answered(&self, answer: Value, creation: Option<CreationKey>) -> Result<(), StepError> {
        let Some(claim) = self.asking.claim else { return Ok(()) };
        let step = self.asking.step.to_owned();
        self.write(Change::Answered {
            claim,
            step,
            answer,
            creation,
        })
        .await
        .map(drop)
    }

    pub(super) async fn write(&self, change: Change) -> Result<Receipt, StepError> {
        match self.live.journal.write(change).await.map_err(later)? {
            Receipt::Stale => Err(self.taken_over()),
            receipt => Ok(receipt),
        }
    }

    pub(super) fn taken_over(&self) -> StepError {
        StepError::Later {
            reason: "the message was taken over".to_owned(),
            not_before: None,
        }
    }
}
