//! Makes the file of a packed set: written beside, synced, renamed.

use super::super::summary::{Problem, Summary};
use super::{Crop, Entry, Index, MAGIC, Source};
use crate::progress::bar;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Images decoded at a time; bounds the memory.
const CHUNK: usize = 1024;

pub(super) fn make_file<F>(
    cache: &Path,
    path: &Path,
    source: Source,
    make: F,
) -> std::io::Result<()>
where
    F: Fn(usize) -> Result<Crop, Problem> + Sync,
{
    std::fs::create_dir_all(cache)?;
    let mut file = tempfile::Builder::new()
        .prefix(".packing-")
        .tempfile_in(cache)?;
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
