"""Jobs that a pipeline announces over HTTP, to a real exporter."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import bcrypt
import pytest

from exporter.web.registration import LARGEST_BODY
from tests.faults.bench import job_answer, well
from tests.faults.raw import configuration
from tests.processes import Page, Process, eventually, exporter, get, run, scrape, send
from tests.upstream import Behaviour, Request, Upstream, message
from tests.upstream import send as answered

TOKEN, OTHERS = "planted-token-of-nightly", "planted-token-of-weekly"
JOB = {"target": "main", "id": "new", "collection": "c"}


def tokens(folder: Path) -> str:
    """Return the section of two tokens, and write their files."""
    (folder / "nightly").write_text(f"{TOKEN}\n")
    (folder / "weekly").write_text(f"{OTHERS}\n")
    return (
        "scrape: {min_interval: 0s, max_jobs: 3}\n"
        "registration:\n  tokens:\n"
        "    - {name: nightly, token_file: nightly, targets: [main]}\n"
        "    - {name: weekly, token_file: weekly, targets: [other]}\n"
    )


def two_targets(api: str, folder: Path) -> str:
    """Return a configuration of two targets, one of them without jobs, and a token for each."""
    other = configuration("configured", api=api).partition("targets:\n")[2]
    return configuration(api=api, extra=tokens(folder)) + other.replace("main", "other")


def announce(
    it: Process, body: object, *, token: str = TOKEN, path: str = "/api/v1/jobs", **headers: str
) -> tuple[int, str]:
    """Send a POST with a token; return status and text of the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **named}
    return send(urllib.request.Request(it.url + path, data, fields, method="POST"))


def one(it: Process, method: str, job: str, token: str = TOKEN) -> tuple[int, str]:
    """Ask about one job, or forget it."""
    fields = {"Authorization": f"Bearer {token}"}
    url = f"{it.url}/api/v1/jobs/{job}"
    return send(urllib.request.Request(url, headers=fields, method=method))


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Process]:
    """An exporter whose API answers well."""
    with Upstream(well) as api, exporter(two_targets(api.url, tmp_path), tmp_path) as process:
        yield process


def registrations(page: Page) -> Mapping[str, float]:
    """Return the counter, by result, without what is 0."""
    name = "adbpg_exporter_registrations_total"
    return {s.labels["result"]: s.value for s in page.samples if s.name == name and s.value}


def test_an_announced_job_is_in_the_next_scrape(it: Process) -> None:
    """It is one more job, with its source; its state can be read with the token."""
    status, text = announce(it, JOB)
    assert status == 201
    assert json.loads(text) == {"jobs": [{"target": "main", "id": "new", "result": "created"}]}
    before = one(it, "GET", "main/new")
    page = scrape(it)
    status, text = one(it, "GET", "main/new")

    assert (before[0], json.loads(before[1])["message"]) == (
        200,
        "no scrape has looked at this job yet",
    )
    assert page.value("adbpg_job_up", job_id="new") == 1
    assert page.value("adbpg_exporter_jobs", source="announced", state="active") == 1
    assert (status, json.loads(text)["status"]) == (200, "Running")
    assert announce(it, [JOB])[0] == 200
    assert registrations(scrape(it)) == {"created": 1, "known": 1}


def test_a_forgotten_job_is_gone(it: Process) -> None:
    """Forgetting is safe, also of what is not there."""
    announce(it, JOB)
    scrape(it)

    assert one(it, "DELETE", "main/new") == (204, "")
    assert one(it, "DELETE", "main/new") == (204, "")
    assert scrape(it).value("adbpg_job_up", job_id="new") is None
    assert one(it, "GET", "main/new")[0] == 404


def test_who_may_do_what(it: Process) -> None:
    """No token, a wrong one, another's targets and jobs, the page of another site."""
    assert announce(it, JOB, token="wrong")[0] == 401
    assert announce(it, JOB, Authorization="Basic bmlnaHRseTp4")[0] == 401
    assert announce(it, JOB, token=OTHERS)[0] == 403
    assert announce(it, {**JOB, "target": "nowhere"})[0] == 403
    assert announce(it, JOB, Origin="https://elsewhere.example")[0] == 403
    assert announce(it, JOB)[0] == 201
    assert one(it, "GET", "main/new", OTHERS)[0] == 404
    assert one(it, "DELETE", "main/new", OTHERS)[0] == 204
    page = scrape(it)
    assert page.value("adbpg_job_up", job_id="new") == 1
    assert registrations(page) == {"created": 1, "unauthorized": 2, "forbidden": 2}


def test_what_is_refused(it: Process) -> None:
    """Each refusal has its own status, and nothing is taken."""
    too_many = [{**JOB, "id": str(number)} for number in range(4)]
    large = json.dumps({**JOB, "labels": {"x": "x" * LARGEST_BODY}}).encode()

    assert announce(it, JOB, Content_Type="text/plain")[0] == 415
    assert announce(it, large)[0] == 413
    assert announce(it, too_many)[0] == 429
    status, text = announce(it, [JOB, {**JOB, "id": "", "colour": 1}])
    assert status == 400
    assert [each["path"] for each in json.loads(text)["errors"]] == ["[1].colour", "[1].id"]
    assert announce(it, JOB)[0] == 201
    assert announce(it, {**JOB, "collection": "d"})[0] == 409
    assert registrations(scrape(it)) == {
        "created": 1,
        "invalid": 2,
        "limited": 1,
        "conflict": 1,
    }


def test_a_flood_is_limited(it: Process) -> None:
    """One token has 50 requests a second; another one has its own."""
    statuses = {announce(it, [])[0] for _ in range(1_000)}

    assert statuses == {400, 429}
    assert one(it, "GET", "other/configured", OTHERS)[0] in {200, 404}


def test_tokens_and_passwords_open_different_doors(tmp_path: Path) -> None:
    """Who may announce may not scrape, and who may scrape may not announce; below a prefix too."""
    hashed = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{alice: {hashed}}}\n")
    flags = ("--web.config.file=web.yaml", "--web.route-prefix=/adbpg")
    with (
        Upstream(well) as api,
        exporter(two_targets(api.url, tmp_path), tmp_path, *flags) as it,
    ):
        path = "/adbpg/api/v1/jobs"
        assert announce(it, JOB, path=path)[0] == 201
        assert announce(it, JOB, path=path, Authorization="Basic YWxpY2U6eA==")[0] == 401
        assert get(f"{it.url}/adbpg/metrics", Authorization=f"Bearer {TOKEN}")[0] == 401


def test_without_tokens_there_is_no_such_path(tmp_path: Path) -> None:
    """Announcing is off by default, and shows no counter."""
    with Upstream(well) as api, exporter(configuration("job", api=api.url), tmp_path) as it:
        assert announce(it, JOB)[0] == 404
        assert one(it, "GET", "main/job")[0] == 404
        page = scrape(it)

    assert registrations(page) == {}
    assert page.value("adbpg_exporter_jobs", source="announced", state="active") is None


def test_reloads_and_changed_tokens(tmp_path: Path) -> None:
    """A reload keeps the announced jobs; a new token counts at once, and the old one no longer."""
    with (
        Upstream(well) as api,
        exporter(two_targets(api.url, tmp_path), tmp_path, "--web.enable-lifecycle") as it,
    ):
        announce(it, JOB)
        (tmp_path / "fresh").write_text("planted-token-renewed")
        (tmp_path / "fresh").rename(tmp_path / "nightly")
        assert announce(it, JOB)[0] == 401
        assert announce(it, JOB, token="planted-token-renewed")[0] == 200
        reload = urllib.request.Request(f"{it.url}/-/reload", method="POST")
        assert send(reload)[0] == 200
        assert scrape(it).value("adbpg_job_up", job_id="new") == 1


def test_an_ended_job_is_let_go(tmp_path: Path) -> None:
    """After `registry.keep_ended` its series end."""
    extra = tokens(tmp_path) + "registry: {keep_ended: 1s}\n"

    def ended(_: Request) -> Behaviour:
        return answered(message(job_answer("new", Status="Success", Completed=True)))

    with (
        Upstream(ended) as api,
        exporter(configuration(api=api.url, extra=extra.replace("other", "main")), tmp_path) as it,
    ):
        announce(it, JOB)
        page = scrape(it)
        assert page.value("adbpg_job_status", job_id="new", status="Success") == 1
        eventually(lambda: not scrape(it).names(job_id="new"), "the job is let go")


def test_shards_have_no_common_memory(tmp_path: Path) -> None:
    """Several shards cannot share what is in the memory of one: a start says what can."""
    extra = tokens(tmp_path).replace("other", "main")
    (tmp_path / "config.yaml").write_text(configuration("job", extra=extra))

    done = run("serve", "--shard=1/2", cwd=tmp_path)

    assert done.returncode == 1
    assert "shards can only share announced jobs in PostgreSQL" in done.stderr
