"""Ensembles: networks that err in different ways, trained together, whose mean errs less."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import check_is_fitted

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, check_number
from bioneuro.shell import Shell
from bioneuro.training.together import fit_together
from feedforward.estimators.base import SparseInput
from feedforward.estimators.classifier import NetworkClassifier
from feedforward.estimators.regressor import NetworkRegressor

# what members that share one run cannot have -> its value that asks for nothing, and what to do instead
_ALONE = {
    "patience": (None, "find the number of epochs with one network"),
    "callbacks": (None, "watch one network"),
    "checkpoint": (None, "save the fitted ensemble"),
    "emphasis": (None, "give class_weight or sample_weight"),
    "warm_start": (False, "fit anew"),
}
_PARAMETERS = """
    Members differ in their first weights, in the order of their rows and in what dropout draws, and, with `bootstrap`,
    in the rows they learn from: n of n, drawn with replacement. They are trained in one compiled run, each by a thread
    of its own (`bioneuro.training.fit_together`). X may be sparse, as for one of them.

    Parameters
    ----------
    network : an unfitted {network} that says what the members are; None: one with its defaults. Its random_state is not
        used; patience, callbacks, checkpoint, emphasis, warm_start and SciPy's optimisers are refused.
    n_members : >= 1. bootstrap : whether each member learns from a sample of its own; without, networks differ enough
        by their first weights (Lakshminarayanan et al. 2017), and all rows teach all of them.
    progress : show a bar. random_state : None, int, Generator or RandomState; `seed_` keeps what was drawn.

    Attributes
    ----------
    members_ : the fitted networks. topology_ : of each of them. seed_, n_features_in_.
    oob_score_ : with bootstrap, the {score} on those training rows that some member has not seen, each judged by the
        members that have not; NaN if there are none.

    Source: L. Breiman, Bagging predictors, Machine Learning 24 (1996).
"""


class _Ensemble(SparseInput, Shell):
    _default: type

    def __init__(
        self, network=None, n_members: int = 10, *, bootstrap: bool = False, progress=False, random_state=None
    ):
        self.network = network
        self.n_members = n_members
        self.bootstrap = bootstrap
        self.progress = progress
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Train all members on X (n, n_features) and y; returns self.

        sample_weight : (n,) >= 0, how much each row counts in the loss, or None: all the same.
        """
        n_members = check_number("n_members", self.n_members, low=1, integer=True)
        network, key = self._checked_network(), self._start_fit().child("members")
        members = [clone(network).set_params(random_state=key.child(m).low) for m in range(n_members)]
        tasks = [member._task(X, y, sample_weight) for member in members]  # each takes note of it
        one, (X, targets, output, weights, _) = members[0], tasks[0]
        keys = [member._start(X, targets, output, weights) for member in members]
        first = [member._trained for member in members]
        rows = [self._sample(key, len(X)) for key in keys]
        recordings = fit_together(
            first,
            one._backprop(first[0].topology),
            one._inputs(X),
            targets.astype(first[0].dtype),
            optimizer=one._optimizer(one._n_steps(len(X))),
            epochs=one.epochs,
            batch_size=one._rows_a_step(len(X)),
            keys=keys,
            rows=rows,
            weights=weights,
            progress=self.progress,
        )
        for member, recording in zip(members, recordings, strict=True):
            member._take(recording)
            member._go_on_from(recording)
        self.members_, self.topology_ = members, one.topology_
        for name in ("n_features_in_", "feature_names_in_", "classes_"):
            if hasattr(one, name):
                setattr(self, name, getattr(one, name))
        if self.bootstrap:
            self.oob_score_ = self._score_of_unseen(X, targets, rows)
        return self

    def _checked_network(self):
        network = self._default() if self.network is None else self.network
        if not isinstance(network, self._default):
            raise InvalidInput(f"network must be a {self._default.__name__} or None, got {network!r}")
        for name, (nothing, instead) in _ALONE.items():
            given = getattr(network, name)
            if given is not nothing and given != ():
                raise InvalidInput(
                    f"members of an ensemble are trained together, without {name}, got {name}={given!r}; {instead}, "
                    f"or train networks one by one in scikit-learn's Bagging{self._default.__name__[7:]}"
                )
        if network._whole_batch:
            raise InvalidInput(
                f"members of an ensemble take steps on minibatches, and optimizer={network.optimizer!r} takes all rows "
                "at once; use another optimiser"
            )
        return network

    def _sample(self, key: Key, n: int) -> np.ndarray:
        """The rows that a member learns from."""
        return key.child("bootstrap").generator().integers(0, n, n) if self.bootstrap else np.arange(n)

    def _score_of_unseen(self, X: np.ndarray, targets: np.ndarray, rows: list[np.ndarray]) -> float:
        total, judged = 0, np.zeros(len(X))
        for member, seen in zip(self.members_, rows, strict=True):
            unseen = np.ones(len(X), bool)
            unseen[seen] = False
            if not unseen.any():
                continue
            answer = self._answer_of(member, X[unseen])
            total = total if judged.any() else np.zeros((len(X), *answer.shape[1:]))
            total[unseen] += answer
            judged[unseen] += 1
        known = judged > 0
        if not known.any():
            return np.nan
        mean = total[known] / judged[known].reshape(-1, *[1] * (np.ndim(total) - 1))
        return float(self._score(mean, targets[known]))

    def _mean_answer(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = self._check_X(X)
        return np.mean([self._answer_of(member, X) for member in self.members_], axis=0)

    def lesion(self, units=0.0, synapses=0.0, random_state=0):
        """A copy whose members have dead units and synapses; see `Topology.lesion`."""
        check_is_fitted(self)
        hurt = copy.copy(self)
        hurt.members_ = [member.lesion(units, synapses, random_state) for member in self.members_]
        return hurt


class EnsembleClassifier(ClassifierMixin, _Ensemble):
    __doc__ = f"""Networks trained together to tell classes apart: p(class | x) is the mean of theirs.
    {_PARAMETERS.format(network="NetworkClassifier", score="accuracy")}
    classes_ : the labels, in the order of the columns of `predict_proba`.

    >>> import bioneuro, feedforward
    >>> train, test = bioneuro.load_digits().split(random_state=0)
    >>> network = feedforward.NetworkClassifier((32,), epochs=20)
    >>> ensemble = feedforward.EnsembleClassifier(network, n_members=10, random_state=0).fit(train.X, train.y)
    >>> ensemble.score(test.X, test.y) > 0.96
    True
    """

    _default = NetworkClassifier

    def predict_proba(self, X) -> np.ndarray:
        """(n, n_classes) probabilities, the mean of the members'; of several labels a row, each by itself."""
        return self._mean_answer(X)

    def predict(self, X) -> np.ndarray:
        """(n,) the label of the largest probability; of several a row, (n, k), 1 where a probability is >= .5."""
        probabilities = self.predict_proba(X)
        return self.members_[0]._labels_of(probabilities)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @staticmethod
    def _answer_of(member, X):
        return member.predict_proba(X)

    def _score(self, mean, targets):
        one = self.members_[0]
        return accuracy_score(one._labels_of(one._probabilities(targets)), one._labels_of(mean))


class EnsembleRegressor(RegressorMixin, _Ensemble):
    __doc__ = f"""Networks trained together to predict numbers: the mean of their predictions.
    {_PARAMETERS.format(network="NetworkRegressor", score="R^2")}
    >>> import numpy as np, feedforward
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> network = feedforward.NetworkRegressor((50,), epochs=200)
    >>> ensemble = feedforward.EnsembleRegressor(network, n_members=5, random_state=0).fit(x, np.sin(x).ravel())
    >>> ensemble.score(x, np.sin(x).ravel()) > 0.98
    True
    """

    _default = NetworkRegressor

    def predict(self, X) -> np.ndarray:
        """(n,) or (n, n_outputs), as y was at `fit`: the mean of the members' predictions."""
        return self._mean_answer(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @staticmethod
    def _answer_of(member, X):
        return member.predict(X)

    @staticmethod
    def _score(mean, targets):
        return r2_score(targets, mean)
