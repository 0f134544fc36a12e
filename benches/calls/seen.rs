//! What the sandbox's log says: how many requests of which kind, and how close together they came.

use std::time::Duration;

use halo_intake::sandbox::LoggedRequest;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    SignIn,
    Search,
    Listing,
    SiteDetail,
    OtherDetail,
    Create,
}

pub const KINDS: [(Kind, &str); 6] = [
    (Kind::SignIn, "sign-in"),
    (Kind::Search, "searches"),
    (Kind::Listing, "pages of listings"),
    (Kind::SiteDetail, "details of sites"),
    (Kind::OtherDetail, "details of clients and users"),
    (Kind::Create, "creates"),
];

/// The kind of a request.
pub fn kind(request: &LoggedRequest) -> Kind {
    let path = request.path.to_lowercase();
    let has_id = path.rsplit('/').next().is_some_and(|last| last.parse::<i64>().is_ok());
    let searches = request
        .query
        .iter()
        .any(|(name, value)| name == "search" && !value.is_empty());
    match (request.method.as_str(), path.as_str()) {
        (_, "/auth/token" | "/api/authinfo") => Kind::SignIn,
        ("POST", _) => Kind::Create,
        _ if has_id && path.starts_with("/api/site/") => Kind::SiteDetail,
        _ if has_id => Kind::OtherDetail,
        _ if searches => Kind::Search,
        _ => Kind::Listing,
    }
}

/// When the requests came, oldest first, in seconds since the first.
pub fn times(requests: &[LoggedRequest]) -> Vec<f64> {
    let mut times: Vec<_> = requests.iter().map(|request| request.at).collect();
    times.sort_unstable();
    let since = |at: &jiff::Timestamp| at.duration_since(times[0]).as_secs_f64();
    times.iter().map(since).collect()
}

/// The most requests within any such time.
pub fn most_within(times: &[f64], period: Duration) -> usize {
    let within = |first: usize| times[first..].partition_point(|time| time - times[first] < period.as_secs_f64());
    (0..times.len()).map(within).max().unwrap_or(0)
}

/// Which part of what a rate allows was used: each request, and the one that took its slot again.
pub fn share(times: &[f64], count: usize, period: Duration) -> f64 {
    let cycles = times
        .iter()
        .zip(times.iter().skip(count))
        .map(|(first, again)| again - first);
    let cycles: Vec<f64> = cycles.collect();
    let all: f64 = cycles.iter().sum();
    if cycles.is_empty() {
        return 0.0;
    }
    period.as_secs_f64() * cycles.len() as f64 / all
}
