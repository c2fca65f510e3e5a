"""Keys of classes: what files name instead of import paths.

A package makes a class storable by an entry point of the group "bioneuro.storable" in its `pyproject.toml`:

    [project.entry-points."bioneuro.storable"]
    MyModel = "my_package:MyModel"

A file says "MyModel"; which code that is, is decided by what is installed, never by the file.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from bioneuro.errors import FileFormatError, InvalidInput, UnknownName, choose

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "bioneuro.storable"


@cache
def installed() -> dict[str, EntryPoint]:
    """Key -> entry point, of every installed distribution."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def key_of(cls: type, where: str) -> str:
    """The key of a class; `where` says for what, in the error that a class without one gets."""
    for key, entry in installed().items():
        named_alike = entry.attr.rpartition(".")[2] == cls.__name__  # others need not be imported to be ruled out
        if named_alike and entry.load() is cls:
            return key
    raise InvalidInput(
        f"{where} is a {cls.__name__}, a class without a key, so no file could name it; {_how_to_register(cls)}"
    )


def class_of(key: str) -> type:
    """The class installed under `key`."""
    try:
        entry = installed()[choose("key of a class", key, installed())]
    except UnknownName as error:
        raise FileFormatError(
            f"{error}; the package that provides {key!r} is not installed, or does not list it in its entry points "
            f"of the group {GROUP!r}"
        ) from None
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise FileFormatError(f"it needs {key!r}, installed as {entry.value}, which does not load: {error}") from None


def _how_to_register(cls: type) -> str:
    return (
        f'to make it storable, add to the pyproject.toml of its package [project.entry-points."{GROUP}"] '
        f'{cls.__name__} = "{cls.__module__}:{cls.__qualname__}" and install the package again; '
        "joblib.dump keeps what is not yours, such as a pipeline of scikit-learn"
    )
