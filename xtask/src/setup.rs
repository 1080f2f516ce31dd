//! `cargo xtask setup`: everything that cargo cannot fetch.

use crate::{libtorch, python, workspace};
use anyhow::{Result, ensure};

/// Set libtorch up in the user's cache, check the tools, say what is missing
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also make the Python environment that the ONNX tests and the benchmarks compare with
    #[arg(long)]
    python: bool,
    /// Set libtorch up and print its folder, nothing else; the progress goes to standard error
    #[arg(long, conflicts_with = "python")]
    print_path: bool,
}

impl Args {
    /// `cargo xtask setup --python`.
    pub(crate) fn with_python() -> Self {
        Self {
            python: true,
            print_path: false,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.print_path {
        println!("{}", ensure()?.display());
        return Ok(());
    }
    println!("libtorch {} in {}", libtorch::VERSION, ensure()?.display());
    if args.python {
        println!("Python with ONNX Runtime: {}", python::ensure()?.display());
    }
    Ok(())
}

/// Makes sure that the trainer can be built, and says nothing where it can; returns libtorch's
/// folder.
///
/// # Errors
/// If a tool is missing, with the command that mends it, or libtorch cannot be had.
pub(crate) fn ensure() -> Result<std::path::PathBuf> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    ensure!(
        workspace::answers(&compiler, &["--version"]),
        "a C++ compiler ({}) is missing: `apt install g++`",
        compiler.display()
    );
    libtorch::ensure()
}
