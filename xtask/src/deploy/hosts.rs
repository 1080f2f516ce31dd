//! Many doors at once: a file that names them, a line for each, and what it comes to.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// So many are served at a time; each is mostly waited for.
const AT_ONCE: usize = 16;

/// A door, and what differs for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    /// `user@host`, or `sim:DIR`.
    pub(super) target: String,
    /// In the place of the command line's.
    pub(super) bundle: Option<PathBuf>,
    /// In the place of the command line's.
    pub(super) config: Option<PathBuf>,
    /// In the place of the command line's.
    pub(super) people: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hosts {
    host: Vec<Host>,
}

impl Host {
    pub(super) fn named(target: &str) -> Self {
        Self {
            target: target.into(),
            bundle: None,
            config: None,
            people: None,
        }
    }
}

/// Reads a file of hosts; paths in it are taken relative to its folder.
///
/// # Errors
/// If it cannot be read, is none, or names a door twice.
pub(super) fn read(path: &Path) -> Result<Vec<Host>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let hosts: Hosts = toml_edit::de::from_str(&text).with_context(|| {
        format!(
            "{}: expected [[host]] tables with target = \"user@host\"",
            path.display()
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut seen = BTreeSet::new();
    let resolve = |mut host: Host| {
        if let Some(door) = host
            .target
            .strip_prefix("sim:")
            .filter(|door| !door.is_empty())
        {
            host.target = format!("sim:{}", folder.join(door).display());
        }
        if !seen.insert(host.target.clone()) {
            bail!("{}: {} is there twice", path.display(), host.target);
        }
        for path in [&mut host.bundle, &mut host.config] {
            *path = path.take().map(|path| folder.join(path));
        }
        Ok(host)
    };
    hosts.host.into_iter().map(resolve).collect()
}

/// Does something to each door, several at a time, says for each what came of it, and of many what
/// it comes to.
///
/// # Errors
/// If it failed for one: of a single door the reason, of several their number.
pub(super) fn each(hosts: &[Host], what: impl Fn(&Host) -> Result<String> + Sync) -> Result<()> {
    if let [host] = hosts {
        println!("{}", what(host)?);
        return Ok(());
    }
    let start = Instant::now();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..hosts.len().min(AT_ONCE) {
            scope.spawn(|| {
                while let Some(host) = hosts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match what(host) {
                        Ok(told) => println!("{}: {told}", host.target),
                        Err(error) => {
                            println!("{}: FAILED: {error:#}", host.target);
                            let mut failed = failed.lock().unwrap_or_else(|gone| gone.into_inner());
                            failed.push(host.target.as_str());
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(|gone| gone.into_inner());
    let seconds = start.elapsed().as_secs_f64();
    let done = hosts.len() - failed.len();
    println!("{done} of {} doors in {seconds:.0} s", hosts.len());
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("{} failed: {}", failed.len(), failed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_hosts_is_read_relative_to_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts.toml");
        let check = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path).map_err(|error| format!("{error:#}"))
        };
        let hosts = check(
            "[[host]]\ntarget = \"pi@a\"\nconfig = \"a.toml\"\npeople = 9\n[[host]]\ntarget = \"b\"\n\
             [[host]]\ntarget = \"sim:c\"\n",
        );
        let hosts = hosts.unwrap();
        assert_eq!(hosts[0].config, Some(folder.path().join("a.toml")));
        assert_eq!(hosts[0].people, Some(9));
        assert_eq!(hosts[1], Host::named("b"));
        let simulated = format!("sim:{}", folder.path().join("c").display());
        assert_eq!(hosts[2], Host::named(&simulated));
        for (text, complaint) in [
            ("", "expected [[host]]"),
            ("[[host]]\nconfig = \"a\"\n", "target"),
            ("[[host]]\ntarget = \"a\"\nport = 2\n", "port"),
            (
                "[[host]]\ntarget = \"a\"\n[[host]]\ntarget = \"a\"\n",
                "twice",
            ),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn one_that_fails_is_counted_and_the_others_go_on() {
        let hosts: Vec<Host> = (0..40).map(|i| Host::named(&format!("door{i}"))).collect();
        let served = AtomicUsize::new(0);
        let error = each(&hosts, |host| {
            served.fetch_add(1, Ordering::Relaxed);
            match host.target.as_str() {
                "door7" | "door9" => bail!("gone"),
                _ => Ok("done".into()),
            }
        });
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("2 failed: ") && error.contains("door7"));
        assert_eq!(served.into_inner(), 40);
    }
}
