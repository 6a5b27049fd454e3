"""What somebody reads who types a command wrongly: one line that says what to type."""

import re

import pytest

from exporter.cli.main import COMMANDS, main, make_parser

PROGRAM = "adbpg-job-exporter"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line about wrong usage, without the program's name."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))

    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith(PROGRAM)
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix(PROGRAM).strip()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--web.listen-adress=:1", "did you mean --web.listen-address?"),
        ("-web.listen-address=:1", "did you mean --web.listen-address?"),
        ("--web.listen_address=:1", "did you mean --web.listen-address?"),
        ("--listen-address=:1", "did you mean --web.listen-address?"),
        ("--port=9090", "did you mean --web.listen-address?"),
        ("-config.file=x", "did you mean --config.file?"),
        ("--config=x", "did you mean --config.file?"),
        ("--conf=x", "did you mean --config.file?"),
        ("-c", "did you mean --config.file?"),
        ("-help", "did you mean --help?"),
        ("-version", f"did you mean {PROGRAM} --version?"),
        ("--versoin", f"did you mean {PROGRAM} --version?"),
        ("--target=x", "it goes with query"),
        ("--live", "it goes with check-config"),
        ("--scenario.file=x", "it goes with simulate"),
    ],
)
@pytest.mark.parametrize("command", [(), ("serve",)])
def test_a_wrong_flag(
    command: tuple[str, ...], typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The nearest flag is named, or the command that has it, and never what stands after it."""
    line = said(capsys, *command, typed)

    flag = typed.partition("=")[0]
    assert line.startswith(f"serve: there is no flag {flag}: {meant}")
    assert line.endswith(f" Try: {PROGRAM} serve --help")


@pytest.mark.parametrize("flag", ["--frobnicate=secret", "-z", "---", "-"])
def test_a_flag_like_no_other(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is near, the help that lists the flags is named, and no value repeated."""
    line = said(capsys, "check-config", flag)

    assert line.endswith(f" Try: {PROGRAM} check-config --help")
    assert "secret" not in line
    assert "did you mean" not in line


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_that_is_named_lists_the_flags(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever follows the hint finds every flag of that command."""
    line = said(capsys, name, "--frobnicate")
    words = line.partition(f"Try: {PROGRAM} ")[2].split()
    with pytest.raises(SystemExit) as stopped:
        main(words)

    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert set(make_parser()[name].flags) <= set(re.findall(r"--?[a-z][a-z.-]*", told))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("serv",), "there is no command 'serv': did you mean serve?"),
        (("chekc-config", "--live"), "'chekc-config': did you mean check-config?"),
        (
            ("help",),
            "there is: serve, check-config, query, wait, watch, announce, forget, simulate, demo",
        ),
        (("config.yaml",), "there is no command 'config.yaml'"),
        (("serve", "demo"), "serve is a command of its own"),
        (("--config.file=x", "check-config"), "'check-config' is one word too many: a command"),
        (("check-config", "config.yaml"), "'config.yaml' is one word too many"),
        (("--config.file=",), "--config.file: expected the path of a file, got nothing"),
        (("--config.file",), "--config.file: expected one argument"),
        (("simulate", "--scenario.file="), "--scenario.file: expected the path of a file"),
        (("--web.enable-lifecycle=true",), "--web.enable-lifecycle: it takes no value"),
        (("query",), "the following arguments are required: JOB_ID"),
    ],
)
def test_other_mistakes(
    arguments: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words in the wrong place, and values that are missing or too many, have a line each."""
    line = said(capsys, *arguments)

    assert expected in line
    assert " Try: " in line


def test_a_job_id_may_begin_with_a_dash() -> None:
    """What stands behind -- is no flag."""
    options = make_parser()[""].parse_args(["query", "--target=t", "--collection=c", "--", "-j"])

    assert options.job_id == "-j"
