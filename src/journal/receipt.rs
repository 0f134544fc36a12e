//! What the journal says to a change.

use jiff::Timestamp;
use serde_json::Value;

use super::{Claim, EntryId, Standing, pace::Allowed};

/// What the journal says to a change. It is on disk when the answer comes.
#[derive(Debug, Clone)]
pub enum Receipt {
    /// It is so.
    Done,
    /// `Ended`: the message has its outcome when the SMTP server has taken its bounce.
    Bouncing,
    /// The message is new, received then. With a claim when one was asked for and nothing earlier holds it back.
    New(EntryId, Timestamp, Option<Claim>),
    /// It was received before, at this place.
    Known(EntryId),
    /// UIDVALIDITY changed and this is that message: its place was brought up to date.
    Moved(EntryId),
    /// It is a copy, and ended so.
    Duplicate {
        /// The copy.
        entry: EntryId,
        /// The message that it is a copy of.
        of: EntryId,
    },
    /// The claim is no longer held, or what was to be changed is not in the state for it; nothing was changed.
    Stale,
    /// `Intended`: what was known of the creation until now; nothing where there was none.
    Intent {
        /// When the newest earlier request for the same thing was begun that has had no answer: look first, afresh.
        open_since: Option<Timestamp>,
        /// When an earlier creation was answered, and its answer.
        answered: Option<Timestamp>,
        created: Option<Value>,
    },
    /// `Paced`: what it may send until it tells again.
    Allowed(Allowed),
    /// `Intended`: a message in hand at another node has begun the creation and has no answer yet; nothing was changed.
    UnderWay,
    /// `Folded`, where the message asks: where it stands among those of its kind.
    Stands(Standing),
    /// `Ended` with a bounce that may not leave, being beyond its limit or perhaps a second one: the message ended
    /// `failed` instead, for this reason, and operators hear of it. `Posted` beyond its limit: nothing leaves.
    Suppressed(String),
}
