//! A delivery report that came back: octets as its machine's part, and again as the header it returns.

use crate::message::Message;

/// What is read of either part.
const MOST: usize = 64 * 1024;

pub(super) fn check(octets: &[u8]) {
    let part = |media_type: &str| {
        [
            format!("--b\r\nContent-Type: {media_type}\r\n\r\n").as_bytes(),
            octets,
            b"\r\n",
        ]
        .concat()
    };
    let mail = [
        b"From: mailer@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
            .to_vec(),
        part("text/plain"),
        part("message/delivery-status"),
        part("text/rfc822-headers"),
        b"--b--\r\n".to_vec(),
    ]
    .concat();
    let message = Message::read(&mail);
    assert!(!message.cut.contains(&"panic"), "reading broke off");
    assert!(message.automatic().is_some(), "a report was written by no person");
    let Some(report) = message.report else { return };
    let fields = [
        ("final_recipient", report.final_recipient),
        ("status", report.status),
        ("diagnostic", report.diagnostic),
        ("original_message_id", report.original_message_id),
    ];
    for (name, text) in fields {
        assert!(!text.contains(['\r', '\n', '\0']), "{name}: {text:?}");
        assert!(text.len() <= 4 * MOST, "{name} has {} octets", text.len());
    }
}
