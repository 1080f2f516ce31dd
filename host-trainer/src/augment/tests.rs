//! What holds for every step: who is changed, and by which numbers.

use super::step::pictures;
use super::*;

/// Each step's table, with a placeholder for the probability.
const TABLES: [&str; 9] = [
    "jitter = { probability = P, max_rotation_deg = 10.0, max_scale = 0.1, max_shift_px = 4.0 }",
    "crop = { probability = P, smallest_side = 0.7 }",
    "occlusion = { probability = P, max_share = 0.5 }",
    "color = { probability = P, max_gain = 0.3, max_saturation = 0.5 }",
    "exposure = { probability = P, max_stops = 2.0, max_gamma = 2.0 }",
    "blur = { probability = P, max_sigma_px = 3.0 }",
    "low_resolution = { probability = P, width_px = [16, 48] }",
    "low_light = { probability = P, darkest = 0.2, max_noise = 20.0 }",
    "jpeg = { probability = P, quality = [5, 60] }",
];

fn config(tables: &[&str], probability: &str) -> AugmentConfig {
    toml::from_str(&tables.join("\n").replace('P', probability)).unwrap()
}

fn all() -> AugmentConfig {
    let config = config(&TABLES, "0.5");
    AugmentConfig {
        mirror: true,
        ..config
    }
}

/// The batch's rows that two batches do not share to the bit.
fn differing(a: &Tensor, b: &Tensor) -> Vec<i64> {
    let rows = 0..a.size()[0];
    rows.filter(|row| !a.get(*row).equal(&b.get(*row)))
        .collect()
}

#[test]
fn every_step_changes_the_drawn_images_alone_and_stays_in_range() {
    for size in [[112, 112], [112, 96]] {
        let images = pictures(24, size);
        let check = |config: AugmentConfig| {
            config.check().unwrap();
            let changed = augment(&images, &config, 1, 0);
            let rows = differing(&images, &changed).len();
            assert!((4..=20).contains(&rows), "{rows} of 24: {config:?}");
            let range = [changed.min(), changed.max()].map(|x| x.double_value(&[]));
            assert!(range[0] >= 0.0 && range[1] <= 255.0, "{range:?} {config:?}");
            assert_eq!(changed.size(), images.size());
        };
        TABLES
            .iter()
            .for_each(|table| check(config(&[table], "0.5")));
        check(AugmentConfig {
            mirror: true,
            ..Default::default()
        });
    }
}

#[test]
fn nothing_is_changed_when_nothing_is_on() {
    let images = pictures(8, [112, 112]);
    for config in [AugmentConfig::default(), config(&TABLES, "0.0")] {
        assert!(augment(&images, &config, 1, 0).equal(&images));
    }
}

#[test]
fn seed_and_number_fix_what_is_drawn() {
    let images = pictures(16, [112, 112]);
    let first = augment(&images, &all(), 7, 160);
    assert!(augment(&images, &all(), 7, 160).equal(&first));
    for other in [
        augment(&images, &all(), 8, 160),
        augment(&images, &all(), 7, 176),
    ] {
        assert!(differing(&other, &first).len() > 12);
    }
}

#[test]
fn a_batch_may_come_in_parts() {
    let images = pictures(16, [112, 112]);
    let whole = augment(&images, &all(), 7, 160);
    let part = |at: i64| augment(&images.narrow(0, at, 8), &all(), 7, 160 + at as u64);
    assert!(Tensor::cat(&[part(0), part(8)], 0).equal(&whole));
}

#[test]
fn neither_memory_order_nor_number_format_matters() {
    let bytes = pictures(8, [112, 96]).to_kind(Kind::Uint8);
    let floats = bytes.to_kind(Kind::Float);
    let before = floats.copy();
    let expected = augment(&floats, &all(), 3, 8);
    for images in [&bytes, &crate::native::channels_last(&floats)] {
        assert!(augment(images, &all(), 3, 8).equal(&expected));
    }
    assert!(floats.equal(&before), "the input was written to");
}

#[test]
fn a_step_draws_the_same_whatever_else_is_on() {
    let images = pictures(32, [112, 112]);
    let patch = config(&[TABLES[2]], "1.0");
    let alone = augment(&images, &patch, 1, 0);
    let mirrored = AugmentConfig {
        mirror: true,
        ..patch
    };
    let rows = differing(&augment(&images, &mirrored, 1, 0), &alone).len();
    assert!((8..=24).contains(&rows), "{rows} of 32 mirrored");
}

#[test]
fn no_gradient_flows() {
    let images = pictures(2, [112, 112]).set_requires_grad(true);
    assert!(!augment(&images, &all(), 1, 0).requires_grad());
    assert!((&images * 2.0).requires_grad(), "gradients were left off");
}

#[test]
fn the_tables_that_a_recipe_shows_switched_off_are_usable() {
    let recipe = include_str!("../../configs/web-faces.toml");
    let shown = recipe.replace("# ", "");
    let tables = shown
        .lines()
        .filter(|line| line.contains("= { probability"));
    let config: AugmentConfig = toml::from_str(&tables.collect::<Vec<_>>().join("\n")).unwrap();
    config.check().unwrap();
    let on = toml::Table::try_from(&config).unwrap();
    assert_eq!(on.len(), TABLES.len() + 1, "{on:?}");
}

#[test]
fn every_impossible_value_is_named() {
    let check = |table: &str, field: &str| {
        let found = toml::from_str::<AugmentConfig>(table).unwrap().check();
        let message = found.unwrap_err();
        let name = table.split(' ').next().unwrap();
        assert!(
            message.contains(name) && message.contains(field),
            "{message}"
        );
    };
    let off = |table: &str| {
        check(&table.replace('P', "-0.1"), "probability");
        check(&table.replace('P', "nan"), "probability");
    };
    TABLES.into_iter().for_each(off);
    let jitter = |turn, scale, shift| {
        format!(
            "jitter = {{ probability = 1.0, max_rotation_deg = {turn}, max_scale = {scale}, max_shift_px = {shift} }}"
        )
    };
    check(&jitter("46.0", "0.1", "1.0"), "max_rotation_deg");
    check(&jitter("1.0", "0.6", "1.0"), "max_scale");
    check(&jitter("1.0", "0.1", "inf"), "max_shift_px");
    check(
        "crop = { probability = 1.0, smallest_side = 0.0 }",
        "smallest_side",
    );
    check(
        "occlusion = { probability = 1.0, max_share = 0.6 }",
        "max_share",
    );
    check(
        "color = { probability = 1.0, max_gain = 2.0, max_saturation = 0.0 }",
        "max_gain",
    );
    check(
        "exposure = { probability = 1.0, max_stops = 5.0, max_gamma = 1.0 }",
        "max_stops",
    );
    check(
        "exposure = { probability = 1.0, max_stops = 1.0, max_gamma = 0.5 }",
        "max_gamma",
    );
    check(
        "blur = { probability = 1.0, max_sigma_px = 0.0 }",
        "max_sigma_px",
    );
    check(
        "low_resolution = { probability = 1.0, width_px = [48, 16] }",
        "width_px",
    );
    check(
        "low_light = { probability = 1.0, darkest = 0.0, max_noise = 1.0 }",
        "darkest",
    );
    check(
        "low_light = { probability = 1.0, darkest = 0.5, max_noise = 70.0 }",
        "max_noise",
    );
    check("jpeg = { probability = 1.0, quality = [0, 50] }", "quality");
}
