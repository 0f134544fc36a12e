//! What an answer of Halo's API means: the value, or the error that says what to do.
//!
//! A gateway, a proxy or a wrong URL answers too, and what it says is nothing that a message is to blame for. Halo
//! itself speaks JSON or says nothing, so a page with a status of 4xx is somebody else's.

use serde_json::Value;

use super::{
    answer,
    api::{Api, Request},
    client::HaloError,
    fault::Permission,
    http::Answer,
    token::shown,
};
use crate::foreign::cut;

/// What a status with such a body means for such a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Success,
    /// Halo says no to this request.
    No,
    /// Come again.
    NotNow,
    Denied,
    /// Halo's API isn't there, or somebody else answers in its place.
    NotHalo,
}

/// Whether Halo says that there is no record of that id.
pub(super) fn is_no_record(request: &Request, answer: &Answer) -> bool {
    answer.http_status == 404 && request.is_of_record() && is_halos(&answer.body)
}

/// Halo speaks JSON, or says nothing.
pub(super) fn is_halos(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn verdict(request: &Request, answer: &Answer) -> Verdict {
    match answer.http_status {
        200..=299 => Verdict::Success,
        // 407: a proxy wants a sign-in of its own.
        300..=399 | 405 | 407 => Verdict::NotHalo,
        404 if request.names_record() && is_halos(&answer.body) => Verdict::No,
        404 if !request.is_of_record() => Verdict::NotHalo,
        // 408: the server gave up waiting for what we sent, or so it says. 423, 425: locked, too early.
        408 | 409 | 423 | 425 | 500.. => Verdict::NotNow,
        // What we sent is too long, whoever says so.
        413 | 414 | 431 => Verdict::No,
        _ if !is_halos(&answer.body) => Verdict::NotHalo,
        401 | 403 => Verdict::Denied,
        _ => Verdict::No,
    }
}

impl Api {
    /// The value of a success; everything else as the error that says what to do.
    pub(super) fn classed(&self, request: &Request, answer: Answer) -> Result<Value, HaloError> {
        let said = || answer::sentence(answer.http_status, &answer.body);
        match verdict(request, &answer) {
            Verdict::Success => serde_json::from_slice(&answer.body).map_err(|_| unusable(request, no_json(&answer))),
            Verdict::No => Err(HaloError::Refused {
                method: request.method().to_owned(),
                path: request.path().to_owned(),
                status: answer.http_status,
                reason: said(),
            }),
            Verdict::NotNow => Err(unusable(request, with_status(answer.http_status, &said()))),
            Verdict::Denied => Err(self.denied(request, answer.http_status, &said())),
            Verdict::NotHalo => Err(HaloError::Unreachable {
                url: shown(&self.base),
                reason: not_halo(request, &answer, &said()),
            }),
        }
    }

    fn denied(&self, request: &Request, http_status: u16, said: &str) -> HaloError {
        let (method, path) = (request.method(), request.path());
        HaloError::Forbidden {
            connection: self.connection.clone(),
            permission: Permission::of(path, request.is_write()),
            reason: format!("{method} {path} is answered with {http_status}: {said}"),
            remedy: format!(
                "give the API application the permission {}, and the agent it signs in as the rights to match",
                permission(path, request.is_write())
            ),
        }
    }
}

/// An answer that can't be used. After a write nobody knows whether it was done.
pub(super) fn unusable(request: &Request, reason: String) -> HaloError {
    HaloError::NoAnswer {
        method: request.method().to_owned(),
        path: request.path().to_owned(),
        reason,
        uncertain: request.is_write(),
    }
}

/// A success that doesn't hold what it should: Halo may say in it why.
pub(super) fn without(request: &Request, what: &str, value: &Value) -> HaloError {
    let said = answer::sentence(200, value.to_string().as_bytes());
    unusable(request, format!("it holds no {what}: {}", cut(&said, 100)))
}

/// Halo's name for what an application needs; users and sites fall under customers, actions and files under tickets.
fn permission(path: &str, is_write: bool) -> String {
    let verb = if is_write { "edit" } else { "read" };
    let resource = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match resource.as_str() {
        "users" | "client" | "site" => format!("{verb}:customers"),
        "tickets" | "actions" | "attachment" => format!("{verb}:tickets"),
        other => format!("to {verb} {other}"),
    }
}

fn with_status(http_status: u16, said: &str) -> String {
    let status = http_status.to_string();
    if said.starts_with(&status) {
        said.to_owned()
    } else {
        format!("{status}: {said}")
    }
}

fn no_json(answer: &Answer) -> String {
    if answer.body.is_empty() {
        return format!("{} with an empty body", answer.http_status);
    }
    let text = answer::sentence(answer.http_status, &answer.body);
    format!(
        "{} with a body that is no JSON: {}",
        answer.http_status,
        cut(&text, 100)
    )
}

fn not_halo(request: &Request, answer: &Answer, said: &str) -> String {
    if (300..400).contains(&answer.http_status) {
        return redirect(answer);
    }
    let (method, path) = (request.method(), request.path());
    let said = with_status(answer.http_status, &cut(said, 100));
    let remedy = match answer.http_status {
        407 => "a proxy wants a sign-in: let it pass this machine, or reach Halo without it",
        404 | 405 => "set url to where the API is, or mend what stands before it",
        _ => "what stands before Halo refuses it: a proxy, a firewall or a gateway",
    };
    format!("{method} {path} is answered with {said}; {remedy}")
}

fn redirect(answer: &Answer) -> String {
    let leads = answer
        .location
        .as_deref()
        .map(|to| format!(" to {}", cut(to, 200)))
        .unwrap_or_default();
    format!(
        "it answers {} and leads{leads} elsewhere; set url to where the API is",
        answer.http_status
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;

    fn api() -> Api {
        super::super::client::tests::unconnected().into_api()
    }

    fn answer(http_status: u16, body: &str) -> Answer {
        Answer {
            http_status,
            retry_after: None,
            location: None,
            body: body.into(),
        }
    }

    fn list() -> Request {
        Request::get("/Users")
    }

    fn record() -> Request {
        Request::get("/Client/12")
    }

    fn write() -> Request {
        Request::post(crate::crash::Step::CreateUser, "/Users", Value::Null)
    }

    const EMPTY: &str = "";
    const JSON: &str = r#"{"Message":"no"}"#;
    const PAGE: &str = "<html><h1>Gateway</h1></html>";
    const SHAPES: [&str; 3] = [EMPTY, JSON, PAGE];

    /// A letter for what becomes of each: `v`alue, for `g`ood, for `n`ow, for now and `u`ncertain, `p`ermission, the
    /// `c`onnection, and `-` for a record that is not there.
    fn letter(request: &Request, http_status: u16, body: &str) -> char {
        let answer = answer(http_status, body);
        if is_no_record(request, &answer) {
            return '-';
        }
        let error = match api().classed(request, answer) {
            Ok(_) => return 'v',
            Err(error) => error,
        };
        assert_eq!(
            error.is_of_connection(),
            matches!(error, HaloError::Forbidden { .. } | HaloError::Unreachable { .. }),
            "{error}"
        );
        match error {
            HaloError::Refused { .. } => 'g',
            HaloError::NoAnswer { uncertain: false, .. } => 'n',
            HaloError::NoAnswer { uncertain: true, .. } => 'u',
            HaloError::Forbidden { .. } => 'p',
            HaloError::Unreachable { .. } => 'c',
            other => unreachable!("no answer gives {other:?}"),
        }
    }

    #[test]
    fn each_status_with_each_body_of_each_request_has_its_class() {
        // For each request what an empty body, JSON and a page mean.
        for (statuses, of_list, of_record, of_write) in [
            (&[200, 201][..], "nvn", "nvn", "uvu"),
            (&[204], "nvn", "nvn", "uvu"),
            (&[301, 302, 307, 308], "ccc", "ccc", "ccc"),
            (&[400, 402, 406, 410, 415, 422], "ggc", "ggc", "ggc"),
            (&[401, 403], "ppc", "ppc", "ppc"),
            (&[404], "ccc", "--c", "ccc"),
            (&[405, 407], "ccc", "ccc", "ccc"),
            (&[408, 409, 423, 425], "nnn", "nnn", "uuu"),
            (&[413, 414, 431], "ggg", "ggg", "ggg"),
            (&[500, 501, 502, 503, 504, 599], "nnn", "nnn", "uuu"),
        ] {
            for status in statuses {
                for (request, expected) in [(list(), of_list), (record(), of_record), (write(), of_write)] {
                    let letters: String = SHAPES.iter().map(|body| letter(&request, *status, body)).collect();
                    assert_eq!(
                        letters,
                        expected,
                        "{} {} with {status}",
                        request.method(),
                        request.path()
                    );
                }
            }
        }
    }

    #[test]
    fn each_class_has_its_sentence() {
        let no = r#"{"name":["is needed"]}"#;
        for (request, status, body, expected) in [
            (
                list(),
                200,
                PAGE,
                "GET /Users has no usable answer from Halo: 200 with a body that is no JSON: Gateway",
            ),
            (
                write(),
                204,
                EMPTY,
                "POST /Users has no usable answer from Halo: 204 with an empty body",
            ),
            (
                list(),
                302,
                EMPTY,
                "Halo can not be reached at https://halo.example: it answers 302 and leads elsewhere; set url to where the API is",
            ),
            (write(), 400, no, "Halo answers POST /Users with 400: name: is needed"),
            (
                write(),
                400,
                PAGE,
                "Halo can not be reached at https://halo.example: POST /Users is answered with 400: Gateway; what stands before Halo refuses it: a proxy, a firewall or a gateway",
            ),
            (
                list(),
                403,
                EMPTY,
                "Halo refuses the connection main: GET /Users is answered with 403: 403 Forbidden (empty answer); give the API application the permission read:customers, and the agent it signs in as the rights to match",
            ),
            (
                list(),
                404,
                EMPTY,
                "Halo can not be reached at https://halo.example: GET /Users is answered with 404 Not Found (empty answer); set url to where the API is, or mend what stands before it",
            ),
            (
                record(),
                404,
                PAGE,
                "Halo can not be reached at https://halo.example: GET /Client/12 is answered with 404: Gateway; set url to where the API is, or mend what stands before it",
            ),
            (
                list(),
                407,
                PAGE,
                "Halo can not be reached at https://halo.example: GET /Users is answered with 407: Gateway; a proxy wants a sign-in: let it pass this machine, or reach Halo without it",
            ),
            (
                write(),
                409,
                JSON,
                "POST /Users has no usable answer from Halo: 409: no",
            ),
            (write(), 413, PAGE, "Halo answers POST /Users with 413: Gateway"),
            (
                list(),
                500,
                EMPTY,
                "GET /Users has no usable answer from Halo: 500 Internal Server Error (empty answer)",
            ),
            (
                write(),
                502,
                PAGE,
                "POST /Users has no usable answer from Halo: 502: Gateway",
            ),
        ] {
            let error = api().classed(&request, answer(status, body)).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(
                error.class() == Class::Permanent,
                matches!(error, HaloError::Refused { .. })
            );
        }
    }

    #[test]
    fn the_permission_is_named_as_halo_names_it() {
        for (path, is_write, expected) in [
            ("/Users/7", false, "read:customers"),
            ("/Client", true, "edit:customers"),
            ("/Actions", true, "edit:tickets"),
            ("/Agent", false, "to read agent"),
        ] {
            assert_eq!(permission(path, is_write), expected);
        }
    }
}
