//! What a server can do, as it says so: by itself, in a greeting, or with the end of a command.

use std::collections::BTreeSet;

use imap_proto::{Capability, Response, ResponseCode};

/// The capabilities that the answer tells of, by itself or in its response code.
pub(super) fn advertised(response: &Response<'_>) -> Option<BTreeSet<String>> {
    let list = match response {
        Response::Capabilities(list) => list,
        Response::Data { outcome, .. } | Response::Done { outcome, .. } => match &outcome.code {
            Some(ResponseCode::Capabilities(list)) => list,
            _ => return None,
        },
        _ => return None,
    };
    Some(list.iter().map(spelled).collect())
}

fn spelled(capability: &Capability<'_>) -> String {
    match capability {
        Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
        Capability::Auth(mechanism) => format!("AUTH={}", mechanism.to_ascii_uppercase()),
        Capability::Atom(atom) => atom.to_ascii_uppercase(),
    }
}
