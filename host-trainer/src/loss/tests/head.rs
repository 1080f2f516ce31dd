//! What the head does beside the formulas: dropout, sampling, schedules, refusals.

use super::*;

#[test]
fn dropout_drops_its_share_the_same_for_a_step_and_keeps_the_mean() {
    let ones = Tensor::ones([64, 512], (Kind::Float, Device::Cpu));
    let config = LossConfig::Softmax { dropout: 0.75 };
    let head = head(&config, (2, 512), 1.0, 7);
    // One class weight of ones and one of zeros: the loss is a function of what is kept.
    let weight = Tensor::from_slice(&[1.0_f32, 0.0])
        .unsqueeze(1)
        .repeat([1, 512])
        / 512.0;
    tch::no_grad(|| head.tensors()[0].1.shallow_clone().set_data(&weight));
    let labels = vec![0; 64];
    let at = |step| value(&head.loss(&ones, &labels, &head.activate(&labels, step), step));
    assert_eq!(at(3), at(3));
    assert_ne!(at(3), at(4));
    let whole = (1.0 + (-1.0_f64).exp()).ln();
    assert!(
        (at(3) - whole).abs() < 0.01 && at(3) != whole,
        "{} {whole}",
        at(3)
    );
}

#[test]
fn sampled_classes_give_the_loss_and_gradient_of_those_classes_alone() {
    let config = am(constant(16.0), 0.2);
    let head = head(&config, (100, 8), 0.1, 9);
    let x = drawn([3, 8]);
    let labels = [70, 3, 70];
    let active = head.activate(&labels, 2);
    let (rows, named) = active.sampled().expect("not all take part");
    assert_eq!(rows.size(), [10]);
    let loss = head.loss(&x, &labels, &active, 2);
    let chosen = Vec::<i64>::try_from(&rows).unwrap();
    let place = |label| chosen.iter().position(|c| *c == label).unwrap() as i64;
    let (_, all) = head.tensors().remove(0);
    let cosine = unit_rows(&x).matmul(&unit_rows(&all.index_select(0, &rows)).tr());
    let places = Tensor::from_slice(&labels.map(place));
    let expected = am_softmax(&cosine, &places, 16.0, 0.2);
    assert!((value(&loss) - value(&expected)).abs() < 1e-6);
    loss.backward();
    assert!(
        !all.requires_grad() && named[0].1.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0
    );
}

#[test]
fn a_step_over_a_million_classes_makes_no_logit_of_most() {
    let config = am(constant(30.0), 0.35);
    let head = head(&config, (1_000_000, 32), 0.01, 1);
    let x = Tensor::ones([4, 32], (Kind::Float, Device::Cpu));
    let labels = [0, 999_999, 500_000, 17];
    let active = head.activate(&labels, 0);
    let (rows, named) = active.sampled().expect("not all take part");
    assert_eq!(
        (rows.size(), named[0].1.size()),
        (vec![10_000], vec![10_000, 32])
    );
    assert!(value(&head.loss(&x, &labels, &active, 0)).is_finite());
}

#[test]
fn margins_and_scales_move_with_the_steps() {
    let toml = "name = \"am-softmax\"\nscale = 30\nmargin = { from = 0.0, to = 0.4, steps = 4 }";
    let config: LossConfig = toml::from_str(toml).unwrap();
    assert_eq!(config.to_string(), "AM-Softmax s=30 m=0..0.4 in 4 steps");
    let head = head(&config, (3, 8), 1.0, 1);
    let x = drawn([4, 8]);
    let labels = [0, 1, 2, 1];
    let cosine = unit_rows(&x).matmul(&unit_rows(&head.tensors()[0].1).tr());
    for (step, margin) in [(0, 0.0), (1, 0.1), (4, 0.4), (99, 0.4)] {
        let expected = am_softmax(&cosine, &Tensor::from_slice(&labels), 30.0, margin);
        let found = head.loss(&x, &labels, &head.activate(&labels, step), step);
        assert!(value(&(found - expected)).abs() < 1e-5, "{step}");
    }
}

#[test]
fn impossible_losses_are_refused() {
    for (toml, needle) in [
        ("name = \"softmax\"\ndropout = 1.0", "dropout must be"),
        ("name = \"softmax\"\nscale = 3", "unknown field"),
        ("name = \"normface\"\nscale = 0", "scale must be above 0"),
        ("name = \"normface\"\nscale = \"norm\"", "\"feature-norm\""),
        (
            "name = \"am-softmax\"\nscale = 30\nmargin = 2",
            "margin must be in 0 to 1",
        ),
        (
            "name = \"am-softmax\"\nscale = 30\nmargin = { from = 0.0, to = 2.0, steps = 9 }",
            "margin must be in 0 to 1",
        ),
        (
            "name = \"am-softmax\"\nscale = 30\nmargin = { from = 0.0 }",
            "{ from = A, to = B",
        ),
        ("name = \"arcface\"\nscale = 30\nmargin = 2", "1.5 radians"),
        (
            "name = \"a-softmax\"\nscale = \"feature-norm\"\nmargin = 0\n\
             lambda = { from = 1000.0, decay = 0.12, to = 5.0 }",
            "margin must be in 1 to 8",
        ),
        (
            "name = \"a-softmax\"\nscale = \"feature-norm\"\nmargin = 4\n\
             lambda = { from = 1000.0, decay = -0.12, to = 5.0 }",
            "lambda's numbers",
        ),
    ] {
        let read = toml::from_str::<LossConfig>(toml).map_err(|error| error.to_string());
        let message = read.and_then(|config| config.check()).unwrap_err();
        assert!(message.contains(needle), "{message}");
    }
}
