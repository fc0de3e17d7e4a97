// What every kernel shares: short names of types, the random numbers, the logistic function.

#ifndef BOLTZPRUNE_COMMON
#define BOLTZPRUNE_COMMON

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef DYNAMIC_SHARED  // shared memory whose size the launch names, at a multiple of 16 bytes
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]
#endif

#define NAN_VALUE __int_as_float(0x7FFFFFFF)
#define FULL_WARP 0xFFFFFFFFu
#define WARP 32

// A pointer of which the compiler learns that it is to the card's memory: what is stored there changes no shared memory.
template <class T>
__device__ __forceinline__ T* in_global(T* address) {
    __builtin_assume(__isGlobal(address));
    return address;
}

struct Words {
    u32 word[4];
};

// Philox4x32-10 at one counter: bit for bit `streams.philox4x32` (Salmon et al. 2011). 10 rounds, each two wide products,
// one dependent on the other's result of the round before: about 60 instructions, a chain of 40. Products of 64 bits instead of
// two halves took a fifth longer on an H200.
__device__ __forceinline__ Words philox(u32 block, u32 chain, u32 step, u32 layer, u64 key) {
    u32 k0 = (u32)key, k1 = (u32)(key >> 32);
    u32 c0 = block, c1 = chain, c2 = step, c3 = layer;
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u32 high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        u32 high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    Words words = {{c0, c1, c2, c3}};
    return words;
}

// One of the four, by a number that is not known when compiling: an index would move them out of registers.
__device__ __forceinline__ u32 select(const Words& words, int which) {
    u32 low = which & 1 ? words.word[1] : words.word[0], high = which & 1 ? words.word[3] : words.word[2];
    return which & 2 ? high : low;
}

// A multiple of 2**-24 in [0, 1): bit for bit `streams.uniform`.
__device__ __forceinline__ float uniform(u32 word) {
    return (float)(word >> 8) * 5.9604644775390625e-8f;
}

// s(x) = 1 / (1 + exp(-x)); expf is within 2 ulp, overflow gives 0, NaN stays NaN.
__device__ __forceinline__ float logistic(float x) {
    return 1.0f / (1.0f + expf(-x));
}

#endif
