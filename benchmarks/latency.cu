// How long one step of a chain takes whose every step needs the one before: n steps, by all threads of one block.
//
// CHAIN names the step: BARRIER (__syncthreads), SHUFFLE (__shfl_xor_sync), LOGISTIC (expf and a division), ADD (float32),
// SHARED (a load from shared memory whose address is what was loaded before). `cycles` is what the multiprocessor's clock
// counted meanwhile; `result` keeps the compiler from leaving the chain out.
//
// Grid: (1); block: 96 threads, as contrastive.cu has them for 70 hidden units. Bytes: none that count.
//
// Besides: `empty`, whose time is that of a launch; `spin`, which keeps the card busy while launches queue up; `products`,
// n times SIDE_BY_SIDE independent products of the tensor cores by every warp, whose time is that of their rate.

#include "common.cuh"
#include "fixed_point.cuh"

#define BARRIER 0
#define SHUFFLE 1
#define LOGISTIC 2
#define ADD 3
#define SHARED 4
#ifndef CHAIN
#define CHAIN BARRIER
#endif
#define BLOCK 96
#define SIDE_BY_SIDE 8

extern "C" __global__ void __launch_bounds__(BLOCK)
    latency(int n, float step, float* __restrict__ result, u64* __restrict__ cycles) {
    int place = threadIdx.x;
    float x = (float)threadIdx.x;
#if CHAIN == SHARED
    __shared__ int next[BLOCK];
    next[threadIdx.x] = (threadIdx.x + 1) % BLOCK;
    __syncthreads();
#endif
    u64 start = clock64();
#pragma unroll 8
    for (int k = 0; k < n; k++) {
#if CHAIN == BARRIER
        __syncthreads();
#elif CHAIN == SHUFFLE
        x = __shfl_xor_sync(FULL_WARP, x, 1 << (k & 3));
#elif CHAIN == LOGISTIC
        x = logistic(x);
#elif CHAIN == ADD
        x += step;
#else
        place = next[place];
#endif
    }
    u64 end = clock64();
    result[threadIdx.x] = x + step * (float)place;
    if (threadIdx.x == 0) *cycles = end - start;
}

extern "C" __global__ void empty() {}

extern "C" __global__ void spin(u64 n_cycles) {
    u64 start = clock64();
    while ((u64)clock64() - start < n_cycles) {
    }
}

extern "C" __global__ void products(int n, int* __restrict__ result) {
    int sum[SIDE_BY_SIDE][4] = {};
    u32 left[4] = {threadIdx.x, 1, 2, 3}, right[2] = {threadIdx.x, 5};
    for (int k = 0; k < n; k++)
#pragma unroll
        for (int one = 0; one < SIDE_BY_SIDE; one++) multiply_add(sum[one], left, right);
    int total = 0;
    for (int one = 0; one < SIDE_BY_SIDE; one++) total += sum[one][0] + sum[one][1] + sum[one][2] + sum[one][3];
    result[(u64)blockIdx.x * blockDim.x + threadIdx.x] = total;
}
