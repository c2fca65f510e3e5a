"""What the compiled epoch reads: tables of populations and projections, data, what is learnt, and by which rule.

`feedforward.layout` and `feedforward.program` fill them, the kernels of `feedforward.epoch` go by them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import scalar
from bioneuro._jit.matrix import stored
from bioneuro._jit.simd import PANEL

PAD = 16  # numbers that rows are padded to: a register, and a cache line of float32
GAP = 1024  # numbers that nobody writes behind what a worker writes: the processor fetches ahead within 4 KB
CROWDED = 256  # rows of a multiple of so many numbers are put further apart
MANY = 8  # rows for which it pays to transpose a narrow panel
CHUNK = 1024  # numbers of a gradient whose squares are added before those of others: the same for every team
HELD = 16  # rows of which the learning of weights from the inputs may be deferred
BLOCK = 64  # rows of a panel of the gradient that are made and used at a time
ZEROS, GRADIENTS = np.int64(0), np.int64(BLOCK * PANEL)  # places in scratch; literals would be compiled once more

# columns of `Plan.populations`, one row a population in feedforward order, the input first; places are in `Plan.space`
(
    SIZE,  # units
    WIDTH,  # the same, padded
    ROW,  # from one row of a batch to the next, see `row_of`
    ARRIVED,  # where products add up: z, or, where that is normalised, z before it and then z_hat
    INPUT,  # z
    OUTPUT,  # a; the same place where the way back needs no z
    ERROR,  # dL/dz
    EMITTED,  # what other populations see: a, or, in a place of its own, a times the mask
    MASK,  # what dropout multiplies with; -1: no dropout
    BATCH,  # what the normalisation knows of a batch; -1: not normalised
    BIAS,  # in theta, and where normalised what else it learns behind; -1: none
    BIAS_GRADIENT,  # -1: none, or left to the normalisation
    CONSTANT,  # in theta: the number that each unit of the type has, learnt or not
    CONSTANT_GRADIENT,  # -1: it is not learnt
    FORWARD,  # address of a = f(z); 0: a is z, or the loss computes it
    BACKWARD,  # address of delta <- delta f'(z); 0: nothing to do
    FIRST_IN,  # projections that end here: rows FIRST_IN to LAST_IN of `Plan.projections`
    LAST_IN,
    FIRST_OUT,  # projections that begin here: entries FIRST_OUT to LAST_OUT of `Plan.outgoing`
    LAST_OUT,
    FIRST_ARRAY,  # what its units learn: rows FIRST_ARRAY to LAST_ARRAY of `Plan.arrays`
    LAST_ARRAY,
) = range(22)
N_POPULATION = 22
# columns of `Plan.projections`: WEIGHTS in theta, see `panel`; OWN -1: frozen, or another's; DEFERRED in space, -1: it
# is not; TURNED: the weights are those of another, turned over; NEXT: the next projection with these weights, -1: none
PRE, POST, WEIGHTS, ONE_TO_ONE, OWN, DEFERRED, TURNED, NEXT = range(8)
N_PROJECTION = 8
DRAWS = ("dropout", "noise", "corruption")  # rows of `Plan.keys`
PLACE, GRADIENT, ARRAY_OWN = range(3)  # columns of `Plan.arrays`: in theta, in space, row of `Learning.own`
N_ARRAY = 3
# columns of `Plan.numbers`; 0: none. Share of the dead, sigma of the noise on inputs, the shares of those that are
# flipped and unknown, two numbers of a normalisation, and how long the weights that reach a unit may be together
DROPOUT, NOISE, FLIPPED, MASKED, MOMENTUM, EPSILON, LIMIT = range(7)
N_NUMBER = 7


class Calls(NamedTuple):
    """Addresses of kernels; 0 for what a network has no use for."""

    multiply: int = 0
    multiply_nt: int = 0
    multiply_sparse: int = 0
    loss: int = 0
    gather: int = 0  # or `sort_by_feature`
    disturb: int = 0
    drop: int = 0
    multiply_entries: int = 0
    add_row: int = 0
    sum_rows: int = 0
    scale: int = 0
    transpose: int = 0
    sum_products: int = 0
    normalise: int = 0
    follow: int = 0
    normalise_back: int = 0
    measure: int = 0
    bounded_step: int = 0
    shorten: int = 0
    forward_tied: int = 0
    backward_tied: int = 0
    add_tied: int = 0
    look_ahead: int = 0
    catch_up: int = 0
    hold: int = 0
    write_down: int = 0


class Plan(NamedTuple):
    """What a network computes and where; see the names of the columns above."""

    populations: np.ndarray
    projections: np.ndarray
    outgoing: np.ndarray
    arrays: np.ndarray
    numbers: np.ndarray  # (n_populations, N_NUMBER) float64
    keys: np.ndarray  # (n_populations, len(DRAWS), 2) uint64: words of their keys
    space: np.ndarray  # flat: everything that passes through the network
    calls: Calls


class Columns(NamedTuple):
    """Sparse inputs of one batch by feature, for every worker; feature f has entries starts[f] to starts[f + 1]."""

    starts: np.ndarray
    rows: np.ndarray
    values: np.ndarray


class Data(NamedTuple):
    """The rows to learn from, in `order`; step s takes entries begins[s] to begins[s + 1] of it.

    Inputs are dense, in X, or, where X is empty, sparse: the row at place k of `order` has entries row_starts[k] to
    row_ends[k] of `features`, ascending, and `values`.
    """

    X: np.ndarray
    row_starts: np.ndarray
    row_ends: np.ndarray
    features: np.ndarray
    values: np.ndarray
    batch: Columns
    y: np.ndarray
    weights: np.ndarray  # of the rows; empty: all 1
    weight_of_row: float  # each row's part in what errors are divided by; 0: its weight
    order: np.ndarray
    begins: np.ndarray
    losses: np.ndarray  # out: of each row, in order


class Whole(NamedTuple):
    """What it takes to bound the length of the whole gradient; arrays of length 0 where nobody asks for it."""

    penalise: int  # address
    limit: float
    gradient: np.ndarray  # as theta
    squares: np.ndarray  # of its chunks
    places: np.ndarray  # (arrays, 2): where each array begins and ends
    own: np.ndarray  # as `Learning.own`, without what `penalise` has done


class Deferred(NamedTuple):
    """Blocks of steps whose learning is deferred."""

    every: int  # steps of a block; 0: nothing is deferred
    epoch: int  # steps of an epoch
    room: np.ndarray  # (workers, ...)


class Learning(NamedTuple):
    """What changes, and how: padded theta and moments, the rule's address, constants of steps and of arrays."""

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    rule: int
    constants: np.ndarray  # (steps, ...)
    own: np.ndarray  # (arrays, ...)
    scratch: np.ndarray  # (workers, ...): BLOCK rows of zeros, and a block of gradients
    whole: Whole
    deferred: Deferred


class Members(NamedTuple):
    """What each of many networks has of its own, (members, ...), and each worker, (workers, ...)."""

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    keys: np.ndarray
    orders: np.ndarray
    row_starts: np.ndarray
    row_ends: np.ndarray
    losses: np.ndarray
    spaces: np.ndarray
    scratch: np.ndarray  # (workers, 1, ...), and so the columns
    gradients: np.ndarray
    squares: np.ndarray
    rooms: np.ndarray
    batch: Columns


def padded(size: int) -> int:
    """`size` up to the next whole register."""
    return -(-size // PAD) * PAD


def row_of(size: int) -> int:
    """Numbers from one row of a batch to the next: its width, and `PAD` more where that is a multiple of `CROWDED`.

    Else the numbers of one unit, which the update reads, would stand on the same few places of a cache.
    """
    width = padded(size)
    return width + PAD if width % CROWDED == 0 else width


@scalar
def panel(theta, edge, rows, width, column):
    """The weights onto the units `column` to `column` + PANEL, as many as there are of `width`."""
    return stored(theta, edge[WEIGHTS] + column * rows, min(PANEL, width - column))
