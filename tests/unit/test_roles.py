"""A role's key is asked for by one at a time, in time, and never twice for nothing."""

import logging
import threading
from pathlib import Path

import pytest

from exporter import files
from exporter.errors import NoCredentials
from exporter.gpdb.credentials import AccessKey
from exporter.gpdb.roles import RoleCredentials, RoleKey, ask_for_key
from exporter.redaction import Redactor
from exporter.secret import Secret
from tests.fakes import HandSetClock, in_background, poll
from tests.hanging import hanging, needs_root

PATIENT = 10.0


def key(number: int) -> AccessKey:
    """A temporary key."""
    return AccessKey(f"STS.{number}", Secret(f"secret-{number}"), Secret(f"token-{number}"))


class Service:
    """Mimics whatever gives out keys.

    Attributes:
        asked: how often.
        life: seconds that a key is good; None where it does not say.
        failure: why it gives none, if so.
        opened: set while it answers at all.
    """

    def __init__(self, time: HandSetClock) -> None:
        self.asked = 0
        self.life: float | None = 3600.0
        self.failure: Exception | None = None
        self.opened = threading.Event()
        self.opened.set()
        self._time = time

    def __call__(self) -> RoleKey:
        """Give a key."""
        self.asked += 1
        number = self.asked
        assert self.opened.wait(PATIENT)
        if self.failure:
            raise self.failure
        ends = None if self.life is None else self._time.clock().wall() + self.life
        return RoleKey(key(number), ends)


@pytest.fixture
def time() -> HandSetClock:
    """What time it is."""
    return HandSetClock()


@pytest.fixture
def service(time: HandSetClock) -> Service:
    """What gives out keys."""
    return Service(time)


@pytest.fixture
def role(service: Service, time: HandSetClock) -> RoleCredentials:
    """A role whose first key is there."""
    made = RoleCredentials(service, time.clock())
    made.awaited(PATIENT)
    return made


def test_nothing_is_asked_before_it_is_used(service: Service, time: HandSetClock) -> None:
    """Making it asks for nothing."""
    RoleCredentials(service, time.clock())

    assert service.asked == 0


def test_many_callers(service: Service, time: HandSetClock) -> None:
    """All who need the first key wait for one request, and get its key."""
    service.opened.clear()
    role = RoleCredentials(service, time.clock())
    callers = [in_background(lambda: role.awaited(PATIENT)) for _ in range(8)]
    poll(lambda: service.asked > 0)

    service.opened.set()

    assert [each.result(PATIENT) for each in callers] == [key(1)] * 8
    assert service.asked == 1


def test_looking_never_waits(service: Service, time: HandSetClock) -> None:
    """While the first key is on its way there is none, and who only looks learns it at once."""
    service.opened.clear()
    role = RoleCredentials(service, time.clock())

    with pytest.raises(NoCredentials, match="not there yet"):
        role.current()

    service.opened.set()


def test_waiting_ends(service: Service, time: HandSetClock) -> None:
    """Nobody waits longer than asked."""
    service.opened.clear()
    role = RoleCredentials(service, time.clock())

    with pytest.raises(NoCredentials, match="not there yet"):
        role.awaited(0.01)

    service.opened.set()


@pytest.mark.parametrize(
    ("life", "kept", "renewed"),
    [
        (3600.0, 2399.0, 2401.0),  # after two thirds
        (900.0, 599.0, 601.0),
        (80.0, 59.0, 61.0),  # not before a minute
        (30.0, 29.0, 31.0),  # unless it ends before
        (86_400.0, 3599.0, 3601.0),  # every hour at the latest
        (None, 599.0, 601.0),  # every ten minutes where its end is not told
    ],
)
def test_renewed_before_it_ends(
    service: Service, time: HandSetClock, life: float | None, kept: float, renewed: float
) -> None:
    """A key is renewed when it is used after so many seconds, and not before."""
    service.life = life
    role = RoleCredentials(service, time.clock())
    role.awaited(PATIENT)
    time.advance(kept)
    role.current()
    before = service.asked
    time.advance(renewed - kept)

    after = role.awaited(PATIENT)

    poll(lambda: service.asked == 2)
    assert before == 1
    assert after in {key(1), key(2)}


def test_a_key_that_is_still_good(
    role: RoleCredentials, service: Service, time: HandSetClock
) -> None:
    """Nobody waits for the new key while the old one is good."""
    service.opened.clear()
    time.advance(3000.0)

    used = role.awaited(PATIENT)

    assert used == key(1)
    service.opened.set()


def test_a_key_that_ended(role: RoleCredentials, service: Service, time: HandSetClock) -> None:
    """An ended key is not used: the failure to get another one is told instead."""
    service.failure = NoCredentials("STS said no")
    time.advance(3600.0)

    with pytest.raises(NoCredentials, match="STS said no"):
        role.awaited(PATIENT)


def test_pauses_after_failures(service: Service, time: HandSetClock) -> None:
    """After a failure it is left alone for 5 s, then twice as long each time, up to a minute."""
    service.failure = NoCredentials("no")
    role = RoleCredentials(service, time.clock())
    pauses = []
    for _ in range(7):
        with pytest.raises(NoCredentials):
            role.awaited(PATIENT)
        asked, seconds = service.asked, 0
        while service.asked == asked:
            seconds += 1
            time.advance(1.0)
            with pytest.raises(NoCredentials):
                role.awaited(PATIENT)
        pauses.append(seconds)

    assert pauses == [5, 10, 20, 40, 60, 60, 60]


def test_after_a_success_pauses_begin_anew(
    role: RoleCredentials, service: Service, time: HandSetClock
) -> None:
    """A key that comes makes up for all failures before."""
    for failure in (NoCredentials("no"), None, NoCredentials("no")):
        service.failure = failure
        time.advance(3601.0)
        try:
            role.awaited(PATIENT)
        except NoCredentials:
            continue
    asked = service.asked
    time.advance(5.0)
    service.failure = None

    role.awaited(PATIENT)

    assert service.asked == asked + 1


def test_log(service: Service, time: HandSetClock, caplog: pytest.LogCaptureFixture) -> None:
    """The log tells of a failure once, not of each, and of the key that ends it."""
    caplog.set_level(logging.INFO, logger="exporter.gpdb.roles")
    service.failure = NoCredentials("no")
    role = RoleCredentials(service, time.clock())
    for _ in range(5):
        with pytest.raises(NoCredentials):
            role.awaited(PATIENT)
        time.advance(60.0)
    service.failure = None
    role.awaited(PATIENT)

    assert [record.message for record in caplog.records] == [
        "no new role key",
        "role key received",
    ]


@pytest.mark.parametrize("failure", [RuntimeError("planted-text"), MemoryError()])
def test_unexpected_failure(service: Service, time: HandSetClock, failure: Exception) -> None:
    """Whatever goes wrong, who waits is told, and not by the words of a foreign exception."""
    service.failure = failure
    role = RoleCredentials(service, time.clock())

    with pytest.raises(NoCredentials) as caught:
        role.awaited(PATIENT)

    assert type(failure).__name__ in str(caught.value)
    assert "planted" not in str(caught.value)


def test_a_key_that_comes_ended(service: Service, time: HandSetClock) -> None:
    """A key that has ended by our clock is none: the clock may be wrong, which is told."""
    service.life = -1.0
    role = RoleCredentials(service, time.clock())

    with pytest.raises(NoCredentials, match="clock"):
        role.awaited(PATIENT)


def test_refused_keys_are_renewed_once(role: RoleCredentials, service: Service) -> None:
    """All calls whose key the API calls ended share one new key."""
    service.opened.clear()
    callers = [in_background(lambda: role.renewed(key(1), PATIENT)) for _ in range(8)]
    poll(lambda: service.asked > 1)
    service.opened.set()

    assert [each.result(PATIENT) for each in callers] == [key(2)] * 8
    assert service.asked == 2


def test_a_late_refusal(role: RoleCredentials, service: Service) -> None:
    """A call that learns late that its key has ended finds the new one there."""
    role.renewed(key(1), PATIENT)

    assert role.renewed(key(1), PATIENT) == key(2)
    assert service.asked == 2


def test_calls_wait_while_a_refused_key_is_renewed(role: RoleCredentials, service: Service) -> None:
    """Nobody signs with a key that is known to have ended while the next one is on its way."""
    service.opened.clear()
    renewing = in_background(lambda: role.renewed(key(1), PATIENT))
    poll(lambda: service.asked == 2)
    calling = in_background(lambda: role.awaited(PATIENT))

    service.opened.set()

    assert calling.result(PATIENT) == renewing.result(PATIENT) == key(2)


def test_the_new_key_is_refused_too(role: RoleCredentials, time: HandSetClock) -> None:
    """Where the new key is refused as well, the next one is asked for a minute later at most."""
    role.renewed(key(1), PATIENT)

    at_once = role.renewed(key(2), PATIENT)
    time.advance(60.0)
    later = role.renewed(key(2), PATIENT)

    assert (at_once, later) == (None, key(3))


def test_no_new_key_for_a_refused_one(role: RoleCredentials, service: Service) -> None:
    """Where no new key comes, the refusal stands."""
    service.failure = NoCredentials("no")

    assert role.renewed(key(1), PATIENT) is None


def test_secrets_are_known_as_they_appear(role: RoleCredentials, time: HandSetClock) -> None:
    """The log's last guard knows each key that came, the one before it, and not all of a year."""
    redactor = Redactor()
    redactor.watch(role.secrets())
    for _ in range(20):
        time.advance(3601.0)
        role.awaited(PATIENT)

    line = redactor("secret-1. token-1. secret-20. token-20. secret-21. token-21.")

    assert line == "secret-1. token-1. <secret>. <secret>. <secret>. <secret>."


def test_a_step_of_the_clock_has_the_key_renewed(
    role: RoleCredentials, service: Service, time: HandSetClock
) -> None:
    """A key whose end was reckoned by a wrong clock is renewed once the clock is right."""
    time.jump(-3600.0)
    assert role.current() == key(1)
    poll(lambda: role.current() == key(2))
    time.advance(2399.0)

    assert role.current() == key(2)
    assert service.asked == 2


def test_a_step_of_the_clock_takes_no_key_away(
    role: RoleCredentials, service: Service, time: HandSetClock
) -> None:
    """Where the clock was set wrong and no new key seems good, the old one goes on."""
    service.life = -1800.0
    time.jump(3600.0)
    role.current()
    poll(lambda: service.asked == 2)

    assert role.awaited(PATIENT) == key(1)
    assert service.asked == 2


@needs_root
@pytest.mark.parametrize("named_by", ["settings", "environment"])
def test_a_token_file_that_hangs_is_named(tmp_path: Path, named_by: str) -> None:
    """No process is started that could only hang: the log says which file does not answer."""
    path = tmp_path / "token"
    path.write_text("token")
    settings = {"oidc_token_file": str(path)} if named_by == "settings" else {}
    environ = {} if settings else {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(path)}

    with hanging(path), files.patience(0.01), pytest.raises(NoCredentials) as caught:
        ask_for_key(settings, environ, 60)

    assert str(caught.value) == f"file {path}: {files.NO_ANSWER}"
