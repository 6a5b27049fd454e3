"""How many heaps the C library keeps: each thread's own would keep the size of a page."""

import platform
import re
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from tests.processes import ACCESS_KEYS, ONE_NAMESPACE, Process, exporter, scrape, simulator

SCENARIO = (
    ACCESS_KEYS
    + ONE_NAMESPACE
    + "jobs:\n"
    + "".join(
        f"  - {{id: j{n}, collection: c{n}, namespace: main, entries: 9000000}}\n"
        for n in range(64)
    )
)
_HEAP = 64 << 20  # bytes: size and alignment of a thread's heap (HEAP_MAX_SIZE of glibc's arena.c)
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) 00000000 00:00 0 *$", re.MULTILINE)


def heaps(process: Process) -> int:
    """Return how many heaps there are besides the process's first.

    A heap's begin is open for writing and its rest is reserved, up to its whole size. The kernel
    aligns other large mappings too, so an aligned begin alone says nothing.
    """
    maps = Path(f"/proc/{process.popen.pid}/maps").read_text()
    found = [(int(start, 16), int(end, 16), mode) for start, end, mode in _MAPPING.findall(maps)]
    return sum(
        begin % _HEAP == 0
        and (mode, rest_mode) == ("rw-p", "---p")
        and (end, rest_end) == (rest, begin + _HEAP)
        for (begin, end, mode), (rest, rest_end, rest_mode) in pairwise(found)
    )


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a heap for a thread")
def test_threads_share_a_heap(tmp_path: Path) -> None:
    """Scrapes in many threads, with many queries at once, do not each bring a heap."""
    with simulator(SCENARIO, tmp_path) as api, exporter(api.configuration(), tmp_path) as it:
        for _ in range(3):
            crowd = [threading.Thread(target=scrape, args=(it,)) for _ in range(16)]
            for one in crowd:
                one.start()
            for one in crowd:
                one.join()
        assert heaps(it) == 0
