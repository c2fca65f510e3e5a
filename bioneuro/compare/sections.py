"""What a report says above its figures: sentences, each with what must have been measured for it to be said."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from bioneuro.compare.results import select

if TYPE_CHECKING:
    from bioneuro.compare.report import Report


def several_seeds(report: Report) -> bool:
    """Whether there is a worst and a best seed."""
    return report.study.seeds > 1


def has_controls(report: Report) -> bool:
    """Whether any row is a control."""
    return any(model.control for model in report.study.models.values())


def measured(**wanted) -> Callable[[Report], bool]:
    """Whether any row has these fields."""
    return lambda report: bool(select(report.rows, **wanted))


class Sentence(NamedTuple):
    """Words, and the condition on a report under which they are said."""

    text: str
    said: Callable[[Report], bool] = lambda report: True


class Section(NamedTuple):
    """What the page says of a task. No model is named: whichever take part must find themselves described."""

    heading: str
    sentences: tuple[Sentence, ...]

    def text(self, report: Report) -> str:
        """The sentences that are true of this report."""
        return " ".join(sentence.text for sentence in self.sentences if sentence.said(report))


SECTIONS: dict[str, Section] = {
    "classify": Section(
        "Telling classes apart",
        (
            Sentence("Accuracy on the quarter of the rows that no model has seen."),
            Sentence(
                "Grey rows learn nothing or have no representation: a model earns its hidden units only where it "
                "stands clear of them.",
                has_controls,
            ),
        ),
    ),
    "noise": Section(
        "Noise in the input",
        (
            Sentence(
                "The same fitted models on damaged pictures: pixels flipped, or Gaussian noise (standard deviation in "
                "units of the range of a pixel)."
            ),
            Sentence("Lines are means over seeds, bands run from the worst to the best seed.", several_seeds),
        ),
    ),
    "lesion": Section(
        "Dead units, dead synapses",
        (
            Sentence(
                "Hidden units and synapses die and nothing is retrained. A dead unit says 0; the dead are nested as "
                "their share grows. A network without layers loses units of its pixels instead."
            ),
            Sentence(
                "Where units act on each other there is a second way to lose them, drawn dotted: units called "
                "silenced go on firing and inhibiting, only the readout no longer hears them. The solid line stands as "
                "far above the dotted one as survivors, released, make up for the dead by taking over.",
                measured(condition="silenced units"),
            ),
            Sentence(
                "Memories of ten pictures are asked to recall them from 20 % flipped pixels; only living pixels count.",
                measured(task="lesion", metric="overlap"),
            ),
        ),
    ),
    "complete": Section(
        "Memory: from a part, from noise",
        (
            Sentence(
                "Each memory learns nothing but the stored pictures (black and white at each pixel's median) and gives "
                "them back from 20 % flipped pixels, and from the upper half alone. Exact recall means not one wrong "
                "pixel. In the pictures each pixel has the mean grey of its side of the median; flips on dark pixels "
                "are hard to see."
            ),
        ),
    ),
}
