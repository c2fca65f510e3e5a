from __future__ import annotations

import numpy as np
import pytest

from bioneuro._jit.gemm import matmul, matmul_nt
from bioneuro.errors import InvalidInput
from tests.naive import jit_gemm

TYPES = [np.float64, np.float32]
SMALL = pytest.mark.small
SHAPES = [
    pytest.param(1, 1, 1, marks=SMALL),
    pytest.param(3, 5, 9, marks=SMALL),
    pytest.param(6, 7, 17, marks=SMALL),
    (5, 33, 300),
    (41, 16, 257),
    (2, 0, 3),
    (0, 4, 3),
    (4, 3, 0),
]


def matrices(n, k, m, dtype):
    draw = np.random.default_rng(n + k + m).standard_normal
    return draw((n, k)).astype(dtype), draw((k, m)).astype(dtype), draw(m).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "k", "m"), SHAPES)
def test_products_add_one_term_after_the_other_to_the_last_bit(n, k, m, dtype):
    a, b, bias = matrices(n, k, m, dtype)
    expected = jit_gemm.matmul(a, b, bias)
    assert matmul(a, b, bias=bias).tobytes() == expected.tobytes()
    assert matmul_nt(a, b.T, bias=bias).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "k", "m"), SHAPES)
def test_products_agree_with_exact_arithmetic(n, k, m, dtype):
    a, b, _ = matrices(n, k, m, dtype)
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
    bound = (k + 1) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))  # Higham: k roundings of partial sums
    assert (np.abs(matmul(a, b) - exact) <= bound).all()


@pytest.mark.small
@pytest.mark.parametrize("product", [matmul, lambda a, b, **options: matmul_nt(a, b.T, **options)], ids=["n", "nt"])
@pytest.mark.parametrize("split", [1, 2, 3, 4, 5, 7])
def test_any_split_of_the_batch_gives_the_same_bytes(product, split):
    a, b, bias = matrices(13, 11, 19, np.float32)
    parts = [product(a[i : i + split], b, bias=bias) for i in range(0, len(a), split)]
    assert np.concatenate(parts).tobytes() == product(a, b, bias=bias).tobytes()


@pytest.mark.small
def test_a_zero_times_infinity_is_not_skipped():
    with np.errstate(invalid="ignore"):
        assert np.isnan(matmul(np.zeros((1, 2)), np.full((2, 1), np.inf))).all()


@pytest.mark.small
def test_the_result_goes_into_out_and_inputs_may_be_read_only_or_strided():
    a, b, _ = matrices(8, 6, 5, np.float64)
    out = np.empty((8, 5))
    strided = np.repeat(b, 2, axis=1)[:, ::2]
    b.setflags(write=False)
    assert matmul(a, b, out) is out
    assert matmul(a, strided).tobytes() == out.tobytes()


@pytest.mark.small
@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 2)), {}, r"\(2, 3\) times \(4, 2\); inner sizes"),
        (np.ones((2, 3)), np.ones((3, 2), np.float32), {}, "got float64 and float32"),
        (np.ones((2, 3), int), np.ones((3, 2), int), {}, "got int64 and int64"),
        (np.ones((2, 3)), np.ones((3, 2)), {"out": np.ones((2, 3))}, r"out must be \(2, 2\)"),
        (np.ones((2, 3)), np.ones((3, 2)), {"out": np.ones((2, 2), order="F")}, "in C order"),
        (np.ones((2, 3)), np.ones((3, 2)), {"bias": np.ones(3)}, r"bias must be \(2,\)"),
    ],
)
def test_matrices_that_do_not_fit_are_refused_with_their_shapes(a, b, options, message):
    with pytest.raises(InvalidInput, match=message):
        matmul(a, b, **options)
