from __future__ import annotations

import platform
import threading

import numba
import numpy as np
import pytest
from llvmlite import binding, ir

from bioneuro._jit import processor
from bioneuro._jit.emit import fetch_line
from bioneuro._jit.kernel import kernel
from bioneuro._jit.processor import (
    atomic_add,
    atomic_load,
    claim,
    float_state,
    flush_subnormals,
    pause,
    set_float_state,
    yield_to_others,
)

small = pytest.mark.small
compiled_only = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
known_processor = pytest.mark.skipif(
    platform.machine().lower() not in (*processor._X86, *processor._ARM), reason="no code for this processor"
)


@kernel
def _add_many(words, place, times):
    for _ in range(times):
        atomic_add(words, place, 3)


@kernel
def _old_and_new(words):
    return atomic_add(words, 1, 5), atomic_load(words, 1)


@kernel
def _wait(words):
    pause()
    claim(words, 1)
    yield_to_others()
    return True


@kernel
def _multiply(values, factors, flush, inside, after):
    before = float_state()
    if flush:
        flush_subnormals()
    for i in range(values.shape[0]):
        inside[i] = values[i] * factors[i]
    set_float_state(before)
    for i in range(values.shape[0]):
        after[i] = values[i] * factors[i]


@small
def test_no_addition_is_lost_among_threads():
    words = np.zeros(4, np.int64)
    threads = [threading.Thread(target=_add_many, args=(words, 2, 500)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert words.tolist() == [0, 0, 4 * 3 * 500, 0]


@small
def test_an_addition_returns_what_was_there():
    assert _old_and_new(np.array([1, 2], np.int64)) == (2, 7)


@compiled_only
@pytest.mark.parametrize(
    "words", [np.zeros(8, np.int64)[::2], np.zeros(4, np.int32), np.zeros(4), np.zeros((4, 1), int)]
)
def test_atomic_words_are_whole_vectors_of_64_bits(words):
    with pytest.raises(numba.TypingError):
        _old_and_new(words)


@small
def test_waiting_ends_and_changes_nothing():
    words = np.array([1, 2], np.int64)
    assert _wait(words)
    pause()
    claim(words, 1)
    yield_to_others()
    assert words.tolist() == [1, 2]


@compiled_only
@known_processor
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormal_results_and_arguments_are_zero_until_the_mode_is_restored(dtype):
    smallest = np.finfo(dtype).smallest_normal
    values = np.array([smallest, smallest / 4, 4 * smallest], dtype)
    factors = np.array([0.25, 16, 0.25], dtype)  # a subnormal result, a subnormal argument, neither
    expected, inside, after = values * factors, np.empty_like(values), np.empty_like(values)
    _multiply(values, factors, False, inside, after)
    assert inside.tolist() == after.tolist() == expected.tolist()
    _multiply(values, factors, True, inside, after)
    assert inside.tolist() == [0, 0, smallest]
    assert after.tolist() == expected.tolist()
    assert (values * factors).all()


TARGETS = {  # what every processor calls its instructions
    "aarch64-linux-gnu": ["mrs", "msr", "fpcr", "isb", "prfm", "ldaxr", "stlxr", "ldar"],
    "arm64-apple-darwin": ["mrs", "msr", "fpcr", "isb", "prfm", "ldaxr", "stlxr", "ldar"],
    "aarch64-pc-windows-msvc": ["mrs", "msr", "fpcr", "isb", "prfm", "ldaxr", "stlxr", "ldar"],
    "x86_64-pc-linux-gnu": ["stmxcsr", "ldmxcsr", "pause", "prefetch", "lock", "xadd"],
    "x86_64-pc-windows-msvc": ["stmxcsr", "ldmxcsr", "pause", "prefetch", "lock", "xadd"],
    "powerpc64le-linux-gnu": ["lwsync", "ldarx", "dcbt"],
}


@small
@pytest.mark.parametrize("triple", TARGETS)
def test_the_instructions_exist_on_other_systems(triple):
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    try:
        target = binding.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip("this LLVM knows no such processor")
    module = ir.Module()
    module.triple = triple
    word = ir.IntType(64)
    function = ir.Function(module, ir.FunctionType(word, [word.as_pointer()]), "everything")
    builder = ir.IRBuilder(function.append_basic_block())
    state = processor._emit_float_state(builder)
    processor._emit_flush_subnormals(builder)
    processor._emit_pause(builder)
    fetch_line(builder, function.args[0], to_write=True)
    processor._emit_yield(builder)
    old = processor._emit_atomic_add(builder, function.args[0], ir.Constant(word, 1))
    new = processor._emit_atomic_load(builder, function.args[0])
    processor._emit_set_float_state(builder, state)
    builder.ret(builder.add(old, new))
    compiled = binding.parse_assembly(str(module))
    compiled.verify()
    machine = target.create_target_machine()
    text = machine.emit_assembly(compiled).lower()
    assert [name for name in [*TARGETS[triple], "bioneuro_yield_to_others"] if name not in text] == []
    assert machine.emit_object(compiled)
