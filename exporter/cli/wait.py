"""The command ``wait``: query one job until it has ended, and end with its outcome."""

import argparse
import os
import random
import sys
import time
from collections.abc import Mapping
from contextlib import closing

from tqdm import tqdm

from exporter.advice import ADVICE
from exporter.cli.inspect import target_of, watched_ref
from exporter.cli.loading import load_config
from exporter.cli.printing import plain
from exporter.clock import Clock
from exporter.errors import QueryError
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS
from exporter.model import JobRef, JobState, Unit
from exporter.polling.budget import HostLimit
from exporter.polling.query import Client, query_job
from exporter.polling.record import Record
from exporter.redaction import Redactor
from exporter.waiting import INTERVAL, Outcome, Wait
from exporter.web.wording import count, duration
from exporter.wiring import build_client

_COLUMNS = 80
_BETWEEN_LINES = 60.0  # seconds, where the progress is no bar


def wait(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Wait until a job has ended, and return its outcome as the exit code.

    Raises:
        ConfigurationError: the configuration cannot be used, or has no such target.
    """
    loaded = load_config(options.config_file, environ)
    target = target_of(loaded, options.target, options.config_file)
    known = watched_ref(loaded, target, options.job_id)
    if known is None or options.kind not in (None, known.kind):
        kind = options.kind or DEFAULT_KIND
        known = target.job(options.job_id, options.collection, kind=kind)
    if refused := KINDS[known.kind].refusal(known):
        print(f"adbpg-job-exporter wait: {refused[1]}", file=sys.stderr)
        return 2
    clock = Clock()
    client = build_client(loaded, environ=environ, clock=clock, redactor=options.redactor)
    waiting = Wait(known, loaded.deadline, clock.wall(), options.timeout)
    limit = HostLimit(loaded.api.calls_per_second)
    try:
        with closing(_display(known, options.redactor)) as display:
            outcome = _until_the_end(waiting, client, Record(known, target), limit, display)
    finally:
        client.close()
    text = plain(options.redactor(_summary(waiting, outcome, clock.wall())))
    print(text, file=sys.stderr if outcome else sys.stdout)
    return outcome


def _until_the_end(
    waiting: Wait, client: Client, record: Record, limit: HostLimit, display: "_Display"
) -> Outcome:
    """Query the job until the wait is over."""
    outcome: Outcome | None = None
    while outcome is None:
        began = time.monotonic()
        limit.started(began)
        failure: QueryError | None = None
        try:
            _, state = query_job(client, record)
            outcome = waiting.answer(state, time.time())
            display.show(state)
        except QueryError as error:
            failure = error
            outcome = waiting.fail(error, time.time())
            display.complain(error)
        now = time.monotonic()
        limit.ended(began, now, failure, random.random)
        if outcome is None:
            pause = max(began + INTERVAL - now, limit.wait(now) or 0.0)
            time.sleep(max(min(pause, waiting.end - time.time()), 0.0))
    return outcome


def _summary(waiting: Wait, outcome: Outcome, now: float) -> str:
    """Return how the wait ended, in a line."""
    ref, state, error = waiting.ref, waiting.state, waiting.error
    job = f"job {ref.job_id} of {ref.collection}"
    waited = duration(now - waiting.began)
    if outcome is Outcome.UNKNOWN or state is None:
        named = f" (RequestId {error.request_id})" if error and error.request_id else ""
        reason = f"{error.reason}: {error}{named}" if error else "there was no answer"
        advice = f" {ADVICE[error.reason].in_general(KINDS[ref.kind])[1]}" if error else ""
        return f"{job}: outcome unknown after {waited}: {reason}.{advice}"
    done = _progress(ref, state)
    if outcome is Outcome.UNFINISHED:
        why = "the timeout" if waiting.timeout is not None else "its planned end"
        return f"{job}: still {state.status_text} after {why}{done}; waited {waited}"
    text = f"{job}: {state.status}{done}; waited {waited}"
    if outcome is Outcome.SUCCESS:
        return text
    code = f"{state.error_code}: " if state.error_code else ""
    named = f" (RequestId {state.request_id})" if state.request_id else ""
    return f"{text}. {code}{state.error_text or 'The API gives no reason.'}{named}"


def _progress(ref: JobRef, state: JobState) -> str:
    if state.progress is None:
        return ""
    if KINDS[ref.kind].unit is Unit.PERCENT:
        return f", {state.progress}%"
    return f", {count(state.progress)} entries"


class _Display:
    """Shows on standard error how a job goes: a line now and then, with no control characters."""

    def __init__(self, ref: JobRef, redactor: Redactor) -> None:
        self._ref = ref
        self._redactor = redactor
        self._status = ""
        self._reason = ""
        self._next_line = 0.0

    def close(self) -> None:
        """Show nothing more."""

    def show(self, state: JobState) -> None:
        """Show a good answer."""
        self._reason = ""
        if state.status.is_final:
            return
        now = time.monotonic()
        if state.status_text != self._status or now >= self._next_line:
            self._status, self._next_line = state.status_text, now + _BETWEEN_LINES
            self.write(f"{state.status_text or 'no status'}{_progress(self._ref, state)}")

    def complain(self, error: QueryError) -> None:
        """Show why there is no answer, once for each reason in a row."""
        if error.reason != self._reason:
            self._reason = error.reason
            self.write(f"no answer: {error.reason}: {error}; trying again")

    def write(self, text: str) -> None:
        """Print a line."""
        print(plain(self._redactor(text)), file=sys.stderr, flush=True)


class _Bar(_Display):
    """Shows a bar with the rate and the time left; what else is to be said stands above it."""

    def __init__(self, ref: JobRef, redactor: Redactor) -> None:
        super().__init__(ref, redactor)
        tqdm.monitor_interval = 0  # no thread: the bar is drawn at each answer
        is_percent = KINDS[ref.kind].unit is Unit.PERCENT
        # Some terminals do not say how wide they are.
        has_width = os.get_terminal_size(sys.stderr.fileno()).columns > 0
        self._bar = tqdm(
            desc=plain(ref.collection)[:30],
            total=100 if is_percent else ref.expected_entries,
            unit="%" if is_percent else " entries",
            unit_scale=not is_percent,
            file=sys.stderr,
            dynamic_ncols=has_width,
            ncols=None if has_width else _COLUMNS,
        )
        self._has_begun = False

    def close(self) -> None:
        """Leave the bar as it stands, and begin a new line."""
        self._bar.close()

    def show(self, state: JobState) -> None:
        """Show a good answer."""
        self._reason = ""
        self._bar.set_postfix_str(plain(state.status_text)[:20], refresh=False)
        if state.progress is not None:
            if not self._has_begun:  # what was there before is no part of the rate
                self._bar.initial = state.progress
                self._has_begun = True
            self._bar.n = state.progress
        self._bar.refresh()

    def write(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(plain(self._redactor(text)), file=sys.stderr)


def _display(ref: JobRef, redactor: Redactor) -> _Display:
    return _Bar(ref, redactor) if sys.stderr.isatty() else _Display(ref, redactor)
