//! The few calls of MPI that data-parallel training needs. Its own error handler ends the whole
//! job with a message, so nothing here returns an error.

use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _, Root as _};
use mpi::{Threading, initialize_with_threading};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Numbers that go in one call: MPI counts in a C `int`.
const AT_ONCE: usize = 1 << 30;

/// While the job runs.
static UNIVERSE: Mutex<Option<Universe>> = Mutex::new(None);
/// Rank and ranks.
static PLACE: OnceLock<(usize, usize)> = OnceLock::new();

/// This process among those of the job: its rank, and how many there are.
pub(crate) fn place() -> (usize, usize) {
    PLACE.get().copied().unwrap_or((0, 1))
}

/// Joins the job; a process that was not started by `mpirun` is one by itself.
///
/// # Panics
/// If this MPI does not let several threads take turns; or the second time.
pub(crate) fn start() {
    let (universe, threading) =
        initialize_with_threading(Threading::Serialized).expect("a process joins its job once");
    assert!(
        threading >= Threading::Serialized,
        "this MPI has no MPI_THREAD_SERIALIZED"
    );
    let world = universe.world();
    let _ = PLACE.set((world.rank() as usize, world.size() as usize));
    *UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner) = Some(universe);
}

fn leave() -> Option<Universe> {
    let mut universe = UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner);
    universe.take()
}

/// Leaves the job, for all ranks that are done.
pub(crate) fn finish() {
    drop(leave());
}

/// Ends all ranks at once unless this one has left the job.
pub(crate) fn abort() {
    if let Some(universe) = leave() {
        universe.world().abort(1);
    }
}

/// See [`crate::distributed::sum`].
pub(crate) fn sum(values: &mut [f32]) {
    let world = SimpleCommunicator::world();
    for part in values.chunks_mut(AT_ONCE) {
        let own = part.to_vec();
        world.all_reduce_into(&own, part, SystemOperation::sum());
    }
}

/// The numbers of the first rank in place of the own.
pub(crate) fn broadcast(values: &mut [f32]) {
    let world = SimpleCommunicator::world();
    for part in values.chunks_mut(AT_ONCE) {
        world.process_at_rank(0).broadcast_into(part);
    }
}

/// The numbers of all ranks, in their order; each gives as many.
pub(crate) fn gather(own: &[i64]) -> Vec<i64> {
    let mut all = vec![0; own.len() * place().1];
    SimpleCommunicator::world().all_gather_into(own, &mut all[..]);
    all
}

/// Sleeps until all ranks wait: MPI's own barrier would take a whole core meanwhile.
pub(crate) fn wait() {
    let mut barrier = SimpleCommunicator::world().immediate_barrier();
    while let Err(waiting) = barrier.test() {
        barrier = waiting;
        std::thread::sleep(Duration::from_millis(5));
    }
}
