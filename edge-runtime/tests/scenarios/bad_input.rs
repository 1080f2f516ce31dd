//! Every file that the door reads, broken in every way: the message names the file and the fault,
//! and nothing on the disk changes.

use crate::bundles::{EMBEDDING_LEN, bundle_of, manifest};
use crate::onnx::{self, Weights};
use crate::people::photograph;
use crate::scene::snapshot;
use edge_runtime::config::Config;
use edge_runtime::landmarks::{HEADER, LandmarkTable};
use edge_runtime::{bundle, photo};
use image::ImageFormat;
use shared::align::AlignTemplate;
use shared::bundle::{Bundle, Manifest, model_digest};
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use shared::preprocess::InputSpec;
use std::fs::{self, File, Permissions};
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Reads a file as the door would; the error.
type Read = fn(&Path) -> Option<String>;

const READERS: [(&str, Read); 4] = [
    ("photo.png", |path| {
        photo::read(path).err().map(|e| e.to_string())
    }),
    ("landmarks.csv", |path| {
        LandmarkTable::read(path).err().map(|e| e.to_string())
    }),
    ("model.bundle", |path| {
        bundle::load(path).err().map(|e| e.to_string())
    }),
    ("door.toml", |path| {
        Config::read(path).err().map(|e| e.to_string())
    }),
];

/// Writes the bytes into a private folder and reads them; `None` is a file full of nothing, over
/// every limit.
pub(crate) fn check(file: &str, bytes: Option<&[u8]>, needle: &str) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let path = dir.path().join(file);
    match bytes {
        Some(bytes) => fs::write(&path, bytes).unwrap(),
        None => File::create(&path).unwrap().set_len(300 << 20).unwrap(),
    }
    let before = bytes.map(|_| snapshot(dir.path()));
    let (_, read) = READERS.iter().find(|(name, _)| *name == file).unwrap();
    let error = read(&path).unwrap_or_else(|| panic!("{file} was taken, expected {needle:?}"));
    assert!(
        error.contains(needle),
        "{file}: {error}, expected {needle:?}"
    );
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    if let Some(before) = before {
        assert!(snapshot(dir.path()) == before, "{file} changed: {needle}");
    }
}

fn changed(bytes: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = byte;
    bytes
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    photograph("ada", 0)
        .image
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

pub(crate) fn record() -> Vec<u8> {
    let raw = (0..EMBEDDING_LEN).map(|i| i as f32).collect();
    let templates = vec![Embedding::from_raw(raw).unwrap()];
    let model = bundle_of(1).manifest().model_digest;
    let record = EnrollmentRecord::new("ada", model, templates, 0).unwrap();
    record.encode().unwrap()
}

#[test]
fn what_is_too_large_is_not_read() {
    for (file, _) in READERS {
        check(file, None, "expected at most");
    }
}

#[test]
fn bad_photos() {
    let (png, jpeg) = (picture(ImageFormat::Png), picture(ImageFormat::Jpeg));
    let frame_header = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    let jpeg_bomb = changed(
        &changed(&jpeg, frame_header + 5, 0xFF),
        frame_header + 7,
        0xFF,
    );
    let rows: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (b"GIF89a, hardly", "neither JPEG nor PNG"),
        (b"just text", "neither JPEG nor PNG"),
        (&png[..png.len() / 2], "cut off"),
        (&png[..20], "cut off"),
        (&jpeg[..jpeg.len() / 2], "cut off"),
        (&jpeg[..3], "cut off"),
        (&png_of(60_000, 60_000, RGB), "too large"),
        // Few enough pixels a side, too many in all; of one bit each the decoder gives few bytes.
        (&png_of(11_999, 11_999, RGB), "too large"),
        (&png_of(11_999, 11_999, GREY_OF_ONE_BIT), "too large"),
        (&png_of(8_000, 5_001, GREY_OF_ONE_BIT), "too large"),
        (&png_of(8_000, 5_000, GREY_OF_ONE_BIT), "damaged"),
        (&jpeg_bomb, "too large"),
        (
            &changed(&png, png.len() / 2, !png[png.len() / 2]),
            "damaged",
        ),
        (&record(), "neither JPEG nor PNG"),
    ];
    rows.iter()
        .for_each(|(bytes, needle)| check("photo.png", Some(bytes), needle));
}

/// Bits a channel and color type, as a PNG's header has them.
const RGB: [u8; 2] = [8, 2];
const GREY_OF_ONE_BIT: [u8; 2] = [1, 0];

/// The beginning of a PNG that claims these dimensions, and a little data.
fn png_of(width: u32, height: u32, color: [u8; 2]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend(color);
    header.extend([0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", header.as_slice()),
        (b"IDAT", &[0x78, 0x9C, 1]),
        (b"IEND", &[]),
    ] {
        let body = [kind.as_slice(), data].concat();
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(&body);
        png.extend(crc32(&body).to_be_bytes());
    }
    png
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[test]
fn bad_landmarks() {
    let header = HEADER.join(",");
    let table = |rows: &str| format!("{header}\n{rows}").into_bytes();
    let row = "a.jpg,0.9,1,2,3,4,5,6,7,8,9,10";
    let rows: &[(Vec<u8>, &str)] = &[
        (vec![], "line 1 is not the header"),
        (b"path,x,y\n".to_vec(), "line 1 is not the header"),
        (
            header.replace("score", "points").into_bytes(),
            "line 1 is not the header",
        ),
        (vec![0xFF; 40], "line 1 is not the header"),
        (table("a.jpg,0.9,1,2,3"), "line 2"),
        (table(&format!("{row}\n{row},11\n")), "line 3"),
        (
            table(&format!("{row}\n{row}\n")),
            "line 3: a second row for a.jpg",
        ),
        (
            table(&row.replace(",7,", ",NaN,")),
            "line 2: mouth_right_x is \"NaN\"",
        ),
        (
            table(&row.replace(",7,", ",1e99,")),
            "line 2: mouth_right_x is \"1e99\"",
        ),
        (table(&row.replace(",7,", ",,")), "expected a finite number"),
        (table(&row.replace("0.9", "good")), "score is \"good\""),
        ([table(row), b"\n\xFF,1".to_vec()].concat(), "line 3"),
    ];
    rows.iter()
        .for_each(|(bytes, needle)| check("landmarks.csv", Some(bytes), needle));
}

#[test]
fn bad_bundles() {
    let good = bundle_of(1).encode().unwrap();
    let made = |change: &dyn Fn(&mut Manifest), model: &[u8]| {
        let mut manifest = manifest(model, vec![]);
        change(&mut manifest);
        Bundle::new(manifest, model.into())
            .unwrap()
            .encode()
            .unwrap()
    };
    let network = bundle_of(1).model().to_vec();
    let narrow = |m: &mut Manifest| {
        m.input = InputSpec::rgb_128(AlignTemplate::Sphereface112x96);
        m.model_digest = model_digest(&m.input, m.mirror_sum, &network);
    };
    let rows: &[(&[u8], &str)] = &[
        (b"", "0 bytes are too few"),
        (&good[..good.len() - 1], "cut off or appended to"),
        (&[b'x'; 99], "does not begin with FACELTCH"),
        (&record(), "expected a Bundle"),
        (&changed(&good, 10, 7), "version 7"),
        (&changed(&good, 15, 0xFF), "over the limit"),
        (
            &changed(&good, good.len() / 2, !good[good.len() / 2]),
            "checksum",
        ),
        (&made(&|_| (), b"garbage"), "the model is not ONNX"),
        (&made(&|_| (), b""), "the model is not ONNX"),
        (
            &made(&narrow, &network),
            "the network takes f32 [1, 3, 112, 112]",
        ),
        (
            &made(&|m| m.embedding_len = 63, &network),
            "the manifest says 63 numbers",
        ),
        (&made(&|_| (), &network), "no self-test faces"),
    ];
    rows.iter()
        .for_each(|(bytes, needle)| check("model.bundle", Some(bytes), needle));
}

#[test]
fn a_network_of_other_weights_is_another_model() {
    let other = onnx::bytes(&onnx::projection(112, EMBEDDING_LEN, 9, Weights::Rows));
    let error = Bundle::new(manifest(&other, vec![]), bundle_of(1).model().into()).unwrap_err();
    assert!(error.to_string().contains("put together from two"));
}
