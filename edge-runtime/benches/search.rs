//! 1:N search: one probe against a gallery of random people, on one thread.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use shared::digest::Digest;
use shared::embedding::{Embedding, Template};
use shared::enrollment::EnrollmentRecord;
use shared::roster::Roster;
use std::hint::black_box;

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

fn gallery(people: usize, len: usize, noise: &mut Noise, model: Digest) -> Roster {
    // Adding looks for a second person of that name, so large rosters take a while to make.
    let mut roster = Roster::new(model, len);
    for person in 0..people {
        let templates = vec![noise.embedding(len)];
        let record = EnrollmentRecord::new(&format!("p{person}"), model, templates, 0);
        let record = record.expect("the name and the template are good");
        roster.add(&record).expect("names and lengths agree");
    }
    roster
}

fn search(criterion: &mut Criterion) {
    let model = Digest::of(b"bench");
    let mut group = criterion.benchmark_group("search");
    group.sample_size(20);
    for (people, len) in [(10_000, 128), (10_000, 512), (100_000, 128), (100_000, 512)] {
        let mut noise = Noise(7);
        let roster = gallery(people, len, &mut noise, model);
        let probe = Template {
            model,
            embedding: noise.embedding(len),
        };
        group.bench_function(BenchmarkId::new(format!("{len}-d"), people), |bencher| {
            bencher.iter(|| roster.identify(black_box(&probe)).expect("one model"));
        });
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
