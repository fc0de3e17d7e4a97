// Mean-field iteration of kernels/joint.cu for one image by one block alone, where few units of layer 2 are on: blocks that
// shared the image would meet twice a sweep, and mostly wait. The weights to a unit of layer 2 are read from the card's
// memory, where every block keeps a copy of its columns, unit by unit; a warp has some of the units that still move. It
// reads the weights to one once a sweep: they give the unit's field, and by how much the fields of layer 1 change with it.

#ifndef BOLTZPRUNE_ONE_IMAGE
#define BOLTZPRUNE_ONE_IMAGE

#define ROW 4                        // four weights of a unit of layer 2, so many times, that a lane has
#define UNITS_ALONE (ROW * 4 * WARP)  // units of layer 1, at most
#define ABREAST_ALONE 2              // units of layer 2 that a warp takes side by side

// Floats of `scratch` that a block needs for it; gpu/joint.py has the same.
__device__ __forceinline__ int room_alone(int n1, int n2) {
    return n1 > UNITS_ALONE ? 0 : (WARPS + 2) * ((n1 + 3) / 4 * 4) + (n2 + 3) / 4 * 4 + WARPS * ((n2 + WARPS - 1) / WARPS + 1) / 2 + 1;
}

__device__ __forceinline__ float dot(const float4& a, const float4& b, float sum) {
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

__device__ __forceinline__ void add_times(float4& sum, const float4& row, float factor) {
    sum.x = fmaf(row.x, factor, sum.x), sum.y = fmaf(row.y, factor, sum.y);
    sum.z = fmaf(row.z, factor, sum.z), sum.w = fmaf(row.w, factor, sum.w);
}

// Goes through this warp's units of layer 2: their probabilities from `mean1` (IS_START: they are there already), and by how much
// the fields of layer 1 change with them, into `part`. Units that change by `quiet` at most are not told and leave the list.
// Whether one changed by more than the tolerance.
template <bool IS_START>
__device__ __forceinline__ bool pass_alone(Share& my, const float* mean1, float* mean2, unsigned short* listed, int& n_listed, float* part,
                                           float tolerance, float quiet) {
    int lane = threadIdx.x % WARP, n_quads = (my.n1 + 3) / 4, n = n_listed, n_left = 0, row1 = my.row1;
    const float4* columns = (const float4*)in_global(my.all_columns);
    const float* bias2 = in_global(my.all_bias2);
    float4 sum[ROW] = {};
    bool is_moved = false;
    for (int k = 0; k < n; k += ABREAST_ALONE) {
        float4 row[ABREAST_ALONE][ROW];
        float change[ABREAST_ALONE], bias[ABREAST_ALONE];
        int unit[ABREAST_ALONE];
#pragma unroll
        for (int c = 0; c < ABREAST_ALONE; c++) {
            bool is_there = k + c < n;
            unit[c] = listed[min(k + c, n - 1)];
            bias[c] = is_there ? __ldcg(bias2 + unit[c]) : 0.0f;
#pragma unroll
            for (int r = 0; r < ROW; r++) {
                float4 none = {0.0f, 0.0f, 0.0f, 0.0f};
                row[c][r] = is_there && lane + r * WARP < n_quads ? __ldcg(columns + unit[c] * (row1 / 4) + lane + r * WARP) : none;
            }
        }
        if (!IS_START) {
#pragma unroll
            for (int c = 0; c < ABREAST_ALONE; c++) change[c] = 0.0f;
#pragma unroll
            for (int r = 0; r < ROW; r++)
                if (lane + r * WARP < n_quads) {
                    float4 mean = ((const float4*)mean1)[lane + r * WARP];
#pragma unroll
                    for (int c = 0; c < ABREAST_ALONE; c++) change[c] = dot(row[c][r], mean, change[c]);
                }
#pragma unroll
            for (int c = 0; c < ABREAST_ALONE; c++) change[c] = sum_of_warp(change[c]);
        }
#pragma unroll
        for (int c = 0; c < ABREAST_ALONE; c++) {
            if (k + c >= n) break;
            float before = mean2[unit[c]], value = before;
            if (IS_START)
                change[c] = value;
            else
                value = logistic(bias[c] + change[c]), change[c] = value - before;
            is_moved = !(fabsf(change[c]) <= tolerance) || is_moved;
            if (!(fabsf(change[c]) <= quiet)) {
                __syncwarp();  // every lane has read what comes next in the list, and the mean
                if (lane == 0) mean2[unit[c]] = value, listed[n_left] = (unsigned short)unit[c];
                n_left++;
#pragma unroll
                for (int r = 0; r < ROW; r++) add_times(sum[r], row[c][r], change[c]);
            }
        }
        __syncwarp();
    }
#pragma unroll
    for (int r = 0; r < ROW; r++)
        if (lane + r * WARP < n_quads) ((float4*)part)[lane + r * WARP] = sum[r];
    n_listed = n_left;
    return is_moved;
}

// Iterates image b from `mu1`, `field1` and what `means2` has until it has converged; tells `means`, `means2` and, with what layer 2
// contributes, `inputs`; how many sweeps it took.
__device__ __noinline__ int iterate_alone(Share& my, int b, float tolerance, float quiet, int max_sweeps) {
    int t = threadIdx.x, lane = t % WARP, warp = t / WARP, n1 = my.n1, n2 = my.n2, padded = (n1 + 3) / 4 * 4;
    float *parts = my.scratch, *mean1 = parts + WARPS * padded, *field1 = mean1 + padded, *mean2 = field1 + padded;
    unsigned short* listed = (unsigned short*)(mean2 + (n2 + 3) / 4 * 4) + warp * ((n2 + WARPS - 1) / WARPS + 1);
    float *means2 = in_global(my.means2) + b * my.most2, *part = parts + warp * padded;
    for (int i = t; i < padded; i += N_THREADS) {
        mean1[i] = i < n1 ? my.mu1[i * PADDED + b] : 0.0f;
        field1[i] = i < n1 ? my.field1[i * PADDED + b] : 0.0f;
    }
    for (int j = t; j < n2; j += N_THREADS) mean2[j] = __ldcg(means2 + j);
    if (t < 2) my.moved_alone[t] = 0;
    __syncthreads();
    int n_listed = 0;
    for (int start = warp; start < n2; start += WARPS * WARP) {
        int unit = start + lane * WARPS;
        bool is_on = unit < n2 && !(mean2[unit] <= SILENT);
        n_listed = append(listed, n_listed, __ballot_sync(FULL_WARP, is_on), unit);
    }
    __syncwarp();
    int sweep = 0;
    bool is_moved = true;
    pass_alone<true>(my, mean1, mean2, listed, n_listed, part, tolerance, quiet);
    while (true) {
        u32* moved = my.moved_alone + sweep % 2;
        if (is_moved) *moved = 1;
        __syncthreads();
        bool is_over = !*moved || sweep == max_sweeps;
        if (t == 0) my.moved_alone[(sweep + 1) % 2] = 0;
        is_moved = false;
        for (int i = t; i < n1; i += N_THREADS) {
            float field = field1[i];
#pragma unroll
            for (int w = 0; w < WARPS; w++) field += parts[w * padded + i];
            field1[i] = field;
            if (is_over) continue;
            float before = mean1[i], mean = logistic(field);
            mean1[i] = mean;
            is_moved = !(fabsf(mean - before) <= tolerance) || is_moved;
        }
        __syncthreads();
        if (is_over) break;
        is_moved = pass_alone<false>(my, mean1, mean2, listed, n_listed, part, tolerance, quiet) || is_moved;
        sweep++;
    }
    for (int i = t; i < n1; i += N_THREADS) my.means[i * PADDED + b] = mean1[i], my.inputs[i * PADDED + b] = field1[i];
    for (int j = t; j < n2; j += N_THREADS) means2[j] = mean2[j];
    if (t == 0) my.told_sweeps[b] = sweep;
    __syncthreads();
    return sweep;
}

// Whether few units of layer 2 are on, at most `most_alone` in any image of an update, so that blocks iterate images alone;
// `means2` then has where the columns of all blocks are.
__device__ __forceinline__ bool tell_start(Share& my, int n, int most_alone, int& turn) {
    u32* told = in_global(my.told_moved) + turn * my.n_blocks;
    float* means2 = in_global(my.means2) + my.first2;
    int n_columns = my.n_columns, n_on = 0;
    for (int place = threadIdx.x; place < n * n_columns; place += N_THREADS) {
        int b = place / n_columns, column = place % n_columns;
        means2[b * my.most2 + column] = my.mu2[column * PADDED + b];
    }
    if (threadIdx.x == 0) told[my.g] = my.n_listed;
    meet_others(my);
    turn ^= 1;
    for (int other = threadIdx.x % WARP; other < my.n_blocks; other += WARP) n_on += __ldcg(told + other);
    return sum_of_warp(n_on) <= most_alone;
}

// What the blocks that iterated images alone have told: `mu1`, and `mu2` of this block's columns.
__device__ __forceinline__ void hear_of_images(Share& my, int n) {
    const float* means2 = in_global(my.means2) + my.first2;
    int n_columns = my.n_columns;
#pragma unroll 3
    for (int place = threadIdx.x * WIDE; place < my.n1 * PADDED; place += N_THREADS * WIDE) {
        float mean[WIDE];
        read(mean, my.means + place);
#pragma unroll
        for (int e = 0; e < WIDE; e++) my.mu1[place + e] = place % PADDED + e < n ? mean[e] : 0.0f;
    }
    for (int place = threadIdx.x; place < n * n_columns; place += N_THREADS) {
        int b = place / n_columns, column = place % n_columns;
        my.mu2[column * PADDED + b] = __ldcg(means2 + b * my.most2 + column);
    }
    __syncthreads();
}

#endif
