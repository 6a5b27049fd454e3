import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from exporter.config import reference, schema
from exporter.config.reader import keys_below
from exporter.config.settings import ConfigFile, JobFileEntry
from tests.config_files import DATA, names

EXAMPLE = DATA.parents[1] / "config.example.yaml"
ALL_KEYS = sorted(set(keys_below(ConfigFile)))

# What a schema cannot see: the YAML itself, the environment, other entries, files, secrets' paths.
# By the first words of their names.
BEYOND_A_SCHEMA = (
    *("ampersand", "anchor", "backtick", "bang", "binary", "brace", "bracket", "colon", "conflict"),
    *("control", "dash", "deep", "document", "gzip", "html", "indent", "json", "latin1"),
    *("markdown", "merge", "not-utf8", "percent", "pipe", "quote", "star", "tab", "template"),
    *("toml", "two", "unclosed", "utf16", "duplicate", "env-", "environment", "placeholder"),
    *("ca-file", "secret-file", "password-at", "password-colon", "password-dollar"),
    *("password-empty", "password-file", "password-hash", "password-no-space", "password-tag"),
    *("password-unset", "contradictions", "missing-credentials", "provider-environment"),
    *("ram-kind-mismatch", "ram-other", "ram-timeout", "ram-token", "ram-uri-http", "ram-with"),
    *("provider-files", "labels-capital", "labels-undeclared", "long-password", "duration-bounds"),
    *("endpoint-line", "endpoint-port", "endpoint-private", "endpoint-public", "entries-hex"),
    *("entries-underscore", "region", "size-large", "size-small", "time-zones", "zone"),
    *("yaml11-date", "yaml11-password-date", "freshness-twice", "registry-keep", "registry-path"),
    *("registry-postgresql", "registry-sqlite"),
)
BAD_FILES = [name.removesuffix(".yaml") for name in names("config", "bad-*.yaml")]


class EditorLoader(yaml.CSafeLoader):
    """Reads dates and ``=`` as text, as the YAML 1.2 parsers of editors do."""


def as_text(loader: EditorLoader, node: yaml.ScalarNode) -> object:
    """Return a value as it is written."""
    return loader.construct_scalar(node)


EditorLoader.add_constructor("tag:yaml.org,2002:timestamp", as_text)
EditorLoader.add_constructor("tag:yaml.org,2002:value", as_text)


def errors(path: Path, text: str) -> list[str]:
    """Return what an editor would underline."""
    document = yaml.load(path.read_text(encoding="utf-8-sig"), EditorLoader)  # noqa: S506  a safe one
    found: Any = Draft7Validator(json.loads(text)).iter_errors(document)
    return [error.json_path for error in found]


@pytest.mark.parametrize("text", [schema.json_schema(), schema.job_file_schema()])
def test_schema_is_a_schema(text: str) -> None:
    """The schemas themselves are sound."""
    Draft7Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("name", names("config", "good-*.yaml"))
def test_good_files(name: str) -> None:
    """What the loader takes, an editor does not underline."""
    assert errors(DATA / "config" / name, schema.json_schema()) == []


@pytest.mark.parametrize(
    "name",
    [name for name in BAD_FILES if not name.removeprefix("bad-").startswith(BEYOND_A_SCHEMA)],
)
def test_bad_files(name: str) -> None:
    """What the loader refuses, an editor underlines, as far as a schema can see it."""
    assert errors(DATA / "config" / f"{name}.yaml", schema.json_schema())


@pytest.mark.parametrize("name", names("jobs", "good*.yaml"))
def test_good_job_files(name: str) -> None:
    """The schema of job files takes the good ones."""
    assert errors(DATA / "jobs" / name, schema.job_file_schema()) == []


@pytest.mark.parametrize("name", ["mapping", "missing-keys", "types"])
def test_bad_job_files(name: str) -> None:
    """The schema of job files refuses what is no list of jobs."""
    assert errors(DATA / "jobs" / f"bad-{name}.yaml", schema.job_file_schema())


def test_example() -> None:
    """An editor underlines nothing in the example."""
    assert errors(EXAMPLE, schema.json_schema()) == []


def test_example_names_every_key() -> None:
    """Every key is in the example, commented out where it has no default."""
    text = EXAMPLE.read_text(encoding="utf-8")

    assert [key for key, _ in ALL_KEYS if not re.search(rf"(?m)^[ #-]*{key}:", text)] == []


def test_schema_describes_every_key() -> None:
    """An editor has something to say about every key."""
    text = schema.json_schema()

    missing = [key for key, _ in ALL_KEYS if not re.search(rf'"{key}": \{{', text)]
    assert missing == []


@pytest.mark.parametrize(
    ("key", "path"), [*ALL_KEYS, *[(key, "Job files") for key, _ in keys_below(JobFileEntry)]]
)
def test_reference_names_every_key(key: str, path: str) -> None:
    """Every key has a row in the section of what it stands in."""
    heading = {"": "Top level", "Job files": path}.get(path, f"`{path}`")

    section = reference.markdown().split(f"## {heading}\n")[1].split("\n## ")[0]

    assert re.search(rf"(?m)^\| `{key}` \| .+ \| .+ \| .+ \|$", section)
