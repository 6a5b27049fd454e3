"""Writes the generated files of docs/ again: ``make docs``. A test holds that they are current."""

import os
from collections.abc import Iterable
from pathlib import Path

from exporter.advice import ADVICE
from exporter.cli.main import COMMANDS, make_parser
from exporter.config.reference import markdown
from exporter.config.schema import job_file_schema, json_schema
from exporter.errors import REASONS
from exporter.gpdb.kinds import KINDS
from exporter.metrics import (
    COLLECTION_LABELS,
    COUNTED_FAMILIES,
    FAMILIES,
    HISTORY_FAMILIES,
    JOB_LABELS,
    SCRAPE_FAMILIES,
    CountedFamily,
    HistoryFamily,
    JobFamily,
    ScrapeFamily,
)

DOCS = Path(__file__).parent

METRICS = """\
# Metrics

Generated from the metric table in `exporter/metrics/` by `make docs`.

## Principles

- **Absent beats zero.** What is not known has no series. A value is never invented, so an alert
  can trust each one that is there.
- **Each fact stays its own metric.** The API's own documentation shows a job that is `Success`,
  not completed, with an error. Nothing is derived from anything else; contradictions are flagged.
- **One `now`.** All samples of a scrape are taken at one moment. There are no sample timestamps.
- **Base units.** Seconds, entries, Unix time. What is counted since the start ends in `_total`.
- **No label that the API can choose.** Error texts and messages go to the log and to the page
  for people, escaped and cut; of an error text only its class, of a closed set, is a label.
- **Labels that Prometheus sets itself** (`job`, `instance`, `namespace`) are never used, so nothing
  is renamed to `exported_job`.
- **Stable.** Names and labels change only on purpose, with a line in CHANGELOG.md.

## When a job's state is shown

A state is shown while the last answer is younger than `scrape.max_age`, and for ever once the job
is final: `Success`, `Failed` or `Cancelled`. After a failed query `adbpg_job_up` is 0 and the
rest ages out. When the API says that it does not know the job, its state ends at once. Where it
does not know the collection, the namespace or the instance, and where something on the way answers
in its place, the state ages out like after any failure.

A final job is not queried again. Take it out of the configuration, or out of its job file,
when nobody needs to see it any more.

## Jobs that wait

A job that is `Pending` waits in the API's own queue: of documents the vendor allows an account 20
that are Pending or Running. Its own time begins when it leaves `Pending`, if the exporter observed
that.

Uploads of vectors to one collection run one after the other, so a job can wait for hours in good
health. Its own time begins when its collection is free. `adbpg_job_waiting`, the page for people
and the alerts go by one rule, among the jobs under way of one collection:

- **A job that has uploaded something does not wait**, whatever the others do. That uploads run one
  after the other is the vendor's word, and nothing proves it.
- **All others wait behind it.** Where none has uploaded anything, a Running job is in front, then
  one in Cancelling, and of equals the one with the earliest CreateTime; one without a CreateTime
  comes last.
- **Where it cannot be known, nothing is said**: the metric is absent. A job whose state is not
  known may be in front: its queries fail, it was not queried yet, or its status is not a documented
  one. A job that the API does not know (`not_found`) is not in front. A Running job whose progress
  is not known may have uploaded something.
- **Where shards share a collection**, each shard knows its own jobs only. It says 1 of a job behind
  one of its own; of a job in front that has uploaded nothing it says nothing. The alert rules
  have the jobs of all shards, and apply the rule to them. The same holds for jobs over
  `scrape.max_jobs`.

While a job waits, or may wait, it has no `adbpg_job_turn_timestamp_seconds`, no
`adbpg_job_deadline_timestamp_seconds` and no `adbpg_job_progress_changed_timestamp_seconds`: it is
neither late nor stalled. All three count from when it was last observed to wait, by the exporter's
clock. A restarted exporter has not observed that. It goes by the UpdateTime of the job before it,
where that job is still watched, and else by CreateTime; the alert rules remember the later time.
Name all jobs of a collection in one exporter,
or in the shards of one: an exporter cannot know of jobs that only another one has.

"""


def _row(name: str, kind: str, labels: Iterable[str], help_text: str, notes: str) -> str:
    shown = ", ".join(f"`{label}`" for label in labels)
    meaning = f"{help_text} {notes}".strip().replace("|", "\\|")
    return f"| `{name}` | {kind} | {shown} | {meaning} |\n"


def _table(
    families: Iterable[JobFamily | ScrapeFamily | CountedFamily | HistoryFamily],
) -> str:
    lines = ["| metric | type | labels | meaning |\n", "|---|---|---|---|\n"]
    for family in families:
        kind = family.type if isinstance(family, CountedFamily | HistoryFamily) else "gauge"
        lines.append(_row(family.name, kind, family.labels, family.help, family.notes))
    return "".join(lines)


def metrics_page() -> str:
    """Return docs/metrics.md."""
    identity = ", ".join(f"`{label}`" for label in JOB_LABELS)
    return (
        METRICS
        + "## Of each job\n\n"
        + f"All have the labels {identity}; the last two may be empty. "
        + "The table names those that come on top.\n\n"
        + _table(FAMILIES)
        + "\n## Of collections\n\n"
        + "What remains when the series of jobs have gone. All have the labels "
        + ", ".join(f"`{label}`" for label in COLLECTION_LABELS)
        + ", and those that the table names on top. They are there from 0 on as soon as a job of "
        + "that collection and kind is known, or `freshness` names it. [What a restart "
        + "keeps](announcing.md#the-store) depends on `registry.store`.\n\n"
        + _table(HISTORY_FAMILIES)
        + "\n## Of the exporter\n\n"
        + _table((*SCRAPE_FAMILIES, *COUNTED_FAMILIES))
        + "\nBeside these there are prometheus_client's `process_*`, `python_info` and "
        + "`python_gc_*`.\n"
    )


COMMANDS_HEAD = """\
# Commands

Generated from the command line's own help by `make docs`.

    adbpg-job-exporter [COMMAND] [FLAGS]

No command means `serve`. Exit codes: 0 stopped by a signal, or done; 1 the configuration or the
start failed, with one line for each problem on standard error; 2 wrong usage. Those of `wait` and
`announce` are in [pipelines.md](pipelines.md). A command that ends by itself and is stopped by a
signal has done nothing more, and the exit code is 128 and the signal's number (130 for Ctrl-C);
`check-config --live` first prints what it knows, and ends with 1.

SIGTERM and SIGINT stop: scrapes under way are answered, for up to ten seconds, and `/-/ready`
answers 503 meanwhile. A second signal stops at once. SIGHUP reloads the configuration; it never
ends `serve`, `demo` or `simulate`. All that holds from the start on: before the exporter listens,
SIGTERM and SIGINT end it at once.
"""


def commands_page() -> str:
    """Return docs/commands.md."""
    os.environ["COLUMNS"] = "96"  # argparse wraps at the terminal's width
    subparsers = make_parser()
    parts = [COMMANDS_HEAD]
    for name in COMMANDS:
        text = subparsers[name].format_help()
        parts.append(f"\n## {name}\n\n```\n{text}```\n")
    return "".join(parts)


_END = "<!-- end -->\n"


def _with_table(page: str, source: str, lines: Iterable[str]) -> str:
    """Return a page by hand with its one table that is made from a file of the package."""
    begin = f"<!-- made by `make docs` from {source}: begin -->\n"
    before, rest = (DOCS / page).read_text("utf-8").split(begin)
    return before + begin + "".join(lines) + _END + rest.split(_END)[1]


def credentials_page() -> str:
    """Return docs/credentials.md with its table of RAM actions written again."""
    lines = ["| kind of job | RAM action | access level | resource |\n", "|---|---|---|---|\n"]
    for kind in KINDS.values():
        resource = kind.ram_resource.format(region_id="REGION", instance="INSTANCE")
        cells = (kind.name, kind.ram_action, kind.ram_level, resource)
        lines.append("".join(f"| `{cell}` " for cell in cells) + "|\n")
    return _with_table("credentials.md", "exporter/gpdb/kinds.py", lines)


def runbook_page() -> str:
    """Return docs/runbook.md with its table of reasons written again."""
    lines = ["| reason | it means | do this | it concerns |\n", "|---|---|---|---|\n"]
    for reason in REASONS:
        what, remedy = ADVICE[reason].in_general()
        lines.append(f"| `{reason}` | {what} | {remedy} | {ADVICE[reason].scope.value} |\n")
    return _with_table("runbook.md", "exporter/advice.py", lines)


def pages() -> dict[str, str]:
    """Return the text of each generated file by its name in docs/."""
    return {
        "metrics.md": metrics_page(),
        "configuration.md": markdown(),
        "commands.md": commands_page(),
        "credentials.md": credentials_page(),
        "runbook.md": runbook_page(),
        "config.schema.json": json_schema(),
        "jobs.schema.json": job_file_schema(),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, "utf-8")
