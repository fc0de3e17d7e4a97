// Mean-field inference of kernels/joint.cu: h1 and h2 of some images given what is seen, iterated until no mean changes by
// more than the tolerance. What is computed is core/joint.py.
//
// Most units of layer 2 are all but off and hardly move from sweep to sweep. So a sweep takes those that still move (by more than
// `quiet` for some image), and what they tell layer 1 are their changes. Once no mean changes by more than the tolerance any
// more, a climb of all of them finds out whether that is true of the others as well; images of which it is not go on.

#ifndef BOLTZPRUNE_MEAN_FIELD
#define BOLTZPRUNE_MEAN_FIELD

#if BATCH > 1
#define TOGETHER 2  // units of layer 1 that a thread adds up, of which each has use for what it has read
#define SHARES 2    // warps that share the images
#define IMAGES (PADDED / SHARES)
#else
#define TOGETHER 1
#define SHARES 1
#define IMAGES 1
#endif

// The numbers of IMAGES images, from shared memory and to the card's.
__device__ __forceinline__ void read_images(float value[IMAGES], const float* address) {
#if BATCH > 1
#pragma unroll
    for (int b = 0; b < IMAGES; b += 2) {
        float2 two = *(const float2*)(address + b);
        value[b] = two.x, value[b + 1] = two.y;
    }
#else
    value[0] = address[0];
#endif
}

__device__ __forceinline__ void write_images(float* address, const float value[IMAGES]) {
#if BATCH > 1
#pragma unroll
    for (int b = 0; b < IMAGES; b += 2) {
        float2 two = {value[b], value[b + 1]};
        *(float2*)(address + b) = two;
    }
#else
    address[0] = value[0];
#endif
}

// Lanes for so many columns: whole warps.
__device__ __forceinline__ int lanes_of(int n_columns) {
    return max(WARP, (n_columns + WARP - 1) / WARP * WARP);
}

#if BATCH > 1
#define ABREAST (WARP / 2)  // columns side by side in a warp, whose other half has the other images
#define MOST_DEEP 4  // columns of a thread, ABREAST apart

// Parts of the fields of layer 2 of DEEP ABREAST listed columns from `first` on, those from some units of layer 1 for each warp.
// Shared memory gives each lane one number a cycle, also where all lanes read the same: so a thread uses each that it has
// read for several products. There are no branches between them, which would make each wait for the one before.
template <int DEEP>
__device__ __forceinline__ void add_parts_of(Share& my, int first) {
    int group = threadIdx.x % ABREAST, image = threadIdx.x / ABREAST % 2 * IMAGES, part = threadIdx.x / WARP, n = my.n_listed;
    int each = (my.n1 + WARPS - 1) / WARPS, begin = part * each, end = min(my.n1, begin + each), stride = my.stride;
    const float *means = my.mu1 + begin * PADDED + image, *row = my.w2 + begin * stride;
    int column[DEEP];
    float sum[DEEP][IMAGES] = {};
#pragma unroll
    for (int d = 0; d < DEEP; d++) column[d] = my.listed[min(first + d * ABREAST + group, n - 1)];
#pragma unroll 2
    for (int i = begin; i < end; i++, means += PADDED, row += stride) {
        float mean[IMAGES], w[DEEP];
        read_images(mean, means);
#pragma unroll
        for (int d = 0; d < DEEP; d++) w[d] = row[column[d]];
#pragma unroll
        for (int d = 0; d < DEEP; d++)
#pragma unroll
            for (int b = 0; b < IMAGES; b++) sum[d][b] = fmaf(mean[b], w[d], sum[d][b]);
    }
#pragma unroll
    for (int d = 0; d < DEEP; d++)
        if (first + d * ABREAST + group < n) write_images(my.scratch + (part * n + first + d * ABREAST + group) * PADDED + image, sum[d]);
}

// Parts of the fields of the listed columns, one for each warp; how many parts there are.
__device__ __forceinline__ int add_parts(Share& my) {
    int first = 0, n = my.n_listed;
    for (; n - first > 2 * ABREAST; first += MOST_DEEP * ABREAST) add_parts_of<MOST_DEEP>(my, first);
    if (n - first > ABREAST)
        add_parts_of<2>(my, first);
    else if (n > first)
        add_parts_of<1>(my, first);
    return WARPS;
}
#else
// Parts of the fields of the listed columns: a thread a column and some of the units of layer 1; how many parts there are.
__device__ __forceinline__ int add_parts(Share& my) {
    int n = my.n_listed, lanes = lanes_of(n), parts = N_THREADS / lanes;
    int each = (my.n1 + parts - 1) / parts, place = threadIdx.x % lanes, part = threadIdx.x / lanes;
    if (part < parts && place < n) {
        float sum = 0.0f;
        int end = min(my.n1, (part + 1) * each), column = my.listed[place];
#pragma unroll 4
        for (int i = part * each; i < end; i++) sum = fmaf(my.mu1[i], my.w2[i * my.stride + column], sum);
        my.scratch[part * n + place] = sum;
    }
    return parts;
}
#endif

// The first warp lists the columns that are marked, ascending, and takes their marks away. Three more places of the list can be
// read.
__device__ __forceinline__ void list_marked(Share& my) {
    if (threadIdx.x >= WARP) return;
    int total = 0, n = my.n_columns;
    for (int start = 0; start < n; start += WARP) {
        int column = start + threadIdx.x;
        bool is_marked = column < n && my.is_marked[column];
        if (is_marked) my.is_marked[column] = 0;
        total = append(my.listed, total, __ballot_sync(FULL_WARP, is_marked), column);
    }
    if (threadIdx.x < COLUMNS_AHEAD) my.listed[total + threadIdx.x] = 0;
    if (threadIdx.x == 0) my.n_listed = total;
}

__device__ __forceinline__ void list_all(Share& my) {
#pragma unroll 1
    for (int column = threadIdx.x; column < my.n_columns; column += N_THREADS) my.listed[column] = (unsigned short)column;
    if (threadIdx.x == 0) my.n_listed = my.n_columns;
    __syncthreads();
}

// Probabilities of the listed units of layer 2 from those of layer 1, of some images. What changes by more than `quiet` is told:
// `mu2` has it, `change2` by how much, and the list becomes that of the columns of which there is something to tell. IS_ALL: all
// columns were listed, and `mu2` has what is not told, too.
template <bool IS_ALL>
__device__ __forceinline__ void climb_up(Share& my, u32 images, float tolerance, float quiet) {
    int parts = add_parts(my), n = my.n_listed;
    __syncthreads();
    u32 moved = 0;
    for (int place = threadIdx.x; place < n * PADDED; place += N_THREADS) {
        int column = my.listed[place / PADDED], b = place % PADDED, at = column * PADDED + b;
        float change = 0.0f;
        if (images >> b & 1) {
            float field = 0.0f;
#pragma unroll 8
            for (int p = 0; p < parts; p++) field += my.scratch[p * n * PADDED + place];
            float value = logistic(my.bias2[column] + field);
            change = value - my.mu2[at];
            bool is_told = !(fabsf(change) <= quiet);
            if (!(fabsf(change) <= tolerance)) moved |= 1u << b;
            if (is_told) my.is_marked[column] = 1;
            if (is_told || IS_ALL) my.mu2[at] = value;
            if (!is_told) change = 0.0f;
        }
        my.change2[at] = change;
    }
    note_moved(my, moved);
    __syncthreads();
    list_marked(my);
    __syncthreads();
}

// By how much the fields of layer 1 change with the listed columns, for every image: a warp TOGETHER units a lane and a share of
// the images, COLUMNS_AHEAD columns at a time.
__device__ __forceinline__ void contribute(Share& my, float* partial) {
    int lane = threadIdx.x % WARP, n1 = my.n1, stride = my.stride, n = my.n_listed;
    const unsigned short* listed = my.listed;
    const float *w2 = my.w2, *change2 = my.change2;
    partial = in_global(partial);
    for (int item = threadIdx.x / WARP; item < SHARES * ((n1 + TOGETHER * WARP - 1) / (TOGETHER * WARP)); item += WARPS) {
        int first = item / SHARES * TOGETHER * WARP + lane, image = item % SHARES * IMAGES;
        const float *row[TOGETHER], *changes = change2 + image;
        float sum[TOGETHER][IMAGES] = {};
#pragma unroll
        for (int k = 0; k < TOGETHER; k++) row[k] = w2 + min(first + k * WARP, n1 - 1) * stride;
        for (int start = 0; start < n; start += COLUMNS_AHEAD) {
            float w[COLUMNS_AHEAD][TOGETHER], change[COLUMNS_AHEAD][IMAGES];
#pragma unroll
            for (int a = 0; a < COLUMNS_AHEAD; a++) {
                int column = listed[start + a];
#pragma unroll
                for (int k = 0; k < TOGETHER; k++) w[a][k] = start + a < n ? row[k][column] : 0.0f;
                read_images(change[a], changes + column * PADDED);
            }
#pragma unroll
            for (int a = 0; a < COLUMNS_AHEAD; a++)
#pragma unroll
                for (int k = 0; k < TOGETHER; k++)
#pragma unroll
                    for (int b = 0; b < IMAGES; b++) sum[k][b] = fmaf(change[a][b], w[a][k], sum[k][b]);
        }
#pragma unroll
        for (int k = 0; k < TOGETHER; k++)
            if (first + k * WARP < n1) write_images(partial + (first + k * WARP) * PADDED + image, sum[k]);
    }
}

// The change of a field of layer 1: what all blocks contribute, in one order.
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

// Images for which a mean of some block has changed by more than the tolerance, as the lanes of a warp read it.
__device__ __forceinline__ u32 moved_of(Share& my, const u32* told) {
    u32 moved = 0;
    for (int other = threadIdx.x % WARP; other < my.n_blocks; other += WARP) moved |= __ldcg(told + other);
    return moved;
}

// Probabilities of layer 1 from its fields, which change by what all blocks contribute; of the images that are still open, those
// that `told` says of, but at first. Whether there are any. For one image each block adds up all fields; of several, that would
// be more than the second-level cache can give, so each adds up its own units', tells them, and the blocks meet once more.
__device__ __forceinline__ bool climb_down(Share& my, const float* partial, const u32* told, bool is_first, u32& open, float tolerance) {
    u32 moved = moved_of(my, told);
    int first = BATCH > 1 ? my.first1 * PADDED : 0, last = BATCH > 1 ? my.last1 * PADDED : my.n1;
    int place = first + threadIdx.x;
    float change = place < last ? add_up(my, partial, place) : 0.0f;  // asked for together with what was told
    moved = any_of_warp(moved);
    if (!is_first) open &= moved;
    moved = 0;
    while (place < last) {
        float field = my.field1[place] + change, mean = my.mu1[place];
        my.field1[place] = field;
        if (open >> place % PADDED & 1) {
            float before = mean;
            mean = logistic(field);
            if (!(fabsf(mean - before) <= tolerance)) moved |= 1u << place % PADDED;
        }
        (BATCH > 1 ? my.means : (float*)my.mu1)[place] = mean;
        place += N_THREADS;
        if (place < last) change = add_up(my, partial, place);
    }
    if (!open) return false;
    note_moved(my, moved);
#if BATCH > 1
    meet_others(my);
    copy_told<float4, AHEAD / 2>((float4*)(float*)my.mu1, (const float4*)my.means, my.n1 * PADDED / 4);
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

// Mean field of a batch: `mu1`, `mu2` of every image, iterated until it has converged; how often, of the images that this
// block counts.
__device__ __forceinline__ int infer(Share& my, int n, float tolerance, float quiet, int max_sweeps, int most_alone, int& turn) {
    int t = threadIdx.x, n_sweeps = 0, sweeps = 0;  // of all images; of the one that is this lane's
    u32 all = (1u << n) - 1, open = all;
    for (int place = t * WIDE; place < my.n1 * PADDED; place += N_THREADS * WIDE) {
        float input[WIDE], bias = __ldcg(my.all_bias1 + place / PADDED);
        read(input, my.inputs + place);
#pragma unroll
        for (int e = 0; e < WIDE; e++) {
            my.field1[place + e] = bias + input[e];
            my.mu1[place + e] = all >> (place % PADDED + e) & 1 ? logistic(fmaf(2.0f, input[e], bias)) : 0.0f;
        }
    }
    for (int place = t; place < my.n_columns * PADDED; place += N_THREADS) my.mu2[place] = 0.0f;
    list_all(my);
    climb_up<true>(my, all, tolerance, SILENT);
    bool is_alone = my.n1 <= UNITS_ALONE && tell_start(my, n, most_alone, turn);
    if (is_alone) {
        for (int b = my.g; b < n; b += my.n_blocks) n_sweeps += iterate_alone(my, b, tolerance, quiet, max_sweeps);
        meet_others(my);
        hear_of_images(my, n);
        if (t % WARP < n) sweeps = __ldcg(my.told_sweeps + t % WARP);
        open = 0;
    }
    while (true) {
        for (bool is_first = true;; is_first = false) {
            open &= __ballot_sync(FULL_WARP, sweeps < max_sweeps);
            if (!open) break;
            float* partial = my.partial + (u64)turn * my.n_blocks * my.most1 * PADDED;
            u32* told = my.told_moved + turn * my.n_blocks;
            contribute(my, partial + (u64)my.g * my.most1 * PADDED);
            if (t == 0) told[my.g] = my.moved, my.moved = 0;
            meet_others(my);
            turn ^= 1;
            if (!climb_down(my, partial, told, is_first, open, tolerance)) break;
            if (my.g == 0) n_sweeps += __popc(open);
            sweeps += open >> (t % WARP) & 1;
            climb_up<false>(my, open, tolerance, quiet);
        }
        if (t == 0) my.moved = 0;
        list_all(my);
        climb_up<true>(my, all, tolerance, SILENT);
        open = __ballot_sync(FULL_WARP, sweeps < max_sweeps) & all;
        if (!open) break;
        u32* told = my.told_moved + turn * my.n_blocks;
        if (t == 0) told[my.g] = my.moved, my.moved = 0;
        meet_others(my);
        turn ^= 1;
        open &= any_of_warp(moved_of(my, told));
        if (!open) break;
        if (is_alone) copy_told<float, AHEAD>(my.field1, my.inputs, my.n1 * PADDED);
        is_alone = false;
        __syncthreads();
    }
    __syncthreads();
    if (t == 0) my.moved = 0;
    return n_sweeps;
}

#endif
