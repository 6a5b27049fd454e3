"""Loads all that a start needs, and reports every problem in it at once."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from exporter import config, files
from exporter.config import Config
from exporter.config.doubts import is_placeholder
from exporter.errors import ConfigurationError, NoCredentials, Problem
from exporter.gpdb import proxies
from exporter.gpdb.authorities import authorities
from exporter.gpdb.endpoints import base_url
from exporter.web.security import LiveWebConfig
from exporter.wiring import lasting_credentials

T = TypeVar("T")


def load_config(path: str, environ: Mapping[str, str]) -> Config:
    """Return the configuration in a file, if what the environment adds to it can be used too.

    Args:
        path: of the file.
        environ: for ``${NAME}``, and for proxy and authorities where the file names none.

    Raises:
        ConfigurationError: with every problem.
    """
    loaded = config.load(path, environ)
    if problems := list(_environment_problems(loaded, environ)):
        raise ConfigurationError(problems)
    return loaded


def doubts_about_key(loaded: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning where no call can be signed, or only with the key of an example."""
    credentials = lasting_credentials(loaded.credentials, environ)
    if credentials is None:
        return
    try:
        key = credentials.current()
    except NoCredentials as error:
        yield Problem("access key", 0, 0, "", f"{error}: no job can be queried without it")
        return
    if is_placeholder(key.id) or is_placeholder(key.secret.reveal()):
        message = "the value of an example: put your own in its place"
        yield Problem("access key", 0, 0, "", message)


def _environment_problems(loaded: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    is_plain = all(base_url(target).startswith("http://") for target in loaded.targets)
    if is_plain and loaded.credentials.provider != "ram":
        return  # neither is used
    try:
        proxies.configured(loaded.api.proxy, environ)
    except ValueError as error:
        yield Problem(proxies.variable(environ), 0, 0, "", str(error))
    if not loaded.api.ca_file:  # that one was looked at with the file
        with files.patience(files.START_PATIENCE):
            for name, message in authorities("", environ).problems():
                yield Problem(name, 0, 0, "", message)


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
