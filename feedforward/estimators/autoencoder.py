"""Autoencoders: a code in the hidden layer from which the input comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number
from bioneuro.parameters import Parameters
from bioneuro.shell import FLOATS, InputRange
from bioneuro.topology import Dense, Population, Topology
from feedforward.backprop import Backprop
from feedforward.batch_kernels import UNKNOWN
from feedforward.estimators.base import BackpropShell, network_of
from feedforward.network import Network, alive_masks


class Autoencoder(TransformerMixin, BackpropShell):
    """Network that learns to give back its input from a code: x -> h = f(x W + b) -> x' = sigmoid(h W' + c).

    Trained by backprop on -sum_i [x_i ln x'_i + (1 - x_i) ln(1 - x'_i)] (for a topology with other outputs, on their
    natural loss), from inputs with some entries flipped and some unknown. `transform` gives the code,
    `inverse_transform` what codes stand for, `score` how much of their variance comes back; `recall` repairs and
    completes patterns by letting x' be the next x.

    Parameters
    ----------
    hidden_layer_sizes : sizes of the layers between input and output; the middle one (of 2 k layers, number k + 1) is
        the code.
    topology : acyclic, with as many output as input units, not softmax; checked, never altered.
    tied : decode with the transposed weights of the encoder (where no topology is given).
    flip, mask : shares in [0, 1] of the entries that are flipped, or unknown, while it learns; flip + mask <= 1.
    unit, optimizer, learning_rate, schedule, epochs, batch_size, l2, dropout, initializer, frozen, patience,
    validation_fraction, dtype, progress, callbacks, checkpoint, random_state : as in `NetworkClassifier`.
    input_range : (low, high) of the data, or None: learnt at `fit`, later rows clipped to it. Data within [0, 1] are
        left as they are; where they fill a small part of it, say so: input_range=(X.min(), X.max()).

    Attributes
    ----------
    topology_, parameters_, alive_, loss_curve_, validation_curve_, n_iter_, seed_, n_features_in_.
    code_ : name of the population whose output `transform` gives.

    >>> import bioneuro, feedforward
    >>> digits = bioneuro.load_digits()
    >>> feedforward.Autoencoder((16,), epochs=5, random_state=0).fit(digits.X).transform(digits.X).shape
    (1797, 16)
    """

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (100,),
        *,
        topology: Topology | None = None,
        unit: str = "sigmoid",
        tied: bool = False,
        flip: float = 0.1,
        mask: float = 0.1,
        optimizer="adam",
        learning_rate: float = 1e-2,
        schedule: str = "linear",
        epochs: int = 60,
        batch_size: int = 32,
        l2: float = 0.0,
        dropout: float | Mapping[str, float] = 0.0,
        initializer="auto",
        frozen: tuple[str, ...] = (),
        patience: int | None = None,
        validation_fraction: float = 0.1,
        input_range: tuple[float, float] | None = None,
        dtype: str = "float32",
        progress: bool = False,
        callbacks=None,
        checkpoint=None,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.topology = topology
        self.unit = unit
        self.tied = tied
        self.flip = flip
        self.mask = mask
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.dropout = dropout
        self.initializer = initializer
        self.frozen = frozen
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.input_range = input_range
        self.dtype = dtype
        self.progress = progress
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn to give back the rows of X (n, n_features); y is not used. Returns self."""
        X = validate_data(self, X, dtype=FLOATS, order="C")
        key = self._start_fit()
        topology = self._given_topology(X.shape[1], X.shape[1]) or self._build_topology(X.shape[1])
        hidden = topology.by_role("hidden")
        if not hidden:
            raise InvalidInput("an autoencoder needs a hidden layer for its code; hidden_layer_sizes is empty")
        (output,) = topology.by_role("output")
        if output.unit.name == "softmax":
            raise InvalidInput(
                "softmax outputs sum to 1 and cannot give inputs back; use output='sigmoid' in Topology.mlp, or "
                "with_units"
            )
        self.code_ = hidden[len(hidden) // 2].name
        options = {name: getattr(self, name) for name in ("flip", "mask", "l2", "dropout")}
        backprop = Backprop(network_of(topology), **options)
        self.input_range_ = InputRange.learn(X, self.input_range)
        inputs = self._inputs(X)
        self._begin(topology, inputs, inputs, key)
        self._train(backprop, inputs, inputs, key)
        return self

    def _build_topology(self, n_features: int) -> Topology:
        sizes = self._layer_sizes()
        net = Topology.mlp(n_features, *sizes, n_features, unit=self.unit, output="sigmoid")
        if not self.tied:
            return net
        encoder = net.projections[: len(net.projections) // 2]
        if len(net.projections) % 2 or sizes != sizes[::-1]:
            raise InvalidInput(f"tied weights need layers that mirror each other, got hidden_layer_sizes={sizes}")
        decoder = [
            Dense(own.pre, own.post, tied_to=partner.name)
            for own, partner in zip(net.projections[len(encoder) :], reversed(encoder), strict=True)
        ]
        return Topology(net.populations, [*encoder, *decoder])

    def _initializer(self, topology: Topology):
        """Towards sigmoid outputs "auto" takes Glorot's 2 / (n + m): with the 12.8 / n of a hidden sigmoid, codes have
        strong opinions on hundreds of outputs before they mean anything, and are driven to their ends."""
        (output,) = topology.by_role("output")
        return self._towards_outputs(topology, "glorot") if output.unit.name == "sigmoid" else self.initializer

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        return self.input_range_.to_unit(X).astype(self._number_type(X), copy=False)

    def transform(self, X) -> np.ndarray:
        """(n, size of the code) what the middle hidden layer emits, in the type of X."""
        check_is_fitted(self)
        X = self._check_X(X)
        return self._pass(self._inputs(X))[self.code_].astype(X.dtype, copy=False)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the code's units: "autoencoder0", "autoencoder1", ..."""
        check_is_fitted(self)
        size = self.topology_[self.code_].size
        return np.asarray([f"{type(self).__name__.lower()}{k}" for k in range(size)], dtype=object)

    def reconstruct(self, X) -> np.ndarray:
        """(n, n_features) the input as it comes back from its code, in the range of the data."""
        check_is_fitted(self)
        return self._back(self._check_X(X))

    def inverse_transform(self, H) -> np.ndarray:
        """(n, n_features) what codes H, (n, size of the code), stand for, in the range of the data: the decoder alone.

        `inverse_transform(transform(X))` is `reconstruct(X)`, to the bit where X has the type that is computed in.
        Raises `UnsupportedTopology` where something gets from the inputs past the code.
        """
        check_is_fitted(self)
        H, decoder = check_array(H, dtype=FLOATS, order="C"), self._decoder()
        network, masks = Network(decoder.topology), alive_masks(self.topology_, self.alive_, decoder.dtype)
        if H.shape[1] != network.input.size:
            raise InvalidInput(
                f"codes of {type(self).__name__} have {network.input.size} numbers, those of the population "
                f"{self.code_!r}, got H of shape {H.shape}; give what transform returns"
            )
        decoded = network.forward(decoder, H.astype(decoder.dtype, copy=False), masks).emitted[network.output.name]
        return self._in_data_range(decoded, H)

    def _decoder(self) -> Parameters:
        """The part of the network behind the code, with the code for inputs."""
        whole, code = self.topology_, self.topology_[self.code_]
        behind, edges = {code.name: Population(code.name, code.shape, "input")}, []
        for population in whole.order():
            arriving = whole.incoming(population.name)
            past = [edge.name for edge in arriving if edge.pre not in behind]
            if len(past) == len(arriving):
                continue
            if past:
                raise UnsupportedTopology(
                    f"codes alone do not say what comes back: {past} reaches {population.name!r} past the code "
                    f"{code.name!r}; use reconstruct(X), or a topology in which all goes through the code"
                )
            behind[population.name] = population
            edges += [replace(edge, tied_to=None) for edge in arriving]
        topology = Topology(behind.values(), edges)
        decoder = Parameters.zeros(topology, self.parameters_.dtype)
        for key in decoder:
            decoder[key] = self.parameters_[key]
        return decoder

    def score(self, X, y=None) -> float:
        """R^2 = 1 - sum (x - x')^2 / sum (x - mean)^2 over all entries of X (n, n_features), n >= 2; y is not used.

        The share of the variance that comes back, each feature about its mean over these rows: 1 where everything does,
        0 where no more does than the means. Of a principal component analysis it is `explained_variance_ratio_.sum()`.
        """
        check_is_fitted(self)
        X = self._check_X(X)
        back = self._back(X).astype(np.float64)  # squares of large float32 numbers are too large for it
        return float(r2_score(X.astype(np.float64), back, multioutput="variance_weighted"))

    def recall(self, X, known=None, *, steps: int = 20) -> np.ndarray:
        """Repair or complete patterns: x <- reconstruction of x, `steps` times or until nothing moves.

        Many steps lead to one of the patterns that are held, where they are few and were learnt long, as a memory
        does; a network that has learnt what digits look like in general repairs best in one or two.

        Parameters
        ----------
        X : (n, n_features) in the range of the data.
        known : bool, (n_features,) or (n, n_features); known entries stay what they are, all others start unknown.
            None: nothing is held fast and every entry is a start.
        steps : most passes, >= 1.

        Returns
        -------
        (n, n_features), in the range of the data.
        """
        check_is_fitted(self)
        check_number("steps", steps, low=1, integer=True)
        X, held = self._check_partial(X, known)
        given = self._inputs(X)
        x = given if known is None else np.where(held, given, UNKNOWN).astype(given.dtype)
        for _ in range(steps):
            before, x = x, np.where(held, given, self._decoded(x))
            if np.array_equal(before, x):
                break
        return self._in_data_range(x, X)

    def _back(self, X: np.ndarray) -> np.ndarray:
        return self._in_data_range(self._decoded(self._inputs(X)), X)

    def _decoded(self, inputs: np.ndarray) -> np.ndarray:
        return self._pass(inputs)[self.topology_.by_role("output")[0].name]

    def _in_data_range(self, inputs: np.ndarray, X: np.ndarray) -> np.ndarray:
        return self.input_range_.from_unit(inputs).astype(X.dtype, copy=False)
