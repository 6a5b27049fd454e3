"""Access keys that are wrong, end, change or vanish."""

from collections.abc import Callable
from pathlib import Path

from tests.faults.bench import Scrape, bench, configuration, scrape, target, well
from tests.faults.clocks import Clocks
from tests.processes import ACCESS_KEYS, Process, exporter, simulator
from tests.upstream import Behaviour, Request, Upstream, message, send

FILES = """\
credentials: {provider: files, access_key_id_file: id, access_key_secret_file: secret}
scrape: {min_interval: 0s}
"""
TWO_TARGETS = f"""{ACCESS_KEYS}
namespaces:
  - {{name: one, region_id: cn-hangzhou, db_instance_id: gp-bp1test, namespace: rag, password: x}}
  - {{name: two, region_id: cn-hangzhou, db_instance_id: gp-bp2test, namespace: rag, password: x}}
jobs:
  - {{id: one, collection: c, namespace: one, entries: 9000000, repeat: {{every: 0s, times: 20}}}}
  - {{id: two, collection: c, namespace: two, entries: 9000000, repeat: {{every: 0s, times: 20}}}}
"""
REFUSED = send(
    message({"Code": "InvalidSecurityToken.Expired", "Message": "It has expired."}, status=400)
)


def write(folder: Path, **files: str) -> None:
    """Write files, one value each, as a rotation does: whole and at once."""
    for name, value in files.items():
        (folder / "new").write_text(value + "\n")
        (folder / "new").rename(folder / name)


def test_wrong_key(tmp_path: Path) -> None:
    """Fault 14: a key that is refused costs one call a target, until its files change."""
    write(tmp_path, id="LTAI5tTestAccessKey", secret="the-wrong-secret-of-the-simulator")
    with simulator(TWO_TARGETS, tmp_path) as api:
        with exporter(api.configuration(FILES), tmp_path) as process:
            refused = [scrape(process) for _ in range(15)]
            calls = api.calls()
            write(tmp_path, secret="test-secret-of-the-simulator")
            good = scrape(process)

        assert calls == 2
        assert refused[-1].errors() == {("one", "auth"): 1, ("two", "auth"): 1}
        assert refused[-1].up("one") == 0
        for page in refused:
            page.check_time()
        assert good.up("one") == good.up("two") == 1
        assert good.value("adbpg_exporter_scrape_jobs", result="fresh") == 40


def test_refused_key_every_minute(tmp_path: Path) -> None:
    """Fault 14: a key that stays refused is tried once a minute, and no sooner."""
    clocks = Clocks(tmp_path)
    upstream = Upstream(lambda _: REFUSED)
    calls = []
    with bench(upstream, tmp_path, environ=clocks.environ) as it:
        for seconds in (0, 40, 61, 101, 122):
            clocks.jump(f"+{seconds}s", it.process)
            it.scrape()
            calls.append(len(upstream.requests))

    assert calls == [1, 1, 2, 2, 3]


def test_deleted_key(tmp_path: Path) -> None:
    """Fault 14: a key that the API does not know is no different."""
    write(tmp_path, id="LTAI5tDeletedKey", secret="test-secret-of-the-simulator")
    with simulator(TWO_TARGETS, tmp_path) as api:
        with exporter(api.configuration(FILES), tmp_path) as process:
            refused = [scrape(process) for _ in range(5)]
            calls = api.calls()
            write(tmp_path, id="LTAI5tTestAccessKey")
            good = scrape(process)

        assert calls == 2
        assert refused[-1].errors() == {("one", "auth"): 1, ("two", "auth"): 1}
        assert good.up("one") == good.up("two") == 1


def test_key_of_the_environment(tmp_path: Path) -> None:
    """Fault 14: nor is a key out of the environment, which can change by a restart only."""
    wrong = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tTestAccessKey",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong",
    }
    settings = "scrape: {min_interval: 0s}\n"
    with simulator(TWO_TARGETS, tmp_path) as api:
        with exporter(api.configuration(settings), tmp_path, environ=wrong) as process:
            pages = [scrape(process) for _ in range(5)]

        assert api.calls() == 2
        assert pages[-1].errors() == {("one", "auth"): 1, ("two", "auth"): 1}


class Issuer:
    """A server that takes the calls of one security token only, and notes all that it saw."""

    def __init__(self) -> None:
        self.token = "first-token"
        self.seen: list[str] = []

    def __call__(self, request: Request) -> Behaviour:
        """Pick a behaviour."""
        self.seen.append(request.headers["x-acs-security-token"])
        return well(request) if self.seen[-1] == self.token else REFUSED


def with_token(folder: Path, act: Callable[[Process, Issuer], None]) -> Issuer:
    """Run the exporter with a temporary key in files, in front of a server that checks it."""
    write(folder, id="STS.NTestAccessKey", secret="TestSecret", token="first-token")
    issuer = Issuer()
    with Upstream(issuer) as upstream:
        text = configuration(
            target("sick", upstream.url, [f"job-{number}" for number in range(20)]),
            credentials={
                "provider": "files",
                "access_key_id_file": "id",
                "access_key_secret_file": "secret",
                "security_token_file": "token",
            },
        )
        with exporter(text, folder) as process:
            act(process, issuer)
    return issuer


def test_expired_token(tmp_path: Path) -> None:
    """Fault 15: a temporary key that has expired costs few calls until its files are renewed."""
    pages = list[Scrape]()

    def act(process: Process, issuer: Issuer) -> None:
        pages.append(scrape(process))
        issuer.token = "second-token"
        pages.extend(scrape(process) for _ in range(5))
        issuer.seen, refused[:] = [], issuer.seen
        write(tmp_path, token="second-token")
        pages.append(scrape(process))

    refused: list[str] = []
    issuer = with_token(tmp_path, act)

    assert pages[0].up("job-0") == pages[0].up("job-19") == 1
    # Those that were under way together when it expired; none in the four scrapes after that.
    assert 1 <= len(refused) - 20 <= 20
    assert set(pages[5].errors()) == {("sick", "auth")}
    assert pages[5].errors() == pages[1].errors()
    assert pages[6].up("job-0") == pages[6].up("job-19") == 1
    assert issuer.seen == ["second-token"] * 20


def test_rotated_token(tmp_path: Path) -> None:
    """Fault 17: a token file that is rotated is read again for the next call, and none fails."""
    pages = list[Scrape]()

    def act(process: Process, issuer: Issuer) -> None:
        for token in ("first-token", "second-token", "third-token"):
            issuer.token = token
            write(tmp_path, token=token)
            pages.append(scrape(process))

    issuer = with_token(tmp_path, act)

    assert [page.errors() for page in pages] == [{}, {}, {}]
    assert [page.up("job-19") for page in pages] == [1, 1, 1]
    assert len(issuer.seen) == 60


def test_token_file_gone(tmp_path: Path) -> None:
    """Fault 17: a token file that is gone is told as such, asks nothing, and may come back."""
    pages = list[Scrape]()

    def act(process: Process, issuer: Issuer) -> None:
        pages.append(scrape(process))
        (tmp_path / "token").unlink()
        pages.append(scrape(process))
        calls.append(len(issuer.seen))
        write(tmp_path, token="first-token")
        pages.append(scrape(process))

    calls: list[int] = []
    issuer = with_token(tmp_path, act)

    assert calls == [20]
    assert pages[1].errors() == {("sick", "credentials"): 20}
    assert pages[1].up("job-0") == 0
    assert pages[1].value("adbpg_job_status", job_id="job-0", status="Running") == 1
    assert pages[2].up("job-0") == 1
    assert len(issuer.seen) == 40
