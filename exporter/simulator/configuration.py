"""The configuration with which an exporter watches a scenario's jobs. Pure.

A scenario so tests the exporter with its own configuration, and a person can start from a file that
works.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from exporter.simulator.operations import DEFAULT_KIND
from exporter.simulator.scenario import Job, Namespace, Scenario, Source

_KEEP = 3600.0  # seconds that a job stays in the job file after it began


def export_lines(scenario: Scenario) -> str:
    """Return shell lines that set the scenario's first access key."""
    key = scenario.access_keys[0]
    lines = [
        f"export ALIBABA_CLOUD_ACCESS_KEY_ID={shlex.quote(key.id)}",
        f"export ALIBABA_CLOUD_ACCESS_KEY_SECRET={shlex.quote(key.secret.reveal())}",
    ]
    if key.security_token:
        token = shlex.quote(key.security_token.reveal())
        lines.append(f"export ALIBABA_CLOUD_SECURITY_TOKEN={token}")
    return "\n".join(lines) + "\n"


def told_passwords(scenario: Scenario) -> dict[str, str]:
    """Return each namespace's password by target name, wrong where the scenario wants it so."""
    return {
        namespace.name: (namespace.told_password or namespace.password).reveal()
        for namespace in scenario.namespaces
    }


def exporter_configuration(
    scenario: Scenario,
    url: str,
    *,
    job_files: Sequence[str] = (),
    passwords_in: str = "",
    access_key_in: str = "",
    most_jobs: int | None = None,
) -> str:
    """Return an exporter's configuration that watches the scenario's jobs, as YAML.

    Args:
        scenario: whose namespaces become targets, and whose jobs of source ``config`` are watched.
        url: of the simulator.
        job_files: where the other jobs are to be read from.
        passwords_in: a directory with one file for each target, named like it, that holds its
            password; empty to write the passwords into the configuration.
        access_key_in: a directory with the files ``access-key-id`` and ``access-key-secret``;
            empty to leave the key to the environment.
        most_jobs: of one target; None for all.
    """
    lines = _label_lines(scenario)
    if access_key_in:
        lines += ["credentials:", "  provider: files"]
        for name in ("id", "secret"):
            path = _config_value(f"{access_key_in}/access-key-{name}")
            lines.append(f"  access_key_{name}_file: {path}")
    lines.append("targets:")
    for namespace in scenario.namespaces:
        lines += _target_lines(scenario, namespace, url, passwords_in)
        jobs = _configured(scenario, namespace)
        if jobs:
            lines.append("    jobs:")
        for job in jobs[:most_jobs]:
            lines += _job_lines(job, "      ")
        if jobs[most_jobs:] and most_jobs is not None:
            lines.append(f"      # and {len(jobs) - most_jobs} more")
    if job_files:
        lines.append(f"job_files: [{', '.join(map(_config_value, job_files))}]")
    return "\n".join(lines) + "\n"


def announcing_configuration(targets: Sequence[str], token_file: str, store: str) -> str:
    """Return the sections with which an exporter takes announced jobs, as YAML.

    Args:
        targets: of which jobs may be announced.
        token_file: holds the token of who announces them.
        store: the file of SQLite that keeps them.
    """
    names = ", ".join(map(_config_value, targets))
    return (
        "registration:\n  tokens:\n    - name: demo\n"
        f"      token_file: {_config_value(token_file)}\n      targets: [{names}]\n"
        f"registry:\n  store: sqlite\n  path: {_config_value(store)}\n"
    )


def exporter_job_file(scenario: Scenario, seconds: float) -> str:
    """Return a job file with the jobs of source ``file`` that began in the last hour.

    It changes as time goes by: write it anew whenever it differs from what was written.

    Args:
        scenario: whose jobs.
        seconds: since the simulator's start.
    """
    lines: list[str] = []
    for job in scenario.jobs:
        if job.source is Source.FILE and seconds - _KEEP <= job.created <= seconds:
            lines += _job_lines(job, "", target=job.namespace)
    return "\n".join(lines) + "\n" if lines else "[]\n"


def _configured(scenario: Scenario, namespace: Namespace) -> list[Job]:
    return [
        job
        for job in scenario.jobs
        if job.source is Source.CONFIG and job.namespace == namespace.name
    ]


def _label_lines(scenario: Scenario) -> list[str]:
    names = dict.fromkeys(name for job in scenario.jobs for name, _ in job.labels)
    return [f"job_labels: [{', '.join(map(_config_value, names))}]"] if names else []


def _target_lines(
    scenario: Scenario, namespace: Namespace, url: str, passwords_in: str
) -> Iterator[str]:
    yield f"  - name: {_config_value(namespace.name)}"
    yield f"    region_id: {_config_value(namespace.region_id)}"
    owner = "workspace_id" if namespace.workspace_id else "db_instance_id"
    yield f"    {owner}: {_config_value(namespace.workspace_id or namespace.db_instance_id)}"
    if namespace.namespace != "public":
        yield f"    namespace: {_config_value(namespace.namespace)}"
    if passwords_in:
        path = f"{passwords_in}/{namespace.name}"
        yield f"    namespace_password_file: {_config_value(path)}"
    else:
        password = told_passwords(scenario)[namespace.name]
        yield f"    namespace_password: {_config_value(password)}"
    yield f"    endpoint: {_config_value(url)}"
    if scenario.utc_offset != 28_800:
        yield f"    time_zone: {_value(_zone_text(scenario.utc_offset))}"


def _zone_text(utc_offset: float) -> str:
    minutes = round(abs(utc_offset) / 60)
    return f"{'-' if utc_offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _job_lines(job: Job, indent: str, target: str = "") -> Iterator[str]:
    """Yield a job's lines; a job file names the target, and there a dollar is a dollar."""
    quoted = _value if target else _config_value
    fields: dict[str, str] = {"target": quoted(target)} if target else {}
    fields |= {"id": quoted(job.id), "collection": quoted(job.collection)}
    if job.kind != DEFAULT_KIND:
        fields["kind"] = job.kind
    if job.expected_entries is not None:
        fields["expected_entries"] = str(job.expected_entries)
    if job.labels:
        labels = ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in job.labels)
        fields["labels"] = f"{{{labels}}}"
    for index, (name, value) in enumerate(fields.items()):
        yield f"{indent}{'  ' if index else '- '}{name}: {value}"


def _value(value: Any) -> str:
    """Return a value as YAML: JSON's strings are YAML's double-quoted ones."""
    return json.dumps(value, ensure_ascii=False)


def _config_value(value: str) -> str:
    """Return a value as the exporter's configuration wants it, where ``$`` begins a variable."""
    return _value(value.replace("$", "$$"))
