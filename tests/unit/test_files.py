"""A file that does not answer costs its caller a bounded time, and the process one thread."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter import files

NO_ANSWER = "it does not answer"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a look waits for; opened at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


def patiently(key: tuple[object, ...], work: Callable[[], str]) -> str:
    """Look with patience: what is to be waited for comes, however busy the machine is."""
    with files.patience(60):
        return files.within(key, work)


def threads() -> list[threading.Thread]:
    """Return the threads that look at files."""
    return [thread for thread in threading.enumerate() if thread.name == "file"]


def wait_until_free(key: tuple[str, ...]) -> None:
    """Wait until a look that hung has come back."""
    while True:
        try:
            files.within(key, lambda: None)
        except TimeoutError:
            time.sleep(0.001)  # it is coming back: this cannot be waited for
        else:
            return


def test_content_and_status(tmp_path: Path) -> None:
    """A file that answers is read up to the number of bytes that is asked for."""
    path = tmp_path / "file"
    path.write_bytes(b"content")

    status, data = files.read(str(path), 4)

    assert data == b"cont"
    assert (status.st_ino, status.st_size) == (path.stat().st_ino, 7)
    assert files.stat(str(path)).st_ino == path.stat().st_ino


@pytest.mark.parametrize("look", [files.stat, lambda path: files.read(path, 1)])
def test_what_goes_wrong_is_raised_as_it_is(tmp_path: Path, look: Callable[[str], object]) -> None:
    """The caller gets the system's own error, whichever thread it came up in."""
    with pytest.raises(FileNotFoundError):
        look(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="null byte"):
        look("\0")


def test_a_look_that_hangs_is_given_up(gate: threading.Event) -> None:
    """The caller goes on after its patience, with an error that says what may be wrong."""
    with files.patience(0.01), pytest.raises(TimeoutError) as caught:
        files.within(("hangs",), gate.wait)

    assert caught.value.strerror == files.NO_ANSWER


def test_whoever_comes_later_does_not_wait(gate: threading.Event) -> None:
    """While a look is known to hang, nobody waits for it again, and no other thread hangs."""
    with files.patience(0.01), pytest.raises(TimeoutError):
        files.within(("known",), gate.wait)
    before = len(threads())

    for _ in range(100):  # at a second each, nobody would wait for this test
        with files.patience(60), pytest.raises(TimeoutError):
            files.within(("known",), gate.wait)

    assert len(threads()) == before


def test_other_files_are_not_concerned(gate: threading.Event, tmp_path: Path) -> None:
    """A file that hangs costs nothing but itself."""
    path = tmp_path / "file"
    path.write_text("good")
    with files.patience(0.01), pytest.raises(TimeoutError):
        files.within(("another",), gate.wait)

    with files.patience(60):
        _, data = files.read(str(path), 10)

    assert data == b"good"


def test_it_works_again_when_the_fault_ends(gate: threading.Event) -> None:
    """The look after one that came back late is a fresh one."""
    with files.patience(0.01), pytest.raises(TimeoutError):
        files.within(("heals",), gate.wait)
    hung = files.hangs("heals")

    gate.set()
    wait_until_free(("heals",))

    assert hung
    assert not files.hangs("heals")

    assert patiently(("heals",), lambda: "fresh") == "fresh"


def test_a_thread_is_used_again(tmp_path: Path) -> None:
    """A thousand looks, one after the other, take no more threads than a few."""
    path = tmp_path / "file"
    path.write_text("good")

    for _ in range(1000):
        files.stat(str(path))

    assert len(threads()) < 10


def test_a_crowd_leaves_a_few_threads() -> None:
    """Threads that were needed at once end, but for some."""
    held = threading.Barrier(33)
    callers = [
        threading.Thread(target=patiently, args=(("crowd", n), held.wait)) for n in range(32)
    ]
    for caller in callers:
        caller.start()
    held.wait(60)
    for caller in callers:
        caller.join()

    while len(threads()) > 8:  # they end by themselves; a test before may have left some
        time.sleep(0.001)


def test_callers_share_a_look(gate: threading.Event) -> None:
    """Who comes while a look is under way gets its result."""
    begun, looks = threading.Event(), []

    def look() -> str:
        looks.append("look")
        begun.set()
        gate.wait()
        return "result"

    results: list[str] = []
    callers = [
        threading.Thread(target=lambda: results.append(patiently(("shared",), look)))
        for _ in range(2)
    ]
    callers[0].start()
    begun.wait(60)
    callers[1].start()
    gate.set()
    for caller in callers:
        caller.join()

    assert results == ["result", "result"]


def test_patience_is_for_a_block_as_a_whole(gate: threading.Event) -> None:
    """A hundred files that hang take hardly longer than one."""
    began = time.monotonic()

    with files.patience(0.01):
        for number in range(20):
            with pytest.raises(TimeoutError):
                files.within(("one of many", number), gate.wait)

    assert time.monotonic() - began < 20 * files.PATIENCE


def test_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    """Where a pipe is taken, it is waited for with patience; where not, it is refused at once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with files.patience(0.01), pytest.raises(TimeoutError, match=NO_ANSWER):
        files.read(str(pipe), 10)
    with pytest.raises(OSError, match="not a regular file"):
        files.read(str(pipe), 10, regular=True)

    os.close(os.open(pipe, os.O_WRONLY))  # the thread goes on


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """What comes through a pipe in pieces is taken as a whole."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as end:
            end.write(b"one ")
            end.write(b"two")

    writer = threading.Thread(target=write)
    writer.start()
    with files.patience(60):
        _, data = files.read(str(pipe), 100)
    writer.join()

    assert data == b"one two"


def test_a_device_without_end() -> None:
    """No more is read than was asked for, and where a file is expected a device is refused."""
    _, data = files.read("/dev/zero", 1000)

    assert data == bytes(1000)
    with pytest.raises(OSError, match="not a regular file"):
        files.read("/dev/zero", 1000, regular=True)


def test_no_thread_is_an_error_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no more threads, the look fails, and the next may work."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    looks = files.Looks()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="no thread"):
            looks.result(("key",), lambda: 1, 60)

    assert looks.result(("key",), lambda: 1, 60) == 1
