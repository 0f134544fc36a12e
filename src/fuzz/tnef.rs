//! A `winmail.dat`: unpacking never panics, gives no more than its bounds, and each file lies within.

use crate::message::tnef::Tnef;

/// Octets of each text that is kept.
const MOST_TEXT: usize = 4 << 20;

pub(super) fn check(octets: &[u8]) {
    let Some(tnef) = Tnef::read(octets) else { return };
    assert!(tnef.text.len() <= MOST_TEXT && tnef.html.len() <= MOST_TEXT);
    assert!(tnef.files.len() <= 1_000);
    for file in &tnef.files {
        assert!(
            octets.get(file.octets.clone()).is_some(),
            "{:?} of {}",
            file.octets,
            octets.len()
        );
        for text in [&file.name, &file.content_type, &file.content_id] {
            super::assert_one_line("file", text);
        }
    }
    assert_eq!(Tnef::read(octets), Some(tnef), "it is read twice in two ways");
}
