//! Backbones: each a function that lays out a [`graph::Graph`], and the tch module made from one.

mod cost;
pub mod detector;
pub mod graph;
mod mobilefacenet;
mod module;
mod norm;
mod sphereface;

pub use mobilefacenet::mobilefacenet;
pub use module::Module;
pub use norm::NORM_EPSILON;
pub use sphereface::sphereface20;

use graph::{Activation, Graph};
use serde::{Deserialize, Serialize};

/// The backbone that a recipe asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum BackboneConfig {
    /// [`sphereface20`]; nothing to choose.
    Sphereface20 {},
    /// [`mobilefacenet`].
    Mobilefacenet {
        /// Multiplies the channel counts, 0.125 to 4.
        width: f64,
        /// Numbers in an embedding, 2 to 1024.
        embedding_len: i64,
        /// After each convolution but the linear ones.
        activation: Activation,
    },
}

/// A backbone that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("[backbone] {field} = {found} is out of range; {expected}")]
pub struct ImpossibleBackbone {
    field: &'static str,
    found: String,
    expected: &'static str,
}

impl BackboneConfig {
    /// Lays the backbone out.
    ///
    /// # Errors
    /// [`ImpossibleBackbone`] if a number is out of its range.
    pub fn graph(&self) -> Result<Graph, ImpossibleBackbone> {
        match *self {
            Self::Sphereface20 {} => Ok(sphereface20()),
            Self::Mobilefacenet {
                width,
                embedding_len,
                activation,
            } => {
                let impossible = |field, found, expected| ImpossibleBackbone {
                    field,
                    found,
                    expected,
                };
                if !(0.125..=4.0).contains(&width) {
                    return Err(impossible("width", width.to_string(), "use 0.125 to 4"));
                }
                if !(2..=1024).contains(&embedding_len) {
                    return Err(impossible(
                        "embedding_len",
                        embedding_len.to_string(),
                        "use 2 to 1024",
                    ));
                }
                Ok(mobilefacenet(width, embedding_len, activation))
            }
        }
    }
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
    }
}
