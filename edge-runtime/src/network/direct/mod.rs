//! Convolutions computed directly, channels last.
//!
//! Tract gathers the places of a convolution into a matrix and multiplies that; activations other
//! than a few, depthwise convolutions and their strides cost more than they should. Here the places
//! are read where they lie, the bias, the activation and a residual are applied before a result
//! leaves the registers, and nothing is gathered. What is not understood is left to tract.
//!
//! [`rewrite`] changes the ONNX graph before tract sees it, [`register`] tells tract how to read
//! what is new in it.

mod geometry;
mod kernel;
mod op;
mod pack;
mod pattern;
mod rewrite;

pub(super) use op::register;
pub(super) use rewrite::rewrite;

#[cfg(test)]
mod tests;
