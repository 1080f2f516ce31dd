//! Who is to be enrolled and who is a stranger.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// Who is enrolled from what, and how many others come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Photographs that a person is enrolled from; all others are visits.
    pub enroll: usize,
    /// Photographs that a person must have to be enrolled.
    pub least: usize,
    /// People drawn from the others, all photographs of whom are visits.
    pub strangers: usize,
    /// Of the draws.
    pub seed: u64,
}

/// Nobody has enough photographs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "nobody has {least} photographs or more, {enroll} to be enrolled from and one to come with: expected <person>/<file> below --images"
)]
pub struct NobodyToEnroll {
    /// As the plan says.
    pub enroll: usize,
    /// Likewise, and more than `enroll`.
    pub least: usize,
}

impl Plan {
    /// One photograph at least is left to come with.
    pub(super) fn least(&self) -> usize {
        self.least.max(self.enroll + 1)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "people of {} photographs or more, enrolled from {}; a visit is one other photograph, shown for as many frames as \
             must agree (one still: they agree, and are no further evidence); strangers: at most {} others, all their \
             photographs",
            self.least(),
            self.enroll,
            self.strangers
        )
    }
}

/// Indices of each person's images, in order.
pub(super) struct Cast {
    pub(super) residents: Vec<Vec<usize>>,
    pub(super) strangers: Vec<Vec<usize>>,
}

/// `images` are named `<person>/<file>`, a person's next to each other.
///
/// # Errors
/// [`NobodyToEnroll`].
pub(super) fn cast(images: &[String], plan: &Plan) -> Result<Cast, NobodyToEnroll> {
    let person = |i: &usize| images[*i].split('/').next();
    let all: Vec<usize> = (0..images.len()).collect();
    let people = all.chunk_by(|a, b| person(a) == person(b));
    let least = plan.least();
    let (residents, mut strangers): (Vec<_>, Vec<_>) = people
        .map(<[usize]>::to_vec)
        .partition(|own| own.len() >= least);
    if residents.is_empty() {
        let enroll = plan.enroll;
        return Err(NobodyToEnroll { enroll, least });
    }
    strangers.shuffle(&mut ChaCha8Rng::seed_from_u64(plan.seed));
    strangers.truncate(plan.strangers);
    Ok(Cast {
        residents,
        strangers,
    })
}
