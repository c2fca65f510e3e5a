"""How figures look, in one place: colours that colour-blind readers tell apart, markers, line styles, sizes.

Colours: Okabe and Ito, Color universal design (2008). Nothing here touches matplotlib's global settings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
INK, GREY, PALE = "#333333", "#777777", "#E4E4E4"

PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)  # of curves; yellow is too pale for a line
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
ROLE_COLOURS = {"input": BLUE, "hidden": ORANGE, "output": GREEN}

IMAGE_MAP = "gray"
SIGNED_MAP = "RdBu_r"  # blue below zero, white at zero, red above
DEAD = PURPLE  # of a pixel that is missing: neither grey nor on the signed map

SETTINGS = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 6.0,
    "lines.markeredgewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 150.0,
}


def styled(draw: Callable) -> Callable:
    """Decorator: run a drawing function under `SETTINGS` and leave matplotlib's own as they were."""

    @wraps(draw)
    def drawn(*args, **kwargs):
        from matplotlib import rc_context

        with rc_context(SETTINGS):
            return draw(*args, **kwargs)

    return drawn


def axes_or_new(ax: Axes | None, width: float = 5.0, height: float = 3.5) -> Axes:
    """`ax`, or axes on a new figure of `width` x `height` inches that no window and no global list holds."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()
