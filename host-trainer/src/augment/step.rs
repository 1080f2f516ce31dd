//! What all steps share: each is drawn for each image by itself, and replaces those drawn alone.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

/// Red, green and blue in what the eye takes for brightness (ITU-R BT.601).
pub(super) const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

/// One kind of change.
pub(super) trait Step {
    /// As in the recipe. The step's random numbers hang on it, so that switching one step on does
    /// not change what another draws.
    const NAME: &'static str;
    /// What is drawn for an image.
    type Drawn;

    /// Of an image being changed, 0 to 1.
    fn probability(&self) -> f64;

    /// The fields that are out of range, if any: which, and what they must be.
    fn fault(&self) -> Option<&'static str>;

    /// Draws one change.
    fn draw(&self, random: &mut ChaCha8Rng) -> Self::Drawn;

    /// Changes `[N, 3, H, W]` images, contiguous f32 in 0 to 255, each as was drawn for it. The
    /// result may lie beyond 0 to 255.
    fn apply(images: &Tensor, drawn: &[Self::Drawn]) -> Tensor;
}

/// Checks a step's table.
pub(super) fn check<S: Step>(step: Option<&S>) -> Result<(), String> {
    let Some(step) = step else { return Ok(()) };
    let fault = match step.fault() {
        _ if !(0.0..=1.0).contains(&step.probability()) => "probability must be in 0 to 1",
        Some(fault) => fault,
        None => return Ok(()),
    };
    Err(format!("[augmentation.{}] {fault}", S::NAME))
}

/// A batch on its way through the steps.
pub(super) struct Faces {
    /// `[B, 3, H, W]` f32, contiguous, shared with nobody.
    pub(super) images: Tensor,
    seed: u64,
    first_image: u64,
}

impl Faces {
    pub(super) fn new(images: &Tensor, seed: u64, first_image: u64) -> Self {
        let mut copy = Tensor::empty(images.size(), (Kind::Float, images.device()));
        copy.copy_(images);
        Self {
            images: copy,
            seed,
            first_image,
        }
    }

    /// Draws and applies a step.
    pub(super) fn step<S: Step>(mut self, step: Option<&S>) -> Self {
        let drawn = step.map(|step| self.draw(step)).unwrap_or_default();
        if drawn.is_empty() {
            return self;
        }
        let (rows, drawn): (Vec<i64>, Vec<_>) = drawn.into_iter().unzip();
        let rows = Tensor::from_slice(&rows).to_device(self.images.device());
        let changed = S::apply(&self.images.index_select(0, &rows), &drawn).clamp_(0.0, 255.0);
        let _ = self.images.index_copy_(0, &rows, &changed);
        self
    }

    /// The places in the batch that are changed, and how.
    fn draw<S: Step>(&self, step: &S) -> Vec<(i64, S::Drawn)> {
        let draw = |row| {
            let image = self.first_image.wrapping_add(row as u64);
            let mut random = random(self.seed, S::NAME, image);
            let hit = random.random_bool(step.probability());
            hit.then(|| (row, step.draw(&mut random)))
        };
        (0..self.images.size()[0]).filter_map(draw).collect()
    }
}

/// What is drawn for an image hangs on the run's seed, the step's name and the image's number alone.
pub(super) fn random(seed: u64, name: &str, image: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..][..name.len()].copy_from_slice(name.as_bytes());
    let mut random = ChaCha8Rng::from_seed(key);
    random.set_stream(image);
    random
}

/// `K` numbers for each image: `[N, K, 1, 1]` f32.
pub(super) fn per_image<const K: usize>(
    values: impl Iterator<Item = [f32; K]>,
    device: Device,
) -> Tensor {
    let values: Vec<f32> = values.flatten().collect();
    Tensor::from_slice(&values)
        .view([-1, K as i64, 1, 1])
        .to_device(device)
}

/// Brightness, `[N, 1, H, W]`.
pub(super) fn luma(images: &Tensor) -> Tensor {
    let [red, green, blue] = [0, 1, 2].map(|c| images.narrow(1, c, 1) * LUMA[c as usize]);
    red + green + blue
}

/// Random bytes that a number fixes.
pub(super) fn fill_random(seed: u64, bytes: &mut [u8]) {
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(bytes);
}

/// Smooth pictures of `[height, width]`, whole levels, no two alike; `[N, 3, H, W]` f32.
#[cfg(test)]
pub(super) fn pictures(count: usize, [height, width]: [usize; 2]) -> Tensor {
    let level = |i: usize| {
        let (x, y, plane) = (i % width, i / width % height, i / width / height);
        let wave = |rate: f64, phase: usize| (rate * phase as f64).sin();
        let bright = wave(0.05, x + 7 * plane) + wave(0.04, y + 11 * plane);
        (127.5 + 50.0 * bright).round() as f32
    };
    let levels: Vec<f32> = (0..count * 3 * height * width).map(level).collect();
    Tensor::from_slice(&levels).view([count as i64, 3, height as i64, width as i64])
}
