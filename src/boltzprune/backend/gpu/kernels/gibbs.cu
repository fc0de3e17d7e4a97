// Many steps of block Gibbs sampling in one launch: odd layers given even ones, then even ones given odd  (Eqs. 9, 10).
//
// A block of BLOCK threads takes one chain through all its steps: chains do not meet, so no block waits for another. The
// states of the chain are bytes in shared memory, the units that are on are listed, and a field is the sum of their rows
// of weights: most units are off, and their rows are never read. Weights are whole multiples of `unit`, so that sums are
// exact: to the last bit those of kernels/draw.cu. `weights` holds them row by row in both directions, layer by layer: from
// layer l to l + 1, (n_l, n_(l+1)), in units of layer l + 1, then back, (n_(l+1), n_l), in units of layer l.
//
// states: (n_chains, all units), layer after layer. Layers below first_layer are clamped. A thread has EACH units of a
// layer, BLOCK apart. Grid: (n_chains). Dynamic shared memory: 1 byte a unit, and 2 for each of the largest layer.
// Bytes: 4 (units that are on) (units of the neighbours) a step, from the second-level cache; the floor is that, or the
// chain of barriers, 4 a layer and step.
//
// Example: N_LAYERS=3 BLOCK=256 EACH=3
// Example: N_LAYERS=2 BLOCK=128 EACH=1

#include "common.cuh"
#include "fixed_point.cuh"

// The units of a layer that are on, ascending, into `on`; their number. All threads of the block take part.
__device__ __forceinline__ int list_active(const u8* state, int n_units, unsigned short* on, int* counts) {
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, total = 0;
    for (int start = 0; start < n_units; start += BLOCK) {
        int unit = start + threadIdx.x;
        u32 ballot = __ballot_sync(FULL_WARP, unit < n_units && state[unit]);
        if (lane == 0) counts[warp] = __popc(ballot);
        __syncthreads();  // and nobody reads the list of before any more
        int before = total;
        for (int w = 0; w < BLOCK / WARP; w++) {
            before += w < warp ? counts[w] : 0;
            total += counts[w];
        }
        if (ballot >> lane & 1) on[before + __popc(ballot & ((1u << lane) - 1))] = (unsigned short)unit;
        __syncthreads();
    }
    return total;
}

// Sums of the rows of a neighbour's active units, added to the sums of this thread's units.
__device__ __forceinline__ void add_rows(long long sum[EACH], const int* rows, const unsigned short* on, int n_on, int n_units) {
#pragma unroll 3  // several rows under way; the order of the sums stays
    for (int k = 0; k < n_on; k++) {
        const int* row = rows + (u64)on[k] * n_units;
#pragma unroll
        for (int e = 0; e < EACH; e++) {
            int unit = threadIdx.x + BLOCK * e;
            if (unit < n_units) sum[e] += row[unit];
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
    gibbs(u8* __restrict__ all_states, const int* __restrict__ weights, const float* __restrict__ units,
          const float* __restrict__ biases, const int* __restrict__ sizes, int n_all, int first_layer, u64 key, u32 first_step, int n_gibbs_steps, u32 chain_offset) {
    DYNAMIC_SHARED(u8, memory);
    __shared__ int counts[BLOCK / WARP];
    u8* states = memory;
    unsigned short* on = (unsigned short*)(memory + (n_all + 1) / 2 * 2);
    u8* mine = all_states + (u64)blockIdx.x * n_all;
    for (int unit = threadIdx.x; unit < n_all; unit += BLOCK) states[unit] = mine[unit];
    __syncthreads();
    for (int s = 0; s < n_gibbs_steps; s++)
        for (int parity = 1; parity >= 0; parity--) {
            int first = 0;  // of the layer, among all units
            u64 place = 0;  // of the weights below it
            for (int layer = 0; layer < N_LAYERS; layer++) {
                int n_units = sizes[layer], n_below = layer > 0 ? sizes[layer - 1] : 0;
                int n_above = layer + 1 < N_LAYERS ? sizes[layer + 1] : 0;
                u64 above = place + 2 * (u64)n_below * n_units;
                if (layer % 2 == parity && layer >= first_layer) {
                    long long sum[EACH] = {};
                    int n_on = list_active(states + first - n_below, n_below, on, counts);
                    add_rows(sum, weights + place, on, n_on, n_units);
                    n_on = list_active(states + first + n_units, n_above, on, counts);
                    add_rows(sum, weights + above + (u64)n_units * n_above, on, n_on, n_units);
#pragma unroll
                    for (int e = 0; e < EACH; e++) {
                        int unit = threadIdx.x + BLOCK * e;
                        if (unit >= n_units) continue;
                        Words words = philox(unit / 4, chain_offset + blockIdx.x, first_step + s, layer, key);
                        states[first + unit] = uniform(select(words, unit % 4)) < logistic(field_of(sum[e], units[first + unit], biases[first + unit]));
                    }
                    __syncthreads();
                }
                first += n_units;
                place = above;
            }
        }
    for (int unit = threadIdx.x; unit < n_all; unit += BLOCK) mine[unit] = states[unit];
}
