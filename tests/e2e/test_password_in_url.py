"""Two kinds of jobs have the namespace password in the URL: it is in no text, whatever fails."""

import io
import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.clock import Clock
from exporter.config import ApiSettings
from exporter.errors import REASONS, QueryError
from exporter.gpdb.client import ApiClient
from exporter.gpdb.kinds import KINDS
from exporter.logs import LineFormatter
from exporter.model import Target
from exporter.redaction import Redactor
from exporter.secret import Secret
from tests.api_clients import HASTY, PATIENT, FixedCredentials
from tests.planted import assert_absent
from tests.upstream import Behaviour, Request, Upstream, both, hang, hang_up, message, reset, send

PASSWORDS = ("p&a=s+s%w o/r?d#密", "short")  # the second is too short to be known by its value
IN_URL = [name for name, kind in KINDS.items() if kind.password_is_in_url]


def says(status: int, code: str) -> object:
    """Return an API that refuses with a code, and repeats the URL in its message."""

    def answer(request: Request) -> Behaviour:
        body = {"Code": code, "Message": f"No: {request.target}", "RequestId": request.target}
        return send(message(json.dumps(body).encode(), status=status))

    return answer


def repeats(*, status: int = 200, headers: bool = False) -> object:
    """Return a server that answers with the URL, in the body and perhaps in a header."""

    def answer(request: Request) -> Behaviour:
        more = [("Location", request.target)] if headers else []
        return send(message(request.target.encode(), status=status, headers=more))

    return answer


FAILURES: dict[str, object] = {
    "throttled": says(400, "Throttling.User"),
    "auth": says(404, "InvalidAccessKeyId.NotFound"),
    "clock_skew": says(400, "InvalidTimeStamp.Expired"),
    "permission": says(403, "Forbidden.RAM"),
    "namespace_password": says(403, "NoPermission.NamespacePassword"),
    "instance_state": says(403, "OperationDenied.DBInstanceStatus"),
    "account": says(400, "UserNotOpenService"),
    "not_found": says(404, "InvalidJobId.NotFound"),
    "bad_request": says(400, "InvalidParameter"),
    "api_fail": says(200, "ServiceException"),
    "server": says(500, "InternalError"),
    "bad_answer": repeats(),
    "too_large": lambda _: send(message(b" " * 5_000)),
    "redirect": repeats(status=302, headers=True),
    "timeout": lambda _: hang(),
    "connection": lambda _: reset(),
    "connection at once": lambda _: hang_up(),
    "dns": lambda _: hang_up(),
    "tls": lambda _: hang_up(),
    "proxy": lambda _: send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
}
ELSEWHERE = {  # where the call goes, if not to the server itself
    "dns": "https://gpdb.invalid",
    "tls": "https://127.0.0.1:{port}",
    "proxy": "https://gpdb.invalid",
}


@contextmanager
def logged(redactor: Redactor) -> Iterator[io.StringIO]:
    """Give all that is logged at debug by anybody, as the exporter's log would have it."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(LineFormatter("logfmt", redactor))
    loggers = [logging.getLogger(name) for name in ("", "urllib3", "requests", "exporter")]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate = True
    loggers[0].addHandler(handler)
    try:
        yield output
    finally:
        loggers[0].removeHandler(handler)
        for logger, level, propagate in before:
            logger.setLevel(level)
            logger.propagate = propagate


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("kind", IN_URL)
@pytest.mark.parametrize("reason", FAILURES)
def test_no_text_has_it(reason: str, kind: str, password: str) -> None:
    """The URL has it, and no exception, trace or debug line of any library shows it."""
    secret = Secret(password)
    redactor = Redactor()
    redactor.watch([secret])
    timeout = HASTY if reason == "timeout" else PATIENT
    greeting = both(send(b"no TLS here"), hang_up()) if reason == "tls" else None
    script = FAILURES[reason]
    with Upstream(script, greeting=greeting) as upstream, logged(redactor) as log:  # type: ignore[arg-type]
        endpoint = ELSEWHERE.get(reason, upstream.url).format(port=upstream.port)
        target = Target("t", "cn-hangzhou", secret, db_instance_id="gp-1", endpoint=endpoint)
        api = ApiSettings(
            connect_timeout=timeout,
            request_timeout=timeout,
            max_response_bytes=4_096,
            proxy=Secret(upstream.url) if reason == "proxy" else None,
        )
        ref = target.job("job-1", "document", kind=kind)
        client = ApiClient(api, FixedCredentials(), connections=1, clock=Clock())
        with pytest.raises(QueryError) as caught:
            client.call(target, KINDS[kind], ref)
        client.close()
        error = caught.value
        logging.getLogger("exporter").warning(
            "job query failed",
            extra={"error": error, "request_id": error.request_id},
            exc_info=error,
        )

    assert error.reason == reason.partition(" ")[0]
    if reason not in ELSEWHERE:
        assert all("NamespacePassword=" in request.target for request in upstream.requests)
    trace = redactor("".join(traceback.format_exception(error)))
    texts = {"the log": log.getvalue(), "the trace": trace, "the record": repr(ref) + repr(target)}
    for where, text in texts.items():
        assert_absent([password] if len(password) > 6 else [f"={password}"], text, where)


def test_each_reason_of_a_call_is_tried() -> None:
    """What never has a URL is left out: a missing key, and a fault of ours."""
    tried = {reason.partition(" ")[0] for reason in FAILURES}

    assert set(REASONS) - tried == {"credentials", "internal"}
