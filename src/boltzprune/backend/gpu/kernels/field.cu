// Probability of every unit of one layer given those of its neighbours  (Eqs. 9, 10).
//
//     p[c, j] = s( gain (sum_i below[c, i] below_weights[i, j] + sum_k above[c, k] above_weights[j, k]) + bias[j] )
//
// A neighbour without units is absent. A block of 256 threads makes a tile of 64 cases x 64 units, a thread 4 x 4 of it.
// The sum over the neighbours' units runs in ascending order, 16 staged in shared memory at a time, so that a case's
// numbers do not depend on which other cases are computed with it.
//
// Grid: (ceil(n_cases / 64), ceil(n_units / 64)). Work: 2 n_cases n_units (n_below + n_above) operations in float32.
// Bytes: the inputs n_units / 64 times, the weights n_cases / 64 times (from the second-level cache), the result once.

#include "common.cuh"

#define TILE 64
#define DEPTH 16
#define SIDE 16
#define EACH 4

struct Tile {
    float input[DEPTH][TILE + 1];
    __align__(16) float weight[DEPTH][TILE + 4];
};

// DEPTH units of one neighbour into shared memory, 0 outside: inputs by case, weights by unit of this layer.
__device__ __forceinline__ void stage(Tile& tile, const float* input, const float* weights, bool is_below, int n_neighbour,
                                      int start, int first_case, int first_unit, int n_cases, int n_units) {
    for (int place = threadIdx.x; place < DEPTH * TILE; place += SIDE * SIDE) {
        int k = place % DEPTH, one = place / DEPTH;
        bool inside = start + k < n_neighbour && first_case + one < n_cases;
        tile.input[k][one] = inside ? input[(u64)(first_case + one) * n_neighbour + start + k] : 0.0f;
    }
    for (int place = threadIdx.x; place < DEPTH * TILE; place += SIDE * SIDE) {
        int k = is_below ? place / TILE : place % DEPTH;  // neighbouring threads read neighbouring weights
        int unit = is_below ? place % TILE : place / DEPTH;
        bool inside = start + k < n_neighbour && first_unit + unit < n_units;
        u64 from = is_below ? (u64)(start + k) * n_units + first_unit + unit : (u64)(first_unit + unit) * n_neighbour + start + k;
        tile.weight[k][unit] = inside ? weights[from] : 0.0f;
    }
}

__device__ __forceinline__ void add_products(const Tile& tile, float sum[EACH][EACH], int row, int column) {
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        float4 w = *(const float4*)&tile.weight[k][EACH * column];
#pragma unroll
        for (int r = 0; r < EACH; r++) {
            float x = tile.input[k][EACH * row + r];
            sum[r][0] = fmaf(x, w.x, sum[r][0]);
            sum[r][1] = fmaf(x, w.y, sum[r][1]);
            sum[r][2] = fmaf(x, w.z, sum[r][2]);
            sum[r][3] = fmaf(x, w.w, sum[r][3]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(SIDE* SIDE)
    field(const float* __restrict__ below, const float* __restrict__ below_weights, int n_below,
          const float* __restrict__ above, const float* __restrict__ above_weights, int n_above,
          const float* __restrict__ bias, float gain, int n_cases, int n_units, float* __restrict__ out) {
    __shared__ Tile tile;
    int row = threadIdx.x / SIDE, column = threadIdx.x % SIDE;
    int first_case = blockIdx.x * TILE, first_unit = blockIdx.y * TILE;
    float sum[EACH][EACH] = {};
    for (int side = 0; side < 2; side++) {
        int n_neighbour = side ? n_above : n_below;
        for (int start = 0; start < n_neighbour; start += DEPTH) {
            stage(tile, side ? above : below, side ? above_weights : below_weights, side == 0, n_neighbour, start, first_case,
                  first_unit, n_cases, n_units);
            __syncthreads();
            add_products(tile, sum, row, column);
            __syncthreads();
        }
    }
    int unit = first_unit + EACH * column;
    for (int r = 0; r < EACH; r++) {
        int one = first_case + EACH * row + r;
        if (one >= n_cases) continue;
        float* target = out + (u64)one * n_units;
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            if (unit + c >= n_units) continue;
            target[unit + c] = logistic(fmaf(gain, sum[r][c], bias[unit + c]));
        }
    }
}
