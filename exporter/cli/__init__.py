"""The command line: commands and exit codes."""

from exporter.cli.main import main

__all__ = ["main"]
