//! Mails to a world.

/// A mail as an MTA delivers it, with further header fields, each ended by a newline.
pub fn text(from: &str, subject: &str, fields: &str) -> String {
    let address = from.rsplit('<').next().unwrap_or(from).trim_end_matches('>');
    let id = fastrand::u64(..);
    let date = jiff::Timestamp::now()
        .strftime("%a, %d %b %Y %H:%M:%S +0000")
        .to_string();
    format!(
        "Return-Path: <{address}>\nDate: {date}\nFrom: {from}\nTo: support@desk.example\nSubject: {subject}\nMessage-ID: <{id:x}@story.example>\n{fields}\nThe text of this mail.\n"
    )
}

/// As it travels.
pub fn octets(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}
