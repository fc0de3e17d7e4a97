// What it costs that the blocks that share a machine meet, n times, in the ways of HOW; each thread writes a number before.
//
// HOW: 0 a counter with fences and __nanosleep, 1 kernels/meet.cuh, 2 the barrier of a cluster with release and acquire,
// 3 that barrier alone, 4 a counter whose answer each arrival waits for. CLUSTER: blocks of a cluster, for 2 and 3. Grid:
// (n_machines n_blocks); block: 512.

#include "common.cuh"
#include "meet.cuh"

#ifdef CLUSTER
#define IN_CLUSTERS __cluster_dims__(CLUSTER, 1, 1)
#else
#define IN_CLUSTERS
#endif

__device__ __forceinline__ void meet_somehow(u32* counter, u32& wanted, int n_blocks) {
#if HOW == 0
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        u32 until = (atomicAdd(counter, 1u) / n_blocks + 1) * n_blocks;
        while (*(volatile u32*)counter < until) __nanosleep(20);
        __threadfence();
    }
    __syncthreads();
#elif HOW == 1
    meet(counter, wanted, n_blocks);
#elif HOW == 2
    asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#elif HOW == 3
    asm volatile("barrier.cluster.arrive.relaxed.aligned;\n\tbarrier.cluster.wait.aligned;" ::: "memory");
#else
    __syncthreads();
    if (threadIdx.x == 0) {
        u32 before;
        asm volatile("atom.add.release.gpu.global.u32 %0, [%1], 1;" : "=r"(before) : "l"(counter) : "memory");
        while (arrived(counter) < (before / n_blocks + 1) * n_blocks) {
        }
    }
    __syncthreads();
#endif
}

extern "C" __global__ void IN_CLUSTERS __launch_bounds__(512, 1) meetings(u32* counters, int n_blocks, int n, u32* result) {
    u32 wanted = 0;
    for (int k = 0; k < n; k++) {
        result[blockIdx.x * 512 + threadIdx.x] = k;
        meet_somehow(counters + blockIdx.x / n_blocks, wanted, n_blocks);
    }
}
