"""For pipelines: hand a job over to the exporter, in one line.

    from exporter.pipeline import watched

    client = watched(client, url="http://adbpg-job-exporter:10077", target="rag-prod",
                     token_file="/run/secrets/nightly")

From then on each job that the official SDK's client starts is announced. ``announce`` and
``forget`` do it by hand. Nothing here raises, since no upload may fail for it: what went wrong is a
warning of the logger ``exporter.pipeline``, and False.

The module imports the standard library only, and nothing else of this package: copy the file where
the package is too much.
"""

import asyncio
import contextlib
import copy
import enum
import functools
import inspect
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

Client = TypeVar("Client")

STARTERS: Mapping[str, str] = {
    "upsert_collection_data_async": "upsert_collection_data",
    "upload_document_async": "upload_document",
    "create_index": "create_index",
    "enable_collection_graph_rag": "graph_rag",
    "upsert_chunks": "graph_rag",
}
"""The SDK's methods that start jobs, and the kinds of these jobs."""

# As the SDK spells them: enable_collection_graph_ragwith_options has no underscore.
_FORMS = ("", "_with_options", "with_options", "_advance")
_JOBS = "/api/v1/jobs"
_LARGEST_ANSWER = 64 << 10  # bytes
_LONGEST_MESSAGE = 500  # characters
_LONGEST_TIMEOUT = 3600  # seconds

logger = logging.getLogger("exporter.pipeline")


class Outcome(enum.Enum):
    """How a request to the exporter fared."""

    ACCEPTED = enum.auto()
    REFUSED = enum.auto()  # it would be refused again: there is a mistake in it
    AWAY = enum.auto()  # the exporter did not answer, or is too busy: it may work later


class Answer(NamedTuple):
    """What came of a request.

    Attributes:
        outcome: how it fared.
        message: why, in a line for people; empty where it was accepted. It never holds the token.
    """

    outcome: Outcome
    message: str = ""


def announce(  # noqa: PLR0913  a job has so many facts, and each is named in the call
    id: str,  # noqa: A002  as the API calls it
    *,
    url: str,
    target: str,
    collection: str,
    token: str | None = None,
    token_file: str | None = None,
    kind: str = "upsert_collection_data",
    expected_entries: int | None = None,
    deadline: str | None = None,
    labels: Mapping[str, str] | None = None,
    timeout: float = 5.0,
) -> bool:
    """Announce a job, so that the exporter watches it from its next scrape on.

    Announcing again is safe, and replaces what is given.

    Args:
        id: of the job, as the operation that started it returned it.
        url: of the exporter, with the path of its prefix if it has one.
        target: the job's target, by its name in the exporter's configuration.
        collection: that the job works on.
        token: one of the exporter's ``registration.tokens``.
        token_file: a file that holds the token; read at each call.
        kind: what the job does.
        expected_entries: how many entries an upload of vectors has.
        deadline: how long the job may take, such as ``45m``.
        labels: those that the exporter's ``job_labels`` names.
        timeout: seconds for all of it. An exporter that is busy is asked again meanwhile.

    Returns:
        whether the exporter took the job.
    """
    facts = {
        "target": target,
        "id": id,
        "collection": collection,
        "kind": kind,
        "expected_entries": expected_entries,
        "deadline": deadline,
        "labels": labels,
    }
    job = {name: value for name, value in facts.items() if value is not None}
    answer = submit(job, url=url, token=token, token_file=token_file, timeout=timeout)
    return _logged(answer, "job not announced", id, target)


def forget(
    id: str,  # noqa: A002  as the API calls it
    *,
    url: str,
    target: str,
    token: str | None = None,
    token_file: str | None = None,
    timeout: float = 5.0,
) -> bool:
    """Have a job watched no longer, also where it never was; the arguments are ``announce``'s.

    Returns:
        whether the exporter agreed.
    """
    answer = withdraw(id, target, url=url, token=token, token_file=token_file, timeout=timeout)
    return _logged(answer, "job not forgotten", id, target)


def submit(
    job: Mapping[str, object],
    *,
    url: str,
    token: str | None = None,
    token_file: str | None = None,
    timeout: float = 5.0,
) -> Answer:
    """Announce a job, and say what came of it.

    Args:
        job: the keys of an announcement, such as ``target`` and ``id``.
        url: of the exporter.
        token: as in ``announce``.
        token_file: as in ``announce``.
        timeout: seconds for all of it.
    """
    try:
        body = json.dumps(job, default=dict).encode()  # the labels are any mapping
    except (TypeError, ValueError) as error:
        return Answer(Outcome.REFUSED, f"not JSON: {error}")
    return _send(_Call("POST", url, _JOBS, body), token, token_file, timeout)


def withdraw(
    job_id: str,
    target: str,
    *,
    url: str,
    token: str | None = None,
    token_file: str | None = None,
    timeout: float = 5.0,
) -> Answer:
    """Have a job watched no longer, and say what came of it; the arguments are ``submit``'s."""
    path = f"{_JOBS}/{quote(str(target), safe='')}/{quote(str(job_id), safe='')}"
    return _send(_Call("DELETE", url, path), token, token_file, timeout)


def watched(
    client: Client,
    *,
    url: str,
    target: str,
    token: str | None = None,
    token_file: str | None = None,
    timeout: float = 5.0,
) -> Client:
    """Return a copy of an official SDK's client that announces each job that it starts.

    What the copy's methods return and raise is the client's own, announced or not. Methods that
    start no job are the client's.

    Args:
        client: of ``alibabacloud_gpdb20160503``; the jobs that it starts are of one target.
        url: as in ``announce``; so are the others.
        target: of these jobs.
        token: of the exporter.
        token_file: a file that holds it.
        timeout: seconds that an announcement may hold up a call.
    """

    def hand_over(
        kind: str, arguments: tuple[Any, ...], named: dict[str, Any], answer: Any
    ) -> None:
        with _nothing_raised():
            job_id = getattr(getattr(answer, "body", None), "job_id", None)
            if not job_id:  # UpsertChunks starts a job only where the collection has a graph
                return
            request = arguments[0] if arguments else next(iter(named.values()))
            announce(
                job_id,
                url=url,
                target=target,
                collection=request.collection,
                token=token,
                token_file=token_file,
                kind=kind,
                timeout=timeout,
            )

    # The wrapped methods are bound to the client: one that calls another announces once.
    copied = copy.copy(client)
    for name, kind in STARTERS.items():
        for method in (f"{name}{form}{ending}" for form in _FORMS for ending in ("", "_async")):
            original = getattr(client, method, None)
            if original is not None:
                setattr(copied, method, _announcing(original, functools.partial(hand_over, kind)))
    return copied


def _announcing(
    original: Callable[..., Any],
    hand_over: Callable[[tuple[Any, ...], dict[str, Any], Any], None],
) -> Callable[..., Any]:
    """Return a method that hands over what the original one returns."""

    @functools.wraps(original)
    def plain(*arguments: Any, **named: Any) -> Any:
        answer = original(*arguments, **named)
        hand_over(arguments, named, answer)
        return answer

    @functools.wraps(original)
    async def asynchronous(*arguments: Any, **named: Any) -> Any:
        answer = await original(*arguments, **named)
        await asyncio.to_thread(hand_over, arguments, named, answer)
        return answer

    return asynchronous if inspect.iscoroutinefunction(original) else plain


@contextlib.contextmanager
def _nothing_raised() -> Iterator[None]:
    """Log what is wrong with this module, in place of failing an upload that worked."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is
        logger.warning("job not announced: %s", type(error).__name__)


def _logged(answer: Answer, what: str, job_id: str, target: str) -> bool:
    if answer.outcome is not Outcome.ACCEPTED:
        logger.warning("%s: %s of target %s: %s", what, job_id, target, answer.message)
    return answer.outcome is Outcome.ACCEPTED


class _Call(NamedTuple):
    """A request: its method, the exporter's URL, the path below it, and the body."""

    method: str
    url: str
    path: str
    body: bytes | None = None


def _send(call: _Call, token: str | None, token_file: str | None, timeout: float) -> Answer:
    """Send a request, again while the exporter is busy, and wait no longer than the timeout.

    A thread sends it: nothing else bounds a name that does not resolve, or an answer that trickles.
    """
    value = _token(token, token_file)
    if isinstance(value, Answer):
        return value
    try:
        deadline = time.monotonic() + timeout
        is_usable = 0 < timeout <= _LONGEST_TIMEOUT
    except TypeError:
        is_usable = False
    if not is_usable:
        message = f"expected a timeout of at most {_LONGEST_TIMEOUT} seconds, got {timeout!r}"
        return Answer(Outcome.REFUSED, message)
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def work() -> None:
        while True:
            answer, pause = _attempt(call, value, timeout)
            if pause is None or time.monotonic() + pause >= deadline:
                answers.put(answer)
                return
            time.sleep(pause)

    try:
        threading.Thread(target=work, name="announcement", daemon=True).start()
        return answers.get(timeout=timeout)
    except queue.Empty:
        return Answer(Outcome.AWAY, f"the exporter at {_shown(call.url)} has not answered in time")
    except RuntimeError:
        return Answer(Outcome.AWAY, "no thread can be started")


def _token(token: str | None, token_file: str | None) -> str | Answer:
    if (token is None) == (token_file is None):
        return Answer(Outcome.REFUSED, "expected either a token or the file of a token")
    try:
        value = token if token_file is None else Path(token_file).read_text("utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "expected UTF-8 text"
        return Answer(Outcome.REFUSED, f"the token file {token_file} cannot be read: {why}")
    value = str(value).strip()
    if not value or not value.isascii() or not value.isprintable():
        return Answer(Outcome.REFUSED, "expected a token of printable ASCII characters")
    return value


def _attempt(call: _Call, token: str, timeout: float) -> tuple[Answer, float | None]:
    """Send a request once; return the answer, and seconds to wait where it may be sent again.

    ``http.client`` and no more: a redirect must not carry the token elsewhere, and the proxy of the
    environment is for other hosts.
    """
    shown = _shown(call.url)
    try:
        parts = urlsplit(call.url)
        connect = {"http": HTTPConnection, "https": HTTPSConnection}[parts.scheme]
        connection = connect(parts.hostname or "", parts.port, timeout=timeout)
    except (KeyError, TypeError, ValueError, AttributeError, HTTPException):
        message = f"expected the URL of an exporter, such as http://HOST:10077, got {shown!r}"
        return Answer(Outcome.REFUSED, message), None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        path = quote(parts.path.rstrip("/"), safe="/%") + call.path
        connection.request(call.method, path, call.body, headers)
        response = connection.getresponse()
        text = response.read(_LARGEST_ANSWER).decode("utf-8", "replace")
    except TimeoutError:
        return Answer(Outcome.AWAY, f"the exporter at {shown} has not answered in time"), None
    except (OSError, HTTPException, UnicodeError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Answer(Outcome.AWAY, f"the exporter at {shown} cannot be reached: {why}"), None
    finally:
        connection.close()
    status = response.status
    if 200 <= status < 300:
        return Answer(Outcome.ACCEPTED), None
    message = f"the exporter at {shown} answered {status}: {_reason(status, text)}"
    if status in (429, 503):
        given = response.headers.get("Retry-After", "")
        return Answer(Outcome.AWAY, message), float(given) if given.isdecimal() else 1.0
    return Answer(Outcome.AWAY if status >= 500 else Outcome.REFUSED, message), None


def _reason(status: int, text: str) -> str:
    """Return what an answer says: every mistake and its place, or its text."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = "; ".join(
            f"{each['path']}: {each['message']}" for each in json.loads(text)["errors"]
        )
    if status == 404:
        text = "announcing is off there (registration.tokens), or this is no exporter"
    elif 300 <= status < 400:
        text = "this is no exporter, or its URL is another one"
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line[:_LONGEST_MESSAGE]


def _shown(url: object) -> str:
    """Return a URL without the password that it may hold."""
    text = str(url)
    scheme, mark, rest = text.partition("://")
    place = rest if mark else text
    return f"{scheme}{mark}{place.rpartition('@')[2]}" if mark else place.rpartition("@")[2]
