//! Measurement, always of the exported network in the door's own runtime.

pub mod pairs;
pub mod protocol;
pub mod verification;

use edge_runtime::network::{Network, NetworkError};
use indicatif::ProgressBar;
use rayon::prelude::*;
use shared::align::AlignedFace;
use shared::embedding::{Embedding, dot};
use verification::Scores;

/// Embeds many faces on all cores, in order.
///
/// # Errors
/// What `face` says, or [`NetworkError`], of the first that fails.
pub fn embed_all<E, F>(
    network: &Network,
    len: usize,
    bar: &ProgressBar,
    face: F,
) -> Result<Vec<Embedding>, E>
where
    E: From<NetworkError> + Send,
    F: Fn(usize) -> Result<AlignedFace, E> + Sync,
{
    let embed = |i: usize| {
        let template = network.embed(&face(i)?)?;
        bar.inc(1);
        Ok(template.embedding)
    };
    (0..len).into_par_iter().map(embed).collect()
}

/// Scores of every pair of images: genuine where the person is the same.
pub fn all_pairs(embeddings: &[Embedding], people: &[u32]) -> Scores {
    let rows: Vec<&[f32]> = embeddings.iter().map(Embedding::as_slice).collect();
    let of_row = |i: usize| {
        let mut scores = Scores::default();
        for j in 0..i {
            scores.push(dot(rows[i], rows[j]), people[i] == people[j]);
        }
        scores
    };
    let parts: Vec<Scores> = (0..rows.len()).into_par_iter().map(of_row).collect();
    Scores {
        genuine: parts
            .iter()
            .flat_map(|s| s.genuine.iter().copied())
            .collect(),
        impostor: parts
            .iter()
            .flat_map(|s| s.impostor.iter().copied())
            .collect(),
    }
}

/// The floor that a network must beat: the crop as 28x28 grey pixels, mean removed.
pub fn raw_pixels(face: &AlignedFace) -> Option<Embedding> {
    const SIDE: usize = 28;
    let (width, height) = (face.template().width(), face.template().height());
    let mut sums = vec![0.0_f32; SIDE * SIDE];
    for (i, pixel) in face.pixels().chunks_exact(3).enumerate() {
        let (x, y) = (i % width * SIDE / width, i / width * SIDE / height);
        sums[y * SIDE + x] += pixel.iter().map(|c| f32::from(*c)).sum::<f32>();
    }
    let mean = sums.iter().sum::<f32>() / sums.len() as f32;
    Embedding::from_raw(sums.iter().map(|s| s - mean).collect()).ok()
}
