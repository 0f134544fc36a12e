//! The octets of a letter, made fit for the wire.

use std::borrow::Cow;

use crate::outcome::{bounce, field};

/// A letter's octets with CRLF line ends everywhere. A line feed of its own is never sent: some servers take it
/// for a line end, and then a lone dot in a returned message ends the mail and begins commands.
pub(super) struct Content<'a>(Cow<'a, [u8]>);

impl<'a> Content<'a> {
    /// The content for a server that takes 8-bit mail, or does not. `None` where it can not be sent there.
    pub(super) fn of(octets: &'a [u8], takes_eight_bit: bool) -> Option<Content<'a>> {
        let octets = field::with_crlf(octets);
        if takes_eight_bit || octets.is_ascii() {
            return Some(Content(octets));
        }
        bounce::for_seven_bit(&octets).map(|octets| Content(Cow::Owned(octets)))
    }

    pub(super) fn is_eight_bit(&self) -> bool {
        !self.0.is_ascii()
    }

    /// Without the last line end, which comes with the final dot.
    pub(super) fn octets(&self) -> &[u8] {
        self.0.strip_suffix(b"\r\n").unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bare_line_feed_reaches_the_wire() {
        let content = Content::of(b"a\n.\nMAIL FROM:<x@y>\r.\r\n", false).unwrap();
        assert_eq!(content.octets(), b"a\r\n.\r\nMAIL FROM:<x@y>\r\n.");
    }

    #[test]
    fn eight_bit_mail_that_is_no_bounce_needs_8bitmime() {
        assert!(
            Content::of("Subject: x\r\n\r\nü\r\n".as_bytes(), true)
                .unwrap()
                .is_eight_bit()
        );
        assert!(Content::of("Subject: x\r\n\r\nü\r\n".as_bytes(), false).is_none());
    }
}
