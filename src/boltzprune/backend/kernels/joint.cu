// Joint training of deep machines with two hidden layers: many updates of several machines in one launch, each update
// mean-field inference until every image has converged, Gibbs steps of the persistent chains, and a step up the gradient.
// What is computed is backend/joint.py; sums have another order, so that results agree as float32 computations do.
//
// n_blocks blocks share a machine. Block g has a slice of the columns of the upper weights in shared memory for the whole
// launch, and what goes with them: the units of h2, and slices of h1 and of the visible units for draws and updates. The
// lower weights, few where receptive fields are small, are listed unit by unit in global memory. Blocks of a machine meet
// at barriers, one a mean-field update: each writes what its columns contribute to the fields of h1, and each adds up all
// contributions in one order for itself. A case that has converged stays as it is; `change` says so one barrier later.
//
// Grid: (n_machines n_blocks), all at the same time (a cooperative launch), or with CLUSTER a cluster of n_blocks blocks per
// machine, whose barrier is the hardware's (compute capability 9.0 and up). Block: N_THREADS. BATCH: images an update, at most.
//
// An update of a 400-400-676 machine, 10 images, 100 chains, S mean-field updates: 5.4 million multiply-adds times S + 1;
// adds of the rows of active units, 27 million if all were; 2.7 million multiply-adds and 1 million popcounts for the
// gradient. Dependent steps: S + 2 n_gibbs_steps + 3 barriers. Bytes, from the second-level cache: 4 BATCH n_h1 n_blocks
// a block and mean-field update; 4 n_chains n_h1 a block and Gibbs step; 9 a weight for the steps and masks.

#include "common.cuh"
#include "meet.cuh"

#define PADDED (BATCH > 1 ? (BATCH + 3) / 4 * 4 : 1)

__device__ __forceinline__ u8 draw(float field, u32 unit, u32 chain, u32 step, u32 layer, u64 key) {
    Words words = philox(unit / 4, chain, step, layer, key);
    return uniform(select(words, unit % 4)) < logistic(field);
}

// Values that are not negative, or NaN, compare like the whole numbers of their bits; NaN is the largest.
__device__ __forceinline__ void note_change(int* change, float difference) {
    atomicMax(change, __float_as_int(fabsf(difference)));
}

// Probabilities of this block's units of h2 from those of h1; of open cases, or of all at the start.
__device__ __forceinline__ void climb_up(const float* w2, int stride, const float* mu1, float* mu2, float* scratch, const float* bias,
                                         int n1, int n_columns, int n_cases, const int* is_open, int* change) {
    int lanes = (n_columns + WARP - 1) / WARP * WARP, parts = max(1, N_THREADS / max(lanes, 1)), each = (n1 + parts - 1) / parts;
    int column = threadIdx.x % max(lanes, 1), part = threadIdx.x / max(lanes, 1);
    if (part < parts && column < n_columns) {
        float sum[PADDED] = {};
        int end = min(n1, (part + 1) * each);
        for (int i = part * each; i < end; i++) {
            float w = w2[i * stride + column];
#pragma unroll
            for (int b = 0; b < PADDED; b++) sum[b] = fmaf(mu1[i * PADDED + b], w, sum[b]);
        }
#pragma unroll
        for (int b = 0; b < PADDED; b++) scratch[(part * n_columns + column) * PADDED + b] = sum[b];
    }
    __syncthreads();
    for (int place = threadIdx.x; place < n_columns * n_cases; place += N_THREADS) {
        int j = place / n_cases, b = place % n_cases;
        if (is_open && !is_open[b]) continue;
        float field = 0.0f;
        for (int p = 0; p < parts; p++) field += scratch[(p * n_columns + j) * PADDED + b];
        float value = logistic(bias[j] + field);
        if (is_open) note_change(&change[b], value - mu2[j * PADDED + b]);
        mu2[j * PADDED + b] = value;
    }
    __syncthreads();
}

// What this block's columns contribute to the fields of h1, for every case.
__device__ __forceinline__ void contribute(const float* w2, int stride, const float* mu2, float* partial, int n1, int most1, int n_columns,
                                           int n_cases) {
    for (int i = threadIdx.x; i < n1; i += N_THREADS) {
        float sum[PADDED] = {};
        for (int j = 0; j < n_columns; j++) {
            float w = w2[i * stride + j];
#pragma unroll
            for (int b = 0; b < PADDED; b++) sum[b] = fmaf(mu2[j * PADDED + b], w, sum[b]);
        }
#pragma unroll
        for (int b = 0; b < PADDED; b++)
            if (b < n_cases) partial[b * most1 + i] = sum[b];
    }
}

// Sum of the lower weights of unit i of h1 over the visible units that are on.
__device__ __forceinline__ float from_below(const u8* visible, const float* w1, const int* visible_of, int begin, int end) {
    float sum = 0.0f;
    for (int k = begin; k < end; k++) sum += visible[visible_of[k]] ? w1[k] : 0.0f;
    return sum;
}

// States of units [first, last) of a layer as bits along the chains: words of unit u at u n_words.
__device__ __forceinline__ void bits_of_chains(const u8* states, int n_all, int first, int last, int n_chains, int n_words, u32* bits) {
    int n = last - first;
    for (int place = threadIdx.x; place < n * n_words; place += N_THREADS) {
        int unit = place % n, word = place / n, end = min(n_chains, 32 * word + 32);
        u32 found = 0;
        for (int c = 32 * word; c < end; c++) found |= (u32)states[(u64)c * n_all + first + unit] << (c % 32);
        bits[unit * n_words + word] = found;
    }
}

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

__device__ __forceinline__ bool step_bias(float* bias, float* step, float slope, float learning_rate, float decay) {
    *step = fmaf(decay, *step, learning_rate * slope);
    *bias += *step;
    return !isfinite(*bias);
}

extern "C" __global__ void ALL_AT_ONCE __launch_bounds__(N_THREADS, 1)
    joint(float* all_w1, float* all_s1, const int* __restrict__ all_visible_of, const int* __restrict__ all_column_start,
          const int* __restrict__ all_row_start, const int* __restrict__ all_row_entry, const int* __restrict__ all_row_unit,
          float* all_w2, float* all_s2, const u8* __restrict__ all_mask2, float* all_biases, float* all_bias_steps, u8* all_chains,
          const int* __restrict__ sizes, const u64* __restrict__ keys, const u8* __restrict__ cases, float* all_partial,
          int* all_change, float* all_chain_partial, u32* counters, int* done, u64* n_mean_field, int n0, int most1, int most2,
          int most, int n_chains, int n_blocks, int n_cases, u32 first_step, int n_gibbs_steps, int max_updates, float tolerance,
          float learning_rate, float decay, float max_norm) {
    DYNAMIC_SHARED(float, memory);
    __shared__ int is_open[PADDED], change[PADDED], any_open;
    int t = threadIdx.x, machine = blockIdx.x / n_blocks, g = blockIdx.x % n_blocks;
    int n1 = sizes[2 * machine], n2 = sizes[2 * machine + 1], n_all = n0 + most1 + most2, n_words = (n_chains + 31) / 32;
    int width = (n2 + n_blocks - 1) / n_blocks, stride = width | 1, each1 = (n1 + n_blocks - 1) / n_blocks;
    int each0 = (n0 + n_blocks - 1) / n_blocks;
    int first2 = min(n2, g * width), n_columns = min(n2, first2 + width) - first2;
    int first1 = min(n1, g * each1), last1 = min(n1, first1 + each1), first0 = min(n0, g * each0), last0 = min(n0, first0 + each0);

    float* w2 = memory;                       // [n1][stride]
    float* input = w2 + n1 * stride;          // [n1][PADDED], fields of h1 from below
    float* mu1 = input + n1 * PADDED;         // [n1][PADDED]
    float* mu2 = mu1 + n1 * PADDED;           // [width][PADDED]
    float* scratch = mu2 + width * PADDED;    // [parts][n_columns][PADDED], at most N_THREADS PADDED
    u32* bits = (u32*)(scratch + N_THREADS * PADDED);  // [n0 + n1 + width][n_words]
    u32* bits1 = bits + n0 * n_words;
    u32* bits2 = bits1 + n1 * n_words;

    float* w1 = all_w1 + (u64)machine * most;
    float* s1 = all_s1 + (u64)machine * most;
    const int* visible_of = all_visible_of + (u64)machine * most;
    const int* row_entry = all_row_entry + (u64)machine * most;
    const int* row_unit = all_row_unit + (u64)machine * most;
    const int* column_start = all_column_start + (u64)machine * (most1 + 1);
    const int* row_start = all_row_start + (u64)machine * (n0 + 1);
    u64 upper = (u64)machine * most1 * most2;
    float* bias0 = all_biases + (u64)machine * n_all;
    float* bias1 = bias0 + n0;
    float* bias2 = bias1 + most1 + first2;
    float* step0 = all_bias_steps + (u64)machine * n_all;
    float* step1 = step0 + n0;
    float* step2 = step1 + most1 + first2;
    u8* chains = all_chains + (u64)machine * n_chains * n_all;
    float* partial = all_partial + (u64)machine * 2 * n_blocks * BATCH * most1;
    int* changes = all_change + (u64)machine * 2 * n_blocks * PADDED;
    float* chain_partial = all_chain_partial + (u64)machine * n_blocks * n_chains * most1;
    u32* counter = counters + machine;
    u64 key = keys[machine], n_counted = 0;

    for (int place = t; place < n1 * n_columns; place += N_THREADS) {
        int i = place / n_columns, j = place % n_columns;
        w2[i * stride + j] = all_w2[upper + (u64)i * most2 + first2 + j];
    }
    for (int place = t; place < n1 * PADDED; place += N_THREADS) mu1[place] = 0.0f;
    for (int place = t; place < width * PADDED; place += N_THREADS) mu2[place] = 0.0f;
    __syncthreads();

    int turn = 0;
    for (int update = 0, start = 0; start < n_cases; update++, start += BATCH) {
        // Mean field
        int n = min(BATCH, n_cases - start);
        const u8* visible = cases + (u64)start * n0;
        for (int place = t; place < n1 * n; place += N_THREADS) {
            int i = place % n1, b = place / n1;
            float sum = from_below(visible + (u64)b * n0, w1, visible_of, column_start[i], column_start[i + 1]);
            input[i * PADDED + b] = sum;
            mu1[i * PADDED + b] = logistic(fmaf(2.0f, sum, bias1[i]));
        }
        if (t < PADDED) is_open[t] = t < n, change[t] = 0;
        __syncthreads();
        climb_up(w2, stride, mu1, mu2, scratch, bias2, n1, n_columns, n, nullptr, nullptr);
        for (int sweep = 0; sweep < max_updates; sweep++, turn ^= 1) {
            contribute(w2, stride, mu2, partial + (u64)(turn * n_blocks + g) * BATCH * most1, n1, most1, n_columns, n);
            if (t < PADDED) changes[(turn * n_blocks + g) * PADDED + t] = change[t];
            meet(counter, n_blocks);
            if (t == 0) any_open = 0;
            __syncthreads();
            if (t < n) {
                int largest = 0;
                for (int other = 0; other < n_blocks; other++) largest = max(largest, changes[(turn * n_blocks + other) * PADDED + t]);
                if (sweep > 0 && __int_as_float(largest) <= tolerance) is_open[t] = 0;
                if (is_open[t]) any_open = 1, n_counted++;
                change[t] = 0;
            }
            __syncthreads();
            if (!any_open) break;
            for (int place = t; place < n1 * n; place += N_THREADS) {
                int i = place % n1, b = place / n1;
                if (!is_open[b]) continue;
                float field = 0.0f;
                for (int other = 0; other < n_blocks; other++) field += partial[((u64)(turn * n_blocks + other) * BATCH + b) * most1 + i];
                float value = logistic(bias1[i] + input[i * PADDED + b] + field);
                note_change(&change[b], value - mu1[i * PADDED + b]);
                mu1[i * PADDED + b] = value;
            }
            __syncthreads();
            climb_up(w2, stride, mu1, mu2, scratch, bias2, n1, n_columns, n, is_open, change);
        }

        // Persistent chains
        u8* states1 = chains + n0;
        u8* states2 = states1 + most1;
        for (int s = 0; s < n_gibbs_steps; s++) {
            u32 step = first_step + (u32)update * n_gibbs_steps + s;
            for (int i = t; i < n1; i += N_THREADS)
                for (int c = 0; c < n_chains; c++) {
                    const u8* on = states2 + (u64)c * n_all + first2;
                    float sum = 0.0f;
                    for (int j = 0; j < n_columns; j++)
                        if (on[j]) sum += w2[i * stride + j];
                    chain_partial[((u64)g * n_chains + c) * most1 + i] = sum;
                }
            meet(counter, n_blocks);
            for (int place = t; place < n_chains * (last1 - first1); place += N_THREADS) {
                int c = place / (last1 - first1), i = first1 + place % (last1 - first1);
                float field = from_below(chains + (u64)c * n_all, w1, visible_of, column_start[i], column_start[i + 1]);
                for (int other = 0; other < n_blocks; other++) field += chain_partial[((u64)other * n_chains + c) * most1 + i];
                states1[(u64)c * n_all + i] = draw(field + bias1[i], i, c, step, 1, key);
            }
            meet(counter, n_blocks);
            bits_of_chains(states1, n_all, 0, n1, n_chains, n_words, bits1);
            __syncthreads();
            int lanes = (n_columns + WARP - 1) / WARP * WARP, groups = max(1, N_THREADS / max(lanes, 1));
            int j = t % max(lanes, 1), group = t / max(lanes, 1);
            if (group < groups && j < n_columns)
                for (int c = group; c < n_chains; c += groups) {
                    float field = 0.0f;
                    for (int i = 0; i < n1; i++)
                        if (bits1[i * n_words + c / 32] >> (c % 32) & 1) field += w2[i * stride + j];
                    states2[(u64)c * n_all + first2 + j] = draw(field + bias2[j], first2 + j, c, step, 2, key);
                }
            for (int place = t; place < n_chains * (last0 - first0); place += N_THREADS) {
                int c = place / (last0 - first0), i = first0 + place % (last0 - first0);
                float field = 0.0f;
                for (int k = row_start[i]; k < row_start[i + 1]; k++)
                    field += states1[(u64)c * n_all + row_unit[k]] ? w1[row_entry[k]] : 0.0f;
                chains[(u64)c * n_all + i] = draw(field + bias0[i], i, c, step, 0, key);
            }
            meet(counter, n_blocks);
        }

        // One step up the gradient
        bits_of_chains(chains, n_all, 0, n0, n_chains, n_words, bits);
        bits_of_chains(states2, n_all, first2, first2 + n_columns, n_chains, n_words, bits2);
        __syncthreads();
        float share = 1.0f / n, chain_share = 1.0f / n_chains;
        bool is_bad = false;
        for (int place = t; place < n1 * n_columns; place += N_THREADS) {
            int i = place / n_columns, j = place % n_columns;
            u64 from = upper + (u64)i * most2 + first2 + j;
            if (!all_mask2[from]) continue;
            float data = 0.0f;
            for (int b = 0; b < n; b++) data = fmaf(mu1[i * PADDED + b], mu2[j * PADDED + b], data);
            float slope = data * share - common_ones(bits1 + i * n_words, bits2 + j * n_words, n_words) * chain_share;
            float change_of = fmaf(decay, all_s2[from], learning_rate * slope);
            all_s2[from] = change_of;
            w2[i * stride + j] += change_of;
            is_bad = is_bad || !isfinite(w2[i * stride + j]);
        }
        __syncthreads();
        for (int j = t / WARP; j < n_columns; j += N_THREADS / WARP) {
            float squares = 0.0f;
            for (int i = t % WARP; i < n1; i += WARP) squares = fmaf(w2[i * stride + j], w2[i * stride + j], squares);
            for (int offset = WARP / 2; offset > 0; offset /= 2) squares += __shfl_xor_sync(FULL_WARP, squares, offset);
            float factor = limit(squares, max_norm);
            if (factor < 1.0f)
                for (int i = t % WARP; i < n1; i += WARP) w2[i * stride + j] *= factor;
            if (t % WARP == 0) {
                float data = 0.0f;
                for (int b = 0; b < n; b++) data += mu2[j * PADDED + b];
                float slope = data * share - common_ones(bits2 + j * n_words, bits2 + j * n_words, n_words) * chain_share;
                is_bad = step_bias(bias2 + j, step2 + j, slope, learning_rate, decay) || is_bad;
            }
        }
        for (int i = first1 + t; i < last1; i += N_THREADS) {
            float squares = 0.0f, data = 0.0f;
            for (int k = column_start[i]; k < column_start[i + 1]; k++) {
                int v = visible_of[k];
                float both = 0.0f;
                for (int b = 0; b < n; b++) both += visible[(u64)b * n0 + v] ? mu1[i * PADDED + b] : 0.0f;
                float slope = both * share - common_ones(bits + v * n_words, bits1 + i * n_words, n_words) * chain_share;
                s1[k] = fmaf(decay, s1[k], learning_rate * slope);
                w1[k] += s1[k];
                squares = fmaf(w1[k], w1[k], squares);
                is_bad = is_bad || !isfinite(w1[k]);
            }
            float factor = limit(squares, max_norm);
            if (factor < 1.0f)
                for (int k = column_start[i]; k < column_start[i + 1]; k++) w1[k] *= factor;
            for (int b = 0; b < n; b++) data += mu1[i * PADDED + b];
            float slope = data * share - common_ones(bits1 + i * n_words, bits1 + i * n_words, n_words) * chain_share;
            is_bad = step_bias(bias1 + i, step1 + i, slope, learning_rate, decay) || is_bad;
        }
        for (int i = first0 + t; i < last0; i += N_THREADS) {
            int ones = 0;
            for (int b = 0; b < n; b++) ones += visible[(u64)b * n0 + i];
            float slope = ones * share - common_ones(bits + i * n_words, bits + i * n_words, n_words) * chain_share;
            is_bad = step_bias(bias0 + i, step0 + i, slope, learning_rate, decay) || is_bad;
        }
        if (is_bad) atomicMin(&done[machine], update);
        meet(counter, n_blocks);
        if (*(volatile int*)&done[machine] <= update) break;
    }
    for (int place = t; place < n1 * n_columns; place += N_THREADS) {
        int i = place / n_columns, j = place % n_columns;
        all_w2[upper + (u64)i * most2 + first2 + j] = w2[i * stride + j];
    }
    if (g == 0 && n_counted) atomicAdd(&n_mean_field[machine], n_counted);
}
