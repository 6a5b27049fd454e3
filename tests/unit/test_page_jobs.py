"""What the page says of jobs that are not watched, and of job files that cannot be read."""

import re
from typing import Any

from exporter.model import PatternReport, Snapshot
from exporter.web import page
from exporter.web.rows import Asides
from exporter.web.views import View


def notices(**facts: Any) -> list[str]:
    """Return the texts of the page's warnings, without tags."""
    snapshot = Snapshot(1.7e9, 0.1, (), {}, **({"file_errors": {}} | facts))
    html = page.render(
        snapshot, version="1.2.3", telemetry_path="/metrics", view=View(), asides=Asides()
    ).decode()
    found = re.findall(r'<div class="notice warning">(.*?)</div>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", each).split()) for each in found]


def test_dropped_jobs() -> None:
    """Who looks at the page learns how many jobs are not watched, and how many may still run."""
    (found,) = notices(dropped=1_234, dropped_unfinished=12)

    assert found.startswith("1,234 jobs are not watched: more are named than scrape.max_jobs.")
    assert "12 of them may still run." in found
    assert notices(dropped=1)[0].startswith("1 job is not watched")
    assert "They have ended." in notices(dropped=1)[0]
    assert notices() == []


def test_a_pattern_that_cannot_be_read() -> None:
    """A folder that is away has one notice, with the reason, beside those of broken files."""
    away = PatternReport("/away/*.yaml", 3, error="/away cannot be listed: <gone>")
    good = PatternReport("/good/*.yaml", 2, broken=1)
    errors = {"/away/*.yaml": True, "/good/a.yaml": True, "/good/b.yaml": False}

    found = notices(patterns=(away, good), file_errors=errors)

    of_pattern, of_file = found
    assert of_pattern.startswith("Job files are not found: /away/*.yaml cannot be read.")
    assert of_pattern.endswith("/away cannot be listed: &lt;gone&gt;.")
    assert of_file.startswith("The job file /good/a.yaml cannot be read, or holds mistakes.")


def test_many_broken_files() -> None:
    """Of thousands of broken files five are named, and the others counted."""
    errors = {f"/jobs/{number:04}.yaml": True for number in range(100)}
    report = PatternReport("/jobs/*.yaml", 14_000, broken=14_000)

    found = notices(patterns=(report,), file_errors=errors)

    assert len(found) == 6
    assert found[-1].startswith("13,995 more job files cannot be read, or hold mistakes.")
