//! Content-defined chunking: FastCDC's normalised cuts over a gear rolling hash.
//!
//! Wen Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
//! Deduplication", USENIX ATC 2016.

use std::iter::FusedIterator;
use std::ops::RangeInclusive;

use crate::{Digest, Error};

/// Cuts bytes into chunks of a chosen average length.
///
/// No chunk but the last is shorter than a quarter of the average, and none is longer than four
/// times the average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunker {
    average: usize,
}

/// One piece of the input: `data[offset..offset + length]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// Where the chunk begins, in bytes from the start of the input.
    pub offset: usize,
    /// How many bytes it has; never zero.
    pub length: usize,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// The chunks of an input, in order and without gaps; made by [`Chunker::split`].
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    chunker: Chunker,
    data: &'a [u8],
    offset: usize,
}

impl Chunker {
    /// The average lengths that can be asked for, in bytes; powers of two only.
    pub const AVERAGES: RangeInclusive<usize> = 256..=16 * 1024 * 1024;

    /// A chunker for chunks of about `average` bytes.
    ///
    /// # Errors
    /// [`Error::Average`] unless `average` is a power of two in [`Self::AVERAGES`].
    pub fn new(average: usize) -> Result<Self, Error> {
        if average.is_power_of_two() && Self::AVERAGES.contains(&average) {
            Ok(Self { average })
        } else {
            Err(Error::Average(average))
        }
    }

    /// The chunks of `data`; none if it is empty.
    #[must_use]
    pub fn split<'a>(&self, data: &'a [u8]) -> Chunks<'a> {
        Chunks { chunker: *self, data, offset: 0 }
    }

    /// The length of the first chunk of `data`.
    fn cut(&self, data: &[u8]) -> usize {
        let least = self.average / 4;
        let most = data.len().min(self.average * 4);
        if most <= least {
            return most;
        }
        // Cuts are rare before the average and frequent after it, so lengths keep close to it.
        let bits = self.average.ilog2();
        let (rare, frequent) = (high_bits(bits + 2), high_bits(bits - 2));
        let mut hash = data[least - WINDOW..least].iter().fold(0, roll);
        for (at, byte) in data[..most].iter().enumerate().skip(least) {
            hash = roll(hash, byte);
            let mask = if at < self.average { rare } else { frequent };
            if hash & mask == 0 {
                return at + 1;
            }
        }
        most
    }
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let rest = &self.data[self.offset..];
        if rest.is_empty() {
            return None;
        }
        let length = self.chunker.cut(rest);
        let chunk = Chunk { offset: self.offset, length, digest: Digest::of(&rest[..length]) };
        self.offset += length;
        Some(chunk)
    }
}

impl FusedIterator for Chunks<'_> {}

/// How many bytes a hash remembers: each step shifts by one bit, so the 65th is gone.
const WINDOW: usize = u64::BITS as usize;

fn roll(hash: u64, byte: &u8) -> u64 {
    (hash << 1).wrapping_add(GEAR[usize::from(*byte)])
}

/// The high bits, because only they depend on the whole window.
const fn high_bits(count: u32) -> u64 {
    !0 << (u64::BITS - count)
}

/// A random-looking number for each byte. Changing one moves every chunk of every user.
static GEAR: [u64; 256] = gear();

/// The first 256 numbers of SplitMix64, seeded with zero.
const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state = 0u64;
    let mut at = 0;
    while at < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[at] = mixed ^ (mixed >> 31);
        at += 1;
    }
    table
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `length` bytes that look random and are the same each time (xorshift64).
    pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn chunks(average: usize, data: &[u8]) -> Vec<Chunk> {
        Chunker::new(average).unwrap().split(data).collect()
    }

    #[test]
    fn the_gear_table_starts_like_splitmix64() {
        assert_eq!(GEAR[..2], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn nothing_has_no_chunks_and_a_little_has_one() {
        assert_eq!(chunks(256, b""), []);
        let one = Chunk { offset: 0, length: 5, digest: Digest::of(b"hello") };
        assert_eq!(chunks(256, b"hello"), [one]);
    }

    #[test]
    fn chunks_follow_one_another_and_cover_the_input() {
        let data = noise(1, 100_000);
        let mut end = 0;
        for chunk in chunks(1024, &data) {
            assert_eq!(chunk.offset, end);
            end += chunk.length;
            assert_eq!(chunk.digest, Digest::of(&data[chunk.offset..end]));
        }
        assert_eq!(end, data.len());
    }

    #[test]
    fn lengths_keep_their_bounds_and_their_average() {
        let found = chunks(1024, &noise(2, 2_000_000));
        let (last, rest) = found.split_last().unwrap();
        assert!(rest.iter().all(|chunk| (256..=4096).contains(&chunk.length)));
        assert!(last.length <= 4096);
        let mean = 2_000_000 / found.len();
        assert!((768..=1280).contains(&mean), "mean length {mean}");
    }

    #[test]
    fn bytes_without_variety_are_cut_at_the_greatest_length() {
        let lengths: Vec<usize> = chunks(256, &[0; 2500]).iter().map(|c| c.length).collect();
        assert_eq!(lengths, [1024, 1024, 452]);
    }

    #[test]
    fn an_insertion_changes_the_chunks_around_it_only() {
        let old = noise(3, 200_000);
        let new = [&old[..100_000], b"inserted", &old[100_000..]].concat();
        let (old, new) = (chunks(1024, &old), chunks(1024, &new));
        let kept = new.iter().filter(|n| old.iter().any(|o| o.digest == n.digest)).count();
        assert!(new.len() - kept <= 6, "{} of {} chunks are new", new.len() - kept, new.len());
    }

    #[test]
    fn an_average_out_of_range_or_between_powers_of_two_is_refused() {
        for average in [0, 1, 128, 1000, 32 * 1024 * 1024, usize::MAX] {
            assert!(
                matches!(Chunker::new(average), Err(Error::Average(found)) if found == average)
            );
        }
        let message = Chunker::new(1000).unwrap_err().to_string();
        assert_eq!(message, "average must be a power of two from 256 to 16777216, not 1000");
    }
}
