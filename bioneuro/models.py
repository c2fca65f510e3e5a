"""Models as a comparison meets them: what to build for which kind of task, and how they are found.

An installed package offers models under the entry-point group "bioneuro.models"; each entry is a `Model`, or an
estimator (its class or an instance), which is taken by the verbs it has: `predict` to classify, `recall` to remember.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from bioneuro.errors import InvalidInput, choose
from bioneuro.topology import Topology

GROUP = "bioneuro.models"
KINDS = {"classifier": "predict", "memory": "recall"}  # kind of task -> the verb that an estimator needs for it


@dataclass(frozen=True)
class Model:
    """How a model enters a comparison.

    Attributes
    ----------
    description : one line for the report.
    classifier : topology -> unfitted classifier with `topology=` set; None where the model does not classify.
    memory : number of visible units -> unfitted estimator with `recall`; None where it does not remember.
    candidates : settings (`set_params`) of the classifier to choose from inside the training data.
    untrained : topology -> the classifier with its representation left random: the control that learns nothing; it is
        given the same candidates.
    cannot : {"classifier" or "memory": why not}.
    control : a row to compare with, not a model.
    """

    description: str
    classifier: Callable[[Topology], Any] | None = None
    memory: Callable[[int], Any] | None = None
    candidates: tuple[Mapping[str, Any], ...] = ({},)
    untrained: Callable[[Topology], Any] | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    control: bool = False

    def builder(self, kind: str) -> Callable[..., Any] | None:
        """What builds the estimator for a kind of task."""
        return getattr(self, kind)

    def why_not(self, kind: str) -> str:
        """Why there is no builder for a kind of task."""
        return self.cannot.get(kind, f"has no `{KINDS[kind]}`")


def installed() -> dict[str, Any]:
    """Entry points of the group, by name; nothing is loaded yet."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def as_model(given) -> Model:
    """A `Model` for whatever a study was given: a name, a `Model`, an estimator or its class."""
    if isinstance(given, str):
        found = installed()
        entry = found[choose("model", given, found)]
        try:
            return as_model(entry.load())
        except (ImportError, AttributeError) as error:
            raise InvalidInput(f"the model {given!r}, installed as {entry.value}, does not load: {error}") from error
    if isinstance(given, Model):
        return given
    estimator = given() if isinstance(given, type) else given
    verbs = {kind: hasattr(estimator, verb) for kind, verb in KINDS.items()}
    if not any(verbs.values()) or not hasattr(estimator, "fit"):
        raise InvalidInput(
            f"a model is a name ({', '.join(installed())}), a bioneuro.models.Model or an estimator with `fit` and "
            f"`predict` or `recall`, got {given!r}"
        )
    builders = {kind: _Configured(estimator) for kind, able in verbs.items() if able}
    if verbs["classifier"] and hasattr(estimator, "untrained"):
        builders["untrained"] = _Configured(estimator.untrained())
    summary = (type(estimator).__doc__ or type(estimator).__name__).strip().splitlines()[0]
    return Model(description=summary, **builders)


@dataclass(frozen=True)
class _Configured:
    """Builds copies of an estimator that the user configured, topology included."""

    estimator: Any

    def __call__(self, _):
        from sklearn.base import clone

        return clone(self.estimator, safe=False)  # what has no `get_params` is copied as it is
