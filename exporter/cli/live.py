"""``check-config --live``: queries everything once, and says what to change."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from exporter.check.findings import Examiner, Finding
from exporter.check.live_check import LiveCheck, Results
from exporter.cli.printing import count, plain
from exporter.clock import Clock
from exporter.config import Config
from exporter.config.located import Located
from exporter.jobs import JobFiles, Registry
from exporter.model import JobState
from exporter.redaction import Redactor
from exporter.signals import Signals
from exporter.wiring import build_client, poll_settings

_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_PROGRESS_AFTER = 1.0  # seconds; who waits shorter needs none
_PROGRESS_EVERY = 0.2  # seconds


def check_live(
    options: argparse.Namespace,
    config: Config,
    registry: Registry,
    files: JobFiles,
    environ: Mapping[str, str],
) -> int:
    """Query the API, print a line for each finding and one for all, and return the exit code.

    Args:
        options: the command's.
        config: without problems.
        registry: of its jobs.
        files: its job files.
        environ: where access keys may be.
    """
    clock, redactor = Clock(), options.redactor
    client = build_client(config, environ=environ, clock=clock, redactor=redactor)
    progress = _Progress(len(registry.latest.jobs))
    try:
        settings = poll_settings(config, registry, client)
        live = LiveCheck(settings, clock=clock, progress=progress)
        _cut_by_signal(live, options.signals)
        results = live.run(options.live_timeout)
    finally:
        client.close()
        progress.end()
    examiner = Examiner(
        config,
        Located(options.config_file, config, files.lists()),
        results,
        is_proxied=any(environ.get(name) for name in _PROXY_VARIABLES),
        redact=redactor,
    )
    found = examiner.findings()
    show = _print_json if options.output == "json" else _print_lines
    show(options.config_file, results, found, redactor)
    return 1 if any(finding.is_fault for finding in found) else 0


def _cut_by_signal(live: LiveCheck, signals: Signals) -> None:
    """Let the first signal to stop end the check, not the command: what was answered is printed."""

    def wait() -> None:
        signals.next()
        signals.give_back()
        live.cut()

    signals.take()
    threading.Thread(target=wait, daemon=True).start()


def _print_lines(file: str, results: Results, found: Sequence[Finding], redact: Redactor) -> None:
    for finding in found:
        mark = "" if finding.is_fault else "note: "
        print(plain(redact(f"{mark}{finding.problem}")), file=sys.stderr)
    faults = sum(finding.is_fault for finding in found)
    verdict = count(faults, "finding") if faults else "good"
    jobs = count(len(results.jobs), "job")
    print(f"{file}: live: {verdict}: {_answered(results)} of {jobs} answered")


def _print_json(file: str, results: Results, found: Sequence[Finding], redact: Redactor) -> None:
    document = {
        "file": file,
        "good": not any(finding.is_fault for finding in found),
        "jobs": len(results.jobs),
        "answered": _answered(results),
        "findings": [_as_object(finding, redact) for finding in found],
    }
    print(json.dumps(document, indent=2))


def _as_object(finding: Finding, redact: Redactor) -> dict[str, object]:
    problem = finding.problem
    return {
        "severity": "fault" if finding.is_fault else "note",
        "reason": finding.reason,
        "targets": list(finding.targets),
        "job_ids": list(finding.job_ids),
        "file": problem.file,
        "line": problem.line or None,
        "column": problem.column or None,
        "path": problem.path,
        "message": plain(redact(problem.message)),
    }


def _answered(results: Results) -> int:
    return sum(isinstance(results.outcomes.get(job.identity), JobState) for job in results.jobs)


class _Progress:
    """Shows a person at a terminal how far it is, where it takes long."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._next = clock() + _PROGRESS_AFTER if sys.stderr.isatty() else float("inf")
        self._is_shown = False

    def __call__(self, done: int) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + _PROGRESS_EVERY
            self._is_shown = True
            text = f"\r{done} of {count(self._total, 'job')} queried"
            print(text, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the line away."""
        self._next = float("inf")
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
