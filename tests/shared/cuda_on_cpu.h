// Runs CUDA kernels on a CPU, one thread after the other, so that their arithmetic and their barriers can be tested
// without a GPU: every thread of a block is a fiber that runs until it meets a barrier. Not fast, and no model of a GPU's
// memory; but a missing barrier shows as soon as threads run in another order (`order`: 0 up, 1 down), a read of shared
// memory that nobody wrote as NaN, a barrier that not all threads reach as an error.
#ifndef CUDA_ON_CPU_H
#define CUDA_ON_CPU_H
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#define CUDA_ON_CPU
#define __global__
#define __device__
#define __noinline__
#define __forceinline__ inline
#define __align__(n) alignas(n)
#define __launch_bounds__(...)
#define __builtin_assume(...)
#define __isGlobal(address) true
#define __shared__ static __attribute__((section("cuda_shared")))
#define DYNAMIC_SHARED(type, name) type* name = (type*)cuda::dynamic_shared

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

extern "C" char __start_cuda_shared[], __stop_cuda_shared[];

namespace cuda {

constexpr size_t DYNAMIC = 232448, TAIL = 1024, STACK = 128 << 10;
alignas(16) static char dynamic_shared[DYNAMIC];
__attribute__((section("cuda_shared"), used)) static char nothing[16];

struct Barrier {  // of a block or of a warp
    unsigned arrived = 0, members = 0, generation = 0;
};
struct Warp {
    Barrier barrier;
    uint64_t slots[2][32];
    unsigned fragments[2][32][6];
};
inline std::vector<std::unique_ptr<char[]>> stacks;  // idle ones, of all kernels of the process: their pages are there
struct Runner {                                      // has a stack, and runs one fiber after the other on it
    std::unique_ptr<char[]> stack;
    jmp_buf at;
    Runner() {
        if (stacks.empty()) stacks.emplace_back(new char[STACK]);
        stack = std::move(stacks.back());
        stacks.pop_back();
    }
    ~Runner() { stacks.push_back(std::move(stack)); }
};
struct Block;
struct Fiber {
    Block* block;
    dim3 thread;
    unsigned lane, turn = 0;
    Warp* warp;
    bool finished = false;
    Barrier* waits_at = nullptr;
    unsigned generation = 0;
    std::unique_ptr<Runner> runner;
};
struct Block {
    dim3 index;
    Barrier barrier;
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    unsigned alive = 0;
    std::vector<char> shared, dynamic;
};

static Fiber* now = nullptr;
static jmp_buf scheduler;
static void (*body)(void**);
static void** arguments;
static const char* problem = nullptr;
static uint64_t progress = 0;
static std::vector<std::unique_ptr<Runner>> idle;  // of this launch

inline void yield() {
    if (!_setjmp(now->runner->at)) _longjmp(scheduler, 1);
}

inline void wait(Barrier& barrier) {
    unsigned generation = barrier.generation;
    progress++;
    if (++barrier.arrived == barrier.members) {
        barrier.arrived = 0;
        barrier.generation++;
        return;
    }
    now->waits_at = &barrier;
    now->generation = generation;
    while (barrier.generation == generation) yield();
    now->waits_at = nullptr;
}

// Whether there is no use in going on with a fiber: it has ended, or others have not arrived where it waits.
inline bool rests(const Fiber& fiber) {
    return fiber.finished || (fiber.waits_at && fiber.waits_at->generation == fiber.generation);
}

inline void run() {
    for (;; yield()) {
        body(arguments);
        now->finished = true;
        progress++;
        now->block->alive--;
        Block* block = now->block;
        if (block->barrier.arrived) problem = "a thread ended while others wait at a barrier of its block";
        block->barrier.members--;
        now->warp->barrier.members--;
    }
}

inline void start(Runner& runner) {
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = runner.stack.get();
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, run, 0);
    setcontext(&context);
}

inline void resume(Fiber& fiber) {
    now = &fiber;
    threadIdx = fiber.thread;
    if (!_setjmp(scheduler)) {
        if (!fiber.runner && idle.empty()) {
            fiber.runner.reset(new Runner);
            start(*fiber.runner);
        }
        if (!fiber.runner) {
            fiber.runner = std::move(idle.back());
            idle.pop_back();
        }
        _longjmp(fiber.runner->at, 1);
    }
    if (now->finished) idle.push_back(std::move(now->runner));
}

inline void prepare(Block& block, size_t n_shared) {
    unsigned n = blockDim.x * blockDim.y * blockDim.z;
    block.fibers.resize(n);
    block.warps.resize((n + 31) / 32);
    block.barrier.members = block.alive = n;
    for (unsigned t = 0; t < n; t++) {
        Fiber& fiber = block.fibers[t];
        fiber.block = &block;
        fiber.thread = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
        fiber.lane = t % 32;
        fiber.warp = &block.warps[t / 32];
        fiber.warp->barrier.members++;
    }
    block.shared.assign(__stop_cuda_shared - __start_cuda_shared, (char)0xFF);
    block.dynamic.assign(n_shared, (char)0xFF);
}

// All threads of a block once; false if nothing moved.
inline bool round(Block& block, int order) {
    uint64_t before = progress;
    blockIdx = block.index;
    memcpy(__start_cuda_shared, block.shared.data(), block.shared.size());
    memcpy(dynamic_shared, block.dynamic.data(), block.dynamic.size());
    size_t n = block.fibers.size(), n_warps = block.warps.size();
    for (size_t k = 0; k < n_warps; k++) {  // each warp as far as it gets alone
        size_t first = 32 * (order ? n_warps - 1 - k : k), size = std::min<size_t>(n - first, 32);
        for (uint64_t earlier = ~progress; earlier != progress && !problem;) {
            earlier = progress;
            for (size_t t = 0; t < size && !problem; t++) {
                Fiber& fiber = block.fibers[first + (order ? size - 1 - t : t)];
                if (!rests(fiber)) resume(fiber);
            }
        }
    }
    memcpy(block.shared.data(), __start_cuda_shared, block.shared.size());
    memcpy(block.dynamic.data(), dynamic_shared, block.dynamic.size());
    return progress != before;
}

// One launch; `together`: all blocks at once (a cooperative launch), else one after the other.
inline const char* launch(void (*kernel)(void**), dim3 grid, dim3 block_size, size_t n_shared, void** given, int order,
                          bool together) {
    if (n_shared > DYNAMIC) return "more dynamic shared memory than a block can have";
    if (block_size.x * block_size.y * block_size.z > 1024) return "more than 1024 threads in a block";
    if (grid.y > 65535 || grid.z > 65535) return "a grid larger than 65535 along y or z";
    body = kernel;
    arguments = given;
    problem = nullptr;
    gridDim = grid;
    blockDim = block_size;
    size_t tail = std::min<size_t>(TAIL, DYNAMIC - n_shared);
    memset(dynamic_shared + n_shared, 0xFF, tail);
    uint64_t n = (uint64_t)grid.x * grid.y * grid.z, at_once = together ? n : 1;
    for (uint64_t first = 0; first < n && !problem; first += at_once) {
        std::vector<Block> blocks(at_once);
        for (uint64_t k = 0; k < at_once; k++) {
            uint64_t b = order ? n - 1 - (first + k) : first + k;
            blocks[k].index = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / ((uint64_t)grid.x * grid.y))};
            prepare(blocks[k], n_shared);
        }
        for (bool alive = true; alive && !problem;) {
            alive = false;
            bool moved = false;
            for (Block& block : blocks) {
                // as far as it gets alone, so that blocks run apart as much as their meetings allow
                while (block.alive && !problem && round(block, order)) moved = true;
                alive = alive || block.alive;
            }
            if (alive && !moved && !problem) problem = "no thread can go on: a barrier that not all threads reach";
        }
    }
    idle.clear();
    for (size_t k = 0; k < tail && !problem; k++)
        if (dynamic_shared[n_shared + k] != (char)0xFF) problem = "a write beyond the dynamic shared memory";
    return problem;
}

template <class T>
T exchange(T value, unsigned from) {
    Warp& warp = *now->warp;
    unsigned turn = now->turn++ & 1;
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    warp.slots[turn][now->lane] = bits;
    wait(warp.barrier);
    memcpy(&value, &warp.slots[turn][from], sizeof value);
    return value;
}

inline unsigned ballot(bool vote) {
    Warp& warp = *now->warp;
    unsigned turn = now->turn++ & 1, found = 0, members = warp.barrier.members;
    warp.slots[turn][now->lane] = vote;
    wait(warp.barrier);
    for (unsigned lane = 0; lane < members; lane++) found |= (unsigned)warp.slots[turn][lane] << lane;
    return found;
}

// The fragments of all lanes of a warp, as registers: four of the left factor, two of the right one.
inline unsigned (&fragments(const unsigned a[4], const unsigned b[2]))[32][6] {
    Warp& warp = *now->warp;
    auto& all = warp.fragments[now->turn++ & 1];
    memcpy(all[now->lane], a, 16);
    memcpy(all[now->lane] + 4, b, 8);
    wait(warp.barrier);
    return all;
}

// A sum of 32 products, which the compiler can make of few instructions.
__attribute__((optimize("O3"))) inline int products(const unsigned char left[32], const signed char right[32]) {
    int sum = 0;
    for (int k = 0; k < 32; k++) sum += left[k] * right[k];
    return sum;
}

// mma.sync m16n8k32 of u8 and s8 as PTX lays its fragments over the lanes of a warp.
inline void multiply_add(int c[4], const unsigned a[4], const unsigned b[2]) {
    unsigned group = now->lane / 4, lane = now->lane % 4;
    auto& all = fragments(a, b);
    unsigned char left[2][32];
    signed char right[2][32];
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 32; k += 4) {  // four neighbouring values are one register
            memcpy(&left[i][k], &all[4 * group + k % 16 / 4][i + 2 * (k / 16)], 4);
            memcpy(&right[i][k], &all[4 * (2 * lane + i) + k % 16 / 4][4 + k / 16], 4);
        }
    for (unsigned i = 0; i < 4; i++) c[i] += products(left[i / 2], right[i % 2]);
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** given, std::index_sequence<I...>) {
    kernel(*(A*)given[I]...);
}

template <class... A>
const char* check_sizes(void (*)(A...), const size_t* sizes, int n) {
    const size_t expected[] = {sizeof(A)...};
    if (n != sizeof...(A)) return "wrong number of arguments";
    for (int k = 0; k < n; k++)
        if (sizes[k] != expected[k]) return "an argument of the wrong size";
    return nullptr;
}

template <class... A>
constexpr size_t count(void (*)(A...)) {
    return sizeof...(A);
}

}  // namespace cuda

#define CUDA_ENTRY(name)                                                                                               \
    static void call_##name(void** given) {                                                                            \
        cuda::call(&name, given, std::make_index_sequence<cuda::count(&name)>{});                                      \
    }                                                                                                                  \
    extern "C" const char* launch_##name(const unsigned* sizes, size_t n_shared, void** given, const size_t* bytes, int n, \
                                         int order, int together) {                                                    \
        if (const char* wrong = cuda::check_sizes(&name, bytes, n)) return wrong;                                      \
        return cuda::launch(call_##name, {sizes[0], sizes[1], sizes[2]}, {sizes[3], sizes[4], sizes[5]}, n_shared,     \
                            given, order, together);                                                                   \
    }

using cuda::multiply_add;
inline void __syncthreads() { cuda::wait(cuda::now->block->barrier); }
inline void __syncwarp(unsigned = 0) { cuda::wait(cuda::now->warp->barrier); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int offset) {
    return cuda::exchange(value, cuda::now->lane ^ offset);
}
template <class T>
T __shfl_down_sync(unsigned, T value, int offset) {
    unsigned from = cuda::now->lane + offset;
    return cuda::exchange(value, from < 32 ? from : cuda::now->lane);
}
template <class T>
T __shfl_sync(unsigned, T value, int from) {
    return cuda::exchange(value, from & 31);
}
inline unsigned __ballot_sync(unsigned, bool vote) { return cuda::ballot(vote); }
inline int __all_sync(unsigned, bool vote) { return cuda::ballot(!vote) == 0; }
inline int __any_sync(unsigned, bool vote) { return cuda::ballot(vote) != 0; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
inline unsigned long long clock64() {
    static unsigned long long now;
    return now += 7;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    uint64_t bytes = a | (uint64_t)b << 32;
    unsigned found = 0;
    for (int k = 0; k < 4; k++) found |= (unsigned)(bytes >> 8 * (selector >> 4 * k & 7) & 255) << 8 * k;
    return found;
}
inline int __ffs(unsigned x) { return __builtin_ffs(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
using std::isfinite;
template <class T>
T atomicAdd(T* address, T value) {
    cuda::progress++;
    T old = *address;
    *address = old + value;
    return old;
}
inline unsigned atomicOr(unsigned* address, unsigned value) {
    cuda::progress++;
    unsigned old = *address;
    *address = old | value;
    return old;
}
inline int atomicMax(int* address, int value) {
    cuda::progress++;
    int old = *address;
    *address = old > value ? old : value;
    return old;
}
inline int atomicMin(int* address, int value) {
    cuda::progress++;
    int old = *address;
    *address = old < value ? old : value;
    return old;
}
inline void arrive(unsigned* counter) { atomicAdd(counter, 1u); }
inline unsigned arrived(const unsigned* counter) {
    cuda::yield();  // a thread that waits lets others go on
    return *counter;
}
inline int __float_as_int(float x) {
    int bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline float __int_as_float(int bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
template <class T>
T __ldcg(const T* address) {
    return *address;
}
template <class T>
T __ldg(const T* address) {
    return *address;
}
#endif
