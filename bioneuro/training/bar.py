"""The bar that shows how far a training is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


class _NoBar:
    """What is told of the progress where nobody looks; tqdm is not loaded for it."""

    def update(self, epochs: int = 1) -> None:
        pass

    def set_postfix(self, **numbers: str) -> None:
        pass


def show_bar(epochs: int, done: int, progress: bool) -> AbstractContextManager:
    """A bar of `epochs`, of which some are done; with progress=False it takes the same calls and shows nothing."""
    if not progress:
        return nullcontext(_NoBar())
    from tqdm import tqdm

    return tqdm(total=epochs, initial=done, desc="training", unit="epoch", leave=False)
