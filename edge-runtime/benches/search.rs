//! 1:N search: one probe against a gallery of random people, on one thread, beside comparing with
//! everybody in floats, and reading and copying as many bytes.

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use edge_runtime::search;
use shared::digest::Digest;
use shared::embedding::{Embedding, Template, dot};
use shared::enrollment::EnrollmentRecord;
use shared::roster::Roster;
use std::hint::black_box;
use std::time::Duration;

/// Numbers from a fixed seed (splitmix64), about even in -1 to 1.
struct Noise(u64);

impl Noise {
    fn embedding(&mut self, len: usize) -> Embedding {
        let raw = (0..len).map(|_| self.next()).collect();
        Embedding::from_raw(raw).expect("noise has a direction")
    }

    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) as i64 as f64 / i64::MAX as f64) as f32
    }
}

/// The same people twice: as the door has them, and their embeddings one after the other.
fn gallery(people: usize, len: usize, noise: &mut Noise, model: Digest) -> (Roster, Vec<f32>) {
    let mut roster = Roster::new(model, len).with_products(search::products);
    let mut floats = Vec::with_capacity(people * len);
    for person in 0..people {
        let template = noise.embedding(len);
        floats.extend(template.as_slice());
        let record = EnrollmentRecord::new(&format!("p{person}"), model, vec![template], 0);
        let record = record.expect("the name and the template are good");
        roster.add(&record).expect("names and lengths agree");
    }
    (roster, floats)
}

/// The two highest scores, each person compared in `f32`.
fn plain(floats: &[f32], probe: &[f32]) -> (f32, f32) {
    let scores = floats.chunks_exact(probe.len()).map(|r| dot(r, probe));
    scores.fold((-1.0, -1.0), |(best, second), score| {
        (score.max(best), score.min(best).max(second))
    })
}

/// Reads words as fast as they come.
fn read(words: &[u64]) -> u64 {
    words.iter().fold(0, |all, word| all ^ word)
}

fn compare(criterion: &mut Criterion) {
    let model = Digest::of(b"bench");
    let mut group = criterion.benchmark_group("search");
    // Samples of few searches, so that on a busy machine most are not interrupted.
    group.sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(200));
    group.measurement_time(Duration::from_millis(300));
    for (people, len) in [
        (10_000, 128),
        (10_000, 512),
        (100_000, 128),
        (100_000, 512),
        (1_000_000, 128),
    ] {
        let mut noise = Noise(7);
        let (roster, floats) = gallery(people, len, &mut noise, model);
        let probe = Template {
            model,
            embedding: noise.embedding(len),
        };
        let id = |what: &str| BenchmarkId::new(format!("{len}-d{what}"), people);
        // The numbers in 8 bits, and the 8 bytes that a person has beside them.
        let bytes = people * (len + 8);
        group.throughput(Throughput::BytesDecimal(bytes as u64));
        group.bench_function(id(""), |bencher| {
            bencher.iter(|| roster.identify(black_box(&probe)).expect("one model"));
        });
        let words: Vec<u64> = (0..bytes as u64 / 8).collect();
        let mut copy = vec![0; words.len()];
        group.bench_function(id(", memory read"), |bencher| {
            bencher.iter(|| read(black_box(&words)));
        });
        group.bench_function(id(", memory copied"), |bencher| {
            bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&words)));
        });
        group.throughput(Throughput::BytesDecimal(4 * floats.len() as u64));
        group.bench_function(id(", in floats"), |bencher| {
            bencher.iter(|| plain(black_box(&floats), probe.embedding.as_slice()));
        });
    }
    group.finish();
}

criterion_group!(benches, compare);
criterion_main!(benches);
