//! How a command ended: OK, NO or BAD, with the response code and the server's words.

use imap_proto::{Outcome, ResponseCode, Status, rfc4315::UidSetMember};

use crate::mailbox::MailboxError;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completion {
    /// `OK`, `NO` or `BAD`.
    pub(super) status: &'static str,
    /// The response code's word (RFC 9051, 7.1), such as `TRYCREATE`; empty without one.
    pub(super) code: String,
    /// The server's text, with the response code in brackets.
    pub(super) text: String,
    /// Where it put messages, as far as the server tells.
    pub(super) landed: Vec<Landed>,
    /// The command's name without its arguments.
    verb: String,
}

/// A message that was put into another folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Landed {
    /// Its UID where it lay.
    pub(super) from: u32,
    /// UIDVALIDITY and UID where it lies now.
    pub(super) at: (u32, u32),
}

/// What a COPYUID tells (RFC 4315, 3): the UIDs of both sets stand in one order.
pub(super) fn landed(outcome: &Outcome<'_>) -> Vec<Landed> {
    let Some(ResponseCode::CopyUid(validity, from, to)) = &outcome.code else {
        return Vec::new();
    };
    let (from, to) = (uids(from), uids(to));
    if from.len() != to.len() {
        return Vec::new();
    }
    let pairs = from.into_iter().zip(to);
    pairs
        .map(|(from, uid)| Landed {
            from,
            at: (*validity, uid),
        })
        .collect()
}

fn uids(set: &[UidSetMember]) -> Vec<u32> {
    /// No command of ours names more; the server's word is not believed beyond it.
    const MOST: usize = 10_000;
    let ranges = set.iter().map(|member| match member {
        UidSetMember::Uid(uid) => *uid..=*uid,
        UidSetMember::UidRange(range) => *range.start().min(range.end())..=*range.start().max(range.end()),
    });
    ranges.flatten().take(MOST).collect()
}

impl Completion {
    /// NO and BAD as an error.
    pub(super) fn accepted(self) -> Result<Completion, MailboxError> {
        if self.status == "OK" {
            Ok(self)
        } else {
            Err(self.refused())
        }
    }

    /// RFC 5530, 3: the server can not do anything of the kind just now, whatever was asked.
    pub(super) fn is_passing(&self) -> bool {
        ["UNAVAILABLE", "INUSE", "LIMIT"].contains(&self.code.as_str())
    }

    /// As an error, whatever it says, with what to do where that is known.
    pub(super) fn refused(self) -> MailboxError {
        // Cyrus and Courier say it in words alone.
        let is_full = self.code == "OVERQUOTA" || self.text.to_ascii_lowercase().contains("quota");
        let remedy = match self.code.as_str() {
            _ if is_full => "; make room in the mailbox, or raise its quota",
            "NOPERM" => "; grant this login the right to do it",
            _ => "",
        };
        MailboxError::Refused {
            command: self.verb,
            status: self.status,
            reason: format!("{}{remedy}", self.text),
        }
    }

    pub(super) fn of(status: &Status, outcome: &Outcome<'_>, verb: String) -> Completion {
        let status = match status {
            Status::Ok | Status::PreAuth => "OK",
            Status::No | Status::Bye => "NO",
            Status::Bad => "BAD",
        };
        let information = outcome.information.as_deref().unwrap_or("");
        // Codes that the parser does not know stay at the head of the text.
        let (code, text) = match outcome.code.as_ref().map(word_of) {
            Some(code) => (code.to_owned(), format!("[{code}] {information}")),
            None => (leading_code(information), information.to_owned()),
        };
        let text = if text.trim().is_empty() {
            "no reason given".to_owned()
        } else {
            text.trim().to_owned()
        };
        Completion {
            status,
            code,
            text,
            landed: landed(outcome),
            verb,
        }
    }
}

fn word_of(code: &ResponseCode<'_>) -> &'static str {
    match code {
        ResponseCode::Alert => "ALERT",
        ResponseCode::BadCharset(_) => "BADCHARSET",
        ResponseCode::Capabilities(_) => "CAPABILITY",
        ResponseCode::Parse => "PARSE",
        ResponseCode::ReadOnly => "READ-ONLY",
        ResponseCode::ReadWrite => "READ-WRITE",
        ResponseCode::TryCreate => "TRYCREATE",
        ResponseCode::CopyUid(..) => "COPYUID",
        ResponseCode::UidNotSticky => "UIDNOTSTICKY",
        ResponseCode::HighestModSeq(_) => "HIGHESTMODSEQ",
        _ => "UNKNOWN",
    }
}

fn leading_code(text: &str) -> String {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or("", |(inner, _)| inner);
    inner.split(' ').next().unwrap_or("").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use imap_proto::Response;

    fn check(line: &str, code: &str, text: &str) {
        let line = format!("H1 NO {line}\r\n");
        let (_, response) = Response::parse(line.as_bytes()).unwrap();
        let Response::Done { status, outcome, .. } = response else {
            panic!("not a tagged answer: {line}")
        };
        let completion = Completion::of(&status, &outcome, "UID MOVE".to_owned());
        assert_eq!((completion.code.as_str(), completion.text.as_str()), (code, text));
    }

    #[test]
    fn where_messages_were_put_is_told_in_one_order() {
        let check = |code: &str, expected: &[(u32, u32)]| {
            let line = format!("H1 OK [COPYUID {code}] done\r\n");
            let (_, response) = Response::parse(line.as_bytes()).unwrap();
            let Response::Done { outcome, .. } = response else {
                panic!("not a tagged answer: {line}")
            };
            let landed = landed(&outcome);
            assert!(landed.iter().all(|landed| landed.at.0 == 7), "{landed:?}");
            let pairs: Vec<_> = landed.iter().map(|landed| (landed.from, landed.at.1)).collect();
            assert_eq!(pairs, expected, "{code}");
        };
        check("7 3 12", &[(3, 12)]);
        check("7 3:4,9 12:14", &[(3, 12), (4, 13), (9, 14)]);
        check("7 3:4 12", &[]);
    }

    #[test]
    fn the_response_code_is_kept_with_the_text() {
        check("[OVERQUOTA] Quota exceeded", "OVERQUOTA", "[OVERQUOTA] Quota exceeded");
        check("[TRYCREATE] no such folder", "TRYCREATE", "[TRYCREATE] no such folder");
        check("[unavailable] later", "UNAVAILABLE", "[unavailable] later");
        check("just no", "", "just no");
    }
}
