//! Trains, measures, quantizes and exports the face-embedding network, in the order that the
//! work is done. Faces are aligned, prepared and scored by the door's own code.

pub mod combine;
pub mod config;

pub mod dataset;

pub mod augment;

pub mod backbone;
pub mod distill;
pub mod loss;
pub mod optimize;

pub mod checkpoint;
pub mod distributed;
pub mod generator;
pub mod metrics;
pub mod native;
mod tensorboard;
pub mod train;
pub mod validate;

pub mod export;
pub mod quantize;

pub mod detector;
pub mod evaluate;
pub mod experiment;
pub mod import;
pub mod measure;
pub mod operating_point;
pub mod replay;

pub mod illustrate;
pub mod memory;
pub mod progress;
pub mod report;

#[cfg(test)]
mod python;
