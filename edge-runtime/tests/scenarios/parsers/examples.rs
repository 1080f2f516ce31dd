//! What each parser takes.

use super::photos;
use crate::bad_input;
use crate::bundles::{input, manifest};
use crate::onnx::{self, Weights};
use crate::settings;
use ed25519_dalek::SigningKey;
use edge_runtime::landmarks::HEADER;
use edge_runtime::release::ReleaseKey;
use edge_runtime::store::{KEY_FILE, Settings, Store};
use serde_bytes::ByteBuf;
use shared::align::{AlignTemplate, AlignedFace, Landmarks, Point};
use shared::audit::{AuditEvent, Chain, What};
use shared::bundle::{Bundle, Comparable, Manifest, Precision, SelfTestFace};
use shared::detector::{
    CellOrder, DetectorLayout, DetectorLevel, DetectorManifest, FrameSpec, ScoreKind, SelfTestFrame,
};
use shared::digest::Digest;
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use shared::envelope::{self, Kind};
use shared::preprocess::PixelOrder;
use shared::release::{Release, SignedRelease};
use shared::store::{KeptCrops, KeyFile, Transfer, Traveler};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// What a parser takes, and how its inputs are made.
pub(super) struct Examples {
    pub(super) files: Vec<Vec<u8>>,
    /// How many times fewer inputs it gets, because each takes so long.
    pub(super) slower: u64,
    /// Makes checksums right, so that what they guard is reached.
    pub(super) repair: fn(&mut [u8]),
}

/// The examples of a parser.
pub(super) fn of(name: &str) -> Examples {
    let (files, slower) = match name {
        "bundle" => (bundles(), 1),
        "record" => (vec![bad_input::record(), record(2, 4), record(1, 512)], 1),
        "store_key" => (vec![key(Kind::StoreKey)], 1),
        "transfer_key" => (vec![key(Kind::TransferKey)], 1),
        "kept_crops" => (vec![crops()], 10),
        "sealed_transfer" => {
            let sealed = ByteBuf::from(vec![7; 90]);
            (
                vec![envelope::encode(Kind::SealedTransfer, &sealed).unwrap()],
                1,
            )
        }
        "transfer" => (transfers(), 1),
        "release" => (vec![release()], 1),
        "trusted_key" => (vec![trusted_key()], 1),
        "seal" => (vec![vec![0; 50]], 1),
        "log_entry" => (log().0, 1),
        "log_chain" => (log().1, 1),
        "store" => (vec![store()], 50),
        "door_toml" => (door_tomls(), 10),
        "landmarks_csv" => (tables(), 1),
        "claims" => (vec![b"\x061234\r\n98765 4\n\nx\n".to_vec()], 1),
        "http" => (
            vec![
                b"GET /metrics HTTP/1.1\r\nHost: door\r\n\r\n".to_vec(),
                b"POST /0/look HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
            ],
            1,
        ),
        "photo" => (photos::all(), 4),
        "mjpeg" => (vec![photos::stream()], 1),
        "jpeg" => (photos::jpegs(), 4),
        // Two by two pixels, in rows with a byte more.
        "yuyv" => (vec![[&[0, 1, 1][..], &[90; 10]].concat()], 1),
        "face" => (
            vec![numbers(&landmarks(1.0)), numbers(&landmarks(3.0))],
            200,
        ),
        "detections" => (outputs(), 10),
        "weights" => (packed(), 1),
        "network" => (networks(), 20),
        _ => panic!("no examples of {name}"),
    };
    let repair = if name == "photo" {
        photos::repair_png
    } else {
        |_: &mut [u8]| ()
    };
    Examples {
        files,
        slower,
        repair,
    }
}

/// As the parser's key signs it.
fn release() -> Vec<u8> {
    let release = Release {
        counter: 1_790_000_000,
        version: "0.1.0".into(),
        architecture: "aarch64".into(),
        runtime: Digest([1; 32]),
        bundles: vec![Digest([2; 32]); 3],
    };
    let key = SigningKey::from_bytes(&[7; 32]);
    SignedRelease::sign(&release, &key)
        .unwrap()
        .encode()
        .unwrap()
}

fn trusted_key() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("release.pub");
    let key = ReleaseKey::generate().unwrap();
    key.trusted().write(&path).unwrap();
    fs::read(path).unwrap()
}

fn embedding(len: usize) -> Embedding {
    Embedding::from_raw((0..len).map(|i| i as f32 - 1.5).collect()).unwrap()
}

fn record(templates: usize, len: usize) -> Vec<u8> {
    let templates = vec![embedding(len); templates];
    let model = Digest::of(b"model");
    let record = EnrollmentRecord::new("ada", model, templates, 1_790_000_000);
    record.unwrap().encode().unwrap()
}

/// Of several precisions, one as small as can be, and one with everything.
fn bundles() -> Vec<Vec<u8>> {
    let model = b"onnx".to_vec();
    let small = Manifest {
        embedding_len: 4,
        ..manifest(&model, vec![])
    };
    let gray = AlignedFace::from_pixels(input().template, vec![9; input().template.rgb_len()]);
    let face = SelfTestFace::new(&gray.unwrap(), embedding(4));
    let large = Manifest {
        self_test: vec![face],
        ..small.clone()
    };
    let bundle = |manifest| Bundle::new(manifest, model.clone()).unwrap();
    let (detector, frame) = (detector(&model), |m: &DetectorManifest| m.input.rgb_len());
    let frame = SelfTestFrame {
        pixels: vec![3; frame(&detector)],
        score: 0.9,
        landmarks: landmarks(1.0),
    };
    let with_frame = DetectorManifest {
        self_test: vec![frame],
        ..detector.clone()
    };
    let with = |manifest, detector| bundle(manifest).with_detector(detector, model.clone());
    let made = [
        several(small.clone()),
        bundle(small.clone()),
        with(small, detector).unwrap(),
        with(large, with_frame).unwrap(),
    ];
    made.map(|bundle| bundle.encode().unwrap()).into()
}

/// Two precisions, and what is known of comparing them.
fn several(mut first: Manifest) -> Bundle {
    let (model, other) = (b"onnx".to_vec(), b"floats".to_vec());
    let mut second = manifest(&other, vec![]);
    (second.embedding_len, second.precision) = (first.embedding_len, Precision::F32);
    let comparable = |of: &Manifest| Comparable {
        model: of.model_digest,
        precision: of.precision,
        operating_points: of.operating_points.clone(),
        cosine_mean: 0.999,
        cosine_p1: 0.99,
    };
    first.comparable = vec![comparable(&second)];
    second.comparable = vec![comparable(&first)];
    let second = Bundle::new(second, other).unwrap();
    let first = Bundle::new(first, model).unwrap();
    first.with_alternative(second).unwrap()
}

fn detector(model: &[u8]) -> DetectorManifest {
    let level = |stride, name: &str| DetectorLevel {
        stride,
        scores: vec![format!("{name}_cls"), format!("{name}_obj")],
        landmarks: format!("{name}_kps"),
    };
    DetectorManifest {
        name: "two grids".into(),
        precision: Precision::F32,
        input: FrameSpec {
            width: 32,
            height: 16,
            pixel_order: PixelOrder::Bgr,
            mean: [0.0; 3],
            std: [1.0; 3],
        },
        layout: DetectorLayout {
            order: CellOrder::CellsFirst,
            score: ScoreKind::Probability,
            anchor: 0.5,
            levels: vec![level(8, "a"), level(16, "b")],
        },
        threshold: 0.5,
        close_look: Some(0.25),
        digest: Digest::of(model),
        self_test: vec![],
        provenance: "by hand".into(),
    }
}

fn key(kind: Kind) -> Vec<u8> {
    KeyFile::new([7; 32], true).encode(kind).unwrap()
}

fn crops() -> Vec<u8> {
    let template = AlignTemplate::Sphereface112x96;
    let face = AlignedFace::from_pixels(template, vec![5; template.rgb_len()]).unwrap();
    KeptCrops::new(&[face]).unwrap().encode().unwrap()
}

fn transfers() -> Vec<Vec<u8>> {
    let traveler = |crops: Option<Vec<u8>>| Traveler {
        record: record(2, 4),
        crops: crops.map(ByteBuf::from),
    };
    let people = |people| Transfer { people }.encode().unwrap();
    vec![
        people(vec![]),
        people(vec![traveler(None), traveler(None)]),
        people(vec![traveler(Some(crops()))]),
    ]
}

/// Entries of a log, and its ends.
fn log() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut chain = Chain::default();
    let (mut entries, mut chains) = (Vec::new(), vec![chain.encode()]);
    for (what, subject) in [(What::Opened, Some("ada")), (What::Refused, None)] {
        let event = AuditEvent::new(what, subject, "score 0.2 is below the threshold 0.7");
        entries.push(chain.extend(1_790_000_000_000, event).encode());
        chains.push(chain.encode());
    }
    (entries, chains)
}

/// A database with people and a log, sealed with the key that the parser knows.
fn store() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let key = KeyFile::new([7; 32], false).encode(Kind::StoreKey).unwrap();
    fs::write(folder.join(KEY_FILE), key).unwrap();
    fs::set_permissions(folder.join(KEY_FILE), Permissions::from_mode(0o600)).unwrap();
    let store = Store::open(&Settings::of(&folder)).unwrap();
    for name in ["ada", "ben", "cyd"] {
        let templates = vec![embedding(64)];
        let record = EnrollmentRecord::new(name, Digest::of(b"model"), templates, 0).unwrap();
        store.add(&record, false).unwrap();
    }
    fs::read(folder.join("store.redb")).unwrap()
}

fn door_tomls() -> Vec<Vec<u8>> {
    let example = fs::read("door.example.toml").unwrap();
    vec![example, settings::example().into_bytes()]
}

fn tables() -> Vec<Vec<u8>> {
    let row = "a.jpg,0.9,1,2.5,3,-4,5e1,6,7,8,9,10\n";
    let quoted = format!("\"b, \"\"c\"\".jpg\",{}", &row["a.jpg,".len()..]);
    vec![format!("{}\n{row}{quoted}", HEADER.join(",")).into_bytes()]
}

/// A face from the front, that many times as large as eyes 18 pixels apart.
fn landmarks(scale: f32) -> Landmarks {
    let template = AlignTemplate::Arcface112x112.landmarks().0;
    Landmarks(template.map(|p| Point::new(p.x * scale / 2.0, p.y * scale / 2.0)))
}

fn numbers(landmarks: &Landmarks) -> Vec<u8> {
    let numbers = landmarks.0.iter().flat_map(|p| [p.x, p.y]);
    numbers.flat_map(f32::to_le_bytes).collect()
}

/// Outputs of a detector that found one face in two cells; both orders, both kinds of scores.
fn outputs() -> Vec<Vec<u8>> {
    let (cells, scores) = (12, [0.9_f32; 24]);
    let offset = |cell: usize, number: usize| {
        let p = AlignTemplate::Arcface112x112.landmarks().0[number / 2];
        // From the anchors, 16 pixels apart, in strides.
        let at = [cell % 4, cell / 4][number % 2] as f32 + 0.5;
        [p.x, p.y][number % 2] / 2.0 / 16.0 - at
    };
    let numbers = |kind: usize| {
        let place = |i: usize| match kind & 1 {
            0 => offset(i % cells, i / cells),
            _ => offset(i / 10, i % 10),
        };
        let landmarks = (0..10 * cells).map(place);
        let floats = scores.into_iter().chain(landmarks);
        let bytes = floats.flat_map(f32::to_le_bytes);
        bytes.chain([kind as u8]).collect()
    };
    (0..4).map(numbers).collect()
}

fn packed() -> Vec<Vec<u8>> {
    let kinds = [
        Weights::Rows,
        Weights::RowsNoZero,
        Weights::Tensor,
        Weights::Float,
    ];
    kinds
        .map(|weights| onnx::bytes(&onnx::projection(8, 2, 1, weights)))
        .into()
}

fn networks() -> Vec<Vec<u8>> {
    let cells = |first| onnx::bright_cells([16, 16], &[0.5; 10], first);
    [true, false].map(|first| onnx::bytes(&cells(first))).into()
}
