use super::*;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;

/// Pickles crops in these reds with Python, after `change` of what it is told.
fn packed(reds: &[u8], same: Value, change: impl Fn(&mut Value)) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let write = |(i, red): (usize, &u8)| {
        let path = dir.path().join(format!("{i}.jpg"));
        let side = if *red == 64 { 64 } else { 112 };
        let image = RgbImage::from_pixel(side, side, Rgb([*red, *red, *red]));
        image.save_with_format(&path, ImageFormat::Jpeg).unwrap();
        path
    };
    let images: Vec<_> = reds.iter().enumerate().map(write).collect();
    let mut spec = json!({"protocol": 4, "images": images, "same": same});
    change(&mut spec);
    let path = dir.path().join("lfw.bin");
    crate::python::run(include_str!("pack.py"), &[&path], &spec);
    (dir, path)
}

#[test]
fn every_protocol_holds_the_same_set() {
    let check = |name: &str, value: Value| {
        let (reds, same) = ([10, 50, 90, 130], json!([true, false]));
        let (_dir, path) = packed(&reds, same, |spec| spec[name] = value.clone());
        let set = read(&path).unwrap();
        let pairs: Vec<_> = set.pairs.pairs.iter().map(|p| (p.same, p.fold)).collect();
        assert_eq!(pairs, [(true, 0), (false, 1)]);
        assert_eq!(set.pairs.pairs[1].images, ["2", "3"]);
        for (i, red) in reds.iter().enumerate() {
            let face = set.face(i, AlignTemplate::Sphereface112x96).unwrap();
            assert!(
                face.pixels()[0].abs_diff(*red) < 3,
                "{name} {value}, image {i}"
            );
        }
    };
    (2..=5).for_each(|protocol| check("protocol", json!(protocol)));
    check("python2", json!(true));
}

#[test]
fn an_image_that_is_named_twice_is_read_twice() {
    let (_dir, path) = packed(&[90], json!([true]), |spec| spec["odd"] = json!("twice"));
    let set = read(&path).unwrap();
    assert!(set.face(0, TEMPLATE).unwrap() == set.face(1, TEMPLATE).unwrap());
}

#[test]
fn whatever_else_python_pickles_is_refused_and_not_executed() {
    let check = |reds: &[u8], same: Value, odd: &str, needle: &str| {
        let (_dir, path) = packed(reds, same, |spec| spec["odd"] = json!(odd));
        let message = read(&path).err().unwrap().to_string();
        assert!(
            message.contains(needle) && message.contains("lfw.bin"),
            "{message}"
        );
        assert!(!path.with_extension("bin.executed").exists());
    };
    let two = || json!([true]);
    check(&[1, 2], two(), "malicious", "the object posix.system");
    check(&[1, 2], two(), "list", "expected bytes and booleans alone");
    check(&[1, 2], two(), "nested", "in a list");
    check(&[1, 2], two(), "array", "expected bytes and booleans alone");
    check(
        &[1, 2],
        two(),
        "text",
        "something else than bytes in the first list",
    );
    check(&[1, 2], two(), "set", "expected bytes and booleans alone");
    check(&[1, 2], json!([1]), "", "found a number");
    check(&[1, 2], json!([null]), "", "found None");
    check(&[1, 2], json!([{}]), "", "found a dictionary");
    check(&[1, 2, 3], two(), "", "3 images for 1 pairs");
    check(&[1, 2], json!([true, true]), "", "2 images for 2 pairs");
    check(&[], json!([]), "", "0 images for 0 pairs");
    check(
        &[1, 64],
        two(),
        "",
        "lfw.bin/1: found 64x64 pixels, expected 112x112",
    );
}

#[test]
fn a_hostile_pickle_is_refused_before_it_is_large() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lfw.bin");
    let check = |bytes: &[u8], needle: &str| {
        std::fs::write(&path, bytes).unwrap();
        let message = read(&path).err().unwrap().to_string();
        assert!(message.contains(needle), "{message}");
    };
    let repeated = |head: &[u8], body: &[u8], times| [head, &body.repeat(times)].concat();
    check(b"", "byte 0: found 0 bytes where 1 should follow");
    check(b"\x80\x04]C", "cut off");
    check(
        b"\x80\x04]B\xff\xff\xff\xffx",
        "1 bytes where 4294967295 should follow",
    );
    check(
        &repeated(b"\x8e", b"\xff", 8),
        "18446744073709551615 should follow",
    );
    check(&repeated(b"", b"(", 5_000_000), "more than 4000000 values");
    check(
        &repeated(b"C\x01x", b"\x94", 5_000_000),
        "more than 4000000 values",
    );
    check(
        &repeated(b"]", b"]\x86", 1_000_000),
        "found a tuple of something else",
    );
    check(&repeated(b"]", b"]a", 1_000_000), "in a list");
    check(b"h\x07", "a reference to something else");
    check(b"cos\nsystem\n)R.", "the object os.system");
    check(b"e.", "an end without its beginning");
    check(b"].", "something else than a tuple of two lists");
    check(b"2", "the instruction '2'");
    // Text that is called bytes and is none: a broken image, and so no figure's gain.
    let text = b"]c_codecs\nencode\nX\x04\0\0\0\xe4\xb8\xad!X\x06\0\0\0latin1\x86Ra";
    let twice = [&text[..], &text[1..], b"]\x88a\x86."].concat();
    std::fs::write(&path, twice).unwrap();
    assert!(read(&path).unwrap().face(0, TEMPLATE).is_err());
}

#[test]
fn every_cut_is_refused() {
    let (_dir, path) = packed(&[10, 20], json!([true]), |_| ());
    let whole = std::fs::read(&path).unwrap();
    for len in 0..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        assert!(read(&path).is_err(), "{len} bytes");
    }
}

#[test]
fn folds_are_those_of_an_unshuffled_kfold() {
    // scikit-learn 1.7: KFold(10) of 23: 3, 3, 3, then seven of 2.
    let counts = |pairs: usize, folds: usize| -> Vec<usize> {
        let folds_of: Vec<_> = (0..pairs).map(|i| fold(i, pairs, folds)).collect();
        assert!(folds_of.is_sorted());
        (0..folds)
            .map(|f| folds_of.iter().filter(|g| **g == f).count())
            .collect()
    };
    assert_eq!(counts(23, 10), [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(counts(6000, 10), [600; 10]);
    assert_eq!(counts(4, 4), [1; 4]);
}
