// Joint training of deep machines with two hidden layers: many updates of several machines in one launch, each update
// mean-field inference until every image has converged, Gibbs steps of the persistent chains, and a step up the gradient.
// What is computed is core/joint.py; sums have another order, so that results agree as float32 computations do.
//
// Several blocks share a machine. Each has a slice of the columns of the upper weights in shared memory for the whole launch,
// and what goes with them: the units of h2, and slices of h1 and of the visible units for draws and updates. The lower
// weights, few where receptive fields are small, are listed unit by unit in global memory. Blocks of a machine meet at
// barriers: in a mean-field sweep each writes what its columns contribute to the fields of h1, and all add up the
// contributions of all in one order. An image that has converged stays as it is; `moved` says so one barrier later. Where few
// units of h2 are on, a block iterates an image alone (one_image.cuh).
//
// share.cuh says what a block has, mean_field.cuh and chains.cuh are the two halves of an update, here is what is learnt.
// What waits for the second-level cache, some 0.6 us, is asked for many at a time. What takes the time otherwise are
// instructions: a thread uses what it has read for several products, without branches between them, and what it needs of
// `Share` again and again it keeps in registers, since after every store to shared memory the compiler reads that anew.
//
// Grid: the blocks of one machine after those of another, all at the same time (a cooperative launch); first_block says
// where those of each machine begin, most_blocks is the largest number. Block: N_THREADS. BATCH: images an update, at most.
//
// An update of a 400-400-676 machine, 10 images, 100 chains, S mean-field sweeps: 5.4 million multiply-adds times S + 1; up
// to 54 million for the fields of chains; 2.7 million and 1 million popcounts for the gradient. Fewer multiply-adds where
// units of h2 no longer move. Meetings: S + 3 a Gibbs step + 4, and S more where there are several images; 3 a Gibbs step + 4
// where blocks iterate images alone. Bytes, from the second-level cache: 4 n_blocks n_h1 a block and mean-field update of
// one image, twice 4 BATCH n_h1 of several; 4 n_h1 a unit of h2 that moves and sweep of an image alone; up to 4 n_chains n_h1
// a block and Gibbs step; 4 a weight that is told, and 8 for its step where shared memory has no room for it. Where the
// time goes on a card: benchmarks/gpu_phases.py.
//
// Example: BATCH=1 N_THREADS=512
// Example: BATCH=10 N_THREADS=512
// Example: BATCH=16 N_THREADS=512
// Example: BATCH=3 N_THREADS=512

#include "common.cuh"
#include "fixed_point.cuh"
#include "meet.cuh"
#include "share.cuh"
#include "one_image.cuh"
#include "mean_field.cuh"
#include "chains.cuh"

struct Rates {
    float learning_rate, decay, max_norm;
};

__device__ __forceinline__ int common_ones(const u32* a, const u32* b, int n_words) {
    int total = 0;
    for (int w = 0; w < n_words; w++) total += __popc(a[w] & b[w]);
    return total;
}

// The factor that brings a column of this norm back to the largest one.
__device__ __forceinline__ float limit(float sum_of_squares, float max_norm) {
    float norm = sqrtf(sum_of_squares);
    return norm > max_norm ? max_norm / norm : 1.0f;
}

// step <- decay step + learning_rate slope; parameter <- parameter + step. Whether it is no longer a number.
__device__ __forceinline__ bool move(float* parameter, float* step, float before, float slope, const Rates& rates) {
    float now = fmaf(rates.decay, before, rates.learning_rate * slope), moved = *parameter + now;
    *step = now, *parameter = moved;
    return !isfinite(moved);
}

#define COLUMNS 2
#define LOADS 3

// The scale of a column, from the largest of the weights that each lane has seen.
__device__ __forceinline__ void keep_scale(Share& my, int j, float largest) {
    float2 scale = scale_of(largest_of_warp(largest));
    if (threadIdx.x % WARP == 0) my.scale2[2 * j] = scale.x, my.scale2[2 * j + 1] = scale.y;
}

// A column of the upper weights, for the blocks that iterate an image alone: a warp tells the others.
__device__ __forceinline__ void tell_column(Share& my, int j) {
    int n1 = my.n1, stride = my.stride;
    if (n1 > UNITS_ALONE) return;
    const float* column = my.w2 + j;
    float* to = in_global(my.all_columns) + (my.first2 + j) * my.row1;
#pragma unroll 4
    for (int i = threadIdx.x % WARP; i < n1; i += WARP) to[i] = column[i * stride];
}

// Upper weights of up to COLUMNS columns, `apart` from each other, from j on: those to units of layer 1 from `part` on, `parts`
// apart, LOADS of them at a time. A thread reads what it needs of layer 1 once for all of them. MORE: whether there are more
// words of chains than WORDS.
template <bool MORE>
__device__ __forceinline__ bool move_above(Share& my, int n, const Rates& rates, int j, int apart, int n_together, int part, int parts) {
    // copies, since a store to shared memory could change what `my` holds, for all that the compiler knows
    int n1 = my.n1, n_words = my.n_words, stride = my.stride, step_stride = my.step_stride, n_exist = (my.n_columns + WARP - 1) / WARP;
    float *w2 = my.w2, *steps = my.steps2 + j, share = 1.0f / n, chain_share = 1.0f / my.n_chains;
    const float* means = my.mu1;
    const u32 *bits1 = my.bits1, *bits2 = my.bits2, *exists = my.exists;
    float mu2[COLUMNS][BATCH];
    u32 on[COLUMNS][WORDS];
    int other = j + apart < my.n_columns && n_together == COLUMNS ? apart : 0;
    bool is_bad = false, has_other = other > 0;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
#pragma unroll
        for (int b = 0; b < BATCH; b++) mu2[c][b] = my.mu2[(j + c * other) * PADDED + b];
#pragma unroll
        for (int w = 0; w < WORDS; w++) on[c][w] = w < n_words ? bits2[(j + c * other) * n_words + w] : 0;
    }
    for (int start = part; start < n1; start += LOADS * parts) {
        float before[LOADS][COLUMNS], slope[LOADS][COLUMNS];
#pragma unroll
        for (int k = 0; k < LOADS; k++) {  // asked for now, needed once the slopes are there
            int i = min(start + k * parts, n1 - 1);
            before[k][0] = steps[i * step_stride], before[k][1] = steps[i * step_stride + other];
        }
#pragma unroll
        for (int k = 0; k < LOADS; k++) {
            int i = min(start + k * parts, n1 - 1), model[COLUMNS] = {};
            float data[COLUMNS] = {};
#pragma unroll
            for (int b = 0; b < PADDED; b += WIDE) {
                float mu1[WIDE];
                read_shared(mu1, means + i * PADDED + b);
#pragma unroll
                for (int e = 0; e < WIDE; e++)
#pragma unroll
                    for (int c = 0; c < COLUMNS && b + e < BATCH; c++) data[c] = fmaf(mu1[e], mu2[c][b + e], data[c]);
            }
#pragma unroll
            for (int w = 0; w < WORDS; w++) {
                u32 word = w < n_words ? bits1[i * n_words + w] : 0;
#pragma unroll
                for (int c = 0; c < COLUMNS; c++) model[c] += __popc(word & on[c][w]);
            }
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                if (MORE) model[c] += common_ones(bits1 + i * n_words + WORDS, bits2 + (j + c * other) * n_words + WORDS, n_words - WORDS);
                slope[k][c] = data[c] * share - model[c] * chain_share;
            }
        }
#pragma unroll
        for (int k = 0; k < LOADS; k++) {
            int i = start + k * parts;
            if (i >= n1) break;
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                int column = j + c * other;
                if ((c && !has_other) || !(exists[i * n_exist + column / WARP] >> (column % WARP) & 1)) continue;
                is_bad = move(w2 + i * stride + column, steps + i * step_stride + c * other, before[k][c], slope[k][c], rates) || is_bad;
            }
        }
    }
    return is_bad;
}

// The upper weights and the biases of layer 2, of this block's columns: a thread one column or, where there are more than
// lanes of a warp, two.
__device__ __forceinline__ bool learn_above(Share& my, int n, const Rates& rates) {
    float share = 1.0f / n, chain_share = 1.0f / my.n_chains;
    int n_together = my.n_columns > WARP ? COLUMNS : 1, apart = (my.n_columns + n_together - 1) / n_together;
    int lanes = lanes_of(apart), parts = N_THREADS / lanes, j = threadIdx.x % lanes, part = threadIdx.x / lanes;
    int lane = threadIdx.x % WARP, n_words = my.n_words;
    bool is_bad = false;
    if (part < parts && j < apart)
        is_bad = n_words > WORDS ? move_above<true>(my, n, rates, j, apart, n_together, part, parts)
                                 : move_above<false>(my, n, rates, j, apart, n_together, part, parts);
    __syncthreads();
    int n1 = my.n1, stride = my.stride;
    for (int j = threadIdx.x / WARP; j < my.n_columns; j += WARPS) {
        float squares = 0.0f, largest = 0.0f, *column = my.w2 + j;
#pragma unroll 4
        for (int i = lane; i < n1; i += WARP) {
            float w = column[i * stride];
            squares = fmaf(w, w, squares), largest = fmaxf(largest, fabsf(w));
        }
        float factor = limit(sum_of_warp(squares), rates.max_norm);
        if (factor < 1.0f)
            for (int i = lane; i < n1; i += WARP) column[i * stride] *= factor;
        tell_column(my, j);
        keep_scale(my, j, largest * fminf(factor, 1.0f));
    }
    for (int j = threadIdx.x; j < my.n_columns; j += N_THREADS) {
        float data = 0.0f;
        for (int b = 0; b < n; b++) data += my.mu2[j * PADDED + b];
        float slope = data * share - common_ones(my.bits2 + j * n_words, my.bits2 + j * n_words, n_words) * chain_share;
        is_bad = move(my.bias2 + j, my.step2 + j, my.step2[j], slope, rates) || is_bad;
        my.all_bias2[my.first2 + j] = my.bias2[j];
    }
    return is_bad;
}

// The lower weights and the biases of layers 0 and 1, of this block's units: a warp a unit of layer 1, a lane a weight.
__device__ __forceinline__ bool learn_below(Share& my, int n, const Rates& rates) {
    float share = 1.0f / n, chain_share = 1.0f / my.n_chains;
    int lane = threadIdx.x % WARP, n_words = my.n_words;
    bool is_bad = false;
    for (int i = my.first1 + threadIdx.x / WARP; i < my.last1; i += WARPS) {
        const u32* on = my.bits1 + i * n_words;
        float squares = 0.0f;
        int begin = my.column_start[i - my.first1], end = my.column_start[i - my.first1 + 1];
        for (int k = begin + lane; k < end; k += WARP) {
            int v = my.visible_of[k];
            float both = 0.0f;
#pragma unroll
            for (int b = 0; b < PADDED; b++) both += my.seen[v] >> b & 1 ? my.mu1[i * PADDED + b] : 0.0f;
            float slope = both * share - common_ones(my.bits0 + v * n_words, on, n_words) * chain_share;
            is_bad = move(my.w1 + k, my.s1 + k, my.s1[k], slope, rates) || is_bad;
            squares = fmaf(my.w1[k], my.w1[k], squares);
        }
        float factor = limit(sum_of_warp(squares), rates.max_norm);
        if (factor < 1.0f)
            for (int k = begin + lane; k < end; k += WARP) my.w1[k] *= factor;
    }
    for (int i = my.first1 + threadIdx.x; i < my.last1; i += N_THREADS) {
        const u32* on = my.bits1 + i * n_words;
        float data = 0.0f;
        for (int b = 0; b < n; b++) data += my.mu1[i * PADDED + b];
        float slope = data * share - common_ones(on, on, n_words) * chain_share;
        int u = i - my.first1;
        is_bad = move(my.bias1 + u, my.step1 + u, my.step1[u], slope, rates) || is_bad;
        my.all_bias1[i] = my.bias1[u];
    }
    for (int v = my.first0 + threadIdx.x; v < my.last0; v += N_THREADS) {
        const u32* on = my.bits0 + v * n_words;
        float slope = __popc(my.seen[v]) * share - common_ones(on, on, n_words) * chain_share;
        int u = v - my.first0;
        is_bad = move(my.bias0 + u, my.step0 + u, my.step0[u], slope, rates) || is_bad;
    }
    return is_bad;
}

// Units of a layer that a block has, a multiple of QUAD.
__device__ __forceinline__ int share_of(int n, int n_blocks) {
    return ((n + n_blocks - 1) / n_blocks + QUAD - 1) / QUAD * QUAD;
}

// Numbers of this block's own units, between the card's memory and shared memory.
template <class T>
__device__ __forceinline__ void copy(T* target, const T* source, int n) {
#pragma unroll 1
    for (int k = threadIdx.x; k < n; k += N_THREADS) target[k] = source[k];
}

// States of n units as bits along the chains, words of a unit side by side; and back, as bytes, n_all apart.
__device__ __forceinline__ void bits_of_chains(Share& my, const u8* states, int n, u32* bits) {
    for (int place = threadIdx.x; place < n * my.n_words; place += N_THREADS) {
        int unit = place % n, word = place / n, end = min(my.n_chains, 32 * word + 32);
        u32 found = 0;
        for (int c = 32 * word; c < end; c++) found |= (u32)states[(u64)c * my.n_all + unit] << (c % 32);
        bits[unit * my.n_words + word] = found;
    }
}

__device__ __forceinline__ void chains_of_bits(Share& my, const u32* bits, int n, u8* states) {
#pragma unroll 1
    for (int place = threadIdx.x; place < n * my.n_chains; place += N_THREADS) {
        int unit = place % n, c = place / n;
        states[(u64)c * my.n_all + unit] = bits[unit * my.n_words + c / 32] >> (c % 32) & 1;
    }
}

extern "C" __global__ void __launch_bounds__(N_THREADS, 1)
    joint(float* w1, float* s1, const int* __restrict__ visible_of, const int* __restrict__ column_start,
          const int* __restrict__ row_start, const int* __restrict__ row_entry, const int* __restrict__ row_unit, float* w2,
          float* s2, const u8* __restrict__ mask2, float* biases, float* bias_steps, u8* chains, const int* __restrict__ sizes,
          const u64* __restrict__ keys, const u8* __restrict__ cases, float* inputs, float* means, float* means2,
          float* all_columns, int* told_sweeps, float* partial, float* chain_partial,
          u32* told_bits, u32* told_busy, u32* told_moved, u32* counters, int* done, u64* n_mean_field,
          const int* __restrict__ first_block, int n0, int most1, int most2, int most, int n_chains, int most_blocks, int n_cases, u32 first_step, int n_gibbs_steps, int max_sweeps,
          int most_alone, int n_shared, float tolerance, float quiet, float learning_rate, float decay, float max_norm) {
    __shared__ Share my;
    int t = threadIdx.x, machine = 0;
    while (first_block[machine + 1] <= (int)blockIdx.x) machine++;
    int g = blockIdx.x - first_block[machine], n_blocks = first_block[machine + 1] - first_block[machine];
    int n1 = sizes[2 * machine], n2 = sizes[2 * machine + 1];
    int width = share_of(n2, n_blocks), each1 = share_of(n1, n_blocks), each0 = share_of(n0, n_blocks);
    u64 lower = (u64)machine * most, upper = (u64)machine * most1 * most2 + min(n2, g * width);
    u64 units = (u64)machine * (n0 + most1 + most2);
    u8* states = chains + units * n_chains;
    if (t == 0) {
        my.n_blocks = n_blocks, my.g = g, my.n0 = n0, my.n1 = n1, my.n2 = n2, my.most1 = most1, my.most2 = most2, my.n_chains = n_chains;
        my.row1 = share_of(most1, 1);
        my.first0 = min(n0, g * each0), my.last0 = min(n0, my.first0 + each0);
        my.first1 = min(n1, g * each1), my.last1 = min(n1, my.first1 + each1);
        my.first2 = min(n2, g * width), my.n_columns = min(n2, my.first2 + width) - my.first2;
        my.stride = width | 1, my.n_all = n0 + most1 + most2, my.n_words = (n_chains + 31) / 32, my.key = keys[machine];
        my.moved = 0;

        int of_chains = WORDS * WARP * ((n1 + WARP - 1) / WARP | 1) + max(WARP, min(TILE, (width + 7) / 8 * 8)) * (WORDS * WARP + 1);
        int n_scratch = max(max(BATCH > 1 ? WARPS * width * PADDED : N_THREADS, (of_chains + 3) / 4 * 4), (WARPS * (max(n1, width) + 4) + 7) / 8 * 4);
        n_scratch = (max(n_scratch, room_alone(n1, n2)) + 3) / 4 * 4;
        // gpu/joint.py, `plan`, has the sum of these sizes: it chooses how many blocks there are before this runs.
        my.mu1.at = 0;  // what is read 16 bytes at a time comes first
        my.mu2.at = my.mu1.at + (n1 * PADDED + 3) / 4 * 4;
        my.scratch.at = my.mu2.at + width * PADDED;
        my.field1.at = my.scratch.at + n_scratch;
        my.change2.at = my.field1.at + n1 * PADDED;
        my.is_marked.at = my.change2.at + width * PADDED;
        my.listed.at = my.is_marked.at + width;
        my.w2.at = my.listed.at + width + COLUMNS_AHEAD;
        my.bits0.at = my.w2.at + n1 * my.stride;
        my.bits1.at = my.bits0.at + n0 * my.n_words;
        my.bits2.at = my.bits1.at + n1 * my.n_words;
        my.seen.at = my.bits2.at + width * my.n_words;
        my.exists.at = my.seen.at + n0;
        my.busy.at = my.exists.at + n1 * ((width + WARP - 1) / WARP);
        my.busy_here.at = my.busy.at + n_blocks * WORDS;
        my.bias0.at = my.busy_here.at + my.n_words;
        my.step0.at = my.bias0.at + each0;
        my.bias1.at = my.step0.at + each0;
        my.step1.at = my.bias1.at + each1;
        my.bias2.at = my.step1.at + each1;
        my.step2.at = my.bias2.at + width;
        my.scale2.at = my.step2.at + width;
        my.column_start.at = my.scale2.at + 2 * width;
        my.row_start.at = my.column_start.at + each1 + 1;
        int end = my.row_start.at + each0 + 1;
        bool has_room = end + n1 * my.stride <= n_shared;  // for the steps of the upper weights, too
        my.steps2 = has_room ? memory + end : s2 + upper, my.step_stride = has_room ? my.stride : most2;

        my.w1 = w1 + lower, my.s1 = s1 + lower;
        my.visible_of = visible_of + lower, my.row_entry = row_entry + lower, my.row_unit = row_unit + lower;
        my.all_bias1 = biases + units + n0, my.all_bias2 = my.all_bias1 + most1;
        my.means2 = means2 + (u64)machine * PADDED * most2, my.told_sweeps = told_sweeps + machine * PADDED;
        my.all_columns = all_columns + (u64)machine * most2 * my.row1;
        my.inputs = inputs + (u64)machine * most1 * PADDED, my.means = means + (u64)machine * most1 * PADDED;
        my.partial = partial + (u64)machine * 2 * most_blocks * most1 * PADDED;
        my.chain_partial = chain_partial + (u64)machine * most_blocks * n_chains * my.row1;
        my.told0 = told_bits + (u64)machine * (n0 + most1) * my.n_words, my.told1 = my.told0 + n0 * my.n_words;
        my.told_busy = told_busy + machine * most_blocks * my.n_words, my.told_moved = told_moved + machine * 2 * most_blocks;
        my.counter = counters + machine, my.wanted = 0;
        my.upper = upper, my.at0 = units + my.first0, my.at1 = units + n0 + my.first1, my.at2 = units + n0 + most1 + my.first2;
        my.states0 = states + my.first0, my.states1 = states + n0 + my.first1, my.states2 = states + n0 + most1 + my.first2;
    }
    __syncthreads();

    for (int place = t; place < n1 * my.n_columns; place += N_THREADS) {
        int i = place / my.n_columns, j = place % my.n_columns;
        my.w2[i * my.stride + j] = w2[upper + (u64)i * most2 + j];
        my.steps2[i * my.step_stride + j] = s2[upper + (u64)i * most2 + j];
    }
    int n_exist = (my.n_columns + WARP - 1) / WARP;
    for (int place = t; place < n1 * n_exist; place += N_THREADS) {
        int i = place / n_exist, first = place % n_exist * WARP;
        u32 exists = 0;
        for (int j = first; j < min(my.n_columns, first + WARP); j++)
            exists |= (u32)(mask2[upper + (u64)i * most2 + j] != 0) << (j - first);
        my.exists[place] = exists;
    }
    __syncthreads();
    copy<float>(my.bias0, biases + my.at0, my.last0 - my.first0), copy<float>(my.step0, bias_steps + my.at0, my.last0 - my.first0);
    copy<float>(my.bias1, biases + my.at1, my.last1 - my.first1), copy<float>(my.step1, bias_steps + my.at1, my.last1 - my.first1);
    copy<float>(my.bias2, biases + my.at2, my.n_columns), copy<float>(my.step2, bias_steps + my.at2, my.n_columns);
    for (int j = t; j < my.n_columns; j += N_THREADS) my.is_marked[j] = 0;
    copy<int>(my.column_start, column_start + (u64)machine * (most1 + 1) + my.first1, my.last1 - my.first1 + 1);
    copy<int>(my.row_start, row_start + (u64)machine * (n0 + 1) + my.first0, my.last0 - my.first0 + 1);
    for (int j = t / WARP; j < my.n_columns; j += WARPS) {
        float largest = 0.0f;
        for (int i = t % WARP; i < n1; i += WARP) largest = fmaxf(largest, fabsf(my.w2[i * my.stride + j]));
        keep_scale(my, j, largest);
        tell_column(my, j);
    }
    bits_of_chains(my, states, n0, my.bits0);
    bits_of_chains(my, states + n0, n1, my.bits1);
    bits_of_chains(my, my.states2, my.n_columns, my.bits2);
    __syncthreads();

    Rates rates = {learning_rate, decay, max_norm};
    u64 n_counted = 0;
    int turn = 0;
    for (int update = 0, start = 0; start < n_cases; update++, start += BATCH) {
        int n = min(BATCH, n_cases - start);
        look(my, cases + (u64)start * n0, n);
        tell_inputs(my);
        meet_others(my);
        if (*(volatile int*)&done[machine] < update) break;  // after the update before, something was not finite
        n_counted += infer(my, n, tolerance, quiet, max_sweeps, most_alone, turn);
        for (int s = 0; s < n_gibbs_steps; s++) gibbs_step(my, first_step + (u32)update * n_gibbs_steps + s);
        bool is_bad = learn_above(my, n, rates);
        is_bad = learn_below(my, n, rates) || is_bad;
        if (is_bad) atomicMin(&done[machine], update);
        __syncthreads();
    }
    for (int place = t; place < n1 * my.n_columns; place += N_THREADS) {
        int i = place / my.n_columns, j = place % my.n_columns;
        w2[my.upper + (u64)i * most2 + j] = my.w2[i * my.stride + j];
        s2[my.upper + (u64)i * most2 + j] = my.steps2[i * my.step_stride + j];
    }
    copy<float>(biases + my.at0, my.bias0, my.last0 - my.first0), copy<float>(bias_steps + my.at0, my.step0, my.last0 - my.first0);
    copy<float>(biases + my.at1, my.bias1, my.last1 - my.first1), copy<float>(bias_steps + my.at1, my.step1, my.last1 - my.first1);
    copy<float>(biases + my.at2, my.bias2, my.n_columns), copy<float>(bias_steps + my.at2, my.step2, my.n_columns);
    chains_of_bits(my, my.bits0 + my.first0 * my.n_words, my.last0 - my.first0, my.states0);
    chains_of_bits(my, my.bits1 + my.first1 * my.n_words, my.last1 - my.first1, my.states1);
    chains_of_bits(my, my.bits2, my.n_columns, my.states2);
    if (t == 0 && n_counted) atomicAdd(&n_mean_field[machine], n_counted);
}
