//! Every parser, given bytes that are nearly right: a slice of what the fuzz targets do.
//!
//! `FACELATCH_FUZZ_INPUTS` sets how many inputs each takes; `FACELATCH_FUZZ_CORPUS` names a folder
//! into which the examples are written, one folder a parser, for a fuzzer to begin with.

mod examples;
mod photos;

use crate::allocations::most_held;
use crate::chance::Chance;
use crate::mutate;
use edge_runtime::fuzzed::{PARSERS, parser, quiet};
use examples::{Examples, of};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

/// All of it together takes half a minute on one core.
const INPUTS: u64 = 200_000;

/// Gives a parser its inputs, and prints what came of them.
fn fuzz(name: &str) {
    quiet();
    let parser = parser(name);
    let Examples {
        files,
        slower,
        repair,
    } = of(name);
    for example in &files {
        assert!((parser.check)(example), "{name}: an example was refused");
    }
    write_corpus(name, &files);
    let wanted = env::var("FACELATCH_FUZZ_INPUTS");
    let inputs: u64 = wanted.map_or(INPUTS / slower, |n| n.parse().unwrap());
    let mut chance = Chance(1);
    let (mut taken, mut most, started) = (0, 0, Instant::now());
    for number in 0..inputs {
        let mut input = mutate::input(&mut chance, &files);
        if chance.once_in(2) {
            repair(&mut input);
        }
        let check = || panic::catch_unwind(AssertUnwindSafe(|| (parser.check)(&input)));
        let (checked, held) = most_held(check);
        let Ok(accepted) = checked else {
            panic!("{name}: input {number}: {}", input.escape_ascii());
        };
        let bound = parser.memory + parser.memory_per_byte * input.len();
        let bounded = held <= bound;
        assert!(
            bounded,
            "{name}: input {number} took {held} bytes: {}",
            input.escape_ascii()
        );
        taken += u64::from(accepted);
        most = most.max(held);
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{name}: {inputs} inputs, {taken} taken, at most {most} bytes, {seconds:.1} s");
    assert!(taken < inputs);
}

fn write_corpus(name: &str, files: &[Vec<u8>]) {
    let Ok(folder) = env::var("FACELATCH_FUZZ_CORPUS") else {
        return;
    };
    let folder = Path::new(&folder).join(name);
    fs::create_dir_all(&folder).unwrap();
    for (number, file) in files.iter().enumerate() {
        fs::write(folder.join(format!("example-{number}")), file).unwrap();
    }
}

macro_rules! parsers {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                fuzz(stringify!($name));
            }
        )*

        #[test]
        fn every_parser_is_tried() {
            let tried = [$(stringify!($name)),*];
            assert!(PARSERS.iter().map(|parser| parser.name).eq(tried));
            // By the fuzz targets, too.
            let manifest = fs::read_to_string("../fuzz/Cargo.toml").unwrap();
            let targets = manifest.split("[[bin]]").skip(1);
            let names = targets.map(|target| target.split('"').nth(1).unwrap());
            assert!(names.eq(tried));
        }
    };
}

parsers! {
    bundle record store_key transfer_key kept_crops sealed_transfer transfer release
    seal log_entry log_chain store
    door_toml landmarks_csv claims trusted_key http
    photo mjpeg jpeg yuyv face detections
    weights network
}
