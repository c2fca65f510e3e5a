"""The machine room on other processors: smaller registers, and arm64 as far as it can be compiled here."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from llvmlite import binding

HERE = Path(__file__).parent
FILES = [HERE / f"test_{name}.py" for name in ("simd", "gemm", "philox", "random")]
AVX2 = ("avx2", "fma", "avx", "bmi", "bmi2", "popcnt", "sse4.2")
AVX512 = (*AVX2, "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd")  # the first ones: no products of 52 bits
PROCESSORS = {"generic": (), "haswell": AVX2, "skylake-avx512": AVX512}
VECTOR_CODE = {
    "tile": "fmla.v",
    "dot_tile": "fmla.v",
    "dot": "fmla.v",
    "dot_gap": "fmla.v",
    "total": "fadd.v",
    "largest": "fcmgt.v",
    "stretch": "fmul.v",
    "scaled_gap": "fsub.v",
    "outer": "fmla.v",
    "add_down": "fadd.v",
    "sum_down": "fadd.v",
    "sum_rows": "fadd.v",
    "sum_scaled_rows": "fmla.v",
    "add_signed": "fadd.v",
    "count_differences": "cnt.v",
    "philox_blocks": "umulh",  # two multiplications of 64 bits are more than 128 bits of vectors can do
}

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="these are x86-64 processors")
@pytest.mark.parametrize("name", PROCESSORS)
def test_blocks_products_and_draws_are_right_with_smaller_registers(name):
    features = PROCESSORS[name]
    if not all(binding.get_host_cpu_features().get(feature) for feature in features):
        pytest.skip("this processor has no such registers")
    chosen = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in features)}
    assert " passed" in run("-m", "pytest", "-m", "small", "-p", "no:cacheprovider", *FILES, **chosen)


def test_every_block_is_vector_code_on_arm64():
    smallest = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}  # registers of 16 bytes, as on arm64
    instructions = json.loads(run(HERE / "blocks.py", **smallest))
    if instructions is None:
        pytest.skip("this LLVM knows no arm64")
    assert {block: VECTOR_CODE[block] in names for block, names in instructions.items()} == dict.fromkeys(
        VECTOR_CODE, True
    )
