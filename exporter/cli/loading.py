"""Loads all that a start needs, and tells every problem in it at once."""

from collections.abc import Callable
from typing import TypeVar

from exporter.config import Config
from exporter.errors import ConfigurationError, Problem
from exporter.web.security import LiveWebConfig

T = TypeVar("T")


def load_both(
    load: Callable[[], Config], web_config_file: str
) -> tuple[Config, LiveWebConfig | None]:
    """Return the configuration and, if a file is named, the web configuration.

    Args:
        load: reads the configuration.
        web_config_file: the value of ``--web.config.file``; empty for none.

    Raises:
        ConfigurationError: with the problems of both.
    """
    problems: list[Problem] = []
    web = _tried(lambda: LiveWebConfig(web_config_file), problems) if web_config_file else None
    loaded = _tried(load, problems)
    if problems or loaded is None:
        raise ConfigurationError(problems)
    return loaded, web


def _tried(load: Callable[[], T], problems: list[Problem]) -> T | None:
    try:
        return load()
    except ConfigurationError as error:
        problems += error.problems
        return None
