// States as bits along the samples: (n_samples, n_units) u8 -> (n_units, n_words) u64, bit s % 64 of word s / 64.
//
// A thread makes one word of one unit; neighbouring threads read neighbouring bytes. Samples beyond the last are 0.
// Grid: (n_words, ceil(n_units / 64)). Bytes: 1 + 1/8 a state.

#include "common.cuh"

extern "C" __global__ void __launch_bounds__(64)
    pack(const u8* __restrict__ states, int n_samples, int n_units, int n_words, u64* __restrict__ bits) {
    int unit = blockIdx.y * blockDim.x + threadIdx.x, first = blockIdx.x * 64;
    if (unit >= n_units) return;
    int n = min(64, n_samples - first);
    u64 word = 0;
    for (int s = 0; s < n; s++) word |= (u64)states[(u64)(first + s) * n_units + unit] << s;
    bits[(u64)unit * n_words + blockIdx.x] = word;
}
