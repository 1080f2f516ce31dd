//! The face detector: frames put together from photographs and drawn people, a small network with
//! three heads, and what it finds on people and rooms that it was not trained on.

mod config;
mod file;
mod frame;
mod loss;
mod measure;
mod photos;
mod place;
mod target;
#[cfg(test)]
mod tests;
mod train;

pub use config::{DetectorData, DetectorNetwork, DetectorRecipe, DetectorTraining, is_detector};
pub use file::{DetectorFile, DetectorFileError, self_test_frames};
pub use measure::{
    DetectorEvaluation, DetectorFigures, Found, MeasureError, compare, finish, largest, layout,
};
pub use photos::{Photos, PhotosError};
pub use train::{DetectorJob, train};
