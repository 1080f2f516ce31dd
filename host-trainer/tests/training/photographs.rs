//! Recipes of photographs.

use super::*;

#[test]
fn photographs_that_cannot_be_used_are_counted_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data/faces");
    let paths = ["--people", "12", "--pictures", "3", "--out"];
    let made = trainer(dir.path())
        .arg("synthesize")
        .args(paths)
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let image = |name: &str| data.join("images").join(name);
    std::fs::write(image("p000000/0000.png"), b"no image").unwrap();
    let whole = std::fs::read(image("p000001/0000.png")).unwrap();
    std::fs::write(image("p000001/0000.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(image("p000002/0000.png"), b"").unwrap();
    std::fs::copy(image("p000003/0000.png"), image("p000003/extra.png")).unwrap();
    std::fs::remove_file(image("p000004/0000.png")).unwrap();
    std::fs::create_dir(image("p000099")).unwrap();
    std::fs::write(image("loose.png"), b"").unwrap();
    let csv = data.join("landmarks.csv");
    let rows = std::fs::read_to_string(&csv).unwrap();
    let row = rows
        .lines()
        .find(|row| row.starts_with("p000005/0001.png"))
        .unwrap();
    let same = format!("p000005/0001.png,1{}", ",50.0".repeat(10));
    std::fs::write(&csv, rows.replace(row, &same)).unwrap();

    let folders = recipe(dir.path(), |r| {
        let (head, tail) = r.split_once("[data]").unwrap();
        let (_, tail) = tail.split_once("\n[").unwrap();
        format!(
            "{head}[data]\nsource = \"folders\"\nfolders = [\"faces\"]\nheld_out = 0.4\n\n[{tail}"
        )
    });
    let out = dir.path().join("run");
    let ran = trainer(dir.path())
        .args(["train".as_ref(), "--config".as_ref(), folders.as_os_str()])
        .args(["--data".as_ref(), dir.path().join("data").as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .output()
        .unwrap();
    let message = stderr(&ran);
    assert!(ran.status.success(), "{message}");
    for needle in [
        "3 broken images (faces/p000000/0000.png",
        "1 empty folders (faces/p000099)",
        "1 files in no person's folder (faces/loose.png)",
        "1 images without landmarks (faces/p000003/extra.png)",
        "1 images with impossible landmarks (faces/p000005/0001.png)",
        "1 landmarks without an image (faces/p000004/0000.png)",
    ] {
        assert!(message.contains(needle), "{needle} in {message}");
    }
    let left_out = std::fs::read_to_string(out.join("left-out.json")).unwrap();
    assert!(left_out.contains("p000002/0000.png"));
}

#[test]
fn a_recipe_of_photographs_asks_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/web-faces.toml");
    let ran = train(dir.path(), &web, "run");
    assert!(
        !ran.status.success() && stderr(&ran).contains("--data DIR"),
        "{}",
        stderr(&ran)
    );
    let paths = ["--data", "/nowhere", "--config"];
    let out = dir.path().join("run");
    let args = [web.as_path(), Path::new("--out"), &out];
    let ran = trainer(dir.path())
        .arg("train")
        .args(paths)
        .args(args)
        .output()
        .unwrap();
    assert!(
        !ran.status.success() && stderr(&ran).contains("/nowhere/celeb: No such file"),
        "{}",
        stderr(&ran)
    );
    let celeb = dir.path().join("celeb");
    std::fs::create_dir(&celeb).unwrap();
    let ran = trainer(dir.path())
        .args(["train", "--data"])
        .arg(dir.path())
        .arg("--config")
        .args(args)
        .output()
        .unwrap();
    let message = stderr(&ran);
    assert!(
        message.contains("no landmarks.csv in this folder"),
        "{message}"
    );
    assert!(!message.contains("--landmarks"), "{message}");
}
