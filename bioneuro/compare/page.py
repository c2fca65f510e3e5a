"""The report as one HTML page that opens from disk: figures inside, no script, readable on a phone."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from bioneuro.compare.figures import EXAMPLES
from bioneuro.compare.overview import COLUMNS, COSTS, Column
from bioneuro.compare.results import notes, select
from bioneuro.compare.sections import SECTIONS, has_controls, several_seeds
from bioneuro.compare.trial import n_test

if TYPE_CHECKING:
    from bioneuro.compare.report import Report

STYLE = """
:root { --ink: #1d2733; --soft: #5a6672; --line: #d9dee3; --tint: #f4f6f8; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; padding-top: .8rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .85rem; min-width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: middle; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
td:first-child { min-width: 9rem; }
thead th { min-width: 5.5rem; font-weight: 600; border-bottom: 2px solid var(--ink); }
tr.control td { color: var(--soft); background: var(--tint); } td.best { font-weight: 700; color: var(--accent); }
td small { display: block; font-weight: 400; color: var(--soft); font-size: .75rem; white-space: nowrap; }
td.text { text-align: left; white-space: normal; min-width: 11rem; } small.wrap { white-space: normal; }
ul { max-width: 46rem; padding-left: 1.2rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1rem; }
figure { margin: 0; } figure img { width: 100%; height: auto; } figure.wide { grid-column: 1 / -1; }
code { background: var(--tint); padding: .1em .3em; border-radius: 3px; font-size: .85em; overflow-wrap: anywhere; }
"""

ONE_TOPOLOGY = (
    "Classifiers are laid on one topology, where they do not bring one of their own: some train all of it, others its "
    "input-to-hidden projection under the same softmax readout. Equal structures have equal digests. What a model adds "
    "beyond its topology is listed; additions are what one picture costs, one for each synapse it passes."
)


def render(report: Report, pictures: Mapping[str, str]) -> str:
    """The page as text; `pictures` are the figures as SVG, by name."""
    study = report.study
    seeds = f"{study.seeds} seeds" if study.seeds > 1 else "one seed"
    n_models = sum(not model.control for model in study.models.values())
    title = f"{study.data.name}: {n_models} models compared" if n_models > 1 else f"{study.data.name}: one model"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{study.data.n_samples:,} rows, {study.data.n_features} features, '
        f"{len(study.data.classes)} classes; a quarter held out; {seeds}; {escape(repr(study.topology))}.</p>",
        _overview(report, report.columns()),
        _how_to_read(report),
        *(_section(report, task, pictures) for task in study.tasks),
        "<h2>What each model is, and adds</h2>",
        f"<p>{ONE_TOPOLOGY}</p>",
        _models(report),
        "<h2>Where this comes from</h2>",
        _provenance(report.manifest()),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _overview(report: Report, columns: Iterable[Column]) -> str:
    best = {column.heading: _best(report, column) for column in columns}
    rows = []
    for name, model in report.study.models.items():
        cells = [_cell(report, name, column, name in best[column.heading]) for column in columns]
        if any(cell != EMPTY for cell in cells):
            rows.append(
                f'<tr class="{"control" if model.control else "model"}"><td>{escape(name)}</td>{"".join(cells)}</tr>'
            )
    return _table([column.heading for column in columns], rows)


EMPTY = "<td>&ndash;</td>"


def _best(report: Report, column: Column) -> set[str]:
    """The models, no controls, whose mean reads as the greatest."""
    found = {n: report.summary(n, column) for n, model in report.study.models.items() if not model.control}
    means = {name: column.format.format(summary.mean) for name, summary in found.items() if summary is not None}
    most = max((summary.mean for summary in found.values() if summary is not None), default=0)
    return {name for name, text in means.items() if text == column.format.format(most)} if len(means) > 1 else set()


def _cell(report: Report, name: str, column: Column, best: bool = False) -> str:
    summary = report.summary(name, column)
    if summary is None:
        return EMPTY
    low, mean, high = (column.format.format(value) for value in (summary.low, summary.mean, summary.high))
    spread = f"<small>{low} to {high}</small>" if low != high else ""
    lacking = f"<small>{summary.n} of {report.study.seeds} seeds</small>" if summary.n < report.study.seeds else ""
    return f"<td{' class=best' if best else ''}>{mean}{spread}{lacking}</td>"


def _how_to_read(report: Report) -> str:
    """What the colours mean, how far chance reaches, and what is missing and why."""
    several_models = sum(not model.control for model in report.study.models.values()) > 1
    told = (
        ("Means over seeds, with the worst and the best seed below.", several_seeds(report)),
        ("Blue: the best model of a column.", several_models),
        ("Grey: controls, which learn nothing or have no representation.", has_controls(report)),
    )
    sentences = [text for text, said in told if said] + _chance(report)
    reasons = {
        name: notes(select(report.rows, model=name)) for name, model in report.study.models.items() if not model.control
    }
    listed = "".join(f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in reasons.items() if reason)
    missing = f'<p class="soft">What is missing, and why:</p><ul class="soft">{listed}</ul>' if listed else ""
    return f'<p class="soft">{" ".join(sentences)}</p>{missing}'


def _chance(report: Report) -> list[str]:
    """A sentence on how far two accuracies p over n test rows differ by chance: 1.96 sqrt(2 p (1 - p) / n)."""
    found = [report.summary(name, COLUMNS[0]) for name, model in report.study.models.items() if not model.control]
    best = max((summary.mean for summary in found if summary is not None), default=None)
    if best is None:
        return []
    n = n_test(report.study.data)
    p = (best * n + 1) / (n + 2)  # a perfect score is a sample too
    reach = 1.96 * math.sqrt(2 * p * (1 - p) / n)
    return [
        f"With {n:,} test rows a seed, accuracies near {p:.0%} that differ by less than {reach:.1%} in one seed may "
        "differ by chance."
    ]


def _table(headings: Iterable[str], rows: Iterable[str], first: str = "model") -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in (first, *headings))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _section(report: Report, task: str, pictures: Mapping[str, str]) -> str:
    heading, text = SECTIONS[task].heading, SECTIONS[task].text(report)
    drawn = [_figure(name, picture) for name, picture in pictures.items() if name.startswith(task)]
    return f'<h2>{escape(heading)}</h2><p>{escape(text)}</p><div class="figures">{"".join(drawn)}</div>'


def _figure(name: str, picture: str) -> str:
    data = base64.b64encode(picture.encode()).decode()
    wide = " class=wide" if name == EXAMPLES else ""  # ten pictures in a row
    return f'<figure{wide}><img alt="{escape(name)}" src="data:image/svg+xml;base64,{data}"></figure>'


def _models(report: Report) -> str:
    columns = report.columns(COSTS)
    rows = []
    for name, model in report.study.models.items():
        trials = [trial for trial in report.outcomes if trial.name == name]
        added = {key: n for trial in trials for key, n in report.outcomes[trial].additions.items()}
        topologies = [report.outcomes[trial].topology for trial in trials]
        chosen = {key for trial in trials for key in (_settings(report.outcomes[trial].chosen),) if key}
        cells = "".join(_cell(report, name, column) for column in columns)
        built = {f"{told['text']}, structure {told['structure_digest']}" for told in topologies if told}
        adds = ", ".join(f"{key} ({n:,})" for key, n in added.items()) or "&ndash;"
        rows.append(
            f'<tr class="{"control" if model.control else "model"}"><td>{escape(name)}</td>'
            f'<td class="text">{escape(model.description)}</td>{cells}<td class="text">{adds}</td>'
            f'<td class="text">{escape("; ".join(sorted(chosen)))}</td>'
            f'<td class="text"><small class="wrap">{escape("; ".join(sorted(built)))}</small></td></tr>'
        )
    return _table(
        ["what it is", *(column.heading for column in columns), "adds", "settings chosen in training", "built on"],
        rows,
    )


def _settings(chosen: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in chosen.items()
    )


def _provenance(manifest: Mapping) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())
    topology = manifest["topology"]
    return (
        f"<p>Data <code>sha256 {manifest['data']['sha256'][:16]}</code>, topology <code>{topology['digest']}</code>, "
        f"structure <code>{topology['structure_digest']}</code>; {escape(versions)}. Every number is a row of "
        "<code>results.csv</code>; <code>manifest.json</code> holds seeds, versions and settings; "
        "<code>figures/</code> holds each figure as PNG and SVG.</p>"
    )
