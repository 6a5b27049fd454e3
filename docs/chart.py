"""Writes the generated parts of the Helm chart again: ``make docs``. A test holds them current.

Helm cannot reach outside of a chart, so the alerts and dashboards are copied into it. The comments
of values.yaml are the one place where a value is described: README.md and values.schema.json have
them from there.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "adbpg-job-exporter"
COPIED = {"alerts": "*.rules.yaml", "dashboards": "*.json"}
BEGIN, END = "<!-- values, from values.yaml -->\n", "<!-- end of values -->\n"


@dataclass(frozen=True, slots=True)
class Value:
    """A value that the user may set.

    Attributes:
        path: the keys that lead to it.
        default: as values.yaml has it.
        meaning: its comment there.
    """

    path: tuple[str, ...]
    default: Any
    meaning: str


def values() -> list[Value]:
    """Return every value of values.yaml, in its order.

    Raises:
        ValueError: one has no comment.
    """
    text = (CHART / "values.yaml").read_text("utf-8")
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml: expected a mapping")
    return list(_values(root, text.splitlines(), ()))


def _values(node: yaml.MappingNode, lines: list[str], above: tuple[str, ...]) -> Iterator[Value]:
    for key, value in node.value:
        path = (*above, key.value)
        meaning = _comment(lines, key.start_mark)
        is_section = isinstance(value, yaml.MappingNode) and value.value and not value.flow_style
        if meaning:
            default = yaml.SafeLoader("").construct_document(value)
            yield Value(path, default, meaning)
        elif is_section:
            yield from _values(value, lines, path)
        else:
            raise ValueError(f"values.yaml: {'.'.join(path)} has no comment")


def _comment(lines: list[str], mark: yaml.Mark) -> str:
    """Return the comment that stands right above a key."""
    start = " " * mark.column + "# "
    line = mark.line
    while line and lines[line - 1].startswith(start):
        line -= 1
    return " ".join(text.removeprefix(start) for text in lines[line : mark.line])


def readme() -> str:
    """Return the chart's README.md, with the table of values made anew."""
    before, rest = (CHART / "README.md").read_text("utf-8").split(BEGIN)
    rows = [
        f"| `{'.'.join(value.path)}` | `{_flow(value.default)}` | {value.meaning} |\n"
        for value in values()
    ]
    table = "| value | default | meaning |\n|---|---|---|\n" + "".join(rows)
    return before + BEGIN + table + END + rest.split(END)[1]


def _flow(default: Any) -> str:
    text = yaml.safe_dump(default, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("...\n").strip().replace("''", '""')


def schema() -> str:
    """Return values.schema.json with each value's description."""
    root = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    for value in values():
        place = root
        for key in value.path:
            place = place["properties"][key]
        place["description"] = re.sub("`", "", value.meaning)
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n"


def copies() -> dict[str, str]:
    """Return the text of each copied file by its path in the chart."""
    checked = "config.schema.json"  # by the templates, against the text of the value config
    return {
        "LICENSE": (ROOT / "LICENSE").read_text("utf-8"),
        f"files/{checked}": (ROOT / "docs" / checked).read_text("utf-8"),
        # Of what Helm has taken away, since a user wrote null, a template knows nothing.
        "files/values.txt": "\n".join(".".join(value.path) for value in values()) + "\n",
    } | {
        f"files/{kind}/{file.name}": file.read_text("utf-8")
        for kind, pattern in COPIED.items()
        for file in sorted((ROOT / "grafana" / kind).glob(pattern))
    }


def pages() -> dict[str, str]:
    """Return the text of each generated file by its path in the chart."""
    return {"README.md": readme(), "values.schema.json": schema(), **copies()}


def main() -> None:
    """Write them, and take away the copies of what is no longer there."""
    texts = pages()
    for kind, pattern in COPIED.items():
        for file in (CHART / "files" / kind).glob(pattern):
            file.unlink()
    for name, text in texts.items():
        (CHART / name).parent.mkdir(parents=True, exist_ok=True)
        (CHART / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
