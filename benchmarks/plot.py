"""A bar chart as SVG: CPU of a job, beside the peers."""

import statistics
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

_END = ": CPU ms a job"
_LEFT, _WIDTH, _RIGHT, _ROW = 370, 380, 60, 26  # pixels


def write(path: Path, figures: Mapping[str, Sequence[float]]) -> None:
    """Draw a bar for each figure of CPU a job: its median, with a line from least to most."""
    bars = {name.removesuffix(_END): runs for name, runs in figures.items() if name.endswith(_END)}
    longest = max((max(runs) for runs in bars.values()), default=0) or 1.0
    scale = _WIDTH / longest
    height = _ROW * (len(bars) + 2)
    rows = "".join(
        _bar(name, runs, _ROW * (number + 2), scale)
        for number, (name, runs) in enumerate(bars.items())
    )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}"'
        ' font-family="sans-serif" font-size="13">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="10" y="{_ROW}" font-weight="bold">CPU a job and scrape, ms</text>\n'
        f"{rows}</svg>\n",
        "utf-8",
    )


def _bar(name: str, runs: Sequence[float], top: float, scale: float) -> str:
    median = statistics.median(runs)
    colour = "#1f77b4" if "exporter" in name else "#b0b0b0"
    middle = top + 8
    least, most = (_LEFT + value * scale for value in (min(runs), max(runs)))
    return (
        f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{top}" width="{median * scale:.1f}" height="16" fill="{colour}"/>'
        f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="black"/>'
        f'<text x="{most + 8:.1f}" y="{top + 13}">{median:.2f}</text>\n'
    )
