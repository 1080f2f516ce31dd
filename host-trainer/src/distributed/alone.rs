//! What takes MPI's place in a program that was built without it: one process.

pub(crate) fn place() -> (usize, usize) {
    (0, 1)
}

pub(crate) fn start() {}

pub(crate) fn finish() {}

pub(crate) fn abort() {}

pub(crate) fn sum(_: &mut [f32]) {}

pub(crate) fn broadcast(_: &mut [f32]) {}

pub(crate) fn gather(own: &[i64]) -> Vec<i64> {
    own.to_vec()
}

pub(crate) fn wait() {}
