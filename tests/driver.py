"""Hundreds of commands in one process: starting one for each would take minutes."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.planted import assert_absent
from tests.processes import PLANTED

# Each command gets its arguments as a line, and answers with one.
DRIVER = """\
import contextlib, io, json, sys
from exporter.cli.main import main

answers = sys.stdout
for line in sys.stdin:
    out, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        code = main(json.loads(line))
    print(json.dumps([code, out.getvalue(), told.getvalue()]), file=answers, flush=True)
"""

Answer = tuple[int, str, str]


class Commands:
    """Answers arguments with exit code, standard output and standard error."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self._popen = popen

    def __call__(self, *arguments: str) -> Answer:
        """Run one."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        print(json.dumps(arguments), file=self._popen.stdin, flush=True)
        code, out, told = json.loads(self._popen.stdout.readline())
        assert_absent(PLANTED, out + told, " ".join(arguments))
        return code, out, told


@contextlib.contextmanager
def one_process(folder: Path, environ: Mapping[str, str]) -> Iterator[Commands]:
    """Start a process that runs commands of ours in a folder, one after the other."""
    root = str(Path(__file__).parents[1])
    with tempfile.TemporaryFile("w+") as errors:
        popen = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            env={**environ, "PYTHONPATH": root, "PATH": ""},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with popen:
            yield Commands(popen)
            popen.kill()
