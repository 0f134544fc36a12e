//! When a client secret ends, as its operator noted: what is said of it, and when.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::config::OAuthConfig;

/// So many days ahead operators hear of it, and once more when it is over.
const AHEAD: [i64; 3] = [30, 7, 1];

/// The end of a client secret, seen from today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The application that the secret belongs to.
    pub client_id: String,
    /// The last day.
    pub on: Date,
    /// Whole days until then; negative when it is over.
    pub days: i64,
}

impl Expiry {
    /// Of a login whose operator noted it. Dates are those of UTC.
    pub fn of(config: &OAuthConfig, now: Timestamp) -> Option<Expiry> {
        let on = config.client_secret_expires?;
        let today = now.to_zoned_datetime(TimeZone::UTC).date();
        Some(Expiry {
            client_id: config.client_id.clone(),
            on,
            days: on.duration_since(today).as_secs() / 86_400,
        })
    }

    /// Which of the warnings it is time for: the days that it was set for, -1 when the secret is over.
    pub fn warning(&self) -> Option<i64> {
        if self.days < 0 {
            return Some(-1);
        }
        AHEAD.into_iter().rev().find(|ahead| self.days <= *ahead)
    }

    /// For people.
    pub fn sentence(&self) -> String {
        let Expiry { client_id, on, days } = self;
        match days {
            ..0 => format!(
                "the client secret of {client_id} expired on {on}; make a new one, set client_secret and client_secret_expires"
            ),
            0 => format!("the client secret of {client_id} expires today ({on})"),
            1 => format!("the client secret of {client_id} expires tomorrow ({on})"),
            days => format!("the client secret of {client_id} expires in {days} days ({on})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{
        config::{Grant, Provider},
        oauth::tests::config,
    };

    #[test]
    fn an_end_is_told_thirty_seven_and_one_days_ahead_and_when_it_is_over() {
        let secret = OAuthConfig {
            client_secret_expires: Some(date(2027, 5, 31)),
            ..config(Provider::Microsoft, Grant::ClientCredentials)
        };
        for (today, days, warning) in [
            ("2027-04-30T23:59:00Z", 31, None),
            ("2027-05-01T00:00:00Z", 30, Some(30)),
            ("2027-05-23T12:00:00Z", 8, Some(30)),
            ("2027-05-24T12:00:00Z", 7, Some(7)),
            ("2027-05-30T12:00:00Z", 1, Some(1)),
            ("2027-05-31T23:59:00Z", 0, Some(1)),
            ("2027-06-01T00:00:00Z", -1, Some(-1)),
        ] {
            let expiry = Expiry::of(&secret, today.parse().unwrap()).unwrap();
            assert_eq!((expiry.days, expiry.warning()), (days, warning), "{today}");
        }
        let unknown = config(Provider::Microsoft, Grant::ClientCredentials);
        assert_eq!(Expiry::of(&unknown, Timestamp::UNIX_EPOCH), None);
    }
}
