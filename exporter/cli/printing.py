"""Texts that commands print."""

import logging
import os
import sys

logger = logging.getLogger(__name__)


def print_line(text: str) -> None:
    """Print a text of a command that serves on, whether or not anybody can read it.

    Whoever started it may have closed standard output, or read enough, or its disk is full.
    """
    try:
        print(text.removesuffix("\n"), flush=True)
    except OSError as error:
        logger.warning("standard output is of no use", extra={"error": error.strerror})
        # What is still buffered would fail again at each attempt to write it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain(text: str) -> str:
    """Return a text that cannot steer the terminal, whatever the API has put into it."""
    return "".join(c if c.isprintable() else "�" for c in text)
