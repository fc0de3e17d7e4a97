// CD-k of RBMs that do not fit into one block, single cases or small batches: many updates of several machines in one
// launch. What is computed is core/contrastive.py; sums have another order.
//
//     h ~ s(up (b_h + v.W)),  v ~ s(down (b_v + W.h))  (Eq. 9), k times
//     step <- decay step + learning_rate (v0 p0 - vk pk);  W <- W + step,  likewise the biases
//
// n_blocks blocks share a machine. Block g has a slice of the columns of W, and of their steps, in shared memory for the whole
// launch, and the hidden units that go with them; the visible layer everybody has and draws for himself, from what all
// columns contribute: one meeting of the blocks a Gibbs step, two buffers in turn. A thread keeps one column of sums for all
// cases of the batch. A field that is not finite reaches all blocks through the contributions and ends the machine's updates.
//
// Grid: (n_machines n_blocks), all at the same time (a cooperative launch). Block: N_THREADS, a thread at least per column.
// BATCH: cases an update, at most.
//
// Dependent steps: k barriers an update. Operations: 2 BATCH (k + 2) n_visible n_hidden multiply-adds, and about 6 a weight
// and update. Bytes, from the second-level cache: 4 BATCH n_visible n_blocks a block and Gibbs step; weights stay.
//
// Example: BATCH=1 N_THREADS=512
// Example: BATCH=10 N_THREADS=512
// Example: BATCH=16 N_THREADS=512

#include "common.cuh"
#include "meet.cuh"

#define PADDED (BATCH > 1 ? (BATCH + 3) / 4 * 4 : 1)

// Fields of this block's hidden units without their bias, (n_columns, PADDED), from visible states (n_visible, PADDED).
__device__ __forceinline__ void hidden_inputs(const float* w, int stride, const float* visible, float* inputs, float* scratch, int n_visible,
                                              int n_columns) {
    int lanes = max(WARP, (n_columns + WARP - 1) / WARP * WARP), parts = N_THREADS / lanes, each = (n_visible + parts - 1) / parts;
    int column = threadIdx.x % lanes, part = threadIdx.x / lanes;
    if (part < parts && column < n_columns) {
        float sum[PADDED] = {};
        int end = min(n_visible, (part + 1) * each);
#pragma unroll 4
        for (int i = part * each; i < end; i++) {
            float weight = w[i * stride + column];
#pragma unroll
            for (int b = 0; b < PADDED; b++) sum[b] = fmaf(visible[i * PADDED + b], weight, sum[b]);
        }
#pragma unroll
        for (int b = 0; b < PADDED; b++) scratch[(part * n_columns + column) * PADDED + b] = sum[b];
    }
    __syncthreads();
    for (int place = threadIdx.x; place < n_columns * PADDED; place += N_THREADS) {
        float sum = 0.0f;
        for (int p = 0; p < parts; p++) sum += scratch[p * n_columns * PADDED + place];
        inputs[place] = sum;
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(N_THREADS, 1)
    contrastive_wide(float* __restrict__ all_weights, float* __restrict__ all_steps, float* __restrict__ all_visible_biases,
                     float* __restrict__ all_visible_steps, float* __restrict__ all_hidden_biases, float* __restrict__ all_hidden_steps,
                     const u8* __restrict__ all_masks, const int* __restrict__ n_hidden_of, const u64* __restrict__ keys,
                     const u8* __restrict__ all_cases, u64 cases_apart, float* all_partial, u32* counters, int* done, int n_visible,
                     int width, int n_blocks, int n_cases, u32 first_step, int n_gibbs_steps, float learning_rate, float decay, float up,
                     float down) {
    DYNAMIC_SHARED(float, memory);
    __shared__ int is_bad;
    int t = threadIdx.x, machine = blockIdx.x / n_blocks, g = blockIdx.x % n_blocks, n_hidden = n_hidden_of[machine];
    int each = (n_hidden + n_blocks - 1) / n_blocks, stride = each | 1;
    int first = min(n_hidden, g * each), n_columns = min(n_hidden, first + each) - first;

    float* w = memory;                              // [n_visible][stride]
    float* steps = w + n_visible * stride;          // the same
    float* data = steps + n_visible * stride;       // [n_visible][PADDED]
    float* visible = data + n_visible * PADDED;     // the same: the reconstruction
    float* visible_bias = visible + n_visible * PADDED;
    float* visible_step = visible_bias + n_visible;
    float* hidden_bias = visible_step + n_visible;  // [each]
    float* hidden_step = hidden_bias + each;
    float* positive = hidden_step + each;           // [each][PADDED], probabilities given the data
    float* negative = positive + each * PADDED;     // given the reconstruction
    float* hidden = negative + each * PADDED;       // states
    float* scratch = hidden + each * PADDED;        // [N_THREADS][PADDED]

    u64 place_of = (u64)machine * n_visible * width + first;
    const u8* mask = all_masks + place_of;
    const u8* cases = all_cases + machine * cases_apart;
    float* partial = all_partial + (u64)machine * 2 * n_blocks * BATCH * n_visible;
    u64 key = keys[machine];
    for (int place = t; place < n_visible * n_columns; place += N_THREADS) {
        int i = place / n_columns, j = place % n_columns;
        w[i * stride + j] = all_weights[place_of + (u64)i * width + j];
        steps[i * stride + j] = all_steps[place_of + (u64)i * width + j];
    }
    for (int i = t; i < n_visible; i += N_THREADS) {
        visible_bias[i] = all_visible_biases[machine * n_visible + i];
        visible_step[i] = all_visible_steps[machine * n_visible + i];
    }
    for (int j = t; j < n_columns; j += N_THREADS) {
        hidden_bias[j] = all_hidden_biases[machine * width + first + j];
        hidden_step[j] = all_hidden_steps[machine * width + first + j];
    }
    u64 exists = 0;  // of the weights that this thread updates, at most 64: see `plan`
    for (int place = t, k = 0; place < n_visible * n_columns; place += N_THREADS, k++)
        exists |= (u64)(mask[(u64)(place / n_columns) * width + place % n_columns] != 0) << k;
    if (t == 0) is_bad = 0;
    __syncthreads();

    u32 wanted = 0;
    int update = 0, turn = 0;
    for (int start = 0; start < n_cases; start += BATCH, update++) {
        int n = min(BATCH, n_cases - start);
        for (int place = t; place < n_visible * PADDED; place += N_THREADS) {
            int i = place / PADDED, b = place % PADDED;
            data[place] = b < n ? (float)cases[(u64)(start + b) * n_visible + i] : 0.0f;
        }
        __syncthreads();
        hidden_inputs(w, stride, data, positive, scratch, n_visible, n_columns);
        float poison = 0.0f;
        for (int place = t; place < n_columns * PADDED; place += N_THREADS) {
            float field = hidden_bias[place / PADDED] + positive[place];
            poison += field * 0.0f;  // NaN where the field is not finite
            positive[place] = negative[place] = logistic(up * field);
        }
        if (poison != 0.0f) is_bad = 1;
        __syncthreads();
        for (int s = 0; s < n_gibbs_steps; s++, turn ^= 1) {
            u32 step = first_step + (u32)update * n_gibbs_steps + s;
            for (int place = t; place < n_columns * PADDED; place += N_THREADS) {
                int j = place / PADDED, b = place % PADDED;
                Words words = philox((first + j) / 4, b, step, 1, key);
                hidden[place] = b < n && uniform(select(words, (first + j) % 4)) < negative[place] ? 1.0f : 0.0f;
            }
            __syncthreads();
            float* mine = partial + (u64)(turn * n_blocks + g) * BATCH * n_visible;
            float bad = is_bad ? NAN_VALUE : 0.0f;
            for (int i = t; i < n_visible; i += N_THREADS) {
                float sum[PADDED];
#pragma unroll
                for (int b = 0; b < PADDED; b++) sum[b] = bad;
#pragma unroll 4
                for (int j = 0; j < n_columns; j++) {
                    float weight = w[i * stride + j];
#pragma unroll
                    for (int b = 0; b < PADDED; b++) sum[b] = fmaf(hidden[j * PADDED + b], weight, sum[b]);
                }
#pragma unroll
                for (int b = 0; b < PADDED; b++)
                    if (b < n) mine[b * n_visible + i] = sum[b];
            }
            meet(counters + machine, wanted, n_blocks);
            for (int place = t; place < n_visible * n; place += N_THREADS) {
                int i = place % n_visible, b = place / n_visible;
                float field = 0.0f;
#pragma unroll 8
                for (int other = 0; other < n_blocks; other++)
                    field += __ldcg(partial + ((u64)(turn * n_blocks + other) * BATCH + b) * n_visible + i);
                field += visible_bias[i];
                if (!isfinite(field)) is_bad = 1;  // every block adds up the same
                Words words = philox(i / 4, b, step, 0, key);
                visible[i * PADDED + b] = uniform(select(words, i % 4)) < logistic(down * field) ? 1.0f : 0.0f;
            }
            if (n < PADDED)
                for (int place = t; place < n_visible * PADDED; place += N_THREADS)
                    if (place % PADDED >= n) visible[place] = 0.0f;
            __syncthreads();
            hidden_inputs(w, stride, visible, negative, scratch, n_visible, n_columns);
            for (int place = t; place < n_columns * PADDED; place += N_THREADS)
                negative[place] = logistic(up * (hidden_bias[place / PADDED] + negative[place]));
            __syncthreads();
        }
        if (is_bad) break;
        float share = 1.0f / n;
        int across = max(n_columns, 1), rows = N_THREADS / across, rest = N_THREADS % across, i = t / across, j = t % across;
        for (u64 to_do = exists; to_do; to_do >>= 1, i += rows, j += rest) {  // the same places, without a division each
            if (j >= n_columns) j -= n_columns, i++;
            if (!(to_do & 1)) continue;
            float slope = 0.0f;
            for (int b = 0; b < n; b++)
                slope += data[i * PADDED + b] * positive[j * PADDED + b] - visible[i * PADDED + b] * negative[j * PADDED + b];
            steps[i * stride + j] = fmaf(decay, steps[i * stride + j], learning_rate * (slope * share));
            w[i * stride + j] += steps[i * stride + j];
        }
        for (int i = t; i < n_visible; i += N_THREADS) {
            float slope = 0.0f;
            for (int b = 0; b < n; b++) slope += data[i * PADDED + b] - visible[i * PADDED + b];
            visible_step[i] = fmaf(decay, visible_step[i], learning_rate * (slope * share));
            visible_bias[i] += visible_step[i];
        }
        for (int j = t; j < n_columns; j += N_THREADS) {
            float slope = 0.0f;
            for (int b = 0; b < n; b++) slope += positive[j * PADDED + b] - negative[j * PADDED + b];
            hidden_step[j] = fmaf(decay, hidden_step[j], learning_rate * (slope * share));
            hidden_bias[j] += hidden_step[j];
        }
        __syncthreads();
    }

    if (g == 0 && t == 0) done[machine] = update;
    for (int place = t; place < n_visible * n_columns; place += N_THREADS) {
        int i = place / n_columns, j = place % n_columns;
        all_weights[place_of + (u64)i * width + j] = w[i * stride + j];
        all_steps[place_of + (u64)i * width + j] = steps[i * stride + j];
    }
    for (int j = t; j < n_columns; j += N_THREADS) {
        all_hidden_biases[machine * width + first + j] = hidden_bias[j];
        all_hidden_steps[machine * width + first + j] = hidden_step[j];
    }
    if (g == 0)
        for (int i = t; i < n_visible; i += N_THREADS) {
            all_visible_biases[machine * n_visible + i] = visible_bias[i];
            all_visible_steps[machine * n_visible + i] = visible_step[i];
        }
}
