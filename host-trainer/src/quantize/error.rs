//! Why a network does not go into integers.

/// Why a network does not go into integers.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A layer without a form that integers compute well.
    #[error(
        "node {node} ({operator}) does not go into 8-bit integers: {reason}; keep 8-bit weights alone for this network, or train a dense backbone with relu or shared-prelu"
    )]
    Unsupported {
        /// The node's name.
        node: String,
        /// What it computes.
        operator: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// Ranges of so few faces would mean nothing.
    #[error(
        "{found} different faces to calibrate with, at least {least} are needed: name more images"
    )]
    TooFewFaces {
        /// Different faces.
        found: usize,
        /// Needed.
        least: usize,
    },
    /// One image, many times.
    #[error("all {0} faces to calibrate with are the same image: name images of different people")]
    SameFace(usize),
    /// An activation that is no number.
    #[error(
        "layer {layer} gives {value} for face {face} of the calibration set: the network's weights are broken there, or the face is; train again from a checkpoint before it"
    )]
    NotFinite {
        /// The node's name.
        layer: String,
        /// What it gave.
        value: f32,
        /// Index of the first such face.
        face: usize,
    },
    /// Nothing to be told apart in a layer.
    #[error(
        "layer {layer} gives {value} and nothing else for all faces of the calibration set: it is dead, and no scale fits it; train the network again"
    )]
    Constant {
        /// The node's name.
        layer: String,
        /// What it gave.
        value: f32,
    },
    /// A weight that no byte holds.
    #[error(
        "node {node}: weight {index} is {value}, which no 8-bit integer stands for; train again from a checkpoint before it"
    )]
    Weight {
        /// The node's name.
        node: String,
        /// Which.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// A layer's sums, from its input's steps to its output's.
    #[error(
        "node {node}: one step of its sums is {found:e} steps of its output, expected {least:e} to {most:e}: its weights are out of proportion to what comes in and goes out; train again with weight decay"
    )]
    Requantization {
        /// The node's name.
        node: String,
        /// Input's scale times weights' scale by output's scale.
        found: f64,
        /// The least that integers multiply by exactly enough.
        least: f64,
        /// The most that leaves anything between the ends.
        most: f64,
    },
    /// Sums that 32 bits do not hold.
    #[error(
        "node {node}: the sums of output channel {channel} may reach {sum:e}, 32-bit integers end at 2.1e9: its bias is out of proportion to its weights, or it has too many of them"
    )]
    Overflow {
        /// The node's name.
        node: String,
        /// Which.
        channel: usize,
        /// The worst case.
        sum: f64,
    },
}
