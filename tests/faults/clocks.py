"""A process with clocks of its own, by libfaketime."""

from pathlib import Path

from tests.processes import KEY, Process, eventually, get

ROOT = Path(__file__).parents[2]


class Clocks:
    """The clocks of a process.

    Args:
        folder: for the file that the library reads.
        monotonic: to set the monotonic clock, too: for the process, time passes. Without that it
            is the wall clock that jumps.

    Attributes:
        environ: of the process.
    """

    def __init__(self, folder: Path, *, monotonic: bool = True) -> None:
        self._file = folder / "faketime"
        self.set("+0s")
        self.environ = {
            **KEY,
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if monotonic else "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: str) -> None:
        """Set them off by so much, such as ``+1h``."""
        new = self._file.with_suffix(".new")
        new.write_text(offset + "\n")
        new.rename(self._file)

    def jump(self, offset: str, process: Process) -> None:
        """Set them off while the process runs, and wait until it has seen it.

        The library locks nothing: a thread that was just reading the file gives all threads the old
        time once more, and a deadline that was made of it has passed at the next look. That costs
        a connection.
        """
        self.set(offset)
        eventually(lambda: _answers(process), "an answer after the clocks have changed")


def _answers(process: Process) -> bool:
    try:
        return get(f"{process.url}/-/healthy")[0] == 200
    except OSError:
        return False


def _library() -> str:
    """Return the path of what `make test` installs: the package `libfaketime` of Debian."""
    found = [
        *(ROOT / ".tools/faketime/usr/lib").glob("*/faketime/libfaketime.so.1"),
        *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
    ]
    assert found, "libfaketime is missing: run the tests with `make test`, which installs it"
    return str(found[0])
