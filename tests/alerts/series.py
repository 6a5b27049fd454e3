"""Series of an exporter that are told in a few steps."""

from itertools import pairwise

from tests.alerts.scenario import GRID

END = 90  # minutes: longer than any scenario that has such series


def gauge(
    name: str, *steps: tuple[float, int], labels: str = "", job: str = "adbpg"
) -> tuple[str, str]:
    """Return a series that has each value from a minute on."""
    return _series(name, labels, job), " ".join(
        f"{value}x{int((end - start) * 60 / GRID) - 1}"
        for (start, value), (end, _) in pairwise((*steps, (END, 0)))
    )


def counter(name: str, *steps: tuple[float, int], labels: str) -> tuple[str, str]:
    """Return a series that counts so many a minute from a minute on."""
    values, now = [], 0.0
    for (start, rate), (end, _) in pairwise((*steps, (END, 0))):
        for _ in range(int((end - start) * 60 / GRID)):
            values.append(f"{now:g}")
            now += rate * GRID / 60
    return _series(name, labels), " ".join(values)


def _series(name: str, labels: str, job: str = "adbpg") -> str:
    return f'{name}{{job="{job}",instance="a",{labels}}}'


def errors(reason: str, *steps: tuple[float, int], target: str = "rag-prod") -> tuple[str, str]:
    """Return the counter of a target's failed queries."""
    labels = f'target="{target}",action="GetUpsertCollectionDataJob",reason="{reason}"'
    return counter("adbpg_exporter_api_errors_total", *steps, labels=labels)


def requests(*steps: tuple[float, int], target: str = "rag-prod") -> tuple[str, str]:
    """Return the counter of a target's queries."""
    labels = f'target="{target}",action="GetUpsertCollectionDataJob"'
    return counter("adbpg_exporter_api_requests_total", *steps, labels=labels)
