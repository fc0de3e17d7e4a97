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

// What one block has of its machine. Layers: 0 visible, 1 and 2 hidden; columns: its units of layer 2.
struct Share {
    int n_blocks, g, n0, n1, n_columns, stride;
    int first0, last0, first1, last1, first2;  // its units of each layer
    int n_all, most1, most2, n_chains, n_words;
    u64 key;
    // in shared memory
    float* w2;       // [n1][stride]
    float* input;    // [n1][PADDED], fields of layer 1 from below
    float* mu1;      // [n1][PADDED]
    float* mu2;      // [columns][PADDED]
    float* scratch;  // [parts][columns][PADDED]
    u32* bits0;      // [n0][n_words], chains whose unit is on
    u32* bits1;      // [n1][n_words]
    u32* bits2;      // [columns][n_words]
    // in global memory
    float *w1, *s1, *s2;  // lower weights and steps, listed by unit of layer 1; upper steps
    const u8* mask2;
    const int *visible_of, *column_start, *row_start, *row_entry, *row_unit;
    float *bias0, *bias1, *bias2, *step0, *step1, *step2;
    u8 *states0, *states1, *states2;  // of the chains, n_all apart
    float *partial, *chain_partial;   // what each block contributes to fields of layer 1
    int* changes;
    u32* counter;
};

struct Rates {
    float learning_rate, decay, max_norm;
};

__device__ __forceinline__ u8 draw(float field, u32 unit, u32 chain, u32 step, u32 layer, u64 key) {
    Words words = philox(unit / 4, chain, step, layer, key);
    return uniform(select(words, unit % 4)) < logistic(field);
}

// Values that are not negative, or NaN, compare like the whole numbers of their bits; NaN is the largest.
__device__ __forceinline__ void note_change(int* change, float difference) {
    atomicMax(change, __float_as_int(fabsf(difference)));
}

// Probabilities of this block's units of layer 2 from those of layer 1; of open cases, or of all at the start.
__device__ __forceinline__ void climb_up(const Share& my, int n_cases, const int* is_open, int* change) {
    int lanes = max(WARP, (my.n_columns + WARP - 1) / WARP * WARP), parts = N_THREADS / lanes;
    int each = (my.n1 + parts - 1) / parts, column = threadIdx.x % lanes, part = threadIdx.x / lanes;
    if (part < parts && column < my.n_columns) {
        float sum[PADDED] = {};
        int end = min(my.n1, (part + 1) * each);
        for (int i = part * each; i < end; i++) {
            float w = my.w2[i * my.stride + column];
#pragma unroll
            for (int b = 0; b < PADDED; b++) sum[b] = fmaf(my.mu1[i * PADDED + b], w, sum[b]);
        }
#pragma unroll
        for (int b = 0; b < PADDED; b++) my.scratch[(part * my.n_columns + column) * PADDED + b] = sum[b];
    }
    __syncthreads();
    for (int place = threadIdx.x; place < my.n_columns * n_cases; place += N_THREADS) {
        int j = place / n_cases, b = place % n_cases;
        if (is_open && !is_open[b]) continue;
        float field = 0.0f;
        for (int p = 0; p < parts; p++) field += my.scratch[(p * my.n_columns + j) * PADDED + b];
        float value = logistic(my.bias2[j] + field);
        if (is_open) note_change(&change[b], value - my.mu2[j * PADDED + b]);
        my.mu2[j * PADDED + b] = value;
    }
    __syncthreads();
}

// What this block's columns contribute to the fields of layer 1, for every case.
__device__ __forceinline__ void contribute(const Share& my, float* partial, int n_cases) {
    for (int i = threadIdx.x; i < my.n1; i += N_THREADS) {
        float sum[PADDED] = {};
        for (int j = 0; j < my.n_columns; j++) {
            float w = my.w2[i * my.stride + j];
#pragma unroll
            for (int b = 0; b < PADDED; b++) sum[b] = fmaf(my.mu2[j * PADDED + b], w, sum[b]);
        }
#pragma unroll
        for (int b = 0; b < PADDED; b++)
            if (b < n_cases) partial[b * my.most1 + i] = sum[b];
    }
}

// Field of unit i of layer 1 from the visible units that are on.
__device__ __forceinline__ float from_below(const Share& my, const u8* visible, int i) {
    float sum = 0.0f;
    int end = my.column_start[i + 1];
    for (int k = my.column_start[i]; k < end; k++) sum += visible[my.visible_of[k]] ? my.w1[k] : 0.0f;
    return sum;
}

// Mean field of a batch: `mu1`, `mu2` of every case, iterated until it has converged; how often, for this thread's case.
__device__ __forceinline__ int infer(const Share& my, const u8* visible, int n, float tolerance, int max_updates, int& turn) {
    __shared__ int is_open[PADDED], change[PADDED], any_open;
    int t = threadIdx.x, n_updates = 0;
    for (int place = t; place < my.n1 * n; place += N_THREADS) {
        int i = place % my.n1, b = place / my.n1;
        float sum = from_below(my, visible + (u64)b * my.n0, i);
        my.input[i * PADDED + b] = sum;
        my.mu1[i * PADDED + b] = logistic(fmaf(2.0f, sum, my.bias1[i]));
    }
    if (t < PADDED) is_open[t] = t < n, change[t] = 0;
    __syncthreads();
    climb_up(my, n, nullptr, nullptr);
    for (int sweep = 0; sweep < max_updates; sweep++, turn ^= 1) {
        float* partial = my.partial + (u64)turn * my.n_blocks * BATCH * my.most1;
        int* changes = my.changes + turn * my.n_blocks * PADDED;
        contribute(my, partial + (u64)my.g * BATCH * my.most1, n);
        if (t < PADDED) changes[my.g * PADDED + t] = change[t];
        meet(my.counter, my.n_blocks);
        if (t == 0) any_open = 0;
        __syncthreads();
        if (t < n) {
            int largest = 0;
            for (int other = 0; other < my.n_blocks; other++) largest = max(largest, changes[other * PADDED + t]);
            if (sweep > 0 && __int_as_float(largest) <= tolerance) is_open[t] = 0;
            if (is_open[t]) any_open = 1, n_updates++;
            change[t] = 0;
        }
        __syncthreads();
        if (!any_open) break;
        for (int place = t; place < my.n1 * n; place += N_THREADS) {
            int i = place % my.n1, b = place / my.n1;
            if (!is_open[b]) continue;
            float field = 0.0f;
            for (int other = 0; other < my.n_blocks; other++) field += partial[((u64)other * BATCH + b) * my.most1 + i];
            float value = logistic(my.bias1[i] + my.input[i * PADDED + b] + field);
            note_change(&change[b], value - my.mu1[i * PADDED + b]);
            my.mu1[i * PADDED + b] = value;
        }
        __syncthreads();
        climb_up(my, n, is_open, change);
    }
    return n_updates;
}

// States of units [first, last) of a layer as bits along the chains: words of unit u at u n_words.
__device__ __forceinline__ void bits_of_chains(const Share& my, const u8* states, int first, int last, u32* bits) {
    int n = last - first;
    for (int place = threadIdx.x; place < n * my.n_words; place += N_THREADS) {
        int unit = place % n, word = place / n, end = min(my.n_chains, 32 * word + 32);
        u32 found = 0;
        for (int c = 32 * word; c < end; c++) found |= (u32)states[(u64)c * my.n_all + first + unit] << (c % 32);
        bits[unit * my.n_words + word] = found;
    }
}

// One Gibbs step of all chains: layer 1 given the others, then they given layer 1.
__device__ __forceinline__ void gibbs_step(const Share& my, u32 step) {
    int t = threadIdx.x;
    for (int i = t; i < my.n1; i += N_THREADS)
        for (int c = 0; c < my.n_chains; c++) {
            const u8* on = my.states2 + (u64)c * my.n_all + my.first2;
            float sum = 0.0f;
            for (int j = 0; j < my.n_columns; j++)
                if (on[j]) sum += my.w2[i * my.stride + j];
            my.chain_partial[((u64)my.g * my.n_chains + c) * my.most1 + i] = sum;
        }
    meet(my.counter, my.n_blocks);
    int n_mine = my.last1 - my.first1;
    for (int place = t; place < my.n_chains * n_mine; place += N_THREADS) {
        int c = place / n_mine, i = my.first1 + place % n_mine;
        float field = from_below(my, my.states0 + (u64)c * my.n_all, i);
        for (int other = 0; other < my.n_blocks; other++)
            field += my.chain_partial[((u64)other * my.n_chains + c) * my.most1 + i];
        my.states1[(u64)c * my.n_all + i] = draw(field + my.bias1[i], i, c, step, 1, my.key);
    }
    meet(my.counter, my.n_blocks);
    bits_of_chains(my, my.states1, 0, my.n1, my.bits1);
    __syncthreads();
    int lanes = max(WARP, (my.n_columns + WARP - 1) / WARP * WARP), groups = N_THREADS / lanes;
    int j = t % lanes, group = t / lanes;
    if (group < groups && j < my.n_columns)
        for (int c = group; c < my.n_chains; c += groups) {
            float field = 0.0f;
            for (int i = 0; i < my.n1; i++)
                if (my.bits1[i * my.n_words + c / 32] >> (c % 32) & 1) field += my.w2[i * my.stride + j];
            u32 unit = my.first2 + j;
            my.states2[(u64)c * my.n_all + unit] = draw(field + my.bias2[j], unit, c, step, 2, my.key);
        }
    n_mine = my.last0 - my.first0;
    for (int place = t; place < my.n_chains * n_mine; place += N_THREADS) {
        int c = place / n_mine, i = my.first0 + place % n_mine, end = my.row_start[i + 1];
        float field = 0.0f;
        for (int k = my.row_start[i]; k < end; k++)
            field += my.states1[(u64)c * my.n_all + my.row_unit[k]] ? my.w1[my.row_entry[k]] : 0.0f;
        my.states0[(u64)c * my.n_all + i] = draw(field + my.bias0[i], i, c, step, 0, my.key);
    }
    meet(my.counter, my.n_blocks);
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

// step <- decay step + learning_rate slope; parameter <- parameter + step. Whether it is no longer a number.
__device__ __forceinline__ bool move(float* parameter, float* step, float slope, const Rates& rates) {
    *step = fmaf(rates.decay, *step, rates.learning_rate * slope);
    *parameter += *step;
    return !isfinite(*parameter);
}

// The upper weights and the biases of layer 2, of this block's columns.
__device__ __forceinline__ bool learn_above(const Share& my, int n, const Rates& rates) {
    float share = 1.0f / n, chain_share = 1.0f / my.n_chains;
    int t = threadIdx.x, n_words = my.n_words;
    bool is_bad = false;
    for (int place = t; place < my.n1 * my.n_columns; place += N_THREADS) {
        int i = place / my.n_columns, j = place % my.n_columns;
        u64 from = (u64)i * my.most2 + j;
        if (!my.mask2[from]) continue;
        float data = 0.0f;
        for (int b = 0; b < n; b++) data = fmaf(my.mu1[i * PADDED + b], my.mu2[j * PADDED + b], data);
        float slope = data * share - common_ones(my.bits1 + i * n_words, my.bits2 + j * n_words, n_words) * chain_share;
        is_bad = move(&my.w2[i * my.stride + j], &my.s2[from], slope, rates) || is_bad;
    }
    __syncthreads();
    for (int j = t / WARP; j < my.n_columns; j += N_THREADS / WARP) {
        float squares = 0.0f;
        for (int i = t % WARP; i < my.n1; i += WARP) squares = fmaf(my.w2[i * my.stride + j], my.w2[i * my.stride + j], squares);
        for (int offset = WARP / 2; offset > 0; offset /= 2) squares += __shfl_xor_sync(FULL_WARP, squares, offset);
        float factor = limit(squares, rates.max_norm);
        if (factor < 1.0f)
            for (int i = t % WARP; i < my.n1; i += WARP) my.w2[i * my.stride + j] *= factor;
        if (t % WARP == 0) {
            float data = 0.0f;
            for (int b = 0; b < n; b++) data += my.mu2[j * PADDED + b];
            float slope = data * share - common_ones(my.bits2 + j * n_words, my.bits2 + j * n_words, n_words) * chain_share;
            is_bad = move(my.bias2 + j, my.step2 + j, slope, rates) || is_bad;
        }
    }
    return is_bad;
}

// The lower weights and the biases of layers 0 and 1, of this block's units.
__device__ __forceinline__ bool learn_below(const Share& my, const u8* visible, int n, const Rates& rates) {
    float share = 1.0f / n, chain_share = 1.0f / my.n_chains;
    int n_words = my.n_words;
    bool is_bad = false;
    for (int i = my.first1 + threadIdx.x; i < my.last1; i += N_THREADS) {
        const u32* on = my.bits1 + i * n_words;
        float squares = 0.0f, data = 0.0f;
        int begin = my.column_start[i], end = my.column_start[i + 1];
        for (int k = begin; k < end; k++) {
            int v = my.visible_of[k];
            float both = 0.0f;
            for (int b = 0; b < n; b++) both += visible[(u64)b * my.n0 + v] ? my.mu1[i * PADDED + b] : 0.0f;
            float slope = both * share - common_ones(my.bits0 + v * n_words, on, n_words) * chain_share;
            is_bad = move(my.w1 + k, my.s1 + k, slope, rates) || is_bad;
            squares = fmaf(my.w1[k], my.w1[k], squares);
        }
        float factor = limit(squares, rates.max_norm);
        if (factor < 1.0f)
            for (int k = begin; k < end; k++) my.w1[k] *= factor;
        for (int b = 0; b < n; b++) data += my.mu1[i * PADDED + b];
        is_bad = move(my.bias1 + i, my.step1 + i, data * share - common_ones(on, on, n_words) * chain_share, rates) || is_bad;
    }
    for (int i = my.first0 + threadIdx.x; i < my.last0; i += N_THREADS) {
        const u32* on = my.bits0 + i * n_words;
        int ones = 0;
        for (int b = 0; b < n; b++) ones += visible[(u64)b * my.n0 + i];
        is_bad = move(my.bias0 + i, my.step0 + i, ones * share - common_ones(on, on, n_words) * chain_share, rates) || is_bad;
    }
    return is_bad;
}

extern "C" __global__ void ALL_AT_ONCE __launch_bounds__(N_THREADS, 1)
    joint(float* w1, float* s1, const int* __restrict__ visible_of, const int* __restrict__ column_start,
          const int* __restrict__ row_start, const int* __restrict__ row_entry, const int* __restrict__ row_unit, float* w2,
          float* s2, const u8* __restrict__ mask2, float* biases, float* bias_steps, u8* chains, const int* __restrict__ sizes,
          const u64* __restrict__ keys, const u8* __restrict__ cases, float* partial, int* changes, float* chain_partial,
          u32* counters, int* done, u64* n_mean_field, int n0, int most1, int most2, int most, int n_chains, int n_blocks,
          int n_cases, u32 first_step, int n_gibbs_steps, int max_updates, float tolerance, float learning_rate, float decay,
          float max_norm) {
    DYNAMIC_SHARED(float, memory);
    int t = threadIdx.x, machine = blockIdx.x / n_blocks, g = blockIdx.x % n_blocks;
    int n1 = sizes[2 * machine], n2 = sizes[2 * machine + 1];
    int width = (n2 + n_blocks - 1) / n_blocks, each1 = (n1 + n_blocks - 1) / n_blocks, each0 = (n0 + n_blocks - 1) / n_blocks;

    Share my;
    my.n_blocks = n_blocks, my.g = g, my.n0 = n0, my.n1 = n1, my.most1 = most1, my.most2 = most2, my.n_chains = n_chains;
    my.first0 = min(n0, g * each0), my.last0 = min(n0, my.first0 + each0);
    my.first1 = min(n1, g * each1), my.last1 = min(n1, my.first1 + each1);
    my.first2 = min(n2, g * width), my.n_columns = min(n2, my.first2 + width) - my.first2;
    my.stride = width | 1, my.n_all = n0 + most1 + most2, my.n_words = (n_chains + 31) / 32, my.key = keys[machine];

    my.w2 = memory;
    my.input = my.w2 + n1 * my.stride;
    my.mu1 = my.input + n1 * PADDED;
    my.mu2 = my.mu1 + n1 * PADDED;
    my.scratch = my.mu2 + width * PADDED;
    my.bits0 = (u32*)(my.scratch + N_THREADS * PADDED);
    my.bits1 = my.bits0 + n0 * my.n_words;
    my.bits2 = my.bits1 + n1 * my.n_words;

    u64 lower = (u64)machine * most, upper = (u64)machine * most1 * most2 + my.first2, units = (u64)machine * my.n_all;
    my.w1 = w1 + lower, my.s1 = s1 + lower, my.s2 = s2 + upper, my.mask2 = mask2 + upper;
    my.visible_of = visible_of + lower, my.row_entry = row_entry + lower, my.row_unit = row_unit + lower;
    my.column_start = column_start + (u64)machine * (most1 + 1), my.row_start = row_start + (u64)machine * (n0 + 1);
    my.bias0 = biases + units, my.bias1 = my.bias0 + n0, my.bias2 = my.bias1 + most1 + my.first2;
    my.step0 = bias_steps + units, my.step1 = my.step0 + n0, my.step2 = my.step1 + most1 + my.first2;
    my.states0 = chains + units * n_chains, my.states1 = my.states0 + n0, my.states2 = my.states1 + most1;
    my.partial = partial + (u64)machine * 2 * n_blocks * BATCH * most1;
    my.chain_partial = chain_partial + (u64)machine * n_blocks * n_chains * most1;
    my.changes = changes + machine * 2 * n_blocks * PADDED;
    my.counter = counters + machine;

    for (int place = t; place < n1 * my.n_columns; place += N_THREADS) {
        int i = place / my.n_columns, j = place % my.n_columns;
        my.w2[i * my.stride + j] = w2[upper + (u64)i * most2 + j];
    }
    for (int place = t; place < n1 * PADDED; place += N_THREADS) my.mu1[place] = 0.0f;
    for (int place = t; place < width * PADDED; place += N_THREADS) my.mu2[place] = 0.0f;
    __syncthreads();

    Rates rates = {learning_rate, decay, max_norm};
    u64 n_counted = 0;
    int turn = 0;
    for (int update = 0, start = 0; start < n_cases; update++, start += BATCH) {
        int n = min(BATCH, n_cases - start);
        const u8* visible = cases + (u64)start * n0;
        n_counted += infer(my, visible, n, tolerance, max_updates, turn);
        for (int s = 0; s < n_gibbs_steps; s++) gibbs_step(my, first_step + (u32)update * n_gibbs_steps + s);
        bits_of_chains(my, my.states0, 0, n0, my.bits0);
        bits_of_chains(my, my.states2, my.first2, my.first2 + my.n_columns, my.bits2);
        __syncthreads();
        bool is_bad = learn_above(my, n, rates);
        is_bad = learn_below(my, visible, n, rates) || is_bad;
        if (is_bad) atomicMin(&done[machine], update);
        meet(my.counter, n_blocks);
        if (*(volatile int*)&done[machine] <= update) break;
    }
    for (int place = t; place < n1 * my.n_columns; place += N_THREADS) {
        int i = place / my.n_columns, j = place % my.n_columns;
        w2[upper + (u64)i * most2 + j] = my.w2[i * my.stride + j];
    }
    if (g == 0 && n_counted) atomicAdd(&n_mean_field[machine], n_counted);
}
