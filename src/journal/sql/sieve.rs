//! What a search need not read. Messages stand in blocks of neighbouring ids; of each block is kept which runs of up to
//! three letters its messages hold, each as one of some thousand bits. A text of which one run is not there is in none of
//! them. Bits are only added, and in the transaction that writes the text, so nothing is ruled out wrongly; what is not
//! ruled out is read as ever, and so is a block of which nothing is kept yet.

use std::collections::BTreeSet;

use super::{
    database::{Database, Fault},
    value::values,
    writer::Hand,
};
use crate::journal::EntryId;

/// So many ids are a block, as the migration says too. What one message holds is not ruled out for its neighbours either.
const BLOCK: i64 = 128;

/// What is kept of a block fills one page of the database: all of a million messages is read in the time of a blink.
const OCTETS: usize = 4_000;

/// So many blocks of an older journal are made at a time: others' changes come in between.
const SLICE: usize = 32;

/// More letters would tell more, but only of longer texts.
const RUN: usize = 3;

/// A message says this from now on, and its row does so already.
pub(super) fn add(db: &dyn Database, entry: EntryId, text: &str) -> Result<(), Fault> {
    if !db.dialect().has_sieve() {
        return Ok(());
    }
    let block = entry.0 / BLOCK;
    let kept = db.find("SELECT bits FROM sieve WHERE block = ?1", values![block], |row| {
        row.get::<&[u8]>(0).map(<[u8]>::to_vec)
    })?;
    let Some(mut bits) = kept else {
        return make(db, block);
    };
    if set(&mut bits, text) {
        db.run("UPDATE sieve SET bits = ?2 WHERE block = ?1", values![block, bits])?;
    }
    Ok(())
}

/// Of the messages that are there nothing is kept, as in a journal from before there was anything.
pub(super) fn begin_again(db: &dyn Database) -> Result<(), Fault> {
    if !db.dialect().has_sieve() {
        return Ok(());
    }
    let since = "UPDATE sieved SET since = (SELECT coalesce(max(id) / ?1 + 1, 0) FROM entry)";
    db.run(since, values![BLOCK]).map(drop)
}

/// Makes some blocks of a journal that is older than they are; whether there may be more.
pub(super) fn slice(hand: &Hand<'_>) -> Result<bool, Fault> {
    if !hand.db.dialect().has_sieve() {
        return Ok(false);
    }
    let next = "SELECT max(id) / ?1 FROM entry WHERE id < (SELECT since FROM sieved) * ?1";
    for _ in 0..SLICE {
        let Some(block) = hand.db.one::<Option<i64>>(next, values![BLOCK])? else {
            return Ok(false);
        };
        make(hand.db, block)?;
        hand.db.run("UPDATE sieved SET since = ?1", values![block])?;
    }
    Ok(true)
}

/// Makes a block from its messages.
fn make(db: &dyn Database, block: i64) -> Result<(), Fault> {
    let mut bits = vec![0; OCTETS];
    let (first, last) = (block * BLOCK, block * BLOCK + BLOCK - 1);
    let texts = "SELECT heard, said FROM entry WHERE id BETWEEN ?1 AND ?2";
    db.each(texts, values![first, last], &mut |row| {
        set(&mut bits, row.get(0)?);
        set(&mut bits, row.get(1)?);
        Ok(true)
    })?;
    let keep = "INSERT INTO sieve (block, bits) VALUES (?1, ?2) ON CONFLICT (block) DO UPDATE SET bits = excluded.bits";
    db.run(keep, values![block, bits]).map(drop)
}

/// The bits of what is searched for. None are those of an empty text, which is in all.
pub(super) fn sought(text: &str) -> BTreeSet<usize> {
    let lines = text.split('\n');
    lines
        .flat_map(|line| runs(line, line.chars().take(RUN).count()))
        .collect()
}

/// Calls `read` with the first and the last id of what these bits do not rule out, the newest first, until that has enough.
pub(super) fn narrow(
    db: &dyn Database,
    sought: &BTreeSet<usize>,
    (first, mut last): (i64, i64),
    mut read: impl FnMut(i64, i64) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let mut has_enough = false;
    if !sought.is_empty() && db.dialect().has_sieve() {
        let blocks = "SELECT block, bits FROM sieve WHERE block BETWEEN ?1 AND ?2 ORDER BY block DESC";
        db.each(blocks, values![first / BLOCK, last / BLOCK], &mut |row| {
            let begin = row.get::<i64>(0)? * BLOCK;
            let bits: &[u8] = row.get(1)?;
            let may_hold = sought.iter().all(|at| is_set(bits, *at));
            // Where it does not, there may still be some above it of which nothing is kept.
            let from = first.max(if may_hold { begin } else { begin + BLOCK });
            has_enough = from <= last && read(from, last)?;
            last = begin - 1;
            Ok(!has_enough)
        })?;
    }
    if !has_enough && first <= last {
        read(first, last)?;
    }
    Ok(())
}

/// Adds a text; whether that changed anything.
fn set(bits: &mut [u8], text: &str) -> bool {
    let mut is_new = false;
    // No run goes beyond its line: each is a text of its own, and what comes to stand behind it may change.
    for line in text.split('\n') {
        for at in (1..=RUN).flat_map(|letters| runs(line, letters)) {
            is_new |= !is_set(bits, at);
            bits[at / 8] |= 1 << (at % 8);
        }
    }
    is_new
}

fn is_set(bits: &[u8], at: usize) -> bool {
    bits[at / 8] & 1 << (at % 8) != 0
}

/// The bits of the runs of so many letters.
fn runs(line: &str, letters: usize) -> impl Iterator<Item = usize> {
    // A letter is a number of 21 bits.
    let of_run = (1_u64 << (21 * letters)) - 1;
    let runs = line.chars().scan(0_u64, move |run, letter| {
        *run = (*run << 21 | u64::from(letter)) & of_run;
        Some(*run)
    });
    runs.skip(letters.saturating_sub(1)).map(bit)
}

/// Spread evenly, whatever letters are frequent.
fn bit(run: u64) -> usize {
    let mixed = run.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    usize::try_from((mixed * (8 * OCTETS as u64)) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sqlite;

    fn check(letters: &str, length: u32) {
        let letters: Vec<char> = letters.chars().collect();
        let runs = letters.len().pow(length);
        let nth = |n: usize| -> String {
            (0..length)
                .map(|place| letters[n / letters.len().pow(place) % letters.len()])
                .collect()
        };
        let bits: BTreeSet<usize> = (0..runs).flat_map(|n| sought(&nth(n))).collect();
        // As many as of so many throws at random.
        let all = (8 * OCTETS) as f64;
        let expected = all * (1.0 - (-(runs as f64) / all).exp());
        assert!(bits.len() as f64 > 0.9 * expected, "{} of {expected}", bits.len());
        assert!(bits.last().is_some_and(|last| *last < 8 * OCTETS));
    }

    #[test]
    fn runs_of_letters_are_told_apart() {
        check("0123456789abcdef", 3);
        check("abcdefghijklmnopqrstuvwxyz0123456789", 3);
        check("abcdefghijklmnopqrstuvwxyzäöüß", 2);
        check("aбωЖ中🙂", 3);
    }

    #[test]
    fn a_text_is_sought_by_its_longest_runs_line_by_line() {
        let sought_of = |text: &str| sought(text).len();
        assert_eq!(["", "\n", "a", "ab", "abc", "abcd"].map(sought_of), [0, 0, 1, 1, 1, 2]);
        assert_eq!(sought("ab\ncde"), &sought("ab") | &sought("cde"));
    }

    #[test]
    fn a_block_that_is_read_goes_with_those_above_it_of_which_nothing_is_kept() {
        let db = sqlite::in_memory();
        db.run(
            "CREATE TABLE sieve (block INTEGER PRIMARY KEY, bits BLOB NOT NULL)",
            &[],
        )
        .unwrap();
        for (block, text) in [(1, "a"), (3, "b"), (4, "a"), (5, "b"), (6, "b")] {
            let mut bits = vec![0; OCTETS];
            set(&mut bits, text);
            db.run("INSERT INTO sieve VALUES (?1, ?2)", values![i64::from(block), bits])
                .unwrap();
        }
        let spans = |text: &str, ids, enough: usize| {
            let mut spans = Vec::new();
            narrow(&*db, &sought(text), ids, |first, last| {
                spans.push((first, last));
                Ok(spans.len() == enough)
            })
            .unwrap();
            spans
        };
        assert_eq!(
            spans("a", (0, 1000), 9),
            [(896, 1000), (512, 639), (128, 383), (0, 127)]
        );
        assert_eq!(spans("a", (600, 800), 9), [(600, 639)]);
        assert_eq!(spans("a", (0, 1000), 2), [(896, 1000), (512, 639)]);
        assert_eq!(spans("a", (700, 800), 9), []);
        assert_eq!(spans("", (5, 7), 9), [(5, 7)]);
        assert_eq!(spans("", (7, 5), 9), []);
    }
}
