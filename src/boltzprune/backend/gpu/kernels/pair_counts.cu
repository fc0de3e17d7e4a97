// In how many samples two units are both 1: counts[i, j] += popcount of lower[i] & upper[j], bit-packed samples.
//
// A block of 256 threads makes 64 x 64 counts, a thread 4 x 4 of them, over `words_each` words; blocks along z take the
// other words. Whole numbers add up to the same in any order. `counts` starts at 0.
//
// Grid: (ceil(n_upper / 64), ceil(n_lower / 64), ceil(n_words / words_each)).
// Operations: n_lower n_upper n_words times (and, popcount, add) of 64 bits; the popcount, 16 words of 32 bits a cycle
// and multiprocessor, is the floor. Bytes: 8 n_words (n_lower n_upper / 64) twice, from the second-level cache.

#include "common.cuh"

#define TILE 64
#define DEPTH 16
#define SIDE 16
#define EACH 4

__device__ __forceinline__ void stage(u64 rows[DEPTH][TILE + 1], const u64* bits, int n_rows, int first_row, int n_words,
                                      int start, int end) {
    for (int place = threadIdx.x; place < DEPTH * TILE; place += SIDE * SIDE) {
        int k = place % DEPTH, row = place / DEPTH;
        bool inside = start + k < end && first_row + row < n_rows;
        rows[k][row] = inside ? bits[(u64)(first_row + row) * n_words + start + k] : 0;
    }
}

extern "C" __global__ void __launch_bounds__(SIDE* SIDE)
    pair_counts(const u64* __restrict__ lower, int n_lower, const u64* __restrict__ upper, int n_upper, int n_words,
                int words_each, u64* __restrict__ counts) {
    __shared__ u64 below[DEPTH][TILE + 1], above[DEPTH][TILE + 1];
    int row = threadIdx.x / SIDE, column = threadIdx.x % SIDE;
    int first_lower = blockIdx.y * TILE, first_upper = blockIdx.x * TILE;
    int begin = blockIdx.z * words_each, end = min(n_words, begin + words_each);
    u32 common[EACH][EACH] = {};
    for (int start = begin; start < end; start += DEPTH) {
        stage(below, lower, n_lower, first_lower, n_words, start, end);
        stage(above, upper, n_upper, first_upper, n_words, start, end);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEPTH; k++)
#pragma unroll
            for (int r = 0; r < EACH; r++)
#pragma unroll
                for (int c = 0; c < EACH; c++)
                    common[r][c] += __popcll(below[k][row + SIDE * r] & above[k][column + SIDE * c]);
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < EACH; r++)
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            int i = first_lower + row + SIDE * r, j = first_upper + column + SIDE * c;
            if (i < n_lower && j < n_upper) atomicAdd(&counts[(u64)i * n_upper + j], (u64)common[r][c]);
        }
}
