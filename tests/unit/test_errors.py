"""The exceptions are a tree that one can see, and its leaves are the reasons that users see."""

import inspect
import re
from collections.abc import Iterator

import pytest

from exporter import errors
from exporter.errors import (
    REASONS,
    AdbpgError,
    ApiError,
    ConfigurationError,
    Problem,
    QueryError,
    Throttled,
)

# What dashboards and alerts hang on: a change here is a change for users.
CLOSED_SET = {
    "throttled",
    "auth",
    "clock_skew",
    "permission",
    "not_found",
    "namespace_password",
    "instance_state",
    "account",
    "proxy",
    "bad_request",
    "api_fail",
    "server",
    "bad_answer",
    "too_large",
    "redirect",
    "timeout",
    "connection",
    "dns",
    "tls",
    "credentials",
    "internal",
}


def tree(cls: type[Exception], depth: int = 0) -> Iterator[tuple[int, type[Exception]]]:
    """A class and those below it, each with its depth, in the order of their definition."""
    yield depth, cls
    for below in cls.__subclasses__():
        yield from tree(below, depth + 1)


TREE = list(tree(AdbpgError))
LEAVES = [cls for _, cls in TREE if issubclass(cls, QueryError) and not cls.__subclasses__()]


def test_reasons() -> None:
    """The reasons are exactly the closed set, each once."""
    assert set(REASONS) == CLOSED_SET
    assert len(REASONS) == len(CLOSED_SET)


def test_every_leaf_has_its_own_reason() -> None:
    """Each leaf defines a reason itself, and no class above a leaf has one."""
    with_reason = [cls for _, cls in TREE if "reason" in vars(cls)]

    assert with_reason == LEAVES
    assert tuple(vars(cls)["reason"] for cls in LEAVES) == REASONS


def test_the_docstring_draws_the_tree() -> None:
    """The drawing in the docstring shows each class at its depth, and each leaf's reason."""
    lines = inspect.cleandoc(errors.__doc__ or "").splitlines()
    drawn = [re.fullmatch(r"    ([│├└─ ]*)(\w+)(?: {2,}(.+))?", line) for line in lines]

    shown = [(len(found[1]) // 4, found[2], found[3]) for found in drawn if found]
    assert [(depth, name) for depth, name, _ in shown] == [(d, cls.__name__) for d, cls in TREE]
    assert {name: note for _, name, note in shown if note in CLOSED_SET} == {
        cls.__name__: vars(cls)["reason"] for cls in LEAVES
    }


@pytest.mark.parametrize("cls", [cls for _, cls in TREE])
def test_every_class_is_explained(cls: type[Exception]) -> None:
    """Each class says what happened."""
    assert (cls.__doc__ or "").strip()


def test_an_api_error_holds_what_the_api_said() -> None:
    """Code, HTTP status and the time to wait stay apart from the text."""
    error = Throttled("slow down", code="Throttling.User", http_status=400, retry_after=1.5)

    assert isinstance(error, ApiError)
    assert (str(error), error.code, error.http_status) == ("slow down", "Throttling.User", 400)
    assert (error.retry_after, error.clock_skew) == (1.5, None)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("config.yaml", 14, 7, "a.b[1]", "wrong"), "config.yaml:14:7: a.b[1]: wrong"),
        (Problem("config.yaml", 14, 7, "", "wrong"), "config.yaml:14:7: wrong"),
        (Problem("config.yaml", 0, 0, "", "no such file"), "config.yaml: no such file"),
    ],
)
def test_problem(problem: Problem, text: str) -> None:
    """A problem is told as file, place, key and what was expected; what is unknown is left out."""
    assert str(problem) == text


def test_all_problems_at_once() -> None:
    """A configuration error tells each problem on a line of its own, in the file's order."""
    later, sooner = Problem("c", 10, 1, "b", "second"), Problem("c", 9, 5, "a", "first")

    error = ConfigurationError([later, sooner])

    assert error.problems == (sooner, later)
    assert str(error) == "c:9:5: a: first\nc:10:1: b: second"
