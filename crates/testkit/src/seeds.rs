//! What the fuzzer starts from: a test replays its seeds, and inputs made from them, so that no run
//! of the tests goes without.

use std::{fmt, fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};

/// The fuzzer's seeds of one target, with their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = fs::read_dir(folder).expect("a folder of seeds");
    let mut seeds: Vec<_> = files
        .map(|file| {
            let path = file.expect("a file").path();
            (path.display().to_string(), fs::read(&path).expect("a seed"))
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

/// The longest piece that is repeated to make an input, in bytes.
const LONGEST: usize = 5_000;

/// Some bytes, which print as a text.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index, usize),
}

/// What such texts are made of, and what is on the edge of being a number.
const PIECES: [&str; 16] = [
    "\"",
    "{",
    "[",
    "\n",
    "\0",
    "\\u001b",
    "null",
    "-1",
    "1e300",
    "18446744073709551615",
    "%00",
    "\u{1b}[2J",
    "9999999999999999",
    "=",
    "://",
    "é",
];

fn change() -> impl Strategy<Value = Change> {
    let piece = prop::sample::select(PIECES.to_vec()).prop_map(|piece| piece.as_bytes().to_vec());
    let bytes = prop_oneof![piece, vec(any::<u8>(), 1..20)];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, to)| Change::Set(at, to)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Remove(from, to)),
        (any::<Index>(), any::<Index>(), 2..400_usize)
            .prop_map(|(from, to, times)| Change::Repeat(from, to, times)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let range = |from: &Index, to: &Index| {
            let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
            from.min(to)..from.max(to)
        };
        match change {
            Change::Set(at, to) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *to;
            }
            Change::Set(..) => {}
            Change::Insert(at, piece) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, piece.iter().copied());
            }
            Change::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Change::Repeat(from, to, times) => {
                let range = range(from, to);
                let times = (*times).min(LONGEST / range.len().max(1));
                let piece = bytes[range.clone()].repeat(times.max(1));
                bytes.splice(range, piece);
            }
        }
    }
    bytes
}

/// Has `holds` make its claims for every seed of `target`, and for `cases` inputs made from them.
///
/// # Panics
/// If a claim does not hold; the last line before it names the seed.
#[expect(clippy::print_stderr, reason = "the last line of a failure names its seed")]
pub fn replay(target: &str, holds: fn(&[u8]), cases: u32) {
    let seeds = seeds(target);
    for (seed, bytes) in &seeds {
        eprintln!("{seed}");
        holds(bytes);
    }
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
    let made = (prop::sample::select(seeds), vec(change(), 1..6))
        .prop_map(|(seed, changes)| changed(seed, &changes));
    let inputs = prop_oneof![4 => made, 1 => vec(any::<u8>(), 0..300)].prop_map(Input);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        holds(&input.0);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{target}: {error}");
    }
}
