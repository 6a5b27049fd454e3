"""The commands ``check-config`` and ``query``: look, and start nothing."""

import argparse
import logging
import sys
from collections.abc import Iterable, Mapping

from exporter.advice import ADVICE
from exporter.cli.live import check_live
from exporter.cli.loading import doubts_about_key, load_both, load_config
from exporter.cli.printing import count, plain
from exporter.clock import Clock
from exporter.config import Config
from exporter.errors import ConfigurationError, Problem, QueryError
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS
from exporter.jobs import JobFiles
from exporter.model import JobRef, JobState, Target, Unit
from exporter.polling.query import query_job
from exporter.polling.record import Record
from exporter.reports import failure_as_json, state_as_json
from exporter.web.security import WebConfig
from exporter.web.wording import duration, utc
from exporter.wiring import build_client, registry_of

_PATIENCE = 30.0  # seconds that a check waits for the job files
_QUERY_PATIENCE = 2.0  # seconds that a query does


def check_config(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Load the configuration with its job files, and the web configuration; print every problem.

    With ``--live``, query all of it, too.

    Raises:
        ConfigurationError: there are problems.
    """
    if options.output == "json" and not options.live:
        program = "adbpg-job-exporter check-config"
        print(f"{program}: --output=json goes with --live. Try: {program} --help", file=sys.stderr)
        return 2
    loaded, web = load_both(
        lambda: load_config(options.config_file, environ), options.web_config_file
    )
    web_config = web.current() if web else WebConfig()
    # With --live, what the key is worth is one of the findings.
    doubts = () if options.live else doubts_about_key(loaded, environ)
    for warning in (*loaded.warnings, *doubts, *web_config.warnings):
        print(f"warning: {warning}", file=sys.stderr)
    files = JobFiles(loaded)
    registry = registry_of(loaded, files)
    # What it would log of files is printed here.
    logging.getLogger("exporter.jobs").setLevel(logging.CRITICAL)
    if not registry.refresh(_PATIENCE):
        message = f"not all job files have answered within {_PATIENCE:.0f}s: does a mount hang?"
        raise ConfigurationError([Problem(options.config_file, 0, 0, "job_files", message)])
    watched = registry.current(_nobody_knows)
    for warning in registry.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    if problems := registry.problems():
        raise ConfigurationError(problems)
    if options.output == "text":
        targets, jobs = len(loaded.targets), len(watched.jobs)
        print(f"{options.config_file}: good: {count(targets, 'target')}, {count(jobs, 'job')}")
        if watched.dropped:
            most = loaded.scrape.max_jobs
            print(
                f"warning: {count(watched.dropped, 'job')} over scrape.max_jobs, which is {most}, "
                "would not be watched",
                file=sys.stderr,
            )
        if web:
            tls = "TLS" if web_config.tls else "no TLS"
            print(f"{options.web_config_file}: good: {tls}, {count(len(web_config.users), 'user')}")
    return check_live(options, loaded, registry, files, environ) if options.live else 0


def query(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Query one job and print the answer.

    Raises:
        ConfigurationError: the configuration cannot be used, or has no such target.
    """
    loaded = load_config(options.config_file, environ)
    target = target_of(loaded, options.target, options.config_file)
    kind = options.kind
    if kind is None:
        known = watched_ref(loaded, target, options.job_id)
        kind = known.kind if known else DEFAULT_KIND
    ref = target.job(options.job_id, options.collection, kind=kind)
    if refused := KINDS[kind].refusal(ref):
        print(f"adbpg-job-exporter query: {refused[1]}", file=sys.stderr)
        return 2
    client = build_client(loaded, environ=environ, clock=Clock(), redactor=options.redactor)
    try:
        _, state = query_job(client, Record(ref, target))
    except QueryError as error:
        if options.output == "json":
            text = failure_as_json(ref, error.reason, str(error), error.request_id)
            print(options.redactor(text))
        named = f" (RequestId {error.request_id})" if error.request_id else ""
        _, remedy = ADVICE[error.reason].in_general(KINDS[kind])
        text = f"no answer about job {ref.job_id}: {error.reason}: {error}{named}. {remedy}"
        print(plain(options.redactor(text)), file=sys.stderr)
        return 1
    finally:
        client.close()
    text = (
        state_as_json(ref, state)
        if options.output == "json"
        else _as_table(ref, state, Clock().wall())
    )
    print(options.redactor(text))  # the API may repeat a secret of the request
    return 0


def watched_ref(loaded: Config, target: Target, job_id: str) -> JobRef | None:
    """Return a job as the configuration or a job file names it; None for others.

    Job files are looked for only where the configuration does not name the job, and not for long:
    a file that hangs must not hold up a query about another job.
    """
    logging.getLogger("exporter.jobs").setLevel(logging.CRITICAL)  # the query is the point
    found = _named(loaded.jobs, target, job_id)
    if found is None and loaded.job_files:
        registry = registry_of(loaded, JobFiles(loaded))
        registry.refresh(_QUERY_PATIENCE)
        found = _named(registry.current(_nobody_knows).jobs, target, job_id)
    return found


def _nobody_knows(_identity: tuple[str, ...], _target: Target) -> float | None:
    """Return when a job ended, for the registry: nothing has been queried."""
    return None


def _named(jobs: Iterable[JobRef], target: Target, job_id: str) -> JobRef | None:
    return next((ref for ref in jobs if (ref.target, ref.job_id) == (target.name, job_id)), None)


def target_of(loaded: Config, name: str, file: str) -> Target:
    """Return the target of a name.

    Raises:
        ConfigurationError: there is none; with those that there are.
    """
    targets = {target.name: target for target in loaded.targets}
    if name not in targets:
        message = f"there is no target {name!r}; there is: {', '.join(sorted(targets))}"
        raise ConfigurationError([Problem(file, 0, 0, "targets", message)])
    return targets[name]


def _as_table(ref: JobRef, state: JobState, now: float) -> str:
    unit = "%" if KINDS[ref.kind].unit is Unit.PERCENT else " entries"
    rows = {
        "Job": ref.job_id,
        "Kind": ref.kind,
        "Collection": ref.collection,
        "Namespace": ref.collection_namespace,
        "Instance": ref.db_instance_id or ref.workspace_id,
        "Status": state.status_text or "(none)",
        "Completed": _shown(state.completed),
        "Progress": "(unknown)" if state.progress is None else f"{state.progress:,}{unit}",
        "Created": _time(state.created, now),
        "Updated": _time(state.updated, now),
        "Error": state.error_text or "(none)",
        "RequestId": state.request_id or "(none)",
    }
    if state.error_code:
        rows["ErrorCode"] = state.error_code
    rows |= {
        name: f"{tokens:,} tokens"
        for name, tokens in (
            ("Embedded", state.usage.embedding_tokens),
            ("LLM read", state.usage.llm_input_tokens),
            ("LLM written", state.usage.llm_output_tokens),
        )
        if tokens is not None
    }
    if state.error_class:
        rows["About"] = state.error_class.value
    if state.inconsistent:
        rows["Note"] = "Status, Completed and Error contradict each other; shown as they came"
    if state.invalid_fields:
        rows["Unreadable"] = ", ".join(state.invalid_fields)
    return "\n".join(f"{name:<11} {plain(value)}" for name, value in rows.items())


def _shown(value: bool | None) -> str:  # noqa: FBT001  it is the value that is shown
    return "(unknown)" if value is None else str(value).lower()


def _time(seconds: float | None, now: float) -> str:
    texts = None if seconds is None else utc(seconds)
    if seconds is None or texts is None:
        return "(unknown)"
    distance = duration(now - seconds)
    return f"{texts[1]}, {distance} ago" if seconds <= now else f"{texts[1]}, in {distance}"
