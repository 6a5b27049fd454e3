"""The commands as a user types them: what they print, and how they exit."""

import html
import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from exporter import __version__
from tests.processes import (
    ACCESS_KEYS,
    KEY,
    ONE_NAMESPACE,
    exporter,
    get,
    run,
    simulator,
    started,
)

CONFIGURATION = """\
targets:
  - name: main
    region_id: cn-hangzhou
    db_instance_id: gp-bp1test
    namespace: rag
    namespace_password: ${RAG_PASSWORD}
    jobs:
      - {id: one, collection: c1}
"""
ENVIRON = {**KEY, "RAG_PASSWORD": "hunter2-hunter2"}
SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + "jobs:\n"
    + "  - {id: broken, collection: c1, namespace: main, shape: failed, created: -1h}\n"
)

UUID = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"


def test_version() -> None:
    """--version tells the name and the version."""
    done = run("--version")

    assert (done.returncode, done.stdout) == (0, f"adbpg-job-exporter {__version__}\n")


def test_help_lists_the_commands() -> None:
    """--help names every command."""
    done = run("--help")

    assert done.returncode == 0
    for name in (
        "serve",
        "check-config",
        "query",
        "wait",
        "announce",
        "forget",
        "simulate",
        "demo",
    ):
        assert f"\n    {name}" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-flag"],
        ["serve", "--web.listen-address=nowhere"],
        ["serve", "--web.telemetry-path=metrics"],
        ["serve", "--log.level=loud"],
        ["serve", "check-config"],
        ["query", "some-job"],
        ["check-config", "--live", "--live.timeout=soon"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    """A wrong flag is told in one line, with where to find help, and nothing is started."""
    done = run(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "Try: adbpg-job-exporter" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_check_config_on_a_good_file(tmp_path: Path) -> None:
    """A good configuration is exit code 0, and a line that says what is in it."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION)

    done = run("check-config", environ=ENVIRON, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "config.yaml: good: 1 target, 1 job\n"


@pytest.mark.parametrize("command", [["check-config"], ["serve"], []])
def test_every_problem_is_told_at_once(tmp_path: Path, command: list[str]) -> None:
    """check-config and serve tell the same problems, one line each, and exit with 1."""
    text = CONFIGURATION.replace("cn-hangzhou", "[]").replace("collection: c1", "colection: c1")
    (tmp_path / "config.yaml").write_text(text)

    done = run(*command, environ=ENVIRON, cwd=tmp_path)

    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "config.yaml:3:5: targets[0].region_id: expected a single value, got a list"
    )
    assert all(line.startswith("config.yaml:8:") for line in lines[1:])
    assert "hunter2" not in done.stderr


def test_check_config_reads_job_files_too(tmp_path: Path) -> None:
    """A job file with an unknown target is a problem, told with its place."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION + "job_files: [jobs.yaml]\n")
    (tmp_path / "jobs.yaml").write_text("- {target: mian, id: two, collection: c2}\n")

    done = run("check-config", environ=ENVIRON, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == (
        "jobs.yaml:1:4: [0].target: no target is called 'mian': did you mean 'main'?\n"
    )


def test_a_missing_configuration_is_one_line(tmp_path: Path) -> None:
    """Without a configuration there is one line that names the file, and exit code 1."""
    done = run("serve", environ=ENVIRON, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("config.yaml: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_start_says_what_it_watches(tmp_path: Path) -> None:
    """One line tells version, file, targets and jobs; what is doubtful is told, too."""
    text = CONFIGURATION.replace("cn-hangzhou", "cn-hangzou")
    with exporter(text, tmp_path, environ={"RAG_PASSWORD": "x"}) as it:
        line = it.wait_for_log("msg=started")
        log = "\n".join(it.log)

    assert f"version={__version__} config_file=config.yaml targets=1 jobs_config=1" in line
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID is not set" in log
    assert "did you mean cn-hangzhou?" in log


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """A port that something else listens on is one clear line, and exit code 1."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        flag = f"--web.listen-address=127.0.0.1:{taken.getsockname()[1]}"

        done = run(flag, environ=ENVIRON, cwd=tmp_path)

    assert done.returncode == 1
    assert "the port is in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_query_prints_a_table_for_people(tmp_path: Path) -> None:
    """A query shows status, progress, times and the API's own error text."""
    with simulator(SCENARIO, tmp_path) as api:
        (tmp_path / "config.yaml").write_text(api.configuration())

        done = run("query", "broken", "--target=main", "--collection=c1", cwd=tmp_path)

    assert done.returncode == 0
    rows = {
        line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()
    }
    assert rows["Job"] == "broken"
    assert rows["Status"] == "Failed"
    assert rows["Progress"].endswith(" entries")
    assert re.fullmatch(r"[0-9: -]{19} UTC, .* ago", rows["Created"])
    assert rows["Error"] == "Failed to connect database."
    assert re.fullmatch(UUID, rows["RequestId"])


def test_query_prints_json_for_programs(tmp_path: Path) -> None:
    """--output=json gives one JSON object with the same facts."""
    with simulator(SCENARIO, tmp_path) as api:
        (tmp_path / "config.yaml").write_text(api.configuration())
        arguments = ("query", "broken", "--target=main", "--collection=c1", "--output=json")

        done = run(*arguments, cwd=tmp_path)

    answer = json.loads(done.stdout)
    assert answer["status"] == "Failed"
    assert answer["completed"] is True
    assert answer["error"] == "Failed to connect database."
    assert answer["invalid_fields"] == []
    assert re.fullmatch(UUID, answer["request_id"])


def test_query_of_an_unknown_job_says_why(tmp_path: Path) -> None:
    """A job that the API does not know is exit code 1, and a line says why and what to do."""
    with simulator(SCENARIO, tmp_path) as api:
        (tmp_path / "config.yaml").write_text(api.configuration())

        done = run("query", "nobody", "--target=main", "--collection=c1", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    told = done.stderr.splitlines()[-1]
    assert told.startswith("no answer about job nobody: not_found: ")
    assert "). Compare the ids and names with those that started the job" in told


def test_what_the_api_said_is_printed_with_its_request_id(tmp_path: Path) -> None:
    """A refusal within a 200 keeps the API's words and RequestId, in text, JSON and the log."""
    fault = "{kind: error, http_status: 200, code: InvalidNamespace.NotFound}"
    scenario = f"{SCENARIO}  - {{id: refused, collection: c9, namespace: main, fault: {fault}}}\n"
    with simulator(scenario, tmp_path) as api:
        (tmp_path / "config.yaml").write_text(api.configuration())
        done = run(
            "query", "refused", "--target=main", "--collection=c9", "--output=json", cwd=tmp_path
        )
        listen = "--web.listen-address=127.0.0.1:0"
        with started(listen, address=r"listening on (\S+)", cwd=tmp_path) as it:
            get(it.url + "/metrics")
            line = it.wait_for_log("job query failed")

    words = "HTTP 200 InvalidNamespace.NotFound: The scenario of the simulated API says this."
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert (answer["reason"], answer["message"]) == ("api_fail", words)
    assert f"api_fail: {words} (RequestId {answer['request_id']})" in done.stderr
    assert re.search(rf"request_id={UUID} reason=api_fail", line)
    assert words in line


def test_query_of_an_unknown_target_names_the_known_ones(tmp_path: Path) -> None:
    """A target that is not configured is a problem that lists those that are."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION)

    done = run("query", "x", "--target=man", "--collection=c", environ=ENVIRON, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "config.yaml: targets: there is no target 'man'; there is: main\n"


def test_without_an_access_key_the_page_says_so(tmp_path: Path) -> None:
    """No access key stops nothing: each job is down for the reason credentials."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    listen = "--web.listen-address=127.0.0.1:0"
    environ = {"RAG_PASSWORD": "hunter2-hunter2"}

    with started(listen, address=r"listening on (\S+)", environ=environ, cwd=tmp_path) as it:
        _, page = get(it.url + "/metrics")

        assert 'reason="credentials",target="main"} 1.0' in page
        assert "ALIBABA_CLOUD_ACCESS_KEY_ID is not set" in it.wait_for_log("job query failed")


def test_the_command_on_the_demos_page_works(tmp_path: Path) -> None:
    """Pasted into a shell that knows nothing of the demo, it prints the API's error text."""
    listen = "--web.listen-address=127.0.0.1:0"
    with started("demo", listen, address=r"http://(\S+)/metrics ", environ={}, cwd=tmp_path) as it:
        it.wait_for_log("job failed")
        _, page = get(it.url + "/?state=failed")
        command = html.unescape(re.findall(r"<code>(.*?)</code>", page)[0])
        (said, *_) = re.findall(r"<q><bdi>(.*?)</bdi></q>", page)

        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stderr == ""
    assert f"Error       {html.unescape(said)}\n" in done.stdout
    assert "\nAbout       " in done.stdout


def test_the_demo_shows_its_jobs(tmp_path: Path) -> None:
    """The demo needs no configuration and no account, says where to look, and shows jobs."""
    listen = "--web.listen-address=127.0.0.1:0"
    pattern = r"http://(\S+)/metrics "

    with started("demo", listen, address=pattern, environ={}, cwd=tmp_path) as it:
        _, page = get(it.url + "/metrics")

        for status in ("Start", "Running", "Cancelling", "Cancelled", "Success", "Failed"):
            assert f'status="{status}"' in page
        assert "adbpg_job_inconsistent" in page
        assert it.stop() == 0
