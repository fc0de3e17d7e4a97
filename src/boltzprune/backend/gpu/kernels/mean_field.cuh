// Mean-field inference of kernels/joint.cu: h1 and h2 of some images given what is seen, iterated until no mean changes by
// more than the tolerance. What is computed is backend/joint.py.

#ifndef BOLTZPRUNE_MEAN_FIELD
#define BOLTZPRUNE_MEAN_FIELD

// Lanes for the columns of this block, and the parts that the threads then make up.
__device__ __forceinline__ int lanes_of(Share& my) {
    return max(WARP, (my.n_columns + WARP - 1) / WARP * WARP);
}

// Probabilities of this block's units of layer 2 from those of layer 1; of open images, or of all at the start.
__device__ __forceinline__ void climb_up(Share& my, int n, u32 open, float tolerance, bool is_start) {
    int lanes = lanes_of(my), parts = N_THREADS / lanes;
    int each = (my.n1 + parts - 1) / parts, column = threadIdx.x % lanes, part = threadIdx.x / lanes;
    if (part < parts && column < my.n_columns) {
        float sum[PADDED] = {};
        int end = min(my.n1, (part + 1) * each);
#pragma unroll 4
        for (int i = part * each; i < end; i++) add_cases(sum, my.mu1 + i * PADDED, my.w2[i * my.stride + column]);
        write(my.scratch + (part * my.n_columns + column) * PADDED, sum);
    }
    __syncthreads();
    u32 moved = 0;
    for (int place = threadIdx.x; place < my.n_columns * PADDED; place += N_THREADS) {
        int j = place / PADDED, b = place % PADDED;
        if (!is_start && !(open >> b & 1)) continue;
        float field = 0.0f;
#pragma unroll 4
        for (int p = 0; p < parts; p++) field += my.scratch[p * my.n_columns * PADDED + place];
        float value = b < n ? logistic(my.bias2[j] + field) : 0.0f;
        if (!is_start && !(fabsf(value - my.mu2[place]) <= tolerance)) moved |= 1u << b;
        my.mu2[place] = value;
    }
    note_moved(my, moved);
    __syncthreads();
}

// What this block's columns contribute to the fields of layer 1, for every image.
__device__ __forceinline__ void contribute(Share& my, float* partial) {
    for (int i = threadIdx.x; i < my.n1; i += N_THREADS) {
        float sum[PADDED] = {};
#pragma unroll 4
        for (int j = 0; j < my.n_columns; j++) add_cases(sum, my.mu2 + j * PADDED, my.w2[i * my.stride + j]);
        write(partial + i * PADDED, sum);
    }
}

// A field of layer 1: what all blocks contribute, in one order.
__device__ __forceinline__ float add_up(Share& my, const float* partial, int place) {
    float field = 0.0f;
    for (int start = 0; start < my.n_blocks; start += BLOCKS_AHEAD) {
        float value[BLOCKS_AHEAD];
#pragma unroll
        for (int k = 0; k < BLOCKS_AHEAD; k++)
            value[k] = start + k < my.n_blocks ? __ldcg(partial + (start + k) * my.most1 * PADDED + place) : 0.0f;
#pragma unroll
        for (int k = 0; k < BLOCKS_AHEAD; k++) field += value[k];
    }
    return field;
}

// Probabilities of layer 1 from what all blocks contribute to its fields, of the images that are still open: `moved` says
// of each block for which of them a mean has changed since. Whether there are any. For one image each block adds up all
// fields; of several, that would be more than the second-level cache can give, so each adds up its own units', tells them,
// and the blocks meet once more.
__device__ __forceinline__ bool climb_down(Share& my, const float* partial, const u32* told_moved, bool is_first, u32& open,
                                           float tolerance) {
    u32 told = 0, moved = 0;
    int first = BATCH > 1 ? my.first1 * PADDED : 0, last = BATCH > 1 ? my.last1 * PADDED : my.n1;
    int place = first + threadIdx.x;
    for (int other = threadIdx.x % WARP; other < my.n_blocks; other += WARP) told |= __ldcg(told_moved + other);
    float field = place < last ? add_up(my, partial, place) : 0.0f;  // asked for together with what was told
    told = any_of_warp(told);
    if (!is_first) open &= told;
    if (!open) return false;
    while (place < last) {
        float mean = my.mu1[place];
        if (open >> place % PADDED & 1) {
            float before = mean;
            mean = logistic(my.input[place] + field);
            if (!(fabsf(mean - before) <= tolerance)) moved |= 1u << place % PADDED;
        }
        (BATCH > 1 ? my.means : (float*)my.mu1)[place] = mean;
        place += N_THREADS;
        if (place < last) field = add_up(my, partial, place);
    }
    note_moved(my, moved);
#if BATCH > 1
    meet(my.counter, my.n_blocks);
    copy_words((u32*)(float*)my.mu1, (const u32*)my.means, my.n1 * PADDED);
#endif
    __syncthreads();
    return true;
}

// The images of an update, as bits.
__device__ __forceinline__ void look(Share& my, const u8* images, int n) {
    for (int v = threadIdx.x; v < my.n0; v += N_THREADS) {
        u32 seen = 0;
#pragma unroll
        for (int b = 0; b < PADDED; b++)
            if (b < n) seen |= (u32)images[(u64)b * my.n0 + v] << b;
        my.seen[v] = seen;
    }
    __syncthreads();
}

// Fields from below of this block's units of layer 1: a warp a unit, a lane an image.
__device__ __forceinline__ void tell_inputs(Share& my) {
    int lane = threadIdx.x % WARP;
    for (int i = my.first1 + threadIdx.x / WARP; i < my.last1; i += WARPS) {
        float sum = 0.0f;
        for (int start = my.column_start[i - my.first1], end = my.column_start[i - my.first1 + 1]; start < end; start += WARP) {
            u32 seen = 0;
            float weight = 0.0f;
            if (start + lane < end) seen = my.seen[my.visible_of[start + lane]], weight = my.w1[start + lane];
            for (int k = 0; k < min(WARP, end - start); k++) {
                u32 of = __shfl_sync(FULL_WARP, seen, k);
                float w = __shfl_sync(FULL_WARP, weight, k);
                if (of >> lane & 1) sum += w;
            }
        }
        if (lane < PADDED) my.inputs[i * PADDED + lane] = sum;
    }
}

// Mean field of a batch: `mu1`, `mu2` of every image, iterated until it has converged; how often, of all images.
__device__ __forceinline__ int infer(Share& my, int n, float tolerance, int max_sweeps, int& turn) {
    int t = threadIdx.x, n_sweeps = 0;
    u32 open = (1u << n) - 1;
    for (int place = t * WIDE; place < my.n1 * PADDED; place += N_THREADS * WIDE) {
        float input[WIDE], bias = __ldcg(my.all_bias1 + place / PADDED);
        read(input, my.inputs + place);
#pragma unroll
        for (int e = 0; e < WIDE; e++) {
            my.input[place + e] = bias + input[e];
            my.mu1[place + e] = open >> (place % PADDED + e) & 1 ? logistic(fmaf(2.0f, input[e], bias)) : 0.0f;
        }
    }
    __syncthreads();
    climb_up(my, n, open, tolerance, true);
    for (int sweep = 0; sweep < max_sweeps; sweep++, turn ^= 1) {
        float* partial = my.partial + (u64)turn * my.n_blocks * my.most1 * PADDED;
        u32* told = my.told_moved + turn * my.n_blocks;
        contribute(my, partial + (u64)my.g * my.most1 * PADDED);
        if (t == 0) told[my.g] = my.moved, my.moved = 0;
        meet(my.counter, my.n_blocks);
        if (!climb_down(my, partial, told, sweep == 0, open, tolerance)) break;
        n_sweeps += __popc(open);
        climb_up(my, n, open, tolerance, false);
    }
    __syncthreads();
    if (t == 0) my.moved = 0;
    return n_sweeps;
}

#endif
