"""Reads a YAML file into nodes; what makes that impossible is one problem with its place."""

from exporter import files
from exporter.config import yaml_source
from exporter.config.yaml_source import Node, YamlError
from exporter.errors import ConfigurationError, Problem


def read(path: str, *, if_missing: str = "") -> Node | None:
    """Return the root node of a file; None where there is nothing but comments.

    Args:
        path: of the file.
        if_missing: what to do where there is no such file.

    Raises:
        ConfigurationError: the file cannot be read, or is no YAML that is taken.
    """
    try:
        _, data = files.read(path, yaml_source.LARGEST_FILE + 1)
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        if if_missing and isinstance(error, FileNotFoundError):
            why += f": {if_missing}"
        raise ConfigurationError([Problem(path, 0, 0, "", why)]) from None
    return parse(path, data)


def parse(path: str, data: bytes) -> Node | None:
    """Return the root node of what a file holds.

    Raises:
        ConfigurationError: as ``read``.
    """
    try:
        return yaml_source.parse(data)
    except YamlError as error:
        problem = Problem(path, error.line, error.column, "", error.message)
        raise ConfigurationError([problem]) from None
