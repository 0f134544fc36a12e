//! The summary of each day, once: also across restarts, late where nobody ran at its time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{leave, letter};
use crate::{
    config::{MailboxName, SummaryTime},
    generation::Generation,
    journal::{Change, JournalError, Letter, Report, Way},
    outcome::report::{Summary, Troubled},
    pipeline::World,
};

/// The summary that was made last by a way.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    /// For which time it was.
    due: Timestamp,
    /// When it was made.
    at: Timestamp,
    /// How often each rule had matched until then.
    rules: BTreeMap<String, u64>,
}

/// A summary that was made so soon after its time is of that time.
const ON_TIME: SignedDuration = SignedDuration::from_mins(5);

impl Made {
    /// Since when rules are counted from this one to another, where that is not the day from `from` until then.
    fn counts_since(&self, from: Timestamp, next: &Made) -> Option<Timestamp> {
        let is_on_time = |due: Timestamp, at: Timestamp| at.duration_since(due).abs() <= ON_TIME;
        let is_the_day = is_on_time(from, self.at) && is_on_time(next.due, next.at);
        (!is_the_day).then_some(self.at)
    }
}

/// Makes the one that is due. The first time is remembered alone: nobody waited for a summary then.
pub(super) async fn pass(world: &World, generation: &Generation, ways: &[Way]) -> Result<(), JournalError> {
    let Some(time) = &generation.config.report.summary else {
        return Ok(());
    };
    let due = last(time, world.clock.now());
    for way in ways {
        let name = format!("report summary {}", way.word());
        let kept = world.journal.kept(&name).await?;
        let before: Option<Made> = kept.and_then(|value| serde_json::from_value(value).ok());
        if before.as_ref().is_some_and(|before| before.due >= due) || world.journal.report_waits(*way).await? {
            continue;
        }
        let counts = world.journal.rule_counts().await?.into_iter();
        let rules = counts.map(|(rule, count)| (rule, count.matched)).collect();
        let made = Made {
            due,
            at: world.clock.now(),
            rules,
        };
        let value = json!(made);
        let Some(before) = before else {
            world.journal.write(Change::Kept { name, value }).await?;
            continue;
        };
        let letter = sum_up(world, generation, *way, time, (&before, &made)).await?;
        let report = Report {
            way: *way,
            letter,
            upto: 0,
            alone: false,
            name,
            value,
        };
        leave(world, report).await?;
    }
    Ok(())
}

async fn sum_up(
    world: &World,
    generation: &Generation,
    way: Way,
    time: &SummaryTime,
    (before, made): (&Made, &Made),
) -> Result<Letter, JournalError> {
    let due = made.due;
    // A second before: the last time before that is the day before, however long the day was.
    let from = last(time, due - SignedDuration::from_secs(1));
    let day = world.journal.day(from, due).await?;
    let until_then = |rule: &str| before.rules.get(rule).copied().unwrap_or_default();
    let rules = made.rules.iter().map(|(rule, matched)| {
        let more = matched.saturating_sub(until_then(rule));
        (rule.clone(), more)
    });
    let rules = rules.filter(|(_, more)| *more > 0);
    let spans = world.state.spans(from, due).into_iter();
    let troubled = spans.map(|span| Troubled {
        thing: span.thing.to_string(),
        since: span.since,
        until: span.until,
    });
    let enabled = generation
        .config
        .mailboxes
        .iter()
        .filter(|(_, mailbox)| mailbox.enabled);
    let flights = world.canary.all().into_iter();
    let summary = Summary {
        from,
        until: due,
        timezone: &time.timezone,
        day: &day,
        watched: &enabled.map(|(name, _)| name.clone()).collect::<Vec<MailboxName>>(),
        canaries: &flights.map(|(mailbox, flight)| (mailbox, flight.round_trip)).collect(),
        troubles: &troubled.collect::<Vec<_>>(),
        troubles_since: Some(world.began).filter(|began| *began > from),
        rules: &rules.collect(),
        rules_since: before.counts_since(from, made),
        hostname: &world.hostname,
    };
    Ok(letter(
        world,
        generation,
        way,
        &summary,
        "summary".to_owned(),
        world.clock.now(),
    ))
}

/// The last time at which a summary was due. An hour that the clock leaves out is the one after it, of one that comes
/// twice it is the first.
fn last(time: &SummaryTime, now: Timestamp) -> Timestamp {
    let today = time.timezone.to_datetime(now).date();
    let on = |date: jiff::civil::Date| time.timezone.to_timestamp(date.to_datetime(time.at));
    let candidates = [Ok(today), today.yesterday()];
    let days = candidates.into_iter().flatten().map(on);
    days.flatten().filter(|due| *due <= now).max().unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(at: &str, timezone: &str, now: &str, due: &str) {
        let time = SummaryTime {
            at: at.parse().unwrap(),
            timezone: jiff::tz::TimeZone::get(timezone).unwrap(),
        };
        assert_eq!(
            last(&time, now.parse().unwrap()).to_string(),
            due,
            "{at} {timezone} {now}"
        );
    }

    #[test]
    fn a_summary_is_due_at_the_time_of_its_zone() {
        check("07:30", "UTC", "2026-11-23T07:29:59Z", "2026-11-22T07:30:00Z");
        check("07:30", "UTC", "2026-11-23T07:30:00Z", "2026-11-23T07:30:00Z");
        check("07:30", "Europe/Berlin", "2026-11-23T06:30:00Z", "2026-11-23T06:30:00Z");
        check("07:30", "Europe/Berlin", "2026-07-23T06:30:00Z", "2026-07-23T05:30:00Z");
        check(
            "23:00",
            "America/Los_Angeles",
            "2026-11-23T06:59:00Z",
            "2026-11-22T07:00:00Z",
        );
        check(
            "00:00",
            "Pacific/Auckland",
            "2026-11-23T12:00:00Z",
            "2026-11-23T11:00:00Z",
        );
    }

    #[test]
    fn days_of_23_and_of_25_hours_have_one_summary_each() {
        // On 2026-03-29 the clock in Berlin leaves the hour after 2 out; on 2026-10-25 it has that hour twice.
        check("02:30", "Europe/Berlin", "2026-03-29T00:59:00Z", "2026-03-28T01:30:00Z");
        check("02:30", "Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z");
        check("02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z");
        check("02:30", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z");
        check("02:30", "Europe/Berlin", "2026-10-26T01:29:00Z", "2026-10-25T00:30:00Z");
        check("02:30", "Europe/Berlin", "2026-10-26T01:30:00Z", "2026-10-26T01:30:00Z");
    }
}
