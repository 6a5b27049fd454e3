import logging
from pathlib import Path

import pytest

from exporter.errors import ConfigurationError
from exporter.web.security import LiveWebConfig
from tests.certificates import Authority
from tests.config_files import messages

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
CLIENTS = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
HASH = "$2b$04$" + "x" * 53
ALICE, BOB = f"  alice: {HASH}\n", f"  bob: {HASH}\n"
USERS = "basic_auth_users:\n"


class Folder:
    """A folder with a web configuration and its certificates.

    Attributes:
        readings: how each reading of the file went.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = Authority(path)
        self.authority.issue("server", "DNS:localhost")
        self.readings: list[bool] = []

    def write(self, text: str) -> None:
        """Replace the file, as whoever changes it should."""
        fresh = self.path / "fresh"
        fresh.write_text(text, "utf-8")
        fresh.replace(self.path / "web.yaml")

    def load(self, text: str) -> LiveWebConfig:
        """Begin with a file of this text."""
        self.write(text)
        live = LiveWebConfig(str(self.path / "web.yaml"))
        live.begin(self._note)
        return live

    def _note(self, *, good: bool) -> None:
        self.readings.append(good)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with certificates."""
    return Folder(tmp_path)


def test_a_bad_file_at_the_start_is_told(tmp_path: Path) -> None:
    """There is no last good one to begin with."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        LiveWebConfig(str(tmp_path / "web.yaml"))


def test_an_unchanged_file_is_not_read_again(folder: Folder) -> None:
    """What is in force is the same object, and so TLS sessions can be resumed."""
    live = folder.load(TLS)

    assert live.current() is live.current()
    assert folder.readings == [True]


def test_changed_users_count_at_once(folder: Folder) -> None:
    """The next look sees the new file."""
    live = folder.load(USERS + ALICE)

    folder.write(USERS + BOB)

    assert [*live.current().users] == [b"bob"]
    assert folder.readings == [True, True]


@pytest.mark.parametrize("name", ["server", "ca"])
def test_a_changed_certificate_counts_at_once(folder: Folder, name: str) -> None:
    """A new certificate, key or client authority makes a new TLS context."""
    live = folder.load(TLS + CLIENTS)
    before = live.current().tls

    if name == "ca":
        folder.authority = Authority(folder.path)
    else:
        folder.authority.issue("server", "DNS:localhost")

    assert live.current().tls is not before
    assert folder.readings == [True, True]


@pytest.mark.parametrize(
    "text", ["", "junk", TLS + USERS + "  alice: password\n", TLS.replace("server.key", "ca.key")]
)
def test_a_broken_file_keeps_the_last_good_one(
    folder: Folder, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once and shown by the gauge; once mended, the file counts again."""
    live = folder.load(TLS + USERS + ALICE)
    before = live.current()

    folder.write(text)
    kept = [live.current() for _ in range(3)]
    told = messages(caplog, logging.ERROR)
    folder.write(TLS + USERS + BOB)
    after = live.current()

    assert kept == [before] * 3
    assert set(told) == {"web configuration not reloaded"}
    assert [*after.users] == [b"bob"]
    assert folder.readings == [True, False, True]


def test_the_same_mistake_is_logged_once(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """A broken file that is written again and again does not fill the log."""
    live = folder.load(USERS + ALICE)

    for _ in range(3):
        folder.write("junk: 1\n")
        live.current()

    assert len(messages(caplog, logging.ERROR)) == 1


def test_no_secret_is_logged(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """A password that stands where a hash should is not in the log."""
    live = folder.load(USERS + ALICE)

    folder.write(USERS + "  alice: planted\n")
    live.current()

    assert "basic_auth_users.alice" in str([vars(record) for record in caplog.records])
    assert "planted" not in str([vars(record) for record in caplog.records])


def test_a_deleted_file_keeps_the_last_good_one(folder: Folder) -> None:
    """To take a file away is no way to switch its protection off."""
    live = folder.load(USERS + ALICE)

    (folder.path / "web.yaml").unlink()

    assert [*live.current().users] == [b"alice"]
    assert folder.readings == [True, False]


def test_a_pair_may_be_replaced_one_by_one(folder: Folder) -> None:
    """Between certificate and key the old pair serves; with the second, the new one does."""
    live = folder.load(TLS)
    before = live.current().tls
    certificate, key = folder.authority.issue("next", "DNS:localhost")

    certificate.replace(folder.path / "server.pem")
    between = live.current().tls
    key.replace(folder.path / "server.key")
    after = live.current().tls

    assert between is before
    assert after is not before
    assert folder.readings == [True, False, True]


def test_a_symlink_swap_is_seen(folder: Folder) -> None:
    """Kubernetes replaces the folder behind a link, and no file."""
    for name, user in (("one", ALICE), ("two", BOB)):
        (folder.path / name).mkdir()
        (folder.path / name / "web.yaml").write_text(USERS + user)
    data = folder.path / "..data"
    data.symlink_to("one")
    live = LiveWebConfig(str(data / "web.yaml"))

    fresh = folder.path / "..fresh"
    fresh.symlink_to("two")
    fresh.replace(data)

    assert [*live.current().users] == [b"bob"]


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (TLS, USERS + ALICE, "tls_server_config"),
        (TLS + USERS + ALICE, TLS, "basic_auth_users"),
        (TLS + USERS + ALICE, TLS + USERS, "basic_auth_users"),
        (TLS + CLIENTS, TLS, "tls_server_config.client_auth_type"),
        (
            TLS + CLIENTS + "  client_allowed_sans: [a.example]\n",
            TLS + CLIENTS,
            "tls_server_config.client_allowed_sans",
        ),
        (
            TLS + CLIENTS,
            TLS + CLIENTS.replace("  client_ca_file: ca.pem\n", ""),
            "tls_server_config.client_ca_file",
        ),
        ("rate_limit: {interval: 1s, burst: 5}\n", "rate_limit: {}\n", "rate_limit"),
    ],
)
def test_a_protection_is_not_lost_by_itself(
    folder: Folder, before: str, after: str, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was cut off while it was written opens nothing: that takes a restart."""
    live = folder.load(before)
    kept = live.current()

    folder.write(after)

    assert live.current() is kept
    assert folder.readings == [True, False]
    assert f": {lost}: cannot be taken away while serving" in str(vars(caplog.records[-1]))


def test_a_protection_can_be_added(folder: Folder) -> None:
    """Users and TLS that come later count at once."""
    live = folder.load("")

    folder.write(TLS + USERS + ALICE)

    assert live.current().tls
    assert live.current().users


def test_files_that_a_broken_file_names_are_watched(folder: Folder) -> None:
    """A certificate that is missing may come after the file that names it."""
    live = folder.load(USERS + ALICE)
    folder.write(TLS.replace("server.", "next.") + USERS + ALICE)
    assert live.current().tls is None

    folder.authority.issue("next", "DNS:localhost")

    assert live.current().tls


def test_what_is_unwise_is_logged(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """Passwords without TLS are worth a warning, at the start and at each change."""
    live = folder.load(USERS + ALICE)
    folder.write(USERS + BOB)
    live.current()

    assert len(messages(caplog, logging.WARNING)) == 2
