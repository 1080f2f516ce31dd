use super::*;
use crate::backbone::graph::{Activation, Graph, Init, Node, Op};
use crate::backbone::{Module, mobilefacenet, sphereface20, sphereface20_with};
use crate::dataset::synthetic_face;
use crate::export::{Weights, folded, weights};
use crate::generator::Generator;
use shared::align::{AlignTemplate, AlignedFace};
use shared::preprocess::InputSpec;
use tch::Device;

/// SphereFace's first stage and a linear layer, Relu for its slopes.
fn small() -> (Graph, Weights) {
    let mut graph = sphereface20_with(Activation::Relu);
    graph.nodes.truncate(8);
    for node in &mut graph.nodes {
        if let Op::Conv { init, .. } = &mut node.op {
            *init = Init::Xavier;
        }
    }
    let last = graph.nodes.len() - 1;
    let flatten = Node {
        name: "flatten".into(),
        op: Op::Flatten,
        inputs: vec![last],
    };
    let linear = Node {
        name: "fc".into(),
        op: Op::Linear {
            input: 64 * 56 * 48,
            output: 16,
        },
        inputs: vec![last + 1],
    };
    graph.nodes.extend([flatten, linear]);
    graph.outputs[0].node = last + 2;
    graph.outputs[0].shape = vec![1, 16];
    let module = Module::new(graph, Device::Cpu, &Generator::seeded(3));
    folded(module.graph(), &weights(&module))
}

fn faces(count: u64) -> Vec<AlignedFace> {
    let face = |i| synthetic_face(5, i, 0, AlignTemplate::Sphereface112x96);
    (0..count).map(face).collect()
}

fn input() -> InputSpec {
    InputSpec::rgb_128(AlignTemplate::Sphereface112x96)
}

fn calibrated(
    graph: &Graph,
    weights: &Weights,
    faces: &[AlignedFace],
) -> Result<Calibration, QuantizeError> {
    let layout = Layout::new(graph)?;
    let module = Module::with_weights(graph.clone(), weights, Device::Cpu);
    calibrate(&module, &input(), &layout, faces)
}

fn message<T>(result: Result<T, QuantizeError>) -> String {
    result.err().expect("it is refused").to_string()
}

#[test]
fn values_become_bytes_where_no_activation_follows() {
    let (graph, _) = small();
    let kinds = Layout::new(&graph).unwrap().kinds;
    let (bytes, large) = (
        Kind::Bytes { symmetric: false },
        Kind::Bytes { symmetric: true },
    );
    // The linear layer has 2.7 million weights, so the sum before it is symmetric.
    let expected = [
        bytes,
        Kind::Inner,
        bytes,
        Kind::Inner,
        bytes,
        Kind::Inner,
        bytes,
        large,
        Kind::Reshaped,
        Kind::Float,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_integers_compute_badly_is_refused_by_name() {
    let slopes = sphereface20();
    assert!(message(Layout::new(&slopes)).contains("prelu1_1 (PRelu)"));
    let depthwise = mobilefacenet(0.25, 64, Activation::Relu);
    let module = Module::new(depthwise, Device::Cpu, &Generator::seeded(3));
    let (depthwise, _) = folded(module.graph(), &weights(&module));
    let message = message(Layout::new(&depthwise));
    assert!(
        message.contains("depthwise") && message.contains("(convolution in groups)"),
        "{message}"
    );
}

#[test]
fn faces_that_say_nothing_are_refused() {
    let (graph, weights) = small();
    let check = |faces: &[AlignedFace], needle: &str| {
        let message = message(calibrated(&graph, &weights, faces));
        assert!(message.contains(needle), "{message}");
    };
    check(&[], "0 different faces");
    check(&faces(1), "1 different faces");
    check(&faces(LEAST_FACES as u64 - 1), "at least 32 are needed");
    check(&vec![faces(1).remove(0); 40], "all 40 faces");
    let mut few = faces(8);
    few.extend(faces(8).into_iter().cycle().take(40));
    check(&few, "8 different faces");
}

#[test]
fn a_layer_that_gives_no_number_is_named_with_the_face() {
    let faces = faces(40);
    let check = |name: &str, at: usize, value: f32, needles: [&str; 2]| {
        let (graph, mut weights) = small();
        weights.get_mut(name).unwrap()[at] = value;
        let message = message(calibrated(&graph, &weights, &faces));
        assert!(needles.iter().all(|n| message.contains(n)), "{message}");
    };
    let layer = "layer conv1_2 gives";
    check("conv1_2.weight", 7, f32::NAN, [layer, "NaN for face 0"]);
    check("conv1_2.bias", 0, f32::INFINITY, [layer, "inf for face 0"]);
    check(
        "conv1_1.bias",
        0,
        f32::NEG_INFINITY,
        ["layer conv1_1", "-inf"],
    );
}

#[test]
fn a_dead_layer_is_named() {
    let (graph, mut weights) = small();
    weights.get_mut("conv1_2.bias").unwrap().fill(-1e6);
    let message = message(calibrated(&graph, &weights, &faces(40)));
    assert!(message.contains("layer prelu1_2 gives 0"), "{message}");
}

#[test]
fn weights_that_no_integer_holds_are_named() {
    let (graph, weights) = small();
    let calibration = calibrated(&graph, &weights, &faces(40)).unwrap();
    let layout = Layout::new(&graph).unwrap();
    let check = |name: &str, change: &dyn Fn(&mut f32), needle: &str| {
        let mut weights = weights.clone();
        weights.get_mut(name).unwrap().iter_mut().for_each(change);
        let method = Method::Percentile;
        let scheme = Scheme::new(&graph, &weights, &layout, &calibration, method, &[]);
        let message = message(scheme);
        assert!(message.contains(needle), "{message}");
        let node = name.split('.').next().unwrap();
        assert!(message.contains(&format!("node {node}")), "{message}");
    };
    let weight = "conv1_3.weight";
    check(weight, &|w| *w = f32::NAN, "weight 0 is NaN");
    check(weight, &|w| *w *= 1e6, "steps of its output");
    check(weight, &|w| *w *= 1e-12, "steps of its output");
    check("conv1_3.bias", &|b| *b = 1e6, "output channel 0 may reach");
    check(
        "fc.bias",
        &|b| *b = f32::NAN,
        "output channel 0 may reach NaN",
    );
}

#[test]
fn a_number_of_the_range_is_off_by_half_a_step_at_most() {
    for (least, most) in [(-1.0, 0.992_187_5), (0.0, 3.7), (-2.5, 0.0), (-0.3, 9.0)] {
        for affine in [
            Affine::covering(least, most).unwrap(),
            Affine::symmetric(least, most).unwrap(),
        ] {
            assert_eq!(affine.rounded(0.0), 0.0);
            for i in 0..=1000 {
                let x = least + (most - least) * f64::from(i) / 1000.0;
                // At the ends, too, which lie half a step off at most: 0 has its own byte.
                let off = (affine.rounded(x) - x).abs();
                assert!(off <= f64::from(affine.scale) * 0.501, "{affine:?} {x}");
            }
        }
    }
    // Pixels that are prepared by (x - 128) / 128 lose nothing.
    let pixels = Affine::covering(-1.0, 127.0 / 128.0).unwrap();
    assert_eq!((pixels.scale, pixels.zero_point), (1.0 / 128.0, 0));
    assert_eq!(Affine::covering(0.0, 1.0).unwrap().zero_point, -128);
    assert!(Affine::covering(0.0, 0.0).is_none());
    assert!(Affine::covering(f64::NAN, f64::INFINITY).is_none());
}

#[test]
fn rare_numbers_are_cut_off() {
    let mut histogram = histogram::Histogram::new(0.0, 5.0);
    let common: Vec<f32> = (0..200_000).map(|i| i as f32 / 200_000.0).collect();
    (0..20).for_each(|_| histogram.add(&common));
    histogram.add(&[5.0; 3]);
    // Three in four million; by hand, the error is least at 6 (5 - x) = 4e6 x / (6 * 255^2).
    for (method, expected) in [(Method::Percentile, 1.0), (Method::MeanSquaredError, 1.85)] {
        let scale = histogram.affine(method, false).unwrap().scale;
        let most = f64::from(scale) * 255.0;
        assert!((most - expected).abs() < 0.1, "{method}: {most}");
    }
    // All that is common stays.
    let mut even = histogram::Histogram::new(-1.0, 1.0);
    even.add(&common);
    even.add(&common.iter().map(|x| -x).collect::<Vec<_>>());
    for method in Method::ALL {
        let affine = even.affine(method, false).unwrap();
        assert!(
            (f64::from(affine.scale) * 127.5 - 1.0).abs() < 0.02,
            "{method}"
        );
        assert!(affine.zero_point.abs() <= 1);
    }
}

#[test]
fn a_layer_of_uneven_channels_gets_a_scale_for_each() {
    let (graph, mut weights) = small();
    let needy = |weights: &Weights| {
        let faces = faces(40);
        let calibration = calibrated(&graph, weights, &faces).unwrap();
        let layout = Layout::new(&graph).unwrap();
        let network = (&graph, weights);
        let schemes = fit(network, &input(), &layout, &calibration, &faces).unwrap();
        assert_eq!(schemes.each_ref().map(|(method, _)| *method), Method::ALL);
        let [(_, other), (_, scheme)] = schemes;
        assert_eq!(other.layers, scheme.layers);
        let each = scheme.layers.iter().filter(|(_, l)| l.scales.len() > 1);
        let each: Vec<_> = each.map(|(i, _)| graph.nodes[*i].name.clone()).collect();
        each
    };
    assert_eq!(needy(&weights), ["fc"]);
    // One channel a thousand times the others, and made up for behind.
    let (first, next) = (64 * 9, 64);
    for (i, w) in weights
        .get_mut("conv1_2.weight")
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        *w *= if i / first == 0 { 1000.0 } else { 1.0 };
    }
    for (i, w) in weights
        .get_mut("conv1_3.weight")
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        *w *= if i / 9 % next == 0 { 1e-3 } else { 1.0 };
    }
    assert_eq!(needy(&weights), ["conv1_2", "fc"]);
}

#[test]
fn a_scale_for_each_channel_is_for_layers_that_lose_much_and_half_of_it_less() {
    for (with_one, with_each, expected) in [
        (0.0021, 0.0010, true),
        (0.0021, 0.0011, false),
        (0.0019, 0.0, false),
        (0.5, 0.24, true),
        (0.5, 0.26, false),
    ] {
        let found = fit::is_needy(with_one, || with_each);
        assert_eq!(found, expected, "{with_one} {with_each}");
    }
}

#[test]
fn a_dead_channel_costs_no_layer_its_integers() {
    let (graph, mut weights) = small();
    let row = 64 * 9;
    let own = weights.get_mut("conv1_2.weight").unwrap();
    own[..row].fill(0.0);
    own[row..3 * row].iter_mut().for_each(|w| *w *= 1e-12);
    let biases = [0.3, -0.7, 0.0];
    weights.get_mut("conv1_2.bias").unwrap()[..3].copy_from_slice(&biases);
    let row = 64 * 56 * 48;
    let own = weights.get_mut("fc.weight").unwrap();
    own[..row].fill(0.0);
    own[row..2 * row].fill(1e-39);
    let ends = [0.25, 0.0];
    weights.get_mut("fc.bias").unwrap()[..2].copy_from_slice(&ends);
    let calibration = calibrated(&graph, &weights, &faces(40)).unwrap();
    let layout = Layout::new(&graph).unwrap();
    let at = |name: &str| graph.nodes.iter().position(|n| n.name == name).unwrap();
    for method in Method::ALL {
        let each = [at("conv1_2")];
        let scheme = Scheme::new(&graph, &weights, &layout, &calibration, method, &each).unwrap();
        for (name, biases) in [("conv1_2", &biases[..]), ("fc", &ends)] {
            let layer = scheme.layer(&graph, &weights, at(name)).unwrap();
            let input = scheme.affine(&graph, graph.nodes[at(name)].inputs[0]);
            let input = f64::from(input.unwrap().scale);
            let row = layer.bytes.len() / layer.bias.len();
            for (channel, bias) in biases.iter().enumerate() {
                let step = input * f64::from(layer.scales[channel]);
                assert!((step as f32).is_normal(), "{name} {channel}");
                let held = f64::from(layer.bias[channel]) * step;
                assert!(
                    (held - f64::from(*bias)).abs() < 1e-6,
                    "{name} {channel}: {held}"
                );
                let own = &layer.bytes[channel * row..][..row];
                assert!(own.iter().all(|b| *b == 0), "{name} {channel}");
            }
            // The others are as fine as ever.
            let own = &layer.bytes[3 * row..][..row];
            assert!(own.iter().any(|b| b.unsigned_abs() > 100), "{name}");
        }
    }
}
