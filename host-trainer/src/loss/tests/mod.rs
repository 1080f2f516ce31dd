use super::*;
use crate::generator::Generator;
use tch::{Device, Kind};

mod head;

fn value(loss: &Tensor) -> f64 {
    f64::try_from(loss).unwrap()
}

fn constant(scale: f64) -> Scale {
    Scale::Fixed(Schedule::Constant(scale))
}

fn am(scale: Scale, margin: f64) -> LossConfig {
    let margin = Schedule::Constant(margin);
    LossConfig::AmSoftmax { scale, margin }
}

fn arcface(scale: Scale, margin: f64) -> LossConfig {
    let margin = Schedule::Constant(margin);
    LossConfig::ArcFace { scale, margin }
}

fn a_softmax(scale: Scale, lambda: f64) -> LossConfig {
    let lambda = Lambda {
        from: lambda,
        decay: 0.0,
        to: 0.0,
    };
    LossConfig::ASoftmax {
        scale,
        margin: 4,
        lambda,
    }
}

const FEATURE: Scale = Scale::Feature(FeatureNorm::FeatureNorm);
const LABELS: [i64; 4] = [2, 0, 3, 1];

/// Cosines over the whole range, the true classes' among them: 4 images, 5 classes, 3 numbers.
fn embeddings() -> Vec<[f64; 3]> {
    vec![
        [0.5, -1.2, 2.0],
        [1.0, 0.1, -0.3],
        [-0.4, 0.9, 0.2],
        [2.0, 2.0, -1.0],
    ]
}

fn weights() -> Vec<[f64; 3]> {
    vec![
        [0.9, 0.2, -0.1],
        [-0.5, -0.6, 0.4],
        [0.3, -0.2, 0.7],
        [0.2, -0.8, -0.5],
        [0.1, 0.1, 0.9],
    ]
}

/// The batch mean in plain f64 with arc cosines: `target` makes the true class's logit of its angle
/// in radians, for a scale of 1.
fn by_hand(scale: Option<f64>, target: impl Fn(f64) -> f64) -> f64 {
    let norm = |v: &[f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let of_image = |(x, label): (&[f64; 3], i64)| {
        let scale = scale.unwrap_or(norm(x));
        let logit = |(j, w): (usize, &[f64; 3])| {
            let dot: f64 = x.iter().zip(w).map(|(a, b)| a * b).sum();
            let cosine = dot / norm(x) / norm(w);
            scale
                * if j as i64 == label {
                    target(cosine.acos())
                } else {
                    cosine
                }
        };
        let logits: Vec<f64> = weights().iter().enumerate().map(logit).collect();
        let sum: f64 = logits.iter().map(|l| l.exp()).sum();
        sum.ln() - logits[label as usize]
    };
    embeddings().iter().zip(LABELS).map(of_image).sum::<f64>() / 4.0
}

fn head(config: &LossConfig, shape: (i64, i64), sample_rate: f64, seed: u64) -> Head {
    let generator = Generator::seeded(seed);
    Head::new(config, shape, sample_rate, seed, Device::Cpu, &generator)
}

fn drawn(shape: [i64; 2]) -> Tensor {
    let _generator = Generator::seeded(5);
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

/// What the head says, in f64.
fn of_head(config: &LossConfig, embeddings: &Tensor, weights: &Tensor) -> Tensor {
    let head = head(config, (5, 3), 1.0, 1);
    tch::no_grad(|| head.tensors()[0].1.shallow_clone().set_data(weights));
    head.loss(embeddings, &LABELS, &head.activate(&LABELS, 0), 0)
}

/// SphereFace's psi as its paper defines it, by cases.
fn psi(angle: f64) -> f64 {
    let k = (4.0 * angle / std::f64::consts::PI).floor().min(3.0);
    (-1.0_f64).powf(k) * (4.0 * angle).cos() - 2.0 * k
}

fn all() -> Vec<(LossConfig, f64)> {
    let normface = |scale| LossConfig::NormFace { scale };
    let turned = |angle: f64| {
        let (m, pi) = (0.5_f64, std::f64::consts::PI);
        if angle + m <= pi {
            (angle + m).cos()
        } else {
            angle.cos() - m * m.sin()
        }
    };
    let mixed = |angle: f64| (psi(angle) + 5.0 * angle.cos()) / 6.0;
    let own = |angle: f64| angle.cos();
    let less = |angle: f64| angle.cos() - 0.35;
    vec![
        (normface(constant(16.0)), by_hand(Some(16.0), own)),
        (normface(FEATURE), by_hand(None, own)),
        (am(constant(30.0), 0.35), by_hand(Some(30.0), less)),
        (am(FEATURE, 0.35), by_hand(None, less)),
        (arcface(constant(30.0), 0.5), by_hand(Some(30.0), turned)),
        (arcface(FEATURE, 0.5), by_hand(None, turned)),
        (a_softmax(constant(8.0), 0.0), by_hand(Some(8.0), psi)),
        (a_softmax(FEATURE, 5.0), by_hand(None, mixed)),
    ]
}

#[test]
fn every_loss_is_its_formula() {
    let (embeddings, weights) = (
        Tensor::from_slice2(&embeddings()),
        Tensor::from_slice2(&weights()),
    );
    for (config, expected) in all() {
        let found = value(&of_head(&config, &embeddings, &weights));
        assert!(
            (found - expected).abs() < 1e-6,
            "{config}: {found} {expected}"
        );
    }
}

#[test]
fn every_gradient_is_the_difference_quotient() {
    let weights = Tensor::from_slice2(&weights());
    for (config, _) in all() {
        let start = embeddings();
        let leaf = Tensor::from_slice2(&start).set_requires_grad(true);
        of_head(&config, &leaf, &weights).backward();
        for (i, j) in [(0, 0), (1, 2), (2, 1), (3, 0)] {
            let moved = |by: f64| {
                let mut moved = start.clone();
                moved[i][j] += by;
                value(&of_head(&config, &Tensor::from_slice2(&moved), &weights))
            };
            let quotient = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let gradient = leaf.grad().double_value(&[i as i64, j as i64]);
            let error = (gradient - quotient).abs();
            assert!(
                error < 1e-5 * (1.0 + quotient.abs()),
                "{config} {gradient} {quotient}"
            );
        }
    }
}

#[test]
fn softmax_is_the_cross_entropy_of_a_linear_layer() {
    let (x, w) = (
        Tensor::from_slice2(&embeddings()),
        Tensor::from_slice2(&weights()),
    );
    let config = LossConfig::Softmax { dropout: 0.0 };
    // The bias is f32 and zero at the start.
    let found = of_head(&config, &x.to_kind(Kind::Float), &w.to_kind(Kind::Float));
    let images = embeddings();
    let expected = images.iter().zip(LABELS).map(|(x, label)| {
        let dot = |w: &[f64; 3]| x.iter().zip(w).map(|(a, b)| a * b).sum::<f64>();
        let logits: Vec<f64> = weights().iter().map(dot).collect();
        logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[label as usize]
    });
    let expected = expected.sum::<f64>() / 4.0;
    assert!(
        (value(&found) - expected).abs() < 1e-5,
        "{} {expected}",
        value(&found)
    );
}

#[test]
fn am_softmax_is_the_papers_formula() {
    // Equation 6 of the paper in f64, term by term.
    let cosine = [[0.8_f64, 0.1, -0.3], [-0.2, 0.4, 0.5]];
    let labels = [0_i64, 2];
    let (s, m) = (30.0_f64, 0.35);
    let expected = cosine.iter().zip(labels).map(|(row, label)| {
        let own = (s * (row[label as usize] - m)).exp();
        let others = row.iter().enumerate().filter(|(j, _)| *j as i64 != label);
        -(own / (own + others.map(|(_, c)| (s * c).exp()).sum::<f64>())).ln()
    });
    let expected = expected.sum::<f64>() / 2.0;
    let cosine = Tensor::from_slice2(&cosine);
    let loss = value(&am_softmax(&cosine, &Tensor::from_slice(&labels), s, m));
    assert!((loss - expected).abs() < 1e-9, "{loss} {expected}");
}

#[test]
fn curves_are_those_of_the_papers() {
    let lambda = Lambda {
        from: 1000.0,
        decay: 0.12,
        to: 0.0,
    };
    let margin = 4;
    let sphereface = LossConfig::ASoftmax {
        scale: FEATURE,
        margin,
        lambda,
    };
    for degrees in (0..=180).step_by(5) {
        let angle = f64::from(degrees).to_radians();
        let cosine = angle.cos();
        for (config, expected) in [
            (LossConfig::Softmax { dropout: 0.0 }, cosine),
            (am(FEATURE, 0.35), cosine - 0.35),
            (sphereface.clone(), psi(angle)),
        ] {
            let found = target_logit(&config, cosine);
            assert!(
                (found - expected).abs() < 1e-9,
                "{config} {degrees}: {found} {expected}"
            );
        }
    }
}
