"""Planted secrets are in no output, in no form, whatever goes wrong."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.planted import assert_absent
from tests.processes import Process, eventually, exporter, get, post, run
from tests.upstream import Behaviour, Request, Upstream, hang_up, message, send

SECRETS = {
    "access key": "AccessKeySecret+/=1x%9 Qz",
    "token": "CAISTokenOfThePlanted+/==&x",
    "inline password": 'in"line\\pass word&1=',
    "variable password": "variable-päss-向量-5512",
    "file password": "file<password>-77'4411",
    "proxy password": "proxy-pass-8812-0071",
    "misplaced": "misplaced-secret-90210",
    "misspelt": "misspelt-secret-33550",
}
ENVIRON = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tPlantedKey",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRETS["access key"],
    "ALIBABA_CLOUD_SECURITY_TOKEN": SECRETS["token"],
    "RAG_PASSWORD": SECRETS["variable password"],
}


def _target(name: str, url: str, password: str) -> str:
    return (
        f"  - name: {name}\n    region_id: cn-hangzhou\n    db_instance_id: gp-{name}\n"
        f"    endpoint: {url}\n    {password}\n    jobs: [{{id: job-of-{name}, collection: c}}]\n"
    )


def _configuration(url: str, folder: Path) -> str:
    (folder / "password").write_text(SECRETS["file password"])
    inline = json.dumps(SECRETS["inline password"])
    return (
        f"api: {{proxy: 'http://user:{SECRETS['proxy password']}@127.0.0.1:9'}}\n"
        "scrape: {min_interval: 0s}\ntargets:\n"
        + _target("inline", url, f"namespace_password: {inline}")
        + _target("variable", url, "namespace_password: ${RAG_PASSWORD}")
        + _target("file", url, "namespace_password_file: password")
        + _target("proxied", "https://gpdb.invalid", "namespace_password: ${RAG_PASSWORD}")
    )


def _everything(request: Request) -> str:
    """Repeat all that the call brought, decoded and as it came, as a careless server would.

    The secrets first: the log cuts long texts.
    """
    form = parse_qs(request.body.decode())
    headers = [f"{name}: {value}" for name, value in request.header_lines]
    first = [form["NamespacePassword"][0], request.headers["x-acs-security-token"]]
    return " | ".join([*first, request.body.decode(), str(form), request.target, *headers])


def _as_error(request: Request) -> Behaviour:
    fields = {"Code": "InvalidParameter.X", "Message": _everything(request)}
    return send(message(json.dumps(fields).encode(), status=400))


def _as_failed_call(request: Request) -> Behaviour:
    fields = {"Status": "fail", "Message": _everything(request)}
    return send(message(json.dumps(fields).encode()))


def _as_error_of_the_job(request: Request) -> Behaviour:
    job = {"Status": _everything(request), "Error": _everything(request), "Progress": "x"}
    return send(message(json.dumps({"Status": "success", "Job": job}).encode()))


def _as_garbage(request: Request) -> Behaviour:
    return send(message(_everything(request).encode()))


ECHOES = [_as_error, _as_failed_call, _as_error_of_the_job, _as_garbage, lambda _: hang_up()]


@contextmanager
def _running(folder: Path, upstream: Upstream) -> Iterator[Process]:
    flags = ("--log.level=debug", "--web.enable-lifecycle")
    configuration = _configuration(upstream.url, folder)
    with exporter(configuration, folder, *flags, environ=ENVIRON) as process:
        yield process


@pytest.mark.parametrize("echo", ECHOES, ids=["error", "fail", "job", "garbage", "hang up"])
def test_no_secret_in_any_output(tmp_path: Path, echo: object) -> None:
    """An API that repeats each call's secrets does not bring them into page, log or errors."""
    with Upstream(echo) as upstream, _running(tmp_path, upstream) as process:  # type: ignore[arg-type]
        outputs = [get(process.url + path)[1] for path in ("/metrics", "/", "/nowhere")]
        command_line = Path(f"/proc/{process.popen.pid}/cmdline").read_text()
        eventually(lambda: sum("job query failed" in line for line in process.log) >= 1, "a log")
        process.stop()

    assert len(upstream.requests) >= 3
    for where, text in {
        "the pages": "".join(outputs),
        "the log": "\n".join(process.log),
        "the process list": command_line,
    }.items():
        assert_absent(SECRETS.values(), text, where)


def test_no_secret_in_the_messages_of_a_reload(tmp_path: Path) -> None:
    """A reload of a file whose secrets stand in wrong places tells the places, and no value."""
    with Upstream(_as_garbage) as upstream, _running(tmp_path, upstream) as process:
        text = (tmp_path / "config.yaml").read_text()
        broken = text.replace(
            "    region_id: cn-hangzhou\n",
            f"    region_id: [{SECRETS['misplaced']}]\n"
            f"    namespace_pasword: {SECRETS['misspelt']}\n",
            1,
        )
        (tmp_path / "config.yaml").write_text(broken)
        status, problems = post(process.url + "/-/reload")
        process.wait_for_log("configuration not reloaded")

    assert status == 400
    assert "namespace_pasword" in problems
    assert_absent(SECRETS.values(), problems + "\n".join(process.log), "the reload")


def test_no_secret_in_what_the_commands_print(tmp_path: Path) -> None:
    """check-config and query print no secret, when they work and when they do not."""
    with Upstream(_as_error_of_the_job) as upstream:
        (tmp_path / "config.yaml").write_text(_configuration(upstream.url, tmp_path))
        query = ("query", "job-of-inline", "--target=inline", "--collection=c")
        done = [
            run("check-config", "--log.level=debug", environ=ENVIRON, cwd=tmp_path),
            run(*query, environ=ENVIRON, cwd=tmp_path),
            run(*query, "--output=json", "--log.level=debug", environ=ENVIRON, cwd=tmp_path),
        ]

    assert [one.returncode for one in done] == [0, 0, 0]
    assert_absent(SECRETS.values(), "".join(one.stdout + one.stderr for one in done), "commands")
