//! The few calls of MPI that data-parallel training needs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Numbers that go in one call: MPI counts in a C `int`.
const AT_ONCE: usize = 1 << 30;

unsafe extern "C" {
    fn facelatch_mpi_start(rank: *mut i32, ranks: *mut i32) -> i32;
    fn facelatch_mpi_finish();
    fn facelatch_mpi_abort();
    fn facelatch_mpi_sum(values: *mut f32, len: i32);
    fn facelatch_mpi_broadcast(values: *mut f32, len: i32);
    fn facelatch_mpi_gather(own: *const i64, len: i32, all: *mut i64);
    fn facelatch_mpi_wait();
}

/// Rank and ranks.
static PLACE: OnceLock<(usize, usize)> = OnceLock::new();
static RUNNING: AtomicBool = AtomicBool::new(false);

/// This process among those of the job: its rank, and how many there are.
pub(crate) fn place() -> (usize, usize) {
    PLACE.get().copied().unwrap_or((0, 1))
}

/// Joins the job; a process that was not started by `mpirun` is one by itself.
///
/// # Panics
/// If this MPI does not let several threads take turns; or the second time.
pub(crate) fn start() {
    let (mut rank, mut ranks) = (0, 0);
    // SAFETY: both pointers are of live numbers; `set` below lets no second start go on.
    let code = unsafe { facelatch_mpi_start(&mut rank, &mut ranks) };
    assert_eq!(code, 0, "this MPI has no MPI_THREAD_SERIALIZED");
    let place = (rank as usize, ranks as usize);
    PLACE.set(place).expect("a process joins its job once");
    RUNNING.store(true, Ordering::SeqCst);
}

/// Leaves the job, for all ranks that are done.
pub(crate) fn finish() {
    if RUNNING.swap(false, Ordering::SeqCst) {
        // SAFETY: MPI runs, and nobody calls it after this.
        unsafe { facelatch_mpi_finish() };
    }
}

/// Ends all ranks at once unless this one has left the job.
pub(crate) fn abort() {
    if RUNNING.swap(false, Ordering::SeqCst) {
        // SAFETY: MPI runs.
        unsafe { facelatch_mpi_abort() };
    }
}

/// See [`crate::distributed::sum`].
pub(crate) fn sum(values: &mut [f32]) {
    for part in values.chunks_mut(AT_ONCE) {
        // SAFETY: MPI runs where there are ranks; the pointer is of `len` numbers that are ours.
        unsafe { facelatch_mpi_sum(part.as_mut_ptr(), part.len() as i32) };
    }
}

/// The numbers of the first rank in place of the own.
pub(crate) fn broadcast(values: &mut [f32]) {
    for part in values.chunks_mut(AT_ONCE) {
        // SAFETY: as in `sum`.
        unsafe { facelatch_mpi_broadcast(part.as_mut_ptr(), part.len() as i32) };
    }
}

/// The numbers of all ranks, in their order; each gives as many.
pub(crate) fn gather(own: &[i64]) -> Vec<i64> {
    let mut all = vec![0; own.len() * place().1];
    // SAFETY: MPI runs; the pointers are of `len` numbers, and of `len` for each rank.
    unsafe { facelatch_mpi_gather(own.as_ptr(), own.len() as i32, all.as_mut_ptr()) };
    all
}

/// Sleeps until all ranks wait.
pub(crate) fn wait() {
    // SAFETY: MPI runs; no pointers.
    unsafe { facelatch_mpi_wait() };
}
