//! Backbones: each a function that lays out a [`graph::Graph`], and the tch module made from one.

mod cost;
pub mod detector;
pub mod graph;
pub mod latchnet;
mod mobilefacenet;
mod module;
mod norm;
mod sphereface;

pub use latchnet::latchnet;
pub use mobilefacenet::mobilefacenet;
pub use module::Module;
pub use norm::NORM_EPSILON;
pub use sphereface::{sphereface20, sphereface20_with};

use graph::{Activation, Graph};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// The backbone that a recipe asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum BackboneConfig {
    /// [`sphereface20`].
    Sphereface20 {
        /// After each convolution.
        #[serde(default = "papers", skip_serializing_if = "is_papers")]
        activation: Activation,
    },
    /// [`mobilefacenet`].
    Mobilefacenet {
        /// Multiplies the channel counts, 0.125 to 4.
        width: f64,
        /// Numbers in an embedding, 2 to 1024.
        embedding_len: i64,
        /// After each convolution but the linear ones.
        activation: Activation,
    },
    /// [`latchnet()`].
    Latchnet {
        /// Channels of the stem, 8 to 1024.
        stem: i64,
        /// Channels of the stages at 28x28, 14x14 and 7x7, 8 to 1024.
        channels: [i64; latchnet::STAGES],
        /// Residual blocks of the stages, 0 to 32.
        blocks: [u32; latchnet::STAGES],
        /// Of a block around its depthwise convolution, 1 to 8; 0 for dense blocks.
        #[serde(default, skip_serializing_if = "is_zero")]
        expansion: i64,
        /// Channels before the places are weighed, 8 to 1024.
        head: i64,
        /// Numbers in an embedding, 2 to 1024.
        embedding_len: i64,
        /// After each convolution but the last two.
        activation: Activation,
    },
}

/// What SphereFace's authors use.
fn papers() -> Activation {
    Activation::Prelu
}

fn is_papers(activation: &Activation) -> bool {
    *activation == papers()
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A backbone that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("[backbone] {field} = {found} is out of range; {expected}")]
pub struct ImpossibleBackbone {
    field: &'static str,
    found: String,
    expected: String,
}

impl BackboneConfig {
    /// Lays the backbone out.
    ///
    /// # Errors
    /// [`ImpossibleBackbone`] if a number is out of its range.
    pub fn graph(&self) -> Result<Graph, ImpossibleBackbone> {
        match *self {
            Self::Sphereface20 { activation } => Ok(sphereface20_with(activation)),
            Self::Mobilefacenet {
                width,
                embedding_len,
                activation,
            } => {
                within("width", width, 0.125..=4.0)?;
                within("embedding_len", embedding_len, EMBEDDING_LENS)?;
                Ok(mobilefacenet(width, embedding_len, activation))
            }
            Self::Latchnet {
                stem,
                channels,
                blocks,
                expansion,
                head,
                embedding_len,
                activation,
            } => {
                within("stem", stem, CHANNELS)?;
                for channels in channels {
                    within("channels", channels, CHANNELS)?;
                }
                for blocks in blocks {
                    within("blocks", blocks, 0..=32)?;
                }
                within("expansion", expansion, 0..=8)?;
                within("head", head, CHANNELS)?;
                within("embedding_len", embedding_len, EMBEDDING_LENS)?;
                let shape = latchnet::Shape {
                    stem,
                    channels,
                    blocks,
                    expansion,
                    head,
                };
                Ok(latchnet(&shape, embedding_len, activation))
            }
        }
    }
}

const EMBEDDING_LENS: RangeInclusive<i64> = 2..=1024;
const CHANNELS: RangeInclusive<i64> = 8..=1024;

fn within<T: PartialOrd + Display>(
    field: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), ImpossibleBackbone> {
    let (found, expected) = (
        value.to_string(),
        format!("use {} to {}", range.start(), range.end()),
    );
    let impossible = ImpossibleBackbone {
        field,
        found,
        expected,
    };
    range.contains(&value).then_some(()).ok_or(impossible)
}

#[cfg(test)]
mod tests {
    use super::graph::Op;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn sphereface20_has_twenty_convolutions_and_the_papers_size() {
        let graph = sphereface20();
        let convolutions = graph
            .nodes
            .iter()
            .filter(|n| matches!(n.op, Op::Conv { .. }));
        assert_eq!(convolutions.count(), 20);
        // By hand: stem and strided 3x3 weights and biases, the blocks, the slopes, the head.
        let strided = (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) * 9 + 64 + 128 + 256 + 512;
        let blocks = 9 * (2 * 64 * 64 + 4 * 128 * 128 + 8 * 256 * 256 + 2 * 512 * 512);
        let slopes = 3 * 64 + 5 * 128 + 9 * 256 + 3 * 512;
        let head = 512 * 7 * 6 * 512 + 512;
        assert_eq!(graph.parameter_count(), strided + blocks + slopes + head);
    }

    #[test]
    fn mobilefacenet_has_about_a_million_parameters() {
        // The paper states 0.99 million.
        let count = mobilefacenet(1.0, 128, Activation::Prelu).parameter_count();
        assert!((980_000..1_010_000).contains(&count), "{count}");
    }

    #[test]
    fn names_are_unique() {
        for graph in [
            sphereface20(),
            mobilefacenet(0.5, 64, Activation::SharedPrelu),
            latchnet_of([2, 1, 1], 64).graph().unwrap(),
        ] {
            let names: HashSet<_> = graph.nodes.iter().map(|n| &n.name).collect();
            assert_eq!(names.len(), graph.nodes.len());
            let parameters: Vec<_> = graph.parameters().map(|p| p.name).collect();
            assert_eq!(
                parameters.iter().collect::<HashSet<_>>().len(),
                parameters.len()
            );
        }
    }

    #[test]
    fn impossible_numbers_are_named() {
        for (width, embedding_len, field) in [
            (0.0, 128, "width"),
            (f64::NAN, 128, "width"),
            (1.0, 0, "embedding_len"),
        ] {
            let activation = Activation::Relu;
            let config = BackboneConfig::Mobilefacenet {
                width,
                embedding_len,
                activation,
            };
            assert!(config.graph().unwrap_err().to_string().contains(field));
        }
        for (blocks, embedding_len, field) in
            [([33, 0, 0], 128, "blocks"), ([1; 3], 1, "embedding_len")]
        {
            let error = latchnet_of(blocks, embedding_len).graph().unwrap_err();
            assert!(error.to_string().contains(field));
        }
        let channels = BackboneConfig::Latchnet {
            stem: 8,
            channels: [8, 16, 4096],
            blocks: [1; 3],
            expansion: 0,
            head: 8,
            embedding_len: 8,
            activation: Activation::Relu,
        };
        let told = channels.graph().unwrap_err().to_string();
        assert!(
            told.contains("channels = 4096") && told.contains("8 to 1024"),
            "{told}"
        );
    }

    fn latchnet_of(blocks: [u32; 3], embedding_len: i64) -> BackboneConfig {
        BackboneConfig::Latchnet {
            stem: 8,
            channels: [8, 16, 24],
            blocks,
            expansion: 0,
            head: 32,
            embedding_len,
            activation: Activation::SharedPrelu,
        }
    }
}
