"""One BLAS thread at a time: our sizes gain nothing from more, and the bits of a sum depend on their number."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0  # how many blocks are open, in all Python threads: the limit belongs to the process
_limits = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Context in which NumPy and SciPy multiply matrices on one thread; blocks may nest and overlap."""
    from threadpoolctl import threadpool_limits

    global _inside, _limits
    with _lock:
        if _inside == 0:
            _limits = threadpool_limits(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()
