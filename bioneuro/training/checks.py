"""What can be trained on: the arguments of a training, checked before it starts."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, check_number, check_numbers
from bioneuro.optim import Optimizer, Transform, l1, l2, yellowfin
from bioneuro.optim.fused import flat
from bioneuro.parameters import Parameters
from bioneuro.training.emphasis import Emphasis, as_emphasis


def check_parameters(parameters) -> None:
    if not isinstance(parameters, Parameters):
        raise InvalidInput(
            f"a training begins with Parameters, got {parameters!r}; make some by initialise(topology, random_state=0) "
            "of bioneuro.initializers, or give parameters_ of a fitted estimator"
        )


def check_loss(loss, gradient) -> None:
    """Refuse what a gradient estimator returns where it is no number, such as None for want of a return."""
    if np.ndim(loss) or not isinstance(loss, numbers.Real | np.ndarray):
        raise InvalidInput(
            f"a gradient estimator adds the gradient into `out` and returns the loss, a number; {name_of(gradient)} "
            f"returned {loss!r}"
        )


def check_data(X, y) -> None:
    """Refuse what is no array, and rows of different numbers; X may be `SparseRows`."""
    kinds = (("X", X, _are_sparse_rows(X), "as_rows of bioneuro.sparse"), ("y", y, y is None, "y.toarray()"))
    for name, values, good, of_sparse in kinds:
        if not (good or isinstance(values, np.ndarray)):
            use = of_sparse if _is_sparse(values) else "np.asarray"
            raise InvalidInput(
                f"{name} must be an array with one row for each example, got {type(values).__name__}; use {use}"
            )
    if y is not None and len(y) != len(X):
        raise InvalidInput(f"X and y must have the same number of rows, got {len(X)} and {len(y)}")


def _is_sparse(values) -> bool:
    """Whether this is a matrix or array of SciPy's, told without loading it."""
    return hasattr(values, "tocsr")


def _are_sparse_rows(X) -> bool:
    if not _is_sparse(X):
        return False
    from bioneuro.sparse import SparseRows  # loads SciPy, which dense data do without

    return isinstance(X, SparseRows)


def check_optimizer(optimizer) -> None:
    """Refuse what is no transform, and what would go up the loss: what stands around an optimiser alone, so that the
    gradient itself were the step, two optimisers, and a penalty that changes the step in place of the gradient."""
    if not isinstance(optimizer, Transform):
        raise InvalidInput(f"optimizer must be a Transform such as optim.adam(1e-3), got {optimizer!r}")
    if optimizer.leads_nowhere:
        raise InvalidInput(f"{optimizer!r} holds no optimiser; use a chain with one, such as optim.adam(1e-3)")
    found = None
    for _, part in flat(optimizer):
        if found is not None and isinstance(part, l1 | l2):
            raise InvalidInput(
                f"{part!r} is a penalty, which belongs before the optimiser, chain({part!r}, {found!r}): behind it "
                "weights would be pushed away from 0; what makes them decay from there is optim.weight_decay"
            )
        if isinstance(part, Optimizer | yellowfin):
            if found is not None:
                raise InvalidInput(
                    f"a chain holds one optimiser, got {found!r} and {part!r}: the second would turn the step of the "
                    "first around, up the loss"
                )
            found = part


def carried_on(state, first):
    """The state of an earlier training to go on from, where `first` is what this optimiser begins with; what keeps no
    moments begins anew. Refuse moments of another optimiser."""
    held, needed = _moments(state), _moments(first)
    if not needed:
        return first
    if held != needed:
        holds, needs = (", ".join(sorted({path[-1] for path in found})) or "none" for found in (held, needed))
        raise InvalidInput(
            f"the optimiser's state to go on from is that of another optimiser, or chain: it holds moments {holds}, "
            f"and this one needs {needs}; keep the optimiser, or let its state begin anew (of an estimator, by "
            "optimizer_state_ = None)"
        )
    return state


def _moments(state, path: tuple = ()) -> dict[tuple, tuple]:
    """Where the arrays of an optimiser's state lie, and their shapes."""
    if isinstance(state, Mapping):
        parts = state.items()
    elif isinstance(state, Sequence):
        parts = enumerate(state)
    else:
        return {path: np.shape(state)}
    return {where: shape for name, part in parts for where, shape in _moments(part, (*path, name)).items()}


def check_validation(validation, patience) -> None:
    """Refuse held-out rows in the place of their loss, and patience with nothing to watch."""
    if validation is not None and not callable(validation):
        raise InvalidInput(
            f"validation must be a function of the parameters that returns a loss, got {type(validation).__name__}; "
            "with rows held out and backprop: lambda parameters: backprop.loss_of(parameters, X, y)"
        )
    if patience is not None:
        check_number("patience", patience, low=1, integer=True)
        if validation is None:
            raise InvalidInput("patience watches a validation loss; give validation as well")


def check_key(key) -> None:
    if not isinstance(key, Key):
        raise InvalidInput(f"key must be a Key, got {key!r}; use Key.from_seed(0) of bioneuro.training")


def check_callbacks(callbacks: Iterable[Callable]) -> tuple[Callable, ...]:
    """The callbacks as a tuple."""
    if callable(callbacks) or not isinstance(callbacks, Iterable):
        raise InvalidInput(f"callbacks must be a list of functions, got {callbacks!r}; give callbacks=[...]")
    callbacks = tuple(callbacks)
    for callback in callbacks:
        if not callable(callback):
            raise InvalidInput(f"callbacks must be functions of a `Progress`, one of them is {callback!r}")
    return callbacks


def check_weights(weights, gradient, X) -> np.ndarray | None:
    """`weights` as a vector, one number >= 0 a row."""
    if weights is None:
        return None
    checked = check_numbers("weights", weights, low=0)
    if checked.shape != (len(X),):
        raise InvalidInput(f"weights must be {len(X)} numbers, one a row; got shape {checked.shape}")
    if not getattr(gradient, "takes_weights", False):
        raise InvalidInput(f"{name_of(gradient)} does not weigh rows; repeat rows instead")
    return np.ascontiguousarray(weights)


def check_strata(strata, n_rows: int) -> np.ndarray | None:
    """`strata` as class numbers, one a row."""
    if strata is None:
        return None
    strata = np.asarray(strata)
    if strata.shape != (n_rows,) or strata.dtype.kind not in "iu" or strata.min() < 0:
        raise InvalidInput(
            f"strata must be {n_rows} class numbers 0, 1, ..., one a row; got {strata.dtype} of shape {strata.shape}"
        )
    return strata


def check_emphasis(given: str | Emphasis | None, strata, weights, gradient) -> Emphasis:
    """The emphasis, or the reason why it cannot be had."""
    emphasis = as_emphasis("stratified" if given is None and strata is not None else given)
    if emphasis.needs == "classes" and strata is None:
        raise InvalidInput(f"{emphasis} goes by class; give strata, the class number of each row")
    if emphasis.needs == "weights" and weights is None:
        raise InvalidInput(f"{emphasis} goes by the weights of rows; give some (an estimator's class_weight will do)")
    if emphasis.needs == "losses" and not hasattr(gradient, "losses_of"):
        raise InvalidInput(f"{emphasis} goes by the loss of each row, which {name_of(gradient)} does not tell")
    if emphasis.corrects and not getattr(gradient, "takes_weights", False):
        raise InvalidInput(f"{emphasis} weighs rows, which {name_of(gradient)} does not; use correction=0")
    return emphasis


def check_effect(weights: np.ndarray | None, emphasis: Emphasis, batch_size: int) -> None:
    """Refuse weights that would do nothing."""
    differ = emphasis.corrects or (weights is not None and len(np.unique(weights[weights > 0])) > 1)
    if batch_size == 1 and differ and not emphasis.lengthens:
        raise InvalidInput(
            "in minibatches of one row weights have no effect, because its loss is divided by its weight; use "
            "batch_size=2 or more, have some rows come more often (emphasis), or emphasis='longer-steps'"
        )


def name_of(gradient) -> str:
    """What to call a gradient estimator."""
    return getattr(gradient, "__name__", type(gradient).__name__)
