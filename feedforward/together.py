"""Many networks trained at once: the driver of `epoch.train_members`, one thread a network.

Small networks gain nothing from several threads each; side by side they use all cores, and what is prepared once, the
data and the tables, serves them all. Each member gets the bits that it would get alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from bioneuro._jit.cores import team_size
from bioneuro._jit.keys import Key
from bioneuro._jit.team import run_team
from bioneuro.optim import Transform
from bioneuro.parameters import Parameters, aligned_zeros
from feedforward.epoch import train_members
from feedforward.program import PIECE, Program
from feedforward.tables import Columns, Members

if TYPE_CHECKING:
    from feedforward.backprop import Backprop


class Together:
    """The trainings of `n_members` networks of one topology, each on `n_rows` rows; the rest as in `Program`."""

    def __init__(
        self,
        backprop: Backprop,
        parameters: Parameters,
        X: np.ndarray,
        y: np.ndarray,
        optimizer: Transform,
        batch_size: int,
        n_members: int,
        n_rows: int,
        n_threads: int | None = None,
        weights: np.ndarray | None = None,
    ):
        options = {"n_threads": 1, "weights": weights, "n_rows": n_rows}
        self.one = Program(backprop, parameters, X, y, optimizer, batch_size, **options)
        self.n_threads = team_size(n_threads, outputs=n_members, nanoseconds=1e9 * PIECE)
        self.steps_at_once = max(1, self.one.steps_at_once * self.n_threads // n_members)
        learning = self.one.learning
        self._learnt = [_several(n_members, array) for array in learning[:4]]
        whole, room = learning.whole, learning.deferred.room
        rooms = (self.one.plan.space, learning.scratch, whole.gradient, whole.squares, room)
        self._rooms = [_several(self.n_threads, array) for array in rooms]

    def load(self, member: int, parameters: Parameters, state) -> None:
        """Take over the parameters and moments of a member."""
        self.one.load(parameters, state)
        for all_members, own in zip(self._learnt, self.one.learning, strict=False):
            all_members[member] = own

    def store(self, member: int, parameters: Parameters, state) -> None:
        """Give them back."""
        for all_members, own in zip(self._learnt, self.one.learning, strict=False):
            own[:] = all_members[member]
        self.one.store(parameters, state)

    def run(self, orders: np.ndarray, begins: np.ndarray, first: int, before: int, keys: list[Key]):
        """Take some steps, from number `first` on, of all members.

        orders : (n_members, n) rows of the data; begins, before : of each, as in `Program.run`.
        keys : of their trainings.

        Returns how many steps were taken, and the losses of the rows they saw, (n_members, n_rows).
        """
        last = self.one.end_of_piece(first, self.steps_at_once, len(begins) - 1)
        data = self.one.data(orders[0], begins)
        learning = self.one.learning._replace(constants=self.one.constants(before + first, before + last))
        where = self.one.entries(orders)
        members = Members(
            *self._learnt,
            np.array([self.one.keys(key) for key in keys]),
            orders,
            *where,
            np.zeros(orders.shape),
            *self._rooms,
            Columns(*(_several(self.n_threads, array) for array in self.one.columns(*where, begins))),
        )
        started = time.perf_counter()
        run_team(train_members, self.n_threads, self.one.plan, data, learning, members, first, last, before)
        taken = time.perf_counter() - started
        self.steps_at_once = max(1, min(2 * self.steps_at_once, int(PIECE / taken * (last - first))))
        return last - first, members.losses[:, begins[first] : begins[last]]


def _several(n: int, like: np.ndarray) -> np.ndarray:
    """Zeros for n arrays such as this one."""
    return aligned_zeros(n * like.size, like.dtype).reshape(n, *like.shape)
