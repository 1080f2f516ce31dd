//! Batches in an order that a seed fixes, read ahead by a thread of their own.

use super::packed::{PackError, PackedSet};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Batches ready before they are asked for.
const AHEAD: usize = 4;

/// Images and labels of a step.
pub struct Batch {
    /// `[B, H, W, 3]` bytes.
    pub pixels: Vec<u8>,
    /// `[B]`, in `0..classes`.
    pub labels: Vec<i64>,
    /// `[B]`, indices into the packed set.
    pub images: Vec<usize>,
}

/// Batches in their order, read ahead.
pub type Batches = Receiver<Result<Batch, PackError>>;

/// The images to train on and their classes, in the order of the packed set.
pub struct TrainingSet {
    set: Arc<PackedSet>,
    images: Vec<usize>,
    labels: Vec<i64>,
    classes: i64,
}

impl TrainingSet {
    /// Takes all images of the people that `keep` says.
    pub fn new(set: Arc<PackedSet>, keep: impl Fn(u32) -> bool) -> Self {
        let images: Vec<usize> = (0..set.len()).filter(|i| keep(set.person(*i))).collect();
        let mut classes = BTreeMap::new();
        images.iter().for_each(|i| {
            let next = classes.len() as i64;
            classes.entry(set.person(*i)).or_insert(next);
        });
        let labels = images.iter().map(|i| classes[&set.person(*i)]).collect();
        let classes = classes.len() as i64;
        Self {
            set,
            images,
            labels,
            classes,
        }
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// What an image of the packed set is called.
    pub fn name(&self, image: usize) -> &str {
        self.set.name(image)
    }

    /// How many people.
    pub fn classes(&self) -> i64 {
        self.classes
    }

    /// Whole batches in an epoch, at least one.
    pub fn steps_per_epoch(&self, batch_size: usize) -> u64 {
        (self.len() / batch_size).max(1) as u64
    }
}

/// How batches are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Of the shuffle.
    pub seed: u64,
    /// Images in a batch of one process.
    pub batch_size: usize,
    /// Which part of the larger batch that all processes make together, and of how many.
    pub part: (usize, usize),
    /// The step to begin with: the batches after it are those of a run that was never stopped.
    pub first_step: u64,
    /// The step to end before.
    pub end_step: u64,
}

/// Starts the reader; the batches come in order, then the channel closes.
pub fn start(set: Arc<TrainingSet>, order: Order) -> Batches {
    let (sender, receiver) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        let per_epoch = set.steps_per_epoch(order.batch_size * order.part.1);
        let mut epoch = (u64::MAX, Vec::new());
        for step in order.first_step..order.end_step {
            if epoch.0 != step / per_epoch {
                epoch = (
                    step / per_epoch,
                    shuffled(set.len(), order.seed, step / per_epoch),
                );
            }
            let batch = read_batch(&set, &epoch.1, step % per_epoch, &order);
            // The trainer stopped listening: it has failed, and says why.
            if sender.send(batch).is_err() {
                return;
            }
        }
    });
    receiver
}

fn shuffled(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(epoch);
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut random);
    order
}

fn read_batch(
    set: &TrainingSet,
    shuffled: &[usize],
    position: u64,
    order: &Order,
) -> Result<Batch, PackError> {
    let Order {
        batch_size,
        part: (part, parts),
        ..
    } = *order;
    let template = set.set.template();
    let mut pixels = vec![0; batch_size * template.rgb_len()];
    let (mut labels, mut images) = (Vec::new(), Vec::new());
    let start = (position as usize * parts + part) * batch_size;
    for (i, crop) in pixels.chunks_exact_mut(template.rgb_len()).enumerate() {
        // A set smaller than a batch goes round.
        let image = shuffled[(start + i) % shuffled.len()];
        set.set.read(set.images[image], crop)?;
        labels.push(set.labels[image]);
        images.push(set.images[image]);
    }
    Ok(Batch {
        pixels,
        labels,
        images,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{DataConfig, prepare};
    use shared::align::AlignTemplate;
    use std::collections::HashSet;

    fn set(dir: &std::path::Path) -> Arc<TrainingSet> {
        let data = DataConfig::Synthetic {
            people: 6,
            pictures: 4,
            held_out: 0.0,
        };
        let set = prepare(&data, None, AlignTemplate::Arcface112x112, 3, dir).unwrap();
        Arc::new(TrainingSet::new(Arc::new(set), |person| person != 2))
    }

    fn order(first_step: u64) -> Order {
        Order {
            seed: 5,
            batch_size: 5,
            part: (0, 1),
            first_step,
            end_step: 12,
        }
    }

    #[test]
    fn an_epoch_shows_every_image_once_and_labels_are_dense() {
        let dir = tempfile::tempdir().unwrap();
        let set = set(dir.path());
        assert_eq!(
            (set.len(), set.classes(), set.steps_per_epoch(5)),
            (20, 5, 4)
        );
        let epoch = Order {
            end_step: 4,
            ..order(0)
        };
        let batches: Vec<_> = start(set, epoch).iter().map(Result::unwrap).collect();
        let images: HashSet<_> = batches
            .iter()
            .flat_map(|b| b.pixels.chunks(112 * 112 * 3))
            .collect();
        assert_eq!(images.len(), 20);
        let mut labels: Vec<_> = batches.iter().flat_map(|b| b.labels.clone()).collect();
        labels.sort_unstable();
        assert!((0..5).all(|class| labels.iter().filter(|l| **l == class).count() == 4));
    }

    #[test]
    fn a_later_start_gives_the_same_batches() {
        let dir = tempfile::tempdir().unwrap();
        let set = set(dir.path());
        let whole: Vec<_> = start(set.clone(), order(0))
            .iter()
            .map(Result::unwrap)
            .collect();
        let later: Vec<_> = start(set, order(7)).iter().map(Result::unwrap).collect();
        assert_eq!(later.len(), 5);
        for (a, b) in whole[7..].iter().zip(&later) {
            assert!(a.pixels == b.pixels && a.labels == b.labels);
        }
        assert!(whole[0].pixels != whole[4].pixels);
    }

    #[test]
    fn the_parts_of_a_batch_make_the_batch_of_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let set = set(dir.path());
        let images = |batch_size, part| {
            let order = Order {
                batch_size,
                part,
                ..order(3)
            };
            start(set.clone(), order)
                .iter()
                .map(|batch| batch.unwrap().images)
                .collect::<Vec<_>>()
        };
        // The last image of each epoch of 20 is left out.
        let whole = images(6, (0, 1));
        let [first, second, third] = [0, 1, 2].map(|part| images(2, (part, 3)));
        assert_eq!(whole.len(), 9);
        for (i, batch) in whole.iter().enumerate() {
            assert_eq!(*batch, [&first[i][..], &second[i], &third[i]].concat());
        }
    }
}
