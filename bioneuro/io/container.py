"""The container: a zip of one JSON header and numbered `.npy` members, read within bounds that are checked first.

    header.json   {"format": 1, "library": "0.1.0", "what": ..., "arrays": [{"dtype", "shape", "order"}], "tree": ...}
    0.npy         the first array, exactly as NumPy writes it; `numpy.load` opens it
    1.npy         ...

Members are stored, never compressed: what the directory declares is then what the file holds, so no file can unfold
into more than its own size. Reading goes from the outside in, and each layer is held to the one before it: the end
of the file, the directory, the sizes of all members, the header, the table of arrays, and only then the arrays.
Bounds: a directory of 8 MiB, a header of 16 MiB, arrays of 80 % of the free memory.
"""

from __future__ import annotations

import io
import json
import math
import struct
import sys
import zipfile
from typing import Any, BinaryIO

import numpy as np

import bioneuro
from bioneuro import memory
from bioneuro.errors import FileFormatError, InvalidInput
from bioneuro.parameters import aligned_zeros

FORMAT = 1
HEADER = "header.json"
MAX_DIRECTORY = 2**23
MAX_HEADER = 2**24
MAX_ARRAYS = 2**16 - 2  # with the header, as many members as a zip has without its 64-bit extension
CHUNK = 2**22
JSON_FACTOR = 32  # the most that a byte of JSON can take as Python objects

_KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}  # kind -> bytes a number
_TEXT = {"U": 4, "S": 1}  # kind -> bytes a letter
_FIELDS = {"format": int, "library": str, "what": str, "arrays": list}
_END = struct.Struct("<4s4H2LH")  # end record: signature, disks, entries, directory size and offset, comment length
_LOCATOR, _END64 = 20, struct.Struct("<4sQ2H2L4Q")
_LOCAL = 30  # bytes of a member's own header, before its name


# -- arrays as members -------------------------------------------------------------------------------------------------


def storable_dtype(dtype: np.dtype) -> bool:
    """Whether arrays of this type can be stored: booleans, numbers of at most 8 bytes a part, text of fixed width."""
    return dtype.itemsize > 0 and (
        dtype.itemsize in _KINDS.get(dtype.kind, ())
        or (dtype.kind in _TEXT and dtype.itemsize % _TEXT[dtype.kind] == 0)
    )


def _order_of(array: np.ndarray) -> str:
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def npy_header(dtype: np.dtype, shape: tuple[int, ...], order: str) -> bytes:
    """The bytes before the numbers in a `.npy` file, version 1.0 (NumPy enhancement proposal 1)."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': {order == 'F'}, 'shape': {shape!r}, }}"
    length = -(-(10 + len(text) + 1) // 64) * 64
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length - 10) + text.ljust(length - 11).encode() + b"\n"


def write(file: BinaryIO, header: dict, arrays: list[np.ndarray]) -> None:
    """Write `header`, completed by format, library and table of arrays, and `arrays`; equal input gives equal bytes."""
    if len(arrays) > MAX_ARRAYS:
        raise InvalidInput(f"{len(arrays)} arrays in one file, at most {MAX_ARRAYS} fit; stack them into fewer")
    table = [{"dtype": a.dtype.str, "shape": list(a.shape), "order": _order_of(a)} for a in arrays]
    complete = {"format": FORMAT, "library": bioneuro.__version__, **header, "arrays": table}
    text = json.dumps(complete, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MAX_HEADER:
        raise InvalidInput(
            f"{len(text):,} bytes of names, text and single numbers, at most {MAX_HEADER:,} fit into one file; "
            "keep numbers in NumPy arrays, which are stored apart and may be of any size"
        )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER), text)
        for number, array in enumerate(arrays):
            order = _order_of(array)
            with archive.open(zipfile.ZipInfo(f"{number}.npy"), "w", force_zip64=array.nbytes > 2**31) as member:
                member.write(npy_header(array.dtype, array.shape, order))
                numbers = np.ascontiguousarray(array if order == "C" else array.T).reshape(-1).view(np.uint8)
                for start in range(0, numbers.size, CHUNK):
                    member.write(numbers[start : start + CHUNK].data)


# -- reading -----------------------------------------------------------------------------------------------------------


def read(file: BinaryIO) -> tuple[dict, list[np.ndarray]]:
    """Read what `write` wrote; every way in which it cannot be that is a `FileFormatError`."""
    try:
        size = file.seek(0, io.SEEK_END)
        _check_end(file, size)
        with zipfile.ZipFile(file) as archive:
            members = _check_members(archive, size)
            header = _read_header(archive, members)
            table = _check_table(header, members)
            memory.require({f"array {k}": m.file_size for k, m in enumerate(members[1:])}, "the content of the file")
            return header, [_read_array(archive, m, *entry) for m, entry in zip(members[1:], table, strict=True)]
    except FileFormatError:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, struct.error, RuntimeError, ValueError) as error:
        raise FileFormatError(f"the file is damaged: {error}") from None


def _check_end(file: BinaryIO, size: int) -> None:
    """Bound the directory before it is read; zip files end with its size."""
    tail_length = min(size, _END64.size + _LOCATOR + _END.size)
    file.seek(size - tail_length)
    tail = file.read(tail_length)
    if len(tail) < _END.size or not tail[-_END.size :].startswith(b"PK\5\6"):
        begins = "it is not a zip file at all" if size < 4 or not _begins_as_zip(file) else "its end is missing"
        raise FileFormatError(f"this is not a whole file written by bioneuro.save: {begins}")
    *_, directory, _, comment = _END.unpack(tail[-_END.size :])
    if tail[-_END.size - _LOCATOR :].startswith(b"PK\6\7"):  # the 64-bit end record has the last word
        whole = len(tail) == _END64.size + _LOCATOR + _END.size and tail.startswith(b"PK\6\6")
        directory = _END64.unpack(tail[: _END64.size])[8] if whole else size + 1
    if comment or directory > min(size, MAX_DIRECTORY):
        raise FileFormatError(f"the file is damaged: its end record declares a directory of {directory:,} bytes")


def _begins_as_zip(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) == b"PK\3\4"


def _check_members(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    names = [member.filename for member in members]
    if HEADER not in names:
        some = ", ".join(names[:5]) or "nothing"
        raise FileFormatError(f"this zip file was not written by bioneuro.save: it holds {some} and no {HEADER}")
    if names != [HEADER, *(f"{number}.npy" for number in range(len(names) - 1))]:
        raise FileFormatError(f"its members are not {HEADER}, 0.npy, 1.npy, ... but {', '.join(names[:5])} ...")
    end = 0
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits:
            raise FileFormatError(f"{member.filename} is compressed or encrypted; bioneuro.save stores plainly")
        begin, end_before = member.header_offset, end
        end = begin + _LOCAL + len(member.filename) + member.file_size
        if member.compress_size != member.file_size or begin < end_before or end > size:
            raise FileFormatError(
                f"{member.filename} declares {member.file_size:,} bytes from {begin:,} on, where they cannot be"
            )
    return members


def _read_header(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict:
    size = members[0].file_size
    if size > MAX_HEADER:
        raise FileFormatError(f"its header declares {size:,} bytes, at most {MAX_HEADER:,} are read")
    memory.require({"header": JSON_FACTOR * size}, "the header of the file")
    try:
        header = json.loads(archive.read(members[0]), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"its header cannot be read: {error}") from None
    if not isinstance(header, dict) or set(header) != {*_FIELDS, "tree"}:
        raise FileFormatError(f"its header does not have the fields {', '.join(_FIELDS)}, tree")
    for field, kind in _FIELDS.items():
        if type(header[field]) is not kind:
            raise FileFormatError(f"{field!r} of its header is not a {kind.__name__}")
    if header["format"] != FORMAT:
        raise FileFormatError(
            f"it is of format {header['format']}, written by bioneuro {header['library']}; "
            f"bioneuro {bioneuro.__version__} reads format {FORMAT}: use a version that reads both"
        )
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name is given twice")
    return entries


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not JSON")


def _check_table(header: dict, members: list[zipfile.ZipInfo]) -> list[tuple[np.dtype, tuple[int, ...], str]]:
    table = header["arrays"]
    if len(table) != len(members) - 1:
        raise FileFormatError(f"its header declares {len(table)} arrays, the file holds {len(members) - 1}")
    entries = [_check_entry(number, entry) for number, entry in enumerate(table)]
    for member, (dtype, shape, order) in zip(members[1:], entries, strict=True):
        declared = len(npy_header(dtype, shape, order)) + dtype.itemsize * math.prod(shape)
        if member.file_size != declared:
            raise FileFormatError(
                f"{member.filename} has {member.file_size:,} bytes, {dtype} of shape {shape} has {declared:,}"
            )
    return entries


def _check_entry(number: int, entry: Any) -> tuple[np.dtype, tuple[int, ...], str]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "order"}:
        raise FileFormatError(f"the header does not say dtype, shape and order of array {number}")
    shape = entry["shape"]
    if (
        not isinstance(shape, list)
        or len(shape) > 64  # the most axes that NumPy has
        or not all(type(n) is int and 0 <= n <= sys.maxsize for n in shape)
        or entry["order"] not in ("C", "F")
    ):
        raise FileFormatError(f"array {number} cannot have shape {shape} and order {entry['order']}"[:200])
    return parse_dtype(entry["dtype"]), tuple(shape), entry["order"]


def parse_dtype(text: Any) -> np.dtype:
    """The type named by `text`, in the one spelling that `write` uses, if it is one of those stored."""
    if isinstance(text, str) and len(text) < 16:
        kind, width = text[1:2], text[2:]
        if kind in (*_KINDS, *_TEXT) and width.isascii() and width.isdigit():
            try:
                dtype = np.dtype(text)
            except (TypeError, ValueError, OverflowError):
                dtype = None
            if dtype is not None and dtype.str == text and storable_dtype(dtype):
                return dtype
    raise FileFormatError(f"{str(text)[:40]!r} is not a type of numbers, booleans or text of fixed width")


def _read_array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, dtype: np.dtype, shape: tuple[int, ...], order: str
) -> np.ndarray:
    expected = npy_header(dtype, shape, order)
    flat = aligned_zeros(math.prod(shape), dtype)
    filled = memoryview(flat.view(np.uint8))
    with archive.open(member) as source:
        if source.read(len(expected)) != expected:
            raise FileFormatError(f"{member.filename} does not begin as an array of {dtype}, shape {shape}, does")
        start = 0
        while chunk := source.read(CHUNK):  # up to the end, where the checksum is compared
            filled[start : start + len(chunk)] = chunk
            start += len(chunk)
    if dtype.kind == "b" and flat.size and flat.view(np.uint8).max() > 1:
        raise FileFormatError(f"{member.filename} holds bytes that are neither true nor false")
    if dtype.kind == "U" and flat.size and flat.view(f"{dtype.str[0]}u4").max() > sys.maxunicode:
        raise FileFormatError(f"{member.filename} holds numbers that are no letters")
    try:
        return flat.reshape(shape, order=order)
    except (ValueError, OverflowError) as error:
        raise FileFormatError(f"{member.filename} cannot have shape {shape}: {error}") from None
