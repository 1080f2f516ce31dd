use super::*;
use crate::generator::Generator;
use crate::loss::{Head, LossConfig};
use crate::optimize::RateSchedule;
use tch::{Device, Kind};

fn config(max_gradient_norm: Option<f64>) -> OptimizerConfig {
    OptimizerConfig {
        method: Method::Sgd,
        learning_rate: 0.1,
        warmup_steps: 0,
        momentum: 0.9,
        weight_decay: 0.5,
        bias_weight_decay: 0.0,
        max_gradient_norm,
        average_decay: None,
        schedule: RateSchedule::Cosine {},
    }
}

fn head(sample_rate: f64) -> Head {
    let softmax = LossConfig::Softmax { dropout: 0.0 };
    Head::new(
        &softmax,
        (10, 1),
        sample_rate,
        1,
        Device::Cpu,
        &Generator::seeded(1),
    )
}

/// `w` and `b` after two steps with gradients of 3.
fn two_steps(config: OptimizerConfig) -> (f64, f64) {
    let weight = Tensor::full([1, 1], 2.0, (Kind::Double, Device::Cpu)).set_requires_grad(true);
    let bias = Tensor::full([1], 2.0, (Kind::Double, Device::Cpu)).set_requires_grad(true);
    let named = [("w", &weight), ("b", &bias)].map(|(n, t)| (n.to_string(), t.shallow_clone()));
    let mut optimizer = Optimizer::new(config, named);
    for (step, rate) in [(0, 0.1), (1, 0.1)] {
        (&weight * 3.0 + &bias * 3.0).sum(Kind::Double).backward();
        optimizer
            .step(step, rate, Some(&head(1.0).activate(&[0], step)))
            .unwrap();
    }
    (weight.double_value(&[0, 0]), bias.double_value(&[0]))
}

#[test]
fn two_steps_are_those_computed_by_hand() {
    // w: v1 = 3 + 0.5 * 2 = 4, w1 = 1.6; v2 = 3.6 + 3 + 0.8 = 7.4, w2 = 0.86.
    // b, without decay: v1 = 3, b1 = 1.7; v2 = 5.7, b2 = 1.13.
    let (weight, bias) = two_steps(config(None));
    assert!((weight - 0.86).abs() < 1e-12 && (bias - 1.13).abs() < 1e-12);
    // With decay: v1 = 4, b1 = 1.6; v2 = 7.4, b2 = 0.86.
    let decayed = OptimizerConfig {
        bias_weight_decay: 0.5,
        ..config(None)
    };
    assert!((two_steps(decayed).1 - 0.86).abs() < 1e-12);
}

#[test]
fn adamw_is_that_computed_by_hand() {
    // Of gradients that are all 3 the corrected means are 3 and 9, so that a step is the rate.
    // w: 2 * 0.95 - 0.1 = 1.8; 1.8 * 0.95 - 0.1 = 1.61. b, without decay: 1.8.
    let adamw = OptimizerConfig {
        method: Method::AdamW,
        ..config(None)
    };
    let (weight, bias) = two_steps(adamw);
    assert!(
        (weight - 1.61).abs() < 1e-6 && (bias - 1.8).abs() < 1e-6,
        "{weight} {bias}"
    );
}

#[test]
fn long_gradients_are_shortened_together() {
    // Gradients (3, 3) have the length 4.24; shortened to 1.41 they are (1, 1).
    // b: v1 = 1, b1 = 1.9; v2 = 1.9, b2 = 1.71.
    let (_, bias) = two_steps(config(Some(2.0_f64.sqrt())));
    assert!((bias - 1.71).abs() < 1e-6, "{bias}");
    assert_eq!(two_steps(config(Some(1e9))), two_steps(config(None)));
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let weight = Tensor::full([2], 2.0, (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let mut optimizer = Optimizer::new(config(None), [("w".to_string(), weight.shallow_clone())]);
    (&weight * f64::INFINITY).sum(Kind::Float).backward();
    assert_eq!(
        optimizer.step(0, 0.1, Some(&head(1.0).activate(&[0], 0))),
        Err(NotFinite)
    );
    assert_eq!(weight.double_value(&[0]), 2.0);
    (&weight * 1.0).sum(Kind::Float).backward();
    optimizer
        .step(0, 0.1, Some(&head(1.0).activate(&[0], 0)))
        .unwrap();
    assert!((weight.double_value(&[0]) - 1.9).abs() < 1e-6);
}

#[test]
fn of_sampled_classes_only_the_rows_in_use_change() {
    let head = head(0.3);
    let tensors = head.tensors();
    let mut optimizer = Optimizer::new(
        config(None),
        tensors.iter().map(|(n, t)| (n.clone(), t.shallow_clone())),
    );
    let before = Vec::<f32>::try_from(tensors[0].1.flatten(0, -1)).unwrap();
    let active = head.activate(&[4, 7], 3);
    let embeddings = Tensor::ones([2, 1], (Kind::Float, Device::Cpu));
    head.loss(&embeddings, &[4, 7], &active, 3).backward();
    optimizer.step(0, 0.1, Some(&active)).unwrap();
    let after = Vec::<f32>::try_from(tensors[0].1.flatten(0, -1)).unwrap();
    let chosen = Vec::<i64>::try_from(active.sampled().unwrap().0).unwrap();
    for class in 0..10 {
        let changed = before[class] != after[class];
        assert_eq!(changed, chosen.contains(&(class as i64)), "{class}");
    }
    let moving = |v: &Tensor| v.ne(0.0).sum(Kind::Int64).int64_value(&[]);
    assert!(optimizer.state().all(|(_, v)| moving(&v) == 3));
}
