// Fields from whole numbers: weights are multiples of a power of two, `unit`, one for each unit of the layer, so that sums
// over states are exact and the same in any order: the kernels that draw agree to the last bit (backend/fixed_point.py).

#ifndef BOLTZPRUNE_FIXED_POINT
#define BOLTZPRUNE_FIXED_POINT

// unit sum + bias; the product is exact but for the rounding of the sum to 24 bits.
__device__ __forceinline__ float field_of(long long sum, float unit, float bias) {
    return fmaf(unit, (float)sum, bias);
}

// The lowest four bits as the lowest bits of four bytes.
__device__ __forceinline__ u32 spread(u32 bits) {
    return (bits & 15) * 0x00204081u & 0x01010101u;
}

// Left factor of a product on tensor cores from words of 32 states of the chains of rows g and g + 8.
__device__ __forceinline__ void states_of(u32 states[4], u32 upper, u32 lower) {
    int shift = threadIdx.x % 4 * 4;
    upper >>= shift, lower >>= shift;
    states[0] = spread(upper), states[1] = spread(lower), states[2] = spread(upper >> 16), states[3] = spread(lower >> 16);
}

// A whole number from its signed bytes, or a sum of such from the sums of each byte.
__device__ __forceinline__ long long whole_of(int low, int middle, int high) {
    return 256 * (256 * (long long)high + middle) + low;
}

#ifndef CUDA_ON_CPU
// c += a b on the tensor cores, a warp together: (16, 32) u8 times (32, 8) s8, exact in s32. Lane l has g = l / 4, t = l % 4:
// c[0..1] at row g, columns 2 t and 2 t + 1, c[2..3] eight rows below; a[0], a[1] four values from column 4 t in rows g and
// g + 8, a[2], a[3] 16 columns to the right; b[0], b[1] four values from row 4 t and from row 4 t + 16 in column g.
__device__ __forceinline__ void multiply_add(int c[4], const u32 a[4], const u32 b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else  // 7.5 has a quarter of it
#pragma unroll
    for (int quarter = 0; quarter < 4; quarter++) {
        int rows = quarter % 2, depth = quarter / 2;
        asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
                     : "+r"(c[2 * rows]), "+r"(c[2 * rows + 1])
                     : "r"(a[rows + 2 * depth]), "r"(b[depth]));
    }
#endif
}
#endif

#endif
