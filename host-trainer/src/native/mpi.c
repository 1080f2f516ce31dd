// The few calls of MPI that data-parallel training needs; compiled with the feature `distributed`.
// MPI's own error handler ends the whole job with a message, so nothing here returns an error.

#include <mpi.h>
#include <stdint.h>
#include <time.h>

// Joins the job; 1 if this MPI does not let several threads of a process take turns.
int facelatch_mpi_start(int *rank, int *ranks) {
  int provided;
  MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  MPI_Comm_size(MPI_COMM_WORLD, ranks);
  return provided < MPI_THREAD_SERIALIZED;
}

void facelatch_mpi_finish(void) { MPI_Finalize(); }

void facelatch_mpi_abort(void) { MPI_Abort(MPI_COMM_WORLD, 1); }

// Puts the sum over all ranks in place.
void facelatch_mpi_sum(float *values, int len) {
  MPI_Allreduce(MPI_IN_PLACE, values, len, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

// Puts what the first rank has in place.
void facelatch_mpi_broadcast(float *values, int len) {
  MPI_Bcast(values, len, MPI_FLOAT, 0, MPI_COMM_WORLD);
}

// `all` holds `len` values of each rank.
void facelatch_mpi_gather(const int64_t *own, int len, int64_t *all) {
  MPI_Allgather(own, len, MPI_INT64_T, all, len, MPI_INT64_T, MPI_COMM_WORLD);
}

// Waits for all ranks. MPI_Barrier would take a whole core meanwhile.
void facelatch_mpi_wait(void) {
  const struct timespec pause = {0, 5 * 1000 * 1000};
  MPI_Request request;
  int done = 0;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (MPI_Test(&request, &done, MPI_STATUS_IGNORE); !done;
       MPI_Test(&request, &done, MPI_STATUS_IGNORE))
    nanosleep(&pause, NULL);
}
