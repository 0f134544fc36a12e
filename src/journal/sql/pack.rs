//! What is large in a change is compressed before the writer sees it, so that the writer only inserts. But a message of
//! several chunks is compressed as it is inserted, chunk by chunk, so that it is never held twice.

use std::cell::RefCell;

use bytes::Bytes;
use serde_json::Value;
use zstd::bulk::Compressor;

use super::{database::Fault, trace};
use crate::{
    journal::{Change, JournalError, Letter, node::Lease},
    task,
};

/// The octets of a message are kept in chunks of this many.
pub(super) const CHUNK: usize = 1 << 20;

/// From this size on something is packed on a thread of its own.
const PACKED_APART: usize = 256 << 10;

/// The fastest level: a mail shrinks to about a half, and the disk is waited for anyway.
pub(super) const LEVEL: i32 = 1;

/// A change whose large parts have been taken out and compressed.
pub struct Packed {
    /// It holds only as long as this does.
    pub(super) lease: Option<Lease>,
    /// And only where this is kept under that name.
    pub(super) kept: Option<(String, Value)>,
    pub(super) change: Change,
    /// Of `Received`: the octets, where they are one chunk.
    pub(super) chunk: Vec<u8>,
    /// Of `Deferred` and `Ended`.
    pub(super) trace: Vec<u8>,
    /// Of a letter: its octets.
    pub(super) letter: Vec<u8>,
}

impl Packed {
    /// How much memory waits with it, about.
    pub(super) fn weight(&self) -> usize {
        let octets = match &self.change {
            Change::Received(received) => received.octets.len(),
            _ => 0,
        };
        octets + self.chunk.len() + self.trace.len() + self.letter.len()
    }
}

/// Packs a change, on a thread of its own where that takes long (about a millisecond). In a box: it is large, and
/// whoever waits for the writer is moved about.
pub async fn pack(change: Change) -> Result<Box<Packed>, JournalError> {
    let (mut under, mut is_kept, mut change) = (None, None, change);
    loop {
        change = match change {
            Change::Under { lease, change } => {
                under = Some(lease);
                *change
            }
            Change::Where { name, kept, change } => {
                is_kept = Some((name, kept));
                *change
            }
            change => break packed_within(under, is_kept, change).await,
        }
    }
}

async fn packed_within(
    lease: Option<Lease>,
    kept: Option<(String, Value)>,
    change: Change,
) -> Result<Box<Packed>, JournalError> {
    if size(&change) < PACKED_APART {
        return Ok(packed(lease, kept, change));
    }
    let packing = task::blocking(|| packed(lease, kept, change)).await;
    packing.map_err(|error| JournalError::NotWritten {
        reason: error.to_string(),
    })
}

fn size(change: &Change) -> usize {
    match change {
        Change::Received(received) if is_one_chunk(&received.octets) => received.octets.len(),
        Change::Ended { ended, .. } => ended.bounce.as_ref().map_or(0, |(letter, _)| letter.octets.len()),
        Change::Reported(report) => report.letter.octets.len(),
        Change::Posted { post, .. } => post.letter.octets.len(),
        _ => 0,
    }
}

fn is_one_chunk(octets: &[u8]) -> bool {
    (1..=CHUNK).contains(&octets.len())
}

fn packed(lease: Option<Lease>, kept: Option<(String, Value)>, mut change: Change) -> Box<Packed> {
    let (mut chunk, mut trace, mut letter) = (Vec::new(), Vec::new(), Vec::new());
    match &mut change {
        Change::Received(received) if is_one_chunk(&received.octets) => {
            chunk = compress(&std::mem::take(&mut received.octets));
        }
        Change::Deferred { trace: text, .. } => trace = trace::pack(text),
        Change::Ended { ended, .. } => {
            trace = trace::pack(&ended.trace);
            if let Some((bounce, _)) = &mut ended.bounce {
                letter = pack_letter(bounce);
            }
        }
        Change::Reported(report) => letter = pack_letter(&mut report.letter),
        Change::Posted { post, .. } => letter = pack_letter(&mut post.letter),
        _ => {}
    }
    Box::new(Packed {
        lease,
        kept,
        change,
        chunk,
        trace,
        letter,
    })
}

fn pack_letter(letter: &mut Letter) -> Vec<u8> {
    compress(&std::mem::take(&mut letter.octets))
}

pub(super) fn compress(data: &[u8]) -> Vec<u8> {
    thread_local! {
        // Made once a thread: making one takes longer than compressing a small message.
        static COMPRESSOR: RefCell<Compressor<'static>> =
            RefCell::new(Compressor::new(LEVEL).expect("the level is one that Zstandard has"));
    }
    COMPRESSOR.with_borrow_mut(|compressor| compress_by(compressor, data))
}

pub(super) fn compress_by(compressor: &mut Compressor<'_>, data: &[u8]) -> Vec<u8> {
    let mut packed = compressor
        .compress(data)
        .expect("compressing into memory of the size it asks for cannot fail");
    // It waits for its commit; the room was for data that can not be compressed.
    packed.shrink_to_fit();
    packed
}

/// Puts the next chunk of a message behind those before it.
pub(super) fn unpack_chunk(chunk: &[u8], octets: &mut Vec<u8>) -> Result<(), Fault> {
    octets.extend(zstd::bulk::decompress(chunk, CHUNK).map_err(damaged)?);
    Ok(())
}

/// The octets of a letter.
pub(super) fn unpack_letter(data: &[u8]) -> Result<Bytes, Fault> {
    zstd::decode_all(data).map(Bytes::from).map_err(damaged)
}

pub(super) fn damaged(error: std::io::Error) -> Fault {
    Fault::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(length: usize, chunks: usize) {
        let octets: Vec<u8> = (0..length).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
        let packed: Vec<Vec<u8>> = octets.chunks(CHUNK).map(compress).collect();
        assert_eq!(packed.len(), chunks, "{length} octets");
        let mut unpacked = Vec::new();
        for chunk in &packed {
            unpack_chunk(chunk, &mut unpacked).unwrap();
        }
        assert!(unpacked == octets, "{length} octets come back");
    }

    #[test]
    fn octets_come_back_as_they_were_from_their_chunks() {
        check(0, 0);
        check(1, 1);
        check(CHUNK, 1);
        check(CHUNK + 1, 2);
        check(3 * CHUNK, 3);
    }

    #[test]
    fn a_damaged_chunk_is_an_error() {
        assert!(unpack_chunk(&[1, 2, 3], &mut Vec::new()).is_err());
    }
}
