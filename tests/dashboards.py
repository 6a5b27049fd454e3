"""What must hold for every dashboard: the rules of Grafana's dashboard-linter, and ours.

Each rule takes a dashboard as its file has it and yields what is wrong.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql

from tests.promql import nodes, parse, problems, selectors

Dashboard = Mapping[str, Any]
FOLDER = Path(__file__).parent.parent / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {
    "bytes",
    "dateTimeFromNow",
    "locale",
    "none",
    "percentunit",
    "s",
    "short",
    "string",
    "suffix:h",
}
_VARIABLE = re.compile(r"\$(?:\{([a-z_]\w*)[^}]*\}|([a-z_]\w*))")
_GRID = 24


def load(path: Path) -> dict[str, Any]:
    """Return a dashboard."""
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def panels(dashboard: Dashboard) -> list[Any]:
    """Return the panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: Dashboard) -> Iterator[tuple[str, Any]]:
    """Yield each query, with the title of its panel."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            yield panel["title"], target


def variables(dashboard: Dashboard) -> dict[str, Any]:
    """Return the variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Return an expression as Grafana sends it, with the values of the variables."""
    text = text.replace("$__rate_interval", "5m").replace("$__range", "6h")
    return re.sub(r"\$([a-z]\w*)", lambda match: values[match[1]], text)


def tool(name: str) -> str:
    """Return the path of a program that `make test` installs."""
    path = shutil.which(name)
    assert path, f"{name} is missing: run the tests with `make test`, which installs it"
    return path


def lint(dashboard: Dashboard) -> list[str]:
    """Return all that is wrong with a dashboard."""
    return [problem for rule in RULES for problem in rule(dashboard)]


def _of_its_own(dashboard: Dashboard) -> Iterator[str]:
    wanted = {"editable": False, "refresh": "30s", "schemaVersion": 41}
    for key, value in wanted.items():
        if dashboard.get(key) != value:
            yield f"{key} is not {value}"
    if not dashboard.get("uid", "").startswith("adbpg-"):
        yield "no fixed uid"
    for key in ("__inputs", "__requires", "id"):
        if key in dashboard:
            yield f"{key} belongs to an exported dashboard"


def _links(dashboard: Dashboard) -> Iterator[str]:
    others = {f"/d/{path.stem}" for path in FILES} - {f"/d/{dashboard['uid']}"}
    if {link["url"] for link in dashboard["links"]} != others:
        yield "no link to each of the others"
    for link in dashboard["links"]:
        if not (link["includeVars"] and link["keepTime"]):
            yield f"the link {link['url']} loses variables or the time"


def _datasource_variable(dashboard: Dashboard) -> Iterator[str]:
    found = variables(dashboard).get("datasource", {})
    if (found.get("type"), found.get("query")) != ("datasource", "prometheus"):
        yield "no variable datasource of Prometheus servers"
    elif found.get("label") != "Data source":
        yield "the variable datasource is not called Data source"


def _job_variable(dashboard: Dashboard) -> Iterator[str]:
    found = variables(dashboard).get("job", {})
    if found.get("type") != "query" or found.get("label") != "Job":
        yield "no variable job"
    elif not (found.get("multi") and found.get("includeAll")):
        yield "the variable job does not take several, or all"
    # Against the linter: with .+ the panels of processes would show every program's.
    elif found.get("allValue"):
        yield "All of the variable job is more than the exporters"


def _query_variables(dashboard: Dashboard) -> Iterator[str]:
    for name, variable in variables(dashboard).items():
        if any(key.startswith("auto") for key in variable):
            yield f"the variable {name} has settings of intervals"
        if variable["type"] != "query":
            continue
        if variable.get("datasource") != DATASOURCE:
            yield f"the variable {name} has another data source"
        if variable.get("refresh") != 2:
            yield f"the variable {name} is not asked again when the time changes"
        # Prometheus takes an empty label for a missing one: workspaces have no instance.
        of_jobs = name not in {"job", "instance"} and variable.get("includeAll")
        if of_jobs and variable.get("allValue") != ".*":
            yield f"All of the variable {name} leaves out those without"
        for problem in problems(variable_selector(variable)):
            yield f"the variable {name}: {problem}"


def variable_selector(variable: Mapping[str, Any]) -> str:
    """Return the selector in a variable's ``label_values``."""
    match = re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"])
    assert match, variable["query"]
    return match[1]


def _variables_used(dashboard: Dashboard) -> Iterator[str]:
    named = {name for pair in _VARIABLE.findall(json.dumps(dashboard)) for name in pair if name}
    named = {name for name in named if not name.startswith("__")}
    for name in variables(dashboard).keys() - named:
        yield f"the variable {name} is not used"
    for name in named - variables(dashboard).keys():
        yield f"there is no variable {name}"


def _panels(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        title, defaults = panel.get("title", ""), panel["fieldConfig"]["defaults"]
        if not title:
            yield "a panel has no title"
        if len(panel.get("description", "")) < 40:
            yield f"{title}: the description does not say what to do"
        if defaults.get("unit") not in UNITS:
            yield f"{title}: no unit that Grafana knows"
        if not defaults.get("noValue"):
            yield f"{title}: nothing is said when there is no value"
        if panel.get("datasource") != DATASOURCE:
            yield f"{title}: another data source"
        if not panel.get("targets"):
            yield f"{title}: no query"


def _ids(dashboard: Dashboard) -> Iterator[str]:
    counted = Counter(panel.get("id") for panel in dashboard["panels"])
    for number, times in counted.items():
        if not isinstance(number, int) or times > 1:
            yield f"{times} panels have the id {number}"
    for panel in panels(dashboard):
        names = [target.get("refId") for target in panel.get("targets", ())]
        if None in names or len(set(names)) < len(names):
            yield f"{panel['title']}: refIds {names}"


def _grid(dashboard: Dashboard) -> Iterator[str]:
    taken = Counter[tuple[int, int]]()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > _GRID:
            yield f"{panel['title']}: outside of the grid"
        xs = range(place["x"], place["x"] + place["w"])
        ys = range(place["y"], place["y"] + place["h"])
        taken.update((x, y) for x in xs for y in ys)
    if max(taken.values()) > 1:
        yield "panels overlap"
    if len(taken) != _GRID * (1 + max(y for _, y in taken)):
        yield "there are gaps between panels"


def _targets(dashboard: Dashboard) -> Iterator[str]:
    for title, target in targets(dashboard):
        if target.get("datasource") != DATASOURCE:
            yield f"{title}: a query of another data source"
        yield from (f"{title}: {problem}" for problem in _in_expression(target["expr"]))
        if "instance" in variables(dashboard) and "$instance" not in target["expr"]:
            yield f"{title}: not of the chosen exporter"


@cache  # the same expressions come again and again, and walking a tree takes its time
def _in_expression(expression: str) -> tuple[str, ...]:
    try:
        parse(expression)
    except ValueError as error:
        return (str(error),)
    of_others = tuple(
        f"{selector.name} is not of the chosen job"
        for selector in selectors(expression)
        if 'job=~"$job"' not in selector.matchers
    )
    return (*problems(expression), *of_others, *_misused_counters(expression))


def _misused_counters(expression: str) -> Iterator[str]:
    inside: set[str] = set()
    for node in nodes(parse(expression)):
        if isinstance(node, promql.Call) and node.func.name in {"rate", "irate", "increase"}:
            inside.update(selector.name for selector in selectors(node))
    for selector in selectors(expression):
        counter = selector.name.endswith(("_total", "_bucket", "_sum", "_count"))
        if counter and selector.name not in inside:
            yield f"{selector.name} is a counter without a rate"
        if not counter and selector.name in inside:
            yield f"{selector.name} is a gauge with a rate"
    for written in re.findall(r"rate\([^][]*\[([^]]*)\]", expression):
        if written != "$__rate_interval":
            yield f"a rate over {written}"


RULES: tuple[Callable[[Dashboard], Iterator[str]], ...] = (
    _of_its_own,
    _links,
    _datasource_variable,
    _job_variable,
    _query_variables,
    _variables_used,
    _panels,
    _ids,
    _grid,
    _targets,
)
