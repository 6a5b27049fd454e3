"""``python -m exporter``, and the program ``adbpg-job-exporter``."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

from exporter.signals import Signals, serves, take_over

_BROKEN_PIPE = 141  # as a shell says that SIGPIPE has ended a program


def main() -> NoReturn:
    """Run the command of this process's arguments, and end the process.

    The signals come first: the rest takes a good part of a second to import.
    """
    signals = Signals(serves=serves(sys.argv[1:]))
    take_over(signals)
    code = 1
    try:
        from exporter.cli.main import main  # noqa: PLC0415  see above

        code = main(signals=signals)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BrokenPipeError:
        code = _BROKEN_PIPE
    except BaseException:  # noqa: BLE001  the hook writes it into the log
        sys.excepthook(*sys.exc_info())
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process, once what was printed is written.

    Not the interpreter's own way: that takes the signal handlers away before it has ended, and
    stops threads that still serve in the middle of whatever they do.
    """
    try:
        with suppress(AttributeError):  # it was closed before the interpreter began
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough, as ``head`` has
        code = code or _BROKEN_PIPE
    except OSError as error:
        print(f"standard output: {error.strerror}", file=sys.stderr)  # noqa: T201  for people
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
