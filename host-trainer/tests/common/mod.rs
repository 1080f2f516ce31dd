//! What several tests of exports need.

use host_trainer::backbone::Module;
use host_trainer::backbone::graph::Graph;
use host_trainer::generator::Generator;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tch::{Device, Kind, Tensor};

/// A module whose norms have statistics and whose slopes differ, as after a training.
pub(crate) fn with_statistics(graph: Graph) -> Module {
    let generator = Generator::seeded(11);
    let module = Module::new(graph, Device::Cpu, &generator);
    let _guard = tch::no_grad_guard();
    for (name, tensor) in module.tensors() {
        let drawn = Tensor::rand(tensor.size(), (Kind::Float, Device::Cpu));
        let mut tensor = tensor.shallow_clone();
        match name.rsplit('.').next() {
            Some("running_mean" | "bias") => tensor.copy_(&((drawn - 0.5) * 0.2)),
            Some("running_var") => tensor.copy_(&(drawn + 0.5)),
            Some("slope") => tensor.copy_(&(drawn * 0.5)),
            Some("weight") if name.ends_with(".norm.weight") => tensor.copy_(&(drawn + 0.5)),
            _ => {}
        }
    }
    module
}

/// The Python that has ONNX Runtime; where there is none, that is said.
pub(crate) fn peer() -> Option<OsString> {
    let python = std::env::var_os("FACELATCH_PYTHON");
    if python.is_none() {
        // Past the test's capture, so that a skipped test is seen.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: FACELATCH_PYTHON names no Python with onnx and onnxruntime (`cargo xtask test` sets it)"
        );
    }
    python
}

/// What the peer says of a model, after onnx.checker: `cosine` between its embedding of `input` and
/// ours, `opset` and `ir_version`.
pub(crate) fn ask(python: &OsString, model: &[u8], input: &[f32], expected: &[f32]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let files: [(&str, Vec<u8>); 3] = [
        ("model.onnx", model.to_vec()),
        ("input.f32", bytes(input)),
        ("expected.f32", bytes(expected)),
    ];
    let mut script = Command::new(python);
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx_peer.py"));
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        script.arg(dir.path().join(name));
    }
    let ran = script.output().unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{stderr}");
    serde_json::from_slice(&ran.stdout).unwrap()
}
