//! The fuzz target of the parser whose name the binary has.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (edge_runtime::fuzzed::parser(env!("CARGO_BIN_NAME")).check)(bytes);
});
