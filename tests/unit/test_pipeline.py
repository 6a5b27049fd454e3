"""`exporter.pipeline`: nothing that a pipeline hands over makes it raise."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporter import pipeline
from exporter.gpdb.kinds import KINDS

GOOD: dict[str, Any] = {
    "url": "http://127.0.0.1:9",
    "target": "main",
    "collection": "c",
    "token": "a-token-of-the-test",
}


def test_every_starting_operation_is_known() -> None:
    """The SDK's methods stand for the operations that start each kind of job."""
    methods = {name.replace("_", "").lower(): kind for name, kind in pipeline.STARTERS.items()}

    assert methods == {
        action.lower(): kind.name for kind in KINDS.values() for action in kind.started_by
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"url": "exporter:10077"}, "expected the URL of an exporter"),
        ({"url": "ftp://exporter"}, "expected the URL of an exporter"),
        ({"url": "http://h:port"}, "expected the URL of an exporter"),
        ({"url": "http://[::1"}, "expected the URL of an exporter"),
        ({"url": None}, "expected the URL of an exporter"),
        ({"url": "http://user:planted@/"}, "cannot be reached"),
        ({"url": "http://127.0.0.1:9/\n"}, "cannot be reached"),
        ({"token": None}, "expected either a token or the file of a token"),
        ({"token_file": "/token"}, "expected either a token or the file of a token"),
        ({"token": None, "token_file": "/nowhere"}, "/nowhere cannot be read: No such file"),
        ({"token": "planted\r\nX-Header: 1"}, "expected a token of printable ASCII"),
        ({"token": "密码planted"}, "expected a token of printable ASCII"),
        ({"token": " "}, "expected a token of printable ASCII"),
        ({"timeout": 0}, "expected a timeout of at most 3600 seconds, got 0"),
        ({"timeout": float("nan")}, "expected a timeout"),
        ({"timeout": "5"}, "expected a timeout"),
        ({"labels": object()}, "not JSON"),
        ({"expected_entries": 10**5000}, "not JSON"),
        ({}, "cannot be reached: Connection refused"),
    ],
)
def test_nothing_raises(
    changed: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each mistake is one warning that says what, without the token, and False."""
    with caplog.at_level(logging.WARNING, logger="exporter.pipeline"):
        done = pipeline.announce("job-1", **GOOD | changed)

    assert done is False
    (record,) = caplog.records
    assert said in record.getMessage()
    assert record.getMessage().startswith("job not announced: job-1 of target main: ")
    assert "planted" not in record.getMessage()


def test_a_client_that_is_none_of_the_sdks() -> None:
    """Whatever is wrapped works as before, with the error that it raises."""

    class Client:
        """Starts nothing that can be announced."""

        def create_index(self, request: str) -> str:
            """Return an answer without a body."""
            if not request:
                raise LookupError
            return f"index of {request}"

        def other(self) -> str:
            """Return something."""
            return "other"

    client = pipeline.watched(Client(), url="http://127.0.0.1:9", target="main", token="t" * 16)

    assert client.create_index("x") == "index of x"
    assert client.create_index(request="x") == "index of x"
    assert client.other() == "other"
    with pytest.raises(LookupError):
        client.create_index("")


def test_the_file_stands_alone(tmp_path: Path) -> None:
    """A copy of the file works without the package, and with no third party's library."""
    (tmp_path / "handover.py").write_text(Path(pipeline.__file__).read_text("utf-8"), "utf-8")

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.append('.'); import handover"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
