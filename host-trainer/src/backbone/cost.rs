//! What a network costs to compute.

use super::graph::{Graph, Node, Op};

impl Graph {
    /// Height and width of each node's value, 1 and 1 after a linear layer.
    pub fn sizes(&self) -> Vec<[i64; 2]> {
        let mut sizes: Vec<[i64; 2]> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let before = node.inputs.first().map_or(self.size, |i| sizes[*i]);
            sizes.push(match node.op {
                Op::Conv {
                    kernel,
                    stride,
                    padding,
                    ..
                } => before.map(|side| (side + 2 * padding - kernel) / stride + 1),
                Op::Linear { .. } => [1, 1],
                _ => before,
            });
        }
        sizes
    }

    /// Multiplications, each with its addition, of the convolutions and linear layers in one
    /// forward pass over one image.
    pub fn multiply_adds(&self) -> i64 {
        let of = |(node, size): (&Node, [i64; 2])| {
            let each = match node.op {
                Op::Conv {
                    input,
                    output,
                    kernel,
                    groups,
                    ..
                } => input / groups * output * kernel * kernel,
                Op::Linear { input, output } => input * output,
                _ => 0,
            };
            size[0] * size[1] * each
        };
        self.nodes.iter().zip(self.sizes()).map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use crate::backbone::graph::Activation;
    use crate::backbone::{mobilefacenet, sphereface20};

    #[test]
    fn the_cost_is_that_computed_by_hand() {
        // 112x96 is halved before each stage: 56x48, 28x24, 14x12, 7x6.
        let strided = 56 * 48 * 3 * 64 + 28 * 24 * 64 * 128 + 14 * 12 * 128 * 256 + 42 * 256 * 512;
        let blocks = 56 * 48 * 2 * 64 * 64
            + 28 * 24 * 4 * 128 * 128
            + 14 * 12 * 8 * 256 * 256
            + 42 * 2 * 512 * 512;
        let head = 512 * 42 * 512;
        assert_eq!(
            sphereface20().multiply_adds(),
            9 * (strided + blocks) + head
        );
        // The paper states 221 million (Chen et al. 2018, table 2).
        let millions = mobilefacenet(1.0, 128, Activation::Prelu).multiply_adds() / 1_000_000;
        assert!((219..=224).contains(&millions), "{millions}");
    }
}
