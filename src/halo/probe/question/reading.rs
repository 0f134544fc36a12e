//! What is answered by reading alone: tickets, sites, and a sign-in that is refused.

use std::collections::BTreeSet;

use super::{Told, either, heard, listed, open, word};
use crate::halo::{
    findings::Answer,
    probe::{ask::Ask, scene::Scene},
};

pub(super) fn rows_show_message_id(scene: &Scene) -> Told {
    let what = ("GET /Tickets", "tickets");
    either(
        listed(scene, Ask::AnyTicket, what).map(|listing| match listing.rows.first() {
            None => open("there is no ticket whose row could show it"),
            Some(row) if row.get("email_message_id").is_some() => (Answer::Truth(true), "a row shows it".to_owned()),
            Some(_) => (Answer::Truth(false), "a row does not show it".to_owned()),
        }),
    )
}

pub(super) fn third_party_id_filter(scene: &Scene) -> Told {
    let any = listed(scene, Ask::AnyTicket, ("GET /Tickets", "tickets"));
    let told = any.and_then(|any| {
        let what = ("GET /Tickets?third_party_id_string=", "tickets");
        Ok((any.rows.len(), listed(scene, Ask::NoTicket, what)?.rows.len()))
    });
    either(told.map(|(any, of_key)| match (any, of_key) {
        (_, 1..) => (
            Answer::Truth(false),
            "a key that no ticket has gives one all the same".to_owned(),
        ),
        (0, 0) => open("there is no ticket, with a key or without one"),
        (_, 0) => (Answer::Truth(true), "a key that no ticket has gives none".to_owned()),
    }))
}

pub(super) fn emaildomain_separator(scene: &Scene) -> Told {
    let several: Vec<_> = scene
        .domains
        .iter()
        .map(|domains| separators(domains))
        .filter(|found| !found.is_empty())
        .collect();
    let of = scene.domains.len();
    if several.is_empty() {
        return open(format!("of {of} sites that show it none has several domains"));
    }
    let kinds: BTreeSet<&str> = several.iter().flatten().copied().collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
    let evidence = format!("of {of} sites that show it {} have several domains", several.len());
    word(&kinds, evidence)
}

/// The kinds of what stands between the domains of one site.
fn separators(domains: &str) -> BTreeSet<&'static str> {
    let is_of_domain = |c: char| c.is_alphanumeric() || ".-_@*".contains(c);
    let within = domains.trim_matches(|c| !is_of_domain(c));
    let between = within.split(is_of_domain).filter(|between| !between.is_empty());
    between
        .map(|between| match between.trim() {
            "" if between.contains('\n') => "line end",
            "" => "blank",
            "," => "comma",
            ";" => "semicolon",
            _ => "other",
        })
        .collect()
}

pub(super) fn invalid_client_status(scene: &Scene) -> Told {
    either(heard(scene, Ask::Stranger).map(|reply| {
        let evidence = format!("a sign-in of an application that nobody has {}", reply.ending());
        match reply.http_status {
            400 | 401 if reply.body.get("error").is_some() => (Answer::Count(reply.http_status.into()), evidence),
            _ => open(evidence),
        }
    }))
}
