"""Every query of the dashboards, on a real Prometheus with three hours of the demo in it."""

import json
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards import (
    FILES,
    filled_in,
    load,
    targets,
    tool,
    variable_selector,
    variables,
)
from tests.history import JOB, START, write_history
from tests.processes import eventually, get

pytestmark = pytest.mark.prometheus

HOURS = 3 * 3600.0
END = START + HOURS
MANUALS = "0b7e6b52-6c1f-4a7e-9a43-5d0f7c2e1a01"  # runs all the time, with expected_entries
CONTRACTS = "2c84f396-5ba7-4e4c-b16c-af2a7e9d9b08"  # stalled
PRODUCT_IMAGES = "e0a6b5b8-7dc9-4a6e-9382-c14c90bf1d10"  # failed
PARTNER_FEED = "adc8d7da-9feb-4c80-b5a4-e36eb2d13f12"  # a workspace's
ONE = {
    "job": JOB,
    "instance": "two:10077",
    "db_instance_id": "gp-bp1demo4k7x2m9qz",
    "kind": "upsert_collection_data",
    "collection_namespace": "rag",
    "collection": "product_manuals",
    "job_id": MANUALS,
}
USAGE = {  # panels of what other kinds of jobs consume, and such a job
    "Embedded entries, A": "5f1a6b07-9d8c-4e2b-8a31-2c4d6e8f0a25",
    "Embedding tokens, A": "5f1a6b07-9d8c-4e2b-8a31-2c4d6e8f0a25",
    "LLM tokens, A": "9e5fa041-d1c0-4c6f-8e75-60811ac34e29",
}
# Nothing of product_manuals ends: what is over is of another collection.
ENDED = {"adbpg-collections": {"collection": "news_articles"}}
ALL_FOUND = {"job": JOB, "instance": "one:10077|two:10077"}  # Grafana joins what was found
NAMES = [path.stem for path in FILES]

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has the history, and scrapes nothing."""
    folder = tmp_path_factory.mktemp("history")
    write_history(folder / "history.txt", folder, HOURS)
    create = ["tsdb", "create-blocks-from", "openmetrics", "history.txt", "data"]
    subprocess.run([tool("promtool"), *create], cwd=folder, check=True, capture_output=True)
    (folder / "history.txt").unlink()
    (folder / "prometheus.yml").write_text("global: {}\n")
    with prometheus(folder) as url:
        yield url


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Start a Prometheus on what is in a folder; gives its address."""
    log = folder / "log"
    command = [
        tool("prometheus"),
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=100y",
        "--web.listen-address=127.0.0.1:0",
    ]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stderr=output)
    try:
        eventually(lambda: "Server is ready" in log.read_text(), "Prometheus is ready")
        match = re.search(r"Listening on.*address=(\S+)", log.read_text())
        assert match, log.read_text()
        yield f"http://{match[1]}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def ask(server: str) -> Ask:
    """Ask Prometheus, as Grafana does: at the end of the history, or over all of it."""

    def asked(expression: str, *, instant: bool) -> list[dict[str, Any]]:
        arguments: dict[str, object] = {"query": expression}
        if instant:
            path, arguments["time"] = "query", END
        else:
            path = "query_range"
            arguments |= {"start": START, "end": END, "step": 60}
        status, text = get(f"{server}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        assert status == 200, text
        result: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        return result

    return asked


def chosen(dashboard: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each variable: the given one, or that of All."""
    found = {}
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query":
            every = variable.get("allValue") or ALL_FOUND.get(name) or ONE[name]
            found[name] = values.get(name, every)
    return found


def silent(path: Path, ask: Ask, values: Mapping[str, str]) -> list[str]:
    """Return the queries of a dashboard that give no series."""
    dashboard = load(path)
    if "collection" in values:
        values = {**values, **ENDED.get(path.stem, {})}
    filled = chosen(dashboard, values)
    return [
        f"{title}, {target['refId']}"
        for title, target in targets(dashboard)
        if not ask(filled_in(target["expr"], filled), instant=bool(target.get("instant")))
    ]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_panel_is_empty_with_all(path: Path, ask: Ask) -> None:
    """With All of every variable each query gives at least one series."""
    assert not {*silent(path, ask, {})} - {*USAGE}


@pytest.mark.parametrize("name", ONE)
def test_no_panel_is_empty_with_one_value(name: str, ask: Ask) -> None:
    """With one value of a variable each query of each dashboard gives at least one series."""
    for path in FILES:
        assert not {*silent(path, ask, {name: ONE[name]})} - {*USAGE}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_panel_is_empty_with_one_value_of_each(path: Path, ask: Ask) -> None:
    """With one value of every variable each query still gives at least one series."""
    assert not {*silent(path, ask, ONE)} - {*USAGE}


@pytest.mark.parametrize(("panel", "job"), USAGE.items())
def test_usage_is_shown_of_the_kinds_that_have_it(panel: str, job: str, ask: Ask) -> None:
    """What a document or a knowledge graph consumes is on the dashboard of the job."""
    path = next(path for path in FILES if path.stem == "adbpg-job")
    values = {"job_id": job, "collection": ".*"}

    assert panel not in silent(path, ask, values)
    assert panel in silent(path, ask, {"job_id": MANUALS})


def test_one_kind_can_be_chosen(ask: Ask) -> None:
    """The overview of a kind has its jobs only, in the table as in the tiles."""
    documents = values_of("Jobs", ask, kind="upload_document")

    assert USAGE["Embedding tokens, A"] in documents
    assert not {MANUALS, USAGE["LLM tokens, A"]} & documents.keys()
    assert values_of("Running", ask, kind="upload_document")[""] < len(documents)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_each_variable_offers_values(path: Path, server: str) -> None:
    """Each variable finds the value that the tests choose, whatever the others are."""
    dashboard = load(path)
    for values in ({}, ONE):
        for name, variable in variables(dashboard).items():
            if variable["type"] != "query":
                continue
            selector = filled_in(variable_selector(variable), chosen(dashboard, values))
            window = {"match[]": selector, "start": START, "end": END}
            found = get(f"{server}/api/v1/label/{name}/values?{urllib.parse.urlencode(window)}")

            assert ONE[name] in json.loads(found[1])["data"], name


def values_of(title: str, ask: Ask, **chosen_values: str) -> dict[str, float]:
    """Return what the first query of a panel of the overview gives now, by job id."""
    dashboard = load(next(path for path in FILES if path.stem == "adbpg-overview"))
    expression = next(target["expr"] for each, target in targets(dashboard) if each == title)
    filled = filled_in(expression, chosen(dashboard, chosen_values))
    found = ask(filled, instant=True)
    return {row["metric"].get("job_id", ""): float(row["value"][1]) for row in found}


def test_the_table_says_what_is_wrong(ask: Ask) -> None:
    """A stalled, a failed and an overdue job, and a healthy one, have their states in the table."""
    states = values_of("Jobs", ask)

    assert states[CONTRACTS] == 14
    assert states[PRODUCT_IMAGES] == 15
    assert states[PARTNER_FEED] == 13
    assert states[MANUALS] == 5


def test_replicas_count_once(ask: Ask) -> None:
    """Two exporters that watch the same jobs do not double the tiles."""
    every = values_of("Running", ask)
    of_one = values_of("Running", ask, collection="product_manuals|support_tickets")

    assert len(values_of("Jobs", ask)) > every[""] > 2
    assert of_one[""] == 3


def test_all_includes_workspaces(ask: Ask) -> None:
    """A job of a workspace, which has no instance, is there with All; and not with an instance."""
    every = values_of("Jobs", ask)
    of_one = values_of("Jobs", ask, db_instance_id=ONE["db_instance_id"])

    assert PARTNER_FEED in every
    assert PARTNER_FEED not in of_one
    assert MANUALS in of_one
