//! Mutations without a fuzzer: the committed corpus, changed by a generator with a fixed seed, so that every run tries
//! the same inputs. Included by the crates' `tests/corpus.rs`; the fuzz targets have libFuzzer for this.

use std::fs;
use std::path::Path;

/// The committed inputs of one target, by name.
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = ["../fuzz/corpus", "../node-agent/fuzz/corpus"]
        .map(|corpora| Path::new(env!("CARGO_MANIFEST_DIR")).join(corpora).join(target))
        .into_iter()
        .find(|folder| folder.is_dir())
        .expect("the corpus is committed");
    let mut inputs: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .expect("readable")
        .map(|entry| {
            let path = entry.expect("readable").path();
            (
                path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                fs::read(path).expect("readable"),
            )
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{target} has a corpus");
    inputs
}

/// SplitMix64 (public domain): small, seeded, good enough to pick bytes.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap_or(0)
    }
}

/// One input, changed in one to four places: bytes set to corners or to anything, cut, repeated, spliced with another.
pub fn mutated(input: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    const CORNERS: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b' ', b'0'];
    let mut bytes = input.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        match chance.below(6) {
            0 if !bytes.is_empty() => bytes[at] = CORNERS[chance.below(CORNERS.len())],
            1 if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
            2 if !bytes.is_empty() => bytes[at] = u8::try_from(chance.below(256)).unwrap_or(0),
            3 => bytes.truncate(at),
            4 => {
                let piece: Vec<u8> =
                    bytes[at.min(bytes.len())..].iter().copied().take(chance.below(40)).collect();
                bytes.extend(piece);
            }
            _ => {
                bytes.truncate(at);
                bytes.extend(other.iter().skip(chance.below(other.len())));
            }
        }
    }
    bytes
}

/// Runs `check` over the corpus and `rounds` mutations of each input; how many inputs it saw.
pub fn run<T>(target: &str, rounds: usize, check: impl Fn(&[u8]) -> T) -> usize {
    let inputs = corpus(target);
    let mut chance = Chance(0x4d65_616e_7469_6d65);
    let mut seen = 0;
    for (_, input) in &inputs {
        check(input);
        for _ in 0..rounds {
            let (_, other) = &inputs[chance.below(inputs.len())];
            check(&mutated(input, other, &mut chance));
            seen += 1;
        }
        seen += 1;
    }
    seen
}
