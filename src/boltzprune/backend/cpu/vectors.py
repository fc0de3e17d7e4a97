"""Vectors of numbers as values of compiled loops, lowered by LLVM to whatever vectors the processor has.

A loop over memory leaves it to LLVM which sums stay in registers, and over several arrays, whose overlap it cannot
exclude, none do. With these functions a loop says so: a vector is a local variable like any number. They become LLVM's
own vectors of `LANES` numbers, which are one register of AVX-512, two of AVX2, four of NEON or SSE, so that the code
runs and is right everywhere, and needs no other compiler than Numba's.

Arrays are read and written at a flat index, whatever their shape, and must lie row by row; nothing checks the bounds.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from boltzprune.backend.cpu.arithmetic import intrinsic

LANES = 16
"""Numbers of a vector: of float32, as many as the widest registers hold."""
CACHE_LINE = 64
"""Bytes."""
BOOL, INT64 = ir.IntType(1), ir.IntType(64)
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
        super().__init__(manager, kind, vector_of(manager.lookup(kind.dtype).get_value_type()))


FLOATS, INTS = Vector(types.float32), Vector(types.int32)


def vector_of(element: Any) -> Any:
    """LLVM's vector of such elements."""
    return ir.VectorType(element, LANES)


FLOAT_VECTOR, INT_VECTOR = vector_of(ir.FloatType()), vector_of(ir.IntType(32))


def pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Where element `at` of an array lies."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def splatted(builder: Any, value: Any) -> Any:
    """A vector of one number."""
    one = builder.insert_element(ir.Constant(vector_of(value.type), ir.Undefined), value, ir.Constant(INT64, 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(one.type, ir.Undefined), lanes)


def call(builder: Any, name: str, kind: Any, *arguments: Any) -> Any:
    """One of LLVM's functions, that returns this kind."""
    function = ir.FunctionType(kind, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), arguments)


@intrinsic
def load(typing_context: Any, array: Any, at: Any) -> Code:
    """The numbers array[at], ..., array[at + LANES - 1]: float32, int32, or bytes as int32."""
    is_bytes = array.dtype == types.uint8

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *arguments)
        vector = builder.load(builder.bitcast(place, vector_of(place.type.pointee).as_pointer()), align=1)
        return builder.zext(vector, INT_VECTOR) if is_bytes else vector

    return (INTS if is_bytes else Vector(array.dtype))(array, types.int64), generate


@intrinsic
def item(typing_context: Any, array: Any, at: Any) -> Code:
    """The number array[at], which Numba would first compare with 0, since an index below 0 counts from the end."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(pointer(context, builder, signature.args[0], *arguments))

    return array.dtype(array, types.int64), generate


@intrinsic
def put(typing_context: Any, array: Any, at: Any, number: Any) -> Code:
    """array[at] <- number, as `item` reads it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], pointer(context, builder, signature.args[0], *arguments[:2]))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), generate


@intrinsic
def store(typing_context: Any, array: Any, at: Any, vector: Any) -> Code:
    """Put a vector to array[at], ..., array[at + LANES - 1]; int32 into bytes keeps the lowest eight bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, value = pointer(context, builder, signature.args[0], *arguments[:2]), arguments[2]
        kind = vector_of(place.type.pointee)
        value = builder.trunc(value, kind) if signature.args[0].dtype == types.uint8 else value
        builder.store(value, builder.bitcast(place, kind.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), generate


@intrinsic
def gather(typing_context: Any, array: Any, places: Any) -> Code:
    """The float32 numbers array[places[0]], array[places[1]], ..., lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.Constant(vector_of(ir.FloatType()), ir.Undefined)
        for lane in range(LANES):
            number = ir.Constant(INT64, lane)
            place = builder.zext(builder.extract_element(arguments[1], number), INT64)
            value = builder.load(pointer(context, builder, signature.args[0], arguments[0], place))
            vector = builder.insert_element(vector, value, number)
        return vector

    return FLOATS(array, places), generate


@intrinsic
def splat(typing_context: Any, value: Any) -> Code:
    """A vector whose numbers are all this one."""
    return Vector(value)(value), lambda context, builder, signature, arguments: splatted(builder, *arguments)


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
        mask = builder.bitcast(builder.trunc(arguments[0], ir.IntType(16)), vector_of(BOOL))
        return builder.sext(mask, INT_VECTOR) if kind == INTS else builder.uitofp(mask, FLOAT_VECTOR)

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
        total_, weight_, states_ = arguments[0], splatted(builder, arguments[1]), arguments[2]
        if signature.args[0] == INTS:
            return builder.add(total_, builder.and_(weight_, states_))
        return builder.fadd(total_, builder.fmul(weight_, states_, flags=("contract",)), flags=("contract",))

    return total(total, weight, states), generate


@intrinsic
def to_floats(typing_context: Any, vector: Any) -> Code:
    """Int32 as float32, rounded to the nearest."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0] if vector == FLOATS else builder.sitofp(arguments[0], FLOAT_VECTOR)

    return FLOATS(vector), generate


@intrinsic
def kept(typing_context: Any, vector: Any, bits: Any) -> Code:
    """The numbers whose bit is 1, 0 for the others; bits: uint16, the lowest for the first number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = builder.bitcast(builder.trunc(arguments[1], ir.IntType(16)), vector_of(BOOL))
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
        size = call(builder, f"llvm.fabs.v{LANES}f32", FLOAT_VECTOR, builder.fsub(a_, b_))
        bits = builder.bitcast(builder.fcmp_unordered(">", size, splatted(builder, most_)), ir.IntType(16))
        return builder.zext(bits, INT64)

    return types.uint64(a, b, types.float32), generate


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
