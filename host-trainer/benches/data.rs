//! The way of an image to a batch: from its JPEG (decoded and aligned, one thread), and from the
//! packed set through the loader. A call is one batch of [`BATCH`] images.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use edge_runtime::{face, photo};
use host_trainer::dataset::loader::{Order, TrainingSet, start};
use host_trainer::dataset::synthetic::{Identity, render};
use host_trainer::dataset::{DataConfig, prepare};
use shared::align::{AlignTemplate, Landmarks};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BATCH: usize = 64;
const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;

fn data(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("the temporary folder can be written to");
    let mut group = criterion.benchmark_group("data");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(BATCH as u64));
    let photographs = photographs(folder.path());
    group.bench_function("jpeg", |bencher| {
        bencher.iter(|| {
            for (path, landmarks) in &photographs {
                let photo = photo::read(path).expect("written above");
                black_box(face::align(&photo, landmarks, TEMPLATE).expect("drawn with landmarks"));
            }
        });
    });
    let set = packed(folder.path());
    let order = Order {
        seed: 1,
        batch_size: BATCH,
        part: (0, 1),
        first_step: 0,
        end_step: u64::MAX,
    };
    let batches = start(set, order);
    group.bench_function("packed", |bencher| {
        bencher.iter(|| black_box(batches.recv().expect("it never ends").expect("just packed")));
    });
    group.finish();
}

/// Drawn pictures as a camera would give them, 320x240.
fn photographs(folder: &Path) -> Vec<(PathBuf, Landmarks)> {
    let write = |number: usize| {
        let picture = render(&Identity::new(1, number as u64), 0);
        let path = folder.join(format!("{number}.jpg"));
        picture.frame.save(&path).expect("the folder is there");
        (path, picture.landmarks)
    };
    (0..BATCH).map(write).collect()
}

fn packed(folder: &Path) -> Arc<TrainingSet> {
    let config = DataConfig::Synthetic {
        people: 64,
        pictures: 8,
        held_out: 0.1,
    };
    let set = prepare(&config, None, TEMPLATE, 1, folder).expect("drawing needs nothing");
    Arc::new(TrainingSet::new(Arc::new(set), |_| true))
}

criterion_group!(benches, data);
criterion_main!(benches);
