// States of a layer from fields or from probabilities that lie in memory: 1 where uniform < p, p = s(value) or the value.
//
// A thread decides four neighbouring units of one chain, which share a Philox call.
// Grid: ceil(n_chains ceil(n_units / 4) / 256). Bytes: 5 a unit. Operations: about 30 a unit.

#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
    states(const float* __restrict__ values, int are_fields, int n_chains, int n_units, u64 key, u32 step, u32 layer,
           u32 chain_offset, u8* __restrict__ out) {
    int n_blocks = (n_units + 3) / 4;
    u64 place = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    int block = (int)(place % n_blocks);
    u64 chain = place / n_blocks;
    if (chain >= (u64)n_chains) return;
    Words words = philox(block, chain_offset + (u32)chain, step, layer, key);
    for (int c = 0; c < 4; c++) {
        int unit = 4 * block + c;
        if (unit >= n_units) return;
        float value = values[chain * n_units + unit];
        out[chain * n_units + unit] = uniform(words.word[c]) < (are_fields ? logistic(value) : value);
    }
}
