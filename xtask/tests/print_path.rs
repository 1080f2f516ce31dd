//! `cargo xtask setup --print-path`: builds are told where libtorch is, not where it might be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// What is looked for in a libtorch.
fn libtorch_at(folder: &Path) {
    fs::create_dir_all(folder.join("include")).unwrap();
    fs::create_dir_all(folder.join("lib")).unwrap();
    for library in ["libtorch_cpu.so", "libc10.so"] {
        fs::write(folder.join("lib").join(library), "").unwrap();
    }
    fs::write(folder.join("build-version"), "2.11.0").unwrap();
}

#[test]
fn the_path_is_where_libtorch_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (own, python, cached) = (at("own"), at("python/torch"), "libtorch-2.11.0/torch");
    let (link, empty, filled) = (at("checkout/.libtorch"), at("empty"), at("filled"));
    for found in [&own, &python, &filled.join("facelatch").join(cached)] {
        libtorch_at(found);
    }
    // A Python that has PyTorch, before the machine's own.
    fs::create_dir_all(at("bin")).unwrap();
    fs::create_dir_all(at("checkout")).unwrap();
    let script = format!("#!/bin/sh\nprintf '2.11.0\\n{}\\n'\n", python.display());
    fs::write(at("bin/python3"), script).unwrap();
    fs::set_permissions(at("bin/python3"), fs::Permissions::from_mode(0o755)).unwrap();
    // Of an earlier set-up, whose libtorch was deleted.
    symlink("/nowhere", &link).unwrap();

    for (variable, cache, expected) in [
        (&own, &empty, own.clone()),
        (&own, &filled, own.clone()),
        (&link, &empty, python.clone()),
        (&link, &filled, filled.join("facelatch").join(cached)),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["setup", "--print-path"])
            .env("LIBTORCH", variable)
            .env("XDG_CACHE_HOME", cache)
            .env("CARGO_MANIFEST_DIR", at("checkout/xtask"))
            .env("PATH", at("bin"))
            .env("CXX", "/bin/true")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, format!("{}\n", expected.display()), "{said}");
    }
    let linked = fs::read_link(&link).unwrap();
    assert_eq!(linked, filled.join("facelatch").join(cached));
}
