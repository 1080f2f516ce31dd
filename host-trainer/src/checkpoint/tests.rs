use super::*;
use tch::Device;

fn tensors(value: f64) -> Vec<(String, Tensor)> {
    let make = |shape: &[i64]| Tensor::full(shape, value, (Kind::Float, Device::Cpu));
    vec![("a".into(), make(&[2, 3])), ("b".into(), make(&[4]))]
}

fn saved(dir: &Path) -> PathBuf {
    let path = dir.join("checkpoint.safetensors");
    let progress = Progress {
        step: 7,
        run_digest: "run".into(),
    };
    save(&path, &progress, &tensors(2.5)).unwrap();
    path
}

#[test]
fn a_checkpoint_gives_back_tensors_and_step() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = tensors(0.0);
    assert_eq!(load(&saved(dir.path()), "run", &fresh).unwrap(), Some(7));
    assert!(
        fresh
            .iter()
            .zip(tensors(2.5))
            .all(|((_, a), (_, b))| a.equal(&b))
    );
    assert_eq!(
        load(&dir.path().join("absent"), "run", &fresh).unwrap(),
        None
    );
}

#[test]
fn what_is_not_finite_never_replaces_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = saved(dir.path());
    let progress = Progress {
        step: 8,
        run_digest: "run".into(),
    };
    let error = save(&path, &progress, &tensors(f64::NAN)).unwrap_err();
    assert!(
        error.to_string().contains("a is not finite at step 8"),
        "{error}"
    );
    assert_eq!(load(&path, "run", &tensors(0.0)).unwrap(), Some(7));
}

#[test]
fn channels_last_tensors_are_saved_in_row_major_order() {
    let tensor = Tensor::arange(2 * 3 * 4, (Kind::Float, Device::Cpu)).view([1, 2, 3, 4]);
    assert_eq!(
        floats(&crate::native::channels_last(&tensor)),
        floats(&tensor)
    );
}

/// A change within the header, of the same length.
fn edited(good: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = good.windows(from.len()).position(|w| w == from.as_bytes());
    let mut bytes = good.to_vec();
    bytes[at.unwrap()..][..to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn every_unusable_checkpoint_has_its_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = saved(dir.path());
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    let end = flipped.len();
    flipped[end - 4] ^= 1;
    let check = |bytes: &[u8], run: &str, wanted: Vec<(String, Tensor)>, needle: &str| {
        std::fs::write(&path, bytes).unwrap();
        let message = load(&path, run, &wanted).unwrap_err().to_string();
        assert!(
            message.contains(needle) && message.contains("checkpoint.safetensors"),
            "{message}"
        );
    };
    check(b"", "run", tensors(0.0), "not a usable checkpoint");
    check(
        b"junk junk junk junk",
        "run",
        tensors(0.0),
        "not a usable checkpoint",
    );
    check(
        &good[..good.len() - 1],
        "run",
        tensors(0.0),
        "not a usable checkpoint",
    );
    check(&flipped, "run", tensors(0.0), "checksum");
    for (from, to) in [
        ("\"step\":\"7\"", "\"step\":\"9\""),
        ("\"run\":\"run\"", "\"run\":\"rum\""),
    ] {
        check(&edited(&good, from, to), "run", tensors(0.0), "checksum");
    }
    check(&good, "another", tensors(0.0), "another recipe");
    let shape = vec![(
        "a".into(),
        Tensor::zeros([3, 2], (Kind::Float, Device::Cpu)),
    )];
    check(&good, "run", shape, "expected F32 [3, 2]");
    let name = vec![("c".into(), Tensor::zeros([1], (Kind::Float, Device::Cpu)))];
    check(&good, "run", name, "c: ");
}
