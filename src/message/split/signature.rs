//! Signatures below a text: behind `-- ` (RFC 3676, 4.3), or the line of a telephone.

use std::ops::Range;

use super::{
    line::Line,
    phrases::{DEVICES, LANGUAGES},
};

/// More lines below the dashes are no signature, however they begin.
const MAX_LINES: usize = 25;
/// Without the blank that belongs to it, the line may be a rule of the author's: what is below has to look like a card.
const MAX_LINES_UNSURE: usize = 8;
const MAX_LENGTH_UNSURE: usize = 80;
/// A telephone's line is short.
const MAX_DEVICE: usize = 100;

/// Where the signature begins in a stretch of newly written lines; its end where there is none.
pub fn begin(lines: &[Line<'_>], stretch: Range<usize>) -> usize {
    behind_dashes(lines, stretch.clone())
        .or_else(|| of_device(lines, stretch.clone()))
        .unwrap_or(stretch.end)
}

/// The highest line of dashes with few enough lines below.
fn behind_dashes(lines: &[Line<'_>], stretch: Range<usize>) -> Option<usize> {
    let (mut found, mut below, mut are_short) = (None, 0, true);
    for at in stretch.rev() {
        let text = lines[at].text;
        let most = match text {
            "-- " => MAX_LINES,
            _ if text.trim_end() == "--" && are_short => MAX_LINES_UNSURE,
            _ => 0,
        };
        if below > MAX_LINES {
            break;
        }
        if below > 0 && below <= most {
            found = Some(at);
        }
        below += usize::from(!lines[at].is_blank());
        are_short &= text.len() <= MAX_LENGTH_UNSURE || text.chars().nth(MAX_LENGTH_UNSURE).is_none();
    }
    found
}

/// The last line, where a telephone or program wrote it.
fn of_device(lines: &[Line<'_>], mut stretch: Range<usize>) -> Option<usize> {
    let last = stretch.rfind(|at| !lines[*at].is_blank())?;
    let text = lines[last].text.trim();
    if text.len() > MAX_DEVICE {
        return None;
    }
    let text = text.to_lowercase();
    let words = LANGUAGES.iter().flat_map(|language| language.device);
    let says_so = words.into_iter().any(|words| match words.ends_with(' ') {
        true => text.starts_with(words),
        // In some languages the verb comes last.
        false => text.contains(words),
    });
    (says_so && DEVICES.iter().any(|device| text.contains(device))).then_some(last)
}
