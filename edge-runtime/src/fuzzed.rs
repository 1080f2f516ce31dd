//! Every parser of bytes that somebody else may have written, as fuzzers call it: the targets in
//! `fuzz/`, and a test that takes a slice of them with every run.
//!
//! A parser must not panic, whatever it is given, nor take memory without bound. What it takes
//! must keep the promises of its type, and be written as the same bytes again where it is written
//! at all.

mod formats;
mod networks;
mod pictures;
mod texts;

use crate::contained::excuse;
use crate::{camera, detect, http, store};
use std::panic;
use std::sync::Once;

pub(crate) use formats::file;

/// A parser, and what it may take.
pub struct Parser {
    /// Of the target, too.
    pub name: &'static str,
    /// Parses; says whether the bytes were taken, and panics where a promise is broken.
    pub check: fn(&[u8]) -> bool,
    /// The most bytes of memory that it may hold at a time ...
    pub memory: usize,
    /// ... and so many more for each byte of the input.
    pub memory_per_byte: usize,
}

/// All of them.
pub const PARSERS: [Parser; 25] = [
    // Files in an envelope: each is tried with its checksum made right as well.
    small("bundle", formats::bundle),
    small("record", formats::record),
    small("store_key", formats::store_key),
    small("transfer_key", formats::transfer_key),
    small("kept_crops", formats::kept_crops),
    small("sealed_transfer", formats::sealed_transfer),
    small("transfer", store::fuzzed::transfer),
    small("release", formats::release),
    // What else lies in the store.
    small("seal", store::fuzzed::seal),
    small("log_entry", formats::log_entry),
    small("log_chain", formats::log_chain),
    large("store", store::fuzzed::database, 64 << 20),
    // Texts.
    small("door_toml", texts::door_toml),
    small("landmarks_csv", texts::landmarks_csv),
    small("claims", texts::claims),
    small("trusted_key", texts::trusted_key),
    small("http", http::fuzzed),
    // What a camera and a network give.
    large("photo", pictures::photo, 512 << 20),
    small("mjpeg", camera::fuzzed::mjpeg),
    small("jpeg", camera::fuzzed::jpeg),
    small("yuyv", camera::fuzzed::yuyv),
    small("face", pictures::face),
    small("detections", detect::fuzzed::detections),
    // What a bundle's networks are made of.
    large("weights", networks::weights, 2 << 30),
    large("network", networks::network, 2 << 30),
];

/// A few MiB are what a list of an unknown length may begin with.
const fn small(name: &'static str, check: fn(&[u8]) -> bool) -> Parser {
    large(name, check, 4 << 20)
}

const fn large(name: &'static str, check: fn(&[u8]) -> bool, memory: usize) -> Parser {
    Parser {
        name,
        check,
        memory,
        memory_per_byte: 64,
    }
}

/// The parser of that name.
///
/// # Panics
/// If there is none.
pub fn parser(name: &str) -> &'static Parser {
    let found = PARSERS.iter().find(|parser| parser.name == name);
    found.unwrap_or_else(|| panic!("no parser {name}"))
}

/// From now on a panic that is an answer is not told: what it takes to tell one, with all the
/// program's symbols, is not what a parser takes.
pub fn quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !excuse() {
                tell(info);
            }
        }));
    });
}

/// The first numbers of the bytes, with zeros where there are no more.
pub(crate) fn floats<const N: usize>(bytes: &[u8]) -> [f32; N] {
    let (whole, _) = bytes.as_chunks::<4>();
    let number = |i| whole.get(i).map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
    std::array::from_fn(number)
}
