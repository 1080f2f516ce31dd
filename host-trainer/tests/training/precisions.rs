//! A training's precisions in one bundle, made by it and by `combine`.

use super::{recipe, stderr, train, trainer};
use edge_runtime::bundle;
use host_trainer::dataset::folder_set;
use shared::bundle::{Bundle, Precision};
use std::path::Path;
use std::process::Output;

/// What `combine` says to arguments that are parted by spaces.
fn combine(dir: &Path, arguments: &str) -> Output {
    let mut command = trainer(dir);
    command.current_dir(dir).arg("combine");
    command.args(arguments.split(' ')).output().unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const BOTH: &str = "--bundle run/model.bundle --bundle run/model-f32.bundle";

#[test]
fn a_run_leaves_its_precisions_together_and_combine_makes_the_same_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let ran = train(dir.path(), &recipe(dir.path(), |r| r), "run");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let read = |name: &str| bundle::read(&dir.path().join(name)).unwrap();
    let all = read("run/model-all.bundle");
    let parts = [
        (Precision::Int8Weights, read("run/model.bundle")),
        (Precision::F32, read("run/model-f32.bundle")),
    ];
    for (i, (precision, part)) in parts.iter().enumerate() {
        assert_eq!(all.select(*precision).as_ref(), Some(part));
        let (manifest, other) = (part.manifest(), parts[1 - i].1.manifest());
        let [comparable] = &manifest.comparable[..] else {
            panic!("{} others", manifest.comparable.len());
        };
        assert_eq!(
            (comparable.model, comparable.precision),
            (other.model_digest, other.precision)
        );
        assert!(comparable.cosine_p1 > 0.99 && comparable.cosine_mean >= comparable.cosine_p1);
        assert!(comparable.fnmr_loss(&manifest.operating_points).is_some());
    }

    let said = told(&combine(
        dir.path(),
        &format!("{BOTH} --held-out --out all.bundle"),
    ));
    // So few pairs may tell one way or the other.
    let accepted = |i: usize| {
        let other = parts[1 - i].1.manifest().model_digest;
        parts[i].1.manifest().accepts(other).is_some()
    };
    let stay = (0..2).filter(|i| accepted(*i)).count();
    assert_eq!(said.matches("people stay enrolled").count(), stay, "{said}");
    let anew = said.matches("people must be enrolled anew").count();
    assert_eq!(anew, 2 - stay, "{said}");
    assert_eq!(read("all.bundle"), all);
    // The other way round another one is preferred; a bundle of both may be taken apart again.
    let turned =
        "--bundle run/model-f32.bundle --bundle run/model.bundle --held-out --out t.bundle";
    told(&combine(dir.path(), turned));
    let order: Vec<_> = read("t.bundle").precisions().collect();
    assert_eq!(order, [Precision::F32, Precision::Int8Weights]);
    told(&combine(
        dir.path(),
        "--bundle t.bundle --held-out --out again.bundle",
    ));
    assert_eq!(read("again.bundle"), read("t.bundle"));

    refusals(dir.path(), &parts[0].1);
    on_photographs(dir.path(), &parts[0].1);
}

/// Thresholds of other people; not of those who were trained on.
fn on_photographs(dir: &Path, bytes: &Bundle) {
    let mut draw = trainer(dir);
    draw.current_dir(dir).args(["synthesize", "--out", "drawn"]);
    let drawn = draw.args(["--people", "9", "--pictures", "6"]).output();
    told(&drawn.unwrap());
    told(&combine(
        dir,
        &format!("{BOTH} --data drawn --out drawn.bundle"),
    ));
    let measured = bundle::read(&dir.join("drawn.bundle")).unwrap();
    for precision in measured.precisions() {
        let alone = measured.select(precision).unwrap();
        let points = &alone.manifest().operating_points;
        // Three templates of each of nine people twice, against all images of the others.
        let pairs = 9 * 2 * 8 * 6;
        assert!(points.iter().all(|point| point.impostor_pairs == pairs));
        assert!(!points.is_empty() && points != &bytes.manifest().operating_points);
    }
    let template = bytes.manifest().input.template;
    let set = folder_set(&[dir.join("drawn")], template, &dir.join("cache")).unwrap();
    change(dir, bytes, |m| m.provenance.data_digest = set.digest());
    let said = combine(
        dir,
        "--bundle changed.bundle --data drawn --out none.bundle",
    );
    assert!(!said.status.success());
    let errors = stderr(&said);
    let told = ["changed.bundle", "trained on", "--held-out"];
    assert!(
        told.iter().all(|needle| errors.contains(needle)),
        "{errors}"
    );
}

/// A run's bundle with a changed manifest, as `changed.bundle`.
fn change(dir: &Path, bundle: &Bundle, change: impl FnOnce(&mut shared::bundle::Manifest)) {
    let mut manifest = bundle.manifest().clone();
    change(&mut manifest);
    let changed = Bundle::new(manifest, bundle.model().into()).unwrap();
    bundle::write(&dir.join("changed.bundle"), &changed).unwrap();
}

fn refusals(dir: &Path, bytes: &Bundle) {
    let check = |arguments: &str, needles: [&str; 2]| {
        let said = combine(dir, &format!("{arguments} --out none.bundle"));
        let errors = stderr(&said);
        assert!(!said.status.success() && !dir.join("none.bundle").exists());
        let all = needles.iter().all(|needle| errors.contains(needle));
        assert!(all, "{errors}");
    };
    let one = "--bundle run/model.bundle";
    check(&format!("{one} --held-out"), ["at least two", ""]);
    check(
        &format!("{one} {one} --held-out"),
        ["run/model.bundle", "int8-weights is there twice"],
    );
    check(BOTH, ["--data", "--held-out"]);
    check(&format!("{BOTH} --data nowhere"), ["nowhere", ""]);
    let changed = "--bundle changed.bundle --bundle run/model-f32.bundle --held-out";
    change(dir, bytes, |m| m.provenance.seed += 1);
    check(
        changed,
        [
            "run/model-f32.bundle does not go with changed.bundle",
            "provenance",
        ],
    );
    change(dir, bytes, |m| m.backbone.push('x'));
    check(changed, ["differ in backbone", "changed.bundle"]);
    change(dir, bytes, |m| m.provenance.data_digest.clear());
    check(
        changed,
        ["not the photographs of the training", "changed.bundle"],
    );
    change(dir, bytes, |m| {
        m.provenance.recipe_toml = "name = \"net\"".into()
    });
    check(changed, ["no recipe of a training", "--data"]);
}
