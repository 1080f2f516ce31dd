use super::*;

#[test]
fn a_fine_tuning_is_the_recipe_s_training_at_its_end() {
    let mut recipe: Recipe = toml::from_str(include_str!("../../../configs/demo.toml")).unwrap();
    recipe.loss = toml::from_str(
        "name = \"am-softmax\"\nscale = 30\nmargin = { from = 0.0, to = 0.4, steps = 4 }",
    )
    .unwrap();
    recipe.training.precision = ComputePrecision::Bf16;
    (recipe.training.steps, recipe.training.validate_every) = (77, 7);
    recipe.optimizer.warmup_steps = 9;
    recipe.optimizer.average_decay = Some(0.9);
    recipe.optimizer.schedule = RateSchedule::Cosine {};
    recipe.quantization =
        Some(toml::from_str("fine_tune_steps = 40\nlearning_rate = 0.002").unwrap());
    let tuned = tuning(&recipe);
    assert_eq!(tuned.quantization, None);
    assert_eq!(tuned.name, format!("{}-int8", recipe.name));
    assert_eq!(tuned.loss.to_string(), "AM-Softmax s=30 m=0.4");
    let training = &tuned.training;
    assert_eq!((training.steps, training.validate_every), (40, 0));
    assert_eq!(training.precision, ComputePrecision::F32);
    assert_eq!(tuned.optimizer.average_decay, None);
    // From the first step on evenly to 0.
    for (step, rate) in [(0, 0.002), (20, 0.001), (30, 0.0005)] {
        let found = tuned.optimizer.learning_rate_at(step, 40);
        assert!((found - rate).abs() < 1e-9, "{step}: {found}");
    }
    // All else as it was.
    let mut same = tuned.clone();
    (same.name, same.loss) = (recipe.name.clone(), recipe.loss.clone());
    (same.training, same.optimizer) = (recipe.training.clone(), recipe.optimizer.clone());
    same.quantization = recipe.quantization.clone();
    assert_eq!(same, recipe);
    assert_eq!(training.batch_size, recipe.training.batch_size);
    assert_eq!(tuned.optimizer.weight_decay, recipe.optimizer.weight_decay);
    assert_eq!(tuned.optimizer.momentum, recipe.optimizer.momentum);
}
