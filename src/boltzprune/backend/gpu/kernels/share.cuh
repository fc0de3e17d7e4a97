// What one of several blocks that share a deep machine has of it, and how its threads read and write what blocks tell each
// other. For kernels/joint.cu, which says how a machine is shared; BATCH and N_THREADS are its.

#ifndef BOLTZPRUNE_SHARE
#define BOLTZPRUNE_SHARE

#define WARPS (N_THREADS / WARP)
#define WORDS 4  // words of chains that a warp takes side by side
#define TILE 64  // columns whose fields lie in shared memory at a time
#define AHEAD 8  // loads that are under way together
#define QUAD 4   // units whose random numbers are one call of Philox: a block's units of each layer begin at a multiple of it
#define PAIR 2   // words of chains that a warp draws such units in
#define BLOCKS_AHEAD 16  // blocks whose contributions are asked for together
#define COLUMNS_AHEAD 4  // columns whose weights are under way together
#define SILENT 9.3132257e-10f  // 2^-30: a mean of layer 2, or a change of one, that counts as none
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
    int n_blocks, g, n0, n1, n2, n_columns, stride;
    int first0, last0, first1, last1, first2;  // its units of each layer
    int n_all, most1, most2, row1, n_chains, n_words;  // row1: numbers of a row of chain_partial and of all_columns
    u64 key;
    u32 moved;  // images that some mean of this block has not converged for
    int n_listed;
    u32 moved_alone[2];  // whether a mean of the image that this block iterates alone has changed by more than the tolerance
    // in shared memory
    Place<float> mu1, mu2;  // [n1][PADDED], [columns][PADDED]
    Place<float> scratch;   // parts of sums [parts][columns][PADDED]; lists [WARPS][units]; fields of chains, and their states
    Place<float> field1;    // [n1][PADDED], fields of layer 1; where there are several images, only of this block's units
    Place<float> change2;   // [columns][PADDED], of mu2, which field1 does not have yet; of the listed columns
    Place<u32> is_marked;   // [columns], those to list
    Place<unsigned short> listed;  // [columns + COLUMNS_AHEAD], columns that a mean-field sweep takes
    Place<float> w2;        // [n1][stride]
    Place<u32> bits0, bits1, bits2;  // [units][n_words], chains whose unit is on; of all units, of layer 2 of the columns
    Place<u32> seen;        // [n0], images whose unit is on
    Place<u32> exists;      // [n1][words of columns], upper weights that exist
    Place<u32> busy;        // [n_blocks][WORDS], chains in which any of a block's columns is on
    Place<u32> busy_here;   // [n_words], and any of this block's
    Place<float> bias0, bias1, bias2, step0, step1, step2;  // of its own units, from the first on
    Place<float> scale2;                 // [columns][2], scale and unit of the upper weights as whole numbers
    Place<int> column_start, row_start;  // of its own units of layer 1 and of layer 0, and one more each
    float* steps2;                       // [n1][step_stride], steps of the upper weights: here if there is room
    int step_stride;
    // in the card's memory
    float *w1, *s1;  // lower weights and steps, listed by unit of layer 1
    const int *visible_of, *row_entry, *row_unit;
    float *all_bias1, *all_bias2, *inputs, *means, *means2;  // what blocks tell each other: biases, fields of layer 1, mu1, mu2
    float* all_columns;                           // [units of layer 2][row1], the upper weights
    int* told_sweeps;                             // of each image that a block has iterated alone
    float *partial, *chain_partial;               // what their columns contribute to its fields
    u32 *told0, *told1, *told_busy, *told_moved;  // and bits0, bits1, busy and moved
    u32 *counter, wanted;  // see meet.cuh
    // what is read at the beginning and written at the end
    u64 upper, at0, at1, at2;         // where its columns begin, and its own units among all biases
    u8 *states0, *states1, *states2;  // its own units in the first chain, n_all apart
};

__device__ __forceinline__ void meet_others(Share& my) { meet(my.counter, my.wanted, my.n_blocks); }

__device__ __forceinline__ u32 any_of_warp(u32 bits) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) bits |= __shfl_xor_sync(FULL_WARP, bits, offset);
    return bits;
}

__device__ __forceinline__ float largest_of_warp(float x) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, offset));
    return x;
}

template <class T>
__device__ __forceinline__ T sum_of_warp(T x) {
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

// Room of this warp for a list of units of a layer, and a few more.
__device__ __forceinline__ unsigned short* list_of_warp(Share& my) {
    return (unsigned short*)(float*)my.scratch + threadIdx.x / WARP * (max(my.n1, my.n_columns) + 4);
}

// Puts the units of the lanes that `found` names, one each, at the end of a list of so many; how many there are then.
__device__ __forceinline__ int append(unsigned short* list, int total, u32 found, int unit) {
    int lane = threadIdx.x % WARP;
    if (found >> lane & 1) list[total + __popc(found & ((1u << lane) - 1))] = (unsigned short)unit;
    return total + __popc(found);
}

// Numbers of WIDE images from shared memory.
__device__ __forceinline__ void read_shared(float value[WIDE], const float* address) {
#if WIDE == 4
    float4 x = *(const float4*)address;
    value[0] = x.x, value[1] = x.y, value[2] = x.z, value[3] = x.w;
#else
    value[0] = address[0];
#endif
}

// What other blocks have written, into shared memory: n numbers, words or four of them, `together` under way.
template <class T, int together>
__device__ __forceinline__ void copy_told(T* target, const T* source, int n) {
    for (int start = threadIdx.x; start < n; start += together * N_THREADS) {
        T word[together];
#pragma unroll
        for (int k = 0; k < together; k++)
            if (start + k * N_THREADS < n) word[k] = __ldcg(source + start + k * N_THREADS);
#pragma unroll
        for (int k = 0; k < together; k++)
            if (start + k * N_THREADS < n) target[start + k * N_THREADS] = word[k];
    }
}

// Takes down which images a mean changed for by more than the tolerance, or to what is no number.
__device__ __forceinline__ void note_moved(Share& my, u32 images) {
    images = any_of_warp(images);
    if (images && threadIdx.x % WARP == 0) atomicOr(&my.moved, images);
}

#endif
