//! A message from octets: reading never fails, never panics within, and gives no more than its bounds.

use crate::message::{Message, RemotePictures, ReturnPath, safe_html};

/// Octets of each text that is kept.
const MOST_TEXT: usize = 4 << 20;
/// What a message may hold of its own size in all: its texts stand in several fields, each decoded to UTF-8, and one of
/// them may have been compressed.
const GROWTH: usize = 128;

pub(super) fn check(octets: &[u8]) {
    let message = Message::read(octets);
    assert!(!message.cut.contains(&"panic"), "reading broke off");
    assert!(message.to.len() <= 1_000 && message.cc.len() <= 1_000 && message.attachments.len() <= 1_000);
    assert!(message.header_fields.len() <= 2_000);
    let texts = [&message.body, &message.text, &message.html];
    assert!(texts.iter().all(|text| text.len() <= MOST_TEXT));
    let split = &message.split;
    let parts = [&split.visible, &split.quoted, &split.signature];
    let kept: usize = texts.iter().chain(&parts).map(|text| text.len()).sum();
    assert!(
        kept <= octets.len() * GROWTH + 1_000,
        "{kept} octets of {}",
        octets.len()
    );
    assert!(
        message.split.is_of(&message.body),
        "{:?} of {:?}",
        message.split,
        message.body
    );
    assert!(message.html.starts_with(message.visible_html()));
    if let Some(invitation) = &message.invitation {
        super::assert_one_line("summary", &invitation.summary);
        assert!(invitation.text().len() <= 1 << 20 && invitation.attendees.len() <= 100);
    }
    assert_safe(&message.html);
    assert_unfolded(&message);
    let again = Message::read(octets);
    assert_eq!(
        message.fingerprint(),
        again.fingerprint(),
        "it is read twice in two ways"
    );
    assert_eq!(message.body, again.body);
}

/// What a ticket may show: no tag but those that were written anew, and what is safe stays as it is.
fn assert_safe(html: &str) {
    let safe = safe_html(html, RemotePictures::Keep, |_| None);
    let lower = safe.to_ascii_lowercase();
    for harm in [
        "<script",
        "<style",
        "<iframe",
        "<svg",
        "<form",
        "<base",
        "<meta",
        "<!",
        "<?",
        "=\"javascript",
    ] {
        assert!(!lower.contains(harm), "{harm} in {safe:?}");
    }
    assert_eq!(safe.matches('<').count(), safe.matches('>').count(), "{safe:?}");
    assert_eq!(safe, safe_html(&safe, RemotePictures::Keep, |_| None));
}

/// What goes into headers, requests and tables of ours stands on one line.
fn assert_unfolded(message: &Message) {
    let unfolded = |what: &str, text: &str| assert!(!text.contains(['\r', '\n', '\0']), "{what}: {text:?}");
    unfolded("subject", &message.subject);
    unfolded("message_id", &message.message_id);
    let return_path = match &message.return_path {
        ReturnPath::To(to) => Some(to),
        ReturnPath::Missing | ReturnPath::Null => None,
    };
    let people = [&message.author, &message.sender, &message.reply_to];
    for one in people
        .into_iter()
        .chain(&message.original_sender)
        .chain(return_path)
        .chain(&message.to)
        .chain(&message.cc)
    {
        unfolded("address", &one.address);
        unfolded("name", &one.name);
        if let Some(address) = one.addr_spec() {
            super::assert_one_line("address", address.as_str());
        }
    }
    for id in message.in_reply_to.iter().chain(&message.references) {
        unfolded("id", id);
    }
    for attachment in &message.attachments {
        unfolded("attachment", &attachment.name);
    }
}
