// Persistent chains that run freely: many steps of block Gibbs sampling of the chains of several machines in one launch, odd
// layers given even ones, then even ones given odd  (Eqs. 9, 10). Machines have any number of layers.
//
// Several blocks share a machine, whose weights stay as they are, so that each keeps the weights into its units in shared
// memory for the whole launch. They are whole numbers as three signed bytes: tensor cores add them up exactly, in any
// order, and states are to the last bit those of draw.cu and gibbs.cu, however many blocks share the work. Blocks tell each
// other states alone, 8 units to a byte, and meet twice a step. Eight units are a group; its weights lie as tiles of 32
// neighbours by 8 units, as the lanes of a warp need them, and tiles without a weight are left out: receptive fields and
// pruned weights have few. A warp takes 8 units of 32 chains.
//
// states: for each machine words of 32 units, (n_chains, n_even) of the even layers, then (n_chains, n_odd) of the odd ones;
// each layer begins at a word, and both counts are odd, so that no two rows begin in one bank of shared memory. Blocks of a
// machine write their groups and read all: what is there before is the first state, what is there after the last one.
//
// A block has a row of ABOUT numbers: its machine and the number of blocks that share it, n_even and n_odd, where the states
// of its machine and its own tiles begin, how many tiles it has, and where its groups of odd layers and of even ones begin
// and end. Of a group: its byte among those of a chain's even or odd layers, its layer, its first unit there, where its
// tiles begin and end among those of the block; `scales` has unit and bias of each of its 8 units.
//
// ANNEALED: the chains of annealed importance sampling (sampling/ais.py) instead. Step k multiplies all weights by betas[k];
// a step draws the side that sums out first and takes down, for each group, chain and half of the group, by how much the log
// of the sum over its units' states grows with beta: log_weights, [groups][2][n_chains]. Who adds them up has one order for it.
//
// Grid: the blocks of one machine after those of another, all at the same time (a cooperative launch).
// Operations of a step: 2 DIGITS n_chains 256 for each tile, in products of bytes; two meetings; bytes from the second-level
// cache: n_chains n_words 4 a block.
//
// Example: N_THREADS=512 ANNEALED=0
// Example: N_THREADS=512 ANNEALED=1

#include "common.cuh"
#include "fixed_point.cuh"
#include "meet.cuh"

#define WARPS (N_THREADS / WARP)
#define DIGITS 3
#define ABOUT 10
#define GROUP 5  // numbers of a `Group`
#define AHEAD 8  // loads that are under way together

DYNAMIC_SHARED(uint2, memory);

struct Group {
    int byte, layer, unit, first_tile, end_tile;
};

// States of the even or of the odd layers of all chains: rows of so many words, in shared memory and where all blocks read.
struct Side {
    u32 *mine, *all;
    int n_words;
};

// Inverse temperatures before and after a step, and where the logs of sums grow, if the groups that are drawn sum out.
struct Annealing {
    float before, beta;
    double* log_weights;
};

// log(1 + exp(x))
__device__ __forceinline__ float softplus(float x) {
    return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}

// What one block has of its machine in shared memory.
struct Share {
    const uint2* tiles;    // [tiles][DIGITS][WARP], two registers of each lane
    const float2* scales;  // [groups][8], unit and bias
    const Group* groups;
    const int* words;  // of a tile, where among the words of a chain its neighbours are
    int n_chains;
    u64 key;
};

// States of 8 units in 16 chains from the sums of a warp, told to all.
__device__ __forceinline__ void decide(const Share& my, const Side& drawn, const int sum[DIGITS][4], int place, int first_chain,
                                       u32 step, const Annealing& at) {
    // even lanes keep row g and get its two units to the right, odd ones keep row g + 8 and get the two to the left
    int lane = threadIdx.x % WARP, odd = lane % 2;
    float kept[2], got[2];
#pragma unroll
    for (int c = 0; c < 2; c++) {
        long long upper = whole_of(sum[0][c], sum[1][c], sum[2][c]), lower = whole_of(sum[0][2 + c], sum[1][2 + c], sum[2][2 + c]);
        kept[c] = (float)(odd ? lower : upper);
        got[c] = __shfl_xor_sync(FULL_WARP, (float)(odd ? upper : lower), 1);
    }
    int chain = first_chain + lane / 4 + 8 * odd, half = lane % 4 / 2;
    Group group = my.groups[place];
    Words words = philox(group.unit / 4 + half, chain, step, group.layer, my.key);
    u32 states = 0;
    float growth = 0.0f;
#pragma unroll
    for (int c = 0; c < 4; c++) {
        float2 scale = my.scales[8 * place + 4 * half + c];
        float input = scale.x * (c / 2 == odd ? kept[c % 2] : got[c % 2]);  // exact, since units are powers of two
        float field = ANNEALED ? fmaf(at.beta, input, scale.y) : input + scale.y;
        if (ANNEALED && at.log_weights) growth += softplus(field) - softplus(fmaf(at.before, input, scale.y));
        states |= (u32)(uniform(words.word[c]) < logistic(field)) << c;
    }
    if (ANNEALED && at.log_weights && chain < my.n_chains) at.log_weights[(2 * place + half) * my.n_chains + chain] += growth;
    states <<= 4 * half;
    states |= __shfl_xor_sync(FULL_WARP, states, 2);
    if (half == 0 && chain < my.n_chains) ((u8*)(drawn.all + (u64)chain * drawn.n_words))[group.byte] = (u8)states;
}

// Draws groups [begin, end), which are of one side, given the states of the other.
__device__ __forceinline__ void draw_groups(const Share& my, const Side& given, const Side& drawn, int begin, int end, u32 step,
                                            const Annealing& at) {
    int lane = threadIdx.x % WARP, n_parts = (my.n_chains + 31) / 32;
    for (int task = threadIdx.x / WARP; task < (end - begin) * n_parts; task += WARPS) {
        int place = begin + task / n_parts, first_chain = task % n_parts * 32;
        bool has_more = first_chain + 16 < my.n_chains;
        const u32* rows = given.mine + (first_chain + lane / 4) * given.n_words;
        int sum[2][DIGITS][4] = {};
#pragma unroll 4
        for (int tile = my.groups[place].first_tile; tile < my.groups[place].end_tile; tile++) {
            const u32* row = rows + my.words[tile];
            u32 states[2][4];
#pragma unroll
            for (int m = 0; m < 2; m++)
                if (m == 0 || has_more) states_of(states[m], row[16 * m * given.n_words], row[(16 * m + 8) * given.n_words]);
#pragma unroll
            for (int d = 0; d < DIGITS; d++) {
                uint2 both = my.tiles[(tile * DIGITS + d) * WARP + lane];
                u32 weights[2] = {both.x, both.y};
                multiply_add(sum[0][d], states[0], weights);
                if (has_more) multiply_add(sum[1][d], states[1], weights);
            }
        }
        decide(my, drawn, sum[0], place, first_chain, step, at);
        if (has_more) decide(my, drawn, sum[1], place, first_chain + 16, step, at);
    }
}

// The states of one side, as all blocks have drawn them, into shared memory.
__device__ __forceinline__ void read(const Side& side, int n_chains) {
    for (int start = threadIdx.x, n = n_chains * side.n_words; start < n; start += AHEAD * N_THREADS) {
        u32 value[AHEAD];
#pragma unroll
        for (int k = 0; k < AHEAD; k++)
            if (start + k * N_THREADS < n) value[k] = __ldcg(side.all + start + k * N_THREADS);
#pragma unroll
        for (int k = 0; k < AHEAD; k++)
            if (start + k * N_THREADS < n) side.mine[start + k * N_THREADS] = value[k];
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(N_THREADS, 1)
    free_run(u32* all_states, const int* __restrict__ about, const int* __restrict__ all_groups, const float* __restrict__ all_scales,
             const int* __restrict__ all_words, const uint4* __restrict__ all_tiles, const u64* __restrict__ keys, u32* counters,
#if ANNEALED
             const float* __restrict__ betas, double* all_log_weights, int even_first,
#endif
             int n_chains, u32 first_step, int n_gibbs_steps) {
    const int* row = about + ABOUT * blockIdx.x;
    int machine = row[0], n_blocks = row[1], n_even = row[2], n_odd = row[3], first_tile = row[5], n_tiles = row[6];
    int n_odd_groups = row[8] - row[7], n_groups = row[9] - row[7], padded = (n_chains + 31) / 32 * 32;
    // gpu/free_run.py, `_shared`, has the sum of these sizes: it chooses how many blocks there are before this runs.
    uint2* tiles = memory;
    float2* scales = (float2*)(tiles + n_tiles * DIGITS * WARP);
#if ANNEALED
    // The side that is drawn first sums out.
    int begin = even_first ? n_odd_groups : 0, end = even_first ? n_groups : n_odd_groups;
    double *sums = (double*)(scales + 8 * n_groups), *log_weights = sums - 2 * begin * n_chains;
    Group* groups = (Group*)(sums + 2 * (end - begin) * n_chains);
#else
    Group* groups = (Group*)(scales + 8 * n_groups);
#endif
    int* words = (int*)(groups + n_groups);
    u32 *states = (u32*)(words + n_tiles), *all = in_global(all_states) + row[4];
    Side even = {states, all, n_even}, odd = {states + padded * n_even, all + n_chains * n_even, n_odd};
    Share my = {tiles, scales, groups, words, n_chains, keys[machine]};
    u32 wanted = 0;

#pragma unroll 4
    for (int k = threadIdx.x; k < n_tiles * DIGITS * WARP / 2; k += N_THREADS)
        ((uint4*)tiles)[k] = all_tiles[(u64)first_tile * (DIGITS * WARP / 2) + k];
    for (int k = threadIdx.x; k < 16 * n_groups; k += N_THREADS) ((float*)scales)[k] = all_scales[16 * row[7] + k];
    for (int k = threadIdx.x; k < GROUP * n_groups; k += N_THREADS) ((int*)groups)[k] = all_groups[GROUP * row[7] + k];
    for (int k = threadIdx.x; k < n_tiles; k += N_THREADS) words[k] = all_words[first_tile + k];
    for (int k = threadIdx.x; k < padded * (n_even + n_odd); k += N_THREADS) states[k] = 0;
    __syncthreads();
#if ANNEALED
    Side first = even_first ? even : odd, second = even_first ? odd : even;
    int begin_second = even_first ? 0 : n_odd_groups, end_second = even_first ? n_odd_groups : n_groups, n_sums = 2 * (end - begin) * n_chains;
    double* of_block = in_global(all_log_weights) + (u64)2 * (row[7] + begin) * n_chains;
    for (int k = threadIdx.x; k < n_sums; k += N_THREADS) sums[k] = of_block[k];  // they go on from an earlier launch
    __syncthreads();
    read(second, n_chains);
    for (u32 step = first_step; step < first_step + n_gibbs_steps; step++) {
        Annealing summed = {betas[step - 1], betas[step], log_weights}, drawn = {betas[step - 1], betas[step], nullptr};
        draw_groups(my, second, first, begin, end, step, summed);
        meet(counters + machine, wanted, n_blocks);
        read(first, n_chains);
        draw_groups(my, first, second, begin_second, end_second, step, drawn);
        meet(counters + machine, wanted, n_blocks);
        read(second, n_chains);
    }
    for (int k = threadIdx.x; k < n_sums; k += N_THREADS) of_block[k] = sums[k];
#else
    Annealing none = {};
    read(even, n_chains);  // odd layers are drawn first, and others may have begun
    for (int s = 0; s < n_gibbs_steps; s++) {
        draw_groups(my, even, odd, 0, n_odd_groups, first_step + s, none);
        meet(counters + machine, wanted, n_blocks);
        read(odd, n_chains);
        draw_groups(my, odd, even, n_odd_groups, n_groups, first_step + s, none);
        meet(counters + machine, wanted, n_blocks);
        read(even, n_chains);
    }
#endif
}
