"""Writes the dashboards and the Chinese alerts again: ``make dashboards``. Tests hold them."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from grafana.dashboard_code import collection_history, exporter, job, overview

FOLDER = Path(__file__).parent / "dashboards"
ALERTS = Path(__file__).parent / "alerts"
CHINESE_RULES = ALERTS / "adbpg-job-exporter.zh.rules.yaml"

_ACTION = re.compile(r"(\{\{.*?\}\})", re.DOTALL)  # of Prometheus' templates
_TIMES = ('"2 Jan 15:04"', '"1\N{CJK UNIFIED IDEOGRAPH-6708}2\N{CJK UNIFIED IDEOGRAPH-65E5} 15:04"')
_HEAD = """\
# adbpg-job-exporter.rules.yaml in Chinese, made by `make dashboards` from it and texts.zh.yaml.
# Load one of the two. What to set when you install it, and what the rules do, stands in the other.
"""


def dashboards() -> Mapping[str, str]:
    """Return each dashboard's file, by its name."""
    return {
        "adbpg-overview.json": overview.render(),
        "adbpg-collections.json": collection_history.render(),
        "adbpg-job.json": job.render(),
        "adbpg-exporter.json": exporter.render(),
    }


def chinese_rules() -> str:
    """Return the rules with their texts in Chinese; all else is as it is.

    Raises:
        KeyError: a text has no translation.
    """
    rules = yaml.safe_load((ALERTS / "adbpg-job-exporter.rules.yaml").read_text("utf-8"))
    texts = yaml.safe_load((ALERTS / "texts.zh.yaml").read_text("utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        notes = rule["annotations"]
        for name in ("summary", "description"):
            parts = _ACTION.split(notes[name])
            parts[::2] = [_in_chinese(text, texts) for text in parts[::2]]
            notes[name] = "".join(parts).replace(*_TIMES)
        notes["runbook_url"] = notes["runbook_url"].replace("/runbook.md", "/zh/runbook.md")
    return _HEAD + yaml.safe_dump(rules, allow_unicode=True, sort_keys=False, width=120)


def _in_chinese(text: str, texts: Mapping[str, str]) -> str:
    words = " ".join(text.split())
    return texts[words] if words else text


def main() -> None:
    """Write the files."""
    CHINESE_RULES.write_text(chinese_rules(), "utf-8")
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
