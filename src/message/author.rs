//! Who wrote a message: From, and where that is no use, the fields that come closest.

use super::{
    ReturnPath,
    address::{NameAddr, list},
    header::Header,
};

/// How many mailboxes of From are looked at.
const MAX_AUTHORS: usize = 100;

/// The author and what led to them.
#[derive(Debug, Default)]
pub struct Author {
    pub author: NameAddr,
    pub source: &'static str,
    /// How many mailboxes all From fields name: a forged message may show one to us and another to a filter.
    pub count: usize,
}

impl Author {
    /// The first usable mailbox of From, else of Sender, Reply-To, Return-Path. Without any, the name alone.
    pub fn find(header: &Header, return_path: &ReturnPath) -> Author {
        let of = |name: &str| -> Vec<NameAddr> {
            let fields = header.fields.iter().filter(|field| field.is(name));
            fields
                .flat_map(|field| list::parse(&field.raw, MAX_AUTHORS).0)
                .take(MAX_AUTHORS)
                .collect()
        };
        let from = of("From");
        let count = from.len();
        let returned = match return_path {
            ReturnPath::To(mailbox) => vec![mailbox.clone()],
            ReturnPath::Missing | ReturnPath::Null => Vec::new(),
        };
        let chain = [
            ("from", from),
            ("sender", of("Sender")),
            ("reply-to", of("Reply-To")),
            ("return-path", returned),
        ];
        for (source, mailboxes) in chain {
            if let Some(author) = mailboxes.into_iter().find(|mailbox| mailbox.addr_spec().is_some()) {
                return Author { author, source, count };
            }
        }
        let name = list::first_name(header.raw("From"));
        Author {
            author: NameAddr {
                name,
                address: String::new(),
            },
            source: "",
            count,
        }
    }
}

/// The topmost Return-Path: the last server wrote it.
pub fn return_path(header: &Header) -> ReturnPath {
    let raw = header.raw("Return-Path");
    if raw.split_whitespace().collect::<String>() == "<>" {
        return ReturnPath::Null;
    }
    list::parse(raw, 1)
        .0
        .into_iter()
        .next()
        .map_or(ReturnPath::Missing, ReturnPath::To)
}

#[cfg(test)]
mod tests {
    use crate::message::Message;

    /// `expected` is the address, the name, the source and how many authors there are.
    #[track_caller]
    fn check(header: &str, expected: (&str, &str, &str, usize)) {
        let message = Message::read(format!("{header}\r\n\r\n").as_bytes());
        let found = (
            message.author.address.as_str(),
            message.author.name.as_str(),
            message.author_source,
            message.author_count,
        );
        assert_eq!(found, expected, "{header}");
    }

    #[test]
    fn from_names_the_author() {
        check(
            "From: Ann <ANN@example.org>\r\nSender: bob@example.org",
            ("ann@example.org", "Ann", "from", 1),
        );
        check(
            "From: broken@, Ann <ann@example.org>",
            ("ann@example.org", "Ann", "from", 2),
        );
    }

    #[test]
    fn the_first_of_several_authors_is_taken_and_all_are_counted() {
        check(
            "From: ann@example.org\r\nFrom: eve@example.net",
            ("ann@example.org", "", "from", 2),
        );
        check(
            "From: ann@example.org, eve@example.net",
            ("ann@example.org", "", "from", 2),
        );
    }

    #[test]
    fn other_fields_stand_in_in_their_order() {
        check(
            "From: \"Ann\" <>\r\nSender: Bob <bob@example.org>",
            ("bob@example.org", "Bob", "sender", 0),
        );
        check(
            "From: nobody\r\nReply-To: ann@example.org",
            ("ann@example.org", "", "reply-to", 0),
        );
        check(
            "Reply-To: <>\r\nReturn-Path: <ann@example.org>",
            ("ann@example.org", "", "return-path", 0),
        );
    }

    #[test]
    fn without_any_address_the_name_is_left() {
        check("From: \"Ann\" <>\r\nReturn-Path: <>", ("", "Ann", "", 0));
        check("Subject: x", ("", "", "", 0));
    }
}
