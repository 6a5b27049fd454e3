"""Writes grafana/dashboards/ again: ``make dashboards``. A test holds that they are current."""

from collections.abc import Mapping
from pathlib import Path

from grafana.dashboard_code import collection_history, exporter, job, overview

FOLDER = Path(__file__).parent / "dashboards"


def dashboards() -> Mapping[str, str]:
    """Return each dashboard's file, by its name."""
    return {
        "adbpg-overview.json": overview.render(),
        "adbpg-collections.json": collection_history.render(),
        "adbpg-job.json": job.render(),
        "adbpg-exporter.json": exporter.render(),
    }


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
