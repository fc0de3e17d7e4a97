"""What loops do with vectors besides arithmetic: the logistic function, random numbers, lists of bits, squares."""

import struct
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from boltzprune.backend.cpu.arithmetic import (
    EXPONENTIAL,
    INCREMENT0,
    INCREMENT1,
    MULTIPLIER0,
    MULTIPLIER1,
    ROUNDS,
    UNIT,
    intrinsic,
)
from boltzprune.backend.cpu.vectors import (
    BOOL,
    FLOAT_VECTOR,
    FLOATS,
    INT64,
    INT_VECTOR,
    LANES,
    Code,
    call,
    pointer,
    splatted,
    vector_of,
)


@intrinsic
def logistic_of(typing_context: Any, vector: Any) -> Code:
    """s(x) = 1 / (1 + exp(-x)) as `arithmetic.logistic` computes it; NaN stays NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def number(value: float) -> Any:
            return ir.Constant(FLOAT_VECTOR, [value] * LANES)

        def plus_product(total: Any, a: Any, b: Any) -> Any:
            return builder.fadd(total, builder.fmul(a, b, flags=("contract",)), flags=("contract",))

        t = builder.fneg(arguments[0])
        for compare, limit in (("<", -87.0), (">", 87.0)):
            t = builder.select(builder.fcmp_ordered(compare, t, number(limit)), number(limit), t)
        scaled = builder.fmul(t, number(_rounded(1.4426950408889634)))
        scaled = builder.select(builder.fcmp_ordered("ord", scaled, scaled), scaled, number(0.0))
        half = builder.select(builder.fcmp_ordered("<", scaled, number(0.0)), number(-0.5), number(0.5))
        whole = builder.fptosi(builder.fadd(scaled, half), INT_VECTOR)  # the nearest whole number
        n = builder.sitofp(whole, FLOAT_VECTOR)
        f = plus_product(plus_product(t, n, number(-0.693359375)), n, number(_rounded(2.12194440e-4)))
        p = number(_rounded(EXPONENTIAL[0]))
        for coefficient in EXPONENTIAL[1:]:
            p = plus_product(number(_rounded(coefficient)), p, f)
        e = builder.fadd(plus_product(f, builder.fmul(p, f), f), number(1.0))
        whole = builder.shl(
            builder.add(whole, ir.Constant(INT_VECTOR, [127] * LANES)), ir.Constant(INT_VECTOR, [23] * LANES)
        )
        return builder.fdiv(number(1.0), plus_product(number(1.0), e, builder.bitcast(whole, FLOAT_VECTOR)))

    return FLOATS(vector), generate


def _rounded(value: float) -> float:
    """The nearest float32, which is what a constant of LLVM must be."""
    return struct.unpack("f", struct.pack("f", value))[0]


@intrinsic
def put_uniforms(typing_context: Any, out: Any, at: Any, counter: Any, key: Any) -> Code:
    """Uniform numbers of four units of LANES chains, as `streams.uniform` has them: out[at + LANES u + c] of unit u.

    The counter is (block of units, first chain, step, layer), the key its two words, all uint32.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = vector_of(INT64)

        def every(number: int) -> Any:
            return ir.Constant(wide, [number] * LANES)

        def widened(word: Any) -> Any:
            return splatted(builder, builder.zext(word, INT64))

        c0, c1, c2, c3 = (widened(word) for word in cgutils.unpack_tuple(builder, arguments[2]))
        k0, k1 = (widened(word) for word in cgutils.unpack_tuple(builder, arguments[3]))
        c1 = builder.add(c1, ir.Constant(wide, list(range(LANES))))
        for _ in range(ROUNDS):  # of every number only the lower 32 bits count
            p0 = builder.mul(builder.and_(c0, every(2**32 - 1)), every(int(MULTIPLIER0)))
            p1 = builder.mul(builder.and_(c2, every(2**32 - 1)), every(int(MULTIPLIER1)))
            c0 = builder.xor(builder.xor(builder.lshr(p1, every(32)), c1), k0)
            c2 = builder.xor(builder.xor(builder.lshr(p0, every(32)), c3), k1)
            c1, c3 = p1, p0
            k0, k1 = builder.add(k0, every(int(INCREMENT0))), builder.add(k1, every(int(INCREMENT1)))
        for unit, word in enumerate((c0, c1, c2, c3)):
            upper = builder.lshr(builder.trunc(word, INT_VECTOR), ir.Constant(INT_VECTOR, [8] * LANES))
            number = builder.fmul(builder.sitofp(upper, FLOAT_VECTOR), ir.Constant(FLOAT_VECTOR, [float(UNIT)] * LANES))
            to = builder.add(arguments[1], ir.Constant(INT64, unit * LANES))
            place = pointer(context, builder, signature.args[0], arguments[0], to)
            builder.store(number, builder.bitcast(place, FLOAT_VECTOR.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.UniTuple(types.uint32, 4), types.UniTuple(types.uint32, 2)), generate


@intrinsic
def put_chosen(typing_context: Any, places: Any, at: Any, bits: Any, first: Any, step: Any) -> Code:
    """Put step (first + k) for every bit k that is 1 to places[at], places[at + 1], ...

    Places are int32, of which LANES are overwritten; bits are uint64 of which the lowest LANES count.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *arguments[:2])
        mask = builder.bitcast(builder.trunc(arguments[2], ir.IntType(16)), vector_of(BOOL))
        start, factor = (splatted(builder, builder.trunc(number, ir.IntType(32))) for number in arguments[3:])
        every = builder.mul(builder.add(start, ir.Constant(INT_VECTOR, list(range(LANES)))), factor)
        name = f"llvm.experimental.vector.compress.v{LANES}i32"
        chosen = call(builder, name, INT_VECTOR, every, mask, ir.Constant(INT_VECTOR, ir.Undefined))
        builder.store(chosen, builder.bitcast(place, INT_VECTOR.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(places, types.int64, types.uint64, types.int64, types.int64), generate


@intrinsic
def transpose(typing_context: Any, source: Any, at: Any, stride: Any, target: Any, to: Any, target_stride: Any) -> Code:
    """target[to + i target_stride + r] <- source[at + r stride + i] for a square of LANES x LANES numbers or states.

    Both are of the same type, or one is of bytes, states 0 and 1, which are 0 and 1 of float32, 0 and -1 of int32.
    """
    to_bytes = target.dtype == types.uint8 and source.dtype != types.uint8

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = []
        for row in range(LANES):
            place = builder.add(arguments[1], builder.mul(arguments[2], ir.Constant(INT64, row)))
            first = pointer(context, builder, signature.args[0], arguments[0], place)
            vector = builder.load(builder.bitcast(first, vector_of(first.type.pointee).as_pointer()), align=1)
            if source.dtype == types.uint8 and target.dtype != types.uint8:
                wide = builder.zext(vector, INT_VECTOR)
                vector = builder.neg(wide) if target.dtype == types.int32 else builder.sitofp(wide, FLOAT_VECTOR)
            rows.append(vector)
        for row, vector in enumerate(_transposed(builder, rows)):
            place = builder.add(arguments[4], builder.mul(arguments[5], ir.Constant(INT64, row)))
            first = pointer(context, builder, signature.args[3], arguments[3], place)
            if to_bytes:
                vector = builder.fptosi(vector, INT_VECTOR) if source.dtype == types.float32 else builder.neg(vector)
                vector = builder.trunc(vector, vector_of(ir.IntType(8)))
            builder.store(vector, builder.bitcast(first, vector.type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(source, types.int64, types.int64, target, types.int64, types.int64), generate


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """The columns of LANES vectors: as many rounds as halve LANES to 1, each of which interleaves rows k, k + half."""
    half, kind = LANES // 2, ir.VectorType(ir.IntType(32), LANES)
    lower = ir.Constant(kind, [lane for k in range(half) for lane in (k, LANES + k)])
    upper = ir.Constant(kind, [lane for k in range(half, LANES) for lane in (k, LANES + k)])
    for _ in range(LANES.bit_length() - 1):
        pairs = zip(rows[:half], rows[half:])
        rows = [builder.shuffle_vector(a, b, lanes) for a, b in pairs for lanes in (lower, upper)]
    return rows
