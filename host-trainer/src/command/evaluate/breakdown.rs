//! `evaluate --breakdown`: error rates by what photographs are like.

use super::Evaluate;
use anyhow::ensure;
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::photo;
use host_trainer::dataset::folder::images_of_people;
use host_trainer::evaluate::breakdown::{Image, breakdown, cut};
use host_trainer::evaluate::protocol::embed_faces;
use std::collections::BTreeMap;
use std::sync::Mutex;

pub(super) fn run(args: &Evaluate, fmr: f64) -> anyhow::Result<()> {
    let network = args.network()?;
    let bundle = edge_runtime::bundle::read(&args.bundle)?;
    let point = bundle.manifest().operating_point(fmr, 1)?;
    let names = images_of_people(args.images())?;
    let paths: Vec<_> = names.iter().map(String::as_str).collect();
    let landmarks = LandmarkTable::beside(args.images(), args.landmarks.as_deref())?;
    let template = network.input().template;
    let measured = Mutex::new(BTreeMap::new());
    let embedded = super::with_bar(paths.len(), |bar| {
        embed_faces(&network, &paths, bar, |path| {
            let landmarks = landmarks.get(path).ok_or("no row in landmarks.csv")?;
            let photo = photo::read(&args.images().join(path)).map_err(|e| e.to_string())?;
            let (face, values) = cut(&photo, landmarks, template)?;
            let mut measured = measured.lock().map_err(|e| e.to_string())?;
            measured.insert(path.to_owned(), values);
            Ok(face)
        })
    });
    let measured = measured.into_inner().map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut people = BTreeMap::new();
    let mut images = Vec::new();
    for (path, values) in measured {
        let next = people.len();
        let name = path.split('/').next().unwrap_or_default();
        let person = *people.entry(name.to_owned()).or_insert(next);
        if let Some(embedding) = embedded.get(&path).cloned() {
            images.push(Image {
                person,
                embedding,
                values,
            });
        }
    }
    let parts = breakdown(&images, (point.threshold, point.fmr));
    ensure!(
        !parts.is_empty(),
        "no pairs of one person and of two: give a folder with several people, one of whom has several images with a usable face"
    );
    args.print(&parts, &embedded, || {
        println!(
            "pairs of single images, at the threshold {:.4} of the bundle for a false-match rate of {} of enrolled people; \
             images cut into thirds, pairs within a third",
            point.threshold, point.fmr
        );
        parts.iter().for_each(|part| println!("{part}"));
    })
}
