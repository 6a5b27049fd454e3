import base64
import queue
import threading
from collections.abc import Callable

import bcrypt
import pytest

from exporter.secret import Secret
from exporter.web.security.passwords import Passwords, Verdict, read_authorization

GOOD, BAD, BUSY = Verdict.GOOD, Verdict.BAD, Verdict.BUSY
KEY = b"k" * 32
LIMIT = 60.0  # seconds after which a test gives up waiting
USERS = {
    b"alice": Secret(bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()),
    "größe".encode(): Secret(bcrypt.hashpw("schlüssel".encode(), bcrypt.gensalt(5)).decode()),
}


def basic(name: str, password: str | bytes) -> str:
    """Return the header of a name and a password."""
    raw = password if isinstance(password, bytes) else password.encode()
    return "Basic " + base64.b64encode(name.encode() + b":" + raw).decode()


class Slow:
    """Stands in for bcrypt: notes every comparison, and each may be made to wait.

    A hash ``=...`` is that of the password ``...``.
    """

    def __init__(self) -> None:
        self.compared: list[tuple[bytes, bytes]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = 0
        self.most_at_once = 0

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        """Compare."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.compared.append((password, hashed))
        self.entered.release()
        assert self.gate.wait(LIMIT)
        threading.Event().wait(0.005)  # long enough for others to come meanwhile
        self.at_once -= 1
        return hashed == b"=" + password


def in_threads(count: int, work: Callable[[int], object]) -> list[threading.Thread]:
    """Start threads that work with their numbers."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (basic("alice", "open sesame"), GOOD),
        (basic("alice", "open sesame").replace("Basic", "bAsIc"), GOOD),
        (basic("alice", "open sesame").replace(" ", "  "), GOOD),
        (basic("größe", "schlüssel"), GOOD),
        (basic("alice", "Open sesame"), BAD),
        (basic("alice", "open sesame\n"), BAD),
        (basic("alice", ""), BAD),
        (basic("Alice", "open sesame"), BAD),
        (basic("bob", "open sesame"), BAD),
        (basic("", ""), BAD),
        (basic("alice", b"open sesame\0"), BAD),
        (basic("größe", "schlüssel".encode("latin-1")), BAD),
    ],
)
def test_only_the_right_pair_passes(header: str, verdict: Verdict) -> None:
    """A name and its own password pass, with the real bcrypt; asked again, the answer stays."""
    passwords = Passwords(KEY)

    found = [passwords.check(USERS, header) for _ in range(2)]

    assert found == [verdict, verdict]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Bearer " + basic("alice", "x")[6:],
        basic("alice", "x")[6:],
        "Basic !!!!",
        "Basic YWxpY2U",  # no padding
        "Basic " + base64.b64encode(b"alice").decode(),  # no colon
        basic("alice", "x") + ", " + basic("alice", "x"),  # the header came twice
        "Basic größe",
        basic("alice", b"x\0y"),
        basic("alice", "x" * 73),
        "Basic " + "A" * 30_000,
    ],
)
def test_a_malformed_header_holds_nothing(header: str) -> None:
    """What is no name and password is refused, and is not compared with anything."""
    slow = Slow()

    verdict = Passwords(KEY, slow).check(USERS, header)

    assert verdict is BAD
    assert read_authorization(header) is None
    assert slow.compared == []


def test_a_password_may_hold_colons() -> None:
    """Only the first colon parts."""
    assert read_authorization(basic("a", "b:c:")) == (b"a", b"b:c:")


def test_bcrypt_sees_72_bytes_and_no_more() -> None:
    """A password over what bcrypt looks at is refused, also where its beginning is right."""
    longest = "x" * 72
    users = {b"alice": Secret(bcrypt.hashpw(longest.encode(), bcrypt.gensalt(4)).decode())}
    passwords = Passwords(KEY)

    assert passwords.check(users, basic("alice", longest)) is GOOD
    assert passwords.check(users, basic("alice", longest + "x")) is BAD
    assert passwords.check(users, basic("alice", "ü" * 37)) is BAD


def test_a_result_is_remembered() -> None:
    """The slow comparison is made once for each pair, be it right or wrong."""
    slow = Slow()
    passwords, users = Passwords(KEY, slow), {b"alice": Secret("=right")}

    for _ in range(3):
        assert passwords.check(users, basic("alice", "right")) is GOOD
        assert passwords.check(users, basic("alice", "wrong")) is BAD

    assert [password for password, _ in slow.compared] == [b"right", b"wrong"]


def test_a_changed_hash_is_a_new_question() -> None:
    """Nothing remembered of an old password lets anybody in, or keeps anybody out."""
    passwords = Passwords(KEY, Slow())
    old, new = {b"alice": Secret("=old")}, {b"alice": Secret("=new")}
    assert passwords.check(old, basic("alice", "old")) is GOOD
    assert passwords.check(old, basic("alice", "new")) is BAD

    assert passwords.check(new, basic("alice", "old")) is BAD
    assert passwords.check(new, basic("alice", "new")) is GOOD


def test_a_removed_user_is_out() -> None:
    """What was remembered of a user does not outlive the user."""
    passwords = Passwords(KEY, Slow())
    assert passwords.check({b"a": Secret("=x"), b"b": Secret("=x")}, basic("a", "x")) is GOOD

    assert passwords.check({b"b": Secret("=x")}, basic("a", "x")) is BAD


def test_no_password_is_kept() -> None:
    """What is remembered is neither a password nor anything that could be tried offline."""
    passwords = Passwords(KEY, Slow())
    passwords.check({b"alice": Secret("=right")}, basic("alice", "right"))
    passwords.check({b"alice": Secret("=right")}, basic("alice", "wrong"))

    kept = repr([value for value in vars(passwords).values() if value is not KEY])

    assert "right" not in kept
    assert "wrong" not in kept


def test_an_unknown_name_takes_as_long() -> None:
    """An unknown name is compared too, with a hash of a cost that a user has, always the same."""
    costs = {f"$2b${number:02}$" for number in (4, 5)}
    found: dict[str, set[str]] = {}
    for _ in range(2):
        slow = Slow()
        passwords = Passwords(KEY, slow)
        for number in range(40):
            assert passwords.check(USERS, basic(f"nobody-{number}", "x")) is BAD
            found.setdefault(f"nobody-{number}", set()).add(slow.compared[-1][1].decode()[:7])

    assert {cost for each in found.values() for cost in each} == costs
    assert all(len(each) == 1 for each in found.values())


def test_the_stand_in_is_a_hash_that_bcrypt_takes() -> None:
    """A comparison is really made for an unknown name, and nothing fits."""
    stand_in = Passwords(KEY)._stand_in(USERS, b"nobody")

    assert not bcrypt.checkpw(b"x", stand_in)


def test_an_unknown_name_never_passes() -> None:
    """Not even with a password that fits what stands in for its hash."""
    passwords = Passwords(KEY, lambda _password, _hashed: True)

    assert passwords.check(USERS, basic("nobody", "x")) is BAD


def test_one_comparison_at_a_time() -> None:
    """However many ask at once, bcrypt has one processor at most."""
    slow = Slow()
    passwords, users = Passwords(KEY, slow), {b"alice": Secret("=right")}

    for thread in in_threads(8, lambda n: passwords.check(users, basic("alice", f"p{n}"))):
        thread.join()

    assert len(slow.compared) == 8
    assert slow.most_at_once == 1


def test_a_crowd_with_the_same_password_is_one_question() -> None:
    """Those who waited take the answer that the first one got."""
    slow, verdicts = Slow(), []
    passwords, users = Passwords(KEY, slow), {b"alice": Secret("=right")}

    for thread in in_threads(
        8, lambda _: verdicts.append(passwords.check(users, basic("alice", "right")))
    ):
        thread.join()

    assert verdicts == [GOOD] * 8
    assert len(slow.compared) == 1


def test_whoever_was_let_in_does_not_wait_for_guessers() -> None:
    """While guesses are compared, a known pair passes; more guesses than a few are sent away."""
    slow = Slow()
    passwords, users = Passwords(KEY, slow), {b"alice": Secret("=right")}
    assert passwords.check(users, basic("alice", "right")) is GOOD
    slow.entered.acquire()
    slow.gate.clear()
    verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
    guessers = in_threads(
        9, lambda n: verdicts.put(passwords.check(users, basic("alice", f"p{n}")))
    )
    assert verdicts.get(timeout=LIMIT) is BUSY  # eight wait, or are compared

    verdict = passwords.check(users, basic("alice", "right"))

    slow.gate.set()
    for thread in guessers:
        thread.join()
    assert verdict is GOOD
    assert [verdicts.get() for _ in range(8)] == [BAD] * 8


def test_guesses_do_not_push_out_what_is_good() -> None:
    """A thousand wrong passwords later, the right one is still remembered."""
    slow = Slow()
    passwords, users = Passwords(KEY, slow), {b"alice": Secret("=right")}
    passwords.check(users, basic("alice", "right"))

    for number in range(1_000):
        passwords.check(users, basic("alice", f"wrong {number}"))
    passwords.check(users, basic("alice", "right"))

    assert len(slow.compared) == 1_001
    assert len(passwords._good) + len(passwords._bad) == 100


def test_a_hundred_results_are_remembered() -> None:
    """Of more good ones, the one unused the longest is forgotten."""
    slow = Slow()
    passwords = Passwords(KEY, slow)
    users = {f"u{number}".encode(): Secret("=x") for number in range(101)}
    for number in range(100):
        passwords.check(users, basic(f"u{number}", "x"))
    passwords.check(users, basic("u0", "x"))
    passwords.check(users, basic("u100", "x"))
    assert len(slow.compared) == 101

    passwords.check(users, basic("u0", "x"))
    assert len(slow.compared) == 101

    passwords.check(users, basic("u1", "x"))
    assert len(slow.compared) == 102
