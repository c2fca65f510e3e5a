"""Data sets from files and frames: a text table, a folder of pictures per class, a pandas frame."""

from __future__ import annotations

import csv
import math
from itertools import chain
from pathlib import Path

import numpy as np

from bioneuro.errors import DataNotFound, FileFormatError, InvalidInput, check_number, choose
from bioneuro.memory import require

_PICTURES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
_MAX_PIXELS = 2**26  # of one picture, before it is decoded
_DEEP_GREY = {"I;16": 65535, "I;16L": 65535, "I;16B": 65535, "I": 65535, "F": 1}  # Pillow's mode -> white


def read_csv(path, target: str | int | None, header: bool | None, delimiter: str, encoding: str) -> dict:
    """Return the fields of a data set read from a text table; errors name the line."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataNotFound(f"{path} is not a file")
    require({"numbers": 4 * path.stat().st_size}, str(path))  # two bytes a cell at least, read and then stacked
    try:
        with open(path, newline="", encoding=encoding) as text:
            return _read_table(path, text, target, header, delimiter)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not text in {encoding}: {error.reason}; give encoding=") from None


def _read_table(path: Path, text, target, header: bool | None, delimiter: str) -> dict:
    lines = _lines(path, text, delimiter)
    start, first = next(lines, (0, None))
    if first is None:
        raise FileFormatError(f"{path} is empty; a table of numbers is expected")
    named = not any(_is_number(cell) for cell in first) if header is None else header
    names = [cell.strip() for cell in first] if named else [f"x{i}" for i in range(len(first))]
    column = _target_column(target, names)
    features = [i for i in range(len(names)) if i != column]
    rows, labels = [], []
    for number, cells in lines if named else chain([(start, first)], lines):
        where = f"{path}, line {number}"
        if len(cells) != len(names):
            raise FileFormatError(f"{where}: {len(cells)} cells where the first line has {len(names)}")
        rows.append(_numbers(cells, features, names, where))
        if column is not None:
            labels.append(cells[column].strip())
            if not labels[-1]:
                raise FileFormatError(f"{where}: the target {names[column]!r} is empty; drop the line or fill it in")
    if not rows:
        raise FileFormatError(f"{path} holds names but no rows")
    return {
        "X": np.stack(rows),
        "y": None if column is None else _labels(labels),
        "feature_names": [names[i] for i in features],
        "name": path.stem,
    }


def _lines(path: Path, text, delimiter: str):
    """Yield `(line number, cells)` of the lines that are not blank."""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise FileFormatError(f"{path}, line {reader.line_num}: {error}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _target_column(target: str | int | None, names: list[str]) -> int | None:
    if target is None:
        return None
    if isinstance(target, str):
        return names.index(choose("target column", target, names))
    return check_number("target", target, low=-len(names), high=len(names) - 1, integer=True) % len(names)


def _numbers(cells: list[str], columns: list[int], names: list[str], where: str) -> np.ndarray:
    """Return the cells of `columns` as finite float32 numbers."""
    try:
        row = [float(cells[i]) for i in columns]
        if all(map(math.isfinite, row)):
            return np.array(row, np.float32)
    except ValueError:
        pass
    bad = next(i for i in columns if not _is_number(cells[i]) or not math.isfinite(float(cells[i])))
    cell = cells[bad].strip()
    raise FileFormatError(
        f"{where}, column {names[bad]!r}: "
        + (f"{cell!r} is not a finite number" if cell else "the cell is empty; drop the line or fill it in")
    )


def _labels(cells: list[str]) -> np.ndarray:
    """Return integers where every cell is one, floats where every cell is a number, else the words."""
    for kind in (int, float):
        try:
            return np.array([kind(cell) for cell in cells])
        except (ValueError, OverflowError):
            continue
    return np.array(cells)


def read_frame(frame, target: str | None) -> dict:
    """Return the fields of a data set taken from the columns of a pandas frame."""
    columns = list(frame.columns)
    if target is not None and target not in columns:
        choose("target column", target, columns)
    features = frame.drop(columns=[] if target is None else [target])
    words = [str(name) for name, kind in features.dtypes.items() if kind.kind not in "biuf"]
    if words:
        raise InvalidInput(
            f"columns that are not numbers: {', '.join(words)}; drop them, encode them (pandas.get_dummies), "
            f"or name one of them as target="
        )
    return {
        "X": features.to_numpy(dtype=np.float32, na_value=np.nan),
        "y": None if target is None else _frame_labels(frame[target]),
        "feature_names": features.columns,
    }


def _frame_labels(column) -> np.ndarray:
    if column.isna().any():
        raise InvalidInput(f"target {column.name!r} is missing in {column.isna().sum()} rows; drop them (frame.dropna)")
    return column.to_numpy()


def read_image_folder(path, size: tuple[int, int] | None, colour: bool) -> dict:
    """Return the fields of a data set of pictures, one folder per class; errors name the file."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataNotFound(f"{folder} is not a folder; one folder per class is expected inside it")
    classes = {entry.name: _pictures(entry) for entry in sorted(folder.iterdir()) if entry.is_dir()}
    classes = {name: files for name, files in classes.items() if files}
    files = [file for group in classes.values() for file in group]
    if not files:
        raise DataNotFound(
            f"{folder} holds no folder with pictures in it ({', '.join(sorted(_PICTURES))}); "
            f"expected one folder per class, such as {folder / 'cat' / '1.png'}"
        )
    height, width = _check_size(size) if size is not None else _size_of(files[0])
    shape = (height, width, 3) if colour else (height, width)
    require({"pictures": 4 * len(files) * math.prod(shape)}, f"{len(files)} pictures of shape {shape}")
    X = np.empty((len(files), *shape), np.float32)
    for row, file in zip(X, files, strict=True):
        if size is None and _size_of(file) != (height, width):
            raise InvalidInput(
                f"{file} is {' x '.join(map(str, _size_of(file)))} pixels (height x width), "
                f"{files[0]} is {height} x {width}; scale them all with size=({height}, {width})"
            )
        row[...] = _picture(file, (height, width), colour)
    return {
        "X": X.reshape(len(X), -1),
        "y": np.repeat(np.arange(len(classes)), [len(group) for group in classes.values()]),
        "image_shape": shape,
        "value_range": (0, 1),
        "target_names": list(classes),
        "name": folder.name,
    }


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.iterdir() if file.suffix.lower() in _PICTURES and not file.name.startswith(".")
    )


def _check_size(size) -> tuple[int, int]:
    try:
        height, width = size
    except (TypeError, ValueError):
        raise InvalidInput(f"size must be (height, width), got {size!r}") from None
    return tuple(check_number("size", side, low=1, high=2**15, integer=True) for side in (height, width))


def _open(file: Path):
    """Return the picture, not yet decoded, or say which file cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(file)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileFormatError(f"{file} cannot be read as a picture: {error}") from None
    if picture.width * picture.height > _MAX_PIXELS:
        picture.close()
        raise FileFormatError(f"{file} has {picture.width * picture.height:,} pixels, more than {_MAX_PIXELS:,}")
    return picture


def _size_of(file: Path) -> tuple[int, int]:
    with _open(file) as picture:
        return picture.height, picture.width


def _picture(file: Path, size: tuple[int, int], colour: bool) -> np.ndarray:
    """Return the pixels in [0, 1] at `size`; what is transparent shows white, as on paper."""
    from PIL import Image

    with _open(file) as picture:
        try:
            white = _DEEP_GREY.get(picture.mode, 255)
            if picture.mode in _DEEP_GREY:
                picture = picture.convert("F")
            else:
                if picture.has_transparency_data:
                    picture = picture.convert("RGBA")
                    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
                picture = picture.convert("RGB" if colour else "L")
            if (picture.height, picture.width) != size:
                picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
            pixels = np.asarray(picture, np.float32) / np.float32(white)
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise FileFormatError(f"{file} cannot be read as a picture: {error}") from None
    pixels = np.clip(pixels, 0, 1)
    return pixels[..., None] if colour and pixels.ndim == 2 else pixels
