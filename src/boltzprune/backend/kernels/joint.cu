// Joint training of deep machines with two hidden layers: many updates of several machines in one launch, each update
// mean-field inference until every image has converged, Gibbs steps of the persistent chains, and a step up the gradient.
// What is computed is backend/joint.py; sums have another order, so that results agree as float32 computations do.
//
// Several blocks share a machine, n_blocks, of which the largest has most_blocks. Block g has a slice of the columns of the upper weights in shared memory for the whole
// launch, and what goes with them: the units of h2, and slices of h1 and of the visible units for draws and updates. The
// lower weights, few where receptive fields are small, are listed unit by unit in global memory. Blocks of a machine meet
// at barriers, one a mean-field update: each writes what its columns contribute to the fields of h1, and each adds up all
// contributions in one order for itself. A case that has converged stays as it is; `moved` says so one barrier later.
//
// States of chains are bits, 32 chains to a word, so that a warp draws a unit in 32 chains at a time: its lanes read the
// same weights and the same words. What waits for the second-level cache, some 0.6 us, is asked for AHEAD at a time.
//
// Without images the chains of all machines run freely for n_gibbs_steps.
//
// Grid: the blocks of one machine after those of another, all at the same time (a cooperative launch); first_block says where
// those of each machine begin. Block: N_THREADS. BATCH: images an update, at most.
// TENSOR: whether tensor cores multiply bfloat16 (compute capability 8.0 and up).
//
// An update of a 400-400-676 machine, 10 images, 100 chains, S mean-field updates: 5.4 million multiply-adds times S + 1;
// adds of the rows of active units, 27 million if all were; 2.7 million multiply-adds and 1 million popcounts for the
// gradient. Dependent steps: S + 3 n_gibbs_steps + 2 barriers. Bytes, from the second-level cache: 4 BATCH n_h1 n_blocks
// a block and mean-field update; up to 4 n_chains n_h1 a block and Gibbs step; 9 a weight for the steps and masks.

#include "common.cuh"
#include "meet.cuh"

#define WARPS (N_THREADS / WARP)
#define WORDS 4  // words of chains that a warp takes side by side
#define TILE 64  // columns whose fields lie in shared memory at a time
#define AHEAD 8  // loads that are under way together
#define BLOCKS_AHEAD 16  // blocks whose contributions are asked for together
#if BATCH > 1
#define PADDED ((BATCH + 3) / 4 * 4)
#define WIDE 4  // images whose numbers are read with one load
#else
#define PADDED 1
#define WIDE 1
#endif

DYNAMIC_SHARED(float, memory);

// Where something begins in a block's shared memory: of a pointer the compiler would not know what memory it points to.
template <class T>
struct Place {
    int at;
    __device__ __forceinline__ operator T*() const { return (T*)(memory + at); }
};

// What one block has of its machine; it lies in shared memory, since registers do not suffice. Layers: 0 visible, 1 and 2
// hidden; columns: its units of layer 2.
struct Share {
    int n_blocks, g, n0, n1, n_columns, stride;
    int first0, last0, first1, last1, first2;  // its units of each layer
    int n_all, most1, most2, n_chains, n_words;
    u64 key;
    u32 moved;  // images that some mean of this block has not converged for
    // in shared memory
    Place<float> mu1, mu2;  // [n1][PADDED], [columns][PADDED]
    Place<float> scratch;   // parts of sums [parts][columns][PADDED]; lists [WARPS][units]; fields of chains, and their states
    Place<float> input;     // [n1][PADDED], fields of layer 1 from below
    Place<float> w2;        // [n1][stride]
    Place<u32> bits0, bits1, bits2;  // [units][n_words], chains whose unit is on; of all units, of layer 2 of the columns
    Place<u32> seen;        // [n0], images whose unit is on
    Place<u32> busy;        // [n_blocks][WORDS], chains in which any of a block's columns is on
    Place<float> bias0, bias1, bias2, step0, step1, step2;  // of its own units, from the first on
    Place<int> column_start, row_start;                     // of its own units of layer 1 and of layer 0, and one more each
    // in the card's memory
    float *w1, *s1, *s2;  // lower weights and steps, listed by unit of layer 1; upper steps
    const u8* mask2;
    const int *visible_of, *row_entry, *row_unit;
    float *all_bias1, *inputs, *means;            // what blocks tell each other of layer 1: biases, fields from below, mu1
    float *partial, *chain_partial;               // what their columns contribute to its fields
    u32 *told0, *told1, *told_busy, *told_moved;  // and bits0, bits1, busy and moved
    u32* counter;
    // what is read at the beginning and written at the end
    u64 upper, at0, at1, at2;         // where its columns begin, and its own units among all biases
    u8 *states0, *states1, *states2;  // its own units in the first chain, n_all apart
};

struct Rates {
    float learning_rate, decay, max_norm;
};

__device__ __forceinline__ bool draw(float field, u32 unit, u32 chain, u32 step, u32 layer, u64 key) {
    Words words = philox(unit / 4, chain, step, layer, key);
    return uniform(select(words, unit % 4)) < logistic(field);
}

__device__ __forceinline__ u32 any_of_warp(u32 bits) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) bits |= __shfl_xor_sync(FULL_WARP, bits, offset);
    return bits;
}

__device__ __forceinline__ float sum_of_warp(float x) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(FULL_WARP, x, offset);
    return x;
}

// Numbers of WIDE images that another block has written.
__device__ __forceinline__ void read(float value[WIDE], const float* address) {
#if WIDE == 4
    float4 x = __ldcg((const float4*)address);
    value[0] = x.x, value[1] = x.y, value[2] = x.z, value[3] = x.w;
#else
    value[0] = __ldcg(address);
#endif
}

// Sums of all images, side by side.
__device__ __forceinline__ void write(float* address, const float sum[PADDED]) {
#if WIDE == 4
#pragma unroll
    for (int b = 0; b < PADDED; b += 4) {
        float4 four = {sum[b], sum[b + 1], sum[b + 2], sum[b + 3]};
        *(float4*)(address + b) = four;
    }
#else
    address[0] = sum[0];
#endif
}

// sum[b] += w of[b] for all images.
__device__ __forceinline__ void add_cases(float sum[PADDED], const float* of, float w) {
#if WIDE == 4
#pragma unroll
    for (int b = 0; b < PADDED; b += 4) {
        float4 x = *(const float4*)(of + b);
        sum[b] = fmaf(x.x, w, sum[b]);
        sum[b + 1] = fmaf(x.y, w, sum[b + 1]);
        sum[b + 2] = fmaf(x.z, w, sum[b + 2]);
        sum[b + 3] = fmaf(x.w, w, sum[b + 3]);
    }
#else
    sum[0] = fmaf(of[0], w, sum[0]);
#endif
}

// Words that other blocks have written, into shared memory.
__device__ __forceinline__ void copy_words(u32* target, const u32* source, int n) {
    for (int start = threadIdx.x; start < n; start += AHEAD * N_THREADS) {
        u32 word[AHEAD];
#pragma unroll
        for (int k = 0; k < AHEAD; k++)
            if (start + k * N_THREADS < n) word[k] = __ldcg(source + start + k * N_THREADS);
#pragma unroll
        for (int k = 0; k < AHEAD; k++)
            if (start + k * N_THREADS < n) target[start + k * N_THREADS] = word[k];
    }
}

// Takes down which images a mean changed for by more than the tolerance, or to what is no number.
__device__ __forceinline__ void note_moved(Share& my, u32 images) {
    images = any_of_warp(images);
    if (images && threadIdx.x % WARP == 0) atomicOr(&my.moved, images);
}

// Lanes for the columns of this block, and the parts that the threads then make up.
__device__ __forceinline__ int lanes_of(Share& my) {
    return max(WARP, (my.n_columns + WARP - 1) / WARP * WARP);
}

#if TENSOR
#ifndef CUDA_ON_CPU
// c += a b on the tensor cores, a warp together: (16, 16) times (16, 8) bfloat16, sums in float32. Lane l has g = l / 4,
// t = l % 4: c[0..1] at row g, columns 2 t and 2 t + 1, c[2..3] eight rows below; a[0], a[1] two values from column 2 t in
// rows g and g + 8, a[2], a[3] 8 columns to the right; b[0], b[1] two values from row 2 t and from row 2 t + 8 in column g.
__device__ __forceinline__ void multiply_add(float c[4], const u32 a[4], const u32 b[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

// The lowest two bits of a word as two bfloat16.
__device__ __forceinline__ u32 pair_of_bits(u32 bits) {
    return ((bits & 1) | (bits & 2) << 15) * 0x3F80u;
}

// Two float32 as sums of three bfloat16, exact: each takes the 8 highest bits of what the others left of 24.
__device__ __forceinline__ void split(u32 parts[3], float low, float high) {
#pragma unroll
    for (int p = 0; p < 3; p++) {
        u32 low_bits = __float_as_int(low), high_bits = __float_as_int(high);
        parts[p] = low_bits >> 16 | (high_bits & 0xFFFF0000u);
        low -= __int_as_float(low_bits & 0xFFFF0000u), high -= __int_as_float(high_bits & 0xFFFF0000u);
    }
}

#if BATCH > 1
#define TILES ((PADDED + 7) / 8)  // of eight images

// sum += weights times means on the tensor cores, a warp together: rows [first, first + 32) of the upper weights, or where
// IS_TURNED of their transpose, times the means of units [start, end) in all images. Lane l has of 16 rows m and 8 images n
// sum[m][n] as `multiply_add` has it. Each number is the sum of three bfloat16, and of their nine products the six largest
// are added: what is left out is below 2**-24 of the product.
template <bool IS_TURNED>
__device__ __forceinline__ void multiply_means(Share& my, float sum[2][TILES][4], int first, int n_rows, const float* means, int start,
                                               int end) {
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll 1
    for (; start < end; start += 16) {
        u32 right[3][TILES][2];
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int k = start + 2 * t + 8 * half, b = 8 * n + g;
                float low = k < end && b < PADDED ? means[k * PADDED + b] : 0.0f;
                float high = k + 1 < end && b < PADDED ? means[(k + 1) * PADDED + b] : 0.0f;
                u32 parts[3];
                split(parts, low, high);
#pragma unroll
                for (int p = 0; p < 3; p++) right[p][n][half] = parts[p];
            }
#pragma unroll
        for (int m = 0; m < 2; m++) {
            u32 left[3][4];
#pragma unroll
            for (int quarter = 0; quarter < 4; quarter++) {
                int row = first + 16 * m + g + quarter % 2 * 8, k = start + 2 * t + quarter / 2 * 8, apart = IS_TURNED ? my.stride : 1;
                int place = IS_TURNED ? k * my.stride + row : row * my.stride + k;
                float low = row < n_rows && k < end ? my.w2[place] : 0.0f;
                float high = row < n_rows && k + 1 < end ? my.w2[place + apart] : 0.0f;
                u32 parts[3];
                split(parts, low, high);
#pragma unroll
                for (int p = 0; p < 3; p++) left[p][quarter] = parts[p];
            }
#pragma unroll
            for (int order = 2; order >= 0; order--)  // the smallest products first
#pragma unroll
                for (int p = 0; p <= order; p++)
#pragma unroll
                    for (int n = 0; n < TILES; n++) multiply_add(sum[m][n], left[p], right[order - p][n]);
        }
    }
}

// Sums as `multiply_means` has them, to rows of PADDED numbers from row `first` on.
__device__ __forceinline__ void write_means(float* to, const float sum[2][TILES][4], int first, int n_rows) {
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int row = first + 16 * m + g + 8 * half, b = 8 * n + 2 * t;
                if (row >= n_rows || b >= PADDED) continue;
                to[row * PADDED + b] = sum[m][n][2 * half];
                to[row * PADDED + b + 1] = sum[m][n][2 * half + 1];
            }
}
#endif
#endif

// Probabilities of this block's units of layer 2 from those of layer 1; of open images, or of all at the start.
__device__ __forceinline__ void climb_up(Share& my, int n, u32 open, float tolerance, bool is_start) {
    int lanes = lanes_of(my), parts = N_THREADS / lanes;
    int each = (my.n1 + parts - 1) / parts, column = threadIdx.x % lanes, part = threadIdx.x / lanes;
#if TENSOR && BATCH > 1
    if (part < parts) {
        float sum[2][TILES][4] = {};
        int first = column / WARP * WARP;
        multiply_means<true>(my, sum, first, my.n_columns, my.mu1, part * each, min(my.n1, (part + 1) * each));
        write_means(my.scratch + part * my.n_columns * PADDED, sum, first, my.n_columns);
    }
#else
    if (part < parts && column < my.n_columns) {
        float sum[PADDED] = {};
        int end = min(my.n1, (part + 1) * each);
#pragma unroll 4
        for (int i = part * each; i < end; i++) add_cases(sum, my.mu1 + i * PADDED, my.w2[i * my.stride + column]);
        write(my.scratch + (part * my.n_columns + column) * PADDED, sum);
    }
#endif
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
#if TENSOR && BATCH > 1
    for (int first = threadIdx.x / WARP * WARP; first < my.n1; first += N_THREADS) {
        float sum[2][TILES][4] = {};
        multiply_means<false>(my, sum, first, my.n1, my.mu2, 0, my.n_columns);
        write_means(partial, sum, first, my.n1);
    }
#else
    for (int i = threadIdx.x; i < my.n1; i += N_THREADS) {
        float sum[PADDED] = {};
#pragma unroll 4
        for (int j = 0; j < my.n_columns; j++) add_cases(sum, my.mu2 + j * PADDED, my.w2[i * my.stride + j]);
        write(partial + i * PADDED, sum);
    }
#endif
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
__device__ __forceinline__ int infer(Share& my, int n, float tolerance, int max_updates, int& turn) {
    int t = threadIdx.x, n_updates = 0;
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
    for (int sweep = 0; sweep < max_updates; sweep++, turn ^= 1) {
        float* partial = my.partial + (u64)turn * my.n_blocks * my.most1 * PADDED;
        u32* told = my.told_moved + turn * my.n_blocks;
        contribute(my, partial + (u64)my.g * my.most1 * PADDED);
        if (t == 0) told[my.g] = my.moved, my.moved = 0;
        meet(my.counter, my.n_blocks);
        if (!climb_down(my, partial, told, sweep == 0, open, tolerance)) break;
        n_updates += __popc(open);
        climb_up(my, n, open, tolerance, false);
    }
    __syncthreads();
    if (t == 0) my.moved = 0;
    return n_updates;
}

__device__ __forceinline__ unsigned short* list_of_warp(Share& my) {
    return (unsigned short*)(float*)my.scratch + threadIdx.x / WARP * max(my.n1, my.n_columns);
}

// Units of a chain that are on, ascending, into this warp's list; their number. All lanes take part.
__device__ __forceinline__ int list_active(Share& my, const u32* bits, int n, int chain, unsigned short* list) {
    int lane = threadIdx.x % WARP, total = 0;
    __syncwarp();  // nobody reads the list of before any more
    for (int start = 0; start < n; start += WARP) {
        int unit = start + lane;
        u32 found = __ballot_sync(FULL_WARP, unit < n && bits[unit * my.n_words + chain / 32] >> (chain % 32) & 1);
        if (found >> lane & 1) list[total + __popc(found & ((1u << lane) - 1))] = (unsigned short)unit;
        total += __popc(found);
    }
    __syncwarp();
    return total;
}

// Sum of values[unit apart] over the units of a list.
__device__ __forceinline__ float sum_of_list(const unsigned short* list, int n, const float* values, int apart) {
    float sum = 0.0f;
#pragma unroll 8
    for (int k = 0; k < n; k++) sum += values[list[k] * apart];
    return sum;
}

// field[one] += weights of the neighbours that are on in chain 32 (word + one) + lane. All lanes of a warp take part.
// The neighbours of entries [begin, end); their weights at the same entries of w1, or where `entry` says.
__device__ __forceinline__ void add_neighbours(Share& my, float field[WORDS], int begin, int end, const int* neighbour,
                                               const int* entry, const u32* bits, int word) {
    int lane = threadIdx.x % WARP;
    for (int start = begin; start < end; start += WARP) {
        int unit = 0, k = start + lane;
        float weight = 0.0f;
        if (k < end) unit = neighbour[k], weight = __ldcg(my.w1 + (entry ? entry[k] : k));
        for (int n = min(WARP, end - start), e = 0; e < n; e++) {
            const u32* on = bits + __shfl_sync(FULL_WARP, unit, e) * my.n_words + word;
            float w = __shfl_sync(FULL_WARP, weight, e);
#pragma unroll
            for (int one = 0; one < WORDS; one++)
                if (word + one < my.n_words && on[one] >> lane & 1) field[one] += w;
        }
    }
}

// States of a unit in chain 32 (word + one) + lane, as words. All lanes of a warp take part.
__device__ __forceinline__ void draw_words(Share& my, const float field[WORDS], float bias, int word, u32 unit, u32 step,
                                           u32 layer, u32* words) {
#pragma unroll
    for (int one = 0; one < WORDS; one++) {
        if (word + one >= my.n_words) break;
        int chain = (word + one) * WARP + threadIdx.x % WARP;
        bool is_on = chain < my.n_chains && draw(field[one] + bias, unit, chain, step, layer, my.key);
        u32 found = __ballot_sync(FULL_WARP, is_on);
        if (threadIdx.x % WARP == 0) words[word + one] = found;
    }
}

// What this block's columns contribute to the fields of layer 1 in every chain, a warp a chain; those with no column on
// are left out.
__device__ __forceinline__ void contribute_of_chains(Share& my) {
    int lane = threadIdx.x % WARP;
    unsigned short* list = list_of_warp(my);
    for (int word = 0; word < my.n_words; word++) {
        u32 busy = 0;
        for (int j = lane; j < my.n_columns; j += WARP) busy |= my.bits2[j * my.n_words + word];
        busy = any_of_warp(busy);
        if (threadIdx.x == 0) my.told_busy[my.g * my.n_words + word] = busy;
        for (int c = threadIdx.x / WARP; c < WARP; c += WARPS) {
            if (!(busy >> c & 1)) continue;
            int chain = word * WARP + c, n_on = list_active(my, my.bits2, my.n_columns, chain, list);
            float* to = my.chain_partial + ((u64)my.g * my.n_chains + chain) * my.most1;
            for (int i = lane; i < my.n1; i += WARP) to[i] = sum_of_list(list, n_on, my.w2 + i * my.stride, 1);
        }
    }
}

// Draws some of this block's units of layer 1 in the chains of WORDS words, given both neighbours.
__device__ __forceinline__ void draw_layer_1(Share& my, int first, int n_units, int word, u32 step) {
    int lane = threadIdx.x % WARP, n = min(WORDS * WARP, my.n_chains - word * WARP), apart = WORDS * WARP + 1;
    for (int c = threadIdx.x / WARP; c < n; c += WARPS) {
        const float* from = my.chain_partial + ((u64)word * WARP + c) * my.most1 + first + lane;
        float field = 0.0f;
        for (int start = 0; start < my.n_blocks; start += BLOCKS_AHEAD) {
            float value[BLOCKS_AHEAD] = {};
#pragma unroll
            for (int k = 0; k < BLOCKS_AHEAD; k++)
                if (start + k < my.n_blocks && my.busy[(start + k) * WORDS + c / WARP] >> (c % WARP) & 1 && lane < n_units)
                    value[k] = __ldcg(from + (u64)(start + k) * my.n_chains * my.most1);
#pragma unroll
            for (int k = 0; k < BLOCKS_AHEAD; k++) field += value[k];
        }
        my.scratch[lane * apart + c] = field;
    }
    __syncthreads();
    for (int u = threadIdx.x / WARP; u < n_units; u += WARPS) {
        int i = first + u;
        float field[WORDS];
#pragma unroll
        for (int one = 0; one < WORDS; one++) field[one] = one * WARP + lane < n ? my.scratch[u * apart + one * WARP + lane] : 0.0f;
        Place<int> start = my.column_start;
        add_neighbours(my, field, start[i - my.first1], start[i - my.first1 + 1], my.visible_of, nullptr, my.bits0, word);
        draw_words(my, field, my.bias1[i - my.first1], word, i, step, 1, my.told1 + i * my.n_words);
    }
}

#if TENSOR
// `bits1` of WORDS words of chains, turned: of each chain a word for 32 units.
__device__ __forceinline__ void turn_bits(Share& my, u32* by_chain, int apart, int word) {
    int lane = threadIdx.x % WARP, n_groups = (my.n1 + WARP - 1) / WARP;
    for (int item = threadIdx.x / WARP; item < n_groups * WORDS; item += WARPS) {
        int group = item / WORDS, one = item % WORDS, unit = group * WARP + lane;
        u32 chains = unit < my.n1 && word + one < my.n_words ? my.bits1[unit * my.n_words + word + one] : 0, units = 0;
        for (int c = 0; c < WARP; c++) {
            u32 found = __ballot_sync(FULL_WARP, chains >> c & 1);
            if (lane == c) units = found;
        }
        by_chain[(one * WARP + lane) * apart + group] = units;
    }
}

// Fields of layer 2 from layer 1 for columns [first, first + TILE) in WORDS words of chains: a warp eight columns and half
// of the chains. States are bfloat16 as they are, weights the sum of three.
__device__ __forceinline__ void multiply(Share& my, const u32* by_chain, int apart, int first, float* fields) {
    int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4, n = min(TILE, my.n_columns - first);
    for (int item = threadIdx.x / WARP; item < 2 * ((n + 7) / 8); item += WARPS) {
        int columns = item / 2 * 8, chains = item % 2 * (WORDS * WARP / 2), j = first + columns + g;
        float c[WORDS][4] = {};
#pragma unroll 1
        for (int start = 0; start < my.n1; start += 16) {
            float w[4];
            u32 weights[2][3], shift = start % WARP + 2 * t;
#pragma unroll
            for (int k = 0; k < 4; k++) {
                int i = start + 2 * t + k % 2 + k / 2 * 8;
                w[k] = i < my.n1 && j < my.n_columns ? my.w2[i * my.stride + j] : 0.0f;
            }
            split(weights[0], w[0], w[1]), split(weights[1], w[2], w[3]);
#pragma unroll
            for (int m = 0; m < WORDS; m++) {
                const u32* row = by_chain + (chains + 16 * m + g) * apart + start / WARP;
                u32 upper = row[0] >> shift, lower = row[8 * apart] >> shift;
                u32 states[4] = {pair_of_bits(upper), pair_of_bits(lower), pair_of_bits(upper >> 8), pair_of_bits(lower >> 8)};
#pragma unroll
                for (int p = 0; p < 3; p++) {
                    u32 part[2] = {weights[0][p], weights[1][p]};
                    multiply_add(c[m], states, part);
                }
            }
        }
#pragma unroll
        for (int m = 0; m < WORDS; m++)
#pragma unroll
            for (int k = 0; k < 4; k++)
                fields[(columns + 2 * t + k % 2) * (WORDS * WARP + 1) + chains + 16 * m + g + k / 2 * 8] = c[m][k];
    }
}

// Draws this block's units of layer 2, given layer 1: fields on the tensor cores, then a warp a unit.
__device__ __forceinline__ void draw_layer_2(Share& my, u32 step) {
    int lane = threadIdx.x % WARP, apart = (my.n1 + WARP - 1) / WARP | 1;
    u32* by_chain = (u32*)(float*)my.scratch;
    float* fields = my.scratch + WORDS * WARP * apart;
    for (int word = 0; word < my.n_words; word += WORDS) {
        turn_bits(my, by_chain, apart, word);
        for (int first = 0; first < my.n_columns; first += TILE) {
            __syncthreads();
            multiply(my, by_chain, apart, first, fields);
            __syncthreads();
            for (int u = threadIdx.x / WARP; u < min(TILE, my.n_columns - first); u += WARPS) {
                float field[WORDS];
#pragma unroll
                for (int one = 0; one < WORDS; one++) field[one] = fields[u * (WORDS * WARP + 1) + one * WARP + lane];
                int j = first + u;
                draw_words(my, field, my.bias2[j], word, my.first2 + j, step, 2, my.bits2 + j * my.n_words);
            }
        }
        __syncthreads();
    }
}
#else
// Draws this block's units of layer 2: a thread a column, 16 chains one after the other, each a list of the units that are on.
__device__ __forceinline__ void draw_layer_2(Share& my, u32 step) {
    unsigned short* list = list_of_warp(my);
    int lanes = lanes_of(my), groups = N_THREADS / lanes, j = threadIdx.x % lanes, group = threadIdx.x / lanes;
    if (group >= groups) return;
    for (int half = group; half < 2 * my.n_words; half += groups) {
        u32 found = 0;
        for (int c = 16 * half; c < min(my.n_chains, 16 * half + 16); c++) {
            int n_on = list_active(my, my.bits1, my.n1, c, list);
            if (j >= my.n_columns) continue;
            float field = sum_of_list(list, n_on, my.w2 + j, my.stride) + my.bias2[j];
            found |= (u32)draw(field, my.first2 + j, c, step, 2, my.key) << (c % 16);
        }
        if (j < my.n_columns) ((unsigned short*)(u32*)my.bits2)[2 * j * my.n_words + half] = (unsigned short)found;
    }
}
#endif

// One Gibbs step of all chains: layer 1 given the others, then they given layer 1.
__device__ __forceinline__ void gibbs_step(Share& my, u32 step) {
    contribute_of_chains(my);
    meet(my.counter, my.n_blocks);
    for (int word = 0; word < my.n_words; word += WORDS) {
        __syncthreads();
        for (int place = threadIdx.x; place < my.n_blocks * WORDS; place += N_THREADS) {
            int other = place / WORDS, one = place % WORDS;
            my.busy[place] = word + one < my.n_words ? __ldcg(my.told_busy + other * my.n_words + word + one) : 0;
        }
        for (int first = my.first1; first < my.last1; first += WARP) {
            __syncthreads();
            draw_layer_1(my, first, min(WARP, my.last1 - first), word, step);
        }
    }
    meet(my.counter, my.n_blocks);
    copy_words(my.bits1, my.told1, my.n1 * my.n_words);
    __syncthreads();
    draw_layer_2(my, step);
    for (int word = 0; word < my.n_words; word += WORDS)
        for (int v = my.first0 + threadIdx.x / WARP; v < my.last0; v += WARPS) {
            float field[WORDS] = {};
            Place<int> start = my.row_start;
            add_neighbours(my, field, start[v - my.first0], start[v - my.first0 + 1], my.row_unit, my.row_entry, my.bits1, word);
            draw_words(my, field, my.bias0[v - my.first0], word, v, step, 0, my.told0 + v * my.n_words);
        }
    meet(my.counter, my.n_blocks);
    copy_words(my.bits0, my.told0, my.n0 * my.n_words);
    __syncthreads();
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
__device__ __forceinline__ bool move(float* parameter, float* step, float before, float slope, const Rates& rates) {
    float now = fmaf(rates.decay, before, rates.learning_rate * slope), moved = *parameter + now;
    *step = now, *parameter = moved;
    return !isfinite(moved);
}

// Sum over the images of the products of two units' means.
__device__ __forceinline__ float both_on(const float* a, const float b[PADDED]) {
    float sum = 0.0f;
#if WIDE == 4
#pragma unroll
    for (int k = 0; k < PADDED; k += 4) {
        float4 x = *(const float4*)(a + k);
        sum = fmaf(x.x, b[k], fmaf(x.y, b[k + 1], fmaf(x.z, b[k + 2], fmaf(x.w, b[k + 3], sum))));
    }
#else
    sum = a[0] * b[0];
#endif
    return sum;
}

// The upper weights and the biases of layer 2, of this block's columns: a thread a column, AHEAD units of layer 1 at a time.
__device__ __forceinline__ bool learn_above(Share& my, int n, const Rates& rates) {
    float share = 1.0f / n, chain_share = 1.0f / my.n_chains;
    int lanes = lanes_of(my), parts = N_THREADS / lanes, j = threadIdx.x % lanes, part = threadIdx.x / lanes;
    int lane = threadIdx.x % WARP, n_words = my.n_words;
    bool is_bad = false;
    if (part < parts && j < my.n_columns) {
        float mu2[PADDED], before[AHEAD], next[AHEAD];
        u32 on[WORDS], exists = 0, exist_next = 0;
#pragma unroll
        for (int b = 0; b < PADDED; b++) mu2[b] = my.mu2[j * PADDED + b];
#pragma unroll
        for (int w = 0; w < WORDS; w++) on[w] = w < n_words ? my.bits2[j * n_words + w] : 0;
        for (int start = part - AHEAD * parts; start < my.n1; start += AHEAD * parts) {
#pragma unroll
            for (int k = 0; k < AHEAD; k++) before[k] = next[k];
            exists = exist_next, exist_next = 0;
#pragma unroll
            for (int k = 0; k < AHEAD; k++) {  // steps of the units after these, while these are computed
                int i = start + (AHEAD + k) * parts;
                if (i >= my.n1) continue;
                next[k] = my.s2[(u64)i * my.most2 + j];
                exist_next |= (my.mask2[(u64)i * my.most2 + j] ? 1u : 0u) << k;
            }
#pragma unroll
            for (int k = 0; k < AHEAD; k++) {
                int i = start + k * parts, both = 0;
                if (!(exists >> k & 1)) continue;
                const u32* units = my.bits1 + i * n_words;
#pragma unroll
                for (int w = 0; w < WORDS; w++)
                    if (w < n_words) both += __popc(units[w] & on[w]);
                if (n_words > WORDS) both += common_ones(units + WORDS, my.bits2 + j * n_words + WORDS, n_words - WORDS);
                float slope = both_on(my.mu1 + i * PADDED, mu2) * share - both * chain_share;
                is_bad = move(my.w2 + i * my.stride + j, my.s2 + (u64)i * my.most2 + j, before[k], slope, rates) || is_bad;
            }
        }
    }
    __syncthreads();
    for (int j = threadIdx.x / WARP; j < my.n_columns; j += WARPS) {
        float squares = 0.0f;
#pragma unroll 4
        for (int i = lane; i < my.n1; i += WARP) squares = fmaf(my.w2[i * my.stride + j], my.w2[i * my.stride + j], squares);
        float factor = limit(sum_of_warp(squares), rates.max_norm);
        if (factor < 1.0f)
            for (int i = lane; i < my.n1; i += WARP) my.w2[i * my.stride + j] *= factor;
    }
    for (int j = threadIdx.x; j < my.n_columns; j += N_THREADS) {
        float data = 0.0f;
        for (int b = 0; b < n; b++) data += my.mu2[j * PADDED + b];
        float slope = data * share - common_ones(my.bits2 + j * n_words, my.bits2 + j * n_words, n_words) * chain_share;
        is_bad = move(my.bias2 + j, my.step2 + j, my.step2[j], slope, rates) || is_bad;
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
          const u64* __restrict__ keys, const u8* __restrict__ cases, float* inputs, float* means, float* partial, float* chain_partial,
          u32* told_bits, u32* told_busy, u32* told_moved, u32* counters, int* done, u64* n_mean_field,
          const int* __restrict__ first_block, int n0, int most1, int most2, int most, int n_chains, int most_blocks, int n_cases, u32 first_step, int n_gibbs_steps, int max_updates,
          float tolerance, float learning_rate, float decay, float max_norm) {
    __shared__ Share my;
    int t = threadIdx.x, machine = 0;
    while (first_block[machine + 1] <= (int)blockIdx.x) machine++;
    int g = blockIdx.x - first_block[machine], n_blocks = first_block[machine + 1] - first_block[machine];
    int n1 = sizes[2 * machine], n2 = sizes[2 * machine + 1];
    int width = (n2 + n_blocks - 1) / n_blocks, each1 = (n1 + n_blocks - 1) / n_blocks, each0 = (n0 + n_blocks - 1) / n_blocks;
    u64 lower = (u64)machine * most, upper = (u64)machine * most1 * most2 + min(n2, g * width);
    u64 units = (u64)machine * (n0 + most1 + most2);
    u8* states = chains + units * n_chains;
    if (t == 0) {
        my.n_blocks = n_blocks, my.g = g, my.n0 = n0, my.n1 = n1, my.most1 = most1, my.most2 = most2, my.n_chains = n_chains;
        my.first0 = min(n0, g * each0), my.last0 = min(n0, my.first0 + each0);
        my.first1 = min(n1, g * each1), my.last1 = min(n1, my.first1 + each1);
        my.first2 = min(n2, g * width), my.n_columns = min(n2, my.first2 + width) - my.first2;
        my.stride = width | 1, my.n_all = n0 + most1 + most2, my.n_words = (n_chains + 31) / 32, my.key = keys[machine];
        my.moved = 0;

        int of_chains = WORDS * WARP * ((n1 + WARP - 1) / WARP | 1) + max(WARP, min(TILE, (width + 7) / 8 * 8)) * (WORDS * WARP + 1);
        int n_scratch = max(max(N_THREADS * PADDED, (of_chains + 3) / 4 * 4), (WARPS * max(n1, width) + 7) / 8 * 4);
        my.mu1.at = 0;  // what is read 16 bytes at a time comes first
        my.mu2.at = my.mu1.at + n1 * PADDED;
        my.scratch.at = my.mu2.at + width * PADDED;
        my.input.at = my.scratch.at + n_scratch;
        my.w2.at = my.input.at + n1 * PADDED;
        my.bits0.at = my.w2.at + n1 * my.stride;
        my.bits1.at = my.bits0.at + n0 * my.n_words;
        my.bits2.at = my.bits1.at + n1 * my.n_words;
        my.seen.at = my.bits2.at + width * my.n_words;
        my.busy.at = my.seen.at + n0;
        my.bias0.at = my.busy.at + n_blocks * WORDS;
        my.step0.at = my.bias0.at + each0;
        my.bias1.at = my.step0.at + each0;
        my.step1.at = my.bias1.at + each1;
        my.bias2.at = my.step1.at + each1;
        my.step2.at = my.bias2.at + width;
        my.column_start.at = my.step2.at + width;
        my.row_start.at = my.column_start.at + each1 + 1;

        my.w1 = w1 + lower, my.s1 = s1 + lower, my.s2 = s2 + upper, my.mask2 = mask2 + upper;
        my.visible_of = visible_of + lower, my.row_entry = row_entry + lower, my.row_unit = row_unit + lower;
        my.all_bias1 = biases + units + n0;
        my.inputs = inputs + (u64)machine * most1 * PADDED, my.means = means + (u64)machine * most1 * PADDED;
        my.partial = partial + (u64)machine * 2 * most_blocks * most1 * PADDED;
        my.chain_partial = chain_partial + (u64)machine * most_blocks * n_chains * most1;
        my.told0 = told_bits + (u64)machine * (n0 + most1) * my.n_words, my.told1 = my.told0 + n0 * my.n_words;
        my.told_busy = told_busy + machine * most_blocks * my.n_words, my.told_moved = told_moved + machine * 2 * most_blocks;
        my.counter = counters + machine;
        my.upper = upper, my.at0 = units + my.first0, my.at1 = units + n0 + my.first1, my.at2 = units + n0 + most1 + my.first2;
        my.states0 = states + my.first0, my.states1 = states + n0 + my.first1, my.states2 = states + n0 + most1 + my.first2;
    }
    __syncthreads();

    for (int place = t; place < n1 * my.n_columns; place += N_THREADS) {
        int i = place / my.n_columns, j = place % my.n_columns;
        my.w2[i * my.stride + j] = w2[upper + (u64)i * most2 + j];
    }
    copy<float>(my.bias0, biases + my.at0, my.last0 - my.first0), copy<float>(my.step0, bias_steps + my.at0, my.last0 - my.first0);
    copy<float>(my.bias1, biases + my.at1, my.last1 - my.first1), copy<float>(my.step1, bias_steps + my.at1, my.last1 - my.first1);
    copy<float>(my.bias2, biases + my.at2, my.n_columns), copy<float>(my.step2, bias_steps + my.at2, my.n_columns);
    copy<int>(my.column_start, column_start + (u64)machine * (most1 + 1) + my.first1, my.last1 - my.first1 + 1);
    copy<int>(my.row_start, row_start + (u64)machine * (n0 + 1) + my.first0, my.last0 - my.first0 + 1);
    bits_of_chains(my, states, n0, my.bits0);
    bits_of_chains(my, states + n0, n1, my.bits1);
    bits_of_chains(my, my.states2, my.n_columns, my.bits2);

    __syncthreads();

    Rates rates = {learning_rate, decay, max_norm};
    u64 n_counted = 0;
    int turn = 0;
    for (int update = 0, start = 0; start < max(n_cases, 1); update++, start += BATCH) {
        int n = min(BATCH, n_cases - start);
        if (n > 0) {
            look(my, cases + (u64)start * n0, n);
            tell_inputs(my);
            meet(my.counter, n_blocks);
            if (*(volatile int*)&done[machine] < update) break;  // after the update before, something was not finite
            n_counted += infer(my, n, tolerance, max_updates, turn);
        }
        for (int s = 0; s < n_gibbs_steps; s++) gibbs_step(my, first_step + (u32)update * n_gibbs_steps + s);
        if (n <= 0) break;
        bool is_bad = learn_above(my, n, rates);
        is_bad = learn_below(my, n, rates) || is_bad;
        if (is_bad) atomicMin(&done[machine], update);
        __syncthreads();
    }
    for (int place = t; place < n1 * my.n_columns; place += N_THREADS) {
        int i = place / my.n_columns, j = place % my.n_columns;
        w2[my.upper + (u64)i * most2 + j] = my.w2[i * my.stride + j];
    }
    copy<float>(biases + my.at0, my.bias0, my.last0 - my.first0), copy<float>(bias_steps + my.at0, my.step0, my.last0 - my.first0);
    copy<float>(biases + my.at1, my.bias1, my.last1 - my.first1), copy<float>(bias_steps + my.at1, my.step1, my.last1 - my.first1);
    copy<float>(biases + my.at2, my.bias2, my.n_columns), copy<float>(bias_steps + my.at2, my.step2, my.n_columns);
    chains_of_bits(my, my.bits0 + my.first0 * my.n_words, my.last0 - my.first0, my.states0);
    chains_of_bits(my, my.bits1 + my.first1 * my.n_words, my.last1 - my.first1, my.states1);
    chains_of_bits(my, my.bits2, my.n_columns, my.states2);
    if (g == 0 && t == 0 && n_counted) atomicAdd(&n_mean_field[machine], n_counted);
}
