"""The Chinese alerts: made from the English ones, with nothing changed but the texts."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from grafana.generate import ALERTS, CHINESE_RULES, chinese_rules
from tests.processes import tool

ENGLISH = yaml.safe_load((ALERTS / "adbpg-job-exporter.rules.yaml").read_text("utf-8"))
CHINESE = yaml.safe_load(CHINESE_RULES.read_text("utf-8"))
TEXTS = yaml.safe_load((ALERTS / "texts.zh.yaml").read_text("utf-8"))
ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
HAN = re.compile(r"[\u4e00-\u9fff]")


def alerts(rules: Any) -> dict[str, dict[str, str]]:
    """Return the annotations of each alert."""
    found = (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule)
    return {rule["alert"]: rule["annotations"] for rule in found}


def test_the_file_is_current() -> None:
    """It is what `make dashboards` writes."""
    assert CHINESE_RULES.read_text("utf-8") == chinese_rules()


def test_only_texts_differ() -> None:
    """Groups, expressions, labels and links are the English ones, to the Chinese runbook."""

    def links(rule: Any) -> dict[str, str]:
        notes = rule.get("annotations", {}).items()
        return {name: url.replace("/zh/", "/") for name, url in notes if "url" in name}

    def without_texts(rules: Any) -> Any:
        return [
            rule | {"annotations": links(rule)}
            for group in rules["groups"]
            for rule in group["rules"]
        ]

    assert without_texts(CHINESE) == without_texts(ENGLISH)


@pytest.mark.parametrize("name", alerts(ENGLISH))
@pytest.mark.parametrize("note", ["summary", "description"])
def test_each_text(name: str, note: str) -> None:
    """It is Chinese, and has the same values in the same order."""
    english, chinese = alerts(ENGLISH)[name][note], alerts(CHINESE)[name][note]

    def actions(text: str) -> list[str]:
        return [re.sub(r"Format \"[^\"]*\"", "Format", each) for each in ACTION.findall(text)]

    assert HAN.search(chinese)
    assert actions(chinese) == actions(english)


def test_no_translation_is_left_over() -> None:
    """Each one stands for a text of the English rules."""
    texts = (note for notes in alerts(ENGLISH).values() for note in notes.values())
    pieces = {" ".join(piece.split()) for text in texts for piece in ACTION.split(text)}

    assert {*TEXTS} <= pieces


@pytest.mark.prometheus
def test_promtool_takes_them() -> None:
    """Prometheus can load the file."""
    command = [tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", str(CHINESE_RULES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


ROOT = ALERTS.parents[1]


PAGES = {"README.md": "README.zh-CN.md", "docs/runbook.md": "docs/zh/runbook.md"}


def both(page: str) -> tuple[list[str], list[str]]:
    """Return the lines of a page in both languages."""
    english = (ROOT / page).read_text("utf-8")
    chinese = (ROOT / PAGES[page]).read_text("utf-8")
    return english.splitlines(), chinese.splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_the_same_shape(page: str) -> None:
    """Headings, rows of tables and lines of code come in the same order."""

    def shape(lines: list[str]) -> list[str]:
        marks = (re.match(r"#+ (Adbpg\w+)?|\|( `\w+`)?|```.*|    .*", line) for line in lines)
        return [mark[0] for mark in marks if mark]

    english, chinese = both(page)
    assert shape(chinese) == shape(english)


@pytest.mark.parametrize("page", PAGES)
def test_pages_lead_to_the_same_places(page: str) -> None:
    """Each link of one is in the other, but for those that lead to the other language."""

    def links(lines: list[str]) -> set[str]:
        found = re.findall(r"\]\(([^)]+)\)", "\n".join(lines))
        named = (link.replace(".zh.", ".").replace("zh/", "").split("../")[-1] for link in found)
        return {link for link in named if "README" not in link and link != "runbook.md"} - OWN

    english, chinese = both(page)
    assert links(chinese) == links(english)
    assert any("zh" in line for line in english[:4])
    assert any(f"{page.rpartition('/')[2]})" in line for line in chinese[:4])


# Headings that are words, in either language.
OWN = {"#before-anything-else", "#reasons", "#首先", "#原因"}
