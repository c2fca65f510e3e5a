"""IDX, the format of MNIST: two zero bytes, a type, a number of axes, the axes as big-endian uint32, the values.

Every size is bounded before anything is allocated: by `max_bytes`, and by what the file can hold at all.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bioneuro.errors import DataNotFound, FileFormatError, check_number
from bioneuro.memory import require

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_AXES = 8
_DEFLATE_RATIO = 1032  # deflate cannot make more than this of one byte
_CHUNK = 1 << 20


def read_idx(path: str | Path, *, max_bytes: int = 2**31) -> np.ndarray:
    """Return the array in an IDX file, plain or gzipped (told apart by content, not by name).

    Parameters
    ----------
    path : the file
    max_bytes : the largest array to accept

    Raises
    ------
    DataNotFound : no such file
    FileFormatError : a file that is truncated, too long, damaged, foreign, or declares more than it can hold

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, "The IDX file format".
    """
    path = Path(path)
    max_bytes = check_number("max_bytes", max_bytes, low=1, integer=True)
    if not path.is_file():
        raise DataNotFound(f"{path} is not a file")
    size = path.stat().st_size
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.GzipFile(fileobj=raw) if zipped else raw as stream:
                return _read(stream, path, size * (_DEFLATE_RATIO if zipped else 1), max_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileFormatError(f"{path}: the gzip data are damaged or cut off ({error}); fetch it again") from None


def _read(stream: BinaryIO, path: Path, capacity: int, max_bytes: int) -> np.ndarray:
    """Read header and values; `capacity` is the most bytes that the file can hold."""
    dtype, shape = _read_header(stream, path)
    need = math.prod(shape) * dtype.itemsize
    declared = f"{path}: the header declares {dtype.newbyteorder('=')} of shape {shape}, {need:,} bytes"
    if need > max_bytes:
        raise FileFormatError(f"{declared}, more than max_bytes={max_bytes:,}; raise it if you trust the file")
    if need > capacity:
        raise FileFormatError(f"{declared}, more than a file of this size can hold; it is truncated or foreign")
    require({"values": need}, str(path))
    values = bytearray()
    while len(values) <= need and (chunk := stream.read(min(_CHUNK, need + 1 - len(values)))):
        values += chunk
    if len(values) != need:
        found = f"only {len(values):,} follow: it is truncated" if len(values) < need else "more follow: it is damaged"
        raise FileFormatError(f"{declared}, but {found}")
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BinaryIO, path: Path) -> tuple[np.dtype, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MAX_AXES:
        raise FileFormatError(
            f"{path} is not an IDX file: it begins with {magic.hex(' ') or 'nothing'}, "
            f"expected 00 00, a type ({', '.join(f'{code:02x}' for code in _TYPES)}) and 1 to {_MAX_AXES} axes"
        )
    axes = stream.read(4 * magic[3])
    if len(axes) < 4 * magic[3]:
        raise FileFormatError(f"{path} is truncated: it ends inside the header")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{magic[3]}I", axes)
