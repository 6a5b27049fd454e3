"""Hostile programs that announce jobs, beside a scrape."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.clients import answer
from tests.faults.bench import well
from tests.faults.raw import configuration, connect
from tests.processes import Process, exporter, scrape
from tests.upstream import Upstream

TOKEN = "planted-token-of-nightly"
REGISTRATION = (
    "scrape: {min_interval: 0s}\n"
    "registration: {tokens: [{name: nightly, token_file: token, targets: [main]}]}\n"
)


def announcement(body: bytes, *, token: str = TOKEN, length: int | None = None) -> bytes:
    """Return a request; its length may be a lie."""
    size = len(body) if length is None else length
    return (
        f"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    ).encode() + body


HOSTILE = (
    (401, announcement(b"[]", token="a-wrong-token-of-somebody")),
    (403, announcement(json.dumps({"target": "other", "id": "x", "collection": "c"}).encode())),
    (400, announcement(b"[" * 200_000)),
    (400, announcement(b'{"a":' * 50_000)),
    (400, announcement(b"[" + b",".join([b"{}"] * 80_000) + b"]")),
    (413, announcement(b"", length=300_000)),
    (408, announcement(b"[", length=200_000)),
)


def refused(it: Process, sent: bytes) -> int:
    """Return the status of the answer."""
    with connect(it, sent) as sock:
        return answer(sock)[0]


def test_hostile_announcements_beside_a_scrape(tmp_path: Path) -> None:
    """Fault 74: each gets its 4xx, and scrapes meanwhile are whole and show nothing of theirs."""
    (tmp_path / "token").write_text(TOKEN)
    with (
        Upstream(well) as api,
        exporter(configuration("job", api=api.url, extra=REGISTRATION), tmp_path) as it,
        ThreadPoolExecutor(8) as crowd,
    ):
        answers = [crowd.submit(refused, it, sent) for _ in range(5) for _, sent in HOSTILE]
        pages = [scrape(it)]
        while not all(each.done() for each in answers):
            pages.append(scrape(it))
        statuses = [each.result() for each in answers]

    expected = [status for status, _ in HOSTILE] * 5
    # The same token may have had its 50 requests of a second.
    assert [(a, b) for a, b in zip(statuses, expected, strict=True) if a not in {b, 429}] == []
    assert [page.value("adbpg_job_up", job_id="job") for page in pages] == [1] * len(pages)
    announced = [
        page.value("adbpg_exporter_jobs", source="announced", state="unseen") for page in pages
    ]
    assert announced == [0] * len(pages)
