//! The power is cut at every write: what was acknowledged is there, and nothing half.

use super::disk::{Disk, Told, apply};
use super::script::{Contents, Step, contents, founded, script};

const STEPS: u64 = 60;
/// A disk writes so much at once; larger writes can be torn between.
const SECTOR_LEN: usize = 512;

type Fate = fn(&[Told], &mut Noise) -> Vec<Told>;

/// What became of the writes that no sync had followed when the power went.
const FATES: [Fate; 5] = [
    |unsynced, _| unsynced.into(),
    |_, _| Vec::new(),
    |unsynced, noise| some(unsynced, noise),
    |unsynced, noise| {
        let mut some = some(unsynced, noise);
        noise.shuffle(&mut some);
        some
    },
    torn,
];

#[test]
fn a_power_cut_at_any_write_loses_nothing_that_was_acknowledged() {
    let disk = founded();
    let before = disk.bytes();
    let mut states = vec![(0, Contents::default())];
    for step in script(STEPS) {
        let mut after = states.last().unwrap().1.clone();
        step.apply(&mut after);
        step.run(&disk, || states.push((disk.told_len(), after)))
            .unwrap();
    }
    let told = disk.told();
    let mut noise = Noise(1);
    let (mut synced, mut unsynced) = (before, Vec::new());
    let (mut reopened, mut lost) = (0, 0);
    for (cut, next) in told.iter().enumerate() {
        let acknowledged = states.iter().rposition(|(told, _)| *told <= cut).unwrap();
        for fate in FATES {
            let mut bytes = synced.clone();
            let survived = fate(&unsynced, &mut noise);
            survived.iter().for_each(|told| apply(&mut bytes, told));
            let disk = Disk::of(bytes);
            let found = contents(&disk).unwrap();
            let possible = &states[acknowledged..(acknowledged + 2).min(states.len())];
            assert!(
                possible.iter().any(|(_, contents)| *contents == found),
                "cut {cut}: {found:?}, expected one of {possible:?}"
            );
            lost += usize::from(survived.len() < unsynced.len());
            reopened += 1;
            // It goes on from there.
            Step::Enroll(1_000_000).run(&disk, || ()).unwrap();
            assert_eq!(
                contents(&disk).unwrap().people.len(),
                found.people.len() + 1
            );
        }
        match next {
            Told::Sync => unsynced
                .drain(..)
                .for_each(|told| apply(&mut synced, &told)),
            told => unsynced.push(told.clone()),
        }
    }
    let cuts = told.len();
    eprintln!(
        "{cuts} cut points, reopened {reopened} times, {lost} times with writes lost or torn"
    );
    assert!(cuts >= 1000, "{cuts}");
}

/// Each survives or does not.
fn some(unsynced: &[Told], noise: &mut Noise) -> Vec<Told> {
    unsynced
        .iter()
        .filter(|_| noise.below(2) == 0)
        .cloned()
        .collect()
}

/// Of each some sectors survive, in any order.
fn torn(unsynced: &[Told], noise: &mut Noise) -> Vec<Told> {
    let mut sectors = Vec::new();
    for told in unsynced {
        match told {
            Told::Write { at, bytes } => {
                for (i, sector) in bytes.chunks(SECTOR_LEN).enumerate() {
                    sectors.push(Told::Write {
                        at: at + (i * SECTOR_LEN) as u64,
                        bytes: sector.into(),
                    });
                }
            }
            told => sectors.push(told.clone()),
        }
    }
    let mut some = some(&sectors, noise);
    noise.shuffle(&mut some);
    some
}

/// Numbers from a fixed seed (splitmix64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len())
            .rev()
            .for_each(|i| items.swap(i, self.below(i + 1)));
    }
}
