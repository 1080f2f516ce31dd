//! Networks that load and give the same as elsewhere, and networks that are refused.

use crate::bundles::{EMBEDDING_LEN, bundle_of, input, manifest};
use crate::command_line::call;
use crate::onnx::{self, Weights, bytes, int, node, port, projection};
use crate::people::photograph;
use crate::scene::Scene;
use edge_runtime::bundle::{SelfTestError, self_test};
use edge_runtime::face;
use edge_runtime::network::{Network, NetworkError};
use shared::align::{AlignTemplate, AlignedFace};
use shared::bundle::{Bundle, SelfTestFace, model_digest};
use shared::embedding::Embedding;
use shared::preprocess::InputSpec;
use std::thread;
use tract_onnx::pb::{GraphProto, ModelProto};

fn a_face(person: &str) -> AlignedFace {
    let photo = photograph(person, 3);
    face::align(&photo.image, &photo.landmarks, input().template).unwrap()
}

fn load(model: &[u8], mirror_sum: bool) -> Result<Network, NetworkError> {
    Network::from_onnx(model, &input(), EMBEDDING_LEN, mirror_sum)
}

fn embed(network: &Network, person: &str) -> Embedding {
    network.embed(&a_face(person)).unwrap().embedding
}

#[test]
fn int8_weights_give_what_the_floats_they_stand_for_give() {
    let reference = load(
        &bytes(&projection(112, EMBEDDING_LEN, 5, Weights::Float)),
        false,
    )
    .unwrap();
    for (weights, same) in [
        (Weights::Rows, true),
        (Weights::RowsNoZero, false),
        (Weights::Tensor, false),
    ] {
        let network = load(&bytes(&projection(112, EMBEDDING_LEN, 5, weights)), false).unwrap();
        let cosine = embed(&network, "ada")
            .cosine(&embed(&reference, "ada"))
            .unwrap();
        // The others leave out the zero points, so they are close and not the same.
        assert_eq!(cosine > 0.999_999, same, "{weights:?}: {cosine}");
        assert!(cosine > 0.95, "{weights:?}: {cosine}");
    }
}

#[test]
fn mirror_sum_is_the_sum_with_the_mirror_image() {
    let model = bytes(&projection(112, EMBEDDING_LEN, 5, Weights::Rows));
    let (plain, summed) = (load(&model, false).unwrap(), load(&model, true).unwrap());
    let both = |network: &Network| {
        let embed = |face| network.embed(&face).unwrap().embedding;
        [embed(a_face("ada")), embed(a_face("ada").mirrored())]
    };
    let ([face, mirrored], [sum, same]) = (both(&plain), both(&summed));
    assert!(sum.cosine(&same).unwrap() > 0.999_999);
    // The sum lies between its parts, in their plane: the angles to them add up to theirs.
    let angle = |a: &Embedding, b: &Embedding| a.cosine(b).unwrap().min(1.0).acos();
    let (whole, parts) = (
        angle(&face, &mirrored),
        angle(&face, &sum) + angle(&sum, &mirrored),
    );
    assert!(
        whole > 0.01 && (whole - parts).abs() < 1e-3,
        "{whole} {parts}"
    );
}

#[test]
fn many_threads_share_a_network() {
    let network = load(
        &bytes(&projection(112, EMBEDDING_LEN, 5, Weights::Rows)),
        true,
    )
    .unwrap();
    let alone = embed(&network, "ada");
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| embed(&network, "ada")))
            .collect();
        threads
            .into_iter()
            .for_each(|t| assert_eq!(t.join().unwrap(), alone));
    });
}

#[test]
fn a_network_with_an_open_batch_is_pinned_to_one() {
    let mut model = projection(112, EMBEDDING_LEN, 5, Weights::Rows);
    let graph = model.graph.as_mut().unwrap();
    graph.input[0].r#type.as_mut().unwrap().value = Some(
        tract_onnx::pb::type_proto::Value::TensorType(tract_onnx::pb::type_proto::Tensor {
            elem_type: 1,
            shape: None,
        }),
    );
    assert!(load(&bytes(&model), true).is_ok());
}

/// Changes a good model's graph; the error must contain the needle.
fn refuse(needle: &str, change: impl FnOnce(&mut GraphProto)) {
    let mut model = projection(112, EMBEDDING_LEN, 5, Weights::Rows);
    change(model.graph.as_mut().unwrap());
    let error = load(&bytes(&model), false).err().map(|e| e.to_string());
    assert!(
        error.as_ref().is_some_and(|e| e.contains(needle)),
        "{needle}: {error:?}"
    );
}

#[test]
fn networks_of_another_shape_are_refused() {
    refuse("2 inputs and 1 outputs", |g| {
        g.input.push(port("more", &[1]))
    });
    refuse("1 inputs and 0 outputs", |g| g.output.clear());
    refuse("f32 [1, 3, 112, 96]", |g| {
        g.input[0] = port("face", &[1, 3, 112, 96])
    });
    refuse("f32 [1, 3], the manifest", |g| {
        g.input[0] = port("face", &[1, 3])
    });
    refuse("no tensor", |g| g.input[0].r#type = None);
    refuse("588", |g| {
        g.node.push(node("early", "Relu", &["pool"], vec![]));
        g.output[0].name = "early".into();
    });
}

#[test]
fn networks_that_cannot_run_are_refused() {
    refuse("does not run here", |g| g.output[0].name = "nowhere".into());
    refuse("Telepathy", |g| g.node[0].op_type = "Telepathy".into());
    refuse("none", |g| g.node[3].input[1] = "none".into());
    // As many numbers as pixels that are not 0: nobody knows before.
    refuse("\"where\" gives F32", |g| {
        g.node.push(node("which", "NonZero", &["pool"], vec![]));
        g.node
            .push(node("where", "Cast", &["which"], vec![int("to", 1)]));
        g.output[0].name = "where".into();
    });
}

#[test]
fn weights_that_do_not_fit_their_scale_are_refused() {
    refuse("37632 values, its shape says 4116", |g| {
        g.initializer[0].dims = vec![7, 588]
    });
    refuse("64 values, its shape says 9", |g| {
        g.initializer[1].dims = vec![9]
    });
    refuse("3 values, its shape says 64", |g| {
        g.initializer[2].raw_data.truncate(3)
    });
    refuse("64 scales on axis 1", |g| {
        g.node[2].attribute = vec![int("axis", 1)]
    });
    refuse("64 scales on axis", |g| {
        g.node[2].attribute = vec![int("axis", -9)]
    });
    // No values at all, as the shape says, in rows of more than can be counted.
    refuse("a tensor of shape [4611686018427387904, 4]", |g| {
        g.initializer[0].dims = vec![0, 64, 1 << 62, 4];
        g.initializer[0].raw_data.clear();
        g.node[2].attribute = vec![int("axis", 1)];
    });
}

#[test]
fn weights_that_many_nodes_share_are_refused_before_they_are_unpacked() {
    refuse("they unpack to more than 268435456 numbers", |g| {
        let shared = g.node[2].clone();
        g.node.extend(vec![shared; 7200]);
    });
}

#[test]
fn bytes_that_are_no_network_are_refused() {
    let model = bytes(&projection(112, EMBEDDING_LEN, 5, Weights::Rows));
    let empty = bytes(&ModelProto::default());
    assert!(matches!(load(&empty, false), Err(NetworkError::NoGraph)));
    for garbage in [
        &b""[..],
        b"garbage",
        &[0xFF; 99],
        &model[..model.len() / 2],
        &model[1..],
    ] {
        assert!(load(garbage, false).is_err());
    }
}

#[test]
fn a_face_of_another_template_is_not_embedded() {
    let network = load(
        &bytes(&projection(112, EMBEDDING_LEN, 5, Weights::Rows)),
        false,
    )
    .unwrap();
    let narrow = AlignTemplate::Sphereface112x96;
    let face = AlignedFace::from_pixels(narrow, vec![0; narrow.rgb_len()]).unwrap();
    assert!(matches!(network.embed(&face), Err(NetworkError::Face(_))));
    let spec = InputSpec::rgb_128(narrow);
    let model = bytes(&projection(96, 10, 5, Weights::Tensor));
    let network = Network::from_onnx(&model, &spec, 10, true).unwrap();
    // All pixels alike still have a direction under this network.
    assert_eq!(network.embed(&face).unwrap().embedding.as_slice().len(), 10);
}

#[test]
fn a_dead_network_gives_no_template() {
    let mut model = projection(112, EMBEDDING_LEN, 5, Weights::Float);
    model.graph.as_mut().unwrap().initializer[0]
        .float_data
        .fill(0.0);
    let network = load(&bytes(&model), false).unwrap();
    assert!(matches!(
        network.embed(&a_face("ada")),
        Err(NetworkError::Dead(_))
    ));
}

#[test]
fn a_bundle_proves_itself_by_its_faces() {
    let bundle = bundle_of(1);
    let network = Network::load(&bundle).unwrap();
    let report = self_test(&network, bundle.manifest()).unwrap();
    assert_eq!(report.faces, 2);
    assert!(report.lowest_cosine > 0.9999 && report.largest_difference < 1e-5);

    let remade =
        |faces| Bundle::new(manifest(bundle.model(), faces), bundle.model().into()).unwrap();
    let none = self_test(&network, remade(vec![]).manifest());
    assert!(matches!(none, Err(SelfTestError::NoFaces)));
    let right = embed(&network, "ada");
    let mut off = right.as_slice().to_vec();
    off[0] += 0.01;
    for (recorded, passes) in [
        (right, true),
        (Embedding::from_raw(off).unwrap(), false),
        (embed(&network, "ben"), false),
    ] {
        let bundle = remade(vec![SelfTestFace::new(&a_face("ada"), recorded)]);
        let tested = self_test(&network, bundle.manifest());
        assert_eq!(tested.is_ok(), passes);
        assert!(passes || tested.unwrap_err().to_string().contains("face 1 of 1"));
    }
    let other = self_test(&network, bundle_of(2).manifest());
    assert!(matches!(other, Err(SelfTestError::WrongModel { .. })));
}

#[test]
fn digests_tell_models_apart() {
    let model = bytes(&onnx::projection(112, EMBEDDING_LEN, 5, Weights::Rows));
    let network = load(&model, false).unwrap();
    let digest = network.embed(&a_face("ada")).unwrap().model;
    assert_eq!(digest, model_digest(network.input(), false, &model));
    assert_ne!(digest, load(&model, true).unwrap().model());
}

#[test]
fn a_profile_shows_where_the_time_goes_and_gives_the_network_out() {
    let (scene, out) = (Scene::new(), tempfile::tempdir().unwrap());
    let models = out.path().to_str().unwrap();
    for more in ["", " --tract"] {
        let line = format!("profile --config door.toml --runs 3 --models {models} --json{more}");
        let said = call(&scene, &line).json();
        let [embedder] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!(embedder["network"], "embedder");
        // The projection of 3x14x14 means onto the embedding.
        assert_eq!(embedder["multiply_adds"], 3 * 14 * 14 * EMBEDDING_LEN);
        let memory = embedder["memory_mib"].as_f64().unwrap();
        assert!(memory > 0.0 && memory < 64.0, "{memory}");
        let layers = embedder["layers"].as_array().unwrap();
        let pool = layers.iter().find(|l| l["name"] == "pool").unwrap();
        assert_eq!(pool["output"], serde_json::json!([1, 3, 14, 14]));
        assert!(layers.iter().all(|layer| layer["ms"].as_f64() >= Some(0.0)));
        let bundle = edge_runtime::bundle::read(&scene.path("model.bundle")).unwrap();
        assert!(std::fs::read(out.path().join("embedder.onnx")).unwrap() == bundle.model());
    }
    let text = call(&scene, "profile --config door.toml --runs 1");
    assert!(text.lines.last().unwrap().contains("embedder"), "{text:?}");
    let nowhere = call(&scene, "profile --config door.toml --models nowhere");
    assert!(
        nowhere.errors.contains("nowhere/embedder.onnx"),
        "{nowhere:?}"
    );
}
