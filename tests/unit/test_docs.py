"""The docs say what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from exporter.cli.main import make_parser
from exporter.metrics import COUNTED_FAMILIES, FAMILIES, HISTORY_FAMILIES, SCRAPE_FAMILIES

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
generate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(generate)
PAGES: dict[str, str] = generate.pages()
METRICS = {
    *(family.name for family in FAMILIES),
    *(family.name for family in SCRAPE_FAMILIES),
    *(family.name for family in COUNTED_FAMILIES),
    *(family.name for family in HISTORY_FAMILIES),
}
PROSE = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name: str) -> None:
    """`make docs` would change nothing."""
    assert (ROOT / "docs" / name).read_text("utf-8") == PAGES[name]


def test_every_metric_is_documented() -> None:
    """Each row of the metric table is in docs/metrics.md."""
    page = PAGES["metrics.md"]

    assert {name for name in METRICS if f"`{name}`" not in page} == set()


def test_every_flag_is_documented() -> None:
    """Each flag of each command is in docs/commands.md."""
    page = PAGES["commands.md"]
    parsers = make_parser()

    for name, parser in parsers.items():
        for action in parser._actions:
            for flag in action.option_strings:
                assert not name or flag in page, flag


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_no_page_names_a_metric_that_does_not_exist(page: Path) -> None:
    """A renamed metric is renamed in the prose too."""
    found = re.findall(r"\badbpg_[a-z_]+[a-z]\b", page.read_text("utf-8"))
    named = {name.removesuffix("_bucket") for name in found}

    assert {name for name in named if not any(m.startswith(name) for m in METRICS)} == set()


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of ours leads to a file."""
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8"))

    missing = [to for to in links if "://" not in to and not (page.parent / to).exists()]

    assert missing == []


def test_alerts_without_recording_rules() -> None:
    """docs/alibaba-cloud.md tells which alerts need the recording rules, and which do without."""
    page = (ROOT / "docs/alibaba-cloud.md").read_text("utf-8")
    text = (ROOT / "grafana/alerts/adbpg-job-exporter.rules.yaml").read_text("utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    alerts = {rule["alert"]: "adbpg:" in rule["expr"] for rule in rules if "alert" in rule}

    row = page.split("| need the recording rules | do without |\n|---|---|\n")[1].splitlines()[0]
    need, without = (set(re.findall(r"`(\w+)`", cell)) for cell in row.strip("|").split("|"))
    assert need == {name for name, needs in alerts.items() if needs}
    assert without == {name for name, needs in alerts.items() if not needs}
