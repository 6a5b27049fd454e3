"""Whatever bytes an API sends, one call pays for them. Real sockets, on loopback."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from exporter.errors import QueryError
from tests.api_clients import GOOD, api_client, ask
from tests.fuzz.amount import attempt
from tests.fuzz.by_hand import BY_HAND
from tests.fuzz.framing import MESSAGES, Message, written
from tests.fuzz.loopback import Loopback
from tests.fuzz.pages import LogLines
from tests.processes import Page, exporter, get
from tests.upstream import message

SMALL = 2_000  # bytes that the client takes here, so that some are too many
PROBLEMS = {"internal", "timeout", "dns", "tls", "credentials"}

Record = Callable[[str, object], None]


class Api:
    """Answers with what it is told, and then well."""

    def __init__(self) -> None:
        self.next: Message | None = None

    def __call__(self, _number: int, _request: bytes) -> tuple[bytes, bool]:
        """See ``loopback.Script``. A retry gets the same message."""
        if self.next is None:
            return message(GOOD), True
        return self.next.data, self.next.stay


def test_any_messages(record_testsuite_property: Record) -> None:
    """Any bytes are an answer or a QueryError that blames the network or the API.

    And the next call of the same client gets its own good answer.
    """
    api, seen = Api(), Counter[str]()

    with (
        LogLines("urllib3") as log,
        Loopback(api) as server,
        api_client(max_response_bytes=SMALL) as client,
    ):

        def check(messages: list[Message]) -> None:
            for each in messages:
                api.next = each
                try:
                    ask(client, server.urls[0])
                except QueryError as error:
                    seen[error.reason] += 1
                else:
                    seen["answered"] += 1
                api.next = None
                assert ask(client, server.urls[0]).document == GOOD
            log.check()

        attempt(check, MESSAGES, short=1_000)

    record_testsuite_property("fuzzing: messages over HTTP", seen.total())
    assert {"answered", "bad_answer", "connection"} <= seen.keys()
    assert not seen.keys() & PROBLEMS


def test_by_hand(tmp_path: Path) -> None:
    """Each of a hundred answers over HTTP costs its own job what is written beside it.

    The healthy job on the page with them is as ever.
    """
    answers = [written(answer) for _, answer in BY_HAND]

    def script(number: int, _request: bytes) -> tuple[bytes, bool]:
        return (answers[number] if number < len(answers) else message(GOOD)), False

    with (
        Loopback(script, len(answers) + 1) as server,
        exporter(configuration(server.urls), tmp_path) as it,
    ):
        status, text = get(it.url + "/metrics", X_Prometheus_Scrape_Timeout_Seconds="60")

    assert status == 200
    page = Page(text)
    assert [outcome(page, n) for n in range(len(answers))] == [
        expected.partition(" ")[0] for expected, _ in BY_HAND
    ]
    assert outcome(page, len(answers)) == "Running"


def configuration(urls: list[str]) -> str:
    """Return a configuration with a target for each URL, so that none waits for another."""
    settings = {
        "scrape": {"timeout": "60s"},
        "api": {"request_timeout": "30s"},
        "targets": [
            {
                "name": f"target-{number}",
                "region_id": "cn-hangzhou",
                "db_instance_id": f"gp-{number}",
                "namespace_password": "pw-of-rag-namespace",
                "endpoint": url,
                "jobs": [{"id": "job-1", "collection": "c"}],
            }
            for number, url in enumerate(urls)
        ],
    }
    return json.dumps(settings)


def outcome(page: Page, number: int) -> str:
    """Return a job's status, or the reason of its failure."""
    for sample in page.samples:
        labels = sample.labels
        if not sample.value:
            continue
        if sample.name == "adbpg_job_status" and labels["db_instance_id"] == f"gp-{number}":
            return labels["status"]
        if (
            sample.name == "adbpg_exporter_api_errors_total"
            and labels["target"] == f"target-{number}"
        ):
            return labels["reason"]
    return ""
