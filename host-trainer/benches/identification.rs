//! 1:N search for a block of probes among a million templates, on all cores.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use host_trainer::evaluate::identification::{Probes, Search, SyntheticTemplates};
use host_trainer::evaluate::search::Rows;
use shared::embedding::Embedding;

const PROBES: usize = 100;
const TEMPLATES: usize = 1_000_000;
const EMBEDDING_LEN: usize = 128;
/// As the command takes them.
const BLOCK: usize = 1 << 14;

fn identification(criterion: &mut Criterion) {
    // Even in all directions.
    let axis = |i: usize| (0..EMBEDDING_LEN).map(move |j| if i == j { 1.0 } else { 0.0 });
    let axes = (0..EMBEDDING_LEN).map(|i| Embedding::from_raw(axis(i).collect()));
    let axes: Vec<_> = axes.collect::<Result<_, _>>().expect("unit vectors");
    let nobody = SyntheticTemplates::around(&Rows::new(&axes));
    let starts = (0..TEMPLATES).step_by(BLOCK);
    let block = |start| nobody.block(start..(start + BLOCK).min(TEMPLATES));
    let gallery: Vec<Rows> = starts.map(block).collect();
    // One person of so many images.
    let person = axes[..PROBES].iter().map(Some).collect::<Vec<_>>();
    let mut group = criterion.benchmark_group("identification");
    group.sample_size(10);
    group.bench_function(BenchmarkId::from_parameter(TEMPLATES), |bencher| {
        bencher.iter(|| {
            let probes = Probes::new(std::slice::from_ref(&person)).expect("a person of many");
            let mut search = Search::new(probes, TEMPLATES as u64);
            gallery.iter().for_each(|block| search.add(block));
            search.found()
        });
    });
    group.finish();
}

criterion_group!(benches, identification);
criterion_main!(benches);
