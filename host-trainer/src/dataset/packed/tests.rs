use super::*;
use crate::dataset::summary::ProblemKind;
use std::sync::atomic::{AtomicUsize, Ordering};

const TEMPLATE: AlignTemplate = AlignTemplate::Sphereface112x96;

fn problem(path: &str) -> Problem {
    let (kind, path, reason) = (ProblemKind::BrokenImage, path.into(), "cut off".into());
    Problem { kind, path, reason }
}

fn crop(i: usize) -> Result<Crop, Problem> {
    if i == 2 {
        return Err(problem("b/2"));
    }
    let face = AlignedFace::from_pixels(TEMPLATE, vec![i as u8; TEMPLATE.rgb_len()]).unwrap();
    Ok(Crop {
        person: (i / 2) as u32,
        name: format!("{i}"),
        face,
    })
}

fn source(key: u8) -> Source {
    Source {
        template: TEMPLATE,
        key: [key; 32],
        people: vec!["a".into(), "b".into()],
        len: 4,
        summary: Summary {
            problems: vec![problem("a/0")],
        },
    }
}

#[test]
fn the_second_opening_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let made = AtomicUsize::new(0);
    for _ in 0..2 {
        let set = PackedSet::open_or_make(dir.path(), source(1), |i| {
            made.fetch_add(1, Ordering::Relaxed);
            crop(i)
        });
        let set = set.unwrap();
        assert_eq!((set.len(), made.load(Ordering::Relaxed)), (3, 4));
        assert_eq!([0, 1, 2].map(|i| set.person(i)), [0, 0, 1]);
        assert_eq!(set.face(2).unwrap().pixels()[0], 3);
        let left_out: Vec<_> = set
            .summary()
            .problems
            .iter()
            .map(|p| p.path.as_str())
            .collect();
        assert_eq!(left_out, ["a/0", "b/2"]);
    }
    PackedSet::open_or_make(dir.path(), source(2), crop).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn what_a_killed_run_left_is_removed_after_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let leave = |name: &str, hours: u64| {
        let path = dir.path().join(name);
        let age = std::time::Duration::from_secs(hours * 3600);
        let changed = std::time::SystemTime::now() - age;
        File::create(&path).unwrap().set_modified(changed).unwrap();
        path
    };
    let stale = leave(".packing-killed", 25);
    let kept = [(".packing-other", 23), ("other.faces", 25)].map(|(name, h)| leave(name, h));
    PackedSet::open_or_make(dir.path(), source(1), crop).unwrap();
    assert!(!stale.exists());
    assert!(kept.iter().all(|path| path.exists()));
}

#[test]
fn every_damage_has_its_error() {
    let dir = tempfile::tempdir().unwrap();
    let set = PackedSet::open_or_make(dir.path(), source(1), crop).unwrap();
    let (path, good) = (set.path.clone(), std::fs::read(&set.path).unwrap());
    // Nothing may change a mapped file.
    drop(set);
    let check = |bytes: &[u8], needle: &str| {
        std::fs::write(&path, bytes).unwrap();
        let read = PackedSet::open(&path).and_then(|set| set.face(0).map(|_| ()));
        let message = read.unwrap_err().to_string();
        assert!(
            message.contains(needle) && message.contains("delete the file"),
            "{message}"
        );
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let longer = [&[0; 96 * 112 * 3][..], &good].concat();
    check(b"", "cut off");
    check(&good[..good.len() - 1], "cut off");
    check(&flipped(5), "crop of 0 has another checksum");
    check(&flipped(good.len() - 60), "index has another checksum");
    check(&flipped(good.len() - 1), "another kind");
    check(&flipped(good.len() - 42), "cut off");
    check(&longer, "another length");
}
