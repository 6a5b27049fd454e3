import logging
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.main import main
from exporter.config import ScrapeSettings
from exporter.model import Shard
from tests.config_files import BROKEN, Watched, configured, ids, jobs, messages

PRINTABLE = st.characters(exclude_categories=["C", "Z"]) | st.just(" ")


@given(st.text(PRINTABLE, min_size=1, max_size=256), st.integers(1, 100))
def test_each_job_is_in_exactly_one_shard(job_id: str, of: int) -> None:
    """Whatever the id and however many shards, one of them watches the job."""
    holding = [number for number in range(1, of + 1) if Shard(number, of).holds(job_id)]

    assert len(holding) == 1


@pytest.mark.parametrize(
    ("job_id", "numbers"),
    [
        ("231460f8-75dc-405e-a669-0c5204887e91", [2, 1, 1]),
        ("größe-向量", [1, 1, 4]),
        ("a", [1, 2, 5]),
    ],
)
def test_a_job_stays_in_its_shard(job_id: str, numbers: list[int]) -> None:
    """Of 2, 3 and 7 shards a job is in these, in every process and version."""
    assert all(
        Shard(number, of).holds(job_id) for number, of in zip(numbers, (2, 3, 7), strict=True)
    )


def test_shards_are_about_equal() -> None:
    """Of 30,000 jobs with ids that differ by one character, each of 3 shards has a third."""
    shards = [Shard(number, 3) for number in (1, 2, 3)]
    held = Counter(
        shard.number for n in range(30_000) for shard in shards if shard.holds(f"job-{n}")
    )

    assert all(abs(held[number] - 10_000) < 500 for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("text", "shard"), [("1/1", Shard()), ("2/3", Shard(2, 3)), ("9999/9999", Shard(9999, 9999))]
)
def test_reading_a_shard(text: str, shard: Shard) -> None:
    """NUMBER/SHARDS, counted from 1."""
    assert Shard.parse(text) == shard


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/3", "expected a shard from 1/3 to 3/3, got '0/3'"),
        ("4/3", "expected a shard from 1/3 to 3/3, got '4/3'"),
        ("1/0", "expected at least one shard, got '1/0'"),
        *(
            (t, f"expected NUMBER/SHARDS such as 1/3, got {t!r}")
            for t in ("", "1", "/3", "1/", "a/3")
        ),
        ("-1/3", "expected NUMBER/SHARDS such as 1/3, got '-1/3'"),
        ("1/10000", "expected NUMBER/SHARDS such as 1/3, got '1/10000'"),
        ("\u0661/3", "expected NUMBER/SHARDS such as 1/3, got '\u0661/3'"),
        ("$(POD_INDEX)/3", "expected NUMBER/SHARDS such as 1/3, got '$(POD_INDEX)/3'"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "demo"])
def test_wrong_shards(
    command: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anything else is wrong usage: one line, and where to read on."""
    with pytest.raises(SystemExit) as stopped:
        main([command, f"--shard={text}"])

    assert stopped.value.code == 2
    prog = f"adbpg-job-exporter {command}"
    assert capsys.readouterr().err == (f"{prog}: argument --shard: {message}. Try: {prog} --help\n")


def test_the_jobs_of_a_shard(tmp_path: Path) -> None:
    """Jobs of the configuration and of job files are split; what goes wrong is in each shard."""
    named = [f"job-{number}" for number in range(40)]
    (tmp_path / "1.yaml").write_text(jobs(*named[20:]))
    (tmp_path / "2.yaml").write_text(BROKEN)
    config = configured(tmp_path, *named[:20])

    watched = [Watched(config, shard=Shard(number, 3)).current() for number in (1, 2, 3)]

    assert sorted(job for each in watched for job in ids(each)) == sorted(named)
    assert all(ids(each) for each in watched)
    assert all([*each.file_errors.values()] == [True] for each in watched)
    assert all([*each.targets] == ["rag", "twin"] for each in watched)


def test_max_jobs_is_of_a_shard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The limit is of what this process watches, not of what all of them do."""
    (tmp_path / "1.yaml").write_text(jobs(*(f"job-{number}" for number in range(40))))
    config = configured(tmp_path, scrape=ScrapeSettings(max_jobs=25))

    whole, half = (Watched(config, shard=Shard(1, of)).current() for of in (1, 2))

    assert (len(whole.jobs), len(half.jobs) < 25) == (25, True)
    assert len(messages(caplog, logging.WARNING)) == 1


def test_a_shard_knows_which_collections_it_shares(tmp_path: Path) -> None:
    """A job of another shard, or over the limit, may be in front of one that is watched here."""
    ours = next(f"job-{n}" for n in range(99) if Shard(1, 2).holds(f"job-{n}"))
    others = next(f"job-{n}" for n in range(99) if Shard(2, 2).holds(f"job-{n}"))
    collection = {("c", "public", "gp-1", "")}

    def split(*named: str, of: int, most: int = 9) -> AbstractSet[object]:
        config = configured(tmp_path, *named, scrape=ScrapeSettings(max_jobs=most))
        return Watched(config, shard=Shard(1, of)).current().split

    assert split(ours, others, of=1) == split(ours, of=2) == set()
    assert split(ours, others, of=2) == split(ours, others, of=1, most=1) == collection
