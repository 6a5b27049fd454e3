"""Standard output and error that are closed, full or read by nobody, and a disk that is full."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.bench import asked_for, well
from tests.faults.raw import as_another_user, configuration, launched
from tests.processes import Process, get, post, scrape
from tests.upstream import Behaviour, Request, Upstream, hang_up

FLAGS = ("--web.enable-lifecycle", "--log.level=debug")


def sick_or_well(request: Request) -> Behaviour:
    """Hang up on the job ``sick``, so that the log has something to tell in each scrape."""
    return hang_up() if asked_for(request) == "sick" else well(request)


def serves(process: Process) -> None:
    """Check that it does all that it should."""
    for _ in range(5):
        page = scrape(process)
        assert page.value("adbpg_job_up", job_id="job") == 1
        assert page.value("adbpg_job_up", job_id="sick") == 0
    assert post(process.url + "/-/reload") == (200, "Reloaded.\n")
    assert get(process.url + "/-/ready")[0] == 200


def shell(redirections: str) -> list[str]:
    """Return what to put before a command to change its files."""
    return ["sh", "-c", f'exec "$@" {redirections}', "sh"]


READ_ONLY = [*as_another_user(), "sh", "-c", 'ulimit -f 0; cd /; exec "$@"', "sh"]


@pytest.mark.parametrize(
    "before",
    [
        shell(">&-"),
        shell("2>&-"),
        shell(">&- 2>&-"),
        shell("<&- >&- 2>&-"),
        shell(">/dev/full"),
        shell("2>/dev/full"),
        shell(">/dev/full 2>/dev/full"),
        shell("2>&1 | true"),
    ],
    ids=lambda before: before[2].partition('" ')[2].strip(),
)
def test_broken_outputs(tmp_path: Path, before: Sequence[str]) -> None:
    """Fault 51: with outputs that are closed or full it starts, serves, reloads and ends well."""
    with Upstream(sick_or_well) as api:
        text = configuration("job", "sick", api=api.url, extra="scrape: {min_interval: 0s}\n")
        (tmp_path / "config.yaml").write_text(text)
        with launched(tmp_path, *FLAGS, before=before, stdout=None, stderr=None) as it:
            serves(it)

            assert it.stop() == 0
