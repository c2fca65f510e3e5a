"""One BLAS thread at a time: our sizes gain nothing from more, and the bits of a sum depend on their number."""

from __future__ import annotations

from contextlib import AbstractContextManager


def one_blas_thread() -> AbstractContextManager:
    """Context in which NumPy and SciPy multiply matrices on one thread."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")
