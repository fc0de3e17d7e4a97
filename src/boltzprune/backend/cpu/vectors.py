"""Vectors of numbers as values of compiled loops, lowered by LLVM to whatever vectors the processor has.

A loop over memory leaves it to LLVM which sums stay in registers, and over several arrays, whose overlap it cannot
exclude, none do. With these functions a loop says so: a vector is a local variable like any number. They become LLVM's
own vectors of `LANES` numbers, which are one register of AVX-512, two of AVX2, four of NEON or SSE, so that the code
runs and is right everywhere, and needs no other compiler than Numba's.

Arrays are read and written at a flat index, whatever their shape, and must lie row by row; nothing checks the bounds.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

from boltzprune.backend.cpu.arithmetic import INCREMENT0, INCREMENT1, MULTIPLIER0, MULTIPLIER1

intrinsic: Any = numba_intrinsic
"""Numba's, without its type, by which calls in compiled loops would have to give the typing context as well."""
LANES = 16
"""Numbers of a vector: of float32, as many as the widest registers hold."""
CACHE_LINE = 64
"""Bytes."""
EXPONENTIAL = 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
"""Coefficients of exp(f) = 1 + f + f^2 p(f) for |f| <= log(2) / 2, the highest first, from Cephes (Moshier)."""
BOOL, INT64 = ir.IntType(1), ir.IntType(64)
PHILOX_ROUNDS = 10
Code = tuple[Any, Callable[..., Any]]
"""What an intrinsic returns: its signature, and what writes its code."""


def zeros(shape: int | Sequence[int], dtype: npt.DTypeLike = np.float32) -> np.ndarray:
    """An array of zeros whose first number lies at a multiple of 64 bytes: no vector then lies in two cache lines."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + n_bytes].view(dtype).reshape(shape)


class Vector(types.Type):
    """The type of `LANES` numbers of one type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype} x {LANES})")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    """LLVM's vector, in registers and in memory."""

    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, _vector_of(manager.lookup(kind.dtype).get_value_type()))


FLOATS, INTS = Vector(types.float32), Vector(types.int32)


def _vector_of(element: Any) -> Any:
    return ir.VectorType(element, LANES)


_FLOAT, _INT = _vector_of(ir.FloatType()), _vector_of(ir.IntType(32))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Where element `at` of an array lies."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def _splat(builder: Any, value: Any) -> Any:
    """A vector of one number."""
    one = builder.insert_element(ir.Constant(_vector_of(value.type), ir.Undefined), value, ir.Constant(INT64, 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(one.type, ir.Undefined), lanes)


@intrinsic
def load(typing_context: Any, array: Any, at: Any) -> Code:
    """The numbers array[at], ..., array[at + LANES - 1]: float32, int32, or bytes as int32."""
    is_bytes = array.dtype == types.uint8

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], *arguments)
        vector = builder.load(builder.bitcast(place, _vector_of(place.type.pointee).as_pointer()), align=1)
        return builder.zext(vector, _INT) if is_bytes else vector

    return (INTS if is_bytes else Vector(array.dtype))(array, types.int64), generate


@intrinsic
def item(typing_context: Any, array: Any, at: Any) -> Code:
    """The number array[at], which Numba would first compare with 0, since an index below 0 counts from the end."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *arguments))

    return array.dtype(array, types.int64), generate


@intrinsic
def put(typing_context: Any, array: Any, at: Any, number: Any) -> Code:
    """array[at] <- number, as `item` reads it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _pointer(context, builder, signature.args[0], *arguments[:2]))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), generate


@intrinsic
def store(typing_context: Any, array: Any, at: Any, vector: Any) -> Code:
    """Put a vector to array[at], ..., array[at + LANES - 1]; int32 into bytes keeps the lowest eight bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, value = _pointer(context, builder, signature.args[0], *arguments[:2]), arguments[2]
        kind = _vector_of(place.type.pointee)
        value = builder.trunc(value, kind) if signature.args[0].dtype == types.uint8 else value
        builder.store(value, builder.bitcast(place, kind.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), generate


@intrinsic
def gather(typing_context: Any, array: Any, places: Any) -> Code:
    """The float32 numbers array[places[0]], array[places[1]], ..., lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.Constant(_vector_of(ir.FloatType()), ir.Undefined)
        for lane in range(LANES):
            number = ir.Constant(INT64, lane)
            place = builder.zext(builder.extract_element(arguments[1], number), INT64)
            value = builder.load(_pointer(context, builder, signature.args[0], arguments[0], place))
            vector = builder.insert_element(vector, value, number)
        return vector

    return FLOATS(array, places), generate


@intrinsic
def splat(typing_context: Any, value: Any) -> Code:
    """A vector whose numbers are all this one."""
    return Vector(value)(value), lambda context, builder, signature, arguments: _splat(builder, *arguments)


@intrinsic
def nothing(typing_context: Any, like: Any) -> Code:
    """A vector of zeros, of the type of an array's numbers."""
    kind = Vector(like.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(like), generate


@intrinsic
def lanes_of(typing_context: Any, bits: Any, like: Any) -> Code:
    """States of LANES units from their bits, as `plus_where` takes them, of the type of an array's numbers."""
    kind = Vector(like.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = builder.bitcast(builder.trunc(arguments[0], ir.IntType(16)), _vector_of(BOOL))
        return builder.sext(mask, _INT) if kind == INTS else builder.uitofp(mask, _FLOAT)

    return kind(types.uint64, like), generate


@intrinsic
def plus(typing_context: Any, a: Any, b: Any) -> Code:
    """a + b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return (builder.fadd if a == FLOATS else builder.add)(*arguments)

    return a(a, b), generate


@intrinsic
def minus(typing_context: Any, a: Any, b: Any) -> Code:
    """a - b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return (builder.fsub if a == FLOATS else builder.sub)(*arguments)

    return a(a, b), generate


@intrinsic
def times(typing_context: Any, a: Any, b: Any) -> Code:
    """a b, of float32."""
    return a(a, b), lambda context, builder, signature, arguments: builder.fmul(*arguments)


@intrinsic
def plus_times(typing_context: Any, total: Any, a: Any, b: Any) -> Code:
    """total + a b of float32, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        product = builder.fmul(arguments[1], arguments[2], flags=("contract",))
        return builder.fadd(arguments[0], product, flags=("contract",))

    return total(total, a, b), generate


@intrinsic
def plus_where(typing_context: Any, total: Any, weight: Any, states: Any) -> Code:
    """Total + weight for the lanes whose state is on.

    Of float32, states are 0 and 1, and the sum is total + weight states; of int32 they are 0 and -1, all bits off or
    on.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total_, weight_, states_ = arguments[0], _splat(builder, arguments[1]), arguments[2]
        if signature.args[0] == INTS:
            return builder.add(total_, builder.and_(weight_, states_))
        return builder.fadd(total_, builder.fmul(weight_, states_, flags=("contract",)), flags=("contract",))

    return total(total, weight, states), generate


@intrinsic
def to_floats(typing_context: Any, vector: Any) -> Code:
    """Int32 as float32, rounded to the nearest."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0] if vector == FLOATS else builder.sitofp(arguments[0], _FLOAT)

    return FLOATS(vector), generate


@intrinsic
def kept(typing_context: Any, vector: Any, bits: Any) -> Code:
    """The numbers whose bit is 1, 0 for the others; bits: uint16, the lowest for the first number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = builder.bitcast(builder.trunc(arguments[1], ir.IntType(16)), _vector_of(BOOL))
        return builder.select(mask, arguments[0], ir.Constant(arguments[0].type, None))

    return vector(vector, bits), generate


@intrinsic
def are_on(typing_context: Any, vector: Any) -> Code:
    """Which numbers are not 0, as bits: the lowest is the first number's."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(arguments[0].type, None)
        compare = builder.fcmp_unordered if vector == FLOATS else builder.icmp_signed
        return builder.zext(builder.bitcast(compare("!=", arguments[0], nothing), ir.IntType(16)), INT64)

    return types.uint64(vector), generate


@intrinsic
def are_less(typing_context: Any, a: Any, b: Any) -> Code:
    """Where a < b, as bits; not where one of them is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.bitcast(builder.fcmp_ordered("<", *arguments), ir.IntType(16)), INT64)

    return types.uint64(a, b), generate


@intrinsic
def differ(typing_context: Any, a: Any, b: Any, most: Any) -> Code:
    """Where not |a - b| <= most, as bits: also where one of them is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a_, b_, most_ = arguments
        size = _call(builder, f"llvm.fabs.v{LANES}f32", _FLOAT, builder.fsub(a_, b_))
        bits = builder.bitcast(builder.fcmp_unordered(">", size, _splat(builder, most_)), ir.IntType(16))
        return builder.zext(bits, INT64)

    return types.uint64(a, b, types.float32), generate


@intrinsic
def logistic_of(typing_context: Any, vector: Any) -> Code:
    """s(x) = 1 / (1 + exp(-x)) as `arithmetic.logistic` computes it; NaN stays NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def number(value: float) -> Any:
            return ir.Constant(_FLOAT, [value] * LANES)

        def plus_product(total: Any, a: Any, b: Any) -> Any:
            return builder.fadd(total, builder.fmul(a, b, flags=("contract",)), flags=("contract",))

        t = builder.fneg(arguments[0])
        for compare, limit in (("<", -87.0), (">", 87.0)):
            t = builder.select(builder.fcmp_ordered(compare, t, number(limit)), number(limit), t)
        scaled = builder.fmul(t, number(_rounded(1.4426950408889634)))
        scaled = builder.select(builder.fcmp_ordered("ord", scaled, scaled), scaled, number(0.0))
        half = builder.select(builder.fcmp_ordered("<", scaled, number(0.0)), number(-0.5), number(0.5))
        whole = builder.fptosi(builder.fadd(scaled, half), _INT)  # the nearest whole number
        n = builder.sitofp(whole, _FLOAT)
        f = plus_product(plus_product(t, n, number(-0.693359375)), n, number(_rounded(2.12194440e-4)))
        p = number(_rounded(EXPONENTIAL[0]))
        for coefficient in EXPONENTIAL[1:]:
            p = plus_product(number(_rounded(coefficient)), p, f)
        e = builder.fadd(plus_product(f, builder.fmul(p, f), f), number(1.0))
        whole = builder.shl(builder.add(whole, ir.Constant(_INT, [127] * LANES)), ir.Constant(_INT, [23] * LANES))
        return builder.fdiv(number(1.0), plus_product(number(1.0), e, builder.bitcast(whole, _FLOAT)))

    return FLOATS(vector), generate


def _call(builder: Any, name: str, kind: Any, *arguments: Any) -> Any:
    """One of LLVM's functions, that returns this kind."""
    function = ir.FunctionType(kind, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), arguments)


def _rounded(value: float) -> float:
    """The nearest float32, which is what a constant of LLVM must be."""
    return struct.unpack("f", struct.pack("f", value))[0]


@intrinsic
def total(typing_context: Any, vector: Any) -> Code:
    """The sum of the float32 numbers, in an order that is the same for all."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, n = arguments[0], LANES
        while n > 1:  # the upper half onto the lower one
            lanes = [*range(n // 2, n), *[0] * (LANES - n // 2)]
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)
            value = builder.fadd(value, builder.shuffle_vector(value, value, lanes))
            n //= 2
        return builder.extract_element(value, ir.Constant(INT64, 0))

    return types.float32(vector), generate


@intrinsic
def put_chosen(typing_context: Any, places: Any, at: Any, bits: Any, first: Any, step: Any) -> Code:
    """Put step (first + k) for every bit k that is 1 to places[at], places[at + 1], ...

    Places are int32, of which LANES are overwritten; bits are uint64 of which the lowest LANES count.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], *arguments[:2])
        mask = builder.bitcast(builder.trunc(arguments[2], ir.IntType(16)), _vector_of(BOOL))
        start, factor = (_splat(builder, builder.trunc(number, ir.IntType(32))) for number in arguments[3:])
        every = builder.mul(builder.add(start, ir.Constant(_INT, list(range(LANES)))), factor)
        name = f"llvm.experimental.vector.compress.v{LANES}i32"
        chosen = _call(builder, name, _INT, every, mask, ir.Constant(_INT, ir.Undefined))
        builder.store(chosen, builder.bitcast(place, _INT.as_pointer()), align=1)
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
            pointer = _pointer(context, builder, signature.args[0], arguments[0], place)
            vector = builder.load(builder.bitcast(pointer, _vector_of(pointer.type.pointee).as_pointer()), align=1)
            if source.dtype == types.uint8 and target.dtype != types.uint8:
                wide = builder.zext(vector, _INT)
                vector = builder.neg(wide) if target.dtype == types.int32 else builder.sitofp(wide, _FLOAT)
            rows.append(vector)
        for row, vector in enumerate(_transposed(builder, rows)):
            place = builder.add(arguments[4], builder.mul(arguments[5], ir.Constant(INT64, row)))
            pointer = _pointer(context, builder, signature.args[3], arguments[3], place)
            if to_bytes:
                vector = builder.fptosi(vector, _INT) if source.dtype == types.float32 else builder.neg(vector)
                vector = builder.trunc(vector, _vector_of(ir.IntType(8)))
            builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer()), align=1)
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


@intrinsic
def put_uniforms(typing_context: Any, out: Any, at: Any, counter: Any, key: Any) -> Code:
    """Uniform numbers of four units of LANES chains, as `streams.uniform` has them: out[at + LANES u + c] of unit u.

    The counter is (block of units, first chain, step, layer), the key its two words, all uint32.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = _vector_of(INT64)

        def every(number: int) -> Any:
            return ir.Constant(wide, [number] * LANES)

        def widened(word: Any) -> Any:
            return _splat(builder, builder.zext(word, INT64))

        c0, c1, c2, c3 = (widened(word) for word in cgutils.unpack_tuple(builder, arguments[2]))
        k0, k1 = (widened(word) for word in cgutils.unpack_tuple(builder, arguments[3]))
        c1 = builder.add(c1, ir.Constant(wide, list(range(LANES))))
        for _ in range(PHILOX_ROUNDS):  # of every number only the lower 32 bits count
            p0 = builder.mul(builder.and_(c0, every(2**32 - 1)), every(int(MULTIPLIER0)))
            p1 = builder.mul(builder.and_(c2, every(2**32 - 1)), every(int(MULTIPLIER1)))
            c0 = builder.xor(builder.xor(builder.lshr(p1, every(32)), c1), k0)
            c2 = builder.xor(builder.xor(builder.lshr(p0, every(32)), c3), k1)
            c1, c3 = p1, p0
            k0, k1 = builder.add(k0, every(int(INCREMENT0))), builder.add(k1, every(int(INCREMENT1)))
        for unit, word in enumerate((c0, c1, c2, c3)):
            upper = builder.lshr(builder.trunc(word, _INT), ir.Constant(_INT, [8] * LANES))
            number = builder.fmul(builder.sitofp(upper, _FLOAT), ir.Constant(_FLOAT, [2.0**-24] * LANES))
            to = builder.add(arguments[1], ir.Constant(INT64, unit * LANES))
            place = _pointer(context, builder, signature.args[0], arguments[0], to)
            builder.store(number, builder.bitcast(place, _FLOAT.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.UniTuple(types.uint32, 4), types.UniTuple(types.uint32, 2)), generate
