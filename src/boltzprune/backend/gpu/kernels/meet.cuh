// Where the blocks that share a machine wait for each other; what they wrote before is seen by all after it.
//
// `counter` starts at 0 with each launch and only grows: the k-th meeting is over once n_blocks k blocks have come. A block
// counts the meetings itself, in `wanted`, so that it need not wait for what its arrival would answer. All blocks have to
// run at the same time, which a cooperative launch guarantees. benchmarks/meetings.cu compares it with other ways.

#ifndef BOLTZPRUNE_MEET
#define BOLTZPRUNE_MEET

#ifndef CUDA_ON_CPU
// Adds 1, after all that this block wrote.
__device__ __forceinline__ void arrive(u32* counter) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" : : "l"(counter) : "memory");
}

// How many have arrived; all that they wrote is seen by what follows.
__device__ __forceinline__ u32 arrived(const u32* counter) {
    u32 now;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(counter) : "memory");
    return now;
}
#endif

// `wanted`: the first thread's, 0 at the start of a launch.
__device__ __forceinline__ void meet(u32* counter, u32& wanted, int n_blocks) {
    __syncthreads();
    if (threadIdx.x == 0) {
        wanted += n_blocks;
        arrive(counter);
        while (arrived(counter) < wanted) {
        }
    }
    __syncthreads();
}

#endif
