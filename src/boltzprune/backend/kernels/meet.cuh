// Where the blocks that share a machine wait for each other; what they wrote before is seen by all after it.
//
// `counter` starts at 0 and only grows: the k-th meeting is over once n_blocks k blocks have come. All blocks have to run at
// the same time, which a cooperative launch guarantees; with CLUSTER they are one cluster and the hardware counts.

#ifndef BOLTZPRUNE_MEET
#define BOLTZPRUNE_MEET

__device__ __forceinline__ void meet(u32* counter, int n_blocks) {
#ifdef CLUSTER
    asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        u32 arrived = atomicAdd(counter, 1u) + 1u, wanted = (arrived + n_blocks - 1) / n_blocks * n_blocks;
        while (*(volatile u32*)counter < wanted) __nanosleep(20);
        __threadfence();
    }
    __syncthreads();
#endif
}

#ifdef CLUSTER
#define ALL_AT_ONCE __cluster_dims__(CLUSTER, 1, 1)
#else
#define ALL_AT_ONCE
#endif

#endif
