// States of one layer given its neighbours, for many chains, on the tensor cores  (Eqs. 9, 10).
//
//     h[c, j] = 1 where uniform < s( unit[j] (sum_i below[c, i] W[i, j] + sum_k above[c, k] W'[k, j]) + bias[j] )
//
// W, W' are whole numbers of at most 23 bits, given as DIGITS signed bytes, W = sum_d 256^d digit_d; states are 0 or 1, so
// each digit is a product of bytes that tensor cores add up exactly, in any order: a chain's states depend on that chain
// alone. The error of a field is stated in backend/gpu/fixed_point.py.
//
// `digits`: (DIGITS, units, depth), depth = below_stride + above_stride. Strides of states are multiples of DEPTH, units
// of UNITS, chains of CHAINS; what pads them is 0 and stays 0. A stride of 0: there is no such neighbour.
//
// A block of 8 warps makes CHAINS x UNITS states, a warp 32 x 32: 2 x 4 products of 16 x 8, DIGITS sums each. DEPTH units of
// the neighbours are staged in shared memory at a time, in rows of DEPTH + 16 bytes, which no two lanes of a fragment
// find in one bank. Pairs of lanes then trade sums, so that each has four neighbouring units of one chain: one Philox call.
//
// Grid: (chains / CHAINS, units / UNITS). Operations: 2 DIGITS chains units depth of 8 bits; the floor is that over the card's
// rate (H100: 1.98e15 a second). Bytes, from the second-level cache: chains depth (units / UNITS), and DIGITS units depth
// (chains / CHAINS); result: chains units.

#include "common.cuh"
#include "fixed_point.cuh"

#define CHAINS 128
#define UNITS 64
#define DEPTH 64
#define STEP 32  // depth of one product
#define ROW (DEPTH + 16)
#define DIGITS 3
#define N_THREADS 256
#define ACROSS 2  // products of 16 chains that a warp has
#define ALONG 4   // products of 8 units

struct Tiles {
    __align__(16) u8 states[CHAINS][ROW];
    __align__(16) u8 digits[DIGITS][UNITS][ROW];
};

// What one thread moves into shared memory: 16 bytes of a row in each pass over 64 rows.
struct Piece {
    uint4 states[CHAINS / 64], digits[DIGITS];
};

// Where a block reads: its chains of both neighbours, and the digits of its units.
struct Source {
    const u8 *below, *above, *digits;
    int below_stride, above_stride;
    u64 digit_size;
};

// The piece that starts at this depth; `row`, `column`: this thread's.
__device__ __forceinline__ void fetch(Piece& piece, const Source& from, int start, int row, int column) {
    bool is_below = start < from.below_stride;
    const u8* states = is_below ? from.below + start : from.above + (start - from.below_stride);
    int stride = is_below ? from.below_stride : from.above_stride, depth = from.below_stride + from.above_stride;
#pragma unroll
    for (int pass = 0; pass < CHAINS / 64; pass++)
        piece.states[pass] = *(const uint4*)(states + (u64)(row + 64 * pass) * stride + column);
#pragma unroll
    for (int d = 0; d < DIGITS; d++)
        piece.digits[d] = *(const uint4*)(from.digits + d * from.digit_size + (u64)row * depth + start + column);
}

__device__ __forceinline__ void put(Tiles& tiles, const Piece& piece, int row, int column) {
#pragma unroll
    for (int pass = 0; pass < CHAINS / 64; pass++) *(uint4*)&tiles.states[row + 64 * pass][column] = piece.states[pass];
#pragma unroll
    for (int d = 0; d < DIGITS; d++) *(uint4*)&tiles.digits[d][row][column] = piece.digits[d];
}

__device__ __forceinline__ u32 four(const u8* bytes) {
    return *(const u32*)bytes;
}

__device__ __forceinline__ void add_products(const Tiles& tiles, int sum[DIGITS][ACROSS][ALONG][4], int first_chain,
                                             int first_unit) {
    int group = threadIdx.x % WARP / 4, quarter = 4 * (threadIdx.x % 4);
#pragma unroll
    for (int start = 0; start < DEPTH; start += STEP) {
        u32 states[ACROSS][4];
#pragma unroll
        for (int m = 0; m < ACROSS; m++)
#pragma unroll
            for (int part = 0; part < 4; part++)
                states[m][part] =
                    four(&tiles.states[first_chain + 16 * m + 8 * (part % 2) + group][start + 16 * (part / 2) + quarter]);
#pragma unroll
        for (int d = 0; d < DIGITS; d++)
#pragma unroll
            for (int n = 0; n < ALONG; n++) {
                const u8* row = &tiles.digits[d][first_unit + 8 * n + group][start + quarter];
                u32 digits[2] = {four(row), four(row + 16)};
#pragma unroll
                for (int m = 0; m < ACROSS; m++) multiply_add(sum[d][m][n], states[m], digits);
            }
    }
}

// The sum of one product's place, from its digits.
__device__ __forceinline__ long long whole(const int sum[DIGITS][ACROSS][ALONG][4], int m, int n, int place) {
    return whole_of(sum[0][m][n][place], sum[1][m][n][place], sum[2][m][n][place]);
}

// States from the sums of a warp that starts at this chain and unit.
__device__ __forceinline__ void decide(const int sum[DIGITS][ACROSS][ALONG][4], u64 warp_chain, int warp_unit,
                                       const float* unit, const float* bias, int n_units, int stride, u64 key, u32 step,
                                       u32 layer, u32 chain_offset, u8* out) {
    int lane = threadIdx.x % WARP, odd = lane % 2;
#pragma unroll
    for (int m = 0; m < ACROSS; m++)
#pragma unroll
        for (int n = 0; n < ALONG; n++) {
            // even lanes keep row g and get its two units to the right, odd ones keep row g + 8 and get the two to the left
            long long kept[2], got[2];
#pragma unroll
            for (int c = 0; c < 2; c++) {
                long long upper = whole(sum, m, n, c), lower = whole(sum, m, n, 2 + c);
                kept[c] = odd ? lower : upper;
                got[c] = __shfl_xor_sync(FULL_WARP, odd ? upper : lower, 1);
            }
            u64 chain = warp_chain + 16 * m + lane / 4 + 8 * odd;
            int first = warp_unit + 8 * n + 4 * (lane % 4 / 2);
            Words words = philox(first / 4, chain_offset + (u32)chain, step, layer, key);
            u32 states = 0;
#pragma unroll
            for (int c = 0; c < 4; c++) {
                long long total = c / 2 == odd ? kept[c % 2] : got[c % 2];
                bool is_on = first + c < n_units &&
                             uniform(words.word[c]) < logistic(field_of(total, unit[first + c], bias[first + c]));
                states |= (u32)is_on << 8 * c;
            }
            *(u32*)(out + chain * stride + first) = states;
        }
}

extern "C" __global__ void __launch_bounds__(N_THREADS)
    draw(const u8* __restrict__ below, int below_stride, const u8* __restrict__ above, int above_stride,
         const u8* __restrict__ digits, const float* __restrict__ unit, const float* __restrict__ bias, int n_chains,
         int n_units, int stride, u64 key, u32 step, u32 layer, u32 chain_offset, u8* __restrict__ out) {
    __shared__ Tiles tiles;
    int warp = threadIdx.x / WARP, warp_chain = 32 * (warp / 2), warp_unit = 32 * (warp % 2);
    int row = threadIdx.x / 4, column = 16 * (threadIdx.x % 4), depth = below_stride + above_stride;
    u64 first_chain = (u64)blockIdx.x * CHAINS;
    int first_unit = blockIdx.y * UNITS;
    bool is_busy = first_chain + warp_chain < (u64)n_chains;  // a warp whose chains are all padding has nothing to do
    Source from = {below + first_chain * below_stride, above + first_chain * above_stride,
                   digits + (u64)first_unit * depth,   below_stride,
                   above_stride,                       (u64)stride * depth};
    Piece piece;
    int sum[DIGITS][ACROSS][ALONG][4] = {};
    if (depth) fetch(piece, from, 0, row, column);
    for (int start = 0; start < depth; start += DEPTH) {
        put(tiles, piece, row, column);
        __syncthreads();
        if (start + DEPTH < depth) fetch(piece, from, start + DEPTH, row, column);  // on its way while this one is used
        if (is_busy) add_products(tiles, sum, warp_chain, warp_unit);
        __syncthreads();
    }
    if (is_busy)
        decide(sum, first_chain + warp_chain, first_unit + warp_unit, unit, bias, n_units, stride, key, step, layer,
               chain_offset, out);
}
