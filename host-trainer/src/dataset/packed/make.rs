//! Makes the file of a packed set: written beside, synced, renamed.

use super::super::summary::{Problem, Summary};
use super::{Crop, Entry, Index, MAGIC, PackError, Source, room};
use crate::progress::bar;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Images decoded at a time; bounds the memory.
const CHUNK: usize = 1024;
/// Of the name of a file in the making.
const PREFIX: &str = ".packing-";
/// A file in the making that nobody wrote to for so long is left from a run that was killed.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn make_file<F>(
    cache: &Path,
    path: &Path,
    source: Source,
    make: F,
) -> Result<(), PackError>
where
    F: Fn(usize) -> Result<Crop, Problem> + Sync,
{
    let io = |source| PackError::Io {
        path: path.into(),
        source,
    };
    std::fs::create_dir_all(cache).map_err(io)?;
    remove_stale(cache);
    room::demand(cache, source.len, source.template)?;
    write_file(cache, path, source, make).map_err(io)
}

fn write_file<F>(cache: &Path, path: &Path, source: Source, make: F) -> std::io::Result<()>
where
    F: Fn(usize) -> Result<Crop, Problem> + Sync,
{
    let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(cache)?;
    let index = write_crops(&mut BufWriter::new(file.as_file_mut()), source, make)?;
    let json = serde_json::to_vec(&index)?;
    file.write_all(&json)?;
    file.write_all(&(json.len() as u64).to_le_bytes())?;
    file.write_all(&Sha256::digest(&json))?;
    file.write_all(MAGIC)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// What cannot be removed stays: it takes room, and harms nothing.
fn remove_stale(cache: &Path) {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX)) {
        let changed = entry.metadata().and_then(|m| m.modified()).ok();
        let age = changed.and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > STALE) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn write_crops<F>(out: &mut impl Write, source: Source, make: F) -> std::io::Result<Index>
where
    F: Fn(usize) -> Result<Crop, Problem> + Sync,
{
    let Source {
        template,
        people,
        len,
        ..
    } = source;
    let mut index = Index {
        template,
        people,
        images: Vec::with_capacity(len),
        summary: Summary::default(),
    };
    let bar = bar(len as u64, "aligning faces");
    for start in (0..len).step_by(CHUNK) {
        let chunk = start..(start + CHUNK).min(len);
        let made: Vec<_> = chunk
            .into_par_iter()
            .map(|i| (make(i), bar.inc(1)).0)
            .collect();
        for crop in made {
            match crop {
                Ok(Crop { person, name, face }) => {
                    out.write_all(face.pixels())?;
                    index.images.push(Entry {
                        person,
                        name,
                        crc32: crc32fast::hash(face.pixels()),
                    });
                }
                Err(problem) => index.summary.problems.push(problem),
            }
        }
    }
    out.flush()?;
    bar.finish_and_clear();
    Ok(index)
}
