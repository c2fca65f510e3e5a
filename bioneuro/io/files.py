"""`save` and `load`: one thing, one file, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from bioneuro.errors import DataNotFound, FileFormatError, InvalidInput
from bioneuro.io import container
from bioneuro.io.decode import decode
from bioneuro.io.encode import encode

SUFFIX = ".npz"


def save(path: str | os.PathLike, thing: Any) -> Path:
    """Write `thing` to a file that `load` gives back, equal to the last bit.

    Parameters
    ----------
    path : where to; ".npz" is added unless the name ends in it. A file that is there is replaced in one step, and only
        after the new one is safely on the disk: whoever reads it finds the old file or the new one, never half of one.
    thing : a `Topology`, `Parameters`, `Lesion`, `Recording`, `Dataset` or `Unit`; an estimator; a state, which is a
        NamedTuple; or lists, tuples and dicts of those, of arrays, numbers, text, booleans and None. Estimators and
        NamedTuples are written under their key in the entry-point group "bioneuro.storable"; of an estimator its
        parameters and fitted attributes (names that end in "_", private ones begin with it) are kept.

    Returns
    -------
    The path of the file written.

    Raises
    ------
    InvalidInput : `path` is none; part of `thing` cannot be stored (a function, an object of an unregistered class);
        the message says which. Nothing is written then.
    """
    path = place_for(path, "; the path comes first: save(path, thing)" if isinstance(thing, str | os.PathLike) else "")
    header, arrays = encode(thing)
    _replace(path, lambda file: container.write(file, header, arrays))
    return path


def place_for(path, hint: str = "") -> Path:
    """Where a file of this name would be written, refused where it cannot be."""
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(f"path must be the name of a file, got {type(path).__name__}{hint}")
    path = Path(os.path.realpath(_with_suffix(path)))
    if not path.parent.is_dir():
        raise InvalidInput(f"cannot write {path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise InvalidInput(f"cannot write {path}: it is a folder; give the name of a file")
    return path


def load(path: str | os.PathLike) -> Any:
    """Read what `save` wrote; `path` may leave ".npz" out.

    Nothing in the file is executed or unpickled. Every size is checked against the file and against the free memory
    before anything is allocated, and arrays never take more than the file itself.

    Raises
    ------
    FileFormatError : the file is damaged, foreign, of a later version, or needs a class that is not installed.
    DataNotFound : there is no such file.
    ResourceError : the file holds more than fits into 80 % of the free memory.
    """
    path = _existing(path)
    try:
        with open(path, "rb") as file:
            header, arrays = container.read(file)
        return decode(header, arrays)
    except FileFormatError as error:
        raise FileFormatError(f"cannot load {path}: {error}") from None


def _with_suffix(path: str | os.PathLike) -> Path:
    path = Path(path)
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def _existing(path: str | os.PathLike) -> Path:
    given, full = Path(path), _with_suffix(path)
    found = given if given.is_file() or not full.exists() else full
    if not found.exists():
        raise DataNotFound(f"there is no file {given}" + (f" and no {full}" if full != given else ""))
    if not stat.S_ISREG(found.stat().st_mode):
        raise FileFormatError(f"cannot load {found}: it is a folder or a device, not a file")
    return found


def _replace(path: Path, write) -> None:
    """Call `write(file)` on a new file in the folder of `path`, then put it in the place of `path` in one step."""
    partial = path.with_name(f".bioneuro-{secrets.token_hex(8)}.part")
    try:
        with open(partial, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:  # a full disk, or Ctrl-C: the old file stays, the new one goes
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Put the new name itself on the disk, where the system can (Windows cannot open folders)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
