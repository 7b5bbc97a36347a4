//! How much two inputs have in common.

use std::collections::BTreeMap;

use crate::{Chunker, Digest};

impl Chunker {
    /// The share of distinct content that `a` and `b` have in common, from 0.0 to 1.0.
    ///
    /// This is the weighted Jaccard index: the bytes in chunks that both have, over the bytes in
    /// chunks that either has, each distinct chunk counted once. Two empty inputs are alike: 1.0.
    #[must_use]
    pub fn similarity(&self, a: &[u8], b: &[u8]) -> f64 {
        let (a, b) = (self.lengths(a), self.lengths(b));
        let common = total(a.iter().filter(|(digest, _)| b.contains_key(digest)));
        let either = total(&a) + total(&b) - common;
        if either == 0 { 1.0 } else { common as f64 / either as f64 }
    }

    /// Each distinct chunk of `data` with its length.
    fn lengths(&self, data: &[u8]) -> BTreeMap<Digest, usize> {
        self.split(data).map(|chunk| (chunk.digest, chunk.length)).collect()
    }
}

fn total<'a>(lengths: impl IntoIterator<Item = (&'a Digest, &'a usize)>) -> usize {
    lengths.into_iter().map(|(_, length)| length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::tests::noise;

    fn similarity(a: &[u8], b: &[u8]) -> f64 {
        Chunker::new(1024).unwrap().similarity(a, b)
    }

    #[test]
    fn equal_inputs_are_wholly_alike_and_unrelated_ones_not_at_all() {
        let (a, b) = (noise(4, 50_000), noise(5, 50_000));
        assert_eq!(similarity(&a, &a), 1.0);
        assert_eq!(similarity(&a, &b), 0.0);
        assert_eq!(similarity(b"", b""), 1.0);
        assert_eq!(similarity(&a, b""), 0.0);
    }

    #[test]
    fn half_in_common_is_a_third_of_the_union() {
        let (a, b, c) = (noise(6, 200_000), noise(7, 200_000), noise(8, 200_000));
        let found = similarity(&[a.as_slice(), &b].concat(), &[a.as_slice(), &c].concat());
        assert!((found - 1.0 / 3.0).abs() < 0.03, "similarity {found}");
    }

    #[test]
    fn the_order_of_the_inputs_does_not_matter() {
        let a = noise(9, 60_000);
        let b = [&a[..30_000], &noise(10, 10_000)].concat();
        assert_eq!(similarity(&a, &b), similarity(&b, &a));
    }
}
