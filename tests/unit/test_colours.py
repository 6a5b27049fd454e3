"""The colours of states, on the page for people and in the dashboards."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from grafana.dashboard_code import theme

CSS = (Path(__file__).parents[2] / "exporter" / "web" / "page.css").read_text("utf-8")
STATES = (
    "START",
    "RUNNING",
    "WAITING",
    "CANCELLING",
    "CANCELLED",
    "SUCCESS",
    "FAILED",
    "STALLED",
    "LATE",
    "DOUBT",
)
Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
# What a colour is for whom one kind of cone is missing, in linear RGB: Machado, Oliveira and
# Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009).
EYES: dict[str, Matrix] = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TO_XYZ: Matrix = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def times(matrix: Matrix, vector: Vector) -> Vector:
    """Return the product."""
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def perceived(colour: str, eyes: Matrix) -> Vector:
    """Return a colour in CIE L*a*b*, in which distances are about those that people see."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    x, y, z = times(TO_XYZ, times(eyes, (red, green, blue)))
    fx, fy, fz = (max(c, 0.0) ** (1 / 3) for c in (x / 0.9505, y, z / 1.089))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("state", STATES)
def test_page_and_dashboards_have_the_same_colours(state: str) -> None:
    """Who goes from a dashboard to the page finds a state in the colour that it had."""
    assert f"--{state.lower()}: {getattr(theme, state)};" in CSS


@pytest.mark.parametrize("eyes", EYES)
def test_states_can_be_told_apart_by_everybody(eyes: str) -> None:
    """With any kind of colour blindness, no two states look alike."""
    seen = {state: perceived(getattr(theme, state), EYES[eyes]) for state in STATES}

    distances = {
        (one, other): sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5
        for one, other in combinations(STATES, 2)
    }

    assert {pair: round(it) for pair, it in distances.items() if it < 17} == {}


def test_no_two_states_of_a_job_share_a_colour() -> None:
    """Statuses, and what is wrong with a job, each have their own; the doubtful ones share one."""
    timeline = [state.colour for state in theme.TIMELINE]

    assert len(set(timeline)) == len(timeline)
    assert len(set(theme.STATUS_COLOURS.values())) == len(theme.STATUS_COLOURS)


def test_every_class_of_the_style_has_its_colour() -> None:
    """No class names a colour that the style sheet does not have."""
    assert set(re.findall(r"var\(--([a-z-]+)", CSS)) <= {
        *re.findall(r"--([a-z-]+):", CSS),
        "colour",
        "ink",
    }
