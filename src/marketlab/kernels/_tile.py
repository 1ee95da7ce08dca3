"""Register tiles for small matrix products, in the vector types of LLVM.

NumPy-style loops over arrays keep their sums in memory, because the compiler cannot know that the
arrays do not overlap; for nets of some thousand weights that costs more than the arithmetic. A
tile keeps four rows of two vectors in registers while it walks the inner index. Each output is
still one left-to-right sum of rounded products, starting from what stands in `out`: no fused
multiply-add, no other order, so tiles, remainders and a plain loop agree bit for bit.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from marketlab.kernels._jit import jit

VECTOR_BYTES = 32
"""Bytes of one vector: 8 float32 or 4 float64. Narrower machines split it by themselves."""

_PLACES = 8
"""Where a tile lies, in elements: out_at, out_row, a_at, a_row, a_step, w_at, w_row, n_steps."""

_Codegen = Callable[[Any, Any, Any, Any], Any]


def _pointers(builder: Any, base: Any, at: Any, step: Any, n: int) -> list[Any]:
    """Return pointers to ``base[at]``, ``base[at + step]``, …: `n` of them."""
    pointers = []
    for _ in range(n):
        pointers.append(builder.gep(base, [at]))
        at = builder.add(at, step)
    return pointers


def _tile(n_rows: int, n_vectors: int) -> _Codegen:
    """Return the code of ``out[r, :] += a[r, :] @ w`` for `n_rows` rows of `n_vectors` vectors."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(signature.args[0].dtype)
        size = signature.args[0].dtype.bitwidth // 8
        lanes = VECTOR_BYTES // size
        vector, index = ir.VectorType(element, lanes), context.get_value_type(types.intp)
        out, a, w = (
            cgutils.create_struct_proxy(kind)(context, builder, value=value).data
            for kind, value in zip(signature.args[:3], args[:3], strict=True)
        )
        out_at, out_row, a_at, a_row, a_step, w_at, w_row, n_steps = (
            builder.extract_value(args[3], i) for i in range(_PLACES)
        )
        one, width = ir.Constant(index, 1), ir.Constant(index, lanes)
        targets = [
            builder.bitcast(pointer, vector.as_pointer())
            for row in _pointers(builder, out, out_at, out_row, n_rows)
            for pointer in _pointers(builder, row, ir.Constant(index, 0), width, n_vectors)
        ]
        first = [builder.load(target, align=size) for target in targets]
        before, body = builder.block, builder.append_basic_block("tile")
        after = builder.append_basic_block("tile.end")
        zero = ir.Constant(index, 0)
        builder.cbranch(builder.icmp_signed(">", n_steps, zero), body, after)

        builder.position_at_end(body)
        step, a_now, w_now = builder.phi(index), builder.phi(index), builder.phi(index)
        sums = [builder.phi(vector) for _ in targets]
        weights = [
            builder.load(builder.bitcast(p, vector.as_pointer()), align=size)
            for p in _pointers(builder, w, w_now, width, n_vectors)
        ]
        inputs = [
            _splat(builder, builder.load(p, align=size), vector)
            for p in _pointers(builder, a, a_now, a_row, n_rows)
        ]
        added = [
            builder.fadd(sums[r * n_vectors + v], builder.fmul(inputs[r], weights[v]))
            for r in range(n_rows)
            for v in range(n_vectors)
        ]
        moved = [builder.add(step, one), builder.add(a_now, a_step), builder.add(w_now, w_row)]
        starts = [zero, a_at, w_at, *first]
        for phi, start, later in zip(
            [step, a_now, w_now, *sums], starts, [*moved, *added], strict=True
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(later, body)
        builder.cbranch(builder.icmp_signed("<", moved[0], n_steps), body, after)

        builder.position_at_end(after)
        results = [builder.phi(vector) for _ in targets]
        for result, start, last in zip(results, first, added, strict=True):
            result.add_incoming(start, before)
            result.add_incoming(last, body)
        for target, result in zip(targets, results, strict=True):
            builder.store(result, target, align=size)
        return context.get_dummy_value()

    return codegen


def _splat(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector that holds `value` in every lane."""
    lane = ir.IntType(32)
    held = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(lane, 0))
    mask = ir.Constant(ir.VectorType(lane, vector.count), [0] * vector.count)
    return builder.shuffle_vector(held, ir.Constant(vector, ir.Undefined), mask)


def _typed(out: Any, a: Any, w: Any, places: Any, shape: tuple[int, int]) -> Any:
    arrays = (out, a, w)
    same = all(isinstance(x, types.Array) and x.layout == "C" for x in arrays) and (
        out.dtype == a.dtype == w.dtype and out.dtype in (types.float32, types.float64)
    )
    fits = same and isinstance(places, types.BaseTuple) and len(places) == _PLACES
    if not fits:
        return None  # numba refuses the call and names the types
    return types.void(*arrays, types.UniTuple(types.intp, _PLACES)), _tile(*shape)


def _inlined(function: Callable[..., Any]) -> Callable[..., None]:
    return cast("Callable[..., None]", intrinsic(function))


@_inlined
def _tile_4x2(_: Any, out: Any, a: Any, w: Any, places: Any) -> Any:
    return _typed(out, a, w, places, (4, 2))


@_inlined
def _tile_4x1(_: Any, out: Any, a: Any, w: Any, places: Any) -> Any:
    return _typed(out, a, w, places, (4, 1))


@_inlined
def _tile_1x2(_: Any, out: Any, a: Any, w: Any, places: Any) -> Any:
    return _typed(out, a, w, places, (1, 2))


@_inlined
def _tile_1x1(_: Any, out: Any, a: Any, w: Any, places: Any) -> Any:
    return _typed(out, a, w, places, (1, 1))


@jit
def accumulate(
    out_RW: NDArray[Any],
    a: NDArray[Any],
    a_row: int,
    a_step: int,
    w_SW: NDArray[Any],
    width: int,
    n_rows: int,
    n_steps: int,
) -> None:
    """Add to ``out[r, j]`` the sum over s of ``a[r * a_row + s * a_step] * w[s, j]``.

    `a` is read as one flat array, so a matrix is read by rows (``a_row`` its width, ``a_step`` 1)
    or by columns. All arrays are C-contiguous and of one float type; `out` and `w` may be wider
    than `width`, which is a multiple of 8.
    """
    out_row, w_row = out_RW.shape[1], w_SW.shape[1]
    lanes = VECTOR_BYTES // out_RW.itemsize
    fours = n_rows - n_rows % 4
    twos = width - width % (2 * lanes)
    for r in range(0, fours, 4):
        at, to = r * a_row, r * out_row
        for j in range(0, twos, 2 * lanes):
            _tile_4x2(out_RW, a, w_SW, (to + j, out_row, at, a_row, a_step, j, w_row, n_steps))
        for j in range(twos, width, lanes):
            _tile_4x1(out_RW, a, w_SW, (to + j, out_row, at, a_row, a_step, j, w_row, n_steps))
    for r in range(fours, n_rows):
        at, to = r * a_row, r * out_row
        for j in range(0, twos, 2 * lanes):
            _tile_1x2(out_RW, a, w_SW, (to + j, out_row, at, a_row, a_step, j, w_row, n_steps))
        for j in range(twos, width, lanes):
            _tile_1x1(out_RW, a, w_SW, (to + j, out_row, at, a_row, a_step, j, w_row, n_steps))
