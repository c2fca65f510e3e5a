"""What a processor can do and Numba cannot say: atomic words, waiting politely, fetching ahead, no subnormal numbers.

The functions are their own plain-Python twins; kernels run the LLVM instructions. Written for x86-64 and arm64; other
processors spin without a hint and keep subnormal numbers.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from bioneuro._jit.emit import LINE, fetch_line
from bioneuro._jit.kernel import instruction_for, twin_of

_WORD, _HALF, _NOTHING = ir.IntType(64), ir.IntType(32), ir.VoidType()
_YIELD = "bioneuro_yield_to_others"  # a name instead of an address: cached machine code outlives the process
_X86, _ARM = ("x86_64", "amd64"), ("aarch64", "arm64")
# x86: flush results to zero (bit 15), take arguments as zero (bit 6) in MXCSR; arm64: both are bit 24 of FPCR
_FLUSH = dict.fromkeys(_X86, 0x8040) | dict.fromkeys(_ARM, 1 << 24)
_PAUSE = {  # `yield` takes no time on most arm64 cores, `isb` some nanoseconds
    **dict.fromkeys(_X86, ("llvm.x86.sse2.pause",)),
    **dict.fromkeys(_ARM, ("llvm.aarch64.isb", ir.Constant(_HALF, 15))),
}
_one_at_a_time = threading.Lock()


def atomic_add(words, place, amount):
    """words[place] += amount in one step that no other thread can divide; return what it was. words: int64 (n,).

    What this thread wrote before is seen by every thread that has read the new value with `atomic_load`.
    """
    with _one_at_a_time:
        old = int(words[place])
        words[place] = old + amount
    return old


def atomic_load(words, place):
    """Return words[place] as the other threads have left it. words: int64 (n,)."""
    return int(words[place])


def pause():
    """Wait some ten nanoseconds, leaving the core to its other hardware thread."""
    time.sleep(0)


def yield_to_others():
    """Let the operating system run another thread on this core, if one is waiting."""
    time.sleep(0)


def fetch(array, first, last):
    """Have array[first:last] come into the second-level cache meanwhile; array: contiguous, any numbers."""


def claim(words, place):
    """Have words[place] come here meanwhile, out of the caches of all others: this thread will change it next."""


def float_state():
    """Return this thread's floating-point control word (int64)."""
    return 0


def set_float_state(state):
    """Set this thread's floating-point control word to one that `float_state` has given."""


def flush_subnormals():
    """Take numbers below the normal range (2^-126 in float32) as zero in this thread from here on.

    Sums that decay towards zero otherwise become up to a hundred times slower near it.
    """


def _register_yield() -> None:
    if sys.platform == "win32":
        function = ctypes.WinDLL("kernel32").SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    binding.add_symbol(_YIELD, ctypes.cast(function, ctypes.c_void_p).value)


_register_yield()


def _architecture(builder):
    return builder.module.triple.partition("-")[0]


def _call(builder, name, result, *arguments):
    function = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), arguments)


def _emit_atomic_add(builder, pointer, amount):
    return builder.atomic_rmw("add", pointer, amount, "acq_rel")


def _emit_atomic_load(builder, pointer):
    return builder.load_atomic(pointer, "acquire", 8)


def _emit_pause(builder):
    if _architecture(builder) in _PAUSE:
        name, *arguments = _PAUSE[_architecture(builder)]
        _call(builder, name, _NOTHING, *arguments)


def _emit_yield(builder):
    _call(builder, _YIELD, _HALF)


def _emit_float_state(builder):
    if _architecture(builder) in _X86:
        slot, address = _slot(builder)
        _call(builder, "llvm.x86.sse.stmxcsr", _NOTHING, address)
        return builder.zext(builder.load(slot), _WORD)
    if _architecture(builder) in _ARM:
        return _call(builder, "llvm.aarch64.get.fpcr", _WORD)
    return ir.Constant(_WORD, 0)


def _emit_set_float_state(builder, state):
    if _architecture(builder) in _X86:
        slot, address = _slot(builder)
        builder.store(builder.trunc(state, _HALF), slot)
        _call(builder, "llvm.x86.sse.ldmxcsr", _NOTHING, address)
    elif _architecture(builder) in _ARM:
        _call(builder, "llvm.aarch64.set.fpcr", _NOTHING, state)


def _emit_flush_subnormals(builder):
    mask = ir.Constant(_WORD, _FLUSH.get(_architecture(builder), 0))
    _emit_set_float_state(builder, builder.or_(_emit_float_state(builder), mask))


def _slot(builder):
    """A place in memory, where alone MXCSR moves to and from, and its address as the instructions want it."""
    slot = cgutils.alloca_once(builder, _HALF)
    return slot, builder.bitcast(slot, ir.IntType(8).as_pointer())


def _pointer(context, builder, signature, arguments):
    return builder.gep(context.make_array(signature.args[0])(context, builder, arguments[0]).data, [arguments[1]])


def _are_words(array):
    return isinstance(array, types.Array) and (array.dtype, array.ndim, array.layout) == (types.int64, 1, "C")


@instruction_for(atomic_add)
def _(typing, words, place, amount):
    def generate(context, builder, signature, arguments):
        return _emit_atomic_add(builder, _pointer(context, builder, signature, arguments), arguments[2])

    return (types.int64(words, types.int64, types.int64), generate) if _are_words(words) else None


@instruction_for(atomic_load)
def _(typing, words, place):
    def generate(context, builder, signature, arguments):
        return _emit_atomic_load(builder, _pointer(context, builder, signature, arguments))

    return (types.int64(words, types.int64), generate) if _are_words(words) else None


@intrinsic
def _fetch(_, array, place):
    def generate(context, builder, signature, arguments):
        fetch_line(builder, _pointer(context, builder, signature, arguments), level=2)
        return context.get_dummy_value()

    return types.none(array, types.int64), generate


@instruction_for(claim)
def _(typing, words, place):
    def generate(context, builder, signature, arguments):
        fetch_line(builder, _pointer(context, builder, signature, arguments), to_write=True)
        return context.get_dummy_value()

    return (types.none(words, types.int64), generate) if _are_words(words) else None


@twin_of(fetch)
def _(array, first, last):
    step = LINE // (array.dtype.bitwidth // 8)

    def every_line(array, first, last):
        for place in range(first, last, step):
            _fetch(array, place)

    return every_line


def _without_arguments(twin, emit):
    @instruction_for(twin)
    def _(typing):
        def generate(context, builder, signature, arguments):
            emit(builder)
            return context.get_dummy_value()

        return types.none(), generate


for _twin, _emit in (
    (pause, _emit_pause),
    (yield_to_others, _emit_yield),
    (flush_subnormals, _emit_flush_subnormals),
):
    _without_arguments(_twin, _emit)


@instruction_for(float_state)
def _(typing):
    def generate(context, builder, signature, arguments):
        return _emit_float_state(builder)

    return types.int64(), generate


@instruction_for(set_float_state)
def _(typing, state):
    def generate(context, builder, signature, arguments):
        _emit_set_float_state(builder, arguments[0])
        return context.get_dummy_value()

    return types.none(types.int64), generate
