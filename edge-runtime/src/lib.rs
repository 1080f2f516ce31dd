//! Runs a face-verification door, in the order that a face takes through it.
//!
//! On the door every error means *locked*: a stage that cannot answer says why, and the lock
//! stays, or goes back to, where it was safe.

#![forbid(unsafe_code)]

pub mod bundle;
pub mod config;

pub mod camera;
mod jpeg;
pub mod landmarks;
pub mod photo;

pub mod detect;
pub mod face;
pub mod find;
pub mod network;
pub mod precisions;
pub mod quality;

pub mod claim;
pub mod decide;
pub mod gallery;
pub mod identify;
pub mod search;

pub mod door;
pub mod event;
pub mod pipeline;
pub mod watchdog;

pub mod audit;
pub mod enroll;
pub mod events;
pub mod metrics;
pub mod store;
pub mod trial;

pub mod device;
pub mod release;

pub mod atomic_file;
pub mod capped_file;
mod contained;
mod http;
pub mod memory;
mod millis;
mod seldom;

#[doc(hidden)]
pub mod fuzzed;

/// The message of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").into()
}
