"""Plots as SVG: CPU of a job beside the peers, and what a scrape costs as the jobs grow."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

_LEFT, _WIDTH, _RIGHT, _ROW = 370, 380, 60, 26  # pixels
_BLUE, _ORANGE, _GREY = "#1f77b4", "#d95f02", "#b0b0b0"

Figures = Mapping[str, Sequence[float]]


def write(folder: Path, figures: Figures) -> None:
    """Draw cost.svg and growth.svg, each if its figures are there."""
    bars = _named(figures, r"(1000 jobs, .*): CPU ms a job")
    if bars:
        (folder / "cost.svg").write_text(_bars("CPU a job and scrape, ms", bars), "utf-8")
    growth = r"growth, \d+ at once, (\d+) jobs: exporter: "
    milliseconds = _points(figures, growth + "CPU ms a job")
    curves = [
        Curve("running jobs: until the page is there", _BLUE, _points(figures, growth + "seconds")),
        Curve(
            "running jobs: CPU",
            _ORANGE,
            [(jobs, [each * jobs / 1000 for each in values]) for jobs, values in milliseconds],
        ),
        Curve(
            "1,000 running jobs, and so many that have ended: until the page is there",
            _GREY,
            _points(figures, r"(\d+) ended jobs in the store: a scrape, seconds"),
        ),
    ]
    if all(curve.points for curve in curves):
        (folder / "growth.svg").write_text(_curves("Seconds a scrape", curves), "utf-8")


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot.

    Attributes:
        name: shown beside it.
        colour: of the line.
        points: number of jobs and the values of all passes.
    """

    name: str
    colour: str
    points: Sequence[tuple[int, Sequence[float]]]


def _named(figures: Figures, pattern: str) -> dict[str, Sequence[float]]:
    found = ((re.fullmatch(pattern, name), values) for name, values in figures.items())
    return {match[1]: values for match, values in found if match}


def _points(figures: Figures, pattern: str) -> list[tuple[int, Sequence[float]]]:
    named = _named(figures, pattern)
    return sorted((int(jobs), values) for jobs, values in named.items() if int(jobs))


def _svg(width: float, height: float, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="13">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="{_ROW}" font-weight="bold">{escape(title)}</text>\n'
        f"{body}</svg>\n"
    )


def _bars(title: str, bars: Figures) -> str:
    scale = _WIDTH / max(max(values) for values in bars.values())
    rows = []
    for number, (name, values) in enumerate(bars.items()):
        top = _ROW * (number + 2)
        median, middle = statistics.median(values), top + 8
        colour = _BLUE if "exporter" in name else _GREY
        least, most = (_LEFT + value * scale for value in (min(values), max(values)))
        rows.append(
            f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{top}" width="{median * scale:.1f}" height="16"'
            f' fill="{colour}"/>'
            f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="black"/>'
            f'<text x="{most + 8:.1f}" y="{top + 13}">{median:.2f}</text>\n'
        )
    return _svg(_LEFT + _WIDTH + _RIGHT, _ROW * (len(bars) + 2), title, "".join(rows))


def _curves(title: str, curves: Sequence[Curve]) -> str:
    """Draw lines over two logarithmic axes, each point with a bar from least to most."""
    left, top, width, height = 60, 50, 500, 300
    counts = [jobs for curve in curves for jobs, _ in curve.points]
    every = [value for curve in curves for _, values in curve.points for value in values if value]
    decades_x = range(_floor(min(counts)), _floor(max(counts) - 1) + 2)
    decades_y = range(_floor(min(every)), _floor(max(every)) + 2)

    def x(jobs: float) -> float:
        return left + width * (math.log10(jobs) - decades_x[0]) / (len(decades_x) - 1)

    def y(value: float) -> float:
        lowest = 10.0 ** decades_y[0]
        part = (math.log10(max(value, lowest)) - decades_y[0]) / (len(decades_y) - 1)
        return top + height * (1 - part)

    body = [
        f'<path d="M{x(10**power):.1f} {top}V{top + height}" stroke="#e0e0e0"/>'
        f'<text x="{x(10**power):.1f}" y="{top + height + 18}" text-anchor="middle">'
        f"{10**power:,}</text>\n"
        for power in decades_x
    ]
    body += [
        f'<path d="M{left} {y(10.0**power):.1f}H{left + width}" stroke="#e0e0e0"/>'
        f'<text x="{left - 8}" y="{y(10.0**power) + 4:.1f}" text-anchor="end">'
        f"{10.0**power:g}</text>\n"
        for power in decades_y
    ]
    body.append(
        f'<text x="{left + width / 2}" y="{top + height + 40}" text-anchor="middle">jobs</text>\n'
    )
    for number, curve in enumerate(curves):
        medians = [(x(jobs), y(statistics.median(values))) for jobs, values in curve.points]
        line = " ".join(f"{across:.1f},{down:.1f}" for across, down in medians)
        body.append(
            f'<polyline points="{line}" fill="none" stroke="{curve.colour}" stroke-width="2"/>\n'
        )
        body += [
            f'<circle cx="{x(jobs):.1f}" cy="{y(statistics.median(values)):.1f}" r="3"'
            f' fill="{curve.colour}"/>'
            f'<path d="M{x(jobs):.1f} {y(max(values)):.1f}V{y(min(values)):.1f}"'
            f' stroke="{curve.colour}"/>\n'
            for jobs, values in curve.points
        ]
        legend = top + height + 66 + 20 * number
        body.append(
            f'<path d="M{left} {legend - 4}h30" stroke="{curve.colour}" stroke-width="2"/>'
            f'<text x="{left + 38}" y="{legend}">{escape(curve.name)}</text>\n'
        )
    return _svg(left + width + 60, top + height + 76 + 20 * len(curves), title, "".join(body))


def _floor(value: float) -> int:
    return math.floor(math.log10(value))
