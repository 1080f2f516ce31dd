//! Which compiler and linker make programs for the door's processor.

use super::{Architecture, unpacked};
use crate::apt;
use crate::workspace::{self, answers};
use anyhow::{Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const LINKER: &str = "aarch64-linux-gnu-gcc";
const LINKER_VARIABLE: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER";

/// A compiler with the door's standard library, and the C tools for its processor.
pub(super) struct Toolchain {
    /// Without it cargo's own.
    rustc: Option<PathBuf>,
    /// Without it the machine's own C tools, or what the environment says.
    linker: Option<PathBuf>,
    /// What splits symbols off.
    pub(super) objcopy: PathBuf,
}

/// What is there to choose from.
#[derive(Clone, Copy, Default)]
struct Facts {
    /// The environment names compiler and linker.
    named: bool,
    /// The active compiler has the door's standard library.
    has_library: bool,
    has_linker: bool,
    is_debian: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Environment,
    Active,
    /// Debian's compiler, unpacked in the cache.
    Unpacked,
    Nothing,
}

/// The user's word first, then what is installed, then what can be had without installing.
fn choose(facts: Facts) -> Choice {
    match facts {
        Facts { named: true, .. } => Choice::Environment,
        Facts {
            has_linker: false, ..
        } => Choice::Nothing,
        Facts {
            has_library: true, ..
        } => Choice::Active,
        Facts {
            is_debian: true, ..
        } => Choice::Unpacked,
        _ => Choice::Nothing,
    }
}

impl Toolchain {
    /// Finds one for a machine, and fetches what is missing where that can be done without
    /// installing anything.
    ///
    /// # Errors
    /// If there is none, with the commands that install it.
    pub(super) fn of(machine: Architecture) -> Result<Self> {
        if machine.name() == env::consts::ARCH {
            return Ok(Self::own());
        }
        if machine == Architecture::X86_64 {
            bail!("a door with an x86_64 processor is built for on such a machine");
        }
        let rustc = match choose(facts(machine)) {
            Choice::Environment => return Ok(Self::named()),
            Choice::Active => None,
            Choice::Unpacked => Some(unpacked::rustc()?),
            Choice::Nothing => bail!(
                "no toolchain for {}: `rustup target add {}` and `apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross`",
                machine.name(),
                machine.triple()
            ),
        };
        Ok(Self {
            rustc,
            linker: Some(LINKER.into()),
            objcopy: beside(Path::new(LINKER), "objcopy"),
        })
    }

    fn own() -> Self {
        Self {
            rustc: None,
            linker: None,
            objcopy: "objcopy".into(),
        }
    }

    /// What the environment says reaches cargo by itself.
    fn named() -> Self {
        let linker = env::var_os(LINKER_VARIABLE).unwrap_or_default();
        let objcopy = env::var_os("OBJCOPY").map(PathBuf::from);
        Self {
            rustc: None,
            linker: None,
            objcopy: objcopy.unwrap_or_else(|| beside(Path::new(&linker), "objcopy")),
        }
    }

    /// Lets a cargo command use it. C tools that the environment names win.
    pub(super) fn set(&self, machine: Architecture, cargo: &mut Command) {
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc);
        }
        let Some(linker) = &self.linker else { return };
        let target = machine.triple().replace('-', "_");
        let mut set = |name: String, value: &Path| {
            if env::var_os(&name).is_none() {
                cargo.env(name, value);
            }
        };
        set(LINKER_VARIABLE.into(), linker);
        set(format!("CC_{target}"), linker);
        set(format!("AR_{target}"), &beside(linker, "ar"));
        // Where Debian puts the headers; libclang does not look there by itself.
        let headers = Path::new("/usr/aarch64-linux-gnu/include");
        if headers.exists() {
            let include = format!("-I{}", headers.display());
            set(
                format!("BINDGEN_EXTRA_CLANG_ARGS_{target}"),
                Path::new(&include),
            );
        }
    }
}

fn facts(machine: Architecture) -> Facts {
    let set = |name| env::var_os(name).is_some();
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = workspace::output(Command::new(rustc).args(["--print", "sysroot"]));
    let library = |sysroot: String| {
        let library = Path::new(sysroot.trim()).join("lib/rustlib");
        library.join(machine.triple()).join("lib").is_dir()
    };
    Facts {
        named: set("RUSTC") && set(LINKER_VARIABLE),
        has_library: sysroot.is_ok_and(library),
        has_linker: answers(LINKER, &["--version"]),
        is_debian: apt::is_there(),
    }
}

/// The tool of the same family as a compiler: `aarch64-linux-gnu-objcopy` for
/// `aarch64-linux-gnu-gcc-12`.
fn beside(compiler: &Path, tool: &str) -> PathBuf {
    let name = compiler.file_name().unwrap_or_default().to_string_lossy();
    match name.rfind("gcc") {
        Some(at) => compiler.with_file_name(format!("{}{tool}", &name[..at])),
        None => tool.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_names_wins_and_nothing_is_fetched_without_need() {
        let all = Facts {
            named: true,
            has_library: true,
            has_linker: true,
            is_debian: true,
        };
        let nothing = Facts::default();
        let rows = [
            (all, Choice::Environment),
            (
                Facts {
                    named: false,
                    ..all
                },
                Choice::Active,
            ),
            (
                Facts {
                    named: true,
                    ..nothing
                },
                Choice::Environment,
            ),
            (
                Facts {
                    named: false,
                    has_library: false,
                    ..all
                },
                Choice::Unpacked,
            ),
            (
                Facts {
                    named: false,
                    has_linker: false,
                    ..all
                },
                Choice::Nothing,
            ),
            (
                Facts {
                    has_linker: true,
                    ..nothing
                },
                Choice::Nothing,
            ),
            (nothing, Choice::Nothing),
        ];
        for (facts, expected) in rows {
            assert_eq!(choose(facts), expected);
        }
    }

    #[test]
    fn tools_are_of_the_compilers_family() {
        for (compiler, expected) in [
            ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-objcopy"),
            ("/opt/a-gcc/bin/a-gcc-12", "/opt/a-gcc/bin/a-objcopy"),
            ("clang", "objcopy"),
        ] {
            assert_eq!(beside(Path::new(compiler), "objcopy"), Path::new(expected));
        }
    }
}
