// CD-1 of small RBMs, one training case per update: many updates of many machines in one launch, a block per machine.
//
//     h0 ~ s(up (b_h + v0.W)),  v1 ~ s(down (b_v + W.h0)),  p1 = s(up (b_h + v1.W))  (Eq. 9)
//     step <- decay step + learning_rate (v0 p0 - v1 p1);  W <- W + step,  likewise the biases
//
// N_VISIBLE (1 ... 61) visible units are the bits of one word. Thread j has column j of W and of its steps in registers,
// so that fields and updates of hidden units need nobody else. The visible fields are sums over the threads: within a
// warp by halving (N values over 32 lanes in about N + 5 shuffles), between warps through shared memory, every warp
// adding up for itself; two buffers in turn leave one barrier an update. Uniform numbers and cases of N_AHEAD updates are
// laid out in shared memory beforehand. Sums have one order, whatever the number of idle threads: a machine's numbers
// depend on itself alone.
//
// A thread without a hidden unit has weights 0 and never fires. A field that is not finite ends the machine's updates, and
// so does a weight, at the next of every N_AHEAD updates; `done` says how many were complete.
//
// Grid: (n_machines); block: BLOCK threads, a multiple of 32, >= the hidden units of every machine.
// Floor: dependent steps, an update is a chain of two sums over N_VISIBLE, five shuffles, three logistic functions and a
// barrier. Operations: about 13 a weight and update. Bytes: the case, 8 an update; parameters stay.
//
// Example: N_VISIBLE=13 BLOCK=96 N_AHEAD=32
// Example: N_VISIBLE=29 BLOCK=128 N_AHEAD=32
// Example: N_VISIBLE=13 BLOCK=512 N_AHEAD=16
// Example: N_VISIBLE=32 BLOCK=256 N_AHEAD=32
// Example: N_VISIBLE=61 BLOCK=128 N_AHEAD=32

#include "common.cuh"

#if N_VISIBLE <= 1
#define PADDED 1
#define SPLITS 0
#elif N_VISIBLE <= 2
#define PADDED 2
#define SPLITS 1
#elif N_VISIBLE <= 4
#define PADDED 4
#define SPLITS 2
#elif N_VISIBLE <= 8
#define PADDED 8
#define SPLITS 3
#elif N_VISIBLE <= 16
#define PADDED 16
#define SPLITS 4
#elif N_VISIBLE <= 32
#define PADDED 32
#define SPLITS 5
#else
#define PADDED 64
#define SPLITS 5
#endif
#define LEFT (PADDED > WARP ? PADDED / WARP : 1)  // sums that a lane ends with
#define N_WARPS (BLOCK / WARP)
#define DRAWN ((N_VISIBLE + 3) / 4 * 4)

__device__ __forceinline__ float hidden_field(const float weights[N_VISIBLE], u64 visible, float bias) {
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int i = 0; i < N_VISIBLE; i++) sum[i % 4] += (visible >> i & 1) ? weights[i] : 0.0f;
    return bias + ((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// PADDED values of every lane -> their sums over the warp: lane l ends with value(s) (l >> (5 - SPLITS)) LEFT + 0 ...
__device__ __forceinline__ void sum_over_warp(float values[PADDED], int lane) {
#pragma unroll
    for (int split = 0; split < 5; split++) {
        int offset = WARP >> (split + 1), kept = PADDED >> (split + 1);
        if (split < SPLITS) {
            bool upper = lane & offset;
#pragma unroll
            for (int i = 0; i < (PADDED + 1) / 2; i++) {  // a bound that the compiler knows: values stay in registers
                if (i >= kept) continue;
                float mine = upper ? values[i + kept] : values[i], other = upper ? values[i] : values[i + kept];
                values[i] = mine + __shfl_xor_sync(FULL_WARP, other, offset);
            }
        } else {
#pragma unroll
            for (int i = 0; i < LEFT; i++) values[i] += __shfl_xor_sync(FULL_WARP, values[i], offset);
        }
    }
}

__device__ __forceinline__ float step_of(float step, float decay, float learning_rate, float slope) {
    return fmaf(decay, step, learning_rate * slope);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    contrastive(float* __restrict__ all_weights, float* __restrict__ all_weight_steps, float* __restrict__ all_visible_biases,
                float* __restrict__ all_visible_steps, float* __restrict__ all_hidden_biases,
                float* __restrict__ all_hidden_steps, const u64* __restrict__ all_masks, const int* __restrict__ n_hidden_of,
                const u64* __restrict__ keys, int width, const u64* __restrict__ cases, int n_updates, u32 first_step,
                float learning_rate, float decay, float up, float down, int* __restrict__ done) {
    __shared__ u64 case_of[N_AHEAD];
    __shared__ float hidden_uniform[N_AHEAD][BLOCK];
    __shared__ float visible_uniform[N_AHEAD][DRAWN];
    __shared__ float partial[2][N_WARPS][PADDED];
    __shared__ int is_bad;
    int machine = blockIdx.x, j = threadIdx.x, lane = j % WARP, warp = j / WARP, n_hidden = n_hidden_of[machine];
    bool exists = j < n_hidden;
    u64 key = keys[machine];

    float weights[N_VISIBLE], steps[N_VISIBLE];
    u64 column = (u64)machine * N_VISIBLE * width + j;
    for (int i = 0; i < N_VISIBLE; i++) {
        weights[i] = exists ? all_weights[column + (u64)i * width] : 0.0f;
        steps[i] = exists ? all_weight_steps[column + (u64)i * width] : 0.0f;
    }
    u64 place = (u64)machine * width + j;
    u64 mask = exists ? all_masks[place] : 0;
    float hidden_bias = exists ? all_hidden_biases[place] : 0.0f, hidden_step = exists ? all_hidden_steps[place] : 0.0f;
    float visible_bias[LEFT], visible_step[LEFT];  // of units lane, lane + 32: every warp has them all
#pragma unroll
    for (int part = 0; part < LEFT; part++) {
        int i = lane + WARP * part;
        visible_bias[part] = i < N_VISIBLE ? all_visible_biases[machine * N_VISIBLE + i] : 0.0f;
        visible_step[part] = i < N_VISIBLE ? all_visible_steps[machine * N_VISIBLE + i] : 0.0f;
    }

    if (j == 0) is_bad = 0;
    int t = 0;
    bool is_finite = true;
    for (int start = 0; start < n_updates && is_finite; start += N_AHEAD) {
        int n = min(N_AHEAD, n_updates - start);
        int hidden_blocks = (n_hidden + 3) / 4, all_blocks = hidden_blocks + DRAWN / 4;
        __syncthreads();  // everybody is done with the numbers of the updates before
        for (int p = j; p < n * all_blocks; p += BLOCK) {
            int ahead = p / all_blocks, block = p % all_blocks;
            bool is_hidden = block < hidden_blocks;
            block -= is_hidden ? 0 : hidden_blocks;
            Words words = philox(block, 0, first_step + start + ahead, is_hidden, key);
            float* target = (is_hidden ? hidden_uniform[ahead] : visible_uniform[ahead]) + 4 * block;
            for (int c = 0; c < 4; c++) target[c] = uniform(words.word[c]);
        }
        for (int p = j; p < n; p += BLOCK) case_of[p] = cases[start + p];
        float poison = 0.0f;  // NaN where a weight is not finite, which no field need have used since
#pragma unroll
        for (int i = 0; i < N_VISIBLE; i++) poison += weights[i] * 0.0f;
        if (poison != 0.0f) is_bad = 1;
        __syncthreads();
        if (is_bad) break;

        for (int ahead = 0; ahead < n; ahead++) {
            u64 data = case_of[ahead];
            float field = hidden_field(weights, data, hidden_bias);
            float positive = exists ? logistic(up * field) : 0.0f;
            bool fires = exists && hidden_uniform[ahead][j] < positive;
            float values[PADDED];
#pragma unroll
            for (int i = 0; i < PADDED; i++) values[i] = i < N_VISIBLE && fires ? weights[i < N_VISIBLE ? i : 0] : 0.0f;
            values[0] += field * 0.0f;  // NaN where the field is not finite, and so seen by all
            sum_over_warp(values, lane);
            if (lane % (WARP >> SPLITS) == 0)
#pragma unroll
                for (int part = 0; part < LEFT; part++)
                    partial[t & 1][warp][(lane >> (5 - SPLITS)) * LEFT + part] = values[part];
            __syncthreads();

            u64 reconstruction = 0;
            bool finite_here = true;
#pragma unroll
            for (int part = 0; part < LEFT; part++) {
                int i = lane + WARP * part;
                float sum = 0.0f, number = 1.0f;
                if (i < N_VISIBLE) {
                    for (int w = 0; w < N_WARPS; w++) sum += partial[t & 1][w][i];
                    number = visible_uniform[ahead][i];
                }
                float visible_field = visible_bias[part] + sum;
                finite_here = finite_here && isfinite(visible_field);
                bool is_on = i < N_VISIBLE && number < logistic(down * visible_field);
                reconstruction |= (u64)__ballot_sync(FULL_WARP, is_on) << (WARP * part);
            }
            is_finite = __all_sync(FULL_WARP, finite_here);  // every warp has the same sums
            if (!is_finite) break;

            float negative = exists ? logistic(up * hidden_field(weights, reconstruction, hidden_bias)) : 0.0f;
#pragma unroll
            for (int i = 0; i < N_VISIBLE; i++) {
                float plus = (data & mask) >> i & 1 ? positive : 0.0f, minus = (reconstruction & mask) >> i & 1 ? negative : 0.0f;
                steps[i] = step_of(steps[i], decay, learning_rate, plus - minus);
                weights[i] += steps[i];
            }
            hidden_step = step_of(hidden_step, decay, learning_rate, positive - negative);
            hidden_bias += hidden_step;
#pragma unroll
            for (int part = 0; part < LEFT; part++) {
                int i = lane + WARP * part;
                float slope = (float)(int)(data >> i & 1) - (float)(int)(reconstruction >> i & 1);
                visible_step[part] = step_of(visible_step[part], decay, learning_rate, slope);
                visible_bias[part] += visible_step[part];
            }
            t++;
        }
    }

    if (j == 0) done[machine] = t;
    if (exists) {
        for (int i = 0; i < N_VISIBLE; i++) {
            all_weights[column + (u64)i * width] = weights[i];
            all_weight_steps[column + (u64)i * width] = steps[i];
        }
        all_hidden_biases[place] = hidden_bias;
        all_hidden_steps[place] = hidden_step;
    }
    if (warp == 0)
        for (int part = 0; part < LEFT; part++) {
            int i = lane + WARP * part;
            if (i >= N_VISIBLE) continue;
            all_visible_biases[machine * N_VISIBLE + i] = visible_bias[part];
            all_visible_steps[machine * N_VISIBLE + i] = visible_step[part];
        }
}
