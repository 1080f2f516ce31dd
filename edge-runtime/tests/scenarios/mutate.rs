//! Bytes that are nearly right.

use crate::chance::Chance;

/// One input in so many is of random bytes only.
const ALL_RANDOM: usize = 20;
const MAX_RANDOM_LEN: usize = 300;
/// Several changes at most; one alone is often refused by the first check.
const CHANGES: usize = 4;
/// What lengths and numbers are apt to go wrong at.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    i64::MAX as u64,
    u64::MAX,
];
/// The same in texts.
const WORDS: [&[u8]; 14] = [
    b"nan",
    b"inf",
    b"-1",
    b"0",
    b"1e999",
    b"99999999999999999999",
    b"-0.0",
    b"\"",
    b"\n",
    b",",
    b"[",
    b"}",
    b"\r\n",
    b"\xC3\xA9",
];

/// An input for a parser that takes `examples`.
pub(crate) fn input(chance: &mut Chance, examples: &[Vec<u8>]) -> Vec<u8> {
    if chance.once_in(ALL_RANDOM) {
        let len = chance.below(MAX_RANDOM_LEN);
        return (0..len).map(|_| chance.next() as u8).collect();
    }
    let mut bytes = examples[chance.below(examples.len())].clone();
    for _ in 0..1 + chance.below(CHANGES) {
        change(chance, &mut bytes, examples);
    }
    bytes
}

fn change(chance: &mut Chance, bytes: &mut Vec<u8>, examples: &[Vec<u8>]) {
    // Headers and lengths come first, and deserve more.
    let end = match chance.below(3) {
        0 => bytes.len().min(64),
        _ => bytes.len(),
    };
    let at = chance.below(end);
    let len = 1 + chance.below(16);
    let range = at..(at + len).min(bytes.len());
    match chance.below(9) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
        2 if at < bytes.len() => bytes[at] = chance.next() as u8,
        3 => overwrite(chance, &mut bytes[at..]),
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(range)),
        6 => {
            let copy = bytes[range].to_vec();
            insert(bytes, at, &copy);
        }
        7 => insert(bytes, at, chance.pick(&WORDS)),
        _ => {
            // The end of another one.
            let other = &examples[chance.below(examples.len())];
            let from = chance.below(other.len());
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
    }
}

/// A number of any width, little or big endian, or as postcard and ONNX write it.
fn overwrite(chance: &mut Chance, bytes: &mut [u8]) {
    let number = chance.pick(&NUMBERS);
    let width = 1 << chance.below(4);
    let written = match chance.below(3) {
        0 => number.to_le_bytes()[..width].to_vec(),
        1 => number.to_be_bytes()[8 - width..].to_vec(),
        _ => varint(number),
    };
    bytes
        .iter_mut()
        .zip(written)
        .for_each(|(to, from)| *to = from);
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.splice(at..at, new.iter().copied());
}
