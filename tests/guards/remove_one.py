"""Take each guard out in turn, in a copy of the tree, and see that a test notices.

    python tests/guards/remove_one.py                 all of them
    python tests/guards/remove_one.py deadline        those with this in their names

Exits with 1 when a removal goes unnoticed, when a text is not found exactly once, or when the tests
fail with all guards in place. The tree itself is never touched.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("guards.toml")
PATIENCE = 20.0  # seconds; a test that hangs without its guard has noticed
_HANGS = "hangs"
_COPIED = ("exporter", "tests", "docs", "pyproject.toml", "config.example.yaml", "README.md")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".hypothesis")


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard, and how to take it out. The attributes are told in ``guards.toml``."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def removed_from(self, root: Path) -> str:
        """Return the file's text without the guard.

        Raises:
            ValueError: what is to be replaced is not there exactly once.
        """
        text = (root / self.file).read_text("utf-8")
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: {found} times in {self.file}: {self.old.strip()!r}")
        return text.replace(self.old, self.new)


def load() -> list[Guard]:
    """Return every guard of the list."""
    tables = tomllib.loads(LIST.read_text("utf-8"))["guard"]
    return [Guard(**{**table, "tests": tuple(table["tests"])}) for table in tables]


def main() -> int:
    """Run, print what became of each guard, and return the exit code."""
    options = _options()
    guards = [guard for guard in load() if options.part in guard.name]
    for guard in guards:
        guard.removed_from(ROOT)
    with tempfile.TemporaryDirectory(prefix="guards-") as folder:
        trees = [_copy(Path(folder) / str(number)) for number in range(options.jobs)]
        if (output := _failure(trees[0], _all_tests(guards), 30 * PATIENCE)) is not None:
            _say(f"{output}\nthe tests fail with all guards in place")
            return 1
        with ThreadPoolExecutor(options.jobs) as pool:
            # Each worker has a tree of its own, and takes every so manieth guard.
            shares = [guards[number :: options.jobs] for number in range(options.jobs)]
            unnoticed = [*pool.map(_take_out_each, trees, shares)]
    failed = [name for names in unnoticed for name in names]
    _say("\n  ".join([f"{len(guards)} guards taken out, {len(failed)} unnoticed", *failed]))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("part", nargs="?", default="", help="of the names to try (default: all)")
    parser.add_argument("--jobs", type=int, default=3, help="trees at a time (default: 3)")
    return parser.parse_args()


def _copy(tree: Path) -> Path:
    tree.mkdir()
    (tree / ".tools").symlink_to(ROOT / ".tools")
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=_NOT_COPIED)
        else:
            shutil.copy(ROOT / name, tree)
    return tree


def _all_tests(guards: Iterable[Guard]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(test for guard in guards for test in guard.tests))


def _take_out_each(tree: Path, guards: Iterable[Guard]) -> list[str]:
    """Return the names of the guards of which no test noticed that they were gone."""
    unnoticed = []
    for guard in guards:
        file = tree / guard.file
        whole = file.read_text("utf-8")
        file.write_text(guard.removed_from(tree), "utf-8")
        started = time.monotonic()
        noticed = _failure(tree, guard.tests, PATIENCE)
        seconds = time.monotonic() - started
        file.write_text(whole, "utf-8")
        if noticed == _HANGS and _failure(tree, guard.tests, PATIENCE) is not None:
            noticed = None  # it is this machine that is slow
        if noticed is None:
            unnoticed.append(guard.name)
        told = "UNNOTICED" if noticed is None else noticed.splitlines()[-1][:60]
        _say(f"{seconds:5.1f} s  {guard.name}: {told}")
    return unnoticed


def _failure(tree: Path, tests: Iterable[str], patience: float) -> str | None:
    """Run tests in a tree; return what they say if any fails or does not end, else None."""
    flags = ("-x", "-p", "no:cacheprovider", "--tb=short")
    popen = subprocess.Popen(
        [sys.executable, "-B", "-m", "pytest", *flags, *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = popen.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(popen.pid, signal.SIGKILL)  # the processes that the test started, too
        popen.communicate()
        return _HANGS
    if popen.returncode in (0, 1):
        return output if popen.returncode else None
    raise SystemExit(f"pytest could not run {' '.join(tests)}:\n{output}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  a program for people


if __name__ == "__main__":
    raise SystemExit(main())
