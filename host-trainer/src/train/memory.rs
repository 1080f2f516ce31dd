//! What to do when the memory does not suffice.

use crate::config::TrainingConfig;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The device, or the machine, has too little memory for a step.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "out of memory with [training] batch_size = {batch_size}: try batch_size = {smaller} with accumulate = {accumulate}, \
     which makes steps of as many images; the last checkpoint is as it was, and belongs to the old recipe"
)]
pub struct OutOfMemory {
    batch_size: usize,
    smaller: usize,
    accumulate: u64,
}

/// Runs a step of the network; libtorch's complaint about memory becomes an error.
///
/// # Panics
/// As `step` does, for any other reason.
pub(super) fn watched<T>(
    training: &TrainingConfig,
    step: impl FnOnce() -> T,
) -> Result<T, OutOfMemory> {
    // What is half done is thrown away with the run.
    catch_unwind(AssertUnwindSafe(step)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        // Of the GPU's and of the CPU's allocator.
        if !text.contains("out of memory") && !text.contains("can't allocate memory") {
            resume_unwind(panic);
        }
        let batch_size = training.batch_size;
        OutOfMemory {
            batch_size,
            smaller: (batch_size / 2).max(2),
            accumulate: training.accumulate * 2,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Recipe;
    use std::path::Path;

    #[test]
    fn a_smaller_batch_is_named_and_other_panics_go_on() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/demo.toml");
        let mut training = Recipe::read(&demo).unwrap().training;
        training.accumulate = 3;
        for text in [
            "CUDA out of memory. Tried to allocate 2.00 GiB",
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes",
        ] {
            let error = watched(&training, || panic!("{text}")).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("batch_size = 64: try batch_size = 32 with accumulate = 6"));
        }
        assert_eq!(watched(&training, || 5), Ok(5));
        let other = catch_unwind(|| watched(&training, || panic!("shapes {}", 1)));
        assert!(other.is_err());
    }
}
