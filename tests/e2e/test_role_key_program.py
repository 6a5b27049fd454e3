"""The program that asks for a role's key, as the exporter starts it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE
from tests.upstream import Behaviour, Upstream, both, hang, message, send

GOOD = {
    "Code": "Success",
    "AccessKeyId": "STS.id",
    "AccessKeySecret": "the-secret",
    "SecurityToken": "the-token",
    "Expiration": "2099-01-01T00:00:00Z",
}
NO_KEY = {"error": "the credentials URI gave no key: the answer is not one that holds a key"}


def asked(behaviour: Behaviour, lifetime: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """Ask a service that behaves like this."""
    with Upstream([behaviour]) as service:
        settings = {"kind": "credentials_uri", "uri": service.url, "timeout": str(PATIENCE)}
        return subprocess.run(
            [sys.executable, "-m", "exporter.gpdb.role_key"],
            input=json.dumps({**settings, "lifetime": str(lifetime)}),
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def test_key() -> None:
    """The key comes with its end, in Unix seconds."""
    done = asked(send(message(GOOD)))

    assert json.loads(done.stdout) == {
        "id": "STS.id",
        "secret": "the-secret",
        "token": "the-token",
        "ends": 4_070_908_800,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AccessKeyId", 1),
        ("AccessKeySecret", ""),
        ("AccessKeySecret", "two\nlines"),
        ("SecurityToken", "\u5bc6"),
        ("SecurityToken", "x" * 16_385),
    ],
)
def test_a_part_that_cannot_be_sent(name: str, value: object) -> None:
    """What no header can carry is no key, and is not told."""
    done = asked(send(message({**GOOD, name: value})))

    assert json.loads(done.stdout) == NO_KEY


def test_far_too_long() -> None:
    """An answer of any length takes so much memory and no more."""
    large = both(send(message(length=300 << 20)), *[send(b" " * (1 << 20))] * 300)

    done = asked(large)

    expected = {"error": "the credentials URI gave no key: the answer is far too long"}
    assert json.loads(done.stdout) == expected


def test_it_ends_by_itself() -> None:
    """Where nobody is left to end it, it ends when its lifetime is over."""
    done = asked(hang(), lifetime=0.5)

    assert done.returncode == -signal.SIGALRM
    assert done.stdout == ""
