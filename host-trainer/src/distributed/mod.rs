//! The processes that train together over MPI (`mpirun -n N host-trainer train ...`), each on its
//! part of every batch.
//!
//! A process has one place among them, as it has one device. One that was started alone, or built
//! without the feature `distributed`, is rank 0 of 1, and nothing here does anything then.
//! Whatever several ranks take part in, all must call, in the same order.

#[cfg(not(feature = "distributed"))]
#[path = "alone.rs"]
mod job;
#[cfg(feature = "distributed")]
mod job;

use crate::checkpoint::floats;
use sha2::{Digest as _, Sha256};
use tch::{Kind, Tensor};

/// This program cannot take part.
#[derive(Debug, thiserror::Error)]
#[error(
    "mpirun started {0} processes of a program that was built for one: build it with \
     `cargo build --workspace --features host-trainer/distributed`"
)]
pub struct BuiltForOne(usize);

/// Joins the processes that `mpirun` started.
///
/// # Errors
/// [`BuiltForOne`]: each process would train by itself, into the same folder.
pub fn start() -> Result<(), BuiltForOne> {
    job::start();
    // As Open MPI and MPICH call it.
    let told = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"].map(std::env::var);
    let started = told.iter().flatten().find_map(|n| n.parse().ok());
    match started {
        Some(started) if ranks() == 1 && started > 1 => Err(BuiltForOne(started)),
        _ => Ok(()),
    }
}

/// Leaves them: what comes next, the first rank does alone.
pub fn finish() {
    job::finish();
}

/// Dropped before [`finish`], by an error or a panic, it ends all ranks: the others would wait for
/// this one forever.
pub struct AllOrNone;

impl Drop for AllOrNone {
    fn drop(&mut self) {
        job::abort();
    }
}

/// Number of this process, from 0.
pub fn rank() -> usize {
    job::place().0
}

/// How many processes there are.
pub fn ranks() -> usize {
    job::place().1
}

/// Whether this is the process that talks, and writes files.
pub fn is_first() -> bool {
    rank() == 0
}

/// Puts the sum over all ranks in place of each number; the same bits come out on all of them.
pub(crate) fn sum(values: &mut [f32]) {
    if ranks() > 1 {
        job::sum(values);
    }
}

/// Puts the mean over all ranks in place of each number of the tensors, in one exchange.
pub(crate) fn mean(tensors: &[&Tensor]) {
    if ranks() == 1 {
        return;
    }
    let mut flat: Vec<f32> = tensors.iter().copied().flat_map(floats).collect();
    sum(&mut flat);
    let flat = Tensor::from_slice(&flat) / ranks() as f64;
    put(tensors.iter().copied(), &flat);
}

/// Puts the numbers of the first rank in place of the own.
pub(crate) fn take_first<'a>(tensors: impl Iterator<Item = &'a Tensor>) {
    if ranks() > 1 {
        for tensor in tensors {
            let mut numbers = floats(tensor);
            job::broadcast(&mut numbers);
            put(std::iter::once(tensor), &Tensor::from_slice(&numbers));
        }
    }
}

fn put<'a>(tensors: impl Iterator<Item = &'a Tensor>, flat: &Tensor) {
    let _guard = tch::no_grad_guard();
    let mut start = 0;
    for tensor in tensors {
        let len = tensor.numel() as i64;
        let own = flat.narrow(0, start, len).view(tensor.size().as_slice());
        tensor.shallow_clone().copy_(&own);
        start += len;
    }
}

/// The rows `[C]` of all ranks, `[ranks, C]` f32.
pub(crate) fn rows(own: &Tensor) -> Tensor {
    let own_len = own.numel();
    let mut all = vec![0.0; own_len * ranks()];
    all[rank() * own_len..][..own_len].copy_from_slice(&floats(own));
    sum(&mut all);
    let all = Tensor::from_slice(&all).view([ranks() as i64, own_len as i64]);
    all.to_kind(Kind::Float).to_device(own.device())
}

/// The numbers of all ranks, in their order; each gives as many.
pub(crate) fn gather(own: &[i64]) -> Vec<i64> {
    match ranks() {
        1 => own.to_vec(),
        _ => job::gather(own),
    }
}

/// Whether all ranks have the same bytes.
pub(crate) fn agree(bytes: &[u8]) -> bool {
    let digest = Sha256::digest(bytes);
    let own: Vec<i64> = digest
        .chunks_exact(8)
        .map(|part| i64::from_le_bytes(part.try_into().expect("eight bytes")))
        .collect();
    gather(&own).chunks(own.len()).all(|of_rank| of_rank == own)
}

/// Sleeps until all ranks have come here.
pub(crate) fn wait() {
    if ranks() > 1 {
        job::wait();
    }
}

/// The first rank goes ahead; the others then find in a shared cache what it made.
///
/// # Errors
/// Those of `make`.
pub fn first_makes<T, E>(make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    if !is_first() {
        wait();
        return make();
    }
    let made = make()?;
    wait();
    Ok(made)
}
