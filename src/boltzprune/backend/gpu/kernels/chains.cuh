// A Gibbs step of the persistent chains of kernels/joint.cu: h1 given the visible units and h2, then they given h1.
//
// States are bits, 32 chains to a word, so that a warp draws a unit in 32 chains at a time: its lanes read the same weights
// and the same words. Four units, whose random numbers are one call of Philox, are drawn together. Fields of h2 are sums of
// whole numbers on tensor cores.

#ifndef BOLTZPRUNE_CHAINS
#define BOLTZPRUNE_CHAINS

// Units of a chain that are on, ascending, into this warp's list; their number. All lanes take part.
__device__ __forceinline__ int list_active(Share& my, const u32* bits, int n, int chain, unsigned short* list) {
    int lane = threadIdx.x % WARP, total = 0;
    __syncwarp();  // nobody reads the list of before any more
    for (int start = 0; start < n; start += WARP) {
        int unit = start + lane;
        u32 found = __ballot_sync(FULL_WARP, unit < n && bits[unit * my.n_words + chain / 32] >> (chain % 32) & 1);
        total = append(list, total, found, unit);
    }
    __syncwarp();
    return total;
}

// field[u][one] += weights of the neighbours of QUAD units that are on in chain 32 (word + one) + lane; `start` has where the
// neighbours of these units begin in `neighbour`, their weights are at the same entries of w1, or where `entry` says. All
// lanes of a warp take part; they ask for the neighbours of all units together. Where a unit has fewer than others, and
// beyond the last word, what is added or looked at counts for nothing.
__device__ __forceinline__ void add_neighbours(Share& my, float field[QUAD][PAIR], const int* start, int n_units,
                                               const int* neighbour, const int* entry, const u32* bits, int word) {
    int lane = threadIdx.x % WARP, n_words = my.n_words, begin[QUAD], n[QUAD], most = 0, last = min(PAIR, n_words - word) - 1;
    const float* w1 = in_global(my.w1);
    bits += word, neighbour = in_global(neighbour);
    if (entry) entry = in_global(entry);
#pragma unroll
    for (int u = 0; u < QUAD; u++) {
        begin[u] = start[min(u, n_units)], n[u] = start[min(u + 1, n_units)] - begin[u];
        most = max(most, n[u]);
    }
    for (int first = 0; first < most; first += WARP) {
        int place[QUAD];
        float weight[QUAD];
#pragma unroll
        for (int u = 0; u < QUAD; u++) {
            int k = begin[u] + min(first + lane, max(n[u] - 1, 0));
            bool is_there = first + lane < n[u];
            place[u] = is_there ? neighbour[k] * n_words : 0;
            weight[u] = is_there ? __ldcg(w1 + (entry ? entry[k] : k)) : 0.0f;
        }
        for (int e = 0, end = min(WARP, most - first); e < end; e++)
#pragma unroll
            for (int u = 0; u < QUAD; u++) {
                const u32* on = bits + __shfl_sync(FULL_WARP, place[u], e);
                float w = __shfl_sync(FULL_WARP, weight[u], e);
#pragma unroll
                for (int one = 0; one < PAIR; one++) field[u][one] += on[min(one, last)] >> lane & 1 ? w : 0.0f;
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
    int lane = threadIdx.x % WARP, n1 = my.n1, stride = my.stride, n_words = my.n_words;
    unsigned short* list = list_of_warp(my);
    const float* w2 = my.w2;
    float* rows = in_global(my.chain_partial) + (u64)my.g * my.n_chains * my.row1;
    u32 *told = in_global(my.told_busy) + my.g * n_words, *mine = my.busy_here;
    for (int word = threadIdx.x / WARP; word < n_words; word += WARPS) {
        u32 busy = 0;
        for (int j = lane; j < my.n_columns; j += WARP) busy |= my.bits2[j * n_words + word];
        busy = any_of_warp(busy);
        if (lane == 0) mine[word] = told[word] = busy;
    }
    __syncthreads();
    for (int chain = threadIdx.x / WARP; chain < my.n_chains; chain += WARPS) {
        if (!(mine[chain / WARP] >> (chain % WARP) & 1)) continue;
        int n_on = list_active(my, my.bits2, my.n_columns, chain, list);
        float* to = rows + (u64)chain * my.row1;
        for (int first = lane; first < n1; first += AHEAD * WARP) {  // units of layer 1, side by side
            float sum[AHEAD] = {};
            for (int k = 0; k < n_on; k++) {
                const float* column = w2 + list[k];
#pragma unroll
                for (int r = 0; r < AHEAD; r++) sum[r] += column[min(first + r * WARP, n1 - 1) * stride];
            }
#pragma unroll
            for (int r = 0; r < AHEAD; r++)
                if (first + r * WARP < n1) to[first + r * WARP] = sum[r];
        }
    }
}

// Draws QUAD units in the chains of PAIR words from fields that lie `apart` unit by unit, or from 0, and their neighbours in
// one layer. All lanes of a warp take part.
__device__ __forceinline__ void draw_with_neighbours(Share& my, const float* fields, int apart, const int* start, int n_units,
                                                     const int* neighbour, const int* entry, const u32* bits, const float* bias,
                                                     int word, u32 unit, u32 step, u32 layer, u32* words) {
    int lane = threadIdx.x % WARP, n_chains = my.n_chains;
    float field[QUAD][PAIR] = {};
#pragma unroll
    for (int u = 0; u < QUAD; u++)
#pragma unroll
        for (int one = 0; one < PAIR; one++)
            if (fields && u < n_units && (word + one) * WARP + lane < n_chains)
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
                             nullptr, my.bits0, my.bias1 + own, word + one, i, step, 1, in_global(my.told1) + i * my.n_words);
    }
}

// Scale and unit of a column, as fixed_point.cuh has them, from the largest of its weights: 2^(22 - e) and 2^(e - 22) where it
// lies below 2^e; below 2^-100 weights count as 0.
__device__ __forceinline__ float2 scale_of(float largest) {
    int exponent = max(__float_as_int(largest) >> 23, 27);
    float2 scale = {__int_as_float((275 - exponent) << 23), __int_as_float((exponent - 21) << 23)};
    return scale;
}

// Four weights as whole multiples of a unit, and these as three signed bytes: parts[d] has the d-th of all four.
__device__ __forceinline__ void digits_of(u32 parts[3], const float w[4], float scale) {
    u32 x[4];
#pragma unroll
    for (int k = 0; k < 4; k++)  // the lowest bits are the whole number; a byte + 128 is a signed one with its sign turned
        x[k] = (__float_as_int(fmaf(w[k], scale, 12582912.0f)) + 0x00408080u) ^ 0x00808080u;
    u32 low = __byte_perm(x[0], x[1], 0x5140), high = __byte_perm(x[2], x[3], 0x5140);
    parts[0] = __byte_perm(low, high, 0x5410), parts[1] = __byte_perm(low, high, 0x7632);
    parts[2] = __byte_perm(__byte_perm(x[0], x[1], 0x0062), __byte_perm(x[2], x[3], 0x0062), 0x5410);
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
// of the chains, sums of whole numbers on tensor cores.
__device__ __forceinline__ void multiply(Share& my, const u32* by_chain, int apart, int first, float* fields) {
    int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4, n = min(TILE, my.n_columns - first), n1 = my.n1, stride = my.stride;
    for (int item = threadIdx.x / WARP; item < 2 * ((n + 7) / 8); item += WARPS) {
        int columns = item / 2 * 8, chains = item % 2 * (WORDS * WARP / 2), j = min(first + columns + g, my.n_columns - 1);
        int c[WORDS][3][4] = {};
        float scale = my.scale2[2 * j];
        const float* column = my.w2 + j;
        const u32* rows = by_chain + (chains + g) * apart;
#pragma unroll 1
        for (int start = 0; start < n1; start += WARP) {
            u32 weights[2][3];
#pragma unroll
            for (int half = 0; half < 2; half++) {
                float w[4];
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    int i = start + 4 * t + k + 16 * half;
                    w[k] = i < n1 ? column[i * stride] : 0.0f;
                }
                digits_of(weights[half], w, scale);
            }
#pragma unroll
            for (int m = 0; m < WORDS; m++) {
                const u32* row = rows + 16 * m * apart + start / WARP;
                u32 states[4];
                states_of(states, row[0], row[8 * apart]);
#pragma unroll
                for (int d = 0; d < 3; d++) {
                    u32 digit[2] = {weights[0][d], weights[1][d]};
                    multiply_add(c[m][d], states, digit);
                }
            }
        }
#pragma unroll
        for (int m = 0; m < WORDS; m++)
#pragma unroll
            for (int k = 0; k < 4; k++) {
                long long whole = whole_of(c[m][0][k], c[m][1][k], c[m][2][k]);
                int unit = columns + 2 * t + k % 2, chain = chains + 16 * m + g + k / 2 * 8;
                float scaled = (float)whole * my.scale2[2 * min(first + unit, my.n_columns - 1) + 1];
                fields[unit * (WORDS * WARP + 1) + chain] = scaled;
            }
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

// One Gibbs step of all chains: layer 1 given the others, then they given layer 1.
__device__ __forceinline__ void gibbs_step(Share& my, u32 step) {
    contribute_of_chains(my);
    meet_others(my);
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
    meet_others(my);
    copy_told<u32, AHEAD>(my.bits1, my.told1, my.n1 * my.n_words);
    __syncthreads();
    draw_layer_2(my, step);
    int n_pairs = (my.n_words + PAIR - 1) / PAIR, n_own = my.last0 - my.first0;
    for (int task = threadIdx.x / WARP; task < (n_own + QUAD - 1) / QUAD * n_pairs; task += WARPS) {
        int own = task / n_pairs * QUAD, word = task % n_pairs * PAIR, v = my.first0 + own;
        Place<int> start = my.row_start;
        draw_with_neighbours(my, nullptr, 0, start + own, min(QUAD, n_own - own), my.row_unit, my.row_entry, my.bits1,
                             my.bias0 + own, word, v, step, 0, in_global(my.told0) + v * my.n_words);
    }
    meet_others(my);
    copy_told<u32, AHEAD>(my.bits0, my.told0, my.n0 * my.n_words);
    __syncthreads();
}

#endif
