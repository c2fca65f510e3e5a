"""Memory: predicted before it is allocated, refused by name when it would not fit."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from bioneuro.errors import ResourceError

SHARE_ALLOWED = 0.8  # of what is free


def available() -> int:
    """Bytes that can be allocated without swapping, as far as the system tells."""
    if sys.platform == "win32":
        return _available_windows()
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # macOS tells the total only


def _available_windows() -> int:
    import ctypes

    counts = ("total", "free", "page", "page_free", "virtual", "virtual_free", "extended")

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in counts),
        ]

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return status.free


def require(parts: Mapping[str, int], what: str) -> None:
    """Raise `ResourceError` if `parts` (name -> bytes) together exceed 80 % of the free memory.

    >>> require({"weights": 8 * 1000}, "a network of 1,000 weights")
    """
    total, free = sum(parts.values()), available()
    if total > SHARE_ALLOWED * free:
        largest = max(parts, key=parts.get)
        raise ResourceError(
            f"{what} needs {total / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free; "
            f"the largest part is {largest} ({parts[largest] / 2**30:,.1f} GiB): make it smaller"
        )
