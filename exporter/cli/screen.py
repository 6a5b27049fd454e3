"""Jobs as a table in a terminal, by rich. Readable without colour: each sign has its word."""

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exporter.cli.printing import count as number_of
from exporter.cli.printing import plain
from exporter.overview import Line, Rank
from exporter.web.wording import count, duration, rate

if TYPE_CHECKING:
    from rich.console import RenderableType

_SIGNS = {
    Rank.FAILED: ("✕", "bold red"),
    Rank.STALLED: ("‖", "yellow"),
    Rank.OVERDUE: ("◷", "yellow"),
    Rank.DOUBTFUL: ("?", "magenta"),
    Rank.ACTIVE: ("▶", "cyan"),
    Rank.WAITING: ("◌", ""),
    Rank.UNKNOWN: ("?", ""),
    Rank.ENDED: ("✓", "green"),
}
_CANCELLED = ("◼", "")
_TROUBLED = (Rank.FAILED, Rank.STALLED, Rank.OVERDUE, Rank.DOUBTFUL)
_AROUND = 5  # lines of the screen that hold no job
_BAR = 16  # columns of the terminal
_FOR_BAR, _FOR_RATE = 120, 96  # columns of the terminal from which there is room for them


class Screen:
    """The whole terminal between ``open`` and ``close``.

    Attributes:
        lines: the jobs.
        notice: why they are not of now; empty where they are.
    """

    def __init__(self) -> None:
        self.lines: tuple[Line, ...] = ()
        self.notice = ""
        self._first = 0
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def open(self) -> None:
        """Take the terminal."""
        self._live.start()

    def close(self) -> None:
        """Give the terminal back as it was."""
        self._live.stop()

    def print(self, lines: tuple[Line, ...]) -> None:
        """Print all jobs once."""
        self._console.print(Group(_heading(lines), _table(lines, self._console.width)))

    def scroll(self, steps: int) -> None:
        """Begin so many jobs further down."""
        self._first = max(0, min(self._first + steps, len(self.lines) - self._room))

    def draw(self) -> None:
        """Draw what fits into the terminal as it is now."""
        self.scroll(0)
        lines = self.lines  # another thread may put others in their place
        last = min(self._first + self._room, len(lines))
        where = f"{self._first + 1}-{last} of {len(lines)}" if lines else "no jobs"
        table = _table(lines[self._first : last], self._console.width)
        parts: list[RenderableType] = [_heading(lines), table]
        if self.notice:
            parts.append(Text(f"! {plain(self.notice)}", style="bold red", overflow="ellipsis"))
        parts.append(Text(f"{where}   j/k or arrows: scroll   q: quit", style="dim", no_wrap=True))
        self._live.update(Group(*parts), refresh=True)

    @property
    def _room(self) -> int:
        return max(1, self._console.size.height - _AROUND)


def _heading(lines: tuple[Line, ...]) -> Text:
    troubled = sum(line.rank in _TROUBLED for line in lines)
    active = sum(line.rank in (Rank.ACTIVE, Rank.WAITING) for line in lines)
    text = f"{number_of(len(lines), 'job')}: {troubled} need attention, {active} under way"
    return Text(text, style="bold red" if troubled else "bold", no_wrap=True, overflow="ellipsis")


def _table(lines: tuple[Line, ...], width: int) -> Table:
    """Return the jobs, with the columns for which a terminal of this width has room."""
    has_bar, has_rate = width >= _FOR_BAR, width >= _FOR_RATE
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("status", no_wrap=True, min_width=12)
    table.add_column("collection", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("job", no_wrap=True, overflow="ellipsis", ratio=2)
    if has_bar:
        table.add_column("", no_wrap=True, width=_BAR)
    table.add_column("progress", no_wrap=True, justify="right")
    if has_rate:
        table.add_column("rate", no_wrap=True, justify="right")
    table.add_column("left", no_wrap=True, justify="right")
    if has_rate:
        table.add_column("age", no_wrap=True, justify="right")
    table.add_column("what is wrong", no_wrap=True, overflow="ellipsis", ratio=2)
    for line in lines:
        sign, style = _CANCELLED if line.status == "Cancelled" else _SIGNS[line.rank]
        ratio, left, age = line.ratio, line.seconds_left, line.age
        bar = "" if ratio is None else ProgressBar(total=1.0, completed=ratio, width=_BAR)
        cells: list[RenderableType] = [
            Text(f"{sign} {line.status or 'Not known'}", style=style),
            Text(plain(line.collection)),
            Text(plain(line.job_id)),
            *([bar] if has_bar else []),
            _progress(line),
            *([_rate(line)] if has_rate else []),
            "" if left is None else duration(left),
            *(["" if age is None else duration(age)] if has_rate else []),
            Text(plain(line.trouble), style=style),
        ]
        table.add_row(*cells)
    return table


def _progress(line: Line) -> str:
    share = "" if line.ratio is None else f"{int(line.ratio * 100)}%"
    entries = "" if line.entries is None else count(line.entries)
    return " ".join(filter(None, (entries, share)))


def _rate(line: Line) -> str:
    if line.per_second is None:
        return ""
    if line.entries is None:
        return f"{line.per_second * 6000:.1f}%/min"
    return f"{rate(line.per_second)}/s"
