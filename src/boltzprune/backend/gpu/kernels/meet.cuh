// Where the blocks that share a machine wait for each other; what they wrote before is seen by all after it.
//
// `counter` starts at 0 and only grows: the k-th meeting is over once n_blocks k blocks have come. All blocks have to run at
// the same time, which a cooperative launch guarantees. A meeting of 8 to 13 blocks takes 1.0 us on an H100; in clusters of
// blocks, whose barrier is the hardware's, it takes 0.7 us, which was not worth their restrictions.

#ifndef BOLTZPRUNE_MEET
#define BOLTZPRUNE_MEET

#ifndef CUDA_ON_CPU
// Adds 1, after all that this block wrote; what was there before.
__device__ __forceinline__ u32 arrive(u32* counter) {
    u32 before;
    asm volatile("atom.add.release.gpu.global.u32 %0, [%1], 1;" : "=r"(before) : "l"(counter) : "memory");
    return before;
}

// How many have arrived; all that they wrote is seen by what follows.
__device__ __forceinline__ u32 arrived(const u32* counter) {
    u32 now;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(counter) : "memory");
    return now;
}
#endif

__device__ __forceinline__ void meet(u32* counter, int n_blocks) {
    __syncthreads();
    if (threadIdx.x == 0) {
        u32 wanted = (arrive(counter) / n_blocks + 1) * n_blocks;
        while (arrived(counter) < wanted) {
        }
    }
    __syncthreads();
}

#endif
