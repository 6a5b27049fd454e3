"""Commands and their flags, in the ecosystem's spelling."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn
from urllib.parse import urlsplit

from exporter import __version__, logs
from exporter.cli import serve
from exporter.config.units import parse_duration
from exporter.errors import ConfigurationError
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS, starters
from exporter.model import EVERYTHING, Shard
from exporter.redaction import Redactor
from exporter.signals import Signals
from exporter.web.addresses import parse_listen_address
from exporter.web.app import parse_external_url, parse_route_prefix, parse_telemetry_path

PORT = 10077
_LONGEST_TEXT = 256  # characters of an id or a name
_LONGEST_LABEL = 200  # characters of a label's value

_ALONE = ("-h", "--help", "--version")  # what needs no command
_ELSEWHERE = {"--port": "--web.listen-address", "--c": "--config.file", "--f": "--config.file"}
"""What other programs call some of our flags."""
_EPILOG = """\
Each command has flags of its own: adbpg-job-exporter COMMAND --help lists them.
Exit codes: 0 stopped by a signal, or done; 1 the configuration or the start failed;
2 wrong usage; 128 and more: a command that ends by itself was interrupted.
wait: 0 Success; 1 Failed; 3 Cancelled; 4 past its planned end or the timeout; 5 outcome unknown.
Documentation: docs/ beside the source.
"""


def main(argv: Sequence[str] | None = None, signals: Signals | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the arguments after the program's name; those of the process by default.
        signals: of the process; without them the command gets none.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parsed(_with_command(arguments))
    options.signals = signals or Signals()
    options.redactor = Redactor()
    logs.set_up(options.log_level, options.log_format, options.redactor)
    try:
        code: int = options.run(options, os.environ)
    except ConfigurationError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong, and points to the help that fits, in one line."""

    def error(self, message: str) -> NoReturn:
        message = message.replace("ignored explicit argument", "it takes no value, but got")
        end = "" if message.endswith("?") else "."
        self.exit(2, f"{self.prog}: {message}{end} Try: {self.prog} --help\n")

    @property
    def flags(self) -> list[str]:
        """All that it knows."""
        return [*self._option_string_actions]


def _with_command(arguments: list[str]) -> list[str]:
    """No sub-command means serve."""
    if arguments and (arguments[0] in COMMANDS or arguments[0] in _ALONE):
        return arguments
    return ["serve", *arguments]


def _parsed(arguments: list[str]) -> argparse.Namespace:
    """Return what the arguments say, the command first. Ends the process where they are wrong."""
    parsers = make_parser()
    if arguments[0] in _ALONE:
        return parsers[""].parse_args(arguments)
    name, *rest = arguments
    if rest and not rest[0].startswith("-") and name == "serve":
        _refuse_word(rest[0], parsers[""])
    for argument in rest:
        if argument == "--":
            break
        flag = argument.partition("=")[0]
        is_flag = len(flag) > 1 and flag.startswith("-") and not flag[1:2].isdigit()
        if is_flag and flag not in parsers[name].flags:
            parsers[name].error(f"there is no flag {flag}{_meant(flag, name, parsers)}")
    options, unknown = parsers[""].parse_known_args(arguments)
    if unknown:
        belongs = "a command comes first" if unknown[0] in COMMANDS else "nothing goes there"
        parsers[name].error(f"{unknown[0]!r} is one word too many: {belongs}")
    return options


def _refuse_word(word: str, parser: argparse.ArgumentParser) -> NoReturn:
    if word in COMMANDS:
        parser.error(f"{word!r} comes alone: serve is a command of its own")
    near = difflib.get_close_matches(word[:64], [*COMMANDS], n=1)
    meant = f"did you mean {near[0]}?" if near else f"there is: {', '.join(COMMANDS)}"
    parser.error(f"there is no command {word!r}: {meant}")


def _meant(flag: str, name: str, parsers: Mapping[str, _Parser]) -> str:
    """Return what was meant by a flag that a command does not know, as the end of a message."""
    spelt = "--" + flag.strip("-").replace("_", "-")
    spelt = _ELSEWHERE.get(spelt, spelt)
    known = parsers[name].flags
    if spelt not in known and (others := [n for n in COMMANDS if spelt in parsers[n].flags]):
        return f": it goes with {', '.join(others)}"
    near = difflib.get_close_matches(spelt[:64], [*known, "--version"], n=1, cutoff=0.7)
    if not near:  # such as --conf, or --listen-address
        part = spelt.lstrip("-")
        near = [each for each in known if part and (f"--{part}" in each or f".{part}" in each)]
    if near == ["--version"]:
        return f": did you mean {parsers[''].prog} --version?"
    return f": did you mean {near[0]}?" if near else ""


def make_parser() -> dict[str, _Parser]:
    """Return the parser of each command by its name, and under "" the one for them all."""
    parser = _Parser(
        prog="adbpg-job-exporter",
        description="Prometheus exporter for the asynchronous jobs of AnalyticDB for PostgreSQL.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"adbpg-job-exporter {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parsers = {"": parser}
    for name, (summary, add_flags, run) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        parsers[name] = command
        add_flags(command)
        command.add_argument(
            "--log.level",
            dest="log_level",
            choices=[*logs.LEVELS],
            default="info",
            help="how much to log (default: info)",
        )
        command.add_argument(
            "--log.format",
            dest="log_format",
            choices=["logfmt", "json"],
            default="logfmt",
            help="how to log (default: logfmt)",
        )
        command.set_defaults(run=run)
    return parsers


def _config_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config.file",
        dest="config_file",
        metavar="FILE",
        type=_file,
        default="config.yaml",
        help="the configuration (default: config.yaml)",
    )


def _web_config_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--web.config.file",
        dest="web_config_file",
        metavar="FILE",
        default="",
        help="TLS and users of the exporter's own port (default: neither)",
    )


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected the path of a file, got nothing")
    return text


def _address(text: str) -> tuple[str, int]:
    try:
        return parse_listen_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _web_flags(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument(
        "--web.listen-address",
        dest="listen_addresses",
        metavar="[HOST]:PORT",
        type=_address,
        action="append",
        help=f"where to listen; may be given several times (default: {default})",
    )
    command.add_argument(
        "--shard",
        metavar="NUMBER/SHARDS",
        type=_shard,
        default=EVERYTHING,
        help="watch only this share of the jobs, such as 1/3: each job is in one, by its id "
        "(default: 1/1, all of them)",
    )
    command.set_defaults(default_addresses=[parse_listen_address(default)])
    command.add_argument(
        "--web.telemetry-path",
        dest="telemetry_path",
        metavar="PATH",
        type=_path,
        default="/metrics",
        help="where the metrics are, below the prefix (default: /metrics)",
    )
    command.add_argument(
        "--web.external-url",
        dest="external_url",
        metavar="URL",
        type=_external_url,
        default="",
        help="at which URL people reach the exporter, such as that of a proxy; its path is the "
        "default of --web.route-prefix",
    )
    command.add_argument(
        "--web.route-prefix",
        dest="route_prefix",
        metavar="PATH",
        type=_route_prefix,
        help="comes before every path; / where a proxy takes it away (default: the path of "
        "--web.external-url)",
    )
    _web_config_flag(command)


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _path(text: str) -> str:
    try:
        return parse_telemetry_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _external_url(text: str) -> str:
    try:
        return parse_external_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _route_prefix(text: str) -> str:
    try:
        return parse_route_prefix(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _check_flags(command: argparse.ArgumentParser) -> None:
    _config_flag(command)
    _web_config_flag(command)
    command.add_argument(
        "--live",
        action="store_true",
        help="query the API about every target and job too, and say what to change",
    )
    command.add_argument(
        "--live.timeout",
        dest="live_timeout",
        metavar="DURATION",
        type=_duration,
        default="1m",
        help="for all of --live together (default: 1m)",
    )
    command.add_argument(
        "--output",
        choices=["text", "json"],
        default="text",
        help="of --live (default: text)",
    )


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        message = f"expected a duration such as 30s or 1m30s, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _serve_flags(command: argparse.ArgumentParser) -> None:
    _config_flag(command)
    _web_flags(command, f":{PORT}")
    command.add_argument(
        "--web.enable-lifecycle",
        dest="lifecycle",
        action="store_true",
        help="allow POST /-/reload",
    )


def _job_flags(command: argparse.ArgumentParser) -> None:
    _config_flag(command)
    command.add_argument("job_id", metavar="JOB_ID", help=f"as {starters()} gave it")
    command.add_argument("--target", required=True, help="a target of the configuration")
    command.add_argument("--collection", required=True, help="that the job works on")
    command.add_argument(
        "--kind",
        choices=[*KINDS],
        help="what the job does (default: as the configuration or a job file says of this job, "
        f"else {DEFAULT_KIND})",
    )


def _query_flags(command: argparse.ArgumentParser) -> None:
    _job_flags(command)
    command.add_argument(
        "--output", choices=["table", "json"], default="table", help="(default: table)"
    )


def _wait_flags(command: argparse.ArgumentParser) -> None:
    _job_flags(command)
    command.add_argument(
        "--timeout",
        metavar="DURATION",
        type=_duration,
        help="how long to wait (default: until the planned end of the job, by its deadline or the "
        "vendor's limits; 24h where that is not known, or it waits for its turn)",
    )


def _hand_over_flags(command: argparse.ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", type=_text, help="of the exporter, such as http://HOST:10077")
    where.add_argument(
        "--job-file",
        dest="job_folder",
        metavar="DIR",
        type=_file,
        help="a folder that job_files of the exporter names, with /*.yaml behind it, in place of "
        "the URL: the job has a file of its own there",
    )
    command.add_argument(
        "--token-file",
        metavar="FILE",
        type=_file,
        help="holds a token of the exporter's registration.tokens; with --url",
    )
    command.add_argument("--target", required=True, type=_text, help="a target of the exporter")
    command.add_argument("--id", required=True, type=_text, help=f"as {starters()} gave it")
    command.add_argument(
        "--strict",
        action="store_true",
        help="end with 1 where the exporter is away or busy, which is a warning and 0 otherwise",
    )


def _announce_flags(command: argparse.ArgumentParser) -> None:
    _hand_over_flags(command)
    command.add_argument("--collection", required=True, type=_text, help="that the job works on")
    command.add_argument(
        "--kind", choices=[*KINDS], help=f"what the job does (default: {DEFAULT_KIND})"
    )
    entries = command.add_mutually_exclusive_group()
    entries.add_argument(
        "--expected-entries", metavar="N", type=_count, help="how many entries an upload has"
    )
    entries.add_argument(
        "--file", metavar="FILE", type=_file, help="that was uploaded: each line is an entry"
    )
    command.add_argument(
        "--deadline", type=_duration_text, help="how long the job may take, such as 45m"
    )
    command.add_argument(
        "--label",
        dest="labels",
        metavar="NAME=VALUE",
        type=_label,
        action="append",
        default=[],
        help="one that job_labels of the exporter names; may be given several times",
    )


def _watch_flags(command: argparse.ArgumentParser) -> None:
    _config_flag(command)
    command.add_argument(
        "--url",
        type=_metrics_url,
        help="of the metrics of a running exporter, such as http://HOST:10077/metrics, in place of "
        "the configuration",
    )
    command.add_argument("--user", type=_text, help="that the exporter asks for; with --url")
    command.add_argument(
        "--password-file", metavar="FILE", type=_file, help="holds the password of --user"
    )


def _metrics_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        message = f"expected a URL such as http://HOST:{PORT}/metrics, without a user"
        raise argparse.ArgumentTypeError(message)
    return text if parts.path.strip("/") else f"{text.rstrip('/')}/metrics"


def _text(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_TEXT or not text.isprintable():
        message = f"expected 1 to {_LONGEST_TEXT} printable characters"
        raise argparse.ArgumentTypeError(message)
    return text


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,14}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _duration_text(text: str) -> str:
    _duration(text)
    return text


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    if len(value) > _LONGEST_LABEL or not (value + " ").isprintable():
        message = f"expected at most {_LONGEST_LABEL} printable characters for {name}"
        raise argparse.ArgumentTypeError(message)
    return name, value


def _simulate_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--web.listen-address",
        dest="listen_address",
        metavar="HOST:PORT",
        type=_address,
        default=("127.0.0.1", 18080),
        help="where to listen (default: 127.0.0.1:18080)",
    )
    command.add_argument(
        "--scenario.file",
        dest="scenario_file",
        metavar="FILE",
        type=_file,
        help="keys, namespaces and jobs to simulate (default: the demo's)",
    )


def _demo_flags(command: argparse.ArgumentParser) -> None:
    _web_flags(command, f"127.0.0.1:{PORT}")


Run = Callable[[argparse.Namespace, Mapping[str, str]], int]


def _later(module: str, name: str) -> Run:
    """Return a command that is imported when it runs: what it needs would slow down serve."""

    def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
        command: Run = getattr(import_module(f"exporter.cli.{module}"), name)
        return command(options, environ)

    return run


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Run]] = {
    "serve": (
        "Serve the metrics; what no command means.",
        _serve_flags,
        serve.run,
    ),
    "check-config": (
        "Load the configuration as serve does, and print every problem.",
        _check_flags,
        _later("inspect", "check_config"),
    ),
    "query": (
        "Query one job, once, and print what the API says.",
        _query_flags,
        _later("inspect", "query"),
    ),
    "wait": (
        "Query one job until it has ended, and end with its outcome as the exit code.",
        _wait_flags,
        _later("wait", "wait"),
    ),
    "watch": (
        "Show the jobs in a terminal, of a running exporter or of a configuration.",
        _watch_flags,
        _later("watch", "watch"),
    ),
    "announce": (
        "Hand a job over to a running exporter.",
        _announce_flags,
        _later("announce", "announce"),
    ),
    "forget": (
        "Have a job that was announced watched no longer.",
        _hand_over_flags,
        _later("announce", "forget"),
    ),
    "simulate": (
        "Serve a simulated gpdb API, with its signature checked.",
        _simulate_flags,
        _later("simulated", "simulate"),
    ),
    "demo": (
        "Serve the metrics of a simulated API: live, with no account.",
        _demo_flags,
        _later("simulated", "demo"),
    ),
}
