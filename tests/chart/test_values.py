"""The values of the chart: described, checked, and refused where they are wrong."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml

from exporter import __version__
from tests.charts import CHART, CI, MINIMAL, ROOT, chart, minimal, read, render

DATA = ROOT / "tests" / "data" / "chart"
BAD = sorted(path.stem for path in DATA.glob("bad-*.yaml"))
_SPEC = importlib.util.spec_from_file_location("chart_docs", ROOT / "docs" / "chart.py")
assert _SPEC is not None
assert _SPEC.loader is not None
docs = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(docs)


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_say(path: Path) -> None:
    """`helm lint --strict` has no error and no warning for each way of use."""
    found = helm.lint(CHART, read(path), strict=True)

    assert found["errors"] == []
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]


def test_ten_lines_install() -> None:
    """The shortest values file has ten lines, its comment included."""
    assert len(MINIMAL.read_text("utf-8").splitlines()) <= 10
    assert render(read(MINIMAL)).one("Deployment")


@pytest.mark.parametrize("name", BAD)
def test_wrong_values_are_refused(name: str) -> None:
    """On top of good values, each of these is refused, with a message that names the value."""
    wrong = read(DATA / f"{name}.yaml")
    message = (DATA / f"{name}.txt").read_text("utf-8").strip()

    with pytest.raises(helm.HelmError) as refused:
        render(minimal(**wrong))

    assert message in str(refused.value)
    assert "planted" not in str(refused.value)
    assert any(word in message for word in _names(wrong))


GOOD = sorted((ROOT / "tests" / "data" / "config").glob("good-*.yaml"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_what_the_exporter_takes_is_taken(path: Path) -> None:
    """A good configuration is refused only for a password that stands in it in plain."""
    text = path.read_text("utf-8")
    try:
        made = render({"config": text})
    except helm.HelmError as error:
        refusal = str(error)
    else:
        assert made.one("ConfigMap")["data"]["config.yaml"].strip() == text.strip()
        return

    assert "config: has a" in refusal
    assert "password in it" in refusal


def test_enough_wrong_values() -> None:
    """There are thirty of them and more, and none without its message."""
    assert len(BAD) >= 30
    assert [f"{name}.txt" for name in BAD] == sorted(path.name for path in DATA.glob("bad-*.txt"))


def test_each_value_is_described() -> None:
    """Each value in the schema has a description, and no key is taken that is not there."""
    schema = chart().schema
    assert schema is not None
    described = {("global",)} | {value.path for value in docs.values()}

    for path, place in _places(schema, ()):
        if path in described:
            assert place["description"], path
        else:
            assert place.get("additionalProperties") is False, path
    for name, shape in schema["$defs"].items():
        for key, place in shape.get("properties", {}).items():
            assert place["description"], f"{name}.{key}"


def test_schema_and_values_have_the_same_keys() -> None:
    """What values.yaml has is what the schema knows, but for what Helm itself adds."""
    schema = chart().schema
    assert schema is not None
    leaves = {path for path, place in _places(schema, ()) if "properties" not in place}

    assert leaves - {("global",)} == {value.path for value in docs.values()}


@pytest.mark.parametrize("name", docs.pages())
def test_generated_files_are_current(name: str) -> None:
    """`make docs` would change nothing: the table, the schema, and the copies of grafana/."""
    assert (CHART / name).read_text("utf-8") == docs.pages()[name]


def test_no_copy_is_left_over() -> None:
    """What is gone from grafana/ is gone from the chart."""
    there = {
        f"files/{kind}/{path.name}"
        for kind in docs.COPIED
        for path in (CHART / "files" / kind).glob("*")
    }

    assert there == {name for name in docs.copies() if name.count("/") == 2}
    assert any(name.startswith("files/alerts/") for name in there)


def test_versions_agree() -> None:
    """The chart installs the version that it stands beside."""
    metadata = chart().metadata

    assert metadata["appVersion"] == __version__
    assert metadata["version"] == __version__


def test_readme_values_work() -> None:
    """Each values file that the chart's README and ours show can be installed."""
    ours = (ROOT / "README.md").read_text("utf-8").partition("## Install on Kubernetes")[2]
    text = (CHART / "README.md").read_text("utf-8") + ours.partition("\n## ")[0]
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)

    for block in blocks:
        assert render(minimal(**yaml.safe_load(block))).manifests, block
    assert len(blocks) == 9


def _names(values: dict[str, Any]) -> set[str]:
    """Return every key of values, at any depth."""
    return {
        name
        for key, value in values.items()
        for name in {key} | (_names(value) if isinstance(value, dict) else set())
    }


def _places(schema: dict[str, Any], above: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """Return every property of a schema, by its path."""
    found = []
    for key, place in schema.get("properties", {}).items():
        found += [((*above, key), place), *_places(place, (*above, key))]
    return found
