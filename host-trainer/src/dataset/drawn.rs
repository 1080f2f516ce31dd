//! The faces of drawn people, packed like photographs.

use super::packed::{Crop, PackError, PackedSet, Source};
use super::summary::Summary;
use super::synthetic;
use shared::align::{AlignTemplate, AlignedFace, RgbImage, align};
use shared::digest::Digest;
use std::path::Path;

pub(super) fn synthetic_set(
    people: u64,
    pictures: u64,
    template: AlignTemplate,
    seed: u64,
    cache: &Path,
) -> Result<PackedSet, PackError> {
    let digest = pixels_digest(template);
    let drawing = synthetic::RENDERER_VERSION;
    let key = format!("synthetic {drawing} {people} {pictures} {template:?} {seed} {digest}");
    let source = Source {
        template,
        key: Digest::of(key.as_bytes()).0,
        people: (0..people).map(synthetic_name).collect(),
        len: (people * pictures) as usize,
        summary: Summary::default(),
    };
    PackedSet::open_or_make(cache, source, |i| {
        let (person, number) = (i as u64 / pictures, i as u64 % pictures);
        let face = synthetic_face(seed, person, number, template);
        Ok(Crop {
            person: person as u32,
            name: format!("{}/{number:04}", synthetic_name(person)),
            face,
        })
    })
}

/// The folder name of a drawn person.
pub fn synthetic_name(index: u64) -> String {
    format!("p{index:06}")
}

/// A drawn face, aligned.
pub fn synthetic_face(seed: u64, person: u64, number: u64, template: AlignTemplate) -> AlignedFace {
    let picture = synthetic::render(&synthetic::Identity::new(seed, person), number);
    let frame = &picture.frame;
    let image = RgbImage::new(
        frame.width() as usize,
        frame.height() as usize,
        frame.as_raw(),
    )
    .expect("a rendered frame is whole");
    align(image, &picture.landmarks, template).expect("rendered landmarks span a face")
}

/// Changes when faces are aligned otherwise: what was packed before is then not used. One face
/// passes through all of the alignment, but not through all of the drawing.
pub(super) fn pixels_digest(template: AlignTemplate) -> Digest {
    Digest::of(synthetic_face(0, 0, 0, template).pixels())
}
