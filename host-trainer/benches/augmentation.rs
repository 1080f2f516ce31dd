//! Time of each step of the augmentation, one thread, on the processor: a batch of 128 images of 112 x 112, every
//! image drawn. `off` is the conversion to floats alone, which all others contain.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use host_trainer::augment::{AugmentConfig, augment};
use host_trainer::config::Recipe;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use tch::Tensor;

const BATCH: usize = 128;
const SIDE: usize = 112;

fn augmentation(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let bytes: Vec<u8> = (0..BATCH * SIDE * SIDE * 3)
        .map(|i| (i * 31 % 251) as u8)
        .collect();
    let side = SIDE as i64;
    // Rows of pixels, as batches come from the loader.
    let images = Tensor::from_slice(&bytes)
        .view([-1, side, side, 3])
        .permute([0, 3, 1, 2]);
    let mut group = criterion.benchmark_group("augmentation");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(BATCH as u64));
    let mut bench = |name: &str, config: &AugmentConfig| {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let start = on_cpu();
                for _ in 0..times {
                    let _ = black_box(augment(black_box(&images), config, 1, 0));
                }
                on_cpu() - start
            })
        });
    };
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/web-faces.toml");
    let recipe = Recipe::read(&recipe).expect("a recipe of the project");
    bench("web-faces.toml", &recipe.augmentation);
    let rows = [
        ("off", ""),
        ("mirror", "mirror = true"),
        (
            "jitter",
            "jitter = { probability = 1.0, max_rotation_deg = 5.0, max_scale = 0.05, max_shift_px = 2.0 }",
        ),
        ("crop", "crop = { probability = 1.0, smallest_side = 0.8 }"),
        (
            "occlusion",
            "occlusion = { probability = 1.0, max_share = 0.2 }",
        ),
        (
            "color",
            "color = { probability = 1.0, max_gain = 0.1, max_saturation = 0.3 }",
        ),
        (
            "exposure",
            "exposure = { probability = 1.0, max_stops = 0.5, max_gamma = 1.3 }",
        ),
        ("blur", "blur = { probability = 1.0, max_sigma_px = 2.0 }"),
        (
            "low_resolution",
            "low_resolution = { probability = 1.0, width_px = [24, 64] }",
        ),
        (
            "low_light",
            "low_light = { probability = 1.0, darkest = 0.3, max_noise = 10.0 }",
        ),
        ("jpeg", "jpeg = { probability = 1.0, quality = [30, 90] }"),
    ];
    for (name, table) in rows {
        bench(name, &toml::from_str(table).expect("a table of the recipe"));
    }
    group.finish();
}

/// How long this thread has run; other work on the machine does not count. Linux only.
fn on_cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells this");
    let run = told.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(run.expect("the first field counts nanoseconds"))
}

criterion_group!(benches, augmentation);
criterion_main!(benches);
