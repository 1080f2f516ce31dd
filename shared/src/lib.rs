//! What the trainer and the door must agree on, in the order that a face takes through it.
//!
//! `no_std` with `alloc`, no features, always `libm`: the same bytes and the same rounding on
//! every machine. Everything that crosses from host to door, or lies on the door's disk, is
//! defined here.

#![no_std]

extern crate alloc;

pub mod align;
pub mod preprocess;

pub mod embedding;
pub mod enrollment;
pub mod roster;

pub mod audit;
pub mod store;

pub mod bundle;
mod canonical;
pub mod detector;
pub mod digest;
pub mod envelope;
pub mod release;
