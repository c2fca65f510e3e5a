"""The command line: `bioneuro compare | recall | train | draw | info | warmup`.

Commands resolve models by entry point and import no engine. Errors of ours are one line on standard error and exit
status 2; Ctrl-C is exit status 130.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bioneuro.errors import BioneuroError, InvalidInput, choose


class Command(NamedTuple):
    """A command: one line of help, an example, what it takes, and what it does."""

    help: str
    example: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parsed = _parser().parse_args(arguments)
    if parsed.command is None:
        _parser().print_help()
        return 0
    try:
        COMMANDS[parsed.command].run(parsed)
    except (BioneuroError, OSError) as error:
        print(f"bioneuro {parsed.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        told = "interrupted; what was finished is kept, the same command goes on from there"
        print(f"\nbioneuro {parsed.command}: {told}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    from bioneuro import __doc__ as purpose
    from bioneuro import __version__

    parser = argparse.ArgumentParser(prog="bioneuro", description=purpose.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"bioneuro {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="|".join(COMMANDS))
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name, help=command.help, description=command.help, epilog=f"example: {command.example}"
        )
        command.arguments(sub)
    return parser


# -- data ------------------------------------------------------------------------------------------------------------

DATA = ("digits", "mnist")


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="digits", choices=DATA, help="the data set (default: %(default)s)")
    parser.add_argument("--path", metavar="DIR", help="folder with the MNIST files, where BIONEURO_DATA does not tell")


def _load(parsed: argparse.Namespace):
    from bioneuro.data import load_digits, load_mnist

    return load_digits() if parsed.data == "digits" else load_mnist(parsed.path, subset="all")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


# -- files that a command writes -------------------------------------------------------------------------------------


def _check_writable(path: str) -> None:
    """Raise `InvalidInput` before any work is done for a file that could not be written."""
    folder = Path(path).resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InvalidInput(f"cannot write {path!r}: there is no folder {str(folder)!r} that can be written to")


def _save_figure(figure, path: str) -> None:
    """Write a figure, and tell where; a name without a format becomes PNG."""
    path = path if Path(path).suffix else f"{path}.png"
    try:
        figure.savefig(path, dpi=150)
    except ValueError as error:  # matplotlib names the formats that it can write
        raise InvalidInput(f"cannot write {path!r}: {error}") from None
    print(f"figure: {path}")


# -- compare ---------------------------------------------------------------------------------------------------------


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    _data_arguments(parser)
    parser.add_argument("--models", type=_names, metavar="A,B", help="models by name (default: all installed)")
    parser.add_argument("--tasks", type=_names, metavar="A,B", help="classify, noise, lesion, complete (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="splits of the data, each a run of its own (default: 3)")
    parser.add_argument("--jobs", type=int, metavar="N", help="trials at a time (default: one for each core)")
    parser.add_argument("--out", default="report", metavar="DIR", help="folder of the report (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="at most 4,000 rows, and no choice of settings")


def _compare(parsed: argparse.Namespace) -> None:
    from bioneuro.compare import Study

    study = Study(parsed.models, _load(parsed), parsed.tasks, seeds=parsed.seeds, quick=parsed.quick)
    report = study.run(parsed.out, n_jobs=parsed.jobs)
    print(report.table())
    print(f"\nreport: {Path(parsed.out, 'report.html')}")


# -- recall ----------------------------------------------------------------------------------------------------------


def _recall_arguments(parser: argparse.ArgumentParser) -> None:
    _data_arguments(parser)
    parser.add_argument("--rule", default="pseudo-inverse", help="learning rule of the memory (default: %(default)s)")
    parser.add_argument("--flip", type=float, default=0.2, help="share of flipped pixels (default: %(default)s)")
    parser.add_argument("--lesion", type=float, default=0.3, help="share of neurons that die (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and the lesion (default: %(default)s)")
    parser.add_argument("--out", default="recall.png", metavar="FILE", help="figure to write (default: %(default)s)")


def _recall(parsed: argparse.Namespace) -> None:
    import numpy as np

    from bioneuro import viz
    from bioneuro.data import corrupt
    from bioneuro.models import as_model

    _check_writable(parsed.out)
    data = _load(parsed)
    stored = data.prototypes()
    memory = as_model("hopfield").memory(data.n_features).set_params(rule=parsed.rule, random_state=parsed.seed)
    memory.fit(stored)
    hurt = memory.lesion(units=parsed.lesion, random_state=parsed.seed)
    noisy = corrupt(stored, flip=parsed.flip, random_state=parsed.seed)
    rows = {
        "stored": stored,
        f"{parsed.flip:.0%} flipped": noisy,
        "recalled": memory.recall(noisy),
        f"{parsed.lesion:.0%} of the neurons dead": hurt.recall(noisy),
    }
    print(f"{len(stored)} pictures of {data.name}, one for each class, stored by the {parsed.rule} rule\n")
    print(f"{'':26s} overlap   perfect")
    for label, patterns in rows.items():
        living = patterns != 0  # a dead neuron says nothing
        if not living.any():
            print(f"{label:26s} nobody is left to say anything")
            continue
        perfect = int(np.all((patterns == stored) | ~living, axis=1).sum())
        print(f"{label:26s} {np.mean((patterns * stored)[living]):7.3f}   {perfect:2d} of {len(stored)}")
    pictures = {label: data.pictures(patterns) for label, patterns in rows.items()}
    axes = viz.images(pictures, data.image_shape, title=f"An associative memory, {parsed.rule} rule")
    print()
    _save_figure(axes.figure, parsed.out)


# -- train -----------------------------------------------------------------------------------------------------------


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="an installed model that classifies, by name")
    _data_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the split and the model (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE.npz", help="file for the fitted model")


def _train(parsed: argparse.Namespace) -> None:
    from bioneuro import Topology, io
    from bioneuro.compare.trial import configured
    from bioneuro.models import as_model

    if parsed.out:
        _check_writable(parsed.out)
    model = as_model(parsed.model)
    if model.classifier is None:
        raise InvalidInput(f"{parsed.model} does not classify: {model.why_not('classifier')}")
    train, test = _load(parsed).split(random_state=parsed.seed)
    topology = Topology.mlp(train.n_features, 100, len(train.classes))
    estimator = configured(model.classifier(topology), parsed.seed)
    if "progress" in estimator.get_params():
        estimator.set_params(progress=sys.stderr.isatty())
    begin = time.perf_counter()
    estimator.fit(train.X, train.y)
    seconds = time.perf_counter() - begin
    print(f"{parsed.model} on {topology}")
    print(f"{seconds:.2f} s to learn {train.n_samples} rows of {train.name}")
    print(f"accuracy {estimator.score(test.X, test.y):.4f} on {test.n_samples} rows it has not seen")
    if parsed.out:
        print(f"model: {io.save(parsed.out, estimator)}   (bioneuro.load gives it back)")


# -- draw ------------------------------------------------------------------------------------------------------------

BUILDERS = ("mlp", "rbm", "dbm", "hopfield", "boltzmann", "recurrent", "lenet5")


def _draw_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", help=f"{', '.join(BUILDERS)}, or a file with a topology (.json, or .npz of a model)")
    parser.add_argument("sizes", nargs="*", type=int, help="numbers of units, as the builder takes them")
    parser.add_argument("--out", default="topology.png", metavar="FILE", help="figure to write (default: %(default)s)")


def _draw(parsed: argparse.Namespace) -> None:
    from bioneuro import Topology, viz

    _check_writable(parsed.out)
    if os.path.splitext(parsed.kind)[1] in (".json", ".npz"):
        topology = _read_topology(Path(parsed.kind))
    else:
        builder = getattr(Topology, choose("topology", parsed.kind, BUILDERS))
        try:
            topology = builder(*parsed.sizes)
        except TypeError:
            raise InvalidInput(
                f"{parsed.kind} does not take the sizes {parsed.sizes}; see Topology.{parsed.kind}"
            ) from None
    print(topology)
    _save_figure(viz.draw(topology).figure, parsed.out)


def _read_topology(path: Path):
    from bioneuro import Topology, io

    if path.suffix == ".json":
        try:
            return Topology.from_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"cannot read {os.fspath(path)!r}: {error}") from None
    thing = io.load(path)
    for holder in (thing, getattr(thing, "topology_", None), getattr(thing, "topology", None)):
        if isinstance(holder, Topology):
            return holder
    raise InvalidInput(f"{os.fspath(path)!r} holds a {type(thing).__name__}, which has no topology to draw")


# -- info and warmup -------------------------------------------------------------------------------------------------


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def _info(parsed: argparse.Namespace) -> None:
    import platform
    from importlib.metadata import version

    from bioneuro.models import as_model, installed

    for package in ("bioneuro", "numpy", "scipy", "numba", "scikit-learn", "matplotlib"):
        print(f"{package:14s} {version(package)}")
    print(f"{'python':14s} {platform.python_version()}")
    print(f"{'machine':14s} {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'BIONEURO_DATA':14s} {os.environ.get('BIONEURO_DATA', 'not set')}")
    print("\nmodels")
    for name in installed():
        try:
            words = as_model(name).description
        except InvalidInput as error:  # one that does not load hides no other
            words = str(error)
        print(f"  {name:18s} {words}")


def _warmup(parsed: argparse.Namespace) -> None:
    from bioneuro._jit.kernel import kernel_statistics
    from bioneuro.compare.study import Study
    from bioneuro.data import load_digits

    begin = time.perf_counter()
    Study(None, load_digits()).warm()
    statistics = kernel_statistics()
    compiled, loaded = (sum(getattr(row, field) for row in statistics) for field in ("misses", "hits"))
    print(f"{compiled} kernels compiled, {loaded} loaded from the cache, in {time.perf_counter() - begin:.1f} s")


COMMANDS: dict[str, Command] = {
    "compare": Command(
        "solve the same tasks with every model, on one data set, and write a report",
        "bioneuro compare --models backprop,hopfield --tasks lesion --seeds 3 --out report",
        _compare_arguments,
        _compare,
    ),
    "recall": Command(
        "store one digit of each class in a Hopfield memory and recall them from noise",
        "bioneuro recall --flip 0.2 --rule hebb",
        _recall_arguments,
        _recall,
    ),
    "train": Command(
        "train one model, tell how well it does on new rows, and keep it in a file",
        "bioneuro train backprop --data digits --out network.npz",
        _train_arguments,
        _train,
    ),
    "draw": Command(
        "draw a topology",
        "bioneuro draw mlp 64 100 10 --out network.png",
        _draw_arguments,
        _draw,
    ),
    "info": Command("tell versions, the machine and the installed models", "bioneuro info", _no_arguments, _info),
    "warmup": Command(
        "compile the kernels now, so that later runs start at once", "bioneuro warmup", _no_arguments, _warmup
    ),
}


if __name__ == "__main__":
    sys.exit(main())
