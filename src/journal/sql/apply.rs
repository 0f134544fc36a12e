//! From a change to what the writer does about it.

use serde_json::Value;

use super::{
    database::Fault,
    end::{self, Account, Deferral},
    fold, intent, joined,
    outbox::{self, Wait},
    pace,
    pack::Packed,
    receive, trim,
    value::{json, values},
    writer::Hand,
};
use crate::journal::{Change, Receipt};

/// Does what a change says, within the transaction that `hand` holds.
pub(super) fn apply(hand: &Hand<'_>, packed: &Packed) -> Result<Receipt, Fault> {
    if let Some(lease) = &packed.lease
        && !hand.rights.holds(hand.db, lease)?
    {
        return Ok(Receipt::Stale);
    }
    if let Some((name, kept)) = &packed.kept
        && super::read::kept(hand.db, name)?.unwrap_or_default() != *kept
    {
        return Ok(Receipt::Stale);
    }
    match &packed.change {
        Change::Received(received) => receive::received(hand, received, &packed.chunk),
        Change::Positioned {
            mailbox,
            folder,
            validity,
            next_uid,
        } => receive::positioned(hand, &mailbox.0, folder, *validity, *next_uid),
        Change::Intended {
            claim,
            intent,
            creation,
        } => intent::intended(hand, *claim, intent, creation.as_ref()),
        Change::Answered {
            claim,
            step,
            answer,
            creation,
        } => intent::answered(hand, *claim, step, answer, creation.as_ref()),
        Change::Deferred {
            claim,
            due,
            reason,
            counts,
            waits_for,
            waited,
            run,
            notices,
            calls,
            trace: _,
        } => {
            let deferral = Deferral {
                due: *due,
                reason,
                counts: *counts,
                waits_for: waits_for.as_deref(),
                waited: *waited,
                run,
                notices,
            };
            let account = Account {
                trace: &packed.trace,
                calls: *calls,
            };
            end::deferred(hand, *claim, &deferral, &account)
        }
        Change::Released { claim } => end::released(hand, *claim),
        Change::Ended { claim, ended } => {
            let account = Account {
                trace: &packed.trace,
                calls: ended.calls,
            };
            end::ended(hand, *claim, ended, &account, &packed.letter)
        }
        Change::Settled {
            entry,
            attempts,
            settled,
        } => end::settled(hand, *entry, *attempts, settled),
        Change::SettleDeferred {
            entry,
            attempts,
            due,
            reason,
        } => end::settle_deferred(hand, (*entry, *attempts), *due, reason),
        Change::Posted { claim, post } => outbox::posted(hand, *claim, post, &packed.letter),
        Change::LetterTaken { letter } => outbox::taken(hand, *letter),
        Change::LetterRefused { letter, reason } => outbox::refused(hand, *letter, reason),
        Change::LetterUnanswered { letter, reason } => outbox::unanswered(hand, *letter, reason),
        Change::LetterOutdated { letter, reason } => outbox::outdated(hand, *letter, reason),
        Change::LetterDeferred {
            letter,
            due,
            reason,
            unanswered,
            counts,
            waited,
        } => {
            let wait = Wait {
                due: *due,
                reason,
                unanswered: *unanswered,
                counts: *counts,
                waited: *waited,
            };
            outbox::deferred(hand, *letter, &wait)
        }
        Change::Noticed(notice) => {
            outbox::notice(hand, notice)?;
            Ok(Receipt::Done)
        }
        Change::Reported(report) => {
            outbox::reported(hand, report, &packed.letter)?;
            keep(hand, &report.name, &report.value)
        }
        Change::Told { notice, name, value } => {
            outbox::notice(hand, notice)?;
            keep(hand, name, value)
        }
        Change::Paced(paced) => pace::paced(hand, paced),
        Change::Kept { name, value } => keep(hand, name, value),
        Change::Joined(joined) => joined::keep(hand, joined),
        Change::Folded {
            claim,
            connection,
            folding,
        } => fold::fold(hand, *claim, connection, folding),
        // One slice of it, as below.
        Change::Woken { waits_for } => {
            end::wake_slice(hand, waits_for)?;
            Ok(Receipt::Done)
        }
        Change::Reopened { entry } => end::reopened(hand, *entry),
        // It was taken out of there.
        Change::Under { .. } | Change::Where { .. } => Err(Fault::Refused("a condition of a condition".to_owned())),
        // One slice of it: `write` asks for more until there is none.
        Change::Trimmed {
            octets_before,
            rows_before,
        } => {
            trim::slice(hand, *octets_before, *rows_before)?;
            Ok(Receipt::Done)
        }
    }
}

fn keep(hand: &Hand<'_>, name: &str, value: &Value) -> Result<Receipt, Fault> {
    if value.is_null() {
        hand.db.tell("DELETE FROM kept WHERE name = ?1", values![name])?;
    } else {
        hand.db.tell(
            "INSERT INTO kept (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            values![name, json(value)?],
        )?;
    }
    Ok(Receipt::Done)
}
