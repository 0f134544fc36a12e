//! What of a multipart body tells where its parts lie, without the long rest: delimiter lines and the headers below
//! them. Most of a large message is what is attached, and nobody need look at each octet of that.

use std::ops::Range;

/// A body without most of its parts' contents, and where each of its octets stood.
pub struct Outline {
    pub octets: Vec<u8>,
    /// Where a run begins, here and in the body.
    runs: Vec<(usize, usize)>,
    length: usize,
}

impl Outline {
    /// Keeps each line with `--` in it, the line end before it, and what follows it up to the next empty line. No
    /// delimiter and no header of a part lies anywhere else (RFC 2046, 5.1.1).
    pub fn of(body: &[u8]) -> Outline {
        let mut outline = Outline {
            octets: Vec::new(),
            runs: Vec::new(),
            length: body.len(),
        };
        let mut kept = 0;
        while let Some(at) = memchr::memmem::find(&body[kept..], b"--") {
            let at = kept + at;
            let begin = line_before(&body[kept..at]) + kept;
            let end = empty_line(&body[at..]).map_or(body.len(), |length| at + length);
            outline.keep(body, begin..end);
            kept = end;
        }
        // The end is a place of its own, whatever is left out before it.
        outline.keep(body, body.len()..body.len());
        outline
    }

    /// With nothing left out.
    #[cfg(test)]
    pub fn whole(body: &[u8]) -> Outline {
        Outline {
            octets: body.to_vec(),
            runs: vec![(0, 0)],
            length: body.len(),
        }
    }

    fn keep(&mut self, body: &[u8], run: Range<usize>) {
        self.runs.push((self.octets.len(), run.start));
        self.octets.extend_from_slice(&body[run]);
    }

    /// Where something begins in the body. What was left out may lie between two runs: a beginning is behind the one.
    pub fn begin(&self, at: usize) -> usize {
        let run = self.runs.partition_point(|(here, _)| *here < at).saturating_sub(1);
        self.moved(run, at)
    }

    /// Where something ends in the body: an end is before the other.
    pub fn end(&self, at: usize) -> usize {
        let run = self.runs.partition_point(|(here, _)| *here <= at).saturating_sub(1);
        self.moved(run, at)
    }

    fn moved(&self, run: usize, at: usize) -> usize {
        let (here, there) = self.runs[run];
        (there + at.saturating_sub(here)).min(self.length)
    }
}

/// Where the line end begins that stands before the last line; the beginning where there is none.
fn line_before(octets: &[u8]) -> usize {
    match memchr::memrchr(b'\n', octets) {
        Some(at) if octets[..at].ends_with(b"\r") => at - 1,
        Some(at) => at,
        None => 0,
    }
}

/// How long it is up to and with the first empty line.
fn empty_line(octets: &[u8]) -> Option<usize> {
    let mut lines = memchr::memchr_iter(b'\n', octets);
    lines.find_map(|at| match octets[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}
