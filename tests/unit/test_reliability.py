"""docs/reliability.md tells of each fault, and names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")
_TEST = re.compile(r"`((?:\w+/)*)(test_\w+\.py)::(test_\w+)`")


def rows() -> dict[int, tuple[str, str, str]]:
    """What goes wrong, what happens, and the tests, by the fault's number."""
    lines = (ROOT / "docs" / "reliability.md").read_text("utf-8").splitlines()
    found = [matched for line in lines if (matched := _ROW.fullmatch(line))]
    numbers = [int(row[1]) for row in found]
    assert len(numbers) == len(set(numbers)), "a fault stands there twice"
    return {int(row[1]): (row[2], row[3], row[4]) for row in found}


@cache
def claims(file: Path) -> dict[str, str]:
    """The docstring of each test of a file."""
    tree = ast.parse(file.read_text("utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("number", rows())
def test_every_row_names_tests(number: int) -> None:
    """Each row names one test or more; all of them exist, and say of which fault they are."""
    _, _, cell = rows()[number]
    named = _TEST.findall(cell)

    assert named, cell
    assert not _TEST.sub("", cell).strip(", "), cell
    for folder, file, test in named:
        path = ROOT / (folder or "tests/faults/") / file
        claim = claims(path).get(test)
        assert claim is not None, f"{file} has no {test}"
        if not folder:
            assert re.match(rf"Fault (\d+(, | and ))*{number}\b", claim), claim


def test_every_fault_test_is_named() -> None:
    """No test of a fault is missing in the page."""
    named = {(file, test) for row in rows().values() for _, file, test in _TEST.findall(row[2])}

    for file in (ROOT / "tests" / "faults").glob("test_*.py"):
        for test, claim in claims(file).items():
            if claim.startswith("Fault "):
                assert (file.name, test) in named
