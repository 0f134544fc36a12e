//! Compressed RTF (MS-OXRTFCP): references into the last 4096 octets, which begin with what RTF begins with.

use super::stream::number;

/// How much is decompressed.
const MAX_RTF: usize = 8 * 1024 * 1024;
/// Sizes, kind and sum before the octets. The sum is not looked at: what is wrong is still the best there is.
const HEADER: usize = 16;
const COMPRESSED: u32 = 0x7546_5a4c;
const PLAIN: u32 = 0x414c_454d;
const WINDOW: usize = 4096;
/// What the window holds at first (MS-OXRTFCP, 2.1.2.1).
const BEGINNING: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// The RTF; nothing where it is of no known kind.
pub fn decompressed(octets: &[u8]) -> Option<Vec<u8>> {
    let kind = number(octets.get(8..HEADER)?)?;
    let size = usize::try_from(number(&octets[4..])?).ok()?.min(MAX_RTF);
    let octets = &octets[HEADER..];
    match kind {
        PLAIN => Some(octets[..octets.len().min(size)].to_vec()),
        COMPRESSED => Some(unfolded(octets, size)),
        _ => None,
    }
}

fn unfolded(octets: &[u8], size: usize) -> Vec<u8> {
    let mut window = [b' '; WINDOW];
    window[..BEGINNING.len()].copy_from_slice(BEGINNING);
    let mut at = BEGINNING.len();
    let mut written = Vec::new();
    let mut octets = octets.iter().copied();
    let mut put = |octet: u8, window: &mut [u8; WINDOW], at: &mut usize| {
        written.push(octet);
        window[*at] = octet;
        *at = (*at + 1) % WINDOW;
        written.len() < size
    };
    'all: while let Some(control) = octets.next() {
        for bit in 0..8 {
            let Some(first) = octets.next() else { break 'all };
            if control & (1 << bit) == 0 {
                if !put(first, &mut window, &mut at) {
                    break 'all;
                }
                continue;
            }
            let Some(second) = octets.next() else { break 'all };
            let place = usize::from(first) << 4 | usize::from(second) >> 4;
            // A reference to where the next octet goes is the end.
            if place == at {
                break 'all;
            }
            for step in 0..usize::from(second & 0x0f) + 2 {
                let octet = window[(place + step) % WINDOW];
                if !put(octet, &mut window, &mut at) {
                    break 'all;
                }
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: u32, size: u32, octets: &[u8]) -> Vec<u8> {
        [&[0; 4][..], &size.to_le_bytes(), &kind.to_le_bytes(), &[0; 4], octets].concat()
    }

    #[test]
    fn the_window_begins_as_rtf_does() {
        assert_eq!(BEGINNING.len(), 207);
        // The first six octets of the window, then text.
        let octets = of(
            COMPRESSED,
            100,
            &[0b0000_0001, 0x00, 0x04, b'x', b'y', b'z', b'1', b'2', b'3', b'4'],
        );
        assert_eq!(decompressed(&octets).unwrap(), b"{\\rtf1xyz1234");
    }

    #[test]
    fn a_reference_may_reach_into_what_it_writes() {
        // "ab", then twelve octets from there on.
        let place = u16::try_from(BEGINNING.len()).unwrap() << 4 | 10;
        let octets = of(
            COMPRESSED,
            100,
            &[&[0b0000_0100, b'a', b'b'][..], &place.to_be_bytes()].concat(),
        );
        assert_eq!(decompressed(&octets).unwrap(), b"ab".repeat(7));
    }

    #[test]
    fn it_ends_where_it_says_or_where_nothing_more_comes() {
        assert_eq!(
            decompressed(&of(COMPRESSED, 3, &[0, b'a', b'b', b'c', b'd'])).unwrap(),
            b"abc"
        );
        assert_eq!(decompressed(&of(COMPRESSED, 9, &[0, b'a'])).unwrap(), b"a");
        assert_eq!(decompressed(&of(PLAIN, 2, b"abc")).unwrap(), b"ab");
        assert_eq!(decompressed(&of(7, 2, b"abc")), None);
        assert_eq!(decompressed(b"short"), None);
    }

    #[test]
    fn little_can_not_become_much_without_end() {
        let bomb = of(
            COMPRESSED,
            u32::MAX,
            &[&[0xff][..], &[0x00, 0x0e].repeat(8)].concat().repeat(100_000),
        );
        assert_eq!(decompressed(&bomb).unwrap().len(), MAX_RTF);
    }
}
