//! The trace of an attempt as it is kept: a Zstandard frame. Traces are small and say the same with other words; what they
//! have in common stands in a dictionary (RFC 8878, section 5), whose ID each frame names. A frame that names none is
//! read as well: an older version wrote it.

use std::{cell::RefCell, sync::LazyLock};

use serde_json::Value;
use zstd::{
    bulk::Compressor,
    dict::{DecoderDictionary, EncoderDictionary},
    stream::read::Decoder,
    zstd_safe::{get_dict_id_from_dict, get_dict_id_from_frame},
};

use super::{
    database::Fault,
    pack::{LEVEL, compress_by, damaged},
};

/// Made from traces of this project's tests by `zstd --train --maxdict=32768`; one that fits them less well costs room and
/// nothing else. Frames name it, so it stays as long as there may be any: another one gets an ID of its own, and both are
/// known.
const DICTIONARY: &[u8] = include_bytes!("trace.zdict");

static TO_PACK: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static TO_UNPACK: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// Packs the text of a trace.
pub(super) fn pack(trace: &str) -> Vec<u8> {
    thread_local! {
        // Made once a thread: making one takes longer than packing a trace.
        static COMPRESSOR: RefCell<Compressor<'static>> =
            RefCell::new(Compressor::with_prepared_dictionary(&TO_PACK).expect("the dictionary is one"));
    }
    COMPRESSOR.with_borrow_mut(|compressor| compress_by(compressor, trace.as_bytes()))
}

/// A trace, or `Null` where there is none.
pub(super) fn unpack(frame: Option<&[u8]>) -> Result<Value, Fault> {
    let Some(frame) = frame else { return Ok(Value::Null) };
    if let Some(id) = get_dict_id_from_frame(frame)
        && get_dict_id_from_dict(DICTIONARY) != Some(id)
    {
        let reason = format!("a newer version of halo-intake kept this trace (dictionary {id}): read it with that one");
        return Err(Fault::Refused(reason));
    }
    let text = Decoder::with_prepared_dictionary(frame, &TO_UNPACK)
        .and_then(std::io::read_to_string)
        .map_err(damaged)?;
    serde_json::from_str(&text).map_err(|error| damaged(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trace() -> Value {
        json!({ "rules": [{ "rule": "users", "mailbox_matches": true, "condition": null, "resumed": false, "steps": [], "end": "" }] })
    }

    #[test]
    fn a_trace_comes_back_and_its_frame_names_the_dictionary() {
        let text = trace().to_string();
        let packed = pack(&text);
        assert_eq!(unpack(Some(&packed)).unwrap(), trace());
        let id = get_dict_id_from_dict(DICTIONARY);
        assert!(id.is_some());
        assert_eq!(get_dict_id_from_frame(&packed), id);
        let without = zstd::bulk::compress(text.as_bytes(), LEVEL).unwrap();
        assert!(
            packed.len() < without.len() * 2 / 3,
            "{} of {}",
            packed.len(),
            without.len()
        );
    }

    #[test]
    fn a_frame_of_an_older_version_names_no_dictionary_and_is_read() {
        let frame = zstd::bulk::compress(trace().to_string().as_bytes(), LEVEL).unwrap();
        assert_eq!(get_dict_id_from_frame(&frame), None);
        assert_eq!(unpack(Some(&frame)).unwrap(), trace());
    }

    #[test]
    fn a_frame_that_names_another_dictionary_is_of_a_newer_version() {
        let mut frame = pack(&trace().to_string());
        // Behind the magic number and the descriptor, and the window where there is one (RFC 8878, section 3.1.1.1).
        let id = get_dict_id_from_dict(DICTIONARY).unwrap().get().to_le_bytes();
        let place = frame.windows(id.len()).position(|octets| octets == id).unwrap();
        frame[place] ^= 1;
        let error = unpack(Some(&frame)).unwrap_err();
        assert!(
            matches!(&error, Fault::Refused(reason) if reason.contains("a newer version")),
            "{error}"
        );
    }

    #[test]
    fn no_trace_is_null_and_a_damaged_one_is_an_error() {
        assert_eq!(unpack(None).unwrap(), Value::Null);
        let packed = pack(&trace().to_string());
        for frame in [&packed[..packed.len() - 1], &packed[1..], &[1, 2, 3]] {
            assert!(matches!(unpack(Some(frame)), Err(Fault::Damaged(_))));
        }
    }
}
