"""Answers of a converted network: rows are shown to it as spikes, and the spikes of its output neurons are counted."""

from __future__ import annotations

import numpy as np

from bioneuro.data.encoding import encode_rate
from bioneuro.spiking.convert import SpikingNetwork, check_network, check_rows
from bioneuro.spiking.engine import simulate
from bioneuro.spiking.inputs import SpikeTrain
from bioneuro.topology import Lesion


def spike_counts(
    network: SpikingNetwork,
    X,
    duration: float = 0.2,
    *,
    dt: float = 1e-4,
    lesion: Lesion | None = None,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Show each row for `duration` to the network at rest; count the spikes of the output neurons.

    Inputs spike regularly at input_rate times x (`bioneuro.data.encode_rate`), so the same row gives the same counts.

    Parameters
    ----------
    X : (n, n_input) in [0, 1].
    duration : s, a multiple of dt.
    dt : s; more than 1 / (10 rate) loses accuracy.
    lesion : of `network.topology`; its dead neurons are silent.
    progress : show a progress bar over the rows.

    Returns
    -------
    (n, n_output) int64 counts, and (n, n_output) V, the membranes at the end: what is left below the next spike.

    Raises
    ------
    InvalidInput : rows outside [0, 1] or of another width, a duration that is no multiple of dt.
    """
    check_network("a classification by spikes", network)
    topology = network.topology
    X = check_rows(X, network.source)
    source, output = topology.by_role("input")[0], topology.by_role("output")[0]
    where = topology.unit_layout[output.name]
    spikes = encode_rate(X, duration, highest=network.scale.highest[source.name])
    counts, membranes = np.zeros((len(X), output.size), np.int64), np.zeros((len(X), output.size))
    for i in _rows(len(X), progress):
        run = simulate(
            network.parameters,
            {source.name: SpikeTrain(*spikes.row(i))},
            duration,
            dt=dt,
            record={"spikes": [output.name]},
            random_state=0,  # nothing is drawn
            max_rate=np.inf,
            lesion=lesion,
        )
        counts[i] = np.bincount(run["spikes.units"] - where.start, minlength=output.size)
        membranes[i] = run.state.membrane[where]
    return counts, membranes


def classify(
    network: SpikingNetwork,
    X,
    duration: float = 0.2,
    *,
    dt: float = 1e-4,
    lesion: Lesion | None = None,
    progress: bool = False,
) -> np.ndarray:
    """The output neuron with the most spikes; of equal ones that with the highest membrane.

    A single output neuron tells two classes apart: the second where it fires at more than the rate of a logit of 0.

    Parameters as in `spike_counts`. Returns (n,) int64 numbers of classes: `model.classes_[classify(...)]` are labels.

    >>> import bioneuro, feedforward
    >>> from bioneuro.spiking import classify, to_spiking
    >>> train, test = bioneuro.load_digits().split(random_state=0)
    >>> model = feedforward.NetworkClassifier(random_state=0).fit(train.X, train.y)
    >>> labels = model.classes_[classify(to_spiking(model, train.X), test.X[:50], 0.1)]
    >>> int((labels == model.predict(test.X[:50])).sum()) > 45
    True
    """
    counts, membranes = spike_counts(network, X, duration, dt=dt, lesion=lesion, progress=progress)
    if counts.shape[1] == 1:
        output = network.topology.by_role("output")[0]
        begun = (membranes[:, 0] - output.unit.v_reset) / (output.unit.v_threshold - output.unit.v_reset)
        spikes = counts[:, 0] + begun  # the next one is on its way
        return (network.scale.activities(output.name, spikes / duration) > 0).astype(np.int64)
    best = counts == counts.max(axis=1, keepdims=True)
    return np.where(best, membranes, -np.inf).argmax(axis=1)


def _rows(n: int, progress: bool):
    if not progress:
        return range(n)
    from tqdm import tqdm

    return tqdm(range(n), desc="rows", unit="row")
