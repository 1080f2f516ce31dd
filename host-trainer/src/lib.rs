//! Trains, measures, quantizes and exports the face-embedding network, in the order that the
//! work is done. Faces are aligned, prepared and scored by the door's own code.

pub mod config;

pub mod dataset;

pub mod backbone;
pub mod loss;
pub mod optimize;

pub mod checkpoint;
pub mod metrics;
pub mod native;
pub mod train;

pub mod export;
pub mod quantize;

pub mod evaluate;
pub mod measure;
pub mod operating_point;

pub mod progress;
pub mod report;

#[cfg(test)]
mod python;
