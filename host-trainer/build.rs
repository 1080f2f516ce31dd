//! Compiles the C++ that tch lacks, and lets the binaries find libtorch without LD_LIBRARY_PATH.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=src/native/native.cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(
        std::env::var_os("LIBTORCH")
            .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../.libtorch").into()),
    );
    // The link that `cargo xtask setup` makes is resolved, so that a binary outlives a checkout.
    let libtorch = libtorch.canonicalize().unwrap_or_else(|error| {
        panic!(
            "no libtorch at {}: {error}; run `cargo xtask setup` first",
            libtorch.display()
        )
    });
    let lib = libtorch.join("lib");
    // The resolved folder is fixed in the binaries. If it goes, as a virtual environment may, the
    // link leads elsewhere under the same name: cargo takes a missing file for a changed one.
    println!("cargo:rerun-if-changed={}", lib.join("libc10.so").display());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        // Or no loop with a comparison of floats is vectorized.
        .flag_if_supported("-fno-trapping-math")
        .include(libtorch.join("include"))
        .include(libtorch.join("include/torch/csrc/api/include"))
        .file("src/native/native.cpp")
        .compile("facelatch_native");
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
    // A DT_RUNPATH, which a user's LD_LIBRARY_PATH (a CUDA libtorch, say) goes before.
    println!(
        "cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{}",
        lib.display()
    );
}
