//! What lies in a mailbox at its first look, and what that means.

use serde_json::json;

use super::{ReceiveError, Watched, uid};
use crate::{
    config::Backlog,
    count::counted,
    journal::Change,
    mailbox::{Listed, Selected},
};

/// With more than this at the first start an operator has to say what the backlog means.
const LARGEST_UNASKED: u32 = 500;

impl Watched {
    /// What counts as backlog, to be noted and not processed. It is decided at the first look, and holds for those of
    /// it that come late.
    pub(super) async fn backlog(&self, is_first: bool, selected: Selected) -> Result<Option<Skipping>, ReceiveError> {
        match self.config.backlog {
            Some(Backlog::Skip) => {}
            None if is_first && selected.exists > LARGEST_UNASKED => {
                return Err(ReceiveError::Backlog {
                    mailbox: self.name.clone(),
                    count: selected.exists,
                });
            }
            _ => return Ok(None),
        }
        if let Some(skipping) = self.kept_skipping(selected).await? {
            return Ok(Some(skipping));
        }
        if !is_first {
            return Ok(None);
        }
        let skipping = self.keep_skipping(selected).await?;
        tracing::info!(
            mailbox = self.name.0,
            messages = selected.exists,
            "mailbox {}: the backlog of {} is skipped",
            self.name,
            counted(selected.exists, "message")
        );
        Ok(Some(skipping))
    }

    async fn kept_skipping(&self, selected: Selected) -> Result<Option<Skipping>, ReceiveError> {
        let known = self.world.journal.kept(&self.skipping_name(selected)).await?;
        Ok(known.and_then(|value| serde_json::from_value(value).ok()))
    }

    /// Keeps that what lies there now is backlog. Before the first message is noted: mail that comes while that is
    /// interrupted is none.
    pub(super) async fn keep_skipping(&self, selected: Selected) -> Result<Skipping, ReceiveError> {
        if let Some(skipping) = self.kept_skipping(selected).await? {
            return Ok(skipping);
        }
        let skipping = Skipping {
            below_uid: selected.uid_next,
            before: self.world.clock.now(),
        };
        let (name, value) = (self.skipping_name(selected), json!(skipping));
        self.world.journal.write(Change::Kept { name, value }).await?;
        Ok(skipping)
    }

    fn skipping_name(&self, selected: Selected) -> String {
        format!("backlog {} {} {}", self.name, self.folder(), selected.validity)
    }
}

/// What counts as backlog: by UID, or in a Maildir by the time of its delivery.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Skipping {
    below_uid: u32,
    before: jiff::Timestamp,
}

impl Skipping {
    /// Mail that comes while the first look is not over, because it was broken off, is no backlog.
    pub(super) fn covers(&self, listed: &Listed) -> bool {
        match uid(&listed.spot) {
            Some(uid) => self.below_uid == 0 || uid < self.below_uid,
            None => listed.arrived.is_none_or(|arrived| arrived < self.before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Spot;

    #[test]
    fn mail_that_was_delivered_after_the_first_look_is_no_backlog() {
        let at = |second| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
        let skipping = Skipping {
            below_uid: 7,
            before: at(0),
        };
        let check = |spot: Spot, arrived: i64, expected: bool| {
            let arrived = Some(at(arrived)).filter(|_| matches!(spot, Spot::File { .. }));
            let listed = Listed { spot, size: 1, arrived };
            assert_eq!(skipping.covers(&listed), expected, "{listed:?}");
        };
        check(Spot::Uid { validity: 1, uid: 6 }, 0, true);
        check(Spot::Uid { validity: 1, uid: 7 }, 0, false);
        check(Spot::File { name: "1.a".into() }, -1, true);
        check(Spot::File { name: "2.a".into() }, 1, false);
    }
}
