"""Files that hang when they are opened, as on a mount whose server has gone. Linux, and root.

The kernel's fanotify asks us before it lets anyone open such a file, and we do not answer.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

_CLASS_CONTENT: Final = 0x4  # of linux/fanotify.h, as are the next two
_MARK_ADD: Final = 0x1
_OPEN_PERM: Final = 0x10000
_AT_FDCWD: Final = -100

_libc = ctypes.CDLL(None, use_errno=True)


def _can_hang() -> bool:
    descriptor = _libc.fanotify_init(_CLASS_CONTENT, os.O_RDONLY)
    if descriptor >= 0:
        os.close(descriptor)
    return bool(descriptor >= 0)


needs_root = pytest.mark.skipif(
    not _can_hang() and "CI" not in os.environ, reason="only root may make a file hang"
)


@contextmanager
def hanging(*paths: Path) -> Iterator[None]:
    """Let whoever opens one of these files wait until the block ends."""
    descriptor = _libc.fanotify_init(_CLASS_CONTENT, os.O_RDONLY)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "fanotify_init")
    try:
        for path in paths:
            mask, name = ctypes.c_uint64(_OPEN_PERM), os.fsencode(path)
            if _libc.fanotify_mark(descriptor, _MARK_ADD, mask, _AT_FDCWD, name):
                raise OSError(ctypes.get_errno(), "fanotify_mark")
        yield
    finally:
        os.close(descriptor)  # whoever waits goes on
