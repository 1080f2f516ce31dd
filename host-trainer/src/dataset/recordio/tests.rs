use super::*;
use crate::dataset::{DataConfig, held_out_people, prepare};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;
use std::io::Cursor;
use tempfile::TempDir;

const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;
const MAGIC: [u8; 4] = [0x0a, 0x23, 0xd7, 0xce];

/// A crop in one color, with the magic number at a place of each remainder by 4.
fn png(red: u8, side: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(side, side, Rgb([red, 1, 2]));
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let mut bytes = bytes.into_inner();
    let mut text = b"tEXtmagic\0".to_vec();
    (0..4).for_each(|_| text.extend([&MAGIC[..], b"."].concat()));
    let (len, crc) = (text.len() as u32 - 4, crc32fast::hash(&text));
    let chunk = [&len.to_be_bytes()[..], &text, &crc.to_be_bytes()].concat();
    // Before the last chunk, which has 12 bytes.
    bytes.splice(bytes.len() - 12..bytes.len() - 12, chunk);
    bytes
}

struct Set {
    dir: TempDir,
}

impl Set {
    /// Packs images (labels, red, side) with Python.
    fn new(property: &str, header: bool, images: &[(&[f32], u8, u32)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = |(i, (labels, red, side)): (usize, &(&[f32], u8, u32))| {
            let path = dir.path().join(format!("{i}.png"));
            std::fs::write(&path, png(*red, *side)).unwrap();
            json!([labels, path])
        };
        let images: Vec<_> = images.iter().enumerate().map(image).collect();
        let spec = json!({"property": property, "header": header, "images": images});
        let folder = dir.path().join("set");
        std::fs::create_dir(&folder).unwrap();
        crate::python::run(include_str!("pack.py"), &[&folder], &spec);
        Self { dir }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("set")
    }

    fn reds(&self, template: AlignTemplate) -> Vec<(u32, u8)> {
        let records = Records::open(&self.folder()).unwrap();
        let labels = records.labels().unwrap();
        let red = |(i, person): (usize, &u32)| {
            let crop = records.crop(i, *person, template).unwrap();
            (crop.person, crop.face.pixels()[0])
        };
        labels.iter().enumerate().map(red).collect()
    }
}

fn three(header: bool) -> Set {
    let images: [(&[f32], u8, u32); 3] =
        [(&[0.0], 10, 112), (&[0.0, 7.0], 20, 112), (&[1.0], 30, 112)];
    Set::new("2,112,112\n", header, &images)
}

#[test]
fn images_and_labels_are_those_that_mxnets_layout_holds() {
    for header in [true, false] {
        let set = three(header);
        let rec = std::fs::read(set.folder().join("train.rec")).unwrap();
        let parts = rec
            .as_chunks()
            .0
            .iter()
            .filter(|word| **word == MAGIC)
            .count();
        let records = if header { 6 } else { 3 };
        assert_eq!(parts, records + 3, "each image is split once");
        for template in [TEMPLATE, AlignTemplate::Sphereface112x96] {
            assert_eq!(set.reds(template), [(0, 10), (0, 20), (1, 30)]);
        }
    }
}

#[test]
fn another_size_or_a_broken_image_is_left_out_and_named() {
    let set = Set::new("2,112,112", true, &[(&[0.0], 1, 112), (&[1.0], 2, 64)]);
    let records = Records::open(&set.folder()).unwrap();
    let problem = records.crop(1, 1, TEMPLATE).err().unwrap();
    assert_eq!(
        (problem.kind, problem.path.as_str()),
        (ProblemKind::WrongSize, "1/2")
    );
    assert!(
        problem
            .reason
            .contains("found 64x64 pixels, expected 112x112"),
        "{problem:?}"
    );
    let rec = set.folder().join("train.rec");
    let mut bytes = std::fs::read(&rec).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&rec, bytes).unwrap();
    let broken = records.crop(0, 0, TEMPLATE).err().unwrap();
    assert_eq!(
        (broken.kind, broken.path.as_str()),
        (ProblemKind::BrokenImage, "0/1")
    );
}

#[test]
fn every_broken_set_has_its_error() {
    let check = |file: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, needle: &str| {
        let set = three(true);
        let path = set.folder().join(file);
        let changed = change(std::fs::read(&path).unwrap());
        std::fs::write(&path, changed).unwrap();
        let read = Records::open(&set.folder()).and_then(|records| records.labels());
        let message = read.unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
        assert!(
            message.contains("property") || message.contains("train."),
            "{message}"
        );
    };
    let text = |text: &'static str| move |_| text.as_bytes().to_vec();
    // Four bytes at a place from the start, or from the end.
    let with = |at: isize, word: [u8; 4]| {
        move |mut all: Vec<u8>| {
            let at = at.rem_euclid(all.len() as isize) as usize;
            all.splice(at..at + 4, word);
            all
        }
    };
    let label = |label: f32| with(12, label.to_le_bytes());
    check(
        "property",
        &text("2,112,96"),
        "found \"2,112,96\", expected `people,112,112`",
    );
    check(
        "property",
        &text("4000000000,112,112"),
        "at most one person an image",
    );
    check("property", &text("two"), "found \"two\"");
    check(
        "property",
        &|_| vec![b'1'; 2000],
        "2000 bytes, expected at most 1024",
    );
    check("train.idx", &text("0\t0\n1 x\n"), "line 2: found \"1 x\"");
    check(
        "train.idx",
        &text("0\t0\n1\t99999999999\n"),
        "line 2: offset 99999999999 lies outside",
    );
    check("train.rec", &|all| all[..all.len() - 4].to_vec(), "cut off");
    check(
        "train.rec",
        &with(0, [0; 4]),
        "byte 0: another magic number than 0xced7230a",
    );
    check(
        "train.rec",
        &with(4, [255, 255, 255, 0x1f]),
        "byte 0: cut off",
    );
    check(
        "train.rec",
        &with(4, [255, 255, 255, 0xff]),
        "a part out of its order",
    );
    check("train.rec", &with(4, [4, 0, 0, 0]), "too short");
    check("train.rec", &label(2.0), "key 1 has label 2,");
    check(
        "train.rec",
        &label(0.5),
        "label 0.5, expected a whole number",
    );
    check("train.rec", &label(f32::NAN), "label NaN");
    check("train.rec", &label(-1.0), "label -1");
    // An index of another train.rec, and one that is cut off in the middle of it.
    check(
        "train.idx",
        // Records are read in any order.
        &text("1\t4\n2\t4\n"),
        "byte 4: another magic number",
    );
    check(
        "train.rec",
        &|all| all[..40].to_vec(),
        "lies outside, train.rec has 40 bytes",
    );
    check(
        "train.rec",
        &with(-8, 1e9_f32.to_le_bytes()),
        "the last is 5",
    );
    // The record of key 0 is the last: 24 bytes and two labels.
    check(
        "train.rec",
        &with(-32, [255; 4]),
        "too short for its labels",
    );
}

#[test]
fn a_missing_file_is_named() {
    for file in ["property", "train.idx", "train.rec"] {
        let set = three(true);
        std::fs::remove_file(set.folder().join(file)).unwrap();
        let message = Records::open(&set.folder()).err().unwrap().to_string();
        let told = "holds train.rec, train.idx and property";
        assert!(
            message.contains(file) && message.contains(told),
            "{message}"
        );
    }
}

#[test]
fn excluded_people_are_neither_trained_on_nor_measured_on() {
    let images: Vec<([f32; 1], u8)> = (0..30).map(|i| ([(i / 3) as f32], i as u8)).collect();
    let images: Vec<(&[f32], u8, u32)> =
        images.iter().map(|(l, red)| (&l[..], *red, 112)).collect();
    let set = Set::new("10,112,112", true, &images);
    std::fs::write(set.dir.path().join("overlap.txt"), "4\n99 # nobody\n7\n").unwrap();
    let pack = |exclude: Option<&str>| {
        let config = DataConfig::Recordio {
            folder: "set".into(),
            held_out: 0.5,
            exclude: exclude.map(PathBuf::from),
        };
        prepare(
            &config,
            Some(set.dir.path()),
            TEMPLATE,
            1,
            &set.dir.path().join("cache"),
        )
    };
    let (all, without) = (pack(None).unwrap(), pack(Some("overlap.txt")).unwrap());
    assert_eq!((all.len(), without.len()), (30, 24));
    assert_ne!(all.digest(), without.digest());
    let people: Vec<u32> = (0..24).map(|i| without.person(i)).collect();
    assert_eq!(people.iter().filter(|p| [4, 7].contains(*p)).count(), 0);
    // The crops behind those left out are still their own.
    assert_eq!(without.face(12).unwrap().pixels()[0], 15);
    let told = without.summary().to_string();
    assert!(
        told.contains("left out: 2 people on the exclusion list (4, 7)"),
        "{told}"
    );
    assert!(
        told.contains("warning: 1 entries of the exclusion list that match nobody (99)"),
        "{told}"
    );
    let message = pack(Some("none.txt")).err().unwrap().to_string();
    assert!(
        message.contains("none.txt") && message.contains("--data"),
        "{message}"
    );
}

#[test]
fn one_person_alone_is_refused() {
    let set = Set::new("1,112,112", true, &[(&[0.0], 1, 112), (&[0.0], 2, 112)]);
    let config = DataConfig::Recordio {
        folder: "set".into(),
        held_out: 1e-9,
        exclude: None,
    };
    let packed = prepare(&config, Some(set.dir.path()), TEMPLATE, 1, set.dir.path()).unwrap();
    let message = held_out_people(&packed, 1e-9, 1).unwrap_err().to_string();
    assert!(
        message.contains("1 people to train on, at least 2"),
        "{message}"
    );
}
