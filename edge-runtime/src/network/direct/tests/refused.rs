use super::network::{Layer, Network, ints};
use crate::network::direct::{op, rewrite};
use crate::network::{Convolutions, Plan};

#[test]
fn a_small_file_that_asks_for_much_memory_is_refused_by_its_node() {
    for (pads, stride) in [(1 << 20, 1), (1 << 14, 1 << 14)] {
        let mut network = Network::new([1, 8, 9, 9]);
        let layer = Layer {
            pads: [pads; 4],
            stride: [stride; 2],
            ..Layer::three(8, 8, 1)
        };
        network.conv("y", "x", &layer);
        network.output("y");
        let built = Plan::build(&network.model(), network.shape, Convolutions::Direct);
        let told = built.map(|_| ()).unwrap_err().to_string();
        assert!(
            told.contains("node \"y") && told.contains("are computed"),
            "{told}"
        );
    }
}

#[test]
fn a_large_picture_of_few_channels_is_left_to_tract() {
    for (side, direct) in [(1022, 1), (1023, 0)] {
        let mut network = Network::new([1, 2, side, side]);
        network.conv("y", "x", &Layer::depthwise(2, 1));
        network.output("y");
        assert_eq!(network.compare(), direct, "{side}");
    }
}

#[test]
fn an_order_of_dimensions_that_is_none_is_refused_by_its_node() {
    for order in [&[0, 1, 1, 3][..], &[0, 1, 2, 4], &[1, 2, 3, 4]] {
        let mut network = Network::new([1, 8, 9, 9]);
        network.node("y", "Transpose", &["x"], vec![ints("perm", order)]);
        network.output("y");
        let built = Plan::build(&network.model(), network.shape, Convolutions::Direct);
        let told = built.map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("node \"y\" has the order"), "{told}");
    }
}

#[test]
fn a_file_cannot_bring_the_node_itself() {
    let mut network = Network::new([1, 8, 9, 9]);
    network.conv("y", "x", &Layer::three(8, 8, 1));
    network.output("y");
    network.graph.node[0].op_type = op::OPERATOR.into();
    assert!(rewrite(&network.graph).is_none());
    for layer in [
        &[][..],
        &[3, 3, 1, 1, 1, 1, 1, 1, 8, 0, 0, 1],
        &[1 << 40; 12],
    ] {
        network.graph.node[0].attribute = vec![ints("layer", layer)];
        assert!(Plan::build(&network.model(), network.shape, Convolutions::Direct).is_err());
    }
}
