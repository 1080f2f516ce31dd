//! `import` and `replay` as a person runs them, on drawn people and a network that was never
//! trained.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use edge_runtime::bundle::{self, Loaded};
use edge_runtime::event::Outcome;
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use host_trainer::backbone::graph::Activation;
use host_trainer::backbone::{Module, mobilefacenet};
use host_trainer::evaluate::enrolled_counts;
use host_trainer::export;
use host_trainer::generator::Generator;
use host_trainer::replay::{Finder, Sight, see};
use serde_json::Value;
use shared::align::AlignTemplate;
use shared::bundle::Precision;
use shared::embedding::Embedding;
use shared::preprocess::InputSpec;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const NETWORK: &str = r#"
name = "small"
embedding_len = 16
mirror_sum = false
[input]
template = "arcface112x112"
pixel_order = "rgb"
mean = [128.0, 128.0, 128.0]
std = [128.0, 128.0, 128.0]
"#;
const RESIDENTS: usize = 6;
const STRANGERS: usize = 4;
const PICTURES: usize = 6;
/// Of a stranger.
const FEW: usize = 2;

fn call(dir: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command.args(arguments.split_whitespace()).current_dir(dir);
    command
        .env("OMP_NUM_THREADS", "1")
        .env("XDG_CACHE_HOME", dir.join("cache"));
    command.output().unwrap()
}

fn done(dir: &Path, arguments: &str) -> String {
    let ran = call(dir, arguments);
    assert!(ran.status.success(), "{}", errors(&ran));
    String::from_utf8(ran.stdout).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A network and its description.
fn with_network() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let graph = mobilefacenet(0.125, 16, Activation::SharedPrelu);
    let generator = Generator::seeded(1);
    let weights = export::weights(&Module::new(graph.clone(), tch::Device::Cpu, &generator));
    let model = export::onnx(&graph, &weights, Precision::F32);
    fs::write(dir.path().join("small.onnx"), model).unwrap();
    fs::write(dir.path().join("small.toml"), NETWORK).unwrap();
    dir
}

/// The same with people to measure it on, people who are enrolled, and strangers.
fn prepared() -> tempfile::TempDir {
    let dir = with_network();
    for folder in ["measured", "door"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    done(
        dir.path(),
        "synthesize --first-person 100 --people 10 --pictures 6 --out measured",
    );
    let people = RESIDENTS + STRANGERS;
    done(
        dir.path(),
        &format!("synthesize --people {people} --pictures {PICTURES} --out door"),
    );
    for stranger in RESIDENTS..people {
        for picture in FEW..PICTURES {
            let name = format!("door/images/p{stranger:06}/{picture:04}.png");
            fs::remove_file(dir.path().join(name)).unwrap();
        }
    }
    dir
}

const IMPORT: &str =
    "import --onnx small.onnx --network small.toml --data measured --out model.bundle";

/// What the door sees in a picture.
fn sight(dir: &Path, loaded: &Loaded, table: &LandmarkTable, i: [usize; 2]) -> Option<Sight> {
    let name = format!("p{:06}/{:04}.png", i[0], i[1]);
    let images = dir.join("door/images");
    see(&images, &name, Finder::Table(table), &loaded.network).ok()
}

/// The same counts from the definitions: a person's mean of the first three pictures that are good
/// and not nearer to somebody enrolled before, against each of the others with a claim.
fn counted(dir: &Path, threshold: f32) -> (u64, u64, u64) {
    let loaded = bundle::load(&dir.join("model.bundle")).unwrap();
    let table = LandmarkTable::read(&dir.join("door/landmarks.csv")).unwrap();
    let (mut means, mut visits, mut let_in): (Vec<Embedding>, _, _) = (vec![], 0, 0);
    for person in 0..RESIDENTS {
        let all = (0..PICTURES).map(|p| sight(dir, &loaded, &table, [person, p]));
        let all: Vec<_> = all.collect();
        let embedding = |p: &usize| &all[*p].as_ref().unwrap().template.embedding;
        let good = |p: &usize| all[*p].as_ref().is_some_and(|s| s.enrollable);
        let mut usable: Vec<usize> = (0..PICTURES).filter(good).collect();
        let mean = |p: &[usize]| Embedding::sum(p.iter().map(embedding)).unwrap();
        let nearer_to_another = |chosen: &[usize], p: &usize| {
            let others: Vec<_> = chosen.iter().copied().filter(|o| o != p).collect();
            let own = mean(&others).cosine(embedding(p)).unwrap();
            means.iter().any(|m| m.cosine(embedding(p)).unwrap() > own)
        };
        while usable.len() >= 3 {
            let chosen = &usable[..3];
            match chosen.iter().position(|p| nearer_to_another(chosen, p)) {
                Some(at) => drop(usable.remove(at)),
                None => break,
            }
        }
        let Some(chosen) = usable.get(..3) else {
            continue;
        };
        let reference = mean(chosen);
        for other in (0..PICTURES).filter(|p| !chosen.contains(p)) {
            visits += 1;
            let score = |s: &Sight| reference.cosine(&s.template.embedding).unwrap();
            let score = all[other].as_ref().map(score);
            let_in += u64::from(score.is_some_and(|score| score >= threshold));
        }
        means.push(reference);
    }
    (means.len() as u64, visits, let_in)
}

#[test]
fn a_foreign_network_becomes_a_bundle_that_a_door_is_counted_with() {
    let dir = prepared();
    let told = done(dir.path(), IMPORT);
    assert!(told.contains("at FMR 0.01: threshold"), "{told}");
    let loaded = bundle::load(&dir.path().join("model.bundle")).unwrap();
    let provenance = &loaded.manifest.provenance;
    assert_eq!(
        (&*provenance.recipe, &*provenance.recipe_toml),
        ("small", NETWORK)
    );

    // Each of ten people's two means of three against the 54 pictures of the others.
    let points = &loaded.manifest.operating_points;
    let counted_pairs = enrolled_counts(&[6; 10]);
    assert!(
        points
            .iter()
            .all(|p| (p.genuine_pairs, p.impostor_pairs) == counted_pairs)
    );

    let replay = "replay --bundle model.bundle --images door/images --landmarks door/landmarks.csv";
    // A tenth over six people needs 0.0167: what was measured carries it.
    let told = done(
        dir.path(),
        &format!("{replay} --false-accept-rate 0.1 --json"),
    );
    let figures: Value = serde_json::from_str(&told).unwrap();
    let one = &figures["verification"]["ran"];
    let threshold = one["threshold"].as_f64().unwrap() as f32;
    let (enrolled, visits, let_in) = counted(dir.path(), threshold);
    assert!(enrolled >= 2 && let_in > 0, "{enrolled} {let_in}");
    assert_eq!(figures["enrolled"], enrolled, "{figures}");
    for mode in ["verification", "identification"] {
        let ran = &figures[mode]["ran"];
        let (genuine, impostor) = (&ran["genuine"], &ran["impostor"]);
        let count = |of: &Value, name: &str| of[name].as_u64().unwrap();
        assert_eq!(count(genuine, "visits"), visits);
        assert_eq!(count(impostor, "visits"), (STRANGERS * FEW) as u64);
        let parts = [
            "let_in",
            "no_face",
            "poor_face",
            "bad_frame",
            "not_recognized",
            "too_near_another",
            "wrong_person",
        ];
        let sum: u64 = parts.iter().map(|part| count(genuine, part)).sum();
        assert_eq!(sum, visits, "{genuine}");
        let missed = (visits - count(genuine, "let_in")) as f64 / visits as f64;
        assert_eq!(genuine["frr"], missed);
    }
    assert_eq!(one["genuine"]["let_in"], let_in, "{figures}");
    assert_eq!(figures["identification"]["ran"]["gallery"], enrolled);

    let strict = done(dir.path(), &format!("{replay} --false-accept-rate 1e-5"));
    for part in [
        "1:1, with claims: the door does not start",
        "FRR",
        "FAR",
        "optimistic",
    ] {
        assert!(strict.contains(part), "{part} in {strict}");
    }
    let blind = call(
        dir.path(),
        "replay --bundle model.bundle --images door/images",
    );
    assert!(
        errors(&blind).contains("has no detector"),
        "{}",
        errors(&blind)
    );
}

/// Moves the noses of a table by so many eye distances.
fn turned(table: &Path, by: f32) -> LandmarkTable {
    let text = fs::read_to_string(table).unwrap();
    let mut lines = text.lines();
    let mut turned = lines.next().unwrap().to_owned() + "\n";
    for line in lines {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        let number = |i: usize| fields[i].parse::<f32>().unwrap();
        let eyes = (number(4) - number(2)).hypot(number(5) - number(3));
        fields[6] = ((number(2) + number(4)) / 2.0 + by * eyes).to_string();
        turned += &(fields.join(",") + "\n");
    }
    LandmarkTable::from_bytes(turned.as_bytes(), table).unwrap()
}

#[test]
fn a_photograph_is_seen_as_the_door_and_as_an_enrollment_see_it() {
    let dir = with_network();
    done(dir.path(), "synthesize --people 8 --pictures 1 --out door");
    let network = fs::read(dir.path().join("small.onnx")).unwrap();
    let input = InputSpec::rgb_128(AlignTemplate::Arcface112x112);
    let network = Network::from_onnx(&network, &input, 16, false).unwrap();
    let csv = dir.path().join("door/landmarks.csv");
    // Enrollment takes heads that are turned by 0.4 at most, the door by 0.6.
    let counts = [0.0, 0.5, 0.9].map(|by| {
        let table = turned(&csv, by);
        let seen = (0..8).map(|person| {
            let name = format!("p{person:06}/0000.png");
            see(
                &dir.path().join("door/images"),
                &name,
                Finder::Table(&table),
                &network,
            )
        });
        let seen: Vec<_> = seen.collect();
        let compared = seen.iter().flatten().count();
        let enrollable = seen.iter().flatten().filter(|s| s.enrollable).count();
        let poor = seen.iter().flat_map(|s| s.as_ref().err());
        let poor = poor.filter(|u| u.outcome == Outcome::PoorFace).count();
        (compared, enrollable, poor)
    });
    let [ahead, aside, away] = counts;
    assert!(ahead.1 >= 4 && ahead.0 >= ahead.1, "{counts:?}");
    assert!(aside.0 >= 4 && aside.1 == 0, "{counts:?}");
    assert_eq!(away, (0, 0, 8), "{counts:?}");
    let header = fs::read_to_string(&csv)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned()
        + "\n";
    let nobody = LandmarkTable::from_bytes(header.as_bytes(), &csv).unwrap();
    let images = dir.path().join("door/images");
    let unseen = see(
        &images,
        "p000000/0000.png",
        Finder::Table(&nobody),
        &network,
    );
    assert_eq!(unseen.err().unwrap().outcome, Outcome::NoFace);
}

#[test]
fn a_network_that_is_not_as_described_is_refused() {
    let dir = with_network();
    let check = |file: &str, content: &[u8], needle: &str| {
        let path = dir.path().join(file);
        let good = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        let ran = call(dir.path(), IMPORT);
        assert!(
            !ran.status.success() && errors(&ran).contains(needle),
            "{}",
            errors(&ran)
        );
        assert!(!dir.path().join("model.bundle").exists());
        fs::write(&path, good).unwrap();
    };
    let changed = |old: &str, new: &str| NETWORK.replace(old, new).into_bytes();
    check(
        "small.toml",
        &changed("arcface112x112", "sphereface112x96"),
        "takes f32 [1, 3, 112, 112]",
    );
    check("small.toml", &changed("= 16", "= 128"), "gives 16");
    check("small.onnx", b"no network", "not ONNX");
    let model = fs::read(dir.path().join("small.onnx")).unwrap();
    check("small.onnx", &unknown_operator(&model), "Cxnv");
    let nowhere = "import --onnx small.onnx --network small.toml --data nowhere --out model.bundle";
    assert!(errors(&call(dir.path(), nowhere)).contains("nowhere"));
}

/// Every convolution is something that nobody knows.
fn unknown_operator(model: &[u8]) -> Vec<u8> {
    let mut model = model.to_vec();
    // The field op_type of a node, of four bytes.
    let (old, new) = (b"\x22\x04Conv", b"\x22\x04Cxnv");
    let places: Vec<_> = (0..model.len() - old.len())
        .filter(|at| model[*at..].starts_with(old))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        model[at..at + new.len()].copy_from_slice(new);
    }
    model
}
