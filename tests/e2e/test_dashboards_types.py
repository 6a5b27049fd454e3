"""The dashboards against the types that Grafana's own front end is written with."""

import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards import FILES, load

TYPES = Path(__file__).parent.parent / "grafana"
COMPILER = TYPES / "node_modules" / ".bin" / "tsc"
OVERVIEW = load(next(path for path in FILES if path.stem == "adbpg-overview"))

Plant = Callable[[dict[str, Any]], object]


def tile(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Return the first panel."""
    found: dict[str, Any] = dashboard["panels"][0]
    return found


def setting(dashboard: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a setting of the first column that has it."""
    table = next(panel for panel in dashboard["panels"] if panel["type"] == "table")
    every = [each for column in table["fieldConfig"]["overrides"] for each in column["properties"]]
    found: dict[str, Any] = next(each for each in every if each["id"] == name)
    return found


def defaults(dashboard: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return how the values of the first panel of a kind are shown."""
    panel = next(panel for panel in dashboard["panels"] if panel["type"] == kind)
    found: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return found


PLANTED: dict[str, Plant] = {
    "kind": lambda d: tile(d).update(type="stats"),
    "option": lambda d: tile(d)["options"].update(colourMode="value"),
    "option-value": lambda d: tile(d)["options"].update(graphMode="bars"),
    "reduce": lambda d: tile(d)["options"]["reduceOptions"].update(calcs="last"),
    "grid": lambda d: tile(d).update(gridPos={"x": 0, "y": 0, "width": 3, "h": 4}),
    "no-id": lambda d: tile(d).pop("id"),
    "no-refid": lambda d: tile(d)["targets"][0].pop("refId"),
    "query": lambda d: tile(d)["targets"][0].update(expression="up"),
    "format": lambda d: tile(d)["targets"][0].update(format="timeseries"),
    "no-targets": lambda d: tile(d).update(targets=[]),
    "fixed-source": lambda d: tile(d)["datasource"].update(uid="PBFA97CFB590B2093"),
    "threshold": lambda d: defaults(d, "stat")["thresholds"].update(mode="absolut"),
    "colour": lambda d: defaults(d, "stat")["thresholds"]["steps"][0].update(color="grene"),
    "custom": lambda d: defaults(d, "timeseries")["custom"].update(lineWeight=2),
    "custom-value": lambda d: defaults(d, "timeseries")["custom"].update(showPoints="no"),
    "mapping": lambda d: defaults(d, "state-timeline")["mappings"][0].update(type="values"),
    "setting": lambda d: setting(d, "custom.width").update(id="custom.widht"),
    "setting-value": lambda d: setting(d, "unit").update(value=3),
    "cell": lambda d: setting(d, "custom.cellOptions")["value"].update(type="colour"),
    "variable": lambda d: d["templating"]["list"][1].update(type="queries"),
    "variable-query": lambda d: d["templating"]["list"][1].update(query="label_values(job)"),
    "refresh": lambda d: d["templating"]["list"][1].update(refresh="always"),
    "link": lambda d: d["links"][0].update(keepTimes=True),
    "dashboard": lambda d: d.update(readonly=True),
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the compiler says of each dashboard, and of each planted fault; it runs once."""
    assert COMPILER.exists(), "tsc is missing: run the tests with `make test`, which installs it"
    folder = tmp_path_factory.mktemp("types")
    every = {path.stem: load(path) for path in FILES}
    kinds = {panel["type"]: panel for panel in reversed(OVERVIEW["panels"])}
    small = {**OVERVIEW, "panels": [kinds.pop("stat"), *kinds.values()]}
    for name, plant in PLANTED.items():
        every[name] = deepcopy(small)
        plant(every[name])
    for name, dashboard in every.items():
        head = f"import type {{ OurDashboard }} from '{TYPES}/dashboard';\n"
        text = f"export const it: OurDashboard = {json.dumps(dashboard, indent=1)};\n"
        (folder / f"{name}.ts").write_text(head + text, "utf-8")
    project = {"extends": f"{TYPES}/tsconfig.json", "include": ["*.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    done = subprocess.run([COMPILER, "-p", "."], cwd=folder, capture_output=True, text=True)  # noqa: PLW1510  it complains
    lines = done.stdout.splitlines()
    assert done.returncode in {0, 1, 2}, done.stderr
    return {name: "\n".join(x for x in lines if x.startswith(f"{name}.ts(")) for name in every}


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_dashboards_have_grafanas_types(complaints: dict[str, str], name: str) -> None:
    """Grafana's types have nothing against our dashboards."""
    assert not complaints[name]


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_type_is_found(complaints: dict[str, str], name: str) -> None:
    """A planted fault of types, names or values is a complaint."""
    assert complaints[name]
