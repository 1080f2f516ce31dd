//! The door as a whole, on synthetic people and, where they are, on real ones.

#![allow(
    clippy::unwrap_used,
    reason = "what a test needs and does not get fails the test"
)]

mod allocations;
mod audit;
mod bad_input;
mod bad_settings;
mod bad_start;
mod bench;
mod broker;
mod broker_access;
mod bundles;
mod camera;
mod chance;
mod claims;
mod clock;
mod command_line;
mod contacts;
mod day;
mod detector;
mod door;
mod events;
mod lock;
mod metrics;
mod mutate;
mod networks;
mod onnx;
mod parsers;
mod people;
mod policies;
mod precisions;
mod quality;
mod real_faces;
mod releases;
mod running;
mod safe_state;
mod scene;
mod settings;
mod store;
mod store_disk;
mod store_faults;
mod supervised;
mod told;
mod toy_detector;
mod transfer;
mod trial;
mod trial_page;
mod trial_program;
