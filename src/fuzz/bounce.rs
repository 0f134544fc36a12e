//! What is returned of a message from octets: whatever they are, the bounce is one mail, to one address, of our own
//! making, and nothing of the original stands in its header but the subject and ids.

use jiff::Timestamp;

use crate::{
    config::Include,
    message::{
        Message, ReturnPath,
        address::{AddrSpec, NameAddr},
    },
    outcome::bounce::{Bounce, for_seven_bit},
};

/// Every field of a bounce.
const FIELDS: [&str; 12] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

pub(super) fn check(octets: &[u8]) {
    let original = Message::read(octets);
    let ReturnPath::To(to) = &original.return_path else {
        return;
    };
    let Some(to) = to.addr_spec() else { return };
    let from = NameAddr {
        name: "Desk".to_owned(),
        address: "support@desk.example".to_owned(),
    };
    // The operator's text may hold what the message says.
    let text = format!(
        "Hello {}, about {}:\n{}",
        original.author.display(),
        original.subject,
        original.body
    );
    for include in [Include::None, Include::Headers, Include::Message] {
        let bounce = Bounce {
            original: &original,
            original_octets: octets,
            text: &text,
            from: &from,
            to: &to,
            include,
            final_recipient: "support@desk.example",
            hostname: "mx.desk.example",
            message_id: "bounce.1@mx.desk.example",
            arrival: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
        };
        let composed = bounce.compose();
        assert_own(&composed, &to);
        if let Some(narrow) = for_seven_bit(&composed) {
            assert!(narrow.is_ascii());
            assert_own(&narrow, &to);
        }
    }
}

fn assert_own(composed: &[u8], to: &AddrSpec) {
    let read = Message::read(composed);
    assert!(read.cut.is_empty() || !read.cut.contains(&"panic"), "{:?}", read.cut);
    for (place, field) in read.header_fields.iter().enumerate() {
        assert!(
            FIELDS.iter().any(|known| field.is(known)),
            "a bounce has no {}",
            field.name
        );
        let again = read.header_fields[..place]
            .iter()
            .any(|earlier| earlier.is(&field.name));
        assert!(!again, "{} stands there twice", field.name);
    }
    assert_eq!(read.author.address, "support@desk.example");
    assert_eq!(read.to.len(), 1, "{:?} for {to}", read.to);
    // In a header of ours a quoted local part stands without what could end the address early.
    if !to.local_part().contains('"') {
        assert_eq!(read.to[0].address, to.as_str());
    }
    assert!(read.automatic().is_some() && read.report.is_some());
}
