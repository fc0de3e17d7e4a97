// A Gibbs step of the persistent chains of kernels/joint.cu: h1 given the visible units and h2, then they given h1.
//
// States are bits, 32 chains to a word, so that a warp draws a unit in 32 chains at a time: its lanes read the same weights
// and the same words. Four units, whose random numbers are one call of Philox, are drawn together. TENSOR: whether the fields of h2 are products of bfloat16 on tensor cores (compute capability 8.0 and
// up), which took 26 us instead of 56 us for 100 chains of 400 x 676 on an H100.

#ifndef BOLTZPRUNE_CHAINS
#define BOLTZPRUNE_CHAINS

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

// field[u][one] += weights of the neighbours of QUAD units that are on in chain 32 (word + one) + lane; `start` has where the
// neighbours of these units begin in `neighbour`, their weights are at the same entries of w1, or where `entry` says. All
// lanes of a warp take part. The first neighbours of all units are asked for together.
__device__ __forceinline__ void add_neighbours(Share& my, float field[QUAD][PAIR], const int* start, int n_units,
                                               const int* neighbour, const int* entry, const u32* bits, int word) {
    int lane = threadIdx.x % WARP, unit[QUAD];
    float weight[QUAD];
#pragma unroll
    for (int u = 0; u < QUAD; u++) {
        int k = u < n_units ? start[u] + lane : 0;
        unit[u] = 0, weight[u] = 0.0f;
        if (u < n_units && k < start[u + 1]) unit[u] = neighbour[k], weight[u] = __ldcg(my.w1 + (entry ? entry[k] : k));
    }
#pragma unroll
    for (int u = 0; u < QUAD; u++) {
        if (u >= n_units) break;
        for (int first = start[u], end = start[u + 1]; first < end; first += WARP) {
            int k = first + lane;
            if (first > start[u] && k < end) unit[u] = neighbour[k], weight[u] = __ldcg(my.w1 + (entry ? entry[k] : k));
            for (int n = min(WARP, end - first), e = 0; e < n; e++) {
                const u32* on = bits + __shfl_sync(FULL_WARP, unit[u], e) * my.n_words + word;
                float w = __shfl_sync(FULL_WARP, weight[u], e);
#pragma unroll
                for (int one = 0; one < PAIR; one++)
                    if (word + one < my.n_words && on[one] >> lane & 1) field[u][one] += w;
            }
        }
    }
}

// States of QUAD units, which share one call of Philox, in chain 32 word + lane, as a word each; the first unit is a multiple
// of QUAD. All lanes of a warp take part.
__device__ __forceinline__ void draw_quad(Share& my, const float field[QUAD], const float* bias, int n_units, int word,
                                          u32 unit, u32 step, u32 layer, u32* words) {
    int lane = threadIdx.x % WARP, chain = word * WARP + lane;
    Words random = philox(unit / QUAD, chain, step, layer, my.key);
#pragma unroll
    for (int u = 0; u < QUAD; u++) {
        if (u >= n_units) break;
        u32 found = __ballot_sync(FULL_WARP, chain < my.n_chains && uniform(random.word[u]) < logistic(field[u] + bias[u]));
        if (lane == u) words[u * my.n_words + word] = found;
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
            float* to = my.chain_partial + ((u64)my.g * my.n_chains + chain) * my.row1;
            for (int i = lane; i < my.n1; i += WARP) to[i] = sum_of_list(list, n_on, my.w2 + i * my.stride, 1);
        }
    }
}

// Draws QUAD units in the chains of PAIR words from fields that lie `apart` unit by unit, or from 0, and their neighbours in
// one layer. All lanes of a warp take part.
__device__ __forceinline__ void draw_with_neighbours(Share& my, const float* fields, int apart, const int* start, int n_units,
                                                     const int* neighbour, const int* entry, const u32* bits, const float* bias,
                                                     int word, u32 unit, u32 step, u32 layer, u32* words) {
    int lane = threadIdx.x % WARP;
    float field[QUAD][PAIR] = {};
#pragma unroll
    for (int u = 0; u < QUAD; u++)
#pragma unroll
        for (int one = 0; one < PAIR; one++)
            if (fields && u < n_units && (word + one) * WARP + lane < my.n_chains)
                field[u][one] = fields[u * apart + one * WARP + lane];
    add_neighbours(my, field, start, n_units, neighbour, entry, bits, word);
#pragma unroll
    for (int one = 0; one < PAIR; one++) {
        if (word + one >= my.n_words) break;
        float of_word[QUAD];
#pragma unroll
        for (int u = 0; u < QUAD; u++) of_word[u] = field[u][one];
        draw_quad(my, of_word, bias, n_units, word + one, unit, step, layer, words);
    }
}

// Draws some of this block's units of layer 1, a warp's lanes at most, in the chains of WORDS words, given both neighbours.
__device__ __forceinline__ void draw_layer_1(Share& my, int first, int n_units, int word, u32 step) {
    int n = min(WORDS * WARP, my.n_chains - word * WARP), apart = WORDS * WARP + 1;
    int quad = threadIdx.x % (WARP / QUAD) * QUAD;  // what a lane adds up: QUAD units of one chain
    for (int c = threadIdx.x / (WARP / QUAD); c < n && quad < n_units; c += N_THREADS / (WARP / QUAD)) {
        const float* from = my.chain_partial + ((u64)word * WARP + c) * my.row1 + first + quad;
        float4 field = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int start = 0; start < my.n_blocks; start += AHEAD) {
            float4 value[AHEAD] = {};
#pragma unroll
            for (int k = 0; k < AHEAD; k++)
                if (start + k < my.n_blocks && my.busy[(start + k) * WORDS + c / WARP] >> (c % WARP) & 1)
                    value[k] = __ldcg((const float4*)(from + (u64)(start + k) * my.n_chains * my.row1));
#pragma unroll
            for (int k = 0; k < AHEAD; k++)
                field.x += value[k].x, field.y += value[k].y, field.z += value[k].z, field.w += value[k].w;
        }
        float* to = my.scratch + quad * apart + c;
        to[0] = field.x, to[apart] = field.y, to[2 * apart] = field.z, to[3 * apart] = field.w;
    }
    __syncthreads();
    Place<int> start = my.column_start;
    for (int task = threadIdx.x / WARP; task < (n_units + QUAD - 1) / QUAD * (WORDS / PAIR); task += WARPS) {
        int u = task / (WORDS / PAIR) * QUAD, one = task % (WORDS / PAIR) * PAIR, i = first + u, own = i - my.first1;
        draw_with_neighbours(my, my.scratch + u * apart + one * WARP, apart, start + own, min(QUAD, n_units - u), my.visible_of,
                             nullptr, my.bits0, my.bias1 + own, word + one, i, step, 1, my.told1 + i * my.n_words);
    }
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

// Draws this block's units of layer 2, given layer 1: fields on the tensor cores, then a warp QUAD units.
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
            int n = min(TILE, my.n_columns - first), n_together = min(WORDS, my.n_words - word);
            for (int task = threadIdx.x / WARP; task < (n + QUAD - 1) / QUAD * n_together; task += WARPS) {
                int one = task % n_together, u = task / n_together * QUAD, j = first + u;
                float field[QUAD];
#pragma unroll
                for (int k = 0; k < QUAD; k++)
                    field[k] = u + k < n ? fields[(u + k) * (WORDS * WARP + 1) + one * WARP + lane] : 0.0f;
                draw_quad(my, field, my.bias2 + j, min(QUAD, n - u), word + one, my.first2 + j, step, 2, my.bits2 + j * my.n_words);
            }
        }
        __syncthreads();
    }
}
#else
// Draws this block's units of layer 2: a thread a column, 16 chains one after the other, each a list of the units that are on.
__device__ __forceinline__ void draw_layer_2(Share& my, u32 step) {
    unsigned short* list = list_of_warp(my);
    int lanes = lanes_of(my.n_columns), groups = N_THREADS / lanes, j = threadIdx.x % lanes, group = threadIdx.x / lanes;
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
    copy_told<u32>(my.bits1, my.told1, my.n1 * my.n_words);
    __syncthreads();
    draw_layer_2(my, step);
    int n_pairs = (my.n_words + PAIR - 1) / PAIR, n_own = my.last0 - my.first0;
    for (int task = threadIdx.x / WARP; task < (n_own + QUAD - 1) / QUAD * n_pairs; task += WARPS) {
        int own = task / n_pairs * QUAD, word = task % n_pairs * PAIR, v = my.first0 + own;
        Place<int> start = my.row_start;
        draw_with_neighbours(my, nullptr, 0, start + own, min(QUAD, n_own - own), my.row_unit, my.row_entry, my.bits1,
                             my.bias0 + own, word, v, step, 0, my.told0 + v * my.n_words);
    }
    meet(my.counter, my.n_blocks);
    copy_told<u32>(my.bits0, my.told0, my.n0 * my.n_words);
    __syncthreads();
}

#endif
