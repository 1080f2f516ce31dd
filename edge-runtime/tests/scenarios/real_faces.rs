//! Real faces and a good network, where they are: the threshold comes from the web photographs of
//! `celeb/`, the person and the strangers from LFW.

use crate::people::row;
use crate::scene::Scene;
use edge_runtime::bundle;
use edge_runtime::enroll::{Eyes, enroll, template_of};
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use edge_runtime::quality::Limits;
use edge_runtime::{face, photo};
use shared::align::{AlignTemplate, AlignedFace};
use shared::bundle::{
    Bundle, Manifest, OperatingPoint, Precision, Provenance, SelfTestFace, model_digest,
};
use shared::embedding::Template;
use shared::preprocess::{InputSpec, PixelOrder};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

/// Of foamliu's MobileFaceNet: ImageNet's mean and deviation, in units of the pixel.
const INPUT: InputSpec = InputSpec {
    template: AlignTemplate::Arcface112x112,
    pixel_order: PixelOrder::Rgb,
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
};
const EMBEDDING_LEN: u32 = 128;
const FMR: f64 = 1e-3;
/// Two photographs each: 4 * 100 * 99 / 2 = 19,800 impostor pairs, less those of poor photographs.
const CELEBRITIES: usize = 100;
const STRANGERS: usize = 200;

pub(crate) fn shared_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared")
}

pub(crate) fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// The templates of images, on two threads; none of a face that is not good enough.
fn templates(images: &[PathBuf], network: &Network) -> Vec<Option<Template>> {
    let detector = None;
    let eyes = Eyes { network, detector };
    let embed = |image: &PathBuf| template_of(image, None, eyes, &Limits::DOOR).ok();
    let half = images.len().div_ceil(2);
    thread::scope(|scope| {
        let work = |part| scope.spawn(move || Vec::from_iter(<[_]>::iter(part).map(embed)));
        let threads = images.chunks(half).map(work).collect::<Vec<_>>();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    })
}

/// The lowest threshold that no more than `FMR` of the impostor pairs reach.
fn measure(network: &Network) -> OperatingPoint {
    let people = sorted(&shared_folder().join("data/celeb/images"));
    let people = people.iter().map(|person| sorted(person));
    let photos: Vec<_> = people
        .take(CELEBRITIES)
        .flat_map(|p| p.into_iter().take(2))
        .collect();
    let templates = templates(&photos, network);
    let (mut impostor, mut genuine) = (Vec::new(), Vec::new());
    for (i, a) in templates.iter().enumerate() {
        for (j, b) in templates.iter().enumerate().skip(i + 1) {
            let (Some(a), Some(b)) = (a, b) else { continue };
            let scores = if i / 2 == j / 2 {
                &mut genuine
            } else {
                &mut impostor
            };
            scores.push(a.score(b).unwrap());
        }
    }
    impostor.sort_by(|a, b| b.total_cmp(a));
    let allowed = (FMR * impostor.len() as f64) as usize;
    let threshold = impostor[allowed].next_up();
    let missed = genuine.iter().filter(|score| **score < threshold).count();
    OperatingPoint {
        threshold,
        fmr: FMR,
        fnmr: missed as f64 / genuine.len() as f64,
        impostor_pairs: impostor.len() as u64,
        genuine_pairs: genuine.len() as u64,
    }
}

fn bundle_of(model: Vec<u8>, self_test: Vec<SelfTestFace>, points: Vec<OperatingPoint>) -> Bundle {
    let manifest = Manifest {
        backbone: "mobilefacenet".into(),
        precision: Precision::F32,
        input: INPUT,
        embedding_len: EMBEDDING_LEN,
        mirror_sum: true,
        model_digest: model_digest(&INPUT, true, &model),
        operating_points: points,
        self_test,
        provenance: Provenance::default(),
        comparable: vec![],
    };
    Bundle::new(manifest, model).unwrap()
}

/// Puts images of LFW before the camera, one frame each.
fn show(scene: &Scene, images: &[PathBuf], table: &LandmarkTable) {
    let rows = scene.path("frames").join("landmarks.csv");
    let mut rows = OpenOptions::new().append(true).open(rows).unwrap();
    for image in images {
        let name = image.file_name().unwrap().to_str().unwrap();
        fs::copy(image, scene.path("frames").join(name)).unwrap();
        let row = row(name, table.of_image(image).unwrap());
        rows.write_all(row.as_bytes()).unwrap();
    }
}

/// Writes a line past the test harness, which would keep it to itself.
pub(crate) fn tell(line: &str) {
    let line = format!("{line}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn cut(image: &Path, table: &LandmarkTable) -> AlignedFace {
    let photo = photo::read(image).unwrap();
    face::align(&photo, table.of_image(image).unwrap(), INPUT.template).unwrap()
}

/// A door with that network, whose self-test face is this one, and the threshold just measured.
fn door_with(model: Vec<u8>, face: &AlignedFace) -> Scene {
    let network = Network::from_onnx(&model, &INPUT, EMBEDDING_LEN as usize, true).unwrap();
    let point = measure(&network);
    tell(&format!("{point:?}"));
    let recorded = SelfTestFace::new(face, network.embed(face).unwrap().embedding);
    let scene = Scene::new();
    let bundle = bundle_of(model, vec![recorded], vec![point]);
    bundle::write(&scene.path("model.bundle"), &bundle).unwrap();
    // One frame alone must tell the strangers from the person.
    scene.configure("agreeing_frames = 2", "agreeing_frames = 1");
    scene
}

/// The first person with four photographs, and one photograph of each of many others.
fn person_and_strangers(lfw: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let folders = sorted(&lfw.join("images"));
    let person = folders
        .iter()
        .find(|folder| sorted(folder).len() >= 4)
        .unwrap();
    let spread = folders.iter().step_by(folders.len() / STRANGERS);
    let others = spread.filter(|folder| *folder != person);
    let strangers: Vec<_> = others
        .map(|f| sorted(f).remove(0))
        .take(STRANGERS)
        .collect();
    assert_eq!(strangers.len(), STRANGERS);
    (sorted(person), strangers)
}

#[test]
fn opens_for_a_real_person_and_not_for_two_hundred_others() {
    let model = shared_folder().join("anchors/mobilefacenet-ms1m.onnx");
    let lfw = shared_folder().join("data/lfw");
    if !model.exists() || !lfw.exists() {
        let folder = shared_folder();
        tell(&format!(
            "skipped the test on real faces: none in {}",
            folder.display()
        ));
        return;
    }
    let (person, strangers) = person_and_strangers(&lfw);
    let table = LandmarkTable::read(&lfw.join("landmarks.csv")).unwrap();
    let scene = door_with(fs::read(model).unwrap(), &cut(&strangers[0], &table));

    let loaded = bundle::load(&scene.config().bundle).unwrap();
    let point = loaded.manifest.operating_point(FMR, 1).unwrap();
    let nobody = scene.store().load(&loaded.manifest).unwrap().roster;
    let beside = (&nobody, &point);
    let made = enroll("person", &person[..3], None, loaded.eyes(), beside, 0).unwrap();
    scene.store().add(&made.record, false).unwrap();
    show(&scene, &strangers, &table);
    let ran = scene.run(None);
    let nearest = ran
        .frames()
        .iter()
        .filter_map(|f| f.score)
        .fold(-1.0, f32::max);
    tell(&format!("the nearest stranger scores {nearest:.3}"));
    ran.assert_stayed_locked();

    scene.empty("frames");
    show(&scene, &person[3..4], &table);
    for claim in [None, Some("person")] {
        let ran = scene.run(claim);
        let score = ran.frames()[0].score.unwrap();
        tell(&format!("the person scores {score:.3}"));
        assert_eq!(ran.opened_for(), ["person"]);
    }
}
