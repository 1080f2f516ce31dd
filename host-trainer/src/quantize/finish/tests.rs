use super::*;
use crate::dataset::{DataConfig, prepare};
use shared::align::AlignTemplate;

#[test]
fn faces_are_of_people_who_were_not_held_out_and_those_of_the_two_kinds_differ() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataConfig::Synthetic {
        people: 6,
        pictures: 5,
        held_out: 0.0,
    };
    let set = prepare(&data, None, AlignTemplate::Sphereface112x96, 3, dir.path()).unwrap();
    let person = |face: &AlignedFace| {
        let same = |i: &usize| set.face(*i).unwrap().pixels() == face.pixels();
        let image = (0..set.len()).find(same).expect("a face of the set");
        (set.person(image), image)
    };
    let held_out = [1, 4].into();
    for (count, each) in [(6, 6), (512, 10)] {
        let faces = Faces::of(&set, &held_out, count).unwrap();
        let (calibrate, choose) = (faces.calibrate.iter(), faces.choose.iter());
        assert_eq!((calibrate.len(), choose.len()), (each, each));
        let seen: Vec<_> = calibrate.chain(choose).map(person).collect();
        let images: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(images.len(), 2 * each);
        // All the others, evenly.
        for other in [0, 2, 3, 5] {
            let own = seen.iter().filter(|(person, _)| *person == other);
            assert_eq!(own.count(), each / 2, "{other}");
        }
    }
}
