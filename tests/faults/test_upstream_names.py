"""Name servers that are silent, do not know, or change their mind."""

import threading
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.faults.bench import Recorder, bench, status, well
from tests.faults.names import HOST, NameServer, needs_root
from tests.processes import eventually
from tests.upstream import Behaviour, Request, Upstream, message, send

pytestmark = needs_root


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the exporter trusts."""
    return Authority(tmp_path_factory.mktemp("trusted"))


def api(authority: Authority, **settings: str) -> dict[str, str]:
    """Settings of an exporter that trusts the authority."""
    return {"ca_file": str(authority.ca_file), **settings}


def test_silent_name_server(
    authority: Authority, tmp_path: Path, record_testsuite_property: Recorder
) -> None:
    """Fault 21: a name server that never answers costs its target, in time, and few threads."""
    with NameServer(tmp_path, {}) as names:
        names.is_silent = True
        with bench(
            Upstream(well),
            tmp_path,
            endpoint=f"https://{HOST}",
            prefix=names.prefix,
            api=api(authority, connect_timeout="2s"),
        ) as it:
            first = it.scrape()
            early = status(it.process, "Threads")
            pages = []

            def have_many_failed() -> bool:
                pages.append(it.scrape(0.1))
                return pages[-1].errors()["sick", "dns"] > 10

            eventually(have_many_failed, "more than ten lookups have failed")
            # Threads of the web server come and go.
            eventually(lambda: status(it.process, "Threads") <= early + 2, "few threads")

    overshoot = max(page.overshoot for page in [first, *pages])
    record_testsuite_property("overshoot of silent names", overshoot)
    assert names.questions > 0
    assert first.up("sick") == first.up("neighbour") == 0
    for page in [first, *pages]:
        assert set(page.errors()) == {("sick", "dns")}
        assert page.is_complete("well")
    first.check_time()  # the system's resolver would have waited for longer than the budget


def test_no_such_name(authority: Authority, tmp_path: Path) -> None:
    """Fault 22: a name that does not exist costs its target, and is looked for again."""
    with (
        Upstream(well, tls=authority.server(f"DNS:{HOST}")) as upstream,
        NameServer(tmp_path, {}) as names,
        bench(
            Upstream(well),
            tmp_path,
            endpoint=f"https://{HOST}:{upstream.port}",
            prefix=names.prefix,
            api=api(authority),
        ) as it,
    ):
        unknown = it.scrape()
        names.addresses[HOST] = "127.0.0.1"
        known = it.scrape()

    assert unknown.up("sick") == unknown.up("neighbour") == 0
    assert set(unknown.errors()) == {("sick", "dns")}
    assert unknown.is_complete("well")
    unknown.check_time()
    assert known.is_complete("sick")
    known.check_others()


def test_the_address_changes_while_connections_are_kept(
    authority: Authority, tmp_path: Path
) -> None:
    """Fault 22: an old address that goes on answering, by 503 only, is given up at once."""
    tls = authority.server(f"DNS:{HOST}")
    is_moved = threading.Event()

    def old_host(request: Request) -> Behaviour:
        return send(message(status=503)) if is_moved.is_set() else well(request)

    old = Upstream(old_host, tls=tls)
    with (
        old,
        Upstream(well, tls=tls, host="127.0.0.2", port=old.port) as new,
        NameServer(tmp_path, {HOST: "127.0.0.1"}) as names,
        bench(
            Upstream(well),
            tmp_path,
            endpoint=f"https://{HOST}:{old.port}",
            prefix=names.prefix,
            api=api(authority),
        ) as it,
    ):
        before = it.scrape()
        names.addresses[HOST] = "127.0.0.2"
        is_moved.set()
        failed = it.scrape()
        after = it.scrape()

    assert before.is_complete("sick")
    assert set(failed.errors()) == {("sick", "server")}
    assert after.is_complete("sick")
    after.check_others()
    assert len(new.requests) >= 2


def test_the_address_changes(authority: Authority, tmp_path: Path) -> None:
    """Fault 22: when the host moves to another address, the new one is used, with no restart."""
    tls = authority.server(f"DNS:{HOST}")
    old = Upstream(well, tls=tls)
    with (
        NameServer(tmp_path, {HOST: "127.0.0.1"}) as names,
        bench(
            Upstream(well),
            tmp_path,
            endpoint=f"https://{HOST}:{old.port}",
            prefix=names.prefix,
            api=api(authority),
        ) as it,
    ):
        with old:
            before = it.scrape()
        with Upstream(well, tls=tls, host="127.0.0.2", port=old.port) as new:
            still = it.scrape()
            names.addresses[HOST] = "127.0.0.2"
            after = it.scrape()

    assert before.is_complete("sick")
    assert still.up("sick") == 0
    assert set(still.errors()) == {("sick", "connection")}
    assert after.is_complete("sick")
    after.check_others()
    assert len(new.requests) >= 2
