"""Where the kernels stand that the compiled epoch calls: each is compiled when a network first has use for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numba
import numpy as np
from numba import types

from bioneuro._jit.borrow import Borrowed
from bioneuro._jit.dispatch import address
from bioneuro._jit.gemm import multiply, multiply_nt
from bioneuro._jit.matrix import Matrix
from bioneuro._jit.sparse import multiply_sparse_rows
from bioneuro.optim.kernels import block, penalise
from bioneuro.optim.rules import Optimizer
from feedforward import batch_kernels, deferred, products
from feedforward.activations import Activation, backward_kernel, forward_kernel
from feedforward.bounds import bounded_step, measure, shorten
from feedforward.losses import Loss
from feedforward.tables import Calls, Data, Learning, Plan

# the kernels of `Calls` and their arguments: m a matrix, v a vector, t a table, i a whole number, d a float64, b a
# Boolean, w whole numbers, s int32 numbers, l float64 numbers, k the words of a key, D, L and P what `Data`, `Learning`
# and `Plan` are
_KERNELS: dict[str, tuple[Callable, str]] = {
    "multiply": (multiply, "mmmiiib"),
    "multiply_nt": (multiply_nt, "mmmiiibi"),
    "multiply_sparse": (multiply_sparse_rows, "wwsvmmiib"),
    "gather": (batch_kernels.gather, "Dmiiii"),
    "sort_by_feature": (batch_kernels.sort_by_feature, "Dmiiii"),
    "disturb": (batch_kernels.disturb, "mkkdddiiiii"),
    "drop": (batch_kernels.drop, "mmmkdiiii"),
    "multiply_entries": (batch_kernels.multiply_entries, "mmii"),
    "add_row": (batch_kernels.add_row, "mvii"),
    "sum_rows": (batch_kernels.sum_rows, "mvii"),
    "scale": (batch_kernels.scale, "mvmiib"),
    "transpose": (batch_kernels.transpose, "mmii"),
    "sum_products": (batch_kernels.sum_products, "mmvii"),
    "normalise": (batch_kernels.normalise, "mmmmiid"),
    "follow": (batch_kernels.follow, "mmid"),
    "normalise_back": (batch_kernels.normalise_back, "mmmmii"),
    "measure": (measure, "Lii"),
    "bounded_step": (bounded_step, "Lvii"),
    "shorten": (shorten, "PLiii"),
    "forward_tied": (products.forward_tied, "PLimiibiii"),
    "backward_tied": (products.backward_tied, "PLimibii"),
    "add_tied": (products.add_tied, "PDiiimiiii"),
    "look_ahead": (deferred.look_ahead, "PDLiiii"),
    "catch_up": (deferred.catch_up, "PLimiibiii"),
    "hold": (deferred.hold, "PLimiiviii"),
    "write_down": (deferred.write_down, "PLiii"),
}


@cache
def _kinds(dtype: np.dtype) -> dict[str, types.Type]:
    """The types of arguments, by letter; those of tables are found when the first are seen, and serve all."""
    number = numba.from_dtype(dtype)
    vector = types.Array(number, 1, "C")
    return {
        "m": types.NamedTuple([vector, types.int64, types.int64, types.int64], Matrix),
        "v": vector,
        "t": types.Array(number, 2, "C"),
        "i": types.int64,
        "d": types.float64,
        "b": types.boolean,
        "w": types.Array(types.int64, 1, "C"),
        "s": types.Array(types.int32, 1, "C"),
        "k": types.Array(types.uint64, 1, "C"),
        "l": types.Array(types.float64, 1, "C"),
    }


@cache
def _address(kernel: Callable, arguments: str, dtype: np.dtype) -> int:
    """As `address`, found by letters: types of tables take long to compare."""
    return address(kernel, *(_kinds(dtype)[argument] for argument in arguments))


class Addresses:
    """The kernels for one type of numbers, float32 or float64."""

    def __init__(self, dtype: np.dtype):
        self._dtype = dtype

    def forward(self, activation: Activation) -> int:
        return self._of(forward_kernel(activation), "mmiivi")

    def backward(self, activation: Activation) -> int:
        return self._of(backward_kernel(activation), "mmmiivivi")

    def loss(self, loss: Loss) -> int:
        return self._of(loss.kernel, "mmmtwvdiil")

    def rule(self, optimizer: Optimizer) -> int:
        return self._of(block(type(optimizer).rule, len(optimizer.moments)), "vvvviviivv")

    def penalise(self) -> int:
        return self._of(penalise, "viviivv")

    def calls(self, used: set[str], data: Data, learning: Learning, plan: Plan, loss: Loss) -> Calls:
        """The addresses of the kernels named, with `sort_by_feature` in the place of `gather` where that is used."""
        kinds = _kinds(self._dtype)
        for name, lent in zip("DLP", (data, learning, plan), strict=True):
            if name not in kinds:  # once: it takes long, and were others to come, `call` would refuse them
                kinds[name] = Borrowed(numba.typeof(lent))
        found = {name: self._of(*_KERNELS[name]) for name in sorted(used)}
        if "sort_by_feature" in found:
            found["gather"] = found.pop("sort_by_feature")
        return Calls(loss=self.loss(loss), **found)

    def _of(self, kernel: Callable, arguments: str) -> int:
        return _address(kernel, arguments, self._dtype)
