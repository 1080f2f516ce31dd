//! The door as a whole, on synthetic people and, where they are, on real ones.

mod bad_input;
mod command_line;
mod door;
mod networks;
mod onnx;
mod people;
mod real_faces;
mod scene;
