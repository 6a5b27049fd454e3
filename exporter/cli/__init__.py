"""The command line: commands, exit codes, and the one place that makes every object."""

from exporter.cli.build import build
from exporter.cli.main import main

__all__ = ["build", "main"]
