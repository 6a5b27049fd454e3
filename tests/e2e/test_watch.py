"""The command ``watch``, in a terminal of the test's own and without one."""

import contextlib
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import bcrypt
import pytest

from tests.faults.bench import well
from tests.faults.raw import configuration
from tests.processes import (
    KEY,
    PATIENCE,
    PROGRAM,
    Process,
    eventually,
    exporter,
    plain_environ,
    run,
    scrape,
)
from tests.upstream import Upstream, hang

JOBS = [f"job-{number:03}" for number in range(40)]


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An exporter with forty jobs that run."""
    folder = tmp_path_factory.mktemp("watch")
    with Upstream(well) as api, exporter(configuration(*JOBS, api=api.url), folder) as process:
        scrape(process)
        yield process


def without_size(environ: dict[str, str]) -> dict[str, str]:
    """Return an environment that does not name the size of another terminal."""
    return {name: environ[name] for name in environ if name not in ("COLUMNS", "LINES")}


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, *arguments: str, rows: int, columns: int, environ: dict[str, str]) -> None:
        self._primary, secondary = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(secondary)
        self._secondary = secondary
        self.popen = subprocess.Popen(
            [*PROGRAM, *arguments],
            env={**without_size(plain_environ()), **KEY, "TERM": "xterm-256color", **environ},
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
        )
        self._shown = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, rows: int, columns: int) -> None:
        """Give it another size."""
        ioctl(self._primary, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._primary, keys.encode())

    def wait_for(self, pattern: str) -> str:
        """Return what was shown since the last call, once the pattern is in it."""
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self._shown), PATIENCE)
            assert found, self._shown[-3000:]
            shown, self._shown = self._shown, ""
            return shown

    def ended(self) -> int:
        """Return the exit code, once it has ended and given the terminal back as it was."""
        code = self.popen.wait(PATIENCE)
        assert termios.tcgetattr(self._secondary) == self.before
        return code

    def close(self) -> None:
        """Take the terminal away."""
        self.popen.kill()
        self.popen.wait()
        os.close(self._secondary)
        self._reader.join(PATIENCE)
        os.close(self._primary)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(self._primary, 65_536):
                with self._changed:
                    self._shown += piece.decode("utf-8", "replace")
                    self._changed.notify_all()


@contextlib.contextmanager
def terminal(
    *arguments: str, rows: int = 20, columns: int = 120, **environ: str
) -> Iterator[Terminal]:
    """Start the command in a terminal."""
    opened = Terminal("watch", *arguments, rows=rows, columns=columns, environ=environ)
    try:
        yield opened
    finally:
        opened.close()


def test_it_scrolls_resizes_and_quits(it: Process) -> None:
    """It shows what fits, follows keys and sizes, and gives the terminal back."""
    with terminal(f"--url={it.url}") as there:
        shown = there.wait_for(r"1-15 of 40")
        assert "40 jobs: 0 need attention, 40 under way" in shown
        assert "▶ Running" in shown
        there.press("j")
        there.wait_for("2-16 of 40")
        there.press("\x1b[6~")
        there.wait_for("12-26 of 40")
        there.press("kkj")  # at once, as a key that is held down
        there.wait_for("11-25 of 40")
        there.resize(12, 60)
        there.wait_for("11-17 of 40")
        there.press("q")
        assert there.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_terminal_back(it: Process, number: int) -> None:
    """Ctrl-C ends it as q does."""
    with terminal(f"--url={it.url}") as there:
        there.wait_for("of 40")
        there.popen.send_signal(number)
        assert there.ended() == 0


def test_without_colour(it: Process) -> None:
    """With NO_COLOR there is no colour, and every sign has its word."""
    with terminal(f"--url={it.url}", NO_COLOR="1") as there:
        shown = there.wait_for("of 40")
        there.press("q")
        assert there.ended() == 0

    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|38;|9[0-7])[0-9;]*m", shown)


def test_an_exporter_that_goes_away(tmp_path: Path) -> None:
    """The last jobs stay, and a line says why they are old."""
    with Upstream(well) as api, exporter(configuration("job", api=api.url), tmp_path) as process:
        scrape(process)
        with terminal(f"--url={process.url}") as there:
            there.wait_for("1-1 of 1")
            process.stop()
            shown = there.wait_for("cannot be read: Connection refused")
            assert "1-1 of 1" in shown + there.wait_for("1-1 of 1")
            there.press("q")
            assert there.ended() == 0


def test_an_exporter_that_hangs() -> None:
    """A page that does not come holds up no key."""
    with Upstream(lambda _: hang()) as silent, terminal(f"--url={silent.url}") as there:
        there.wait_for("no jobs")
        eventually(lambda: len(silent.requests) == 1, "the page is asked for")
        there.press("q")
        assert there.ended() == 0
        assert len(silent.requests) == 1


def test_a_user_with_a_password(tmp_path: Path) -> None:
    """An exporter that asks for a user gets one, by the file of the password."""
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{people: {hashed}}}\n")
    (tmp_path / "password").write_text("right\n")
    with (
        Upstream(well) as api,
        exporter(configuration("j", api=api.url), tmp_path, "--web.config.file=web.yaml") as it,
    ):
        flags = ("--user=people", "--password-file=password")
        good = run("watch", f"--url={it.url}", *flags, cwd=tmp_path)
        without = run("watch", f"--url={it.url}", cwd=tmp_path)

    assert (good.returncode, good.stderr) == (0, "")
    assert (without.returncode, without.stderr) == (1, f"watch: {it.url}/metrics answered 401\n")


def test_once_without_a_terminal(it: Process) -> None:
    """Into a pipe it prints all jobs once, without control characters."""
    done = run("watch", f"--url={it.url}", environ={"COLUMNS": "200"})

    assert (done.returncode, done.stderr) == (0, "")
    assert all(job in done.stdout for job in JOBS)
    assert "\x1b" not in done.stdout


def test_from_a_configuration(tmp_path: Path) -> None:
    """Without a URL it asks the API itself, beside an exporter that holds the store."""
    extra = "registry: {store: sqlite, path: jobs.sqlite}\n"
    with Upstream(well) as api:
        text = configuration("job-1", api=api.url, extra=extra)
        with exporter(text, tmp_path):
            done = run("watch", environ={**KEY, "COLUMNS": "200"}, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "▶ Running" in done.stdout


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--url=exporter:10077",), 2, "expected a URL such as http://HOST:10077/metrics"),
        (("--url=http://u:p@exporter:10077",), 2, "without a user"),
        (("--url=http://127.0.0.1:9",), 1, "http://127.0.0.1:9/metrics cannot be read: Connection"),
        (
            ("--url=http://127.0.0.1:9", "--user=u", "--password-file=nowhere"),
            1,
            "nowhere cannot be read",
        ),
        ((), 1, "config.yaml: cannot be read"),
        (("--url=http://127.0.0.1:9", "--user=u"), 2, "--password-file and --url go together"),
        (("--user=u", "--password-file=x"), 2, "--password-file and --url go together"),
    ],
)
def test_mistakes(tmp_path: Path, flags: tuple[str, ...], code: int, said: str) -> None:
    """Each is one line."""
    done = run("watch", *flags, cwd=tmp_path)

    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_library(it: Process, tmp_path: Path) -> None:
    """It names the extra that it needs."""
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError('rich')\n")
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "watch", f"--url={it.url}"],
        env={**plain_environ(), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "watch: needs the extra `terminal`: pip install 'adbpg-job-exporter[terminal]'\n"
    )
